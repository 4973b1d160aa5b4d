#include "serde/client_cache.h"

#include <stdlib.h>

struct cache_item {
    struct cache_item *newer, *older;
    struct client_schema *schema; /* counted; NULL: only the key matters */
    size_t bytes;
    struct str key;
    char text[];
};

void cache_init(struct cache *c, size_t max, size_t max_bytes)
{
    *c = (struct cache){.max = max, .max_bytes = max_bytes};
}

static void unlink_item(struct cache *c, struct cache_item *i)
{
    *(i->newer != NULL ? &i->newer->older : &c->newest) = i->older;
    *(i->older != NULL ? &i->older->newer : &c->oldest) = i->newer;
}

static void push_newest(struct cache *c, struct cache_item *i)
{
    i->newer = NULL;
    i->older = c->newest;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = i;
    c->newest = i;
}

static void drop_oldest(struct cache *c)
{
    struct cache_item *i = c->oldest;
    unlink_item(c, i);
    map_remove(&c->map, i->key);
    c->n--;
    c->bytes -= i->bytes;
    client_schema_unref(i->schema);
    free(i);
}

void cache_clear(struct cache *c)
{
    while (c->oldest != NULL)
        drop_oldest(c);
    map_clear(&c->map);
    map_clear(&c->flights);
}

bool cache_get(struct cache *c, struct str key, struct client_schema **schema)
{
    struct cache_item *i = map_get(&c->map, key);
    if (i == NULL)
        return false;
    if (i != c->newest) {
        unlink_item(c, i);
        push_newest(c, i);
    }
    if (schema != NULL)
        *schema = i->schema != NULL ? client_schema_ref(i->schema) : NULL;
    return true;
}

void cache_put(struct cache *c, struct str key, struct client_schema *schema, size_t bytes)
{
    bytes += key.n + sizeof(struct cache_item);
    if (bytes > c->max_bytes || map_get(&c->map, key) != NULL)
        return;
    struct cache_item *i = malloc(sizeof *i + key.n);
    if (i == NULL)
        return;
    memcpy(i->text, key.p, key.n);
    i->key = str_n(i->text, key.n);
    if (map_set(&c->map, i->key, i) < 0) {
        free(i);
        return;
    }
    i->schema = schema != NULL ? client_schema_ref(schema) : NULL;
    i->bytes = bytes;
    push_newest(c, i);
    c->n++;
    c->bytes += bytes;
    while (c->n > c->max || c->bytes > c->max_bytes)
        drop_oldest(c);
}
