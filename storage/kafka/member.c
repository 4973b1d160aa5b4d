/* storage/kafka/member.c - one consumer of a group: one librdkafka consumer handle.
 *
 * Rebalances are left to librdkafka's own thread (no rebalance callback): it commits what was stored when partitions are taken
 * away, and a group does not wait for a member that nobody polls.  Messages of partitions that were taken away are dropped by
 * librdkafka when they are taken from the queue.  Positions to commit are those of member_store, never those of poll
 * (enable.auto.offset.store=false). */
#include "storage/kafka/member.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "storage/kafka/batch.h"
#include "storage/kafka/errors.h"
#include "storage/kafka/handle.h"
#include "storage/kafka/health.h"
#include "storage/kafka/reaper.h"

enum {
    CHUNK = 1024,
    CLOSE_MS = 3000, /* to commit and leave; a group whose coordinator is away takes librdkafka 45 s */
    CLOSE_REFUSED_MS = 300,
    CLOSE_STEP_MS = 20
};

/* ---- life ---- */

static void on_event(rd_kafka_t *rk, void *ctx)
{
    struct kafka_member *m = ctx;
    m->wake(m->wake_ctx);
}

static rd_kafka_conf_t *member_conf(struct kafka *k, const struct member_options *o, const char *group, struct err *err)
{
    char interval[16];
    OWN_BY(own_free) char *client_id = o->client_id.n != 0 ? str_dup(o->client_id) : NULL;
    snprintf(interval, sizeof interval, "%d", o->auto_commit_ms > 0 ? (int)o->auto_commit_ms : 5000);
    const char *reset = o->auto_offset_reset != NULL ? o->auto_offset_reset : "latest";
    const struct property own[] = {{"group.id", group},
                                   {"auto.offset.reset", strcmp(reset, "none") == 0 ? "error" : reset},
                                   {"enable.auto.commit", o->auto_commit ? "true" : "false"},
                                   {"auto.commit.interval.ms", interval},
                                   {"enable.auto.offset.store", "false"},
                                   {"enable.partition.eof", "false"},
                                   {"isolation.level", o->read_uncommitted ? "read_uncommitted" : "read_committed"},
                                   {"client.id", client_id}};
    rd_kafka_conf_t *conf = handle_conf(k, HANDLE_CONSUMER, NULL, 0, err);
    int status = conf != NULL ? 0 : -1;
    for (size_t i = 0; status == 0 && i < o->nproperties; i++)
        status = options_set(conf, o->properties[i].name, o->properties[i].value, err);
    for (size_t i = 0; status == 0 && i < sizeof own / sizeof *own - (client_id == NULL ? 1 : 0); i++)
        status = options_set(conf, own[i].name, own[i].value, err);
    if (status < 0 && conf != NULL) {
        rd_kafka_conf_destroy(conf);
        conf = NULL;
    }
    return conf;
}

/* A member takes about six descriptors, more once it talks to its brokers. The process must not run out of them: it could not even accept the request
 * that closes one. So members get half of them; the lowest free one tells how many are in use, but for gaps, which the next members fill. */
static int check_descriptors(struct err *err)
{
    struct rlimit limit;
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd >= 0)
        close(fd);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || (fd >= 0 && (rlim_t)fd < limit.rlim_cur / 2))
        return 0;
    return err_set(err, ERR_FULL, "More than half of the %llu file descriptors of this process are in use: delete instances, or raise its limit (ulimit -n)",
                   (unsigned long long)limit.rlim_cur);
}

struct member *kafka_member_open(struct storage *s, const struct member_options *o, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    if (o->group.n == 0) {
        err_set(err, ERR_INVALID, "a member needs the name of its group");
        return NULL;
    }
    if (isspace((unsigned char)o->group.p[0])) { /* librdkafka cuts it off: another group, or none and then no queue */
        err_set(err, STORE_INVALID_REQUEST, "The group id '%.*s' must not begin with white space", STR_ARG(o->group));
        return NULL;
    }
    struct kafka_member *m = calloc(1, sizeof *m);
    if (m == NULL || (m->group = str_dup(o->group)) == NULL) {
        err_nomem(err);
        free(m);
        return NULL;
    }
    rd_kafka_conf_t *conf = check_descriptors(err) == 0 ? member_conf(k, o, m->group, err) : NULL;
    if (conf != NULL)
        nudge_init(&m->nudge, conf);
    if (conf == NULL || (m->rk = handle_new(k, HANDLE_CONSUMER, &conf, err)) == NULL) {
        free(m->group);
        free(m);
        return NULL;
    }
    m->base.engine = s->engine;
    m->k = k;
    m->auto_commit = o->auto_commit;
    m->reset_none = o->auto_offset_reset != NULL && strcmp(o->auto_offset_reset, "none") == 0;
    m->wake = o->wake;
    m->wake_ctx = o->wake_ctx;
    rd_kafka_poll_set_consumer(m->rk);
    m->queue = rd_kafka_queue_get_consumer(m->rk);
    if (m->wake != NULL)
        rd_kafka_queue_cb_event_enable(m->queue, on_event, m);
    return &m->base;
}

static void drop_names(struct kafka_member *m)
{
    for (size_t i = 0; i < m->nnames; i++)
        free((char *)m->names[i].p);
    free(m->names);
    m->names = NULL;
    m->nnames = 0;
}

/* Leaves the group.  What takes longer than CLOSE_MS (a coordinator that is away, no right to the group) goes on in the reaper.
 */
static void close_bounded(struct kafka_member *m)
{
    int64_t deadline_ms = clock_mono_ms() + (m->refused.code != 0 ? CLOSE_REFUSED_MS : CLOSE_MS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(m->rk);
    rd_kafka_error_t *e = rd_kafka_consumer_close_queue(m->rk, queue);
    if (e != NULL)
        rd_kafka_error_destroy(e);
    while (e == NULL && !rd_kafka_consumer_closed(m->rk) && clock_mono_ms() < deadline_ms) {
        rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, CLOSE_STEP_MS);
        if (ev != NULL)
            rd_kafka_event_destroy(ev);
    }
    bool closed = rd_kafka_consumer_closed(m->rk) != 0;
    rd_kafka_queue_destroy(queue);
    rd_kafka_queue_destroy(m->queue);
    if (closed)
        rd_kafka_destroy_flags(m->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    else
        reaper_take(m->k->reaper, m->rk);
}

void kafka_member_free(struct member *member)
{
    struct kafka_member *m = (struct kafka_member *)member;
    rd_kafka_queue_cb_event_enable(m->queue, NULL, NULL);
    pattern_free(m->pattern);
    close_bounded(m);
    drop_names(m);
    for (size_t i = 0; i < m->nstored; i++)
        free(m->stored[i].topic);
    free(m->stored);
    free(m->group);
    free(m);
}

/* ---- subscription and assignment ---- */

static int need_no_assignment(const struct kafka_member *m, struct err *err)
{
    if (m->mode == MEMBER_ASSIGNED)
        return err_set(err, STORE_ILLEGAL_STATE,
                       "Subscription to topics, partitions and pattern are mutually exclusive: partitions are assigned");
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Copies topics to m->names, sorted, each once. */
static int keep_names(struct kafka_member *m, const struct str *topics, size_t n, struct err *err)
{
    drop_names(m);
    if ((m->names = calloc(n + 1, sizeof *m->names)) == NULL)
        return err_nomem(err);
    for (; m->nnames < n; m->nnames++) {
        char *copy = str_dup(topics[m->nnames]);
        if (copy == NULL)
            return err_nomem(err);
        m->names[m->nnames] = str_n(copy, topics[m->nnames].n);
    }
    qsort(m->names, n, sizeof *m->names, by_name);
    size_t kept = 1;
    for (size_t i = 1; i < n; i++)
        if (str_eq(m->names[i], m->names[kept - 1]))
            free((char *)m->names[i].p);
        else
            m->names[kept++] = m->names[i];
    m->nnames = kept;
    return 0;
}

int kafka_member_subscribe(struct member *member, const struct str *topics, size_t n, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    if (need_no_assignment(m, err) < 0)
        return -1;
    if (n == 0)
        return kafka_member_unsubscribe(member, err);
    for (size_t i = 0; i < n; i++)
        if (!topic_name_ok(topics[i])) /* "^..." would be a regular expression to librdkafka */
            return err_set(err, STORE_INVALID_TOPIC, "topic name '%.*s' is illegal", STR_ARG(topics[i]));
    pattern_free(TAKE(m->pattern));
    m->mode = MEMBER_FREE;
    if (keep_names(m, topics, n, err) < 0)
        return -1;
    rd_kafka_resp_err_t e = pattern_subscribe(m->rk, m->names, m->nnames);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return errors_set(err, m->k->health, e, "subscription of group '%s'", m->group);
    m->mode = MEMBER_SUBSCRIBED;
    return 0;
}

int kafka_member_subscribe_pattern(struct member *member, struct str expression, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    if (need_no_assignment(m, err) < 0)
        return -1;
    struct pattern *p = pattern_new(m->k, m->rk, expression, err);
    if (p == NULL) /* the old subscription stays */
        return -1;
    pattern_free(m->pattern); /* before the new one follows: two would overwrite each other's subscription */
    m->pattern = p;
    pattern_follow(p);
    drop_names(m);
    m->mode = MEMBER_PATTERN;
    return 0;
}

int kafka_member_unsubscribe(struct member *member, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    pattern_free(TAKE(m->pattern));
    drop_names(m);
    rd_kafka_resp_err_t e = m->mode == MEMBER_ASSIGNED ? rd_kafka_assign(m->rk, NULL) : rd_kafka_unsubscribe(m->rk);
    m->mode = MEMBER_FREE;
    return e == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : errors_set(err, m->k->health, e, "group '%s'", m->group);
}

int kafka_member_assign(struct member *member, const struct tp *tps, size_t n, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    if (m->mode == MEMBER_SUBSCRIBED || m->mode == MEMBER_PATTERN)
        return err_set(err, STORE_ILLEGAL_STATE,
                       "Subscription to topics, partitions and pattern are mutually exclusive: topics are subscribed");
    if (n == 0)
        return kafka_member_unsubscribe(member, err);
    OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *list = member_list(tps, n, err);
    if (list == NULL)
        return -1;
    member_list_drop_repeated(list);
    rd_kafka_resp_err_t e = rd_kafka_assign(m->rk, list);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return errors_set(err, m->k->health, e, "assignment in group '%s'", m->group);
    m->mode = MEMBER_ASSIGNED;
    return 0;
}

int kafka_member_subscription(struct member *member, struct arena *a, struct str **topics, size_t *n, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    if (m->mode == MEMBER_PATTERN)
        return pattern_names(m->pattern, a, topics, n, err);
    *n = m->nnames;
    if ((*topics = arena_calloc(a, m->nnames + 1, sizeof **topics)) == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < m->nnames; i++)
        if (((*topics)[i] = arena_str(a, m->names[i])).p == NULL)
            return err_nomem(err);
    return 0;
}

int kafka_member_assignment(struct member *member, struct arena *a, struct tp **tps, size_t *n, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *list = member_assigned(m, err);
    if (list == NULL)
        return -1;
    rd_kafka_topic_partition_list_sort(list, NULL, NULL);
    *n = (size_t)list->cnt;
    if ((*tps = arena_calloc(a, *n + 1, sizeof **tps)) == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < *n; i++) {
        (*tps)[i] = (struct tp){
            .topic = arena_str(a, str_of(list->elems[i].topic)), .partition = list->elems[i].partition, .offset = OFFSET_INVALID};
        if ((*tps)[i].topic.p == NULL)
            return err_nomem(err);
    }
    return 0;
}

/* ---- poll ---- */

/* An error message instead of a record: into pending if the caller should hear of it. */
static void take_error(struct kafka_member *m, const rd_kafka_message_t *msg)
{
    rd_kafka_resp_err_t e = msg->err;
    int code = errors_code(e);
    bool missing = e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || e == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
                   e == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    if (e == RD_KAFKA_RESP_ERR__PARTITION_EOF || e == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED || m->pending.code != 0)
        return; /* it rejoins by itself */
    if (missing && m->mode != MEMBER_ASSIGNED)
        return; /* a subscribed topic may come later */
    if (code == STORE_RETRIABLE || errors_is_silence(e)) {
        health_note_error(m->k->health, e, rd_kafka_message_errstr(msg));
        return; /* librdkafka tries on */
    }
    if (e == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
        err_clear(&m->refused);
        errors_set(&m->refused, NULL, e, "group '%s'", m->group);
    }
    if (msg->rkt != NULL && msg->partition >= 0)
        errors_set(&m->pending, m->k->health, e, "group '%s', topic '%s' partition %d", m->group, rd_kafka_topic_name(msg->rkt),
                   (int)msg->partition);
    else if (msg->rkt != NULL)
        errors_set(&m->pending, m->k->health, e, "group '%s', topic '%s'", m->group, rd_kafka_topic_name(msg->rkt));
    else
        errors_set(&m->pending, m->k->health, e, "group '%s'", m->group);
}

static int give_error(struct kafka_member *m, struct err *err)
{
    err_set(err, m->pending.code, "%s", m->pending.text);
    err_clear(&m->pending);
    return -1;
}

int kafka_member_poll(struct member *member, struct batch *b, size_t max_records, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    rd_kafka_message_t *got[CHUNK];
    if (kafka_batch_begin(b, err) < 0)
        return -1;
    if (m->pending.code != 0)
        return give_error(m, err);
    int status = 0;
    while (status == 0 && b->n < max_records) {
        size_t want = max_records - b->n < CHUNK ? max_records - b->n : CHUNK;
        ssize_t n = rd_kafka_consume_batch_queue(m->queue, 0, got, want);
        for (ssize_t i = 0; i < n; i++) {
            if (got[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR && status == 0) {
                m->nudge.bytes += got[i]->len + got[i]->key_len;
                status = kafka_batch_take(b, &got[i], err);
                continue;
            }
            if (got[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR)
                take_error(m, got[i]);
            rd_kafka_message_destroy(got[i]);
        }
        if (n < (ssize_t)want)
            break;
    }
    m->nudge.records += b->n;
    if (nudge_is_due(&m->nudge)) {
        OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *assigned = member_assigned(m, NULL);
        if (assigned != NULL)
            nudge_fetch(&m->nudge, m->rk, assigned);
    }
    if (status == 0 && m->pending.code != 0) {
        if (b->n == 0)
            return give_error(m, err);
        if (m->wake != NULL)
            m->wake(m->wake_ctx); /* the error waits for the next poll */
    }
    return status;
}
