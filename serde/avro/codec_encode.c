/* serde/avro/codec_encode.c - from JSON tokens straight to Avro bytes, in one pass.
 *
 * (1) Bytes are appended as tokens come. A record whose members come in the schema's order needs nothing else.
 * (2) A record in another order, or with a member twice (the last one counts): every member is appended as it comes, its begin
 * and end are remembered, and at the end the pieces are put in order. (3) An array or map has one block; its count goes into one
 * byte kept free before it, and over 63 items the block is moved once. (4) Duplicate keys inside maps and union objects are rare
 * and told from what was written: the value is then read again from a cleaned text. Costs: O(n); no allocation but out's own, and
 * marks for nested records of over MARKS fields together. */
#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/own.h"
#include "serde/avro/codec.h"
#include "serde/avro/place.h"
#include "serde/varint.h"

enum { MARKS = 256, LINEAR_KEYS = 16 };

struct encoder {
    struct json_reader *r;
    struct buf *out;
    size_t *marks; /* a stack of offsets into out */
    size_t nmarks, cap_marks;
    struct buf scratch;
    struct place place;
    size_t few_marks[MARKS];
};

static int encode_value(struct encoder *e, const struct avro_code *c, enum json_token tok);

/* ---- failures ------------------------------------------------------------------------------------------------------ */

static const char *token_word(enum json_token tok)
{
    switch (tok) {
    case JSON_NULL:
        return "null";
    case JSON_FALSE:
    case JSON_TRUE:
        return "boolean";
    case JSON_NUMBER:
        return "number";
    case JSON_STRING:
        return "string";
    case JSON_ARRAY:
        return "array";
    case JSON_OBJECT:
        return "object";
    default:
        return "the end";
    }
}

static int out_of_room(struct encoder *e)
{
    if (e->out->max != 0)
        return place_fail(&e->place, ERR_TOO_BIG, "the encoded value is over %zu bytes", e->out->max);
    return place_fail(&e->place, ERR_NOMEM, "out of memory");
}

/* What a union takes: "null" or {"string": ...} or ... */
static void put_branches(struct buf *b, const struct avro_code *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (i > 0)
            buf_put_str(b, i + 1 == c->n ? STR(" or ") : STR(", "));
        if ((int32_t)i == c->null_index)
            buf_put_str(b, STR("null"));
        else
            buf_printf(b, "{\"%.*s\": ...}", STR_ARG(c->names.list[i]));
    }
}

static int mismatch(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    if (tok == JSON_ERROR)
        return -1;
    OWN_BY(buf_clear) struct buf expected = {0};
    if (c->op == CODE_UNION)
        put_branches(&expected, c);
    else
        buf_put_str(&expected, avro_kind_name(c->node->kind));
    return place_fail(&e->place, ERR_INVALID, "expected %.180s, got %s", buf_cstr(&expected), token_word(tok));
}

/* ---- scalars ------------------------------------------------------------------------------------------------------- */

static inline int put_varint(struct encoder *e, int64_t v)
{
    struct buf *out = e->out;
    if (out->cap - out->n < VARINT_MAX && buf_reserve(out, VARINT_MAX) == NULL) {
        /* near the ceiling: what is needed may still fit */
        char small[VARINT_MAX];
        size_t n = (size_t)(varint_put(small, v) - small);
        out->failed = false;
        buf_put(out, small, n);
        return out->failed ? out_of_room(e) : 0;
    }
    out->n = (size_t)(varint_put(out->p + out->n, v) - out->p);
    return 0;
}

static int put_bytes(struct encoder *e, const void *p, size_t n)
{
    buf_put(e->out, p, n);
    return e->out->failed ? out_of_room(e) : 0;
}

static inline bool small_integer(struct str t, int64_t *v)
{
    size_t i = t.p[0] == '-';
    int64_t sum = 0;
    if (t.n > 18)
        return false;
    for (; i < t.n; i++) {
        unsigned d = (unsigned char)t.p[i] - '0';
        if (d > 9)
            return false;
        sum = sum * 10 + d;
    }
    *v = t.p[0] == '-' ? -sum : sum;
    return true;
}

static int encode_integer(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    int64_t v;
    if (tok != JSON_NUMBER)
        return mismatch(e, c, tok);
    struct str text = e->r->text;
    if (!small_integer(text, &v) && !json_number_i64(text, &v))
        return place_fail(&e->place, ERR_INVALID, "expected %s, got %.*s, which is no integer of 64 bits",
                          c->op == CODE_INT ? "int" : "long", text.n < 60 ? (int)text.n : 60, text.p);
    if (c->op == CODE_INT && (v < INT32_MIN || v > INT32_MAX))
        return place_fail(&e->place, ERR_INVALID, "expected int, got %lld, which does not fit 32 bits", (long long)v);
    return put_varint(e, v);
}

/* Numbers of up to 15 digits without exponent: both factors are exact, so one division rounds right. */
static inline bool small_decimal(struct str t, double *v)
{
    static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16};
    size_t i = t.p[0] == '-', behind = 0;
    int64_t sum = 0;
    bool point = false;
    if (t.n > 16)
        return false;
    for (; i < t.n; i++) {
        unsigned d = (unsigned char)t.p[i] - '0';
        if (d <= 9) {
            sum = sum * 10 + d;
            behind += point;
        } else if (t.p[i] == '.') {
            point = true;
        } else {
            return false;
        }
    }
    if (sum > 999999999999999)
        return false;
    *v = (double)sum / tens[behind];
    if (t.p[0] == '-')
        *v = -*v;
    return true;
}

static int encode_real(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    double v;
    if (tok == JSON_NUMBER) {
        if (!small_decimal(e->r->text, &v))
            v = json_number_double(e->r->text);
    } else if (tok == JSON_STRING && json_string_is(e->r, STR("NaN"))) {
        v = NAN;
    } else if (tok == JSON_STRING && json_string_is(e->r, STR("Infinity"))) {
        v = INFINITY;
    } else if (tok == JSON_STRING && json_string_is(e->r, STR("-Infinity"))) {
        v = -INFINITY;
    } else {
        return mismatch(e, c, tok);
    }
    unsigned char bytes[8];
    if (c->op == CODE_FLOAT) {
        float f = (float)v;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        for (int i = 0; i < 4; i++)
            bytes[i] = (unsigned char)(bits >> (8 * i));
        return put_bytes(e, bytes, 4);
    }
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(bits >> (8 * i));
    return put_bytes(e, bytes, 8);
}

static int encode_boolean(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    if (tok != JSON_TRUE && tok != JSON_FALSE)
        return mismatch(e, c, tok);
    return put_bytes(e, tok == JSON_TRUE ? "\1" : "\0", 1);
}

/* The current string or key, as length and UTF-8. */
static int put_string(struct encoder *e)
{
    struct str text = e->r->text;
    if (!e->r->escaped)
        return put_varint(e, (int64_t)text.n) < 0 ? -1 : put_bytes(e, text.p, text.n);
    buf_reset(&e->scratch);
    json_unescape(text, &e->scratch);
    if (e->scratch.failed)
        return place_fail(&e->place, ERR_NOMEM, "out of memory");
    return put_varint(e, (int64_t)e->scratch.n) < 0 ? -1 : put_bytes(e, e->scratch.p, e->scratch.n);
}

/* The characters of text as a byte each, over p (text may begin at p). The number of bytes, or -1 with the character that is
 * none. */
static ptrdiff_t narrow(struct str text, char *p, uint32_t *wide)
{
    const unsigned char *t = (const unsigned char *)text.p, *end = t + text.n;
    char *to = p;
    while (t < end) {
        if (*t < 0x80) {
            *to++ = (char)*t++;
        } else if (*t < 0xC4) {
            *to++ = (char)((*t & 3) << 6 | (t[1] & 0x3F));
            t += 2;
        } else {
            *wide = *t < 0xE0 ? (uint32_t)(*t & 0x1F) << 6 | (t[1] & 0x3F)
                    : *t < 0xF0
                        ? (uint32_t)(*t & 0x0F) << 12 | (uint32_t)(t[1] & 0x3F) << 6 | (t[2] & 0x3F)
                        : (uint32_t)(*t & 7) << 18 | (uint32_t)(t[1] & 0x3F) << 12 | (uint32_t)(t[2] & 0x3F) << 6 | (t[3] & 0x3F);
            return -1;
        }
    }
    return to - p;
}

static int encode_bytes(struct encoder *e, const struct avro_code *c, enum json_token tok, bool with_length)
{
    uint32_t wide = 0;
    if (tok != JSON_STRING)
        return mismatch(e, c, tok);
    buf_reset(&e->scratch);
    json_unescape(e->r->text, &e->scratch);
    if (e->scratch.failed)
        return place_fail(&e->place, ERR_NOMEM, "out of memory");
    ptrdiff_t n = narrow(buf_str(&e->scratch), e->scratch.p, &wide);
    if (n < 0)
        return place_fail(&e->place, ERR_INVALID, "expected %s as characters U+0000 to U+00FF, got U+%04X",
                          c->op == CODE_BYTES ? "bytes" : "fixed", wide);
    if (c->op == CODE_FIXED && n != c->node->size)
        return place_fail(&e->place, ERR_INVALID, "expected fixed of %lld bytes, got %lld", (long long)c->node->size,
                          (long long)n);
    if (c->op == CODE_BYTES && with_length && put_varint(e, n) < 0)
        return -1;
    return put_bytes(e, e->scratch.p, (size_t)n);
}

/* Which name is the current string or key? -1: none. */
static int find_name(const struct json_reader *r, const struct code_names *names)
{
    if (!r->escaped)
        return code_names_find(names, r->text);
    struct buf plain = {0};
    json_unescape(r->text, &plain);
    int at = plain.failed ? -1 : code_names_find(names, buf_str(&plain));
    buf_clear(&plain);
    return at;
}

static int encode_enum(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    if (tok != JSON_STRING)
        return mismatch(e, c, tok);
    int at = find_name(e->r, &c->names);
    if (at < 0)
        return place_fail(&e->place, ERR_INVALID, "enum %.*s has no symbol \"%.*s\"", STR_ARG(c->node->name->full),
                          e->r->text.n < 80 ? (int)e->r->text.n : 80, e->r->text.p);
    return put_varint(e, at);
}

/* ---- arrays and maps ------------------------------------------------------------------------------------------------ */

/* One block from start on (its first byte is kept free for the count), then the end. */
static int finish_block(struct encoder *e, size_t start, int64_t count)
{
    struct buf *out = e->out;
    char head[VARINT_MAX];
    if (count == 0) {
        out->p[start] = 0;
        return 0;
    }
    size_t n = (size_t)(varint_put(head, count) - head);
    if (buf_reserve(out, n) == NULL) /* n - 1 and the end */
        return out_of_room(e);
    if (n > 1)
        memmove(out->p + start + n, out->p + start + 1, out->n - start - 1);
    memcpy(out->p + start, head, n);
    out->n += n - 1;
    out->p[out->n++] = 0;
    return 0;
}

static int encode_array(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    int64_t count = 0;
    if (tok != JSON_ARRAY)
        return mismatch(e, c, tok);
    size_t start = e->out->n;
    if (put_bytes(e, "\0", 1) < 0)
        return -1;
    while ((tok = json_next(e->r)) != JSON_ARRAY_END) {
        if (encode_value(e, c->items, tok) < 0)
            return place_index(&e->place, (uint64_t)count);
        count++;
    }
    return finish_block(e, start, count);
}

static int more_marks(struct encoder *e, size_t n)
{
    size_t cap = e->cap_marks * 2;
    while (cap < e->nmarks + n)
        cap *= 2;
    size_t *marks = malloc(cap * sizeof *marks);
    if (marks == NULL)
        return place_fail(&e->place, ERR_NOMEM, "out of memory");
    memcpy(marks, e->marks, e->nmarks * sizeof *marks);
    if (e->marks != e->few_marks)
        free(e->marks);
    e->marks = marks;
    e->cap_marks = cap;
    return 0;
}

static inline int push_marks(struct encoder *e, size_t n)
{
    if (e->cap_marks - e->nmarks < n && more_marks(e, n) < 0)
        return -1;
    e->nmarks += n;
    return 0;
}

static struct str written_key(const struct encoder *e, const size_t *mark)
{
    return str_n(e->out->p + mark[0], mark[1]);
}

/* Pairs of offset and length of count keys in out: is one there twice? */
static int check_keys(struct encoder *e, size_t base, size_t count)
{
    const size_t *marks = e->marks + base;
    bool twice = false, failed = false;
    if (count <= LINEAR_KEYS) {
        for (size_t i = 1; i < count && !twice; i++)
            for (size_t j = 0; j < i && !twice; j++)
                twice = str_eq(written_key(e, marks + 2 * i), written_key(e, marks + 2 * j));
    } else {
        struct map seen = {0};
        for (size_t i = 0; i < count && !twice && !failed; i++) {
            struct str key = written_key(e, marks + 2 * i);
            twice = map_get(&seen, key) != NULL;
            failed = !twice && map_set(&seen, key, e) < 0;
        }
        map_clear(&seen);
    }
    if (failed)
        return place_fail(&e->place, ERR_NOMEM, "out of memory");
    return twice ? place_fail(&e->place, ERR_INVALID, "a key is there twice") : 0;
}

static int encode_map(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    size_t count = 0, base = e->nmarks;
    if (tok != JSON_OBJECT)
        return mismatch(e, c, tok);
    size_t start = e->out->n;
    if (put_bytes(e, "\0", 1) < 0)
        return -1;
    while ((tok = json_next(e->r)) == JSON_KEY) {
        struct str key = e->r->text;
        if (push_marks(e, 2) < 0 || put_string(e) < 0)
            return -1;
        size_t n = e->r->escaped ? e->scratch.n : key.n;
        e->marks[base + 2 * count] = e->out->n - n;
        e->marks[base + 2 * count + 1] = n;
        if (encode_value(e, c->items, json_next(e->r)) < 0)
            return place_step(&e->place, key);
        count++;
    }
    if (tok == JSON_ERROR || check_keys(e, base, count) < 0)
        return -1;
    e->nmarks = base;
    return finish_block(e, start, (int64_t)count);
}

/* ---- records -------------------------------------------------------------------------------------------------------- */

static int missing_field(struct encoder *e, struct str name)
{
    return place_fail(&e->place, ERR_INVALID, "field \"%.*s\" is missing (every field must be given, also one with a default)",
                      name.n < 120 ? (int)name.n : 120, name.p);
}

/* Puts the pieces that begin and end at marks in the order of the fields, from start on. */
static int order_pieces(struct encoder *e, const struct avro_code *c, size_t base, size_t start)
{
    struct buf *out = e->out;
    size_t *piece = e->marks + base, at = start;
    bool in_order = true;
    for (uint32_t i = 0; i < c->n; i++, at = piece[2 * i - 1]) {
        if (piece[2 * i] == SIZE_MAX)
            return missing_field(e, c->fields[i].name);
        in_order &= piece[2 * i] == at;
    }
    if (in_order && at == out->n)
        return 0;
    char small[1024];
    buf_reset(&e->scratch);
    char *ordered = out->n - start <= sizeof small ? small : buf_reserve(&e->scratch, out->n - start), *to = ordered;
    if (ordered == NULL)
        return place_fail(&e->place, ERR_NOMEM, "out of memory");
    for (uint32_t i = 0; i < c->n; i++) {
        size_t n = piece[2 * i + 1] - piece[2 * i];
        memcpy(to, out->p + piece[2 * i], n);
        to += n;
    }
    memcpy(out->p + start, ordered, (size_t)(to - ordered));
    out->n = start + (size_t)(to - ordered);
    return 0;
}

/* The members from the current key on, of which this is not the expected one; the first done fields are written and their ends
 * marked. */
static int encode_any_order(struct encoder *e, const struct avro_code *c, size_t base, size_t start, uint32_t done, int at)
{
    enum json_token tok;
    for (uint32_t i = done; i < c->n; i++)
        e->marks[base + 2 * i] = SIZE_MAX;
    do {
        if (at < 0) {
            if (json_skip(e->r, JSON_KEY, NULL) < 0)
                return -1;
        } else {
            size_t begin = e->out->n;
            if (encode_value(e, c->fields[at].code, json_next(e->r)) < 0)
                return place_step(&e->place, c->fields[at].name);
            e->marks[base + 2 * (size_t)at] = begin;
            e->marks[base + 2 * (size_t)at + 1] = e->out->n;
        }
        tok = json_next(e->r);
        if (tok != JSON_KEY)
            break;
        at++; /* the order of the schema may go on from here */
        if (at == 0 || (uint32_t)at >= c->n || e->r->escaped || !str_eq(e->r->text, c->fields[at].name))
            at = find_name(e->r, &c->names);
    } while (true);
    return tok == JSON_ERROR ? -1 : order_pieces(e, c, base, start);
}

static int encode_record(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    const size_t base = e->nmarks, start = e->out->n;
    const struct code_field *f = c->fields, *end = f + c->n;
    if (tok != JSON_OBJECT)
        return mismatch(e, c, tok);
    if (push_marks(e, 2 * (size_t)c->n) < 0)
        return -1;
    while ((tok = json_next(e->r)) == JSON_KEY) {
        if (f < end && !e->r->escaped && e->r->text.n == f->name.n && memcmp(e->r->text.p, f->name.p, f->name.n) == 0) {
            size_t *mark = e->marks + base + 2 * (f - c->fields);
            mark[0] = e->out->n;
            if (encode_value(e, f->code, json_next(e->r)) < 0)
                return place_step(&e->place, f->name);
            e->marks[base + 2 * (size_t)(f - c->fields) + 1] = e->out->n; /* marks may have moved */
            f++;
            continue;
        }
        int at = find_name(e->r, &c->names);
        if (at >= 0) {
            if (encode_any_order(e, c, base, start, (uint32_t)(f - c->fields), at) < 0)
                return -1;
            e->nmarks = base;
            return 0;
        }
        if (json_skip(e->r, JSON_KEY, NULL) < 0)
            return -1;
    }
    if (tok == JSON_ERROR)
        return -1;
    if (f < end)
        return missing_field(e, f->name);
    e->nmarks = base;
    return 0;
}

/* ---- unions --------------------------------------------------------------------------------------------------------- */

static int unknown_branch(struct encoder *e, const struct avro_code *c, struct str name)
{
    OWN_BY(buf_clear) struct buf expected = {0};
    put_branches(&expected, c);
    return place_fail(&e->place, ERR_INVALID, "unknown union branch \"%.*s\": expected %.150s", name.n < 60 ? (int)name.n : 60,
                      name.p, buf_cstr(&expected));
}

static int encode_union(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    if (tok == JSON_NULL && c->null_index >= 0)
        return put_varint(e, c->null_index);
    if (tok != JSON_OBJECT)
        return mismatch(e, c, tok);
    tok = json_next(e->r);
    if (tok == JSON_ERROR)
        return -1;
    if (tok != JSON_KEY)
        return unknown_branch(e, c, STR(""));
    int at = find_name(e->r, &c->names);
    if (at < 0)
        return unknown_branch(e, c, e->r->text);
    if (put_varint(e, at) < 0)
        return -1;
    if (encode_value(e, c->branches[at].code, json_next(e->r)) < 0)
        return place_step(&e->place, c->names.list[at]);
    tok = json_next(e->r);
    if (tok == JSON_OBJECT_END)
        return 0;
    if (tok == JSON_ERROR)
        return -1;
    return place_fail(&e->place, ERR_INVALID, "a union is an object with one member, but behind \"%.*s\" comes \"%.*s\"",
                      c->names.list[at].n < 60 ? (int)c->names.list[at].n : 60, c->names.list[at].p,
                      e->r->text.n < 60 ? (int)e->r->text.n : 60, e->r->text.p);
}

/* ---- all together --------------------------------------------------------------------------------------------------- */

static int encode_value(struct encoder *e, const struct avro_code *c, enum json_token tok)
{
    switch (c->op) {
    case CODE_NULL:
        return tok == JSON_NULL ? 0 : mismatch(e, c, tok);
    case CODE_BOOLEAN:
        return encode_boolean(e, c, tok);
    case CODE_INT:
    case CODE_LONG:
        return encode_integer(e, c, tok);
    case CODE_FLOAT:
    case CODE_DOUBLE:
        return encode_real(e, c, tok);
    case CODE_STRING:
        return tok == JSON_STRING ? put_string(e) : mismatch(e, c, tok);
    case CODE_BYTES:
    case CODE_FIXED:
        return encode_bytes(e, c, tok, true);
    case CODE_RECORD:
        return encode_record(e, c, tok);
    case CODE_ENUM:
        return encode_enum(e, c, tok);
    case CODE_ARRAY:
        return encode_array(e, c, tok);
    case CODE_MAP:
        return encode_map(e, c, tok);
    default:
        return encode_union(e, c, tok);
    }
}

static int encode_top(struct encoder *e, const struct avro_code *c, unsigned form, enum json_token tok)
{
    place_init(&e->place);
    e->nmarks = 0;
    if (c->op == CODE_BYTES && form == AVRO_MESSAGE)
        return encode_bytes(e, c, tok, false);
    return encode_value(e, c, tok);
}

/* A value may have failed for a key that is there twice, or in a member that a later one of the same name replaces: once more,
 * from a text without duplicates. -1 when there are none, or it fails again. The reader goes to the end of the value, which began
 * at offset begin, inside depth levels. */
static int encode_again(struct encoder *e, const struct avro_code *c, unsigned form, size_t begin, int depth, size_t old_length)
{
    OWN_BY(arena_clear) struct arena a = {0};
    OWN_BY(buf_clear) struct buf clean = {0};
    struct json_reader r;
    while (e->r->depth > depth)
        if (json_next(e->r) == JSON_ERROR)
            return -1;
    struct str text = json_text_from(e->r, begin);
    struct err err = {0};
    if (json_parse(text, JSON_DUP_ERROR, 0, &a, &err) != NULL || err.code == ERR_NOMEM)
        return -1;
    arena_clear(&a);
    struct json *v = json_parse(text, JSON_DUP_LAST, 0, &a, NULL);
    if (v == NULL)
        return -1;
    json_put_tree(&clean, v);
    if (clean.failed)
        return -1;
    e->out->n = old_length;
    json_reader_init(&r, buf_str(&clean), 0);
    e->r = &r;
    return encode_top(e, c, form, json_next(&r));
}

int code_encode(const struct avro_code *c, unsigned form, struct json_reader *r, enum json_token tok, struct buf *out,
                struct err *err)
{
    struct encoder e;
    const bool nested = tok == JSON_OBJECT || tok == JSON_ARRAY;
    const size_t old_length = out->n, begin = nested ? json_offset(r) : 0;
    const int depth = nested ? r->depth - 1 : 0;
    e.r = r;
    e.out = out;
    e.marks = e.few_marks;
    e.cap_marks = MARKS;
    e.scratch = (struct buf){0};
    place_init(&e.place);
    int rc = out->failed ? out_of_room(&e) : encode_top(&e, c, form, tok);
    if (rc < 0 && e.place.code == 0) {
        err_set(err, r->err.code, "%s", r->err.text);
    } else if (rc < 0) {
        struct place first = e.place;
        rc = nested && first.code == ERR_INVALID ? encode_again(&e, c, form, begin, depth, old_length) : -1;
        if (rc < 0)
            place_report(&first, err);
    }
    if (e.marks != e.few_marks)
        free(e.marks);
    buf_clear(&e.scratch);
    return rc;
}
