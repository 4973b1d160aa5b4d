#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = 0x9E3779B97F4A7C15u ^ (uint64_t)(uintptr_t)&seed;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t map_hash(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t h, v;
    pthread_once(&seed_once, make_seed);
    h = seed ^ n * 0xA0761D6478BD642Fu;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&v, p, 8);
        h = mix(h ^ v ^ 0xE7037ED1A0B428DBu, 0x8EBC6AF09C88C6E3u ^ seed);
    }
    v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    h = mix(h ^ v ^ 0x589965CC75374CC3u, 0x1D8E4E27C47D124Fu);
    return h ^ h >> 32;
}

void map_clear(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}

/* The slot of key, or the free one where it would go. There is always a free slot. */
static struct map_entry *slot_of(const struct map *m, struct str key, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_entry *e = &m->slots[i];
        if (e->value == NULL || (e->hash == hash && str_eq(e->key, key)))
            return e;
    }
}

void *map_get(const struct map *m, struct str key)
{
    return m->count != 0 ? slot_of(m, key, map_hash(key.p, key.n))->value : NULL;
}

static int grow(struct map *m)
{
    struct map bigger = {.count = m->count, .cap = m->cap != 0 ? m->cap * 2 : 16};
    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return -1;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value != NULL)
            *slot_of(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return 0;
}

int map_set(struct map *m, struct str key, void *value)
{
    if ((m->count + 1) * 4 > m->cap * 3 && grow(m) < 0)
        return -1;
    uint64_t hash = map_hash(key.p, key.n);
    struct map_entry *e = slot_of(m, key, hash);
    m->count += e->value == NULL;
    *e = (struct map_entry){key, hash, value};
    return 0;
}

void *map_remove(struct map *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    struct map_entry *hole = slot_of(m, key, map_hash(key.p, key.n));
    void *value = hole->value;
    if (value == NULL)
        return NULL;
    m->count--;
    /* Entries behind the hole that could stand in it move up, so that no search is cut short. */
    const size_t mask = m->cap - 1;
    size_t at = (size_t)(hole - m->slots);
    for (size_t i = (at + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - at) & mask)) {
            m->slots[at] = m->slots[i];
            at = i;
        }
    }
    m->slots[at].value = NULL;
    return value;
}

void *map_each(const struct map *m, size_t *i)
{
    while (*i < m->cap) {
        void *v = m->slots[(*i)++].value;
        if (v != NULL)
            return v;
    }
    return NULL;
}
