/* cli/serve_options.c - the command line of `muir serve`. */
#include "cli/serve.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"

#define AT(field) offsetof(struct serve_conf, field)
static const struct conf_key serve_keys[] = {
    {"auto.create.topics.enable", CONF_BOOL, AT(auto_create_topics), "true", NULL, "Produce to a missing topic creates it.", 0, 0, 0},
    {"http.threads", CONF_INT, AT(http_threads), "2", NULL, "Event loops of each service.", 1, 64, 0},
    {"idle.timeout.ms", CONF_INT, AT(idle_timeout_ms), "30000", "ms", "A connection without traffic is closed after this.", 100, 86400000, 0},
    {"log.level", CONF_STR, AT(log_level), "info", NULL, "debug, info, warn, error or off.", 0, 0, 0},
    {"max.request.header.size", CONF_BYTES, AT(max_header_bytes), "8192", "bytes", "Longer request heads are refused with 431.", 512, 1 << 20, 0},
    {"num.partitions", CONF_INT, AT(num_partitions), "1", NULL, "Partitions of a topic made on first produce (embedded log).", 1, 10000, 0},
    {"produce.timeout.ms", CONF_INT, AT(produce_timeout_ms), "30000", "ms", "How long a produced record may wait for its acknowledgement.",
     100, 3600000, 0},
    {"proxy.request.max.bytes", CONF_BYTES, AT(proxy_max_body_bytes), "64m", "bytes", "Larger request bodies are refused with 413.", 1024,
     (int64_t)1 << 31, 0},
    {"registry.request.max.bytes", CONF_BYTES, AT(registry_max_body_bytes), "8m", "bytes", "Larger request bodies are refused with 413.",
     1024, (int64_t)1 << 31, 0},
    {"server.connection.limit", CONF_INT, AT(max_connections), "20000", NULL, "Connections of each service; more wait.", 1, 1000000, 0},
    {"shutdown.graceful.ms", CONF_INT, AT(shutdown_graceful_ms), "5000", "ms", "How long requests in flight may take to finish after SIGTERM.",
     0, 600000, 0},
    {"timeout.ms", CONF_INT, AT(timeout_ms), "10000", "ms", "Bounds each call to the storage other than produce.", 100, 600000, 0},
};
const struct conf_table serve_conf_table = {serve_keys, sizeof serve_keys / sizeof *serve_keys};

static const char *const client_prefixes[] = {"client.", "producer.", "consumer.", "admin."};

static bool is_client_key(struct str key)
{
    for (size_t i = 0; i < sizeof client_prefixes / sizeof *client_prefixes; i++)
        if (str_starts(key, str_of(client_prefixes[i])))
            return true;
    return false;
}

static int add_client_option(struct serve_options *o, struct str key, struct str value, struct err *err)
{
    struct storage_option *grown = realloc(o->client, (o->nclient + 1) * sizeof *grown);
    if (grown == NULL)
        return err_nomem(err);
    o->client = grown;
    char *name = str_dup(key), *text = str_dup(value);
    if (name == NULL || text == NULL) {
        free(name);
        free(text);
        return err_nomem(err);
    }
    o->client[o->nclient++] = (struct storage_option){name, text};
    return 0;
}

/* One key may belong to more than one table (the services share some names): it is set wherever it is known. */
static int set_key(struct serve_options *o, struct str key, struct str value, struct err *err)
{
    const struct {
        const struct conf_table *table;
        void *into;
    } tables[] = {{&serve_conf_table, &o->conf}, {&registry_conf_table, o->registry_conf}, {&proxy_conf_table, o->proxy_conf}};
    bool known = false;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (conf_find(tables[i].table, key) == NULL)
            continue;
        known = true;
        if (conf_set(tables[i].table, tables[i].into, key, value, "command line", err) < 0)
            return -1;
    }
    if (str_is(key, "schema.registry.url"))
        o->registry_url_given = true;
    if (known)
        return 0;
    if (is_client_key(key))
        return add_client_option(o, key, value, err);
    return err_set(err, ERR_INVALID,
                   "-o %.*s: unknown key; `muir serve --keys` lists the keys, and client. producer. consumer. admin. before a name sets a "
                   "librdkafka property",
                   STR_ARG(key));
}

static int read_pair(struct serve_options *o, const char *arg, struct err *err)
{
    struct str value = str_of(arg);
    bool found;
    struct str key = str_trim(str_split(&value, '=', &found));
    if (!found || key.n == 0)
        return err_set(err, ERR_INVALID, "-o %s: expected key=value", arg);
    return set_key(o, key, str_trim(value), err);
}

static int read_argument(struct serve_options *o, const char *name, const char *value, struct err *err)
{
    if (strcmp(name, "--data") == 0)
        o->data = value;
    else if (strcmp(name, "--kafka") == 0)
        o->kafka = value;
    else if (strcmp(name, "--registry") == 0)
        o->registry = value;
    else if (strcmp(name, "--proxy") == 0)
        o->proxy = value;
    else if (strcmp(name, "-o") == 0)
        return value != NULL ? read_pair(o, value, err) : err_set(err, ERR_INVALID, "-o needs key=value behind it");
    else
        return err_set(err, ERR_INVALID, "unknown argument '%s'; `muir serve --help` lists them", name);
    if (value == NULL || *value == '\0')
        return err_set(err, ERR_INVALID, "%s needs a value behind it", name);
    return 0;
}

static int read_arguments(struct serve_options *o, int argc, char **argv, struct err *err)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o->help = true;
            continue;
        }
        if (strcmp(argv[i], "--keys") == 0) {
            o->keys = true;
            continue;
        }
        char *eq = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL; /* --data=FILE */
        OWN_BY(own_free) char *name = str_dup(eq != NULL ? str_n(argv[i], (size_t)(eq - argv[i])) : str_of(argv[i]));
        if (name == NULL)
            return err_nomem(err);
        const char *value = eq != NULL ? eq + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (read_argument(o, name, value, err) < 0)
            return -1;
    }
    return 0;
}

int serve_options_read(struct serve_options *o, int argc, char **argv, struct err *err)
{
    *o = (struct serve_options){.registry = "127.0.0.1:8081", .proxy = "127.0.0.1:8082"};
    o->registry_conf = registry_conf_new();
    o->proxy_conf = proxy_conf_new();
    if (o->registry_conf == NULL || o->proxy_conf == NULL)
        return err_nomem(err);
    if (conf_defaults(&serve_conf_table, &o->conf, err) < 0 || read_arguments(o, argc, argv, err) < 0 ||
        registry_conf_check(o->registry_conf, err) < 0 || proxy_conf_check(o->proxy_conf, err) < 0)
        return -1;
    if (server_check_listen(o->registry, err) < 0 || server_check_listen(o->proxy, err) < 0)
        return -1;
    if (o->kafka != NULL && o->data != NULL)
        return err_set(err, ERR_INVALID, "--data and --kafka exclude each other: the log is either the file '%s' or the cluster '%s'",
                       o->data, o->kafka);
    if (o->kafka == NULL && o->nclient != 0)
        return err_set(err, ERR_INVALID, "-o %s: Kafka client properties need --kafka", o->client[0].name);
    if (o->data == NULL)
        o->data = "muir.db";
    return 0;
}

void serve_options_clear(struct serve_options *o)
{
    for (size_t i = 0; i < o->nclient; i++) {
        free((char *)o->client[i].name);
        free((char *)o->client[i].value);
    }
    free(o->client);
    conf_clear(&serve_conf_table, &o->conf);
    registry_conf_free(o->registry_conf);
    proxy_conf_free(o->proxy_conf);
    *o = (struct serve_options){0};
}
