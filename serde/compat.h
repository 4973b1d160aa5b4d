/* serde/compat.h - can data written with one schema be read with another?  Pure functions; call from any thread.
 * Rules: contracts compatibility.md 1 (levels, message list) and 3.6-3.7 (Avro). */
#ifndef SERDE_COMPAT_H
#define SERDE_COMPAT_H

#include "serde/schema.h"

enum compat_level {
    COMPAT_NONE, COMPAT_BACKWARD, COMPAT_BACKWARD_TRANSITIVE, COMPAT_FORWARD, COMPAT_FORWARD_TRANSITIVE, COMPAT_FULL, COMPAT_FULL_TRANSITIVE
};
const char *compat_level_name(enum compat_level level);                /* "BACKWARD" */
int compat_level_parse(struct str name, enum compat_level *out, struct err *err); /* any letter case; ERR_INVALID */

struct finding {
    struct str type; /* "TYPE_MISMATCH", ...; STR_NULL for a finding that is only a text */
    struct str path; /* JSON pointer into the reader; "/" is the root */
    struct str text; /* AVRO additionalInfo */
};
/* In order. The texts live in the arena of the findings. {0} is a valid empty list. */
struct findings {
    struct arena arena;
    struct finding *list;
    size_t n, cap;
};
void findings_clear(struct findings *f);

/* Adds what stops reader from reading writer to findings; 0 if the question could be answered at all, -1 with err (types differ, over budget, no memory). */
int compat_check_schema(const struct schema *reader, const struct schema *writer, struct findings *findings, struct err *err);

/* One earlier version. */
struct compat_version {
    int32_t version; /* 0: unknown, no oldSchemaVersion item */
    const struct schema *schema;
};
/* Checks candidate against history (ascending; undeleted versions) at level. *compatible says the verdict; messages (may be NULL) gets the texts of
 * compatibility.md 1.3 items 2-5, in order, allocated in arena; empty when compatible. */
int compat_check_history(const struct schema *candidate, const struct compat_version *history, size_t nhistory, enum compat_level level,
                         bool validate_fields, bool *compatible, struct arena *arena, struct str **messages, size_t *nmessages,
                         struct err *err);

#endif
