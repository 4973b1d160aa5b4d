#include "registry/parsed.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/own.h"

struct entry {
    struct entry *newer, *older;
    struct schema *schema;
    uint64_t epoch;
    size_t bytes;
    struct str key; /* md5 and context, behind this struct */
};

struct parsed {
    pthread_mutex_t lock; /* guards the rest; a leaf */
    struct map by_key;
    struct entry *newest, *oldest;
    size_t n, bytes, max_n, max_bytes;
};

struct parsed *parsed_new(size_t max_schemas, size_t max_bytes)
{
    struct parsed *p = calloc(1, sizeof *p);
    if (p != NULL) {
        pthread_mutex_init(&p->lock, NULL);
        p->max_n = max_schemas;
        p->max_bytes = max_bytes;
    }
    return p;
}

static void unlink_entry(struct parsed *p, struct entry *e)
{
    *(e->newer != NULL ? &e->newer->older : &p->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &p->oldest) = e->newer;
}

static void link_newest(struct parsed *p, struct entry *e)
{
    e->newer = NULL;
    e->older = p->newest;
    *(p->newest != NULL ? &p->newest->newer : &p->oldest) = e;
    p->newest = e;
}

static void drop(struct parsed *p, struct entry *e)
{
    unlink_entry(p, e);
    map_remove(&p->by_key, e->key);
    p->n--;
    p->bytes -= e->bytes;
    schema_unref(e->schema);
    free(e);
}

void parsed_free(struct parsed *p)
{
    if (p == NULL)
        return;
    while (p->oldest != NULL)
        drop(p, p->oldest);
    map_clear(&p->by_key);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static struct str key_of(struct str context, const unsigned char md5[16], struct buf *into)
{
    buf_put(into, md5, 16);
    buf_put_str(into, context);
    return into->failed ? STR_NULL : buf_str(into);
}

struct schema *parsed_find(struct parsed *p, struct str context, const unsigned char md5[16], uint64_t epoch)
{
    OWN_BY(buf_clear) struct buf buf = {0};
    struct str key = key_of(context, md5, &buf);
    struct schema *s = NULL;
    pthread_mutex_lock(&p->lock);
    struct entry *e = map_get(&p->by_key, key);
    if (e != NULL && e->epoch != epoch) {
        drop(p, e);
    } else if (e != NULL) {
        unlink_entry(p, e);
        link_newest(p, e);
        s = schema_ref(e->schema);
    }
    pthread_mutex_unlock(&p->lock);
    return s;
}

void parsed_keep(struct parsed *p, struct str context, const unsigned char md5[16], uint64_t epoch, struct schema *s)
{
    OWN_BY(buf_clear) struct buf buf = {0};
    struct str key = key_of(context, md5, &buf);
    struct entry *e = key.p != NULL ? calloc(1, sizeof *e + key.n) : NULL;
    if (e == NULL)
        return;
    memcpy(e + 1, key.p, key.n);
    e->key = str_n(e + 1, key.n);
    e->epoch = epoch;
    e->bytes = schema_size(s) + sizeof *e + key.n;
    pthread_mutex_lock(&p->lock);
    struct entry *old = map_get(&p->by_key, e->key);
    if (old != NULL)
        drop(p, old);
    if (e->bytes > p->max_bytes || map_set(&p->by_key, e->key, e) < 0) {
        free(e);
    } else {
        e->schema = schema_ref(s);
        link_newest(p, e);
        p->n++;
        p->bytes += e->bytes;
        while (p->n > p->max_n || p->bytes > p->max_bytes)
            drop(p, p->oldest);
    }
    pthread_mutex_unlock(&p->lock);
}
