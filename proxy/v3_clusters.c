/* proxy/v3_clusters.c - GET /v3/clusters and /v3/clusters/{cluster} (proxy-api.md 2.3). */
#include "proxy/v3.h"

static void put_cluster(struct v3 *v, const struct cluster *cluster)
{
    v3_resource(v, "KafkaCluster", v3_link(v, "%s", ""), STR(""));
    if (cluster->controller >= 0) {
        v3_related(v, "controller", v3_link(v, "/brokers/%d", cluster->controller));
    } else {
        jw_key(&v->w, "controller");
        jw_null(&v->w);
    }
    v3_related(v, "acls", v3_link(v, "/acls"));
    v3_related(v, "brokers", v3_link(v, "/brokers"));
    v3_related(v, "broker_configs", v3_link(v, "/broker-configs"));
    v3_related(v, "consumer_groups", v3_link(v, "/consumer-groups"));
    v3_related(v, "topics", v3_link(v, "/topics"));
    v3_related(v, "partition_reassignments", v3_link(v, "/topics/-/partitions/-/reassignment"));
    jw_object_end(&v->w);
}

static int clusters_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct v3 v;
    struct cluster cluster = {0};
    if (v3_begin_any(&v, p, req, reply, err) < 0)
        return -1;
    if (storage_cluster(p->storage, v.arena, &cluster, err) < 0)
        return proxy_storage_err(err);
    v3_list(&v, "KafkaClusterList", arena_printf(v.arena, "%.*s/v3/clusters", STR_ARG(v.base)));
    put_cluster(&v, &cluster);
    v3_list_end(&v);
    return 0;
}

static int cluster_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct v3 v;
    struct cluster cluster = {0};
    if (v3_begin_any(&v, p, req, reply, err) < 0)
        return -1;
    if (!str_eq(request_param(req, "cluster"), v.cluster))
        return err_set(err, PROXY_NOT_FOUND, PROXY_TEXT_NOT_FOUND);
    if (storage_cluster(p->storage, v.arena, &cluster, err) < 0)
        return proxy_storage_err(err);
    put_cluster(&v, &cluster);
    return 0;
}

int v3_get_clusters(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, clusters_work, err);
}

int v3_get_cluster(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, cluster_work, err);
}
