/* registry/state_parts.h - what the files of the state share. Private to state*.c. */
#ifndef REGISTRY_STATE_PARTS_H
#define REGISTRY_STATE_PARTS_H

#include <pthread.h>

#include "registry/state.h"

/* A config or mode entry. */
struct setting {
    struct str entry;
    bool has_config, has_mode;
    struct config config; /* texts in memory */
    enum mode mode;
    char *memory;
};

struct referrers {
    struct str key; /* subject, NUL, version: see referrers_key */
    struct version **list;
    size_t n, cap;
};

struct state {
    pthread_rwlock_t lock;          /* guards everything below */
    struct map subjects, contexts;  /* by name */
    struct map settings;            /* by entry name */
    struct map referrers;           /* by key */
    struct subject **sorted;        /* by name */
    size_t nsorted, cap_sorted;
    struct subject **fresh;         /* new ones that are not in sorted yet; empty whenever the lock is free */
    size_t nfresh, cap_fresh;
    uint64_t epoch;
    bool null_key[2]; /* CONFIG, MODE */
};

/* A body that shows v, made from the content's old body or, where it has none, from text. NULL on no memory. */
struct body *body_new(const struct content *c, const struct version *v, struct str text);
struct str referrers_key(struct str subject, int32_t version, struct buf *into);

#endif
