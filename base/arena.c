#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* of data */
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max = max_bytes};
}

static void free_from(struct arena_block *b)
{
    while (b != NULL) {
        struct arena_block *next = b->next;
        ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
        free(b);
        b = next;
    }
}

void arena_clear(struct arena *a)
{
    free_from(a->blocks);
    *a = (struct arena){.max = a->max};
}

void arena_reset(struct arena *a)
{
    struct arena_block *b = a->blocks;
    a->used = 0;
    if (b == NULL)
        return;
    free_from(b->next);
    b->next = NULL;
    a->at = b->data;
    a->end = b->data + b->size;
    ASAN_POISON_MEMORY_REGION(b->data, b->size);
}

static bool add_block(struct arena *a, size_t need)
{
    size_t size = a->blocks != NULL ? a->blocks->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < need)
        size = need;
    struct arena_block *b = size <= SIZE_MAX - sizeof *b ? malloc(sizeof *b + size) : NULL;
    if (b == NULL)
        return false;
    b->next = a->blocks;
    b->size = size;
    a->blocks = b;
    a->at = b->data;
    a->end = b->data + size;
    ASAN_POISON_MEMORY_REGION(b->data, size);
    return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t mask = alignof(max_align_t) - 1;
    if (n > SIZE_MAX / 2)
        return NULL;
    size_t need = n == 0 ? mask + 1 : (n + mask) & ~mask;
    if (a->max != 0 && (a->used > a->max || need > a->max - a->used))
        return NULL;
    if ((size_t)(a->end - a->at) < need && !add_block(a, need))
        return NULL;
    void *p = a->at;
    a->at += need;
    a->used += need;
    ASAN_UNPOISON_MEMORY_REGION(p, n);
    return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    void *p = arena_alloc(a, n);
    if (p != NULL)
        memset(p, 0, n);
    return p;
}

void *arena_grow(struct arena *a, void *list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return list;
    size_t more = *cap != 0 ? 2 * *cap : 8;
    void *grown = arena_calloc(a, more, size);
    if (grown == NULL)
        return NULL;
    if (n != 0)
        memcpy(grown, list, n * size);
    *cap = more;
    return grown;
}

struct str arena_str(struct arena *a, struct str s)
{
    if (s.p == NULL)
        return STR_NULL;
    char *p = arena_alloc(a, s.n + 1);
    if (p == NULL)
        return STR_NULL;
    if (s.n != 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    struct str s = STR_NULL;
    char *p = n >= 0 ? arena_alloc(a, (size_t)n + 1) : NULL;
    if (p != NULL) {
        vsnprintf(p, (size_t)n + 1, fmt, again);
        s = (struct str){p, (size_t)n};
    }
    va_end(again);
    return s;
}
