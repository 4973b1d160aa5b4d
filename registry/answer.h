/* registry/answer.h - the JSON entities that the registry answers with (registry-api.md 1.5), members in wire order.
 * Functions that take a version or content need the state's read lock. */
#ifndef REGISTRY_ANSWER_H
#define REGISTRY_ANSWER_H

#include "registry/state.h"

/* SchemaString: what GET /schemas/ids/{id} answers, showing the holder v (NULL: without subject, version, ts and deleted). escaped is the
 * inside of a JSON string; max_id 0: none. Returns where escaped begins in out. */
size_t answer_put_by_id(struct buf *out, const struct content *c, const struct version *v, struct str escaped, int32_t max_id);
/* Schema: of one version. text, when p is set, replaces the stored one. */
void answer_put_version(struct buf *out, const struct version *v, struct str text);
/* Lookup answer: like answer_put_version, with ts and deleted only when scanned (errata 4). */
void answer_put_lookup(struct buf *out, const struct version *v, bool scanned);
/* RegisterSchemaResponse for a version that was there. */
void answer_put_found(struct buf *out, const struct version *v, bool scanned);
/* RegisterSchemaResponse for what is about to be written. */
void answer_put_registered(struct buf *out, const struct change *c);

#endif
