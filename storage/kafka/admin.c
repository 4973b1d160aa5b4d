/* storage/kafka/admin.c - topics made, changed and described; questions about offsets.
 *
 * All of it goes through k->admin, a consumer handle: it never creates a topic by asking, and as it fetches nothing no question
 * waits behind a long poll.  Admin results come on a queue of the call's own, so calls of several threads do not meet. */
#include "storage/kafka/kafka.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/own.h"
#include "storage/kafka/call.h"
#include "storage/kafka/errors.h"
#include "storage/kafka/health.h"
#include "storage/kafka/producer.h"

enum { LOOK_AGAIN_MS = 15 };

static bool is_internal(struct str topic)
{
    return str_is(topic, "__consumer_offsets") || str_is(topic, "__transaction_state") || str_is(topic, "__share_group_state");
}

/* ---- metadata ---- */

static void free_metadata(const struct rd_kafka_metadata **md)
{
    if (*md != NULL)
        rd_kafka_metadata_destroy(*md);
}

/* Metadata of one topic; the cluster's verdict on it is turned into err. */
static int ask_topic(struct kafka *k, const char *topic, int timeout_ms, const struct rd_kafka_metadata **md, struct err *err)
{
    *md = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(k->admin, topic, NULL);
    if (rkt == NULL)
        return errors_set(err, k->health, rd_kafka_last_error(), "topic '%s'", topic);
    rd_kafka_resp_err_t e = rd_kafka_metadata(k->admin, 0, rkt, md, timeout_ms);
    rd_kafka_topic_destroy(rkt);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        *md = NULL;
        return errors_set(err, k->health, e, "topic '%s'", topic);
    }
    for (int i = 0; i < (*md)->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *t = &(*md)->topics[i];
        if (strcmp(t->topic, topic) != 0)
            continue;
        if (t->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || t->err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
            break;
        if (t->err != RD_KAFKA_RESP_ERR_NO_ERROR && t->partition_cnt == 0)
            return errors_set(err, k->health, t->err, "topic '%s'", topic);
        return i;
    }
    return err_set(err, STORE_UNKNOWN_TOPIC, "topic '%s' does not exist", topic);
}

int32_t admin_count_partitions(struct kafka *k, const char *topic, int timeout_ms, struct err *err)
{
    OWN_BY(free_metadata) const struct rd_kafka_metadata *md = NULL;
    int i = ask_topic(k, topic, timeout_ms, &md, err);
    return i < 0 ? -1 : md->topics[i].partition_cnt;
}

static int32_t *copy_ids(struct arena *a, const int32_t *ids, int n)
{
    int32_t *to = arena_alloc(a, ((size_t)n + 1) * sizeof *to);
    if (to != NULL && n > 0)
        memcpy(to, ids, (size_t)n * sizeof *to);
    return to;
}

static int by_partition(const void *a, const void *b)
{
    const struct partition_info *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int fill_topic(struct arena *a, const struct rd_kafka_metadata_topic *t, struct topic_info *out, struct err *err)
{
    *out = (struct topic_info){.name = arena_str(a, str_of(t->topic)), .npartitions = (size_t)t->partition_cnt};
    out->partitions = arena_calloc(a, out->npartitions + 1, sizeof *out->partitions);
    if (out->name.p == NULL || out->partitions == NULL)
        return err_nomem(err);
    out->is_internal = is_internal(out->name);
    for (size_t i = 0; i < out->npartitions; i++) {
        const struct rd_kafka_metadata_partition *from = &t->partitions[i];
        struct partition_info *p = &out->partitions[i];
        *p = (struct partition_info){.id = from->id,
                                     .leader = from->leader,
                                     .replicas = copy_ids(a, from->replicas, from->replica_cnt),
                                     .nreplicas = (size_t)from->replica_cnt,
                                     .isrs = copy_ids(a, from->isrs, from->isr_cnt),
                                     .nisrs = (size_t)from->isr_cnt};
        if (p->replicas == NULL || p->isrs == NULL)
            return err_nomem(err);
    }
    if (out->npartitions > 1)
        qsort(out->partitions, out->npartitions, sizeof *out->partitions, by_partition);
    return 0;
}

int kafka_describe_topic(struct storage *s, struct str topic, struct arena *a, struct topic_info *out, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char name[TOPIC_NAME_MAX + 1];
    OWN_BY(free_metadata) const struct rd_kafka_metadata *md = NULL;
    if (kafka_topic_z(topic, name, err) < 0)
        return -1;
    int i = ask_topic(k, name, k->options.timeout_ms, &md, err);
    return i < 0 ? -1 : fill_topic(a, &md->topics[i], out, err);
}

static int by_topic(const void *a, const void *b)
{
    return str_cmp(((const struct topic_info *)a)->name, ((const struct topic_info *)b)->name);
}

/* Metadata of all topics there are. */
static int ask_all(struct kafka *k, int timeout_ms, const struct rd_kafka_metadata **md, struct err *err)
{
    rd_kafka_resp_err_t e = rd_kafka_metadata(k->admin, 1, NULL, md, timeout_ms);
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    *md = NULL;
    return errors_set(err, k->health, e, "list of topics");
}

static bool was_deleted(const struct rd_kafka_metadata_topic *t) /* a moment ago */
{
    return t->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

int kafka_list_topics(struct storage *s, struct arena *a, struct topic_info **out, size_t *n, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    OWN_BY(free_metadata) const struct rd_kafka_metadata *md = NULL;
    *n = 0;
    if (ask_all(k, k->options.timeout_ms, &md, err) < 0)
        return -1;
    *out = arena_calloc(a, (size_t)md->topic_cnt + 1, sizeof **out);
    if (*out == NULL)
        return err_nomem(err);
    for (int i = 0; i < md->topic_cnt; i++)
        if (!was_deleted(&md->topics[i]) && fill_topic(a, &md->topics[i], &(*out)[(*n)++], err) < 0)
            return -1;
    qsort(*out, *n, sizeof **out, by_topic);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

int admin_topic_names(struct kafka *k, int timeout_ms, struct arena *a, struct str **names, size_t *n, struct err *err)
{
    OWN_BY(free_metadata) const struct rd_kafka_metadata *md = NULL;
    *n = 0;
    if (ask_all(k, timeout_ms, &md, err) < 0)
        return -1;
    if ((*names = arena_calloc(a, (size_t)md->topic_cnt + 1, sizeof **names)) == NULL)
        return err_nomem(err);
    for (int i = 0; i < md->topic_cnt; i++) {
        struct str name = str_of(md->topics[i].topic);
        if (was_deleted(&md->topics[i]) || is_internal(name))
            continue;
        if (((*names)[*n] = arena_str(a, name)).p == NULL)
            return err_nomem(err);
        ++*n;
    }
    qsort(*names, *n, sizeof **names, by_name);
    return 0;
}

int kafka_cluster(struct storage *s, struct arena *a, struct cluster *out, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    OWN_BY(free_metadata) const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t e = rd_kafka_metadata(k->admin, 0, NULL, &md, k->options.timeout_ms);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        md = NULL;
        return errors_set(err, k->health, e, "cluster");
    }
    char *id = rd_kafka_clusterid(k->admin, k->options.timeout_ms);
    /* No controller: with KRaft the protocol names any live broker, a different one each time. */
    *out = (struct cluster){.id = arena_str(a, str_of(id)), .controller = -1, .nbrokers = (size_t)md->broker_cnt};
    if (id != NULL)
        rd_kafka_mem_free(k->admin, id);
    out->brokers = arena_calloc(a, out->nbrokers + 1, sizeof *out->brokers);
    if (out->brokers == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < out->nbrokers; i++) {
        const struct rd_kafka_metadata_broker *b = &md->brokers[i];
        out->brokers[i] = (struct broker){.id = b->id, .host = arena_str(a, str_of(b->host)), .port = b->port};
        for (size_t j = i; j > 0 && out->brokers[j - 1].id > out->brokers[j].id; j--) {
            struct broker swap = out->brokers[j];
            out->brokers[j] = out->brokers[j - 1];
            out->brokers[j - 1] = swap;
        }
    }
    return out->id.p != NULL
               ? 0
               : err_set(err, STORE_RETRIABLE, "the cluster did not tell its id within %d ms", k->options.timeout_ms);
}

/* ---- create, delete, grow ---- */

/* One result each for the three topic calls. */
static int topic_verdict(struct kafka *k, rd_kafka_event_t *ev, const rd_kafka_topic_result_t **results, size_t n,
                         struct err *err)
{
    if (n != 1)
        return err_set(err, STORE_FAILED, "the cluster sent no result");
    rd_kafka_resp_err_t e = rd_kafka_topic_result_error(results[0]);
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    if (errors_code(e) == STORE_UNKNOWN_TOPIC)
        return err_set(err, STORE_UNKNOWN_TOPIC, "topic '%s' does not exist", rd_kafka_topic_result_name(results[0]));
    return errors_set_said(err, k->health, e, rd_kafka_topic_result_error_string(results[0]));
}

static int spec_fill(rd_kafka_NewTopic_t *t, const struct topic_spec *spec, struct err *err)
{
    char text[256];
    for (size_t i = 0; i < spec->nassignments; i++) {
        /* librdkafka wants partitions 0, 1, 2, ... in order */
        const struct replica_list *r = NULL;
        for (size_t j = 0; j < spec->nassignments && r == NULL; j++)
            if (spec->assignments[j].partition == (int32_t)i)
                r = &spec->assignments[j];
        if (r == NULL)
            return err_set(err, STORE_INVALID_REQUEST,
                           "replica assignments must name each partition from 0 to %zu once; %zu is missing",
                           spec->nassignments - 1, i);
        OWN_BY(own_free) int32_t *brokers = malloc((r->nbrokers + 1) * sizeof *brokers);
        if (brokers == NULL)
            return err_nomem(err);
        for (size_t j = 0; j < r->nbrokers; j++)
            brokers[j] = r->brokers[j];
        rd_kafka_resp_err_t e = rd_kafka_NewTopic_set_replica_assignment(t, (int32_t)i, brokers, r->nbrokers, text, sizeof text);
        if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
            return err_set(err, STORE_INVALID_REQUEST, "replica assignment of partition %zu: %s", i, text);
    }
    for (size_t i = 0; i < spec->nconfigs; i++) {
        OWN_BY(own_free) char *name = str_dup(spec->configs[i].name);
        OWN_BY(own_free) char *value = spec->configs[i].value.p != NULL ? str_dup(spec->configs[i].value) : NULL;
        rd_kafka_resp_err_t e = name != NULL ? rd_kafka_NewTopic_set_config(t, name, value) : RD_KAFKA_RESP_ERR__FAIL;
        if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
            return err_set(err, STORE_INVALID_CONFIG, "config '%.*s': %s", STR_ARG(spec->configs[i].name), rd_kafka_err2str(e));
    }
    return 0;
}

static int create(struct kafka *k, const char *name, const struct topic_spec *spec, int timeout_ms, struct err *err)
{
    char text[256] = "";
    bool assigned = spec->nassignments != 0;
    int32_t partitions = assigned ? (int32_t)spec->nassignments : spec->partitions;
    rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(name, partitions, assigned ? -1 : spec->replication_factor, text, sizeof text);
    if (t == NULL)
        return err_set(err, STORE_INVALID_REQUEST, "%s", text);
    int status = spec_fill(t, spec, err);
    if (status == 0) {
        struct call c;
        status = call_begin(&c, k, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms, err);
        if (status == 0 && spec->validate_only)
            rd_kafka_AdminOptions_set_validate_only(c.options, 1, text, sizeof text);
        if (status == 0) {
            rd_kafka_CreateTopics(k->admin, &t, 1, c.options, c.queue);
            rd_kafka_event_t *ev = call_wait(&c, "create topic", err);
            size_t n = 0;
            const rd_kafka_topic_result_t **results =
                ev != NULL ? rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &n) : NULL;
            status = ev != NULL ? topic_verdict(k, ev, results, n, err) : -1;
        }
        call_end(&c);
    }
    rd_kafka_NewTopic_destroy(t);
    return status;
}

/* Until the cluster shows at least want partitions of topic (0: none any more), all with a leader. */
static int wait_visible(struct kafka *k, const char *topic, int32_t want, int64_t deadline_ms, struct err *err)
{
    for (;;) {
        struct err why = {0};
        OWN_BY(free_metadata) const struct rd_kafka_metadata *md = NULL;
        int64_t left = deadline_ms - clock_mono_ms();
        int i = ask_topic(k, topic, left > 0 ? (int)left : 1, &md, &why);
        if (i < 0 && want == 0 && why.code == STORE_UNKNOWN_TOPIC)
            return 0;
        bool good = i >= 0 && want > 0 && md->topics[i].partition_cnt >= want;
        for (int p = 0; good && p < md->topics[i].partition_cnt; p++)
            good = md->topics[i].partitions[p].leader >= 0;
        if (good)
            return 0;
        if (clock_mono_ms() >= deadline_ms)
            return err_set(err, STORE_RETRIABLE, "topic '%s': the change was accepted but is not visible yet", topic);
        clock_sleep_ms(LOOK_AGAIN_MS);
    }
}

int kafka_create_topic(struct storage *s, const struct topic_spec *spec, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char name[TOPIC_NAME_MAX + 1];
    int64_t deadline_ms = clock_mono_ms() + k->options.timeout_ms;
    if (kafka_topic_z(spec->name, name, err) < 0 || create(k, name, spec, k->options.timeout_ms, err) < 0)
        return -1;
    if (spec->validate_only)
        return 0;
    producer_forget(k->producer, spec->name);
    int32_t want = spec->nassignments != 0 ? (int32_t)spec->nassignments : spec->partitions > 0 ? spec->partitions : 1;
    return wait_visible(k, name, want, deadline_ms, err);
}

int admin_create_default(struct kafka *k, const char *topic, int timeout_ms, struct err *err)
{
    struct err why = {0};
    const struct topic_spec spec = {.partitions = k->options.num_partitions, .replication_factor = -1};
    if (create(k, topic, &spec, timeout_ms, &why) == 0 || why.code == STORE_TOPIC_EXISTS)
        return 0;
    return err_set(err, why.code, "topic '%s' does not exist and cannot be created: %s", topic, why.text);
}

int kafka_delete_topic(struct storage *s, struct str topic, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char name[TOPIC_NAME_MAX + 1];
    struct call c;
    int64_t deadline_ms = clock_mono_ms() + k->options.timeout_ms;
    if (kafka_topic_z(topic, name, err) < 0)
        return -1;
    int status = call_begin(&c, k, RD_KAFKA_ADMIN_OP_DELETETOPICS, k->options.timeout_ms, err);
    if (status == 0) {
        rd_kafka_DeleteTopic_t *t = rd_kafka_DeleteTopic_new(name);
        rd_kafka_DeleteTopics(k->admin, &t, 1, c.options, c.queue);
        rd_kafka_event_t *ev = call_wait(&c, "delete topic", err);
        size_t n = 0;
        const rd_kafka_topic_result_t **results =
            ev != NULL ? rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(ev), &n) : NULL;
        status = ev != NULL ? topic_verdict(k, ev, results, n, err) : -1;
        rd_kafka_DeleteTopic_destroy(t);
    }
    call_end(&c);
    producer_forget(k->producer, topic);
    return status < 0 ? -1 : wait_visible(k, name, 0, deadline_ms, err);
}

int kafka_add_partitions(struct storage *s, struct str topic, int32_t total, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char name[TOPIC_NAME_MAX + 1], text[256] = "";
    struct call c;
    int64_t deadline_ms = clock_mono_ms() + k->options.timeout_ms;
    if (kafka_topic_z(topic, name, err) < 0)
        return -1;
    if (total < 1)
        return err_set(err, STORE_INVALID_REQUEST, "a topic has at least one partition, not %d", (int)total);
    rd_kafka_NewPartitions_t *more = rd_kafka_NewPartitions_new(name, (size_t)total, text, sizeof text);
    if (more == NULL)
        return err_set(err, STORE_INVALID_REQUEST, "%s", text);
    int status = call_begin(&c, k, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, k->options.timeout_ms, err);
    if (status == 0) {
        rd_kafka_CreatePartitions(k->admin, &more, 1, c.options, c.queue);
        rd_kafka_event_t *ev = call_wait(&c, "add partitions", err);
        size_t n = 0;
        const rd_kafka_topic_result_t **results =
            ev != NULL ? rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(ev), &n) : NULL;
        status = ev != NULL ? topic_verdict(k, ev, results, n, err) : -1;
    }
    call_end(&c);
    rd_kafka_NewPartitions_destroy(more);
    producer_forget(k->producer, topic);
    return status < 0 ? -1 : wait_visible(k, name, total, deadline_ms, err);
}

/* ---- offsets ---- */

/* A question about a partition that does not exist gets _UNKNOWN_PARTITION for three reasons; say which. */
static int offset_error(struct kafka *k, rd_kafka_resp_err_t e, const char *topic, int32_t partition, int timeout_ms,
                        struct err *err)
{
    int code = errors_code(e);
    if (code != STORE_UNKNOWN_PARTITION && code != STORE_UNKNOWN_TOPIC)
        return errors_set(err, k->health, e, "topic '%s' partition %d", topic, (int)partition);
    int32_t n = admin_count_partitions(k, topic, timeout_ms, err);
    if (n < 0)
        return -1;
    if (partition >= n || partition < 0)
        return err_set(err, STORE_UNKNOWN_PARTITION, "topic '%s' has %d partition%s, no partition %d", topic, (int)n,
                       n == 1 ? "" : "s", (int)partition);
    return err_set(err, STORE_RETRIABLE, "topic '%s' partition %d cannot be asked now: %s", topic, (int)partition,
                   rd_kafka_err2str(e));
}

int admin_ask_watermarks(struct kafka *k, rd_kafka_t *rk, const char *topic, int32_t partition, int timeout_ms, int64_t *low,
                         int64_t *high, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    for (;;) {
        int64_t left = deadline_ms - clock_mono_ms();
        rd_kafka_resp_err_t e = rd_kafka_query_watermark_offsets(rk, topic, partition, low, high, left > 1 ? (int)left : 1);
        if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        struct err why = {0};
        left = deadline_ms - clock_mono_ms();
        offset_error(k, e, topic, partition, left > 1 ? (int)left : 1, &why);
        if (why.code != STORE_RETRIABLE || left <= LOOK_AGAIN_MS)
            return err_set(err, why.code, "%s", why.text);
        clock_sleep_ms(LOOK_AGAIN_MS);
    }
}

int kafka_watermarks(struct storage *s, struct str topic, int32_t partition, int64_t *low, int64_t *high, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char name[TOPIC_NAME_MAX + 1];
    if (kafka_topic_z(topic, name, err) < 0)
        return -1;
    if (partition < 0)
        return offset_error(k, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, name, partition, k->options.timeout_ms, err);
    return admin_ask_watermarks(k, k->admin, name, partition, k->options.timeout_ms, low, high, err);
}

int kafka_offset_for_time(struct storage *s, struct str topic, int32_t partition, int64_t ms, int64_t *offset, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char name[TOPIC_NAME_MAX + 1];
    int64_t low, high;
    if (kafka_watermarks(s, topic, partition, &low, &high, err) < 0 || kafka_topic_z(topic, name, err) < 0)
        return -1;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, name, partition)->offset = ms < 0 ? 0 : ms;
    rd_kafka_resp_err_t e = rd_kafka_offsets_for_times(k->admin, list, k->options.timeout_ms);
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
        e = list->elems[0].err;
    *offset = list->elems[0].offset >= 0 ? list->elems[0].offset : high;
    rd_kafka_topic_partition_list_destroy(list);
    return e == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : offset_error(k, e, name, partition, k->options.timeout_ms, err);
}
