/* registry/names.h - subjects and the contexts they live in (registry-api.md 2.8).  Pure functions; any thread.
 *
 * ":.ctx:name" is the subject name in context ".ctx"; what does not begin with ":." is in the default context ".".  ":.ctx:" with an
 * empty name stands for the context itself; the empty subject stands for the default one. */
#ifndef REGISTRY_NAMES_H
#define REGISTRY_NAMES_H

#include "base/arena.h"
#include "base/err.h"

#define GLOBAL_CONTEXT ":.__GLOBAL:"

/* ":.:foo" is "foo", ":.ctx" is ":.ctx:", ":.:" and ":." are ""; anything else is itself. In the arena or s itself; STR_NULL on no memory. */
struct str subject_normal(struct str s, struct arena *a);
struct str subject_context(struct str s); /* "." or ".ctx"; points into s or to a literal */
struct str subject_name(struct str s);    /* without the context */
/* The config or mode entry of its context: "" or ":.ctx:". Points into s or to a literal. */
struct str subject_context_entry(struct str s);
/* Is it one of the two entries for everybody, "" and the global context's?  They answer even when they were never set. */
bool subject_is_global(struct str entry);
/* A subject named in a reference: in the referrer's context unless it says another. STR_NULL on no memory. */
struct str subject_qualify(struct str subject, struct str referrer, struct arena *a);
/* May schemas be registered under it? -1 with 42208. */
int subject_check(struct str s, bool reject_star, struct err *err);
/* May config and mode be kept under it (contexts too)? -1 with 42208. */
int subject_check_entry(struct str s, struct err *err);

/* subjectPrefix of a list: which contexts, and how the name begins. */
struct subject_filter {
    bool all_contexts;
    struct str context, prefix;
};
struct subject_filter subject_filter_of(struct str subject_prefix);
bool subject_filter_takes(const struct subject_filter *f, struct str subject);

#endif
