/* storage/kafka/pen.c - a transactional producer whose transactional.id is the pen's name.
 *
 * Taking: init_transactions fences every older producer of that id and aborts what it left open.  While that abort is under way
 * it meets CONCURRENT_TRANSACTIONS, and librdkafka then sleeps 500 ms before it asks again, which no setting changes; a new
 * handle asks at once.  So the first few tries use a fresh handle each.  (_TIMED_OUT is another matter: call again on the same
 * handle, it resumes.) The end: the last stable offset, asked after init_transactions.  Nothing can be committed by an older
 * holder any more, so it does not move until this holder writes. Writing: the outcome of a commit that did not answer "ok" or
 * "must abort" is not known: STORE_UNKNOWN_OUTCOME.  Being fenced is certain (nothing written) only when a record was refused; a
 * commit request that was fenced may be the repetition of one that had got through. */
#include "storage/kafka/kafka.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/own.h"
#include "storage/kafka/errors.h"
#include "storage/kafka/handle.h"
#include "storage/kafka/health.h"
#include "storage/kafka/producer.h"

enum {
    FRESH_HANDLES = 4, /* tries with a handle of their own before one waits as librdkafka likes */
    FIRST_WAIT_MS = 40,
    PATIENT_WAIT_MS = 5000,
    ABORT_MS = 5000,
    ASK_MS = 5000,
    TRIES = 3
};

struct kafka_pen {
    struct pen base;
    struct kafka *k;
    rd_kafka_t *rk;
    rd_kafka_topic_t *rkt;
    char *name;
    int64_t max_message_bytes; /* of the topic when the pen was taken; 0: not known */
    bool dead;                 /* only pen_free makes sense */
};

/* One record of a write, filled by its delivery report. */
struct written {
    int64_t *offset;
    rd_kafka_resp_err_t err;
    bool is_known;
};

/* Must be set, or rd_kafka_flush and with it each commit looks only every 10 ms. */
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct written *w = m->_private;
    if (w == NULL)
        return;
    w->is_known = true;
    w->err = m->err;
    *w->offset = m->offset;
}

static int left_ms(int64_t deadline_ms)
{
    int64_t left = deadline_ms - clock_mono_ms();
    return left > 1 ? (int)left : 1;
}

/* ---- taking ---- */

/* A batch larger than the topic takes is refused with all its records, so batches stay below. */
static rd_kafka_t *pen_handle(struct kafka *k, const char *name, int64_t max_message_bytes, struct err *err)
{
    char batch_size[16];
    snprintf(batch_size, sizeof batch_size, "%d",
             max_message_bytes > 0 && max_message_bytes < BATCH_BYTES ? (int)max_message_bytes : BATCH_BYTES);
    const struct property own[] = {
        {"transactional.id", name},          {"enable.idempotence", "true"},       {"acks", "all"}, {"linger.ms", "0"},
        {"transaction.timeout.ms", "10000"}, /* how long a dead holder's open transaction holds readers up */
        {"message.timeout.ms", "10000"},     /* may not be longer than that */
        {"batch.size", batch_size},          {"allow.auto.create.topics", "false"}};
    rd_kafka_conf_t *conf = handle_conf(k, HANDLE_PRODUCER, own, sizeof own / sizeof *own, err);
    if (conf == NULL)
        return NULL;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return handle_new(k, HANDLE_PRODUCER, &conf, err);
}

static rd_kafka_t *take(struct kafka *k, const char *name, int64_t max_message_bytes, int64_t deadline_ms, struct err *err)
{
    rd_kafka_t *rk = NULL;
    int handles = 0, wait_ms = FIRST_WAIT_MS;
    for (;;) {
        if (rk == NULL) {
            if ((rk = pen_handle(k, name, max_message_bytes, err)) == NULL)
                return NULL;
            handles++;
        }
        int wait = handles > FRESH_HANDLES ? PATIENT_WAIT_MS : wait_ms, left = left_ms(deadline_ms);
        rd_kafka_error_t *e = rd_kafka_init_transactions(rk, wait < left ? wait : left);
        rd_kafka_poll(rk, 0);
        if (e == NULL)
            return rk;
        rd_kafka_resp_err_t code = rd_kafka_error_code(e);
        bool again = rd_kafka_error_is_retriable(e) && clock_mono_ms() < deadline_ms;
        if (!again)
            errors_set(err, k->health, code, "cannot take the pen '%s'", name);
        rd_kafka_error_destroy(e);
        if (!again) {
            rd_kafka_destroy(rk);
            return NULL;
        }
        if (code == RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS && handles <= FRESH_HANDLES) {
            rd_kafka_destroy(rk);
            rk = NULL;
            wait_ms *= 2;
        }
    }
}

struct pen *kafka_pen_take(struct storage *s, struct str name, struct str topic, int timeout_ms, int64_t *end, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char topic_z[TOPIC_NAME_MAX + 1];
    int64_t low, deadline_ms = clock_mono_ms() + timeout_ms;
    if (kafka_topic_z(topic, topic_z, err) < 0)
        return NULL;
    /* Before anybody is fenced: is there something to write to? */
    if (admin_count_partitions(k, topic_z, left_ms(deadline_ms), err) < 0)
        return NULL;
    struct kafka_pen *p = calloc(1, sizeof *p);
    if (p == NULL || (p->name = str_dup(name)) == NULL) {
        free(p);
        err_nomem(err);
        return NULL;
    }
    p->base.engine = s->engine;
    p->k = k;
    int left = left_ms(deadline_ms);
    p->max_message_bytes = configs_number(k, topic_z, "max.message.bytes", left < ASK_MS ? left : ASK_MS, 0);
    if ((p->rk = take(k, p->name, p->max_message_bytes, deadline_ms, err)) == NULL) {
        free(p->name);
        free(p);
        return NULL;
    }
    p->rkt = rd_kafka_topic_new(p->rk, topic_z, NULL);
    const struct rd_kafka_metadata *md; /* without it the first record waits for a timer of a second */
    left = left_ms(deadline_ms);
    if (rd_kafka_metadata(p->rk, 0, p->rkt, &md, left < ASK_MS ? left : ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(md);
    if (admin_ask_watermarks(k, k->committed, topic_z, 0, left_ms(deadline_ms), &low, end, err) < 0) {
        kafka_pen_free(&p->base);
        return NULL;
    }
    return &p->base;
}

void kafka_pen_free(struct pen *pen)
{
    struct kafka_pen *p = (struct kafka_pen *)pen;
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_topic_destroy(p->rkt);
    rd_kafka_destroy(p->rk);
    free(p->name);
    free(p);
}

/* ---- writing ---- */

static bool is_fenced(struct kafka_pen *p, rd_kafka_resp_err_t e)
{
    return errors_code(handle_reason(p->rk, e)) == STORE_FENCED;
}

static int fenced(struct kafka_pen *p, struct err *err)
{
    p->dead = true;
    return err_set(err, STORE_FENCED, "the pen '%s' was taken by another holder; nothing was written", p->name);
}

static int unknown(struct kafka_pen *p, const char *why, struct err *err)
{
    p->dead = true;
    return err_set(err, STORE_UNKNOWN_OUTCOME, "pen '%s': the transaction may or may not have been committed: %s", p->name, why);
}

/* Nothing of this transaction shall stay.  False: the pen cannot be used any more. */
static bool abort_write(struct kafka_pen *p)
{
    rd_kafka_error_t *e = rd_kafka_abort_transaction(p->rk, ABORT_MS);
    if (e == NULL)
        return true;
    rd_kafka_error_destroy(e);
    p->dead = true;
    return false;
}

static size_t largest(const struct record *records, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (records[i].key.n + records[i].value.n > records[at].key.n + records[at].value.n)
            at = i;
    return at;
}

static int too_large(struct kafka_pen *p, const struct record *records, size_t at, struct err *err)
{
    return err_set(err, STORE_TOO_LARGE, "record %zu (%zu bytes) is larger than topic '%s' takes (max.message.bytes)", at,
                   records[at].key.n + records[at].value.n, rd_kafka_topic_name(p->rkt));
}

/* A record was refused before the commit was asked for, or the commit said that it must be aborted: nothing is or will be
 * written. */
static int refused(struct kafka_pen *p, const struct record *records, size_t n, size_t at, rd_kafka_resp_err_t e,
                   const char *said, bool *again, struct err *err)
{
    if (is_fenced(p, e))
        return fenced(p, err);
    bool kept = abort_write(p);
    if (errors_code(e) == STORE_TOO_LARGE)
        return too_large(p, records, at, err);
    /* UNKNOWN: a broker that is in the middle of ending another holder's transaction may say no more than that. */
    bool passing = errors_code(e) == STORE_RETRIABLE || e == RD_KAFKA_RESP_ERR_UNKNOWN;
    if (!kept && passing)
        return unknown(p, said, err);
    *again = kept && (passing || e == RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    return errors_set(err, p->k->health, e, "pen '%s', record %zu of %zu", p->name, at, n);
}

/* The commit failed; what does that mean? */
static int judge(struct kafka_pen *p, rd_kafka_error_t *e, const struct record *records, size_t n, const struct written *w,
                 bool *again, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(e);
    bool must_abort = rd_kafka_error_txn_requires_abort(e);
    char text[256];
    snprintf(text, sizeof text, "%s", rd_kafka_error_string(e));
    size_t bad = n;
    for (size_t i = 0; i < n && bad == n; i++)
        if (w[i].is_known && w[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            bad = i;
    if (bad < n && is_fenced(p, w[bad].err))
        return fenced(p, err);
    if (!must_abort || (bad == n && is_fenced(p, code)))
        return unknown(p, text, err);
    rd_kafka_resp_err_t why = bad < n ? w[bad].err : code;
    if (errors_code(why) == STORE_TOO_LARGE) /* a batch is refused as a whole */
        bad = largest(records, n);
    return refused(p, records, n, bad < n ? bad : 0, why, text, again, err);
}

/* One transaction; *again: it was aborted for a reason that may be gone the next time. */
static int write_once(struct kafka_pen *p, const struct record *records, size_t n, int64_t deadline_ms, int64_t *offsets,
                      struct written *w, bool *again, struct err *err)
{
    rd_kafka_error_t *e = rd_kafka_begin_transaction(p->rk);
    if (e != NULL) {
        rd_kafka_resp_err_t code = rd_kafka_error_code(e);
        bool lost = is_fenced(p, code);
        if (!lost) {
            p->dead = rd_kafka_error_is_fatal(e);
            errors_set(err, p->k->health, code, "pen '%s'", p->name);
        }
        rd_kafka_error_destroy(e);
        return lost ? fenced(p, err) : -1;
    }
    for (size_t i = 0; i < n; i++) {
        w[i] = (struct written){.offset = &offsets[i]};
        offsets[i] = OFFSET_INVALID;
        /* Copied: a write that ends badly returns before librdkafka has let go of the record. */
        rd_kafka_resp_err_t refusal = handle_produce(p->rk, p->rkt, 0, RD_KAFKA_MSG_F_COPY, &records[i], &w[i]);
        if (refusal != RD_KAFKA_RESP_ERR_NO_ERROR)
            return refused(p, records, n, i, refusal, rd_kafka_err2str(refusal), again, err);
    }
    e = rd_kafka_commit_transaction(p->rk, left_ms(deadline_ms));
    while (e != NULL && rd_kafka_error_is_retriable(e) && clock_mono_ms() < deadline_ms) {
        rd_kafka_error_destroy(e);
        e = rd_kafka_commit_transaction(p->rk, left_ms(deadline_ms));
    }
    int status = e == NULL ? 0 : judge(p, e, records, n, w, again, err);
    if (e != NULL)
        rd_kafka_error_destroy(e);
    return status;
}

int kafka_pen_write(struct pen *pen, const struct record *records, size_t n, int timeout_ms, int64_t *offsets, struct err *err)
{
    struct kafka_pen *p = (struct kafka_pen *)pen;
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    if (p->dead)
        return err_set(err, STORE_FENCED, "the pen '%s' is lost; take it again", p->name);
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n && p->max_message_bytes > 0; i++)
        if ((int64_t)delivery_record_size(&records[i]) > p->max_message_bytes)
            return too_large(p, records, i, err);
    OWN_BY(own_free) struct written *w = calloc(n, sizeof *w);
    if (w == NULL)
        return err_nomem(err);
    /* After a refused batch librdkafka's next transaction fails once for a gap in its sequence numbers, and mends itself by that.
     */
    for (int tries = 1;; tries++) {
        bool again = false;
        struct err why = {0};
        if (write_once(p, records, n, deadline_ms, offsets, w, &again, &why) == 0)
            return 0;
        if (!again || tries == TRIES || clock_mono_ms() >= deadline_ms)
            return err_set(err, why.code, "%s", why.text);
    }
}
