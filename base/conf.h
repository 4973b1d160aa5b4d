/* base/conf.h - one table gives parsing, default, unit, help and where the value lands.
 *
 *     static const struct conf_key keys[] = {      sorted by name
 *         { "listeners", CONF_STR, offsetof(struct conf, listeners), "127.0.0.1:8081", NULL, "Where to listen." },
 *     };
 *     struct conf c; conf_defaults(&table, &c); conf_set(&table, &c, name, value, "command line", &err); ... conf_clear(&table, &c);
 *
 * Fields: CONF_STR char * (owned, NULL when empty), CONF_INT int64_t, CONF_BOOL bool, CONF_BYTES int64_t (accepts 64k, 1m, 2g).
 * A table and its struct are used by one thread until the program runs, and only read afterwards. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/buf.h"
#include "base/err.h"

enum conf_type { CONF_STR, CONF_INT, CONF_BOOL, CONF_BYTES };
enum { CONF_SECRET = 1 }; /* never printed */

struct conf_key {
    const char *name;
    enum conf_type type;
    size_t offset;
    const char *def;  /* NULL: empty string, 0, false */
    const char *unit; /* NULL, "ms", "bytes" */
    const char *help;
    int64_t min, max; /* CONF_INT, CONF_BYTES; both 0: no bound but 0..INT64_MAX */
    int flags;
};
struct conf_table {
    const struct conf_key *keys;
    size_t n;
};

/* 0, or -1 on no memory. A default that does not parse is a bug (assert). */
int conf_defaults(const struct conf_table *t, void *into, struct err *err);
void conf_clear(const struct conf_table *t, void *from);
const struct conf_key *conf_find(const struct conf_table *t, struct str name);
/* Sets one key. The error names key, value, where it came from, and what would be right; ERR_NOT_FOUND for an unknown key (the
 * text names the nearest known one). */
int conf_set(const struct conf_table *t, void *into, struct str name, struct str value, const char *where, struct err *err);
/* name=value per line of what is in from; defaults marked with a comment, secrets as [hidden]. */
void conf_print(const struct conf_table *t, const void *from, struct buf *out);
/* The table as help: name, default with unit, help. */
void conf_help(const struct conf_table *t, struct buf *out);
/* One line of a Java properties file at a time: calls each(arg, key, value, line number). Continuation lines, comments (# and !), = : and
 * space separators, \uXXXX escapes. Stops at the first -1 of each. The error names path:line. */
int conf_read_properties(const char *path, int (*each)(void *arg, struct str key, struct str value, int line, struct err *err),
                         void *arg, struct err *err);

#endif
