/* registry/plan.h - the records of one transaction in the making.  Private to the writer. */
#ifndef REGISTRY_PLAN_H
#define REGISTRY_PLAN_H

#include "registry/scribe.h"

struct plan {
    struct arena arena;
    struct record *records; /* in the arena */
    size_t n, cap, bytes;
    struct map subjects;    /* touched */
    struct map identities;  /* context and md5 to struct given_id */
    struct map ids;         /* context to struct last_id */
};
void plan_clear(struct plan *p);

#endif
