/* Random schemas and values: our bytes are avro-c's bytes, and what we read from its bytes is the value that was written.
 * TEST_SEED in the environment chooses other ones. */
#include "serde/codec.h"

#include <avro.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/own.h"

enum { SCHEMAS = 3000, VALUES_EACH = 4, CHILDREN_MAX = 8, SCHEMA_DEPTH = 4, VALUE_DEPTH = 7 };

static uint64_t dice_state;
static uint64_t dice_seed;

static uint64_t dice64(void)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 7;
    dice_state ^= dice_state << 17;
    return dice_state * 0x2545F4914F6CDD1DULL;
}

static unsigned dice(unsigned n)
{
    return (unsigned)(dice64() >> 33) % n;
}

/* ---- schemas -------------------------------------------------------------------------------------------------------- */

enum kind {
    T_NULL,
    T_BOOLEAN,
    T_INT,
    T_LONG,
    T_FLOAT,
    T_DOUBLE,
    T_BYTES,
    T_STRING,
    T_RECORD,
    T_ENUM,
    T_FIXED,
    T_ARRAY,
    T_MAP,
    T_UNION,
    T_AGAIN
};

static const char *const words[] = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"};

struct type {
    enum kind kind;
    enum kind as_reader; /* a primitive as the reader has it */
    int name;            /* named types; T_AGAIN: which record around it */
    int n;               /* children, symbols, or the fixed size */
    struct type *child[CHILDREN_MAX];
    int field[CHILDREN_MAX];        /* names of fields */
    int reader_order[CHILDREN_MAX]; /* the reader's fields: which of ours, in its order */
    int reader_n;
};

struct making {
    struct arena *arena;
    int names;
    int around[SCHEMA_DEPTH + 2]; /* records in the making */
    int naround;
};

static struct type *make_type(struct making *m, int depth, bool in_union);

static void make_record(struct making *m, struct type *t, int depth)
{
    t->n = (int)dice(CHILDREN_MAX) + (dice(8) != 0);
    if (t->n > CHILDREN_MAX)
        t->n = CHILDREN_MAX;
    m->around[m->naround++] = t->name;
    for (int i = 0; i < t->n; i++) {
        t->field[i] = m->names++;
        t->child[i] = make_type(m, depth - 1, false);
        if (dice(5) != 0)
            t->reader_order[t->reader_n++] = i;
    }
    m->naround--;
    for (int i = t->reader_n - 1; i > 0 && dice(2) == 0; i--) {
        int j = (int)dice((unsigned)i + 1), old = t->reader_order[i];
        t->reader_order[i] = t->reader_order[j];
        t->reader_order[j] = old;
    }
}

/* Null, at most one number, at most one of each other kind; named types as they come. */
static void make_union(struct making *m, struct type *t, int depth)
{
    bool seen[T_AGAIN + 1] = {false};
    int want = 1 + (int)dice(4);
    while (t->n < want) {
        struct type *b = make_type(m, depth - 1, true);
        enum kind as = b->kind >= T_INT && b->kind <= T_DOUBLE ? T_INT : b->kind;
        if (seen[as] && (as < T_RECORD || as > T_FIXED))
            continue;
        seen[as] = true;
        t->child[t->n++] = b;
    }
}

/* avro-c cannot hold items that take no memory: no null, and records have a field, also the reader's. */
static struct type *make_item(struct making *m, int depth)
{
    struct type *t = make_type(m, depth, false);
    if (t->kind == T_NULL)
        t->kind = t->as_reader = T_STRING;
    if (t->kind != T_RECORD)
        return t;
    if (t->n == 0)
        t->field[t->n++] = m->names++;
    t->child[0] = arena_calloc(m->arena, 1, sizeof *t);
    t->child[0]->kind = t->child[0]->as_reader = T_LONG;
    for (int i = 0; i < t->reader_n; i++)
        if (t->reader_order[i] == 0)
            return t;
    t->reader_order[t->reader_n++] = 0;
    return t;
}

static struct type *make_type(struct making *m, int depth, bool in_union)
{
    static const enum kind promoted[][3] = {[T_INT] = {T_LONG, T_FLOAT, T_DOUBLE},
                                            [T_LONG] = {T_FLOAT, T_DOUBLE, T_DOUBLE},
                                            [T_FLOAT] = {T_DOUBLE, T_DOUBLE, T_DOUBLE}};
    struct type *t = arena_calloc(m->arena, 1, sizeof *t);
    t->kind = t->as_reader = (enum kind)dice(depth > 0 ? T_UNION + (in_union ? 0 : 3) : T_RECORD);
    if (t->kind > T_UNION) /* records and unions are what matters */
        t->kind = dice(2) ? T_RECORD : T_UNION;
    if (t->kind >= T_INT && t->kind <= T_FLOAT && !in_union && dice(3) == 0)
        t->as_reader = promoted[t->kind][dice(3)];
    if (t->kind >= T_RECORD && t->kind <= T_FIXED)
        t->name = m->names++;
    switch (t->kind) {
    case T_RECORD:
        make_record(m, t, depth);
        break;
    case T_ENUM:
        t->n = 1 + (int)dice(12);
        break;
    case T_FIXED:
        t->n = 1 + (int)dice(20);
        break;
    case T_ARRAY:
    case T_MAP:
        t->child[0] = make_item(m, depth - 1);
        break;
    case T_UNION:
        if (m->naround > 0 && dice(3) == 0) { /* the way back to a record around */
            t->n = 2;
            t->child[0] = arena_calloc(m->arena, 1, sizeof *t);
            t->child[1] = arena_calloc(m->arena, 1, sizeof *t);
            t->child[1]->kind = T_AGAIN;
            t->child[1]->name = m->around[dice((unsigned)m->naround)];
        } else {
            make_union(m, t, depth);
        }
        break;
    default:
        break;
    }
    return t;
}

static void put_type(struct buf *b, const struct type *t, bool reader)
{
    int n = reader && t->kind == T_RECORD ? t->reader_n : t->n;
    switch (t->kind) {
    case T_RECORD:
        buf_printf(b, "{\"type\":\"record\",\"name\":\"N%d\",\"fields\":[", t->name);
        for (int i = 0; i < n; i++) {
            int at = reader ? t->reader_order[i] : i;
            buf_printf(b, "%s{\"name\":\"f%d\",\"type\":", i > 0 ? "," : "", t->field[at]);
            put_type(b, t->child[at], reader);
            buf_put_str(b, STR("}"));
        }
        buf_put_str(b, STR("]}"));
        break;
    case T_ENUM:
        buf_printf(b, "{\"type\":\"enum\",\"name\":\"N%d\",\"symbols\":[", t->name);
        for (int i = 0; i < n; i++)
            buf_printf(b, "%s\"S%d\"", i > 0 ? "," : "", i);
        buf_put_str(b, STR("]}"));
        break;
    case T_FIXED:
        buf_printf(b, "{\"type\":\"fixed\",\"name\":\"N%d\",\"size\":%d}", t->name, t->n);
        break;
    case T_ARRAY:
    case T_MAP:
        buf_printf(b, t->kind == T_ARRAY ? "{\"type\":\"array\",\"items\":" : "{\"type\":\"map\",\"values\":");
        put_type(b, t->child[0], reader);
        buf_put_str(b, STR("}"));
        break;
    case T_UNION:
        for (int i = 0; i < n; i++) {
            buf_put_str(b, i > 0 ? STR(",") : STR("["));
            put_type(b, t->child[i], reader);
        }
        buf_put_str(b, STR("]"));
        break;
    case T_AGAIN:
        buf_printf(b, "\"N%d\"", t->name);
        break;
    default:
        buf_printf(b, "\"%s\"", words[reader ? t->as_reader : t->kind]);
    }
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

/* The same value for avro-c, as JSON in the schema's order, and as JSON in any order with more members. */
struct twins {
    struct buf json, mixed;
};

static void both(struct twins *w, struct str s)
{
    buf_put_str(&w->json, s);
    buf_put_str(&w->mixed, s);
}

static void fill(avro_value_t *v, struct twins *w, int depth);

static int64_t random_long(void)
{
    return (int64_t)dice64() >> dice(64);
}

static double random_double(void)
{
    uint64_t bits = dice64();
    double d;
    switch (dice(4)) {
    case 0:
        return (double)random_long();
    case 1:
        return (double)(int64_t)dice(2000000) / 100 - 10000;
    case 2: {
        static const double odd[] = {0.0,  -0.0, INFINITY,          -INFINITY, 5e-324, 1.7976931348623157e308,
                                     1e-3, 1e7,  9999999.999999999, 0.1};
        return odd[dice(sizeof odd / sizeof *odd)];
    }
    default:
        memcpy(&d, &bits, sizeof d);
        return isnan(d) ? 1.5 : d;
    }
}

/* A JSON string of characters below limit, and its plain bytes (UTF-8, or one byte a character). */
static void random_text(struct twins *w, struct buf *plain, size_t n, bool bytes)
{
    static const char *const shorts[] = {"\\n", "\\t", "\\\"", "\\\\", "\\/", "\\b"};
    static const char meant[] = "\n\t\"\\/\b";
    both(w, STR("\""));
    for (size_t i = 0; i < n; i++) {
        struct buf one = {0};
        unsigned how = dice(16), c = bytes ? dice(256) : 1 + dice(0x7FF);
        if (how == 0) {
            unsigned k = dice(6);
            buf_put_str(&one, str_of(shorts[k]));
            buf_put_u8(plain, (unsigned char)meant[k]);
        } else if (how == 1 || (bytes && how < 6)) {
            buf_printf(&one, "\\u%04x", c);
            if (bytes || c < 0x80)
                buf_put_u8(plain, (unsigned char)c);
            else
                buf_put(plain, (const char[]){(char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F))}, 2);
        } else if (how == 2 && !bytes) {
            buf_put_str(&one, STR("\xF0\x9F\x98\x80"));
            buf_put_str(plain, STR("\xF0\x9F\x98\x80"));
        } else {
            buf_put_u8(&one, (unsigned char)('a' + c % 26));
            buf_put_u8(plain, (unsigned char)('a' + c % 26));
        }
        both(w, buf_str(&one));
        buf_clear(&one);
    }
    both(w, STR("\""));
}

static void fill_scalar(avro_value_t *v, avro_type_t type, struct twins *w)
{
    OWN_BY(buf_clear) struct buf plain = {0}, text = {0};
    int64_t i = random_long();
    double d = random_double();
    switch (type) {
    case AVRO_NULL:
        avro_value_set_null(v);
        both(w, STR("null"));
        return;
    case AVRO_BOOLEAN:
        avro_value_set_boolean(v, (int)(i & 1));
        both(w, i & 1 ? STR("true") : STR("false"));
        return;
    case AVRO_INT32:
        avro_value_set_int(v, (int32_t)i);
        json_put_i64(&text, (int32_t)i);
        break;
    case AVRO_INT64:
        avro_value_set_long(v, i);
        json_put_i64(&text, i);
        break;
    case AVRO_FLOAT:
        avro_value_set_float(v, (float)d);
        json_put_double(&text, (double)(float)d);
        break;
    case AVRO_DOUBLE:
        avro_value_set_double(v, d);
        json_put_double(&text, d);
        break;
    case AVRO_STRING:
        random_text(w, &plain, dice(40), false);
        avro_value_set_string(v, (char *)(uintptr_t)buf_cstr(&plain));
        return;
    case AVRO_BYTES:
        random_text(w, &plain, dice(40), true);
        avro_value_set_bytes(v, (void *)(uintptr_t)buf_cstr(&plain), plain.n);
        return;
    case AVRO_FIXED: {
        size_t n = (size_t)avro_schema_fixed_size(avro_value_get_schema(v));
        random_text(w, &plain, n, true);
        assert_int_equal(plain.n, n);
        assert_int_equal(avro_value_set_fixed(v, plain.p, n), 0);
        return;
    }
    default: {
        avro_schema_t s = avro_value_get_schema(v);
        int k = (int)dice((unsigned)avro_schema_enum_number_of_symbols(s));
        avro_value_set_enum(v, k);
        buf_printf(&text, "\"%s\"", avro_schema_enum_get(s, k));
    }
    }
    both(w, buf_str(&text));
}

static void fill_record(avro_value_t *v, struct twins *w, int depth)
{
    size_t n;
    struct buf whole = w->mixed, pieces[CHILDREN_MAX] = {{0}};
    avro_value_get_size(v, &n);
    buf_put_str(&w->json, STR("{"));
    for (size_t i = 0; i < n; i++) {
        avro_value_t child;
        const char *name;
        w->mixed = (struct buf){0};
        avro_value_get_by_index(v, i, &child, &name);
        buf_printf(&w->json, "%s\"%s\":", i > 0 ? "," : "", name);
        buf_printf(&w->mixed, "\"%s\" : ", name);
        fill(&child, w, depth - 1);
        pieces[i] = w->mixed;
    }
    buf_put_str(&w->json, STR("}"));
    w->mixed = whole;
    buf_put_str(&w->mixed, STR("{ "));
    size_t first = n > 0 ? dice((unsigned)n) : 0, step = dice(3) == 0 ? n - 1 : 1; /* from anywhere on, maybe backwards */
    for (size_t k = 0; k < n; k++) {
        if (dice(8) == 0)
            buf_put_str(&w->mixed, STR("\"unknown\":[{\"x\":null}],"));
        buf_put_str(&w->mixed, buf_str(&pieces[(first + k * step) % n]));
        if (k + 1 < n)
            buf_put_str(&w->mixed, STR(", "));
    }
    buf_put_str(&w->mixed, STR("}"));
    for (size_t i = 0; i < n; i++)
        buf_clear(&pieces[i]);
}

static void fill_items(avro_value_t *v, bool map, struct twins *w, int depth)
{
    int n = depth <= 0 ? 0 : dice(20) == 0 ? (int)dice(200) : (int)dice(4);
    both(w, map ? STR("{") : STR("["));
    for (int i = 0; i < n; i++) {
        avro_value_t child;
        char key[32];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(map ? avro_value_add(v, key, &child, NULL, NULL) : avro_value_append(v, &child, NULL), 0);
        if (i > 0)
            both(w, STR(","));
        if (map) {
            buf_printf(&w->json, "\"%s\":", key);
            buf_printf(&w->mixed, "\"\\u006b%d\":", i);
        }
        fill(&child, w, depth - 2);
    }
    both(w, map ? STR("}") : STR("]"));
}

static void fill_union(avro_value_t *v, struct twins *w, int depth)
{
    avro_schema_t s = avro_value_get_schema(v);
    int n = (int)avro_schema_union_size(s), k = (int)dice((unsigned)n);
    if (depth <= 0 && avro_typeof(avro_schema_union_branch(s, 0)) == AVRO_NULL)
        k = 0;
    avro_value_t child;
    assert_int_equal(avro_value_set_branch(v, k, &child), 0);
    if (avro_value_get_type(&child) == AVRO_NULL) {
        fill(&child, w, depth - 1);
        return;
    }
    OWN_BY(buf_clear) struct buf tag = {0};
    buf_printf(&tag, "{\"%s\":", avro_schema_type_name(avro_schema_union_branch(s, k)));
    both(w, buf_str(&tag));
    fill(&child, w, depth - 1);
    both(w, STR("}"));
}

static void fill(avro_value_t *v, struct twins *w, int depth)
{
    avro_type_t type = avro_value_get_type(v);
    switch (type) {
    case AVRO_RECORD:
        fill_record(v, w, depth);
        break;
    case AVRO_ARRAY:
    case AVRO_MAP:
        fill_items(v, type == AVRO_MAP, w, depth);
        break;
    case AVRO_UNION:
        fill_union(v, w, depth);
        break;
    default:
        fill_scalar(v, type, w);
    }
}

/* ---- both sides ------------------------------------------------------------------------------------------------------ */

struct side {
    struct buf text;
    struct schema *schema;
    struct codec *codec;
    avro_schema_t theirs;
    avro_value_iface_t *class;
};

static void side_open(struct side *s, const struct type *t, bool reader)
{
    struct err err = {0};
    *s = (struct side){0};
    put_type(&s->text, t, reader);
    const struct schema_source src = {.type = SCHEMA_AVRO, .text = buf_str(&s->text), .flags = SCHEMA_NEW};
    s->schema = schema_parse(&src, &err);
    if (s->schema == NULL || (s->codec = codec_new(s->schema, &err)) == NULL)
        fail_msg("seed %llu: %s: %s", (unsigned long long)dice_seed, buf_cstr(&s->text), err.text);
    if (avro_schema_from_json_length(buf_cstr(&s->text), s->text.n, &s->theirs) != 0)
        fail_msg("seed %llu: %s: avro-c: %s", (unsigned long long)dice_seed, buf_cstr(&s->text), avro_strerror());
    s->class = avro_generic_class_from_schema(s->theirs);
    assert_non_null(s->class);
}

static void side_close(struct side *s)
{
    avro_value_iface_decref(s->class);
    avro_schema_decref(s->theirs);
    codec_unref(s->codec);
    schema_unref(s->schema);
    buf_clear(&s->text);
}

/* -1: the value is not whole. */
static int their_bytes(avro_value_t *v, struct buf *out)
{
    size_t n;
    if (avro_value_sizeof(v, &n) != 0)
        return -1;
    char *to = buf_reserve(out, n + 1);
    avro_writer_t w = avro_writer_memory(to, (int64_t)n + 1);
    if (avro_value_write(w, v) != 0)
        fail_msg("avro-c cannot write: %s", avro_strerror());
    out->n = n;
    avro_writer_free(w);
    return 0;
}

static void our_bytes(const struct side *s, struct str json, struct buf *out)
{
    struct json_reader r;
    struct err err = {0};
    json_reader_init(&r, json, 0);
    if (codec_encode_plain(s->codec, &r, json_next(&r), out, &err) < 0 || json_next(&r) != JSON_END)
        fail_msg("seed %llu: %s\n%.*s\n%s %s", (unsigned long long)dice_seed,
                 s->schema != NULL ? schema_canonical(s->schema).p : "", STR_ARG(json), err.text, r.err.text);
}

static void expect_same(const struct side *s, struct str ours, struct str theirs, struct str json)
{
    if (!str_eq(ours, theirs))
        fail_msg("seed %llu: other bytes than avro-c's for\n%.*s\n%.*s", (unsigned long long)dice_seed,
                 STR_ARG(schema_canonical(s->schema)), STR_ARG(json));
}

/* Their bytes read with the reader's schema, by them and by us. 0 where avro-c leaves the value half done: an empty record, array
 * or map in a union does not make it choose the branch. */
static int check_resolution(struct side *writer, struct side *reader, struct codec *resolving, struct str bytes)
{
    struct err err = {0};
    avro_value_iface_t *class = avro_resolved_writer_new(writer->theirs, reader->theirs);
    if (class == NULL)
        fail_msg("seed %llu: avro-c cannot resolve %s: %s", (unsigned long long)dice_seed, buf_cstr(&reader->text),
                 avro_strerror());
    avro_value_t dest, resolved;
    assert_int_equal(avro_generic_value_new(reader->class, &dest), 0);
    assert_int_equal(avro_resolved_writer_new_value(class, &resolved), 0);
    avro_resolved_writer_set_dest(&resolved, &dest);
    avro_reader_t in = avro_reader_memory(bytes.p, (int64_t)bytes.n);
    OWN_BY(buf_clear) struct buf theirs = {0}, json = {0}, ours = {0};
    if (avro_value_read(in, &resolved) != 0)
        fail_msg("seed %llu: avro-c cannot read: %s", (unsigned long long)dice_seed, avro_strerror());
    const bool whole = their_bytes(&dest, &theirs) == 0;
    if (codec_decode_plain(resolving, bytes, &json, &err) < 0)
        fail_msg("seed %llu: %s: %s", (unsigned long long)dice_seed, buf_cstr(&reader->text), err.text);
    our_bytes(reader, buf_str(&json), &ours);
    if (whole)
        expect_same(reader, buf_str(&ours), buf_str(&theirs), buf_str(&json));
    avro_reader_free(in);
    avro_value_decref(&resolved);
    avro_value_iface_decref(class);
    avro_value_decref(&dest);
    return whole;
}

static void check_value(struct side *writer, struct side *reader, struct codec *resolving, int *resolved)
{
    struct twins w = {{0}, {0}};
    struct err err = {0};
    OWN_BY(buf_clear) struct buf theirs = {0}, ours = {0}, mixed = {0}, back = {0}, again = {0};
    avro_value_t v;
    assert_int_equal(avro_generic_value_new(writer->class, &v), 0);
    fill(&v, &w, VALUE_DEPTH);
    assert_int_equal(their_bytes(&v, &theirs), 0);
    our_bytes(writer, buf_str(&w.json), &ours);
    expect_same(writer, buf_str(&ours), buf_str(&theirs), buf_str(&w.json));
    our_bytes(writer, buf_str(&w.mixed), &mixed);
    expect_same(writer, buf_str(&mixed), buf_str(&theirs), buf_str(&w.mixed));
    if (codec_decode_plain(writer->codec, buf_str(&theirs), &back, &err) < 0)
        fail_msg("seed %llu: %s\n%s\n%s", (unsigned long long)dice_seed, buf_cstr(&writer->text), buf_cstr(&w.json), err.text);
    our_bytes(writer, buf_str(&back), &again);
    expect_same(writer, buf_str(&again), buf_str(&theirs), buf_str(&back));
    *resolved += check_resolution(writer, reader, resolving, buf_str(&theirs));
    avro_value_decref(&v);
    buf_clear(&w.json);
    buf_clear(&w.mixed);
}

static void random_values(void **state)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    int resolved = 0;
    print_message("seed %llu: %d schemas, %d values\n", (unsigned long long)seed, SCHEMAS, SCHEMAS * VALUES_EACH);
    for (int i = 0; i < SCHEMAS; i++) {
        struct arena arena = {0};
        struct making m = {.arena = &arena};
        struct side writer, reader;
        struct err err = {0};
        dice_seed = seed; /* what fails says from where to repeat it */
        dice_state = (seed + (uint64_t)i) * 0x9E3779B97F4A7C15ULL | 1;
        dice_seed = seed + (uint64_t)i;
        struct type *t = make_type(&m, SCHEMA_DEPTH, false);
        side_open(&writer, t, false);
        side_open(&reader, t, true);
        struct codec *resolving = codec_new_resolving(writer.schema, reader.schema, &err);
        if (resolving == NULL)
            fail_msg("seed %llu: %s\n%s\n%s", (unsigned long long)dice_seed, buf_cstr(&writer.text), buf_cstr(&reader.text),
                     err.text);
        for (int k = 0; k < VALUES_EACH; k++)
            check_value(&writer, &reader, resolving, &resolved);
        codec_unref(resolving);
        side_close(&writer);
        side_close(&reader);
        arena_clear(&arena);
    }
    print_message("%d values also compared after resolution\n", resolved);
    assert_true(resolved > SCHEMAS * VALUES_EACH * 3 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
