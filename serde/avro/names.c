#include "serde/avro/names.h"

#include "base/json.h"
#include "serde/avro/letters.h"
#include "serde/avro/model.h"

#include <math.h>

#define N(a) (sizeof(a) / sizeof(*(a)))

static bool in_ranges(const struct range *list, size_t n, uint32_t c)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (list[mid].last < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && list[lo].first <= c;
}

static bool is_letter(unsigned char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* A name with bytes above ASCII in it. The text is valid UTF-8: the JSON reader saw to that. Characters outside the basic plane are no letters
 * here, as in the reference. */
static bool wide_name_ok(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        const unsigned char *u = (const unsigned char *)s.p + i;
        uint32_t c = u[0];
        size_t left = s.n - i, len = c < 0x80 ? 1 : c < 0xe0 ? 2 : 3;
        if (c >= 0xf0 || len > left)
            return false;
        if (len == 2)
            c = (c & 0x1fu) << 6 | (u[1] & 0x3fu);
        else if (len == 3)
            c = (c & 0xfu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
        bool letter = c < 0x80 ? is_letter((unsigned char)c) || c == '_' : in_ranges(letters, N(letters), c);
        bool digit = c < 0x80 ? is_digit((unsigned char)c) : in_ranges(digits, N(digits), c);
        if (!letter && (i == 0 || !digit))
            return false;
        i += len;
    }
    return true;
}

bool avro_name_ok(struct str name, bool strict)
{
    if (name.n == 0 || is_digit((unsigned char)name.p[0]))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c >= 0x80 && !strict)
            return wide_name_ok(name);
        if (!is_letter(c) && !is_digit(c) && c != '_')
            return false;
    }
    return true;
}

bool avro_space_ok(struct str space)
{
    bool more = space.n > 0;
    while (more)
        if (!avro_name_ok(str_split(&space, '.', &more), true))
            return false;
    return true;
}

void avro_name_split(struct str full, struct str *space, struct str *simple)
{
    size_t i = full.n;
    while (i > 0 && full.p[i - 1] != '.')
        i--;
    *space = i > 0 ? str_n(full.p, i - 1) : STR("");
    *simple = str_n(full.p + i, full.n - i);
}

bool avro_name_is_kind(struct str name)
{
    for (int k = 0; k <= AVRO_T_UNION; k++)
        if (str_eq(name, avro_kind_name((enum avro_kind)k)))
            return true;
    return false;
}

/* The length of the decimal number at the front of s, as JSON would spell it but for leading zeros and dots at either end; 0 if there is none. */
static size_t decimal_length(struct str s)
{
    size_t i = 0, digits_seen = 0;
    for (; i < s.n && is_digit((unsigned char)s.p[i]); i++)
        digits_seen++;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && is_digit((unsigned char)s.p[i]); i++)
            digits_seen++;
    if (digits_seen == 0)
        return 0;
    if (i < s.n && (s.p[i] | 0x20) == 'e') {
        i++;
        if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
            i++;
        if (i == s.n || !is_digit((unsigned char)s.p[i]))
            return 0;
        while (i < s.n && is_digit((unsigned char)s.p[i]))
            i++;
    }
    return i;
}

bool avro_text_is_double(struct str text, double *out)
{
    struct str s = str_trim(text);
    bool minus = s.n > 0 && s.p[0] == '-';
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_n(s.p + 1, s.n - 1);
    double v;
    if (str_is(s, "NaN")) {
        v = (double)NAN;
    } else if (str_is(s, "Infinity")) {
        v = (double)INFINITY;
    } else {
        size_t n = decimal_length(s);
        if (n == 0 || (n != s.n && !(n + 1 == s.n && memchr("fFdD", s.p[n], 4) != NULL)))
            return false;
        v = json_number_double(str_n(s.p, n));
    }
    *out = minus ? -v : v;
    return true;
}
