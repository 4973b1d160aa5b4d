/* storage/kafka/engine.c - opening, closing, and the table of functions. */
#include "storage/kafka/kafka.h"

#include <stdlib.h>

#include "base/log.h"
#include "storage/kafka/handle.h"
#include "storage/kafka/health.h"
#include "storage/kafka/producer.h"
#include "storage/kafka/reader.h"
#include "storage/kafka/reaper.h"
#include "storage/kafka/watch.h"

enum { REAPER_WAIT_MS = 2000 };

int kafka_topic_z(struct str topic, char z[TOPIC_NAME_MAX + 1], struct err *err)
{
    if (!topic_name_ok(topic))
        return err_set(err, STORE_UNKNOWN_TOPIC, "topic '%.*s' does not exist: the name is illegal", STR_ARG(topic));
    memcpy(z, topic.p, topic.n);
    z[topic.n] = '\0';
    return 0;
}

static rd_kafka_t *asking_handle(struct kafka *k, const char *isolation, struct err *err)
{
    const struct property own[] = {{"group.id", NULL}, {"enable.auto.commit", "false"}, {"isolation.level", isolation}};
    rd_kafka_conf_t *conf = handle_conf(k, HANDLE_ADMIN, own, sizeof own / sizeof *own, err);
    return conf != NULL ? handle_new(k, HANDLE_ADMIN, &conf, err) : NULL;
}

/* What handles that still die speak to. */
static void free_rest(void *ctx)
{
    struct kafka *k = ctx;
    health_free(k->health);
    free(k);
}

static void close_all(struct storage *s)
{
    struct kafka *k = (struct kafka *)s;
    producer_free(k->producer);
    readers_free(k->readers);
    kafka_watch_free(k->watch);
    alters_free(k->alters);
    if (k->committed != NULL)
        rd_kafka_destroy(k->committed);
    if (k->admin != NULL)
        rd_kafka_destroy(k->admin);
    options_clear(&k->options);
    if (k->reaper == NULL)
        free_rest(k);
    else if (!reaper_free(k->reaper, REAPER_WAIT_MS, free_rest, k))
        log_warn("kafka.close", "consumers are still waiting for their group's coordinator; not waited for");
}

/* In the order in which they stand on each other. */
static int open_parts(struct kafka *k, struct err *err)
{
    if ((k->admin = asking_handle(k, "read_uncommitted", err)) == NULL ||
        (k->committed = asking_handle(k, "read_committed", err)) == NULL)
        return -1;
    struct watch *watch = kafka_watch_new(k, err);
    atomic_store(&k->watch, watch);
    if (watch == NULL)
        return -1;
    k->readers = readers_new(k, err);
    k->producer = k->readers != NULL ? producer_new(k, err) : NULL;
    return k->producer != NULL ? 0 : -1;
}

static struct storage *open_all(const char *where, const struct storage_option *options, size_t n, struct err *err)
{
    struct kafka *k = calloc(1, sizeof *k);
    if (k == NULL) {
        err_nomem(err);
        return NULL;
    }
    k->base.engine = &kafka_engine;
    if (options_read(&k->options, where, options, n, err) == 0) {
        k->health = health_new(kafka_watch_kick, k);
        k->alters = alters_new();
        k->reaper = reaper_new();
        if (k->health == NULL || k->alters == NULL || k->reaper == NULL)
            err_nomem(err);
        else if (open_parts(k, err) == 0)
            return &k->base;
    }
    close_all(&k->base);
    return NULL;
}

static int ready(struct storage *s, struct err *err)
{
    return health_check(((struct kafka *)s)->health, err);
}

const struct engine kafka_engine = {
    .name = "kafka",
    .open = open_all,
    .free = close_all,
    .ready = ready,
    .cluster = kafka_cluster,
    .create_topic = kafka_create_topic,
    .delete_topic = kafka_delete_topic,
    .add_partitions = kafka_add_partitions,
    .list_topics = kafka_list_topics,
    .describe_topic = kafka_describe_topic,
    .topic_configs = kafka_topic_configs,
    .alter_configs = kafka_alter_configs,
    .watermarks = kafka_watermarks,
    .offset_for_time = kafka_offset_for_time,
    .produce = kafka_produce,
    .reader_open = kafka_reader_open,
    .reader_read = kafka_reader_read,
    .reader_position = kafka_reader_position,
    .reader_wake = kafka_reader_wake,
    .reader_free = kafka_reader_free,
    .member_open = kafka_member_open,
    .member_free = kafka_member_free,
    .member_subscribe = kafka_member_subscribe,
    .member_subscribe_pattern = kafka_member_subscribe_pattern,
    .member_unsubscribe = kafka_member_unsubscribe,
    .member_assign = kafka_member_assign,
    .member_subscription = kafka_member_subscription,
    .member_assignment = kafka_member_assignment,
    .member_poll = kafka_member_poll,
    .member_seek = kafka_member_seek,
    .member_store = kafka_member_store,
    .member_commit = kafka_member_commit,
    .member_committed = kafka_member_committed,
    .pen_take = kafka_pen_take,
    .pen_write = kafka_pen_write,
    .pen_free = kafka_pen_free,
};
