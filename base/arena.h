/* base/arena.h - memory that is dropped all at once.
 *
 * What is allocated from an arena lives until arena_clear.  {0} is a valid empty arena.  Alignment is that of max_align_t.
 * Costs: an allocation is a pointer bump; blocks double up to 64 KB.  One owner, one thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first */
    char *at, *end;             /* free room in the newest block */
    size_t used, max;           /* bytes asked for; ceiling, 0: none */
};

void arena_init(struct arena *a, size_t max_bytes);
/* Frees everything; a is then as after arena_init with the same ceiling. */
void arena_clear(struct arena *a);
/* Forgets everything but keeps the newest block for the next round. */
void arena_reset(struct arena *a);
/* n bytes, not zeroed; NULL when there is no memory or the ceiling is reached. */
void *arena_alloc(struct arena *a, size_t n);
/* Zeroed array of count elements; NULL likewise (also on overflow). */
void *arena_calloc(struct arena *a, size_t count, size_t size);
/* Room for one more in a list of n of *cap elements: the list itself, or a copy of it with twice the room (begins with NULL and 0). NULL likewise. */
void *arena_grow(struct arena *a, void *list, size_t n, size_t *cap, size_t size);
/* A copy of s (NUL-terminated behind its end); p is NULL when there is no memory.  STR_NULL stays STR_NULL. */
struct str arena_str(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
