/* storage/kafka/configs.c - topic configs read and changed.
 *
 * librdkafka before 2.2 has only AlterConfigs, which replaces all dynamic settings of a topic: setting one alone would put the
 * others (say cleanup.policy=compact of _schemas) back to their defaults.  So: read, keep what is set on the topic, apply the
 * changes, write all of it, one change at a time in this process.  Another process that changes the same topic at the same
 * instant can be overwritten; a newer library's IncrementalAlterConfigs, used when it is there, has no such gap. */
#include "storage/kafka/kafka.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/own.h"
#include "storage/kafka/call.h"
#include "storage/kafka/errors.h"
#include "storage/kafka/health.h"
#include "storage/kafka/producer.h"

/* What librdkafka 2.2 and newer add, looked up when the program runs; both NULL before. */
struct incremental {
    void (*alter)(rd_kafka_t *rk, rd_kafka_ConfigResource_t **configs, size_t n, const rd_kafka_AdminOptions_t *options,
                  rd_kafka_queue_t *q);
    rd_kafka_error_t *(*add)(rd_kafka_ConfigResource_t *c, const char *name, int operation, const char *value);
    const rd_kafka_ConfigResource_t **(*resources)(const rd_kafka_event_t *ev, size_t *n);
};
/* Values of its enum rd_kafka_AlterConfigOpType_t, as its ABI has them. */
enum { ALTER_SET = 0, ALTER_DELETE = 1 };

enum { VISIBLE_MS = 500, LOOK_AGAIN_MS = 10 };

struct alters {
    pthread_mutex_t
        one; /* held over read, merge and write of one alter: the only lock that waits for the cluster, and only others like it */
    struct incremental newer;
};

struct alters *alters_new(void)
{
    struct alters *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    pthread_mutex_init(&a->one, NULL);
    if (rd_kafka_version() >= 0x02020000) {
        *(void **)&a->newer.alter = dlsym(RTLD_DEFAULT, "rd_kafka_IncrementalAlterConfigs");
        *(void **)&a->newer.add = dlsym(RTLD_DEFAULT, "rd_kafka_ConfigResource_add_incremental_config");
        *(void **)&a->newer.resources = dlsym(RTLD_DEFAULT, "rd_kafka_IncrementalAlterConfigs_result_resources");
    }
    return a;
}

void alters_free(struct alters *a)
{
    if (a == NULL)
        return;
    pthread_mutex_destroy(&a->one);
    free(a);
}

static const char *source_name(rd_kafka_ConfigSource_t source)
{
    static const char *const names[] = {"UNKNOWN",
                                        "DYNAMIC_TOPIC_CONFIG",
                                        "DYNAMIC_BROKER_CONFIG",
                                        "DYNAMIC_DEFAULT_BROKER_CONFIG",
                                        "STATIC_BROKER_CONFIG",
                                        "DEFAULT_CONFIG",
                                        "DYNAMIC_BROKER_LOGGER_CONFIG"};
    return (size_t)source < sizeof names / sizeof *names ? names[source] : names[0];
}

static int resource_verdict(struct kafka *k, const char *topic, const rd_kafka_ConfigResource_t *r, struct err *err)
{
    rd_kafka_resp_err_t e = rd_kafka_ConfigResource_error(r);
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    if (errors_code(e) == STORE_UNKNOWN_TOPIC)
        return err_set(err, STORE_UNKNOWN_TOPIC, "topic '%s' does not exist", topic);
    return errors_set_said(err, k->health, e, rd_kafka_ConfigResource_error_string(r));
}

/* The entries, owned by c until call_end; NULL on error. */
static const rd_kafka_ConfigEntry_t **describe(struct call *c, struct kafka *k, const char *topic, int timeout_ms, size_t *n,
                                               struct err *err)
{
    if (call_begin(c, k, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms, err) < 0)
        return NULL;
    rd_kafka_ConfigResource_t *ask = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_DescribeConfigs(k->admin, &ask, 1, c->options, c->queue);
    rd_kafka_event_t *ev = call_wait(c, "topic configs", err);
    rd_kafka_ConfigResource_destroy(ask);
    if (ev == NULL)
        return NULL;
    size_t count;
    const rd_kafka_ConfigResource_t **r =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(ev), &count);
    if (count != 1) {
        err_set(err, STORE_FAILED, "the cluster sent no configs of topic '%s'", topic);
        return NULL;
    }
    return resource_verdict(k, topic, r[0], err) < 0 ? NULL : rd_kafka_ConfigResource_configs(r[0], n);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct topic_config *)a)->name, ((const struct topic_config *)b)->name);
}

int kafka_topic_configs(struct storage *s, struct str topic, struct arena *a, struct topic_config **out, size_t *n,
                        struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char name[TOPIC_NAME_MAX + 1];
    OWN_BY(call_end) struct call c = {0};
    size_t count = 0;
    *n = 0;
    if (kafka_topic_z(topic, name, err) < 0)
        return -1;
    const rd_kafka_ConfigEntry_t **entries = describe(&c, k, name, k->options.timeout_ms, &count, err);
    if (entries == NULL)
        return -1;
    if ((*out = arena_calloc(a, count + 1, sizeof **out)) == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_ConfigEntry_t *e = entries[i];
        (*out)[i] = (struct topic_config){.name = arena_str(a, str_of(rd_kafka_ConfigEntry_name(e))),
                                          .value = arena_str(a, str_of(rd_kafka_ConfigEntry_value(e))),
                                          .source = source_name(rd_kafka_ConfigEntry_source(e)),
                                          .is_read_only = rd_kafka_ConfigEntry_is_read_only(e) > 0,
                                          .is_sensitive = rd_kafka_ConfigEntry_is_sensitive(e) > 0,
                                          .is_default = rd_kafka_ConfigEntry_source(e) == RD_KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG};
        if ((*out)[i].name.p == NULL || ((*out)[i].value.p == NULL && rd_kafka_ConfigEntry_value(e) != NULL))
            return err_nomem(err);
    }
    qsort(*out, count, sizeof **out, by_name);
    *n = count;
    return 0;
}

int64_t configs_number(struct kafka *k, const char *topic, const char *name, int timeout_ms, int64_t fallback)
{
    OWN_BY(call_end) struct call c = {0};
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries = describe(&c, k, topic, timeout_ms, &count, NULL);
    int64_t number;
    for (size_t i = 0; entries != NULL && i < count; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0 &&
            str_to_i64(str_of(rd_kafka_ConfigEntry_value(entries[i])), &number))
            return number;
    return fallback;
}

static const struct topic_config *find_change(const struct topic_config *changes, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(changes[i].name, name))
            return &changes[i];
    return NULL;
}

static int put(rd_kafka_ConfigResource_t *to, const struct incremental *newer, const struct topic_config *change, struct err *err)
{
    OWN_BY(own_free) char *name = str_dup(change->name);
    OWN_BY(own_free) char *value = change->value.p != NULL ? str_dup(change->value) : NULL;
    if (name == NULL || (change->value.p != NULL && value == NULL))
        return err_nomem(err);
    if (newer != NULL) {
        rd_kafka_error_t *e = newer->add(to, name, value != NULL ? ALTER_SET : ALTER_DELETE, value);
        if (e != NULL) {
            err_set(err, STORE_INVALID_CONFIG, "config '%s': %s", name, rd_kafka_error_string(e));
            rd_kafka_error_destroy(e);
            return -1;
        }
        return 0;
    }
    if (value == NULL) /* left out is back to the default */
        return 0;
    rd_kafka_resp_err_t e = rd_kafka_ConfigResource_set_config(to, name, value);
    return e == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : err_set(err, STORE_INVALID_CONFIG, "config '%s': %s", name, rd_kafka_err2str(e));
}

/* What is set on the topic itself and is not about to change; and that all names that change exist. */
static int keep_others(rd_kafka_ConfigResource_t *to, struct kafka *k, const char *topic, const struct topic_config *changes,
                       size_t n, struct err *err)
{
    OWN_BY(call_end) struct call c = {0};
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries = describe(&c, k, topic, k->options.timeout_ms, &count, err);
    if (entries == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_ConfigEntry_t *e = entries[i];
        const char *name = rd_kafka_ConfigEntry_name(e), *value = rd_kafka_ConfigEntry_value(e);
        if (rd_kafka_ConfigEntry_source(e) != RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG ||
            find_change(changes, n, name) != NULL)
            continue;
        if (value == NULL)
            return err_set(err, STORE_INVALID_REQUEST,
                           "topic '%s' has the sensitive config '%s', whose value cannot be read and would be lost; librdkafka "
                           "2.2 or newer can do "
                           "this change",
                           topic, name);
        if (rd_kafka_ConfigResource_set_config(to, name, value) != RD_KAFKA_RESP_ERR_NO_ERROR)
            return err_set(err, STORE_FAILED, "cannot keep config '%s' of topic '%s'", name, topic);
    }
    return 0;
}

static int alter(struct kafka *k, const char *topic, const struct topic_config *changes, size_t n, struct err *err)
{
    const struct incremental *newer =
        k->alters->newer.alter != NULL && k->alters->newer.add != NULL && k->alters->newer.resources != NULL ? &k->alters->newer
                                                                                                             : NULL;
    rd_kafka_ConfigResource_t *to = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    int status = newer == NULL ? keep_others(to, k, topic, changes, n, err) : 0;
    for (size_t i = 0; status == 0 && i < n; i++)
        status = put(to, newer, &changes[i], err);
    if (status == 0) {
        OWN_BY(call_end) struct call c = {0};
        rd_kafka_admin_op_t op = newer != NULL ? RD_KAFKA_ADMIN_OP_ANY : RD_KAFKA_ADMIN_OP_ALTERCONFIGS;
        if ((status = call_begin(&c, k, op, k->options.timeout_ms, err)) == 0) {
            (newer != NULL ? newer->alter : rd_kafka_AlterConfigs)(k->admin, &to, 1, c.options, c.queue);
            rd_kafka_event_t *ev = call_wait(&c, "change of topic configs", err);
            size_t count = 0;
            const rd_kafka_ConfigResource_t **r =
                ev == NULL      ? NULL
                : newer != NULL ? newer->resources(ev, &count)
                                : rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(ev), &count);
            status = r == NULL    ? -1
                     : count == 1 ? resource_verdict(k, topic, r[0], err)
                                  : err_set(err, STORE_FAILED, "the cluster sent no result");
        }
    }
    rd_kafka_ConfigResource_destroy(to);
    return status;
}

static bool is_visible(const rd_kafka_ConfigEntry_t **entries, size_t count, const struct topic_config *change)
{
    for (size_t i = 0; i < count; i++) {
        if (!str_is(change->name, rd_kafka_ConfigEntry_name(entries[i])))
            continue;
        bool set = rd_kafka_ConfigEntry_source(entries[i]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG;
        return change->value.p == NULL ? !set : set && str_is(change->value, rd_kafka_ConfigEntry_value(entries[i]));
    }
    return true;
}

/* The controller took the change; brokers follow a moment later.  Waits until one shows it, but not long: the broker may write a
 * value in another way than it was given, and keeps some (min.insync.replicas) elsewhere. */
static void wait_visible(struct kafka *k, const char *topic, const struct topic_config *changes, size_t n)
{
    for (int64_t until_ms = clock_mono_ms() + VISIBLE_MS; clock_mono_ms() < until_ms; clock_sleep_ms(LOOK_AGAIN_MS)) {
        OWN_BY(call_end) struct call c = {0};
        size_t count = 0, seen = 0;
        const rd_kafka_ConfigEntry_t **entries = describe(&c, k, topic, VISIBLE_MS, &count, NULL);
        while (entries != NULL && seen < n && is_visible(entries, count, &changes[seen]))
            seen++;
        if (entries == NULL || seen == n)
            return;
    }
}

int kafka_alter_configs(struct storage *s, struct str topic, const struct topic_config *changes, size_t n, struct err *err)
{
    struct kafka *k = (struct kafka *)s;
    char name[TOPIC_NAME_MAX + 1];
    if (kafka_topic_z(topic, name, err) < 0)
        return -1;
    pthread_mutex_lock(&k->alters->one);
    int status = alter(k, name, changes, n, err);
    pthread_mutex_unlock(&k->alters->one);
    if (status == 0)
        wait_visible(k, name, changes, n);
    producer_forget(k->producer, topic);
    return status;
}
