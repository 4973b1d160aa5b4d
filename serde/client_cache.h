/* serde/client_cache.h - what the client remembers: keys to entries, the least recently used go first.  Private to
 * serde/client.c.
 *
 * Bounded by number and by bytes. Costs: O(1) each.  One thread at a time (the client's lock). */
#ifndef SERDE_CLIENT_CACHE_H
#define SERDE_CLIENT_CACHE_H

#include "base/map.h"
#include "serde/client.h"

struct cache_item;
struct cache {
    struct map map;
    struct cache_item *newest, *oldest;
    size_t n, bytes, max, max_bytes;
    struct map flights; /* keys being fetched: serde/client.c */
};

void cache_init(struct cache *c, size_t max, size_t max_bytes);
void cache_clear(struct cache *c);
/* true: *schema (may be NULL) gets a new reference of what is kept, NULL when only the key is. */
bool cache_get(struct cache *c, struct str key, struct client_schema **schema);
/* Keeps key with a new reference to schema (or NULL), which weighs bytes; an older value stays. What finds no memory is not kept.
 */
void cache_put(struct cache *c, struct str key, struct client_schema *schema, size_t bytes);

#endif
