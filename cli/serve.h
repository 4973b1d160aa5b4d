/* cli/serve.h - the options of `muir serve`, read but not acted on.  One thread. */
#ifndef CLI_SERVE_H
#define CLI_SERVE_H

#include "base/conf.h"
#include "proxy/proxy.h"
#include "registry/registry.h"

/* Keys of -o that belong to neither service: the HTTP layer, the log, the storage. */
struct serve_conf {
    int64_t http_threads, idle_timeout_ms, max_header_bytes, max_connections, shutdown_graceful_ms;
    int64_t registry_max_body_bytes, proxy_max_body_bytes;
    char *log_level;
    bool auto_create_topics;
    int64_t num_partitions, timeout_ms, produce_timeout_ms;
};
extern const struct conf_table serve_conf_table;

struct serve_options {
    const char *data;     /* the embedded log's file */
    const char *kafka;    /* bootstrap list, or NULL: embedded */
    const char *registry; /* HOST:PORT */
    const char *proxy;
    bool help, keys;
    bool registry_url_given; /* schema.registry.url was set by the user */
    struct serve_conf conf;
    struct registry_conf *registry_conf;
    struct proxy_conf *proxy_conf;
    struct storage_option *client; /* client. producer. consumer. admin. properties; names and values are owned */
    size_t nclient;
};

/* Reads argv; -1 with err, whose text says which argument is wrong and what would be right. Free with serve_options_clear in any case. */
int serve_options_read(struct serve_options *o, int argc, char **argv, struct err *err);
void serve_options_clear(struct serve_options *o);

#endif
