/* proxy/conf.c - the proxy's keys (proxy-api.md 5.2). */
#include "proxy/internal.h"

#include <stdlib.h>

#define AT(field) offsetof(struct proxy_conf, field)
static const struct conf_key keys[] = {
    {"advertised.listeners", CONF_STR, AT(advertised_listeners), NULL, NULL, "URL whose host and port stand in links of answers.", 0, 0, 0},
    {"api.v2.enable", CONF_BOOL, AT(api_v2), "true", NULL, "Serve the v2 API.", 0, 0, 0},
    {"api.v3.enable", CONF_BOOL, AT(api_v3), "true", NULL, "Serve the v3 API.", 0, 0, 0},
    {"confluent.resource.name.authority", CONF_STR, AT(resource_authority), NULL, NULL, "Authority in resource names (crn://).", 0, 0, 0},
    {"consumer.instance.timeout.ms", CONF_INT, AT(consumer_instance_timeout_ms), "300000", "ms",
     "A consumer instance that nobody calls for so long is closed.", 1, 86400000, 0},
    {"consumer.instances.max", CONF_INT, AT(consumer_instances_max), "10000", NULL, "Most consumer instances at once.", 1, 1000000, 0},
    {"consumer.iterator.backoff.ms", CONF_INT, AT(consumer_iterator_backoff_ms), "50", "ms", "Pause between two looks for records of a read that lasts its whole time-out.",
     1, 10000, 0},
    {"consumer.max.poll.records", CONF_INT, AT(consumer_max_poll_records), "10000", NULL, "Most records taken from the log in one look.", 1,
     100000, 0},
    {"consumer.request.max.bytes", CONF_BYTES, AT(consumer_request_max_bytes), "67108864", "bytes", "Most bytes of records in one read.", 1,
     (int64_t)1 << 31, 0},
    {"consumer.request.timeout.ms", CONF_INT, AT(consumer_request_timeout_ms), "1000", "ms", "How long a read waits for records.", 0,
     86400000, 0},
    {"consumer.threads", CONF_INT, AT(consumer_threads), "16", NULL, "Threads for calls of consumer instances that wait for the log (reads need none); -1: 50.", -1, 10000, 0},
    {"fetch.min.bytes", CONF_INT, AT(fetch_min_bytes), "-1", "bytes", "A read ends early when it has more; -1: it lasts its whole time-out.",
     -1, 10000000, 0},
    {"host.name", CONF_STR, AT(host_name), NULL, NULL, "Host in links of answers, with port.", 0, 0, 0},
    {"id", CONF_STR, AT(id), NULL, NULL, "Part of the names of consumer instances.", 0, 0, 0},
    {"null.request.body.always.publishes.empty.record", CONF_BOOL, AT(null_is_empty_record), "false", NULL,
     "A null key or value is a null on the log even where its schema does not take null.", 0, 0, 0},
    {"port", CONF_INT, AT(port), "8082", NULL, "Port in links of answers when host.name is set.", 1, 65535, 0},
    {"produce.request.max.records", CONF_INT, AT(produce_max_records), "1000000", NULL, "Requests with more records are refused with 413.", 1,
     100000000, 0},
    {"producer.threads", CONF_INT, AT(producer_threads), "5", NULL, "Accepted for old files, no effect.", 0, 0, 0},
    {"schema.registry.basic.auth.user.info", CONF_STR, AT(registry_user_info), NULL, NULL, "user:password for the schema registry.", 0, 0,
     CONF_SECRET},
    {"schema.registry.key.subject.name.strategy", CONF_STR, AT(key_strategy), "TopicNameStrategy", NULL,
     "TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy.", 0, 0, 0},
    {"schema.registry.url", CONF_STR, AT(registry_url), "http://localhost:8081", NULL,
     "The schema registry, several with commas; empty: no schemas. `muir serve` takes its own.", 0, 0, 0},
    {"schema.registry.value.subject.name.strategy", CONF_STR, AT(value_strategy), "TopicNameStrategy", NULL,
     "The same for values.", 0, 0, 0},
};
const struct conf_table proxy_conf_table = {keys, sizeof keys / sizeof *keys};

struct proxy_conf *proxy_conf_new(void)
{
    struct proxy_conf *c = calloc(1, sizeof *c);
    if (c != NULL && conf_defaults(&proxy_conf_table, c, NULL) < 0) {
        proxy_conf_free(c);
        return NULL;
    }
    return c;
}

void proxy_conf_free(struct proxy_conf *c)
{
    if (c == NULL)
        return;
    conf_clear(&proxy_conf_table, c);
    free(c);
}

static int check_strategy(const char *key, const char *value, struct err *err)
{
    enum subject_strategy strategy;
    if (subject_strategy_parse(str_of(value), &strategy, NULL) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "%s '%s': expected TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy", key,
                   value != NULL ? value : "");
}

/* The list as proxy_base_url() reads it: entries of other schemes than http are of no use to it, but may be there. */
static int check_listeners(const char *value, struct err *err)
{
    struct str list = str_of(value);
    bool more = list.n != 0;
    while (more) {
        struct str entry = str_trim(str_split(&list, ',', &more));
        ptrdiff_t colon = str_find(entry, ':');
        if (colon <= 0 || !str_starts(str_n(entry.p + colon, entry.n - (size_t)colon), STR("://")) || entry.n == (size_t)colon + 3)
            return err_set(err, ERR_INVALID, "advertised.listeners '%.*s': expected SCHEME://HOST:PORT, several with commas", STR_ARG(entry));
    }
    return 0;
}

int proxy_conf_check(const struct proxy_conf *c, struct err *err)
{
    if (check_strategy("schema.registry.key.subject.name.strategy", c->key_strategy, err) < 0 ||
        check_strategy("schema.registry.value.subject.name.strategy", c->value_strategy, err) < 0)
        return -1;
    return check_listeners(c->advertised_listeners, err);
}
