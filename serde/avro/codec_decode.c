/* serde/avro/codec_decode.c - from Avro bytes straight to JSON text.
 *
 * The data is not trusted: every length is checked against what is left, depth is limited, and so is the text one value may
 * become (values that take no bytes, such as an array of 2^60 nulls, would go on for ever). Text that is not UTF-8 is written
 * with U+FFFD, as other readers do. */
#include <stdlib.h>

#include "serde/avro/codec.h"
#include "serde/avro/place.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { DEPTH_MAX = JSON_DEPTH_MAX, TEXT_ALWAYS = 16 << 20, TEXT_PER_BYTE = 256 };

struct decoder {
    const unsigned char *p, *end;
    struct buf *out;
    size_t out_max; /* where out may not go beyond */
    int depth;
    bool raw;  /* the next bytes or string is all there is, without a length */
    bool bare; /* the next union is the top level of a message: no tag */
    struct place place;
};

static int decode_value(struct decoder *d, const struct avro_code *c);
static int skip_value(struct decoder *d, const struct avro_code *c);

static size_t left(const struct decoder *d)
{
    return (size_t)(d->end - d->p);
}

static int ends_early(struct decoder *d, const char *inside)
{
    return place_fail(&d->place, ERR_INVALID, "the data ends inside %s", inside);
}

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

static int read_long_slow(struct decoder *d, int64_t *out)
{
    uint64_t u = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (d->p >= d->end)
            return ends_early(d, "a number");
        unsigned char b = *d->p++;
        if (shift == 63 && b > 1)
            break;
        u |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) {
            *out = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
            return 0;
        }
    }
    return place_fail(&d->place, ERR_INVALID, "a number of more than 64 bits");
}

static inline int read_long(struct decoder *d, int64_t *out)
{
    if (d->p < d->end && *d->p < 0x80) {
        unsigned u = *d->p++;
        *out = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
        return 0;
    }
    return read_long_slow(d, out);
}

static inline int read_int(struct decoder *d, int64_t *out)
{
    if (read_long(d, out) < 0)
        return -1;
    if (*out < INT32_MIN || *out > INT32_MAX)
        return place_fail(&d->place, ERR_INVALID, "an int of %lld, which does not fit 32 bits", (long long)*out);
    return 0;
}

static uint64_t little_endian(const unsigned char *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static int read_float(struct decoder *d, double *out)
{
    float f;
    if (left(d) < 4)
        return ends_early(d, "a float");
    uint32_t bits = (uint32_t)little_endian(d->p, 4);
    memcpy(&f, &bits, sizeof f);
    d->p += 4;
    *out = f;
    return 0;
}

static int read_double(struct decoder *d, double *out)
{
    if (left(d) < 8)
        return ends_early(d, "a double");
    uint64_t bits = little_endian(d->p, 8);
    memcpy(out, &bits, sizeof *out);
    d->p += 8;
    return 0;
}

static int decode_number(struct decoder *d, enum avro_op op)
{
    int64_t v = 0;
    double real = 0;
    int rc;
    switch (op) {
    case CODE_INT:
    case CODE_INT_TO_FLOAT:
    case CODE_INT_TO_DOUBLE:
        rc = read_int(d, &v);
        break;
    case CODE_FLOAT:
        rc = read_float(d, &real);
        break;
    case CODE_DOUBLE:
        rc = read_double(d, &real);
        break;
    default:
        rc = read_long(d, &v);
    }
    if (rc < 0)
        return -1;
    if (op == CODE_INT || op == CODE_LONG) {
        json_put_i64(d->out, v);
        return 0;
    }
    if (op == CODE_INT_TO_FLOAT || op == CODE_LONG_TO_FLOAT)
        real = (double)(float)v;
    else if (op == CODE_INT_TO_DOUBLE || op == CODE_LONG_TO_DOUBLE)
        real = (double)v;
    json_put_double(d->out, real);
    return 0;
}

/* ---- strings -------------------------------------------------------------------------------------------------------- */

/* The length and place of a string or bytes. */
static int read_bytes(struct decoder *d, const char *inside, struct str *out)
{
    int64_t n;
    if (d->raw) {
        d->raw = false;
        n = (int64_t)left(d);
    } else if (read_long(d, &n) < 0) {
        return -1;
    }
    if (n < 0)
        return place_fail(&d->place, ERR_INVALID, "%s of %lld bytes", inside, (long long)n);
    if ((uint64_t)n > left(d))
        return place_fail(&d->place, ERR_INVALID, "the data ends inside %s: its length is %lld, %zu bytes are left", inside,
                          (long long)n, left(d));
    *out = str_n(d->p, (size_t)n);
    d->p += n;
    return 0;
}

/* Most strings need no escape and are ASCII: copied while they are looked at. */
static void put_text(struct buf *out, struct str s)
{
    const bool had_failed = out->failed;
    char *to = buf_reserve(out, s.n + 2 + 16);
    size_t i = 0;
    if (had_failed)
        return;
    if (to == NULL) { /* near the ceiling it may still fit */
        out->failed = false;
        json_put_string(out, s);
        return;
    }
    *to++ = '"';
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    for (; s.n - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
        __m128i hit =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)), _mm_cmplt_epi8(v, space));
        if (_mm_movemask_epi8(hit) != 0)
            break;
        _mm_storeu_si128((__m128i *)(void *)(to + i), v);
    }
#endif
    for (; i < s.n; i++) {
        signed char c = (signed char)s.p[i]; /* bytes over 0x7F are negative */
        if (c < ' ' || c == '"' || c == '\\') {
            json_put_string(out, s);
            return;
        }
        to[i] = (char)c;
    }
    to[i] = '"';
    out->n += s.n + 2;
}

/* Bytes as the characters U+0000 to U+00FF. */
static void put_latin1(struct buf *out, struct str s)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x80)
            buf_put(out, (const char[]){(char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F))}, 2);
        else if (c >= 0x20 && c != '"' && c != '\\')
            buf_put_u8(out, c);
        else
            json_put_escape(out, c);
    }
    buf_put_u8(out, '"');
}

static int decode_text(struct decoder *d, enum avro_op op)
{
    struct str s;
    if (read_bytes(d, op == CODE_STRING ? "a string" : "bytes", &s) < 0)
        return -1;
    if (op == CODE_STRING)
        put_text(d->out, s);
    else
        put_latin1(d->out, s);
    return 0;
}

static int decode_fixed(struct decoder *d, const struct avro_code *c)
{
    if ((uint64_t)c->node->size > left(d))
        return ends_early(d, "a fixed");
    put_latin1(d->out, str_n(d->p, (size_t)c->node->size));
    d->p += c->node->size;
    return 0;
}

static int decode_boolean(struct decoder *d)
{
    if (d->p >= d->end)
        return ends_early(d, "a boolean");
    unsigned char b = *d->p++;
    if (b > 1)
        return place_fail(&d->place, ERR_INVALID, "a boolean of 0x%02x (0 or 1 is right)", b);
    buf_put_str(d->out, b ? STR("true") : STR("false"));
    return 0;
}

static int decode_enum(struct decoder *d, const struct avro_code *c)
{
    int64_t i;
    if (read_int(d, &i) < 0)
        return -1;
    if (i < 0 || i >= c->n)
        return place_fail(&d->place, ERR_INVALID, "symbol number %lld of an enum that has %u", (long long)i, (unsigned)c->n);
    if (c->quoted[i].p == NULL)
        return place_fail(&d->place, ERR_INVALID, "the reader's enum has no symbol \"%.*s\" and no default",
                          STR_ARG(c->node->symbols[i]));
    buf_put_str(d->out, c->quoted[i]);
    return 0;
}

/* ---- nesting -------------------------------------------------------------------------------------------------------- */

static int enter(struct decoder *d)
{
    if (d->depth >= DEPTH_MAX)
        return place_fail(&d->place, ERR_TOO_BIG, "the value is nested more than %d deep", DEPTH_MAX);
    d->depth++;
    return 0;
}

static inline int check_room(struct decoder *d)
{
    if (d->out->failed || d->out->n > d->out_max)
        return place_fail(&d->place, ERR_TOO_BIG, "the value as JSON is over its limit");
    return 0;
}

/* The head of a block of items: their number, and the end of its bytes where the writer says it. 1, 0 at the end of all blocks,
 * or -1. */
static int read_block(struct decoder *d, int64_t *count, const unsigned char **end)
{
    int64_t size;
    *end = NULL;
    if (read_long(d, count) < 0)
        return -1;
    if (*count >= 0)
        return *count > 0;
    if (*count == INT64_MIN)
        return place_fail(&d->place, ERR_INVALID, "a block of 2^63 items");
    *count = -*count;
    if (read_long(d, &size) < 0)
        return -1;
    if (size < 0 || (uint64_t)size > left(d))
        return place_fail(&d->place, ERR_INVALID, "a block of %lld bytes, %zu are left", (long long)size, left(d));
    *end = d->p + size;
    return 1;
}

static int check_block_end(struct decoder *d, const unsigned char *end)
{
    if (end != NULL && d->p != end)
        return place_fail(&d->place, ERR_INVALID, "a block whose items do not take the bytes that it says");
    return 0;
}

static int decode_array(struct decoder *d, const struct avro_code *c)
{
    const unsigned char *end;
    uint64_t index = 0;
    int64_t count;
    int rc;
    if (enter(d) < 0)
        return -1;
    buf_put_u8(d->out, '[');
    while ((rc = read_block(d, &count, &end)) > 0) {
        for (; count > 0; count--, index++) {
            if (index > 0)
                buf_put_u8(d->out, ',');
            if (decode_value(d, c->items) < 0 || check_room(d) < 0)
                return place_index(&d->place, index);
        }
        if (check_block_end(d, end) < 0)
            return -1;
    }
    if (rc < 0)
        return -1;
    buf_put_u8(d->out, ']');
    d->depth--;
    return 0;
}

static int decode_map(struct decoder *d, const struct avro_code *c)
{
    const unsigned char *end;
    struct str key;
    bool first = true;
    int64_t count;
    int rc;
    if (enter(d) < 0)
        return -1;
    buf_put_u8(d->out, '{');
    while ((rc = read_block(d, &count, &end)) > 0) {
        for (; count > 0; count--, first = false) {
            if (read_bytes(d, "a key", &key) < 0)
                return -1;
            if (!first)
                buf_put_u8(d->out, ',');
            put_text(d->out, key);
            buf_put_u8(d->out, ':');
            if (decode_value(d, c->items) < 0 || check_room(d) < 0)
                return place_step(&d->place, key);
        }
        if (check_block_end(d, end) < 0)
            return -1;
    }
    if (rc < 0)
        return -1;
    buf_put_u8(d->out, '}');
    d->depth--;
    return 0;
}

static int decode_record(struct decoder *d, const struct avro_code *c)
{
    if (enter(d) < 0)
        return -1;
    for (const struct code_field *f = c->fields, *end = f + c->n; f < end; f++) {
        buf_put_str(d->out, f->prefix);
        if (decode_value(d, f->code) < 0)
            return place_step(&d->place, f->name);
    }
    buf_put_str(d->out, c->n > 0 ? STR("}") : STR("{}"));
    d->depth--;
    return check_room(d);
}

static int decode_branch(struct decoder *d, const struct code_branch *b)
{
    const bool tagged = b->tag.n > 0 && !d->bare;
    d->bare = false;
    if (!tagged)
        return decode_value(d, b->code);
    if (enter(d) < 0)
        return -1;
    buf_put_str(d->out, b->tag);
    if (decode_value(d, b->code) < 0)
        return place_step(&d->place, str_n(b->tag.p + 2, b->tag.n - 4)); /* between {" and ": */
    buf_put_u8(d->out, '}');
    d->depth--;
    return 0;
}

static int read_branch(struct decoder *d, const struct avro_code *c, int64_t *i)
{
    if (read_long(d, i) < 0)
        return -1;
    if (*i < 0 || *i >= c->n)
        return place_fail(&d->place, ERR_INVALID, "branch number %lld of a union that has %u", (long long)*i, (unsigned)c->n);
    return 0;
}

/* ---- resolved records ------------------------------------------------------------------------------------------------ */

static int run_step(struct decoder *d, const struct code_step *s)
{
    if (s->kind == STEP_SKIP)
        return skip_value(d, s->code);
    buf_put_str(d->out, s->text);
    if (s->kind == STEP_VALUE && decode_value(d, s->code) < 0)
        return place_step(&d->place, s->name);
    return check_room(d);
}

/* The writer's order is not the reader's: members are written as they come, and put in order at the end. */
static int decode_reordered(struct decoder *d, const struct avro_code *c)
{
    const size_t start = d->out->n;
    struct buf ordered = {0};
    struct piece {
        size_t begin, end;
    } *pieces = malloc(c->n * sizeof *pieces); /* n > 1 */
    int rc = pieces != NULL ? 0 : place_fail(&d->place, ERR_NOMEM, "out of memory");
    size_t n = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        size_t begin = d->out->n;
        rc = run_step(d, &c->steps[i]);
        if (c->steps[i].kind != STEP_SKIP) {
            pieces[c->steps[i].position] = (struct piece){begin, d->out->n};
            n++;
        }
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        buf_put_u8(&ordered, i == 0 ? '{' : ',');
        buf_put(&ordered, d->out->p + pieces[i].begin, pieces[i].end - pieces[i].begin);
    }
    free(pieces);
    if (rc == 0) {
        buf_put_u8(&ordered, '}');
        d->out->n = start;
        buf_put_str(d->out, buf_str(&ordered));
        if (ordered.failed)
            rc = place_fail(&d->place, ERR_NOMEM, "out of memory");
    }
    buf_clear(&ordered);
    return rc;
}

static int decode_resolved(struct decoder *d, const struct avro_code *c)
{
    if (enter(d) < 0)
        return -1;
    if (c->reorder) {
        if (decode_reordered(d, c) < 0)
            return -1;
    } else {
        char before = '{';
        for (uint32_t i = 0; i < c->n; i++) {
            if (c->steps[i].kind != STEP_SKIP) {
                buf_put_u8(d->out, (unsigned char)before);
                before = ',';
            }
            if (run_step(d, &c->steps[i]) < 0)
                return -1;
        }
        buf_put_str(d->out, before == '{' ? STR("{}") : STR("}"));
    }
    d->depth--;
    return check_room(d);
}

static int decode_value(struct decoder *d, const struct avro_code *c)
{
    int64_t i;
    switch (c->op) {
    case CODE_NULL:
        buf_put_str(d->out, STR("null"));
        return 0;
    case CODE_BOOLEAN:
        return decode_boolean(d);
    case CODE_STRING:
    case CODE_BYTES:
        return decode_text(d, c->op);
    case CODE_RECORD:
        return decode_record(d, c);
    case CODE_ENUM:
        return decode_enum(d, c);
    case CODE_FIXED:
        return decode_fixed(d, c);
    case CODE_ARRAY:
        return decode_array(d, c);
    case CODE_MAP:
        return decode_map(d, c);
    case CODE_UNION:
        return read_branch(d, c, &i) < 0 ? -1 : decode_branch(d, &c->branches[i]);
    case CODE_TAG:
        return decode_branch(d, &c->branches[0]);
    case CODE_RESOLVED:
        return decode_resolved(d, c);
    case CODE_FAIL:
        return place_fail(&d->place, ERR_INVALID, "%.*s", STR_ARG(c->text));
    default:
        return decode_number(d, c->op);
    }
}

/* ---- what the reader does not want ----------------------------------------------------------------------------------- */

static int skip_bytes(struct decoder *d, uint64_t n)
{
    if (n > left(d))
        return ends_early(d, "a value that the reader skips");
    d->p += n;
    return 0;
}

static int skip_items(struct decoder *d, const struct avro_code *c, int64_t count)
{
    const int64_t size = c->op == CODE_ARRAY ? c->items->size : AVRO_SIZE_VARIES;
    struct str key;
    uint64_t total;
    if (size >= 0) /* also 2^60 nulls */
        return skip_bytes(d, __builtin_mul_overflow((uint64_t)size, (uint64_t)count, &total) ? UINT64_MAX : total);
    for (; count > 0; count--)
        if ((c->op == CODE_MAP && read_bytes(d, "a key", &key) < 0) || skip_value(d, c->items) < 0)
            return -1;
    return 0;
}

static int skip_blocks(struct decoder *d, const struct avro_code *c)
{
    const unsigned char *end;
    int64_t count;
    int rc;
    while ((rc = read_block(d, &count, &end)) > 0) {
        if (end != NULL)
            d->p = end;
        else if (skip_items(d, c, count) < 0)
            return -1;
    }
    return rc;
}

/* c is a plain code. */
static int skip_value(struct decoder *d, const struct avro_code *c)
{
    int64_t i;
    struct str bytes;
    int rc = 0;
    if (c->size >= 0)
        return skip_bytes(d, (uint64_t)c->size);
    if (enter(d) < 0)
        return -1;
    switch (c->op) {
    case CODE_STRING:
    case CODE_BYTES:
        rc = read_bytes(d, "a value that the reader skips", &bytes);
        break;
    case CODE_RECORD:
        for (uint32_t f = 0; f < c->n && rc == 0; f++)
            rc = skip_value(d, c->fields[f].code);
        break;
    case CODE_ARRAY:
    case CODE_MAP:
        rc = skip_blocks(d, c);
        break;
    case CODE_UNION:
        rc = read_branch(d, c, &i) < 0 ? -1 : skip_value(d, c->branches[i].code);
        break;
    default: /* int, long, enum */
        rc = read_long(d, &i);
    }
    d->depth--;
    return rc;
}

int code_decode(const struct avro_code *c, unsigned form, struct str data, struct buf *out, struct err *err)
{
    struct decoder d;
    size_t most;
    d.p = (const unsigned char *)data.p;
    d.end = d.p + data.n;
    d.out = out;
    d.depth = 0;
    d.bare = form == AVRO_MESSAGE && (c->op == CODE_UNION || c->op == CODE_TAG);
    d.raw = form == AVRO_MESSAGE && c->node->kind == AVRO_T_BYTES;
    if (__builtin_mul_overflow(data.n, (size_t)TEXT_PER_BYTE, &most) || __builtin_add_overflow(most, out->n + TEXT_ALWAYS, &most))
        most = SIZE_MAX;
    d.out_max = most;
    place_init(&d.place);
    int rc = decode_value(&d, c);
    if (rc == 0 && d.p < d.end)
        rc = place_fail(&d.place, ERR_INVALID, "%zu bytes follow the value", left(&d));
    if (rc == 0 && out->failed)
        rc = out->max != 0 ? place_fail(&d.place, ERR_TOO_BIG, "the value as JSON is over %zu bytes", out->max)
                           : place_fail(&d.place, ERR_NOMEM, "out of memory");
    return rc < 0 ? place_report(&d.place, err) : 0;
}
