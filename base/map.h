/* base/map.h - strings to pointers: open addressing, insertion and look-up O(1), iteration in no order.
 *
 * Keys are borrowed: the bytes must live as long as the entry (they usually lie in what the value points to).  Values are not
 * owned; none may be NULL.  One owner, one thread at a time. {0} is a valid empty map. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map_entry {
    struct str key;
    uint64_t hash;
    void *value; /* NULL: free slot */
};
struct map {
    struct map_entry *slots;
    size_t count, cap; /* cap is 0 or a power of two */
};

void map_clear(struct map *m); /* frees the table, not the values */
void *map_get(const struct map *m, struct str key);
/* Sets key to value; the key bytes of an entry that was there are replaced too. 0, or -1 on no memory (m unchanged). */
int map_set(struct map *m, struct str key, void *value);
/* Takes the entry out and returns its value, or NULL. */
void *map_remove(struct map *m, struct str key);
/* for (size_t i = 0; (v = map_each(&m, &i)) != NULL;) - do not change m meanwhile. */
void *map_each(const struct map *m, size_t *i);
/* 64-bit hash of bytes, seeded once per process (keys come from the network). */
uint64_t map_hash(const void *p, size_t n);

#endif
