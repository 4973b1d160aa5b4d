/* base/conf.c - keys of a table, and Java properties files. */
#include "base/conf.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"

static void *field_of(const struct conf_key *k, const void *base)
{
    return (char *)base + k->offset;
}

static int parse_bytes(struct str s, int64_t *out)
{
    int64_t unit = 1;
    if (s.n > 0) {
        char c = (char)(s.p[s.n - 1] | 0x20);
        unit = c == 'k' ? 1 << 10 : c == 'm' ? 1 << 20 : c == 'g' ? 1 << 30 : 1;
        if (unit > 1)
            s.n--;
    }
    return str_to_i64(s, out) && !__builtin_mul_overflow(*out, unit, out) ? 0 : -1;
}

static int set_number(const struct conf_key *k, int64_t *to, struct str value, const char *where, struct err *err)
{
    const bool bounded = k->min != 0 || k->max != 0;
    const int64_t min = bounded ? k->min : 0, max = bounded ? k->max : INT64_MAX;
    int64_t v;
    int ok = k->type == CONF_BYTES ? parse_bytes(value, &v) : str_to_i64(value, &v) ? 0 : -1;
    if (ok < 0 || v < min || v > max) {
        char range[64];
        if (max == INT64_MAX)
            snprintf(range, sizeof range, "from %" PRId64, min);
        else
            snprintf(range, sizeof range, "from %" PRId64 " to %" PRId64, min, max);
        return err_set(err, ERR_INVALID, "%s: %s=%.*s: expected a whole number%s%s %s%s", where, k->name, STR_ARG(value),
                       k->unit != NULL ? " of " : "", k->unit != NULL ? k->unit : "", range,
                       k->type == CONF_BYTES ? " (k, m, g may follow it)" : "");
    }
    *to = v;
    return 0;
}

static int set_value(const struct conf_key *k, void *into, struct str value, const char *where, struct err *err)
{
    if (k->type == CONF_STR) {
        char *copy = NULL;
        if (memchr(value.n != 0 ? value.p : "", '\0', value.n) != NULL)
            return err_set(err, ERR_INVALID, "%s: %s holds a NUL byte", where, k->name);
        if (value.n != 0 && (copy = str_dup(value)) == NULL)
            return err_nomem(err);
        char **to = field_of(k, into);
        free(*to);
        *to = copy;
        return 0;
    }
    if (k->type == CONF_BOOL) {
        bool yes = str_eq_nocase(value, STR("true"));
        if (!yes && !str_eq_nocase(value, STR("false")))
            return err_set(err, ERR_INVALID, "%s: %s=%.*s: expected true or false", where, k->name, STR_ARG(value));
        *(bool *)field_of(k, into) = yes;
        return 0;
    }
    return set_number(k, field_of(k, into), value, where, err);
}

int conf_defaults(const struct conf_table *t, void *into, struct err *err)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct conf_key *k = &t->keys[i];
        struct err why = {0};
        if (k->type == CONF_STR)
            *(char **)field_of(k, into) = NULL;
        if (k->def == NULL) {
            if (k->type == CONF_BOOL)
                *(bool *)field_of(k, into) = false;
            else if (k->type != CONF_STR)
                *(int64_t *)field_of(k, into) = 0;
        } else if (set_value(k, into, str_of(k->def), "default", &why) < 0) {
            assert(why.code == ERR_NOMEM); /* a default that does not parse is a bug in the table */
            return err_nomem(err);
        }
    }
    return 0;
}

void conf_clear(const struct conf_table *t, void *from)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->keys[i].type == CONF_STR) {
            char **s = field_of(&t->keys[i], from);
            free(*s);
            *s = NULL;
        }
    }
}

const struct conf_key *conf_find(const struct conf_table *t, struct str name)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = str_cmp(name, str_of(t->keys[mid].name));
        if (c == 0)
            return &t->keys[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

/* Levenshtein distance, for "did you mean". */
static size_t distance(struct str a, struct str b)
{
    size_t row[128];
    if (b.n >= sizeof row / sizeof *row || a.n >= 128)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t replace = diagonal + (a.p[i - 1] != b.p[j - 1]), best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = replace < best ? replace : best;
        }
    }
    return row[b.n];
}

int conf_set(const struct conf_table *t, void *into, struct str name, struct str value, const char *where, struct err *err)
{
    const struct conf_key *k = conf_find(t, name);
    if (k != NULL)
        return set_value(k, into, value, where, err);
    const char *nearest = NULL;
    size_t best = name.n / 3 + 1;
    for (size_t i = 0; i < t->n; i++) {
        size_t d = distance(name, str_of(t->keys[i].name));
        if (d <= best) {
            best = d;
            nearest = t->keys[i].name;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "%s: unknown key '%.*s'%s%s%s", where, STR_ARG(name), nearest != NULL ? "; did you mean '" : "",
                   nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

static void put_value(const struct conf_key *k, const void *from, struct buf *out)
{
    const void *at = field_of(k, from);
    if (k->type == CONF_BOOL)
        buf_printf(out, "%s", *(const bool *)at ? "true" : "false");
    else if (k->type != CONF_STR)
        buf_printf(out, "%" PRId64, *(const int64_t *)at);
    else if (k->flags & CONF_SECRET)
        buf_printf(out, "%s", *(char *const *)at != NULL ? "[hidden]" : "");
    else
        buf_printf(out, "%s", *(char *const *)at != NULL ? *(char *const *)at : "");
}

static bool is_default(const struct conf_key *k, const void *from)
{
    const void *at = field_of(k, from);
    const char *def = k->def != NULL ? k->def : "";
    int64_t v = 0;
    switch (k->type) {
    case CONF_STR:
        return strcmp(*(char *const *)at != NULL ? *(char *const *)at : "", def) == 0;
    case CONF_BOOL:
        return *(const bool *)at == (strcmp(def, "true") == 0);
    default:
        parse_bytes(str_of(def), &v);
        return *(const int64_t *)at == v;
    }
}

void conf_print(const struct conf_table *t, const void *from, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        if (is_default(&t->keys[i], from))
            buf_put_str(out, STR("# default: "));
        buf_printf(out, "%s=", t->keys[i].name);
        put_value(&t->keys[i], from, out);
        buf_put_u8(out, '\n');
    }
}

void conf_help(const struct conf_table *t, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct conf_key *k = &t->keys[i];
        buf_printf(out, "%s = %s%s%s\n    %s\n", k->name, k->def != NULL ? k->def : "\"\"", k->unit != NULL ? " " : "",
                   k->unit != NULL ? k->unit : "", k->help);
    }
}

/* ---- properties files -------------------------------------------------------------------------------------------------- */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static int hex_of(const char *p)
{
    char text[5] = {p[0], p[1], p[2], p[3], 0};
    char *end;
    long v = strtol(text, &end, 16);
    return end == text + 4 && text[0] != '-' && text[0] != '+' && !blank(text[0]) ? (int)v : -1;
}

static void put_utf8(struct buf *out, unsigned c)
{
    if (c < 0x80) {
        buf_put_u8(out, (unsigned char)c);
    } else if (c < 0x800) {
        buf_put_u8(out, (unsigned char)(0xC0 | c >> 6));
        buf_put_u8(out, (unsigned char)(0x80 | (c & 0x3F)));
    } else {
        buf_put_u8(out, (unsigned char)(0xE0 | c >> 12));
        buf_put_u8(out, (unsigned char)(0x80 | (c >> 6 & 0x3F)));
        buf_put_u8(out, (unsigned char)(0x80 | (c & 0x3F)));
    }
}

/* Takes escapes out of the key or value in s. */
static int unescape(struct str s, struct buf *out, const char *path, int line, struct err *err)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\\' || i + 1 == s.n) {
            buf_put_u8(out, (unsigned char)s.p[i]);
            continue;
        }
        char c = s.p[++i];
        if (c == 'u') {
            int v = s.n - i > 4 ? hex_of(s.p + i + 1) : -1;
            if (v < 0)
                return err_set(err, ERR_INVALID, "%s:%d: \\u needs four hex digits", path, line);
            put_utf8(out, (unsigned)v);
            i += 4;
        } else {
            buf_put_u8(out, (unsigned char)(c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 'f' ? '\f' : c));
        }
    }
    return out->failed ? err_nomem(err) : 0;
}

/* One logical line, without the blanks in front. */
static int take_line(struct str text, const char *path, int line, int (*each)(void *, struct str, struct str, int, struct err *), void *arg,
                     struct err *err)
{
    size_t i = 0;
    while (i < text.n && text.p[i] != '=' && text.p[i] != ':' && !blank(text.p[i]))
        i += text.p[i] == '\\' ? 2 : 1;
    if (i > text.n)
        i = text.n;
    struct str key = str_n(text.p, i), value = str_n(text.p + i, text.n - i);
    while (value.n > 0 && blank(*value.p))
        value.p++, value.n--;
    if (value.n > 0 && (*value.p == '=' || *value.p == ':'))
        value.p++, value.n--;
    while (value.n > 0 && blank(*value.p))
        value.p++, value.n--;
    OWN_BY(buf_clear) struct buf k = {0};
    OWN_BY(buf_clear) struct buf v = {0};
    if (unescape(key, &k, path, line, err) < 0 || unescape(value, &v, path, line, err) < 0)
        return -1;
    return each(arg, buf_str(&k), buf_str(&v), line, err);
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    size_t n;
    do {
        char *to = buf_reserve(out, 8192);
        n = to != NULL ? fread(to, 1, 8192, f) : 0;
        out->n += n;
    } while (n > 0);
    int bad = ferror(f);
    fclose(f);
    if (out->failed)
        return err_nomem(err);
    return bad ? err_set(err, ERR_IO, "%s: cannot be read", path) : 0;
}

int conf_read_properties(const char *path, int (*each)(void *arg, struct str key, struct str value, int line, struct err *err), void *arg,
                         struct err *err)
{
    OWN_BY(buf_clear) struct buf file = {0};
    OWN_BY(buf_clear) struct buf logical = {0};
    if (read_file(path, &file, err) < 0)
        return -1;
    struct str rest = buf_str(&file);
    int line = 0, first = 0;
    bool more, continued = false;
    do {
        struct str text = str_split(&rest, '\n', &more);
        line++;
        if (text.n > 0 && text.p[text.n - 1] == '\r')
            text.n--;
        while (text.n > 0 && blank(*text.p))
            text.p++, text.n--;
        if (!continued) {
            buf_reset(&logical);
            first = line;
            if (text.n == 0 || *text.p == '#' || *text.p == '!')
                continue;
        }
        size_t slashes = 0;
        while (slashes < text.n && text.p[text.n - 1 - slashes] == '\\')
            slashes++;
        continued = slashes % 2 == 1 && more;
        if (slashes % 2 == 1)
            text.n--;
        buf_put_str(&logical, text);
        if (!continued && take_line(buf_str(&logical), path, first, each, arg, err) < 0)
            return -1;
    } while (more);
    return 0;
}
