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

rd_kafka_resp_err_t handle_produce(rd_kafka_t *rk, rd_kafka_topic_t *rkt, int32_t partition, int flags, const struct record *r,
                                   void *opaque)
{
    rd_kafka_vu_t vus[8];
    size_t n = 0;
    vus[n].vtype = RD_KAFKA_VTYPE_RKT, vus[n++].u.rkt = rkt;
    vus[n].vtype = RD_KAFKA_VTYPE_PARTITION, vus[n++].u.i32 = partition;
    vus[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS, vus[n++].u.i = flags;
    vus[n].vtype = RD_KAFKA_VTYPE_VALUE, vus[n].u.mem.ptr = (void *)r->value.p, vus[n++].u.mem.size = r->value.n;
    vus[n].vtype = RD_KAFKA_VTYPE_KEY, vus[n].u.mem.ptr = (void *)r->key.p, vus[n++].u.mem.size = r->key.n;
    vus[n].vtype = RD_KAFKA_VTYPE_OPAQUE, vus[n++].u.ptr = opaque;
    if (r->timestamp_ms != 0)
        vus[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP, vus[n++].u.i64 = r->timestamp_ms;
    rd_kafka_headers_t *headers = NULL;
    if (r->nheaders != 0) {
        headers = rd_kafka_headers_new(r->nheaders);
        for (size_t i = 0; i < r->nheaders; i++)
            rd_kafka_header_add(headers, r->headers[i].name.p, (ssize_t)r->headers[i].name.n, r->headers[i].value.p,
                                (ssize_t)r->headers[i].value.n);
        vus[n].vtype = RD_KAFKA_VTYPE_HEADERS, vus[n++].u.headers = headers;
    }
    rd_kafka_error_t *error = rd_kafka_produceva(rk, vus, n);
    if (error == NULL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t e = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    return e;
}

rd_kafka_resp_err_t handle_reason(rd_kafka_t *rk, rd_kafka_resp_err_t e)
{
    char text[8];
    if (e != RD_KAFKA_RESP_ERR__FATAL && e != RD_KAFKA_RESP_ERR__PURGE_QUEUE && e != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return e;
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(rk, text, sizeof text);
    return fatal != RD_KAFKA_RESP_ERR_NO_ERROR ? fatal : e;
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
