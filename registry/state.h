/* registry/state.h - what the log means: the fold of _schemas in memory.
 *
 *  (1) Only state_apply changes it, and only the fold thread calls that.
 *  (2) An id, once given, names the same schema in its context as long as any version holds it; a record that says otherwise is ignored.
 *  (3) A soft-deleted version keeps its number and its id; it is only hidden.
 *  (4) A subject has at least one version, a content at least one holder; what has none is gone.
 *  (5) A content's body shows a holder of it: an active one if there is any.
 * state_check() asserts (2) to (5).
 *
 * Threads: everything below "reading" needs the read lock (state_read ... state_done), which any thread may take for the length of a look-up
 * or a copy, never over I/O. What is pointed to may be gone after state_done, except a body of which a reference was taken.
 * Costs: look-ups by subject, id and identity are O(1); a version O(log versions); a change touches what it names, and nothing else. */
#ifndef REGISTRY_STATE_H
#define REGISTRY_STATE_H

#include <stdatomic.h>

#include "base/map.h"
#include "registry/record.h"

/* The answer to GET /schemas/ids/{id}, whole; shared, immutable. The one place where the schema's text is kept. */
struct body {
    atomic_uint refs;
    uint32_t n, text_at, text_n; /* bytes[text_at ..]: see content_text */
    char bytes[];
};
struct body *body_ref(struct body *b);
void body_unref(void *b);

struct context {
    struct str name; /* "." or ".ctx" */
    struct map by_id, by_identity;
    int32_t max_id;    /* highest ever seen, 0: none */
    size_t versions;
    bool known; /* a CONTEXT record says so */
};

/* One identity in one context: an id and its schema. */
struct content {
    /* what GET by id looks at, in one cache line */
    int32_t id;
    unsigned char type; /* enum schema_type */
    struct body *body;
    struct version *shown, *holders; /* by version.next */
    struct context *context;
    size_t nrefs;
    const struct schema_ref *refs;
    struct content *same;            /* the next one with the same identity (IMPORT may give one schema several ids) */
    unsigned char md5[16];
    struct str metadata, rule_set; /* JSON text or STR_NULL */
};

struct version {
    struct subject *subject;
    struct content *content;
    struct version *next, *prev; /* other holders of the content */
    int64_t ts_ms;
    int32_t number;
    bool deleted;
};

struct subject {
    struct str name;
    struct context *context;
    struct version **versions; /* ascending by number */
    size_t n, cap, active;
};

struct state;
struct state *state_new(void); /* NULL on no memory */
void state_free(struct state *s);
/* Applies changes in order, under the write lock. *ignored counts those that contradict (2). -1 with err only on no memory: the state then
 * lacks something and must not be used. Fold thread only. */
int state_apply(struct state *s, const struct change *changes, size_t n, size_t *ignored, struct err *err);
/* Asserts the invariants. Takes the read lock. O(everything). */
void state_check(struct state *s);

/* ---- reading ------------------------------------------------------------------------------------------------------ */

void state_read(struct state *s);
void state_done(struct state *s);

struct subject *state_subject(const struct state *s, struct str name);
/* All subjects, ascending by qualified name in UTF-16 order. */
struct subject *const *state_subjects(const struct state *s, size_t *n);
struct version *subject_version(const struct subject *s, int32_t number); /* NULL when it is not there; s may be NULL */
struct version *subject_latest(const struct subject *s);                  /* the highest active one; s may be NULL */
struct context *state_context(const struct state *s, struct str name);
/* Names of the contexts that have schemas or a CONTEXT record, "." first, then ascending, in the arena. */
int state_contexts(const struct state *s, struct arena *a, struct str **names, size_t *n);
struct content *context_content(const struct context *c, int32_t id); /* c may be NULL */
struct content *context_identity(const struct context *c, const unsigned char md5[16]);
struct str content_text(const struct content *c); /* the schema's text as the inside of a JSON string */
/* The highest version of subject that holds content; active ones only unless deleted. */
struct version *subject_holding(const struct subject *s, const struct content *c, bool deleted);
const struct config *state_config(const struct state *s, struct str entry);   /* that entry only; NULL when there is none */
bool state_mode(const struct state *s, struct str entry, enum mode *out);     /* likewise */
/* Mode entries whose name begins with prefix, in the arena. */
int state_modes(const struct state *s, struct str prefix, struct arena *a, struct str **entries, size_t *n);
/* Versions that refer to this subject and version, soft-deleted ones too. */
struct version *const *state_referrers(const struct state *s, struct str subject, int32_t version, size_t *n);
/* Was the old form of the key, with "subject":null, seen and not deleted since? */
bool state_has_null_key(const struct state *s, enum change_kind kind);
/* Grows whenever what a reference (subject, version) names may have changed. */
uint64_t state_epoch(const struct state *s);
/* All about a version but the text, borrowed. */
struct change state_borrow(const struct version *v);
/* All about a version, copied to the arena so that it outlives the lock. -1 on no memory. */
int state_copy(const struct version *v, struct arena *a, struct change *out);

#endif
