/* registry/seen.h - what request bodies were found to mean, so that a schema that a client posts again and again is parsed once.
 *
 * Keyed by SHA-256 of the body and of what else decides, so that no other body can take its place. Only facts that cannot change are kept:
 * the identity of a text without references. Bounded: a newer entry takes the place of an older one. Any thread. */
#ifndef REGISTRY_SEEN_H
#define REGISTRY_SEEN_H

#include "base/str.h"

struct seen_key {
    unsigned char sha256[32];
};
struct seen_fact {
    unsigned char md5[16]; /* identity */
    int32_t version, id;   /* as posted; 0: none */
    int type;              /* enum schema_type */
};
struct seen;
struct seen *seen_new(void); /* NULL on no memory */
void seen_free(struct seen *s);
/* false when the hash could not be had: then nothing is found or kept. */
bool seen_key_of(const struct seen *s, struct str body, bool normalize, struct seen_key *out);
bool seen_find(struct seen *s, const struct seen_key *key, struct seen_fact *out);
void seen_keep(struct seen *s, const struct seen_key *key, const struct seen_fact *fact);

#endif
