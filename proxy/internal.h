/* proxy/internal.h - what the files of the proxy share: the struct itself, its configuration, and how a handler leaves the loop thread.  Private to
 * proxy/. */
#ifndef PROXY_INTERNAL_H
#define PROXY_INTERNAL_H

#include <pthread.h>

#include "base/log.h"
#include "base/own.h"
#include "base/pool.h"
#include "http/server.h"
#include "proxy/codes.h"
#include "proxy/proxy.h"
#include "serde/client.h"
#include "serde/subject.h"

struct proxy_conf {
    bool api_v2, api_v3;
    char *advertised_listeners, *host_name, *resource_authority, *id;
    int64_t port;
    char *registry_url, *registry_user_info, *key_strategy, *value_strategy;
    bool null_is_empty_record;
    int64_t producer_threads, produce_max_records;
    int64_t consumer_instance_timeout_ms, consumer_instances_max, consumer_iterator_backoff_ms, consumer_max_poll_records;
    int64_t consumer_request_max_bytes, consumer_request_timeout_ms, consumer_threads, fetch_min_bytes;
};

struct consumers; /* proxy/consumers.h */

/* Fixed by proxy_new, read by any thread, but for what is under lock. */
struct proxy {
    struct storage *storage;
    const struct proxy_conf *conf;
    struct client *registry; /* NULL: schema.registry.url is empty, schemas are off */
    enum subject_strategy key_strategy, value_strategy;
    struct pool *pool;    /* what may wait for disk or network; never for a client's own time-out */
    struct pool *stalled; /* produces that wait for room in the storage's buffer */
    struct consumers *consumers;
    struct service service;
    pthread_mutex_t lock;
    char *cluster_id; /* lock: NULL until first known, then fixed */
};

/* ---- media (proxy-api.md 1.1, 1.2, 2) */

#define MEDIA_V2 "application/vnd.kafka.v2+json"
#define MEDIA_BINARY "application/vnd.kafka.binary.v2+json"
#define MEDIA_JSON "application/vnd.kafka.json.v2+json"
#define MEDIA_AVRO "application/vnd.kafka.avro.v2+json"
#define MEDIA_V3 "application/json"

extern const struct media media_v2;      /* metadata */
extern const struct media media_brokers; /* v2, any Content-Type */
extern const struct media media_produce; /* embedded in, v2 out */
extern const struct media media_v3;
extern const struct media media_health;
extern const char *const media_unsupported[]; /* types of the 415 answer of v2 routes */

/* How keys and values stand in JSON. */
enum embedded { EMBEDDED_BINARY, EMBEDDED_JSON, EMBEDDED_AVRO };
extern const char *const embedded_names[]; /* "binary", ...; ends with NULL */
/* The format of a media type; binary for STR_NULL and for those that name none. */
enum embedded embedded_of_media(struct str type);

/* ---- handlers */

/* Runs work(p, req, reply, err) on the pool and finishes the reply, with err's body when it returned -1. REPLY_LATER, or -1 with err when the pool is
 * full. arg of the handler is the struct proxy. */
typedef int proxy_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err);
int proxy_later(struct proxy *p, struct request *req, struct reply *reply, proxy_work *work, struct err *err);

/* http://AUTHORITY for links in answers (proxy-api.md 0.7), from the request's arena; p NULL on no memory. */
struct str proxy_base_url(const struct proxy *p, struct request *req);
/* The connected cluster's id, asked for once; -1 with an API error. The text lives as long as p. [blocks] */
int proxy_cluster_id(struct proxy *p, struct str *id, struct err *err);
/* The path segment {name} as a partition: a number that is none gives 404 "HTTP 404 Not Found", one below 0 or over int32 404 / 40402. */
int proxy_param_partition(struct request *req, const char *name, int32_t *out, struct err *err);

#endif
