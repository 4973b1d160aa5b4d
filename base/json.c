/* base/json.c - the pull reader: grammar, UTF-8, escapes and depth are checked on the way, nothing is allocated. */
#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_escape.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { /* what may come next */
    WANT_VALUE,
    WANT_VALUE_OR_END,    /* behind [ */
    WANT_KEY_OR_END,      /* behind { */
    WANT_KEY,             /* behind , in an object */
    WANT_COMMA_OR_END,    /* behind a value inside something */
    WANT_NOTHING,         /* the value is complete */
    FAILED
};

void json_reader_init(struct json_reader *r, struct str text, int max_depth)
{
    r->text = STR_NULL;
    r->escaped = r->stream = false;
    r->depth = 0;
    r->err.code = 0;
    r->start = r->at = r->token = text.p;
    r->end = text.p + text.n;
    r->max_depth = max_depth > 0 && max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
    r->expect = WANT_VALUE;
}

void json_reader_init_stream(struct json_reader *r, struct str text, int max_depth)
{
    json_reader_init(r, text, max_depth);
    r->stream = true;
    r->expect = WANT_NOTHING; /* also nothing at all is a stream */
}

size_t json_offset(const struct json_reader *r)
{
    return (size_t)(r->token - r->start);
}

void json_line_column(struct str text, size_t offset, int *line, int *column)
{
    size_t begin = 0;
    *line = 1;
    for (size_t i = 0; i < offset && i < text.n; i++) {
        if (text.p[i] == '\n') {
            ++*line;
            begin = i + 1;
        }
    }
    *column = (int)(offset - begin) + 1;
}

static enum json_token fail(struct json_reader *r, const char *at, int code, const char *what)
{
    int line, column;
    json_line_column(str_n(r->start, (size_t)(r->end - r->start)), (size_t)(at - r->start), &line, &column);
    r->expect = FAILED;
    err_set(&r->err, code, "%s at line %d column %d", what, line, column);
    return JSON_ERROR;
}

/* "expected X but got Y". */
static enum json_token unexpected(struct json_reader *r, const char *expected)
{
    char what[96];
    if (r->at >= r->end)
        snprintf(what, sizeof what, "expected %s but the text ends", expected);
    else if ((unsigned char)*r->at > 0x20 && (unsigned char)*r->at < 0x7F)
        snprintf(what, sizeof what, "expected %s but got '%c'", expected, *r->at);
    else
        snprintf(what, sizeof what, "expected %s but got byte 0x%02x", expected, (unsigned char)*r->at);
    return fail(r, r->at, ERR_INVALID, what);
}

/* One UTF-8 sequence of two to four bytes at p; NULL if it is malformed. */
static const char *utf8_sequence(const char *text, const char *text_end)
{
    const unsigned char *p = (const unsigned char *)text;
    int more = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : 1;
    if (*p < 0xC2 || *p > 0xF4 || text_end - text <= more)
        return NULL;
    unsigned char lo = *p == 0xE0 ? 0xA0 : *p == 0xF0 ? 0x90 : 0x80;
    unsigned char hi = *p == 0xED ? 0x9F : *p == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < lo || p[1] > hi)
        return NULL;
    for (int i = 2; i <= more; i++)
        if ((p[i] & 0xC0) != 0x80)
            return NULL;
    return text + more + 1;
}

/* The first byte at or behind p that is a quote, a backslash, a control character or not ASCII. */
static inline const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* signed: bytes over 0x7F are below ' ' too */
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)), _mm_cmplt_epi8(v, space));
        int mask = _mm_movemask_epi8(hit);
        if (mask != 0)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (signed char)*p >= ' ')
        p++;
    return p;
}

static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int d = str_hex_digit(p[i]);
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

/* p stands behind a backslash; the end of the escape, or NULL with the error set. */
static const char *check_escape(struct json_reader *r, const char *p)
{
    if (p >= r->end)
        return fail(r, p, ERR_INVALID, "string without end"), NULL;
    if (*p != 'u') {
        if (memchr("\"\\/bfnrt", *p, 8) == NULL)
            return fail(r, p - 1, ERR_INVALID, "unknown escape"), NULL;
        return p + 1;
    }
    int unit = hex4(p + 1, r->end);
    if (unit < 0)
        return fail(r, p - 1, ERR_INVALID, "\\u needs four hex digits"), NULL;
    p += 5;
    if (unit < 0xD800 || unit > 0xDFFF)
        return p;
    int low = unit < 0xDC00 && r->end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, r->end) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
        return fail(r, p - 6, ERR_INVALID, "surrogate without its other half"), NULL;
    return p + 6;
}

/* r->at stands on the opening quote. */
static bool read_string(struct json_reader *r)
{
    const char *p = r->at + 1, *begin = p;
    r->escaped = false;
    for (;;) {
        p = skip_plain(p, r->end);
        if (p >= r->end) {
            fail(r, r->at, ERR_INVALID, "string without end");
            return false;
        }
        if (*p == '"')
            break;
        if (*p == '\\') {
            r->escaped = true;
            p = check_escape(r, p + 1);
        } else if ((unsigned char)*p >= 0x80) {
            const char *next = utf8_sequence(p, r->end);
            if (next == NULL)
                fail(r, p, ERR_INVALID, "bytes that are not UTF-8");
            p = next;
        } else {
            fail(r, p, ERR_INVALID, "control character in a string");
            return false;
        }
        if (p == NULL)
            return false;
    }
    r->text = str_n(begin, (size_t)(p - begin));
    r->at = p + 1;
    return true;
}

static inline bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static enum json_token read_number(struct json_reader *r)
{
    const char *p = r->at, *end = r->end;
    if (*p == '-')
        p++;
    if (!is_digit(p, end)) {
        r->at = p;
        return unexpected(r, "a digit");
    }
    if (*p == '0')
        p++;
    else
        while (is_digit(p, end))
            p++;
    if (p < end && *p == '.') {
        p++;
        if (!is_digit(p, end)) {
            r->at = p;
            return unexpected(r, "a digit");
        }
        while (is_digit(p, end))
            p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, end)) {
            r->at = p;
            return unexpected(r, "a digit");
        }
        while (is_digit(p, end))
            p++;
    }
    r->text = str_n(r->at, (size_t)(p - r->at));
    r->at = p;
    return JSON_NUMBER;
}

static inline void after_value(struct json_reader *r)
{
    r->expect = r->depth > 0 ? WANT_COMMA_OR_END : WANT_NOTHING;
}

static enum json_token open_nested(struct json_reader *r, bool object)
{
    if (r->depth >= r->max_depth)
        return fail(r, r->at, ERR_TOO_BIG, "nested too deeply");
    uint64_t bit = (uint64_t)1 << (r->depth & 63);
    if (object)
        r->is_object[r->depth >> 6] |= bit;
    else
        r->is_object[r->depth >> 6] &= ~bit;
    r->depth++;
    r->at++;
    r->expect = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
    return object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_token close_nested(struct json_reader *r, bool object)
{
    r->depth--;
    r->at++;
    after_value(r);
    return object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static inline bool in_object(const struct json_reader *r)
{
    return r->is_object[(r->depth - 1) >> 6] >> ((r->depth - 1) & 63) & 1;
}

static enum json_token read_word(struct json_reader *r, const char *word, size_t n, enum json_token token)
{
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
        return unexpected(r, "a JSON value");
    r->at += n;
    after_value(r);
    return token;
}

static enum json_token read_value(struct json_reader *r)
{
    enum json_token t;
    if (r->at >= r->end)
        return unexpected(r, "a JSON value");
    switch (*r->at) {
    case '{':
        return open_nested(r, true);
    case '[':
        return open_nested(r, false);
    case '"':
        if (!read_string(r))
            return JSON_ERROR;
        after_value(r);
        return JSON_STRING;
    case 't':
        return read_word(r, "true", 4, JSON_TRUE);
    case 'f':
        return read_word(r, "false", 5, JSON_FALSE);
    case 'n':
        return read_word(r, "null", 4, JSON_NULL);
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        t = read_number(r);
        if (t == JSON_NUMBER)
            after_value(r);
        return t;
    default:
        return unexpected(r, "a JSON value");
    }
}

static inline void skip_space(struct json_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

static enum json_token read_key(struct json_reader *r)
{
    if (r->at >= r->end || *r->at != '"')
        return unexpected(r, r->expect == WANT_KEY ? "a member name" : "a member name or '}'");
    if (!read_string(r))
        return JSON_ERROR;
    skip_space(r);
    if (r->at >= r->end || *r->at != ':')
        return unexpected(r, "':'");
    r->at++;
    r->expect = WANT_VALUE;
    return JSON_KEY;
}

enum json_token json_next(struct json_reader *r)
{
    if (r->expect == FAILED)
        return JSON_ERROR;
    skip_space(r);
    if (r->expect == WANT_COMMA_OR_END) {
        char c = r->at < r->end ? *r->at : '\0';
        if (c == ',') {
            r->at++;
            skip_space(r);
            r->expect = in_object(r) ? WANT_KEY : WANT_VALUE;
        } else if (c == (in_object(r) ? '}' : ']')) {
            r->token = r->at;
            return close_nested(r, c == '}');
        } else {
            return unexpected(r, in_object(r) ? "',' or '}'" : "',' or ']'");
        }
    }
    r->token = r->at;
    switch (r->expect) {
    case WANT_VALUE_OR_END:
        if (r->at < r->end && *r->at == ']')
            return close_nested(r, false);
        return read_value(r);
    case WANT_KEY_OR_END:
        if (r->at < r->end && *r->at == '}')
            return close_nested(r, true);
        return read_key(r);
    case WANT_KEY:
        return read_key(r);
    case WANT_NOTHING:
        if (r->at >= r->end)
            return JSON_END;
        if (!r->stream)
            return unexpected(r, "the end of the text");
        return read_value(r);
    default:
        return read_value(r);
    }
}

int json_skip(struct json_reader *r, enum json_token tok, struct str *raw)
{
    const char *begin = r->token;
    if (tok == JSON_OBJECT || tok == JSON_ARRAY) {
        const int depth = r->depth - 1;
        while (r->depth > depth)
            if (json_next(r) == JSON_ERROR)
                return -1;
    } else if (tok == JSON_KEY) {
        if (json_skip(r, json_next(r), raw) < 0)
            return -1;
        return 0;
    } else if (tok == JSON_ERROR) {
        return -1;
    }
    if (raw != NULL)
        *raw = str_n(begin, (size_t)(r->at - begin));
    return 0;
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

size_t json_unescape_to(struct str text, char *to)
{
    const char *p = text.p, *end = p + text.n;
    char *out = to;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((slash != NULL ? slash : end) - p);
        memcpy(out, p, plain);
        out += plain;
        if (slash == NULL)
            break;
        p = slash + 2;
        switch (slash[1]) {
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u': {
            uint32_t c = (uint32_t)hex4(p, end);
            p += 4;
            if (c >= 0xD800 && c < 0xDC00) {
                c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)hex4(p + 2, end) - 0xDC00);
                p += 6;
            }
            if (c < 0x80) {
                *out++ = (char)c;
            } else if (c < 0x800) {
                *out++ = (char)(0xC0 | c >> 6);
                *out++ = (char)(0x80 | (c & 0x3F));
            } else if (c < 0x10000) {
                *out++ = (char)(0xE0 | c >> 12);
                *out++ = (char)(0x80 | (c >> 6 & 0x3F));
                *out++ = (char)(0x80 | (c & 0x3F));
            } else {
                *out++ = (char)(0xF0 | c >> 18);
                *out++ = (char)(0x80 | (c >> 12 & 0x3F));
                *out++ = (char)(0x80 | (c >> 6 & 0x3F));
                *out++ = (char)(0x80 | (c & 0x3F));
            }
            break;
        }
        default: *out++ = slash[1]; /* quote, backslash, slash */
        }
    }
    return (size_t)(out - to);
}

struct str json_string(const struct json_reader *r, struct arena *a)
{
    if (!r->escaped)
        return r->text;
    char *to = arena_alloc(a, r->text.n);
    if (to == NULL)
        return STR_NULL;
    return str_n(to, json_unescape_to(r->text, to));
}

void json_unescape(struct str text, struct buf *out)
{
    char *to = buf_reserve(out, text.n); /* an escape is never shorter than what it stands for */
    if (to != NULL)
        out->n += json_unescape_to(text, to);
}

bool json_string_is(const struct json_reader *r, struct str s)
{
    if (!r->escaped)
        return str_eq(r->text, s);
    if (s.n >= r->text.n || r->text.n > s.n * 6)
        return false;
    char small[512], *plain = r->text.n <= sizeof small ? small : malloc(r->text.n);
    if (plain == NULL)
        return false;
    bool same = str_eq(str_n(plain, json_unescape_to(r->text, plain)), s);
    if (plain != small)
        free(plain);
    return same;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* Digits without sign and point, and the power of ten behind them. */
struct decimal {
    bool negative, huge; /* huge: the exponent is beyond anything */
    char digits[24];
    int n;         /* of digits, without leading zeros */
    bool more;     /* non-zero digits did not fit */
    int64_t power; /* value = digits * 10^power */
};

static void split_number(struct str text, struct decimal *d)
{
    const char *p = text.p, *end = p + text.n;
    bool fraction = false;
    *d = (struct decimal){0};
    if (p < end && *p == '-')
        d->negative = true, p++;
    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        if (d->n == 0 && *p == '0') {
            d->power -= fraction;
        } else if (d->n < (int)sizeof d->digits) {
            d->digits[d->n++] = *p;
            d->power -= fraction;
        } else {
            d->more |= *p != '0';
            d->power += !fraction;
        }
    }
    if (p < end) {
        int64_t e = 0;
        bool down = *++p == '-';
        if (*p == '-' || *p == '+')
            p++;
        for (; p < end; p++)
            if (e < 1000000)
                e = e * 10 + (*p - '0');
        d->huge = e >= 1000000;
        d->power += down ? -e : e;
    }
}

bool json_number_i64(struct str text, int64_t *out)
{
    if (text.n <= 18 && memchr(text.p, '.', text.n) == NULL && memchr(text.p, 'e', text.n) == NULL && memchr(text.p, 'E', text.n) == NULL)
        return str_to_i64(text, out);
    struct decimal d;
    split_number(text, &d);
    while (d.n > 0 && d.digits[d.n - 1] == '0')
        d.n--, d.power++;
    if (d.n == 0 && !d.more) {
        *out = 0;
        return true;
    }
    if (d.more || d.power < 0 || d.power > 18)
        return false;
    int64_t v = 0; /* negative, so that INT64_MIN fits */
    for (int i = 0; i < d.n; i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, d.digits[i] - '0', &v))
            return false;
    for (; d.power > 0; d.power--)
        if (__builtin_mul_overflow(v, 10, &v))
            return false;
    if (!d.negative && __builtin_sub_overflow((int64_t)0, v, &v))
        return false;
    *out = v;
    return true;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

double json_number_double(struct str text)
{
    static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
                                  1e19, 1e20, 1e21, 1e22};
    struct decimal d;
    split_number(text, &d);
    if (d.n == 0)
        return d.negative ? -0.0 : 0.0;
    if (d.n <= 15 && d.power >= -22 && d.power <= 22) { /* both factors are exact, so one rounding is the right one */
        int64_t m = 0;
        for (int i = 0; i < d.n; i++)
            m = m * 10 + (d.digits[i] - '0');
        double v = d.power < 0 ? (double)m / tens[-d.power] : (double)m * tens[d.power];
        return d.negative ? -v : v;
    }
    char small[128], *copy = text.n < sizeof small ? small : malloc(text.n + 1);
    if (copy == NULL)
        return NAN;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    pthread_once(&c_locale_once, make_c_locale);
    double v = c_locale != (locale_t)0 ? strtod_l(copy, NULL, c_locale) : strtod(copy, NULL);
    if (copy != small)
        free(copy);
    return v;
}
