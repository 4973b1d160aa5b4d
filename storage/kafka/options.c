#include "storage/kafka/options.h"

#include <stdlib.h>
#include <strings.h>

enum { BIT_PRODUCER = 1 << HANDLE_PRODUCER, BIT_CONSUMER = 1 << HANDLE_CONSUMER, BIT_ADMIN = 1 << HANDLE_ADMIN, BIT_ALL = 7 };

/* Where librdkafka's own default is not good for a service. */
static const struct {
    int kinds;
    const char *name, *value;
} defaults[] = {
    {BIT_ALL, "client.id", "muir"},
    {BIT_ALL, "socket.timeout.ms", "10000"},       /* this is what notices a broker that hangs with its connections open (60 s) */
    {BIT_ALL, "reconnect.backoff.max.ms", "1000"}, /* 10 s: too long to notice that it is back */
    {BIT_ALL, "socket.nagle.disable", "true"},
    {BIT_ALL, "log.connection.close", "false"},
    {BIT_PRODUCER, "linger.ms",
     "0.5"}, /* 0: 16 us of CPU a record at 30,000 single ones a second, 0.5: 2 us; 5: a lonely one waits for it */
    {BIT_PRODUCER, "partitioner", "murmur2_random"},
    {BIT_PRODUCER, "queue.buffering.max.messages", "500000"},
    {BIT_PRODUCER, "queue.buffering.max.kbytes", "262144"},
    {BIT_PRODUCER, "message.max.bytes", "52428800"}, /* the topic's max.message.bytes decides */
    {BIT_CONSUMER, "queued.min.messages", "10000"},  /* small records take ten times their bytes while they wait */
    {BIT_CONSUMER, "queued.max.messages.kbytes",
     "4096"},                                   /* 64 MB a consumer is too much for thousands of them; see nudge in handle.h */
    {BIT_CONSUMER, "fetch.wait.max.ms", "100"}, /* a seek waits for the fetch in flight */
    {BIT_CONSUMER, "fetch.error.backoff.ms", "100"},
    {BIT_CONSUMER, "topic.metadata.refresh.interval.ms", "5000"}, /* new partitions, topics that were missing */
};

static const struct {
    const char *prefix;
    int kinds;
} prefixes[] = {{"client.", BIT_ALL}, {"producer.", BIT_PRODUCER}, {"consumer.", BIT_CONSUMER}, {"admin.", BIT_ADMIN}};

int options_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char text[512] = "";
    switch (rd_kafka_conf_set(conf, name, value, text, sizeof text)) {
    case RD_KAFKA_CONF_OK:
        return 0;
    case RD_KAFKA_CONF_UNKNOWN:
        return err_set(err, ERR_INVALID, "'%s' is no property of librdkafka %s nor of this storage", name,
                       rd_kafka_version_str());
    default:
        return err_set(err, ERR_INVALID, "%s=%s: %s", name, value, text);
    }
}

int64_t options_number(const rd_kafka_conf_t *conf, const char *name, int64_t fallback)
{
    char text[64];
    size_t n = sizeof text;
    int64_t number;
    if (rd_kafka_conf_get(conf, name, text, &n) != RD_KAFKA_CONF_OK || !str_to_i64(str_of(text), &number))
        return fallback;
    return number;
}

static int read_number(const struct storage_option *o, int max, const char *unit, int *out, struct err *err)
{
    int64_t v;
    if (!str_to_i64(str_of(o->value), &v) || v < 1 || v > max)
        return err_set(err, ERR_INVALID, "%s=%s: expected a whole number%s from 1 to %d", o->name, o->value, unit, max);
    *out = (int)v;
    return 0;
}

static int read_bool(const struct storage_option *o, bool *out, struct err *err)
{
    *out = strcasecmp(o->value, "true") == 0;
    if (!*out && strcasecmp(o->value, "false") != 0)
        return err_set(err, ERR_INVALID, "%s=%s: expected true or false", o->name, o->value);
    return 0;
}

/* 1 when o is an option of the storage's own, 0 when it is not, -1 on error. */
static int read_own(struct options *to, const struct storage_option *o, struct err *err)
{
    int status;
    if (strcmp(o->name, "auto.create.topics.enable") == 0)
        status = read_bool(o, &to->auto_create, err);
    else if (strcmp(o->name, "timeout.ms") == 0)
        status = read_number(o, 3600000, " of ms", &to->timeout_ms, err);
    else if (strcmp(o->name, "produce.timeout.ms") == 0)
        status = read_number(o, 3600000, " of ms", &to->produce_timeout_ms, err);
    else if (strcmp(o->name, "num.partitions") == 0)
        status = read_number(o, 100000, "", &to->num_partitions, err);
    else
        return 0;
    return status < 0 ? -1 : 1;
}

/* "client.id" is a property by that very name, "client.linger.ms" is not: the whole name is tried first. */
static int read_property(struct options *to, const struct storage_option *o, struct err *err)
{
    const char *name = o->name;
    int kinds = BIT_ALL;
    char text[8];
    size_t room = sizeof text;
    if (rd_kafka_conf_get(to->conf[HANDLE_PRODUCER], name, text, &room) == RD_KAFKA_CONF_UNKNOWN)
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
            if (strncmp(name, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0) {
                name += strlen(prefixes[i].prefix);
                kinds = prefixes[i].kinds;
                break;
            }
    for (int k = 0; k < HANDLE_KINDS; k++)
        if ((kinds & 1 << k) != 0 && options_set(to->conf[k], name, o->value, err) < 0)
            return -1;
    return 0;
}

static int check_scram(const rd_kafka_conf_t *conf, struct err *err)
{
    char mechanism[128] = "";
    size_t n = sizeof mechanism;
    if (rd_kafka_version() >= 0x020601ff || rd_kafka_conf_get(conf, "sasl.mechanisms", mechanism, &n) != RD_KAFKA_CONF_OK ||
        strncasecmp(mechanism, "SCRAM", 5) != 0)
        return 0;
    return err_set(err, ERR_INVALID,
                   "sasl.mechanism=%s: SCRAM cannot log in to Kafka 4 with librdkafka %s, which is in use (Kafka would say "
                   "invalid credentials). "
                   "Use librdkafka 2.6.1 or newer (this program runs unchanged with a newer librdkafka.so.1) or another "
                   "mechanism: PLAIN over "
                   "TLS, OAUTHBEARER, TLS client certificates",
                   mechanism, rd_kafka_version_str());
}

static int set_defaults(struct options *o, const char *where, struct err *err)
{
    for (int k = 0; k < HANDLE_KINDS; k++) {
        if ((o->conf[k] = rd_kafka_conf_new()) == NULL)
            return err_nomem(err);
        for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
            if ((defaults[i].kinds & 1 << k) != 0 && options_set(o->conf[k], defaults[i].name, defaults[i].value, err) < 0)
                return -1;
        if (options_set(o->conf[k], "bootstrap.servers", where, err) < 0)
            return -1;
    }
    return 0;
}

int options_read(struct options *o, const char *where, const struct storage_option *given, size_t n, struct err *err)
{
    *o = (struct options){.auto_create = true, .num_partitions = -1, .timeout_ms = 10000, .produce_timeout_ms = 30000};
    if (where == NULL || str_trim(str_of(where)).n == 0)
        return err_set(err, ERR_INVALID, "no bootstrap servers given; expected HOST:PORT[,HOST:PORT...]");
    if (set_defaults(o, where, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int own = read_own(o, &given[i], err);
        if (own < 0 || (own == 0 && read_property(o, &given[i], err) < 0))
            return -1;
    }
    for (int k = 0; k < HANDLE_KINDS; k++)
        if (check_scram(o->conf[k], err) < 0)
            return -1;
    return 0;
}

void options_clear(struct options *o)
{
    for (int k = 0; k < HANDLE_KINDS; k++)
        if (o->conf[k] != NULL)
            rd_kafka_conf_destroy(o->conf[k]);
    *o = (struct options){0};
}
