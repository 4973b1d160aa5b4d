#include "storage/kafka/batch.h"

#include <stdlib.h>

#include "base/grow.h"
#include "base/own.h"

/* b->owner */
struct messages {
    rd_kafka_message_t **p;
    size_t n, cap;
    size_t topics_cap;
    struct arena arena;           /* headers, topic names */
    const rd_kafka_topic_t *last; /* whose name is b->topics[last_index] */
    uint32_t last_index;
};

static void drop_messages(struct messages *all)
{
    for (size_t i = 0; i < all->n; i++)
        rd_kafka_message_destroy(all->p[i]);
    all->n = 0;
    all->last = NULL;
    arena_reset(&all->arena);
}

static void release(struct batch *b)
{
    struct messages *all = b->owner;
    drop_messages(all);
    arena_clear(&all->arena);
    free(all->p);
    free(all);
    free(b->records);
    free(b->topics);
}

int kafka_batch_begin(struct batch *b, struct err *err)
{
    if (b->release == release) {
        drop_messages(b->owner);
        b->n = b->ntopics = 0;
        return 0;
    }
    batch_clear(b);
    if ((b->owner = calloc(1, sizeof(struct messages))) == NULL)
        return err_nomem(err);
    b->release = release;
    return 0;
}

static bool grow(struct batch *b, struct messages *all)
{
    return (b->n < b->cap || grow_array(&b->records, &b->cap, sizeof *b->records)) &&
           (all->n < all->cap || grow_array(&all->p, &all->cap, sizeof *all->p));
}

/* Index of the message's topic in b->topics; -1 on no memory. */
static int64_t topic_index(struct batch *b, struct messages *all, rd_kafka_topic_t *rkt)
{
    if (all->last == rkt)
        return all->last_index;
    struct str name = str_of(rd_kafka_topic_name(rkt));
    size_t i = 0;
    while (i < b->ntopics && !str_eq(b->topics[i], name))
        i++;
    if (i == b->ntopics) {
        if (i == all->topics_cap && !grow_array(&b->topics, &all->topics_cap, sizeof *b->topics))
            return -1;
        if ((b->topics[i] = arena_str(&all->arena, name)).p == NULL)
            return -1;
        b->ntopics++;
    }
    all->last = rkt;
    all->last_index = (uint32_t)i;
    return (int64_t)i;
}

static bool copy_headers(struct messages *all, const rd_kafka_message_t *m, struct record *r)
{
    rd_kafka_headers_t *from;
    if (rd_kafka_message_headers(m, &from) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return true; /* none */
    size_t n = rd_kafka_header_cnt(from);
    struct header *to = arena_calloc(&all->arena, n, sizeof *to);
    if (to == NULL && n != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const void *value;
        size_t size;
        if (rd_kafka_header_get_all(from, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
            to[i] = (struct header){str_of(name), {value, value != NULL ? size : 0}};
    }
    r->headers = to;
    r->nheaders = n;
    return true;
}

int kafka_batch_take(struct batch *b, rd_kafka_message_t **m, struct err *err)
{
    struct messages *all = b->owner;
    rd_kafka_message_t *mine = TAKE(*m);
    int64_t topic = grow(b, all) ? topic_index(b, all, mine->rkt) : -1;
    rd_kafka_timestamp_type_t kind;
    struct record r = {.key = {mine->key, mine->key != NULL ? mine->key_len : 0},
                       .value = {mine->payload, mine->payload != NULL ? mine->len : 0},
                       .offset = mine->offset,
                       .partition = mine->partition,
                       .timestamp_ms = rd_kafka_message_timestamp(mine, &kind)};
    if (topic < 0 || !copy_headers(all, mine, &r)) {
        rd_kafka_message_destroy(mine);
        return err_nomem(err);
    }
    r.topic = (uint32_t)topic;
    b->records[b->n++] = r;
    all->p[all->n++] = mine;
    return 0;
}
