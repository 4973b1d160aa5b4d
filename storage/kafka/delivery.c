/* storage/kafka/delivery.c - one produce call and its results. */
#include "storage/kafka/producer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

/* Upper bound of what a record takes in a batch of its own beside its bytes: batch head 61, lengths and deltas as varints. */
enum { RECORD_EXTRA = 61 + 30, HEADER_EXTRA = 10 };

static size_t wire_size(const struct record *r)
{
    size_t size = r->key.n + r->value.n;
    for (size_t i = 0; i < r->nheaders; i++)
        size += r->headers[i].name.n + r->headers[i].value.n + HEADER_EXTRA;
    return size;
}

static size_t varint_size(int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    size_t n = 1;
    while (z >= 0x80) {
        z >>= 7;
        n++;
    }
    return n;
}

size_t delivery_record_size(const struct record *r)
{
    size_t body = 1 + 1 + 1; /* attributes, timestamp delta 0, offset delta 0 */
    body += r->key.p != NULL ? varint_size((int64_t)r->key.n) + r->key.n : 1;
    body += r->value.p != NULL ? varint_size((int64_t)r->value.n) + r->value.n : 1;
    body += varint_size((int64_t)r->nheaders);
    for (size_t i = 0; i < r->nheaders; i++) {
        const struct header *h = &r->headers[i];
        body += varint_size((int64_t)h->name.n) + h->name.n;
        body += h->value.p != NULL ? varint_size((int64_t)h->value.n) + h->value.n : 1;
    }
    return 61 + varint_size((int64_t)body) + body;
}

/* No result is known. */
static void reset(struct delivery *d)
{
    d->gone = 0;
    d->next = NULL;
    atomic_store(&d->left, d->n + 1);
    for (size_t i = 0; i < d->n; i++)
        d->results[i] = (struct produced){.partition = d->records[i].partition, .offset = OFFSET_INVALID};
}

struct delivery *delivery_new(struct producer *p, struct str topic, const struct record *records, size_t n,
                              storage_produced_fn *done, void *ctx)
{
    if (n > SIZE_MAX / 128)
        return NULL;
    struct delivery *d = malloc(sizeof *d + n * sizeof d->slots[0] + n * sizeof *d->results);
    if (d == NULL)
        return NULL;
    memset(d, 0, offsetof(struct delivery, topic));
    d->text[0] = d->late_text[0] = '\0';
    d->producer = p;
    kafka_topic_z(topic, d->topic, NULL); /* storage.c has checked the name */
    d->records = records;
    d->n = n;
    d->done = done;
    d->ctx = ctx;
    d->deadline_ms = clock_mono_ms() + p->k->options.produce_timeout_ms;
    d->max_partition = -1;
    d->results = (struct produced *)(d->slots + n);
    atomic_init(&d->left, 0);
    reset(d);
    const struct record *largest = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t size = wire_size(&records[i]);
        if (largest == NULL || size > d->max_size) {
            largest = &records[i];
            d->max_size = size;
        }
        d->bytes += size + RECORD_EXTRA;
        if (records[i].partition > d->max_partition)
            d->max_partition = records[i].partition;
        d->slots[i].delivery = d;
    }
    if (largest != NULL)
        d->max_size = delivery_record_size(largest);
    return d;
}

void delivery_settle(struct delivery *d, size_t count)
{
    if (count == 0 || atomic_fetch_sub_explicit(&d->left, count, memory_order_acq_rel) != count)
        return;
    struct producer *p = d->producer;
    size_t n = d->n, bytes = d->bytes;
    if (d->gone == n && !d->is_second) {
        d->is_second = true;
        reset(d);
        producer_again(p, d);
        return;
    }
    d->done(d->ctx, d->results, d->n);
    free(d);
    atomic_fetch_sub(&p->bytes, bytes);
    atomic_fetch_sub(&p->messages, n); /* last: producer_free waits for it */
}

void delivery_fail(struct delivery *d, int code, const char *text)
{
    snprintf(d->text, sizeof d->text, "%s", text);
    for (size_t i = 0; i < d->n; i++) {
        d->results[i].code = code;
        d->results[i].text = d->text;
    }
    delivery_settle(d, d->n + 1);
}
