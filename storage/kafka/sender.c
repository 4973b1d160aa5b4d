/* storage/kafka/sender.c - one producer handle, and the thread that takes its delivery reports. */
#include "storage/kafka/producer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/kafka/errors.h"
#include "storage/kafka/handle.h"
#include "storage/kafka/health.h"

enum {
    CHUNK = 256, /* messages handed over at once: 18 KB of stack */
    REPORT_WAIT_MS = 1000,
    DROP_WAIT_MS = 5000 /* for the reports of what was purged */
};

/* ---- results ---- */

static void fail_record(struct delivery *d, size_t i, int code, const char *text)
{
    d->results[i].code = code;
    d->results[i].text = text;
}

static void take_report(struct sender *s, struct delivery *d, const rd_kafka_message_t *m)
{
    size_t i = (size_t)((struct slot *)m->_private - d->slots);
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        d->results[i] = (struct produced){.partition = m->partition, .offset = m->offset};
        return;
    }
    rd_kafka_resp_err_t e = handle_reason(s->rk, m->err);
    struct err why = {0};
    if (errors_is_silence(e)) {
        errors_set_said(&why, s->producer->k->health, e, "no answer from the cluster in time");
        if (d->late_text[0] == '\0')
            snprintf(d->late_text, sizeof d->late_text, "%s", why.text);
        fail_record(d, i, why.code, d->late_text);
    } else {
        fail_record(d, i, errors_code(e), rd_kafka_err2str(e));
    }
    if (m->partition >= 0)
        d->results[i].partition = m->partition;
    int code = errors_code(e);
    bool gone = code == STORE_UNKNOWN_TOPIC || code == STORE_UNKNOWN_PARTITION;
    if (gone) { /* an existing partition was asked for, so it is the topic that is not what it was */
        d->gone++;
        fail_record(d, i, STORE_UNKNOWN_TOPIC, rd_kafka_err2str(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART));
    }
    if (gone || code == STORE_TOO_LARGE)
        producer_forget(s->producer, str_of(rd_kafka_topic_name(m->rkt)));
}

static void take_reports(struct sender *s, rd_kafka_event_t *ev)
{
    const rd_kafka_message_t *m;
    struct delivery *d = NULL;
    size_t known = 0; /* results of d since the last settle: one atomic operation for many records */
    while ((m = rd_kafka_event_message_next(ev)) != NULL) {
        struct delivery *of = ((struct slot *)m->_private)->delivery;
        if (of != d) {
            if (d != NULL)
                delivery_settle(d, known);
            d = of;
            known = 0;
        }
        take_report(s, d, m);
        known++;
    }
    if (d != NULL)
        delivery_settle(d, known);
}

static void take_error(struct sender *s, rd_kafka_event_t *ev)
{
    char text[256] = "";
    int skipped = 0;
    rd_kafka_resp_err_t e = rd_kafka_event_error(ev);
    if (!rd_kafka_event_error_is_fatal(ev) && e != RD_KAFKA_RESP_ERR__FATAL) {
        health_note_error(s->producer->k->health, e, rd_kafka_event_error_string(ev));
        return;
    }
    rd_kafka_fatal_error(s->rk, text, sizeof text);
    if (health_may_log(s->producer->k->health, "producer_dead", &skipped))
        log_error("kafka.producer_dead", "skipped=%d error=%s", skipped, text);
    atomic_store(&s->dead, true);
    rd_kafka_purge(s->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

static void *reports(void *arg)
{
    struct sender *s = arg;
    while (!atomic_load(&s->stop)) {
        rd_kafka_event_t *ev = rd_kafka_queue_poll(s->queue, REPORT_WAIT_MS);
        if (ev == NULL)
            continue;
        if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_DR)
            take_reports(s, ev);
        else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_ERROR)
            take_error(s, ev);
        rd_kafka_event_destroy(ev);
    }
    return NULL;
}

/* ---- handing over ---- */

static void refuse(struct sender *s, struct delivery *d, size_t i, rd_kafka_resp_err_t refusal)
{
    rd_kafka_resp_err_t e = handle_reason(s->rk, refusal);
    fail_record(d, i, errors_code(e), rd_kafka_err2str(e));
    if (errors_code(e) == STORE_UNKNOWN_TOPIC || errors_code(e) == STORE_UNKNOWN_PARTITION)
        producer_forget(s->producer, str_of(d->topic));
}

/* Hands n messages for one partition (-1: librdkafka chooses for each) over; returns how many were refused (their results are
 * set).  Not with RD_KAFKA_MSG_F_PARTITION and a partition in each message: for one that does not exist librdkafka 2.0.2 then
 * never lets the message go. */
static size_t send_chunk(struct sender *s, rd_kafka_topic_t *rkt, struct delivery *d, rd_kafka_message_t *m, size_t n)
{
    size_t refused = 0;
    size_t sent = (size_t)rd_kafka_produce_batch(rkt, m[0].partition, 0, m, (int)n);
    for (size_t j = 0; sent < n && j < n; j++)
        if (m[j].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            refuse(s, d, (size_t)((struct slot *)m[j]._private - d->slots), m[j].err);
            refused++;
        }
    return refused;
}

/* 0, or why record i cannot be taken at all. */
static int check(const struct delivery *d, size_t i, int32_t partitions, int64_t max_message_bytes)
{
    const struct record *r = &d->records[i];
    if (r->partition >= partitions || r->partition < -1)
        return STORE_UNKNOWN_PARTITION;
    if (max_message_bytes != 0 && (int64_t)delivery_record_size(r) > max_message_bytes)
        return STORE_TOO_LARGE;
    return 0;
}

/* Checks all records when one of them cannot be taken; marks those in results. */
static size_t refuse_some(struct sender *s, const char *topic, int32_t partitions, int64_t max_message_bytes, struct delivery *d)
{
    size_t refused = 0;
    char parts[192] = "", size[192] = "";
    for (size_t i = 0; i < d->n; i++) {
        int code = check(d, i, partitions, max_message_bytes);
        if (code == 0)
            continue;
        d->results[i].code = code;
        refused++;
        if (code == STORE_UNKNOWN_PARTITION && parts[0] == '\0')
            snprintf(parts, sizeof parts, "topic '%.100s' has %d partition%s, no partition %d", topic, (int)partitions,
                     partitions == 1 ? "" : "s", (int)d->records[i].partition);
        if (code == STORE_TOO_LARGE && size[0] == '\0')
            snprintf(size, sizeof size, "a record is larger than max.message.bytes of topic '%.100s', %lld", topic,
                     (long long)max_message_bytes);
    }
    /* both texts lie in d->text, one behind the other */
    snprintf(d->text, sizeof d->text, "%s", parts);
    char *second = d->text + strlen(d->text) + 1;
    snprintf(second, sizeof d->text - (size_t)(second - d->text), "%s", size);
    for (size_t i = 0; i < d->n; i++)
        if (d->results[i].code != 0)
            d->results[i].text = d->results[i].code == STORE_TOO_LARGE ? second : d->text;
    return refused;
}

void sender_send(struct sender *s, rd_kafka_topic_t *rkt, int32_t partitions, int64_t max_message_bytes, struct delivery *d)
{
    rd_kafka_message_t m[CHUNK];
    size_t n = 0, settled = 1; /* the 1 keeps d alive while records are handed over */
    bool some_bad = d->max_partition >= partitions || (max_message_bytes != 0 && (int64_t)d->max_size > max_message_bytes);
    if (some_bad)
        settled += refuse_some(s, rd_kafka_topic_name(rkt), partitions, max_message_bytes, d);
    for (size_t i = 0; i < d->n; i++) {
        const struct record *r = &d->records[i];
        if (some_bad && d->results[i].code != 0)
            continue;
        bool plain = r->nheaders == 0 && r->timestamp_ms == 0; /* rd_kafka_produce_batch knows neither */
        if (n == CHUNK || (n != 0 && (!plain || r->partition != m[0].partition))) {
            settled += send_chunk(s, rkt, d, m, n);
            n = 0;
        }
        if (plain) {
            m[n++] = (rd_kafka_message_t){.payload = (void *)r->value.p,
                                          .len = r->value.n,
                                          .key = (void *)r->key.p,
                                          .key_len = r->key.n,
                                          .partition = r->partition,
                                          ._private = &d->slots[i]};
        } else {
            rd_kafka_resp_err_t e = handle_produce(s->rk, rkt, r->partition, 0, r, &d->slots[i]);
            if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
                refuse(s, d, i, e);
                settled++;
            }
        }
    }
    if (n != 0)
        settled += send_chunk(s, rkt, d, m, n);
    delivery_settle(d, settled);
}

/* ---- life ---- */

struct sender *sender_new(struct producer *p, bool singles, struct err *err)
{
    char timeout[16], messages[16], kbytes[16];
    snprintf(timeout, sizeof timeout, "%d", p->k->options.produce_timeout_ms);
    snprintf(messages, sizeof messages, "%lld", (long long)(p->max_messages < INT32_MAX / 2 ? p->max_messages * 2 : INT32_MAX));
    snprintf(kbytes, sizeof kbytes, "%lld",
             (long long)(p->max_bytes / 1024 < INT32_MAX / 2 ? p->max_bytes / 1024 * 2 : INT32_MAX));
    const struct property own[] = {{"enable.idempotence", "true"},
                                   {"acks", "all"},
                                   {"transactional.id", NULL},
                                   {"message.timeout.ms", timeout},
                                   {"queue.buffering.max.messages", messages}, /* law (4): ours is what refuses */
                                   {"queue.buffering.max.kbytes", kbytes},
                                   {"allow.auto.create.topics", "false"}, /* topics.c creates, when it may */
                                   {"batch.num.messages", "1"}};
    struct sender *s = calloc(1, sizeof *s);
    if (s == NULL) {
        err_nomem(err);
        return NULL;
    }
    rd_kafka_conf_t *conf = handle_conf(p->k, HANDLE_PRODUCER, own, sizeof own / sizeof *own - (singles ? 0 : 1), err);
    if (conf != NULL) {
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
        s->rk = handle_new(p->k, HANDLE_PRODUCER, &conf, err);
    }
    if (s->rk == NULL) {
        free(s);
        return NULL;
    }
    s->producer = p;
    atomic_init(&s->born_ms, clock_mono_ms());
    s->queue = rd_kafka_queue_get_main(s->rk);
    int e = pthread_create(&s->reports, NULL, reports, s);
    if (e != 0) {
        err_set(err, ERR_IO, "cannot start the thread that takes delivery reports: %s", strerror(e));
        rd_kafka_queue_destroy(s->queue);
        rd_kafka_destroy(s->rk);
        free(s);
        return NULL;
    }
    pthread_setname_np(s->reports, "kafka-reports");
    return s;
}

void sender_free(struct sender *s)
{
    if (s == NULL)
        return;
    int64_t deadline_ms = clock_mono_ms() + DROP_WAIT_MS;
    while (atomic_load(&s->users) != 0)
        clock_sleep_ms(1);
    if (rd_kafka_outq_len(s->rk) > 0)
        rd_kafka_purge(s->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (rd_kafka_outq_len(s->rk) > 0 && clock_mono_ms() < deadline_ms)
        clock_sleep_ms(2);
    atomic_store(&s->stop, true);
    rd_kafka_queue_yield(s->queue);
    pthread_join(s->reports, NULL);
    for (size_t i = 0; i < s->ntopics; i++)
        rd_kafka_topic_destroy(s->topics[i]);
    free(s->topics);
    rd_kafka_queue_destroy(s->queue);
    rd_kafka_destroy(s->rk);
    free(s);
}
