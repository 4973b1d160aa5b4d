/* base/json_write.c - JSON text onto the end of a buf. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

static const char hex[] = "0123456789ABCDEF"; /* as Jackson writes them: stored schemas are hashed */

static size_t utf8_length(const unsigned char *p, const unsigned char *end)
{
    size_t n = *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : 2;
    if ((size_t)(end - p) < n || !str_utf8_ok(str_n(p, n)))
        return 0;
    return n;
}

void json_put_escape(struct buf *out, unsigned char c)
{
    static const char shorts[] = "btn\0fr"; /* 0x08 0x09 0x0a - 0x0c 0x0d */
    if (c == '"' || c == '\\')
        buf_put(out, (const char[]){'\\', (char)c}, 2);
    else if (c >= 8 && c <= 13 && c != 11)
        buf_put(out, (const char[]){'\\', shorts[c - 8]}, 2);
    else
        buf_put(out, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

void json_put_string(struct buf *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n, *clean = p;
    if (buf_reserve(out, s.n + 2) == NULL) /* the usual case needs no more */
        return;
    buf_put_u8(out, '"');
    while (p < end) {
        if (*p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
            p++;
            continue;
        }
        size_t n = *p >= 0x80 ? utf8_length(p, end) : 0;
        if (n != 0) {
            p += n;
            continue;
        }
        buf_put(out, clean, (size_t)(p - clean));
        if (*p >= 0x80)
            buf_put_str(out, STR("\xEF\xBF\xBD"));
        else
            json_put_escape(out, *p);
        clean = ++p;
    }
    buf_put(out, clean, (size_t)(end - clean));
    buf_put_u8(out, '"');
}

void json_put_i64(struct buf *out, int64_t v)
{
    char text[24], *p = text + sizeof text;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do
        *--p = (char)('0' + u % 10);
    while ((u /= 10) != 0);
    if (v < 0)
        *--p = '-';
    buf_put(out, p, (size_t)(text + sizeof text - p));
}

/* m * 10^k / 2^shift to the nearest integer, halves to the even one; all within 128 bits. */
static uint64_t scaled(uint64_t m, unsigned __int128 ten_k, int shift)
{
    unsigned __int128 exact = ten_k * m, rest = exact & (((unsigned __int128)1 << shift) - 1), half = (unsigned __int128)1 << (shift - 1);
    uint64_t c = (uint64_t)(exact >> shift);
    return c + (rest > half || (rest == half && (c & 1)));
}

/* Does digits * 10^-k read back as m / 2^shift?  Its distance must be at most half of that to the next double. */
static bool reads_back(uint64_t digits, uint64_t m, unsigned __int128 ten_k, int shift)
{
    unsigned __int128 decimal = (unsigned __int128)digits << shift, exact = ten_k * m;
    unsigned __int128 off = decimal > exact ? decimal - exact : exact - decimal;
    if (m == (uint64_t)1 << 52 && decimal < exact) /* below a power of two doubles stand twice as close */
        off *= 2;
    return 2 * off < ten_k || (2 * off == ten_k && (m & 1) == 0);
}

/* shortest_digits for 1e-5 <= v < 1e15, in integers: v is m / 2^shift, and 15, 16 or 17 digits of it fit 64 bits. */
static int middle_digits(double v, char digits[20], int *exponent)
{
    static const double limits[] = {1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    uint64_t bits, c;
    memcpy(&bits, &v, sizeof bits);
    const uint64_t m = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1 << 52;
    const int shift = 1075 - (int)(bits >> 52);
    int e = -4; /* v < 10^e */
    while (v >= limits[e + 5])
        e++;
    unsigned __int128 ten_k = 1;
    for (int k = 15 - e; k > 0; k--)
        ten_k *= 10;
    int n = 15;
    for (;; n++, ten_k *= 10) {
        c = scaled(m, ten_k, shift);
        if (n == 17 || reads_back(c, m, ten_k, shift))
            break;
    }
    static const uint64_t full[] = {1000000000000000, 10000000000000000, 100000000000000000};
    if (c == full[n - 15]) /* rounded up to a power of ten */
        e++;
    while (c % 10 == 0)
        c /= 10;
    char text[24], *p = text + sizeof text;
    for (; c != 0; c /= 10)
        *--p = (char)('0' + c % 10);
    *exponent = e;
    memcpy(digits, p, (size_t)(text + sizeof text - p));
    return (int)(text + sizeof text - p);
}

/* The fewest significant digits that read back as v (positive, finite, not 0); *exponent: value = 0.d1d2d3... * 10^exponent. */
static int shortest_digits(double v, char digits[20], int *exponent)
{
    char text[40];
    if (v >= 1e-5 && v < 1e15)
        return middle_digits(v, digits, exponent);
    for (int precision = v < DBL_MIN ? 1 : 14;; precision++) { /* (what is denormal has fewer; two at least, as Java: 4.9E-324) */
        snprintf(text, sizeof text, "%.*e", precision, v);
        int n = 0;
        const char *p = text;
        for (; *p != 'e'; p++) /* whatever the locale writes between them, only digits count */
            if (*p >= '0' && *p <= '9')
                digits[n++] = *p;
        int e = atoi(p + 1);
        char again[40];
        int m = snprintf(again, sizeof again, "%.*se%d", n, digits, e - precision);
        if (precision == 16 || json_number_double(str_n(again, (size_t)m)) == v) {
            while (n > 1 && digits[n - 1] == '0')
                n--;
            *exponent = e + 1;
            return n;
        }
    }
}

void json_put_double(struct buf *out, double v)
{
    if (isnan(v)) {
        buf_put_str(out, STR("\"NaN\""));
        return;
    }
    if (isinf(v)) {
        buf_put_str(out, v < 0 ? STR("\"-Infinity\"") : STR("\"Infinity\""));
        return;
    }
    if (signbit(v)) {
        buf_put_u8(out, '-');
        v = -v;
    }
    if (v < 1e7 && v == (double)(int64_t)v) {
        json_put_i64(out, (int64_t)v);
        buf_put_str(out, STR(".0"));
        return;
    }
    char digits[20];
    int e, n = shortest_digits(v, digits, &e);
    if (v >= 1e-3 && v < 1e7) {
        if (e <= 0) {
            buf_put_str(out, STR("0."));
            for (int i = e; i < 0; i++)
                buf_put_u8(out, '0');
            buf_put(out, digits, (size_t)n);
        } else { /* not integral, so there are digits behind the point */
            buf_put(out, digits, (size_t)e);
            buf_put_u8(out, '.');
            buf_put(out, digits + e, (size_t)(n - e));
        }
        return;
    }
    buf_put_u8(out, (unsigned char)digits[0]);
    buf_put_u8(out, '.');
    if (n > 1)
        buf_put(out, digits + 1, (size_t)(n - 1));
    else
        buf_put_u8(out, '0');
    buf_put_u8(out, 'E');
    json_put_i64(out, e - 1);
}

static void separate(struct json_writer *w)
{
    if (w->comma)
        buf_put_u8(w->out, ',');
    w->comma = true;
}

void jw_object(struct json_writer *w)
{
    separate(w);
    buf_put_u8(w->out, '{');
    w->comma = false;
}

void jw_object_end(struct json_writer *w)
{
    buf_put_u8(w->out, '}');
    w->comma = true;
}

void jw_array(struct json_writer *w)
{
    separate(w);
    buf_put_u8(w->out, '[');
    w->comma = false;
}

void jw_array_end(struct json_writer *w)
{
    buf_put_u8(w->out, ']');
    w->comma = true;
}

void jw_key(struct json_writer *w, const char *name)
{
    separate(w);
    buf_put_u8(w->out, '"');
    buf_put_str(w->out, str_of(name));
    buf_put_str(w->out, STR("\":"));
    w->comma = false;
}

void jw_key_str(struct json_writer *w, struct str name)
{
    separate(w);
    json_put_string(w->out, name);
    buf_put_u8(w->out, ':');
    w->comma = false;
}

void jw_str(struct json_writer *w, struct str s)
{
    if (s.p == NULL) {
        jw_null(w);
        return;
    }
    separate(w);
    json_put_string(w->out, s);
}

void jw_i64(struct json_writer *w, int64_t v)
{
    separate(w);
    json_put_i64(w->out, v);
}

void jw_bool(struct json_writer *w, bool v)
{
    jw_raw(w, v ? STR("true") : STR("false"));
}

void jw_null(struct json_writer *w)
{
    jw_raw(w, STR("null"));
}

void jw_raw(struct json_writer *w, struct str json)
{
    separate(w);
    buf_put_str(w->out, json);
}
