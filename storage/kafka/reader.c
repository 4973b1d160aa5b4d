/* storage/kafka/reader.c - one partition from an offset, without a group.
 *
 * A reader borrows a consumer handle from the pool for itself alone: a partition can be read once at a time on a handle, and a
 * reader that starts on a shared one would wait for the others' long polls.  It uses the simple consumer (consume_start_queue),
 * measured twice as quick to start as assign().  No group, and enable.auto.commit=false: with it, closing can take 45 s.
 *
 * The end: librdkafka reports it (partition.eof) with the offset behind control records and compacted gaps, once each time it
 * gets there. */
#include "storage/kafka/reader.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/kafka/batch.h"
#include "storage/kafka/errors.h"
#include "storage/kafka/handle.h"
#include "storage/kafka/health.h"

enum {
    IDLE_HANDLES = 4,
    CHUNK = 512,
    LOOK_MS = 2000, /* an idle reader makes sure that often that its log is still there */
    LOOK_WAIT_MS = 500
};

struct readers {
    struct kafka *k;
    pthread_mutex_t lock;
    rd_kafka_t *idle[IDLE_HANDLES]; /* lock */
    size_t nidle;                   /* lock */
};

struct kafka_reader {
    struct reader base;
    struct kafka *k;
    rd_kafka_t *rk; /* borrowed from the pool */
    rd_kafka_topic_t *rkt;
    rd_kafka_queue_t *queue;
    int32_t partition;
    struct nudge nudge;
    int64_t position;
    bool at_end;
    int64_t looked_ms;
    _Atomic bool woken; /* by kafka_reader_wake, not heeded yet */
    struct err gone;                  /* set once the topic is gone: every read says so */
    rd_kafka_message_t *stash[CHUNK]; /* taken from the queue, not given out yet: [first, last) */
    size_t first, last;
};

/* ---- pool ---- */

struct readers *readers_new(struct kafka *k, struct err *err)
{
    struct readers *r = calloc(1, sizeof *r);
    if (r == NULL) {
        err_nomem(err);
        return NULL;
    }
    r->k = k;
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void readers_free(struct readers *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->nidle; i++)
        rd_kafka_destroy(r->idle[i]);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static rd_kafka_t *borrow(struct readers *r, struct err *err)
{
    rd_kafka_t *rk = NULL;
    pthread_mutex_lock(&r->lock);
    if (r->nidle > 0)
        rk = r->idle[--r->nidle];
    pthread_mutex_unlock(&r->lock);
    if (rk != NULL)
        return rk;
    const struct property own[] = {
        {"group.id", NULL},
        {"enable.auto.commit", "false"},
        {"isolation.level", "read_committed"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"},
        {"topic.metadata.propagation.max.ms", "1000"}}; /* reader_open saw the topic: when it is gone, it is gone */
    rd_kafka_conf_t *conf = handle_conf(r->k, HANDLE_CONSUMER, own, sizeof own / sizeof *own, err);
    return conf != NULL ? handle_new(r->k, HANDLE_CONSUMER, &conf, err) : NULL;
}

static void give_back(struct readers *r, rd_kafka_t *rk)
{
    pthread_mutex_lock(&r->lock);
    if (r->nidle < IDLE_HANDLES) {
        r->idle[r->nidle++] = rk;
        rk = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    if (rk != NULL)
        rd_kafka_destroy(rk);
}

/* ---- life of a reader ---- */

static int start(struct kafka_reader *r, int64_t offset, struct err *err)
{
    if (rd_kafka_consume_start_queue(r->rkt, r->partition, offset, r->queue) != 0)
        return errors_set(err, r->k->health, rd_kafka_last_error(), "topic '%s' partition %d", rd_kafka_topic_name(r->rkt),
                          (int)r->partition);
    r->position = offset;
    r->at_end = false;
    r->looked_ms = clock_mono_ms();
    return 0;
}

static void drop_stash(struct kafka_reader *r)
{
    while (r->first < r->last)
        rd_kafka_message_destroy(r->stash[r->first++]);
    r->first = r->last = 0;
}

struct reader *kafka_reader_open(struct storage *s, struct str topic, int32_t partition, int64_t from, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char name[TOPIC_NAME_MAX + 1];
    int64_t low, high;
    if (kafka_topic_z(topic, name, err) < 0)
        return NULL;
    if (partition < 0) {
        err_set(err, STORE_UNKNOWN_PARTITION, "topic '%s' has no partition %d", name, (int)partition);
        return NULL;
    }
    if (admin_ask_watermarks(k, k->committed, name, partition, k->options.timeout_ms, &low, &high, err) < 0)
        return NULL;
    struct kafka_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        err_nomem(err);
        return NULL;
    }
    r->base.engine = s->engine;
    r->k = k;
    r->partition = partition;
    nudge_init(&r->nudge, k->options.conf[HANDLE_CONSUMER]);
    if ((r->rk = borrow(k->readers, err)) == NULL) {
        free(r);
        return NULL;
    }
    r->rkt = rd_kafka_topic_new(r->rk, name, NULL);
    r->queue = rd_kafka_queue_new(r->rk);
    /* The end is fixed now, not when librdkafka gets to it: what is produced after this call is read. */
    int64_t offset = from == OFFSET_END ? high : from < low ? low : from;
    int status = start(r, offset, err);
    r->at_end = offset == high;
    if (status < 0) {
        rd_kafka_queue_destroy(r->queue);
        rd_kafka_topic_destroy(r->rkt);
        give_back(k->readers, r->rk);
        free(r);
        return NULL;
    }
    return &r->base;
}

void kafka_reader_free(struct reader *reader)
{
    struct kafka_reader *r = (struct kafka_reader *)reader;
    drop_stash(r);
    rd_kafka_consume_stop(r->rkt, r->partition);
    rd_kafka_queue_destroy(r->queue);
    rd_kafka_topic_destroy(r->rkt);
    rd_kafka_poll(r->rk, 0);
    give_back(r->k->readers, r->rk);
    free(r);
}

int64_t kafka_reader_position(const struct reader *r)
{
    return ((const struct kafka_reader *)r)->position;
}

/* A look at the queue that does not wait takes librdkafka's own note of the yield away, so we keep one. */
void kafka_reader_wake(struct reader *reader)
{
    struct kafka_reader *r = (struct kafka_reader *)reader;
    atomic_store(&r->woken, true);
    rd_kafka_queue_yield(r->queue);
}

/* ---- reading ---- */

/* The position is not in the log any more: go on at its start if it moved up, else the log is not the one that was being read. */
static int position_lost(struct kafka_reader *r, struct err *err)
{
    int64_t low, high;
    const char *name = rd_kafka_topic_name(r->rkt);
    if (admin_ask_watermarks(r->k, r->k->committed, name, r->partition, r->k->options.timeout_ms, &low, &high, err) < 0)
        return -1;
    if (r->position <= high && r->position >= low)
        return 0;
    if (r->position > high) {
        err_set(&r->gone, STORE_UNKNOWN_TOPIC,
                "topic '%s' partition %d ends at offset %lld, before the reader's %lld: it was truncated or made anew", name,
                (int)r->partition, (long long)high, (long long)r->position);
        return err_set(err, r->gone.code, "%s", r->gone.text);
    }
    log_warn("kafka.reader_skips", "topic=%s partition=%d from=%lld to=%lld", name, (int)r->partition, (long long)r->position,
             (long long)low);
    drop_stash(r);
    rd_kafka_consume_stop(r->rkt, r->partition);
    return start(r, low, err);
}

/* librdkafka does not always tell that a topic was deleted, and never that it was made anew and is shorter now. */
static int look(struct kafka_reader *r, struct err *err)
{
    int64_t low, high, now = clock_mono_ms();
    struct err why = {0};
    const char *name = rd_kafka_topic_name(r->rkt);
    if (now - r->looked_ms < LOOK_MS || health_check(r->k->health, NULL) < 0)
        return 0;
    r->looked_ms = now;
    if (admin_ask_watermarks(r->k, r->k->committed, name, r->partition, LOOK_WAIT_MS, &low, &high, &why) == 0)
        return high < r->position ? position_lost(r, err) : 0;
    if (why.code != STORE_UNKNOWN_TOPIC && why.code != STORE_UNKNOWN_PARTITION)
        return 0;
    err_set(&r->gone, STORE_UNKNOWN_TOPIC, "topic '%s' partition %d does not exist any more", name, (int)r->partition);
    return err_set(err, r->gone.code, "%s", r->gone.text);
}

static int take_error(struct kafka_reader *r, const rd_kafka_message_t *m, struct err *err)
{
    rd_kafka_resp_err_t e = m->err;
    const char *name = rd_kafka_topic_name(r->rkt);
    switch (errors_code(e)) {
    case STORE_OUT_OF_RANGE:
        return position_lost(r, err);
    case STORE_UNKNOWN_TOPIC:
    case STORE_UNKNOWN_PARTITION:
        err_set(&r->gone, STORE_UNKNOWN_TOPIC, "topic '%s' partition %d does not exist any more", name, (int)r->partition);
        return err_set(err, r->gone.code, "%s", r->gone.text);
    case STORE_RETRIABLE: /* librdkafka tries on */
        health_note_error(r->k->health, e, rd_kafka_message_errstr(m));
        return 0;
    default:
        return errors_set(err, r->k->health, e, "topic '%s' partition %d", name, (int)r->partition);
    }
}

/* Moves what is in the stash to b until b is full; *eof: the end was reached just now. */
static int give_out(struct kafka_reader *r, struct batch *b, size_t max_records, size_t max_bytes, size_t *bytes, bool *eof,
                    struct err *err)
{
    while (r->first < r->last) {
        rd_kafka_message_t *m = r->stash[r->first];
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            size_t size = m->len + m->key_len;
            if (b->n >= max_records || (b->n != 0 && *bytes + size > max_bytes))
                return 0;
            *bytes += size;
            r->nudge.bytes += size;
            r->nudge.records++;
            r->position = m->offset + 1;
            r->at_end = false;
            r->first++;
            if (kafka_batch_take(b, &m, err) < 0)
                return -1;
            continue;
        }
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            r->first++;
            if (m->offset > r->position)
                r->position = m->offset;
            *eof = *eof || !r->at_end; /* news, worth returning for */
            r->at_end = true;
            rd_kafka_message_destroy(m);
            continue;
        }
        if (b->n != 0) /* first what was good */
            return 0;
        r->first++;
        int status = take_error(r, m, err);
        rd_kafka_message_destroy(m);
        if (status < 0)
            return -1;
    }
    return 0;
}

static void nudge(struct kafka_reader *r)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(r->rkt), r->partition);
    nudge_fetch(&r->nudge, r->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Fills the empty stash, waiting for a first message at most wait_ms. */
static void refill(struct kafka_reader *r, size_t want, int wait_ms)
{
    r->first = r->last = 0;
    if (wait_ms > 0) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(r->queue, wait_ms);
        if (m == NULL)
            return;
        r->stash[r->last++] = m;
    }
    want = want < CHUNK ? want : CHUNK;
    if (r->last < want) {
        ssize_t n = rd_kafka_consume_batch_queue(r->queue, 0, r->stash + r->last, want - r->last);
        r->last += n > 0 ? (size_t)n : 0;
    }
}

int kafka_reader_read(struct reader *reader, struct batch *b, size_t max_records, size_t max_bytes, int timeout_ms, bool *end,
                      struct err *err)
{
    struct kafka_reader *r = (struct kafka_reader *)reader;
    size_t bytes = 0;
    bool eof = false, waited = false;
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    if (kafka_batch_begin(b, err) < 0)
        return -1;
    if (r->gone.code != 0)
        return err_set(err, r->gone.code, "%s", r->gone.text);
    for (;;) {
        if (give_out(r, b, max_records, max_bytes, &bytes, &eof, err) < 0)
            return -1;
        if (r->first < r->last || b->n >= max_records)
            break; /* full, or an error for the next call */
        bool need = b->n == 0 && !eof;
        int64_t left = deadline_ms - clock_mono_ms();
        if (need && waited && left <= 0)
            break;
        refill(r, max_records - b->n + 1, need && waited && left > 0 ? (int)left : 0);
        bool empty = r->first == r->last;
        if (empty && (atomic_exchange(&r->woken, false) || !need || (waited && left > 0))) /* woken, or time is over */
            break;
        waited = true;
    }
    if (nudge_is_due(&r->nudge))
        nudge(r);
    if (b->n == 0) {
        rd_kafka_poll(r->rk, 0); /* error events of this handle */
        if (look(r, err) < 0)
            return -1;
    }
    if (end != NULL)
        *end = r->at_end && r->first == r->last;
    return 0;
}
