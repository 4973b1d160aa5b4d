#include "storage/kafka/handle.h"

#include "base/log.h"
#include "base/own.h"
#include "storage/kafka/health.h"

/* Lines that only repeat what a call returns, an event carries or health and watch say once. */
static bool is_noise(const char *facility)
{
    static const char *const noise[] = {"FAIL",   "ERROR",   "FATAL",    "CONFWARN", "MAXPOLL", "REQTMOUT",
                                        "GETPID", "PARTCNT", "ADDPARTS", "TXNERR",   "TXNSTATE"};
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
        if (strcmp(facility, noise[i]) == 0)
            return true;
    return false;
}

/* Called by librdkafka's threads. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct kafka *k = rd_kafka_opaque(rk);
    int skipped = 0;
    if (level > 5 || is_noise(facility) || k == NULL || k->health == NULL) {
        log_debug("kafka.client", "handle=%s level=%d facility=%s text=%s", rd_kafka_name(rk), level, facility, text);
        return;
    }
    if (!health_may_log(k->health, facility, &skipped))
        return;
    enum log_level as = level <= 3 ? LOG_ERROR : level == 4 ? LOG_WARN : LOG_INFO;
    log_event(as, "kafka.client", "handle=%s facility=%s skipped=%d text=%s", rd_kafka_name(rk), facility, skipped, text);
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct kafka *k = opaque;
    health_note_error(k->health, (rd_kafka_resp_err_t)code, text);
}

rd_kafka_conf_t *handle_conf(struct kafka *k, enum handle_kind kind, const struct property *properties, size_t n, struct err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(k->options.conf[kind]);
    for (size_t i = 0; i < n; i++)
        if (options_set(conf, properties[i].name, properties[i].value, err) < 0) {
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    return conf;
}

rd_kafka_t *handle_new(struct kafka *k, enum handle_kind kind, rd_kafka_conf_t **conf, struct err *err)
{
    char text[512] = "";
    rd_kafka_conf_t *mine = TAKE(*conf);
    rd_kafka_conf_set_opaque(mine, k);
    rd_kafka_conf_set_log_cb(mine, on_log);
    rd_kafka_conf_set_error_cb(mine, on_error);
    rd_kafka_t *rk = rd_kafka_new(kind == HANDLE_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, mine, text, sizeof text);
    if (rk == NULL) {
        rd_kafka_conf_destroy(mine);
        err_set(err, ERR_INVALID, "cannot make a Kafka client: %s", text);
    }
    return rk;
}

void nudge_init(struct nudge *n, const rd_kafka_conf_t *conf)
{
    *n = (struct nudge){.every_bytes = (size_t)options_number(conf, "queued.max.messages.kbytes", 65536) * 1024 / 4,
                        .every_records = (size_t)options_number(conf, "queued.min.messages", 100000) / 4 + 1};
}

void nudge_fetch(struct nudge *n, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions)
{
    n->bytes = n->records = 0;
    for (int i = 0; i < partitions->cnt; i++)
        partitions->elems[i].offset = 0;
    rd_kafka_offsets_for_times(rk, partitions, 0);
}
