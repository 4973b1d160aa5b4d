#include "storage/kafka/producer.h"

#include <stdlib.h>

#include "base/clock.h"

enum {
    FRESH_MS = 25, /* what was asked so short ago is not asked again because a record does not fit */
    CLOSE_GRACE_MS = 500
};

/* ---- accounting ---- */

static bool reserve(struct producer *p, size_t n, size_t bytes)
{
    if (atomic_fetch_add(&p->messages, n) + n > p->max_messages) {
        atomic_fetch_sub(&p->messages, n);
        return false;
    }
    if (atomic_fetch_add(&p->bytes, bytes) + bytes > p->max_bytes) {
        atomic_fetch_sub(&p->bytes, bytes);
        atomic_fetch_sub(&p->messages, n);
        return false;
    }
    return true;
}

static void release(struct producer *p, size_t n, size_t bytes)
{
    atomic_fetch_sub(&p->bytes, bytes);
    atomic_fetch_sub(&p->messages, n);
}

/* ---- topics, as producing threads see them ---- */

static struct topic *topic_new(struct producer *p, struct str name)
{
    struct topic *t = calloc(1, sizeof *t);
    if (t == NULL || (t->name = str_dup(name)) == NULL || map_set(&p->topics, str_of(t->name), t) < 0) {
        if (t != NULL)
            free(t->name);
        free(t);
        return NULL;
    }
    return t;
}

/* Can d go straight to the sender?  Records that do not fit what is known of the topic are worth another question. */
static bool goes_now(const struct topic *t, const struct delivery *d)
{
    if (t->state != TOPIC_READY ||
        (atomic_load(&t->sender->dead) && clock_mono_ms() - atomic_load(&t->sender->born_ms) >= REBIRTH_MS))
        return false;
    bool fits = d->max_partition < t->partitions && (t->max_message_bytes == 0 || (int64_t)d->max_size <= t->max_message_bytes);
    return fits || clock_mono_ms() - t->loaded_ms < FRESH_MS;
}

static void wait_for_topic(struct producer *p, struct topic *t, struct delivery *d)
{
    if (t->last != NULL)
        t->last->next = d;
    else
        t->first = d;
    t->last = d;
    if (t->state != TOPIC_LOADING) {
        t->state = TOPIC_LOADING;
        t->next_try_ms = 0;
        t->misses = 0;
        t->next_load = p->to_load;
        p->to_load = t;
        pthread_cond_signal(&p->work);
    }
}

int kafka_produce(struct storage *s, struct str topic, const struct record *records, size_t n, storage_produced_fn *done,
                  void *ctx, struct err *err)
{
    struct producer *p = ((struct kafka *)s)->producer;
    struct delivery *d = delivery_new(p, topic, records, n, done, ctx);
    if (d == NULL)
        return err_nomem(err);
    if (!reserve(p, n, d->bytes)) {
        free(d);
        return err_set(err, ERR_FULL, "%zu records are on their way to Kafka already (at most %zu, %zu bytes); try again later",
                       atomic_load(&p->messages), p->max_messages, p->max_bytes);
    }
    struct sender *sender = NULL;
    rd_kafka_topic_t *rkt = NULL;
    int32_t partitions = 0;
    int64_t max_message_bytes = 0;
    int code = 0;
    pthread_mutex_lock(&p->lock);
    struct topic *t = p->closing ? NULL : map_get(&p->topics, topic);
    if (p->closing) {
        code = ERR_CLOSED;
    } else if (t == NULL && (t = topic_new(p, topic)) == NULL) {
        code = ERR_NOMEM;
    } else if (goes_now(t, d)) {
        sender = t->sender;
        rkt = t->rkt;
        partitions = t->partitions;
        max_message_bytes = t->max_message_bytes;
        atomic_fetch_add(&sender->users, 1);
    } else {
        wait_for_topic(p, t, d);
    }
    pthread_mutex_unlock(&p->lock);
    if (code != 0) {
        release(p, n, d->bytes);
        free(d);
        return err_set(err, code, code == ERR_CLOSED ? "the storage is being closed" : "out of memory");
    }
    if (sender != NULL) {
        sender_send(sender, rkt, partitions, max_message_bytes, d);
        atomic_fetch_sub(&sender->users, 1);
    }
    return 0;
}

void producer_again(struct producer *p, struct delivery *d)
{
    struct err err = {0};
    pthread_mutex_lock(&p->lock);
    struct topic *t = map_get(&p->topics, str_of(d->topic));
    if (t == NULL)
        t = topic_new(p, str_of(d->topic));
    if (t != NULL && !p->give_up)
        wait_for_topic(p, t, d);
    else
        err_set(&err, STORE_UNKNOWN_TOPIC, "topic '%s' does not exist any more", d->topic);
    pthread_mutex_unlock(&p->lock);
    if (err.code != 0)
        delivery_fail(d, err.code, err.text);
}

void producer_forget(struct producer *p, struct str topic)
{
    pthread_mutex_lock(&p->lock);
    struct topic *t = map_get(&p->topics, topic);
    if (t != NULL && t->state == TOPIC_READY)
        t->state = TOPIC_NEW;
    pthread_mutex_unlock(&p->lock);
}

/* ---- life ---- */

static bool is_compressed(const rd_kafka_conf_t *conf)
{
    char type[32] = "";
    size_t n = sizeof type;
    return rd_kafka_conf_get(conf, "compression.codec", type, &n) == RD_KAFKA_CONF_OK && strcmp(type, "none") != 0;
}

struct producer *producer_new(struct kafka *k, struct err *err)
{
    struct producer *p = calloc(1, sizeof *p);
    if (p == NULL) {
        err_nomem(err);
        return NULL;
    }
    const rd_kafka_conf_t *conf = k->options.conf[HANDLE_PRODUCER];
    p->k = k;
    p->max_messages = (size_t)options_number(conf, "queue.buffering.max.messages", 500000);
    if (p->max_messages == 0) /* librdkafka's word for no limit */
        p->max_messages = INT32_MAX;
    p->max_bytes = (size_t)options_number(conf, "queue.buffering.max.kbytes", 262144) * 1024;
    p->is_compressed = is_compressed(conf);
    pthread_mutex_init(&p->lock, NULL);
    clock_cond_init(&p->work);
    int e = 0;
    if ((p->bulk = sender_new(p, false, err)) != NULL) {
        if ((e = pthread_create(&p->loader, NULL, topics_load, p)) == 0) {
            pthread_setname_np(p->loader, "kafka-topics");
            return p;
        }
        err_set(err, ERR_IO, "cannot start the thread that looks topics up: %s", strerror(e));
        sender_free(p->bulk);
    }
    free(p);
    return NULL;
}

static void wait_empty(struct producer *p, int64_t deadline_ms)
{
    while (atomic_load(&p->messages) != 0 && clock_mono_ms() < deadline_ms)
        clock_sleep_ms(1);
}

void producer_free(struct producer *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    wait_empty(p, clock_mono_ms() + p->k->options.produce_timeout_ms + CLOSE_GRACE_MS);
    pthread_mutex_lock(&p->lock);
    p->give_up = true;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->loader, NULL);
    sender_free(p->bulk);
    sender_free(p->singles);
    for (struct sender *s; (s = p->retired) != NULL;) {
        p->retired = s->next;
        sender_free(s);
    }
    struct topic *t;
    for (size_t i = 0; (t = map_each(&p->topics, &i)) != NULL;) {
        free(t->name);
        free(t);
    }
    map_clear(&p->topics);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
