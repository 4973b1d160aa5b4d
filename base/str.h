/* base/str.h - text and bytes that carry their length.
 *
 * struct str is borrowed: it never owns what it points to, and is passed by value.  p may be NULL only when n is 0; where
 * "absent" and "empty" differ (a Kafka null), p == NULL is absent.  Nothing here is NUL-terminated unless it says so. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(lit) ((struct str){"" lit, sizeof(lit) - 1})
#define STR_NULL ((struct str){NULL, 0})
#define STR_ARG(s) (int)(s).n, ((s).p != NULL ? (s).p : "") /* for "%.*s" */

static inline struct str str_of(const char *c) /* c may be NULL: STR_NULL */
{
    return (struct str){c, c != NULL ? strlen(c) : 0};
}

static inline struct str str_n(const void *p, size_t n)
{
    return (struct str){p, n};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *b)
{
    return str_eq(a, str_of(b));
}

/* Byte order, shorter first on a tie. */
int str_cmp(struct str a, struct str b);
/* Order of UTF-16 code units of two UTF-8 texts (how Java sorts); differs from str_cmp only above U+FFFF. */
int str_cmp_utf16(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII letters only */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* without ASCII white space at both ends */
/* Index of c in s, or -1. */
ptrdiff_t str_find(struct str s, char c);
/* Cuts the part before the first sep off s and returns it; found is false, and s empty, when there is no sep. */
struct str str_split(struct str *s, char sep, bool *found);
/* Whole of s as a decimal integer with optional sign and no white space; false if it is not one or does not fit. */
bool str_to_i64(struct str s, int64_t *out);
/* The value of a hexadecimal digit in either case, or -1. */
static inline int str_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
/* Well-formed UTF-8 (no surrogates, no overlong forms)? */
bool str_utf8_ok(struct str s);
/* A NUL-terminated copy on the heap (free() it), NULL on no memory. */
char *str_dup(struct str s);

#endif
