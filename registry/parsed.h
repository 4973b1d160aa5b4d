/* registry/parsed.h - the stored schemas that were parsed lately: bounded by number and bytes, the least lately used goes first.  Any thread. */
#ifndef REGISTRY_PARSED_H
#define REGISTRY_PARSED_H

#include "serde/schema.h"

struct parsed;
struct parsed *parsed_new(size_t max_schemas, size_t max_bytes); /* NULL on no memory */
void parsed_free(struct parsed *p);
/* A new reference, or NULL. epoch: an entry made in another one is not found (what its references name may have changed). */
struct schema *parsed_find(struct parsed *p, struct str context, const unsigned char md5[16], uint64_t epoch);
void parsed_keep(struct parsed *p, struct str context, const unsigned char md5[16], uint64_t epoch, struct schema *s);

#endif
