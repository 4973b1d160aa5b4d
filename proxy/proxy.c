/* proxy/proxy.c - the service: its routes, its threads, and what all handlers need.
 *
 * Threads: handlers run on the HTTP loop threads and never wait; what may wait runs on p->pool.  Produce completions come from storage threads and finish
 * their replies there.  Lock order: p->lock alone, never across a call that waits. */
#include "proxy/proxy.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/consumers.h"
#include "proxy/internal.h"
#include "proxy/produce.h"
#include "proxy/topics.h"
#include "proxy/v3.h"

enum { POOL_THREADS = 8, POOL_QUEUE = 10000, STALLED_THREADS = 2 };

/* ---- small routes */

static int get_root(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    buf_put_str(reply_body(reply), STR("{}"));
    return 0;
}

static int get_live(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    reply_header(reply, "Cache-Control", STR("no-store"));
    buf_put_str(reply_body(reply), STR("{\"live\":true}"));
    return 0;
}

static int get_ready(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct err why = {0};
    reply_header(reply, "Cache-Control", STR("no-store"));
    if (proxy_ready(arg, &why) < 0) {
        reply_error(reply, 503, 503, str_of(why.text));
        return 0;
    }
    buf_put_str(reply_body(reply), STR("{\"ready\":true}"));
    return 0;
}

static const struct route routes[] = {
    {"GET", "/", get_root, &media_v2},
    {"POST", "/", get_root, &media_v2},
    {"GET", "/health/live", get_live, &media_health},
    {"GET", "/health/ready", get_ready, &media_health},
    {"GET", "/brokers", topics_get_brokers, &media_brokers},
    {"GET", "/topics", topics_get_list, &media_v2},
    {"GET", "/topics/{topic}", topics_get_topic, &media_v2},
    {"POST", "/topics/{topic}", produce_post_topic, &media_produce},
    {"GET", "/topics/{topic}/partitions", topics_get_partitions, &media_v2},
    {"GET", "/topics/{topic}/partitions/{partition}", topics_get_partition, &media_v2},
    {"POST", "/topics/{topic}/partitions/{partition}", produce_post_partition, &media_produce},
    {"GET", "/topics/{topic}/partitions/{partition}/offsets", topics_get_offsets, &media_v2},
    {"POST", "/consumers/{group}", consumers_post, &media_consumer},
    {"DELETE", "/consumers/{group}/instances/{instance}", consumers_delete, &media_consumer},
    {"POST", "/consumers/{group}/instances/{instance}/subscription", consumers_post_subscription, &media_consumer},
    {"GET", "/consumers/{group}/instances/{instance}/subscription", consumers_get_subscription, &media_consumer},
    {"DELETE", "/consumers/{group}/instances/{instance}/subscription", consumers_delete_subscription, &media_consumer},
    {"POST", "/consumers/{group}/instances/{instance}/assignments", consumers_post_assignments, &media_consumer},
    {"GET", "/consumers/{group}/instances/{instance}/assignments", consumers_get_assignments, &media_consumer},
    {"POST", "/consumers/{group}/instances/{instance}/positions", consumers_post_positions, &media_consumer},
    {"POST", "/consumers/{group}/instances/{instance}/positions/beginning", consumers_post_beginning, &media_consumer},
    {"POST", "/consumers/{group}/instances/{instance}/positions/end", consumers_post_end, &media_consumer},
    {"POST", "/consumers/{group}/instances/{instance}/offsets", consumers_post_offsets, &media_consumer},
    {"GET", "/consumers/{group}/instances/{instance}/offsets", consumers_get_offsets, &media_consumer},
    {"GET", "/consumers/{group}/instances/{instance}/records", consumers_get_records, &media_records},
    {"GET", "/v3/clusters", v3_get_clusters, &media_v3},
    {"GET", "/v3/clusters/{cluster}", v3_get_cluster, &media_v3},
    {"GET", "/v3/clusters/{cluster}/topics", v3_get_topics, &media_v3},
    {"POST", "/v3/clusters/{cluster}/topics", v3_post_topic, &media_v3},
    {"GET", "/v3/clusters/{cluster}/topics/{topic}", v3_get_topic, &media_v3},
    {"DELETE", "/v3/clusters/{cluster}/topics/{topic}", v3_delete_topic, &media_v3},
};

/* ---- what all handlers need */

struct later {
    struct proxy *p;
    struct request *req;
    struct reply *reply;
    proxy_work *work;
};

static void run_later(void *arg)
{
    struct later *l = arg;
    struct reply *reply = l->reply;
    struct err err = {0};
    if (l->work(l->p, l->req, reply, &err) < 0)
        reply_err(reply, &err);
    reply_finish(reply); /* l is gone now */
}

int proxy_later(struct proxy *p, struct request *req, struct reply *reply, proxy_work *work, struct err *err)
{
    struct later *l = arena_alloc(request_arena(req), sizeof *l);
    if (l == NULL)
        return err_nomem(err);
    *l = (struct later){p, req, reply, work};
    return pool_add(p->pool, run_later, l, err) < 0 ? -1 : REPLY_LATER;
}

/* HOST:PORT of the entry of advertised.listeners whose scheme is http; STR_NULL when there is none. */
static struct str advertised(const struct proxy_conf *conf)
{
    struct str list = str_of(conf->advertised_listeners);
    bool more = list.n != 0;
    while (more) {
        struct str entry = str_trim(str_split(&list, ',', &more));
        if (!str_starts(entry, STR("http://")))
            continue;
        entry.p += 7;
        entry.n -= 7;
        while (entry.n > 0 && entry.p[entry.n - 1] == '/')
            entry.n--;
        return entry;
    }
    return STR_NULL;
}

/* Does HOST[:PORT] (or [V6][:PORT]) name a port? */
static bool has_port(struct str authority)
{
    for (size_t i = authority.n; i > 0 && authority.p[i - 1] != ']'; i--)
        if (authority.p[i - 1] == ':')
            return true;
    return false;
}

struct str proxy_base_url(const struct proxy *p, struct request *req)
{
    struct arena *a = request_arena(req);
    struct str asked = request_base_url(req), given = advertised(p->conf);
    if (given.n != 0)
        return arena_printf(a, "http://%.*s", STR_ARG(given));
    if (p->conf->host_name == NULL)
        return asked;
    if (!has_port(str_starts(asked, STR("http://")) ? str_n(asked.p + 7, asked.n - 7) : asked))
        return arena_printf(a, "http://%s", p->conf->host_name);
    return arena_printf(a, "http://%s:%lld", p->conf->host_name, (long long)p->conf->port);
}

int proxy_cluster_id(struct proxy *p, struct str *id, struct err *err)
{
    pthread_mutex_lock(&p->lock);
    *id = str_of(p->cluster_id);
    pthread_mutex_unlock(&p->lock);
    if (id->p != NULL)
        return 0;
    OWN_BY(arena_clear) struct arena a = {0};
    struct cluster cluster = {0};
    if (storage_cluster(p->storage, &a, &cluster, err) < 0)
        return proxy_storage_err(err);
    if (cluster.id.n == 0)
        return err_set(err, 502, "Kafka protocol version not supported.: the cluster gives no id");
    char *copy = str_dup(cluster.id);
    if (copy == NULL)
        return err_nomem(err);
    pthread_mutex_lock(&p->lock);
    if (p->cluster_id == NULL)
        p->cluster_id = TAKE(copy);
    *id = str_of(p->cluster_id);
    pthread_mutex_unlock(&p->lock);
    free(copy);
    return 0;
}

int proxy_param_partition(struct request *req, const char *name, int32_t *out, struct err *err)
{
    int64_t v;
    if (!str_to_i64(request_param(req, name), &v) || v > INT32_MAX || v < INT32_MIN)
        return err_set(err, PROXY_NOT_FOUND, PROXY_TEXT_NOT_FOUND);
    if (v < 0)
        return err_set(err, PROXY_PARTITION_NOT_FOUND, PROXY_TEXT_PARTITION_NOT_FOUND);
    *out = (int32_t)v;
    return 0;
}

/* ---- the service */

/* api.v2.enable, api.v3.enable: what is off is not there. */
static int admit(void *arg, struct request *req, struct err *err)
{
    const struct proxy *p = arg;
    struct str path = request_path(req);
    bool v3 = str_starts(path, STR("/v3/"));
    bool common = path.n <= 1 || str_starts(path, STR("/health/"));
    if (common || (v3 ? p->conf->api_v3 : p->conf->api_v2))
        return 0;
    return err_set(err, PROXY_NOT_FOUND, PROXY_TEXT_NOT_FOUND);
}

static int start(struct proxy *p, struct err *err)
{
    const struct proxy_conf *conf = p->conf;
    if (subject_strategy_parse(str_of(conf->key_strategy), &p->key_strategy, err) < 0 ||
        subject_strategy_parse(str_of(conf->value_strategy), &p->value_strategy, err) < 0)
        return -1;
    const struct client_options registry = {.urls = conf->registry_url, .basic_user_info = conf->registry_user_info};
    if (conf->registry_url != NULL && (p->registry = client_new(&registry, err)) == NULL)
        return -1;
    if ((p->pool = pool_new("proxy", POOL_THREADS, POOL_QUEUE, err)) == NULL ||
        (p->stalled = pool_new("proxy-full", STALLED_THREADS, POOL_QUEUE, err)) == NULL)
        return -1;
    p->consumers = consumers_new(p, err);
    return p->consumers != NULL ? 0 : -1;
}

struct proxy *proxy_new(struct storage *s, const struct proxy_conf *conf, struct err *err)
{
    struct proxy *p = calloc(1, sizeof *p);
    if (p == NULL) {
        err_nomem(err);
        return NULL;
    }
    p->storage = s;
    p->conf = conf;
    pthread_mutex_init(&p->lock, NULL);
    p->service = (struct service){
        .name = "proxy", .routes = routes, .nroutes = sizeof routes / sizeof *routes, .media = &media_health, .arg = p, .admit = admit};
    if (start(p, err) < 0) {
        proxy_free(p);
        return NULL;
    }
    return p;
}

const struct service *proxy_service(struct proxy *p)
{
    return &p->service;
}

int proxy_ready(struct proxy *p, struct err *err)
{
    return storage_ready(p->storage, err);
}

void proxy_free(struct proxy *p)
{
    if (p == NULL)
        return;
    consumers_free(p->consumers); /* their fetches run on the pool */
    pool_free(p->stalled);
    pool_free(p->pool);
    if (p->registry != NULL)
        client_free(p->registry);
    pthread_mutex_destroy(&p->lock);
    free(p->cluster_id);
    free(p);
}
