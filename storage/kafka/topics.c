/* storage/kafka/topics.c - the loader: one thread that asks the cluster about topics before the first record goes to them.
 *
 * librdkafka would do so by itself, but the first message of a fresh topic then waits for a timer of one second, a missing topic
 * is created by asking, and nothing tells an unknown topic from one that is just not known yet. */
#include "storage/kafka/producer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/grow.h"
#include "base/log.h"
#include "storage/kafka/errors.h"
#include "storage/kafka/health.h"

enum {
    ASK_MS = 1000, /* one question */
    CREATE_MS = 5000,
    RETRY_MS = 20, /* the topic was made a moment ago and this broker does not know yet */
    MISS_MS = 50,  /* one broker says it does not exist: another one may be ahead */
    MISSES = 3,
    AWAY_MS = 100,     /* nobody answers */
    APPEAR_MS = 10000, /* a topic that was created shows up within */
    IDLE_MS = 500
};

static void lock(struct producer *p)
{
    pthread_mutex_lock(&p->lock);
}

static void unlock(struct producer *p)
{
    pthread_mutex_unlock(&p->lock);
}

static void unlist(struct producer *p, struct topic *t)
{
    for (struct topic **at = &p->to_load; *at != NULL; at = &(*at)->next_load)
        if (*at == t) {
            *at = t->next_load;
            break;
        }
}

/* Takes the deliveries that wait for t: all, or those past their deadline. */
static struct delivery *take_waiting(struct topic *t, bool all, int64_t now_ms)
{
    struct delivery *out = NULL, **end = &out;
    struct delivery *d = t->first;
    t->first = t->last = NULL;
    while (d != NULL) {
        struct delivery *next = d->next;
        d->next = NULL;
        if (all || d->deadline_ms <= now_ms) {
            *end = d;
            end = &d->next;
        } else {
            if (t->last != NULL)
                t->last->next = d;
            else
                t->first = d;
            t->last = d;
        }
        d = next;
    }
    return out;
}

static void fail_list(struct delivery *d, int code, const char *text)
{
    while (d != NULL) {
        struct delivery *next = d->next;
        delivery_fail(d, code, text);
        d = next;
    }
}

/* The topic cannot be had: all that waits for it fails, and it is forgotten. */
static void refuse_topic(struct producer *p, struct topic *t, const struct err *why)
{
    lock(p);
    struct delivery *waiting = take_waiting(t, true, 0);
    unlist(p, t);
    map_remove(&p->topics, str_of(t->name));
    unlock(p);
    fail_list(waiting, why->code, why->text);
    free(t->name);
    free(t);
}

/* ---- senders ---- */

/* Topics of a sender that is no more are looked up again. */
static void retire(struct producer *p, struct sender *old)
{
    struct topic *t;
    old->next = p->retired;
    p->retired = old;
    for (size_t i = 0; (t = map_each(&p->topics, &i)) != NULL;)
        if (t->sender == old) {
            t->sender = NULL;
            t->rkt = NULL;
            if (t->state == TOPIC_READY)
                t->state = TOPIC_NEW;
        }
}

/* The sender a topic with that limit needs: made if there is none yet, or the one there died.  A dead one stays, retired, until
 * its last report is out. NULL with err. */
static struct sender *sender_for(struct producer *p, int64_t max_message_bytes, struct err *err)
{
    bool singles = max_message_bytes != 0 && max_message_bytes < BATCH_BYTES;
    struct sender **at = singles ? &p->singles : &p->bulk, *old = *at;
    if (old != NULL && (!atomic_load(&old->dead) || clock_mono_ms() - atomic_load(&old->born_ms) < REBIRTH_MS))
        return old;
    struct sender *fresh = sender_new(p, singles, err);
    if (fresh == NULL) {
        if (old != NULL)
            atomic_store(&old->born_ms, clock_mono_ms());
        return NULL;
    }
    lock(p);
    *at = fresh;
    if (old != NULL)
        retire(p, old);
    unlock(p);
    return fresh;
}

static void bury(struct producer *p)
{
    struct sender *done = NULL;
    lock(p);
    for (struct sender **at = &p->retired; *at != NULL;) {
        struct sender *s = *at;
        if (atomic_load(&s->users) == 0 && rd_kafka_outq_len(s->rk) == 0) {
            *at = s->next;
            s->next = done;
            done = s;
        } else {
            at = &s->next;
        }
    }
    unlock(p);
    for (struct sender *s; (s = done) != NULL;) {
        done = s->next;
        sender_free(s);
    }
}

/* ---- one topic ---- */

/* A reference that the sender drops at its end. */
static bool keep_reference(struct producer *p, struct sender *s, rd_kafka_topic_t *rkt)
{
    lock(p);
    bool kept = s->ntopics < s->captopics || grow_array(&s->topics, &s->captopics, sizeof *s->topics);
    if (kept)
        s->topics[s->ntopics++] = rkt;
    unlock(p);
    return kept;
}

/* The sender's own object for t, with its metadata fetched now: without that the first message waits up to a second, and one for
 * a topic that was deleted and made again is refused. */
static rd_kafka_topic_t *warm_up(struct producer *p, struct sender *s, const struct topic *t)
{
    rd_kafka_topic_t *rkt = t->sender == s ? t->rkt : NULL;
    const struct rd_kafka_metadata *md;
    if (rkt == NULL) {
        if ((rkt = rd_kafka_topic_new(s->rk, t->name, NULL)) == NULL)
            return NULL;
        if (!keep_reference(p, s, rkt)) {
            rd_kafka_topic_destroy(rkt);
            return NULL;
        }
    }
    if (rd_kafka_metadata(s->rk, 0, rkt, &md, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(md);
    return rkt;
}

/* Hands over what waits, in order, until nothing does: then producing threads go straight to the sender. */
static void open_topic(struct producer *p, struct topic *t)
{
    for (;;) {
        lock(p);
        struct delivery *waiting = take_waiting(t, true, 0);
        if (waiting == NULL) {
            t->state = TOPIC_READY;
            unlist(p, t);
            unlock(p);
            return;
        }
        unlock(p);
        while (waiting != NULL) {
            struct delivery *next = waiting->next;
            waiting->next = NULL;
            sender_send(t->sender, t->rkt, t->partitions, t->max_message_bytes, waiting);
            waiting = next;
        }
    }
}

static void found(struct producer *p, struct topic *t, int32_t partitions)
{
    struct err err = {0};
    int64_t limit = configs_number(p->k, t->name, "max.message.bytes", ASK_MS, 0);
    struct sender *s = sender_for(p, limit, &err);
    rd_kafka_topic_t *rkt = s != NULL ? warm_up(p, s, t) : NULL;
    if (rkt == NULL) {
        err_set(&err, ERR_NOMEM, "out of memory");
        refuse_topic(p, t, &err);
        return;
    }
    lock(p);
    t->sender = s;
    t->rkt = rkt;
    t->partitions = partitions;
    t->max_message_bytes = p->is_compressed ? 0 : limit;
    t->loaded_ms = clock_mono_ms();
    t->created_ms = 0;
    unlock(p);
    open_topic(p, t);
}

/* False when nobody answered: no use to ask for the other topics now. */
static bool load(struct producer *p, struct topic *t)
{
    struct kafka *k = p->k;
    struct err err = {0};
    int32_t partitions = admin_count_partitions(k, t->name, ASK_MS, &err);
    int64_t now = clock_mono_ms();
    if (partitions > 0) {
        found(p, t, partitions);
        return true;
    }
    if (err.code == STORE_UNKNOWN_TOPIC) {
        if (t->created_ms != 0 && now - t->created_ms < APPEAR_MS) {
            t->next_try_ms = now + RETRY_MS;
            return true;
        }
        if (!k->options.auto_create) {
            if (++t->misses >= MISSES)
                refuse_topic(p, t, &err);
            else
                t->next_try_ms = now + MISS_MS;
            return true;
        }
        err_clear(&err);
        if (admin_create_default(k, t->name, CREATE_MS, &err) == 0) {
            t->created_ms = clock_mono_ms();
            t->next_try_ms = 0;
            return true;
        }
    }
    if (err.code == STORE_RETRIABLE || err.code == STORE_UNAUTHENTICATED) { /* may become well before the deadline */
        t->next_try_ms = clock_mono_ms() + AWAY_MS;
        return false;
    }
    refuse_topic(p, t, &err);
    return true;
}

/* Deliveries whose time is over fail with what is known of the cluster; with give_up all do. */
static void expire(struct producer *p)
{
    struct delivery *late = NULL, **end = &late;
    lock(p);
    int64_t now = clock_mono_ms();
    for (struct topic *t = p->to_load; t != NULL; t = t->next_load) {
        *end = take_waiting(t, p->give_up, now);
        while (*end != NULL)
            end = &(*end)->next;
    }
    unlock(p);
    struct err why = {0};
    if (late != NULL && !health_why(p->k->health, &why))
        err_set(&why, STORE_RETRIABLE, "no answer from the cluster in time");
    fail_list(late, why.code, why.text);
}

/* The first topic that is due, or NULL and how long to sleep. */
static struct topic *next_due(struct producer *p, int64_t now_ms, int64_t not_before_ms, int64_t *sleep_until_ms)
{
    struct topic *due = NULL;
    *sleep_until_ms = now_ms + (p->to_load != NULL ? RETRY_MS : IDLE_MS);
    if (now_ms < not_before_ms)
        return NULL;
    for (struct topic *t = p->to_load; t != NULL; t = t->next_load) {
        if (t->next_try_ms <= now_ms)
            due = t; /* the last in the list is the one that came first */
    }
    return due;
}

void *topics_load(void *arg)
{
    struct producer *p = arg;
    int64_t not_before_ms = 0;
    for (;;) {
        int64_t sleep_until_ms, now = clock_mono_ms();
        lock(p);
        bool end = p->give_up;
        struct topic *t = next_due(p, now, not_before_ms, &sleep_until_ms);
        if (t == NULL && !end)
            clock_cond_wait(&p->work, &p->lock, sleep_until_ms);
        unlock(p);
        expire(p);
        if (end)
            return NULL;
        if (t != NULL && !load(p, t))
            not_before_ms = clock_mono_ms() + AWAY_MS;
        bury(p);
    }
}
