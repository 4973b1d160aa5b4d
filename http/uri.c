#include "http/uri.h"

static bool has_escape(struct str s, bool plus)
{
    return s.n != 0 && (memchr(s.p, '%', s.n) != NULL || (plus && memchr(s.p, '+', s.n) != NULL));
}

static bool is_ascii(struct str s)
{
    unsigned char any = 0;
    for (size_t i = 0; i < s.n; i++)
        any |= (unsigned char)s.p[i];
    return any < 0x80;
}

/* Returns the number of bytes, or -1 at a malformed escape. */
static ptrdiff_t decode_to(char *to, struct str s, bool plus)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.n ? str_hex_digit(s.p[i + 1]) : -1, low = i + 2 < s.n ? str_hex_digit(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        to[n++] = c;
    }
    return (ptrdiff_t)n;
}

struct str uri_decode(struct str s, bool plus, const char *what, struct arena *a, struct err *err)
{
    if (has_escape(s, plus)) {
        char *to = arena_alloc(a, s.n + 1);
        if (to == NULL) {
            err_nomem(err);
            return STR_NULL;
        }
        ptrdiff_t n = decode_to(to, s, plus);
        if (n < 0) {
            err_set(err, 400, "Bad Request: %s '%.*s' holds a %% that two hexadecimal digits do not follow", what, STR_ARG(s));
            return STR_NULL;
        }
        to[n] = '\0';
        s = str_n(to, (size_t)n);
        if (!plus && memchr(s.p, '\0', s.n) != NULL) { /* other control characters are for the handler to judge (42208 for a subject) */
            err_set(err, 400, "Bad Request: %s holds a NUL", what);
            return STR_NULL;
        }
    }
    if (!is_ascii(s) && !str_utf8_ok(s)) {
        err_set(err, 400, "Bad Request: %s is not UTF-8", what);
        return STR_NULL;
    }
    return s;
}

int uri_segments(struct str path, struct str segments[static URI_SEGMENTS_MAX], struct arena *a, struct err *err)
{
    int n = 0;
    bool plain = true; /* nothing to decode in the segment so far */
    for (size_t i = 0, start = 0; i <= path.n; i++) {
        if (i < path.n && path.p[i] != '/') {
            plain = plain && path.p[i] != '%' && (unsigned char)path.p[i] < 0x80;
            continue;
        }
        struct str raw = str_n(path.p + start, i - start);
        start = i + 1;
        if (raw.n == 0)
            continue;
        if (n == URI_SEGMENTS_MAX)
            return URI_SEGMENTS_MAX + 1;
        segments[n] = plain ? raw : uri_decode(raw, false, "the path segment", a, err);
        if (segments[n++].p == NULL)
            return -1;
        plain = true;
    }
    return n;
}

/* The next name=value of the query, raw; false at its end. */
static bool next_pair(struct str *query, struct str *name, struct str *value)
{
    bool found = query->p != NULL;
    while (found && query->p != NULL) {
        struct str pair = str_split(query, '&', &found);
        if (!found)
            query->p = NULL;
        if (pair.n == 0)
            continue;
        bool has_value;
        *name = str_split(&pair, '=', &has_value);
        *value = has_value ? pair : STR("");
        if (value->p == NULL)
            *value = STR("");
        return true;
    }
    return false;
}

int uri_check_query(struct str query, struct arena *a, struct err *err)
{
    struct str name, value;
    if (query.p == NULL || (!has_escape(query, false) && is_ascii(query)))
        return 0;
    while (next_pair(&query, &name, &value))
        if (uri_decode(name, true, "the query parameter", a, err).p == NULL || uri_decode(value, true, "the query value", a, err).p == NULL)
            return -1;
    return 0;
}

struct str uri_query_value(struct str query, struct str name, size_t i, struct arena *a)
{
    struct str raw_name, value;
    while (next_pair(&query, &raw_name, &value)) {
        struct str plain = str_eq(raw_name, name) ? name : has_escape(raw_name, true) ? uri_decode(raw_name, true, "", a, NULL) : raw_name;
        if (str_eq(plain, name) && i-- == 0)
            return uri_decode(value, true, "", a, NULL);
    }
    return STR_NULL;
}
