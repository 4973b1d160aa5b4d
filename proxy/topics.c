#include "proxy/topics.h"

#include "base/json.h"

static void put_partition(struct json_writer *w, const struct partition_info *p)
{
    jw_object(w);
    jw_key(w, "partition");
    jw_i64(w, p->id);
    jw_key(w, "leader");
    jw_i64(w, p->leader);
    jw_key(w, "replicas");
    jw_array(w);
    for (size_t i = 0; i < p->nreplicas; i++) {
        bool in_sync = false;
        for (size_t k = 0; k < p->nisrs; k++)
            in_sync |= p->isrs[k] == p->replicas[i];
        jw_object(w);
        jw_key(w, "broker");
        jw_i64(w, p->replicas[i]);
        jw_key(w, "leader");
        jw_bool(w, p->replicas[i] == p->leader);
        jw_key(w, "in_sync");
        jw_bool(w, in_sync);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
}

static void put_partitions(struct json_writer *w, const struct topic_info *topic)
{
    jw_array(w);
    for (size_t i = 0; i < topic->npartitions; i++)
        put_partition(w, &topic->partitions[i]);
    jw_array_end(w);
}

/* ---- on the pool -------------------------------------------------------------------------------------------------- */

static int brokers_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct cluster cluster = {0};
    if (storage_cluster(p->storage, request_arena(req), &cluster, err) < 0)
        return proxy_storage_err(err);
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_object(&w);
    jw_key(&w, "brokers");
    jw_array(&w);
    for (size_t i = 0; i < cluster.nbrokers; i++)
        jw_i64(&w, cluster.brokers[i].id);
    jw_array_end(&w);
    jw_object_end(&w);
    return 0;
}

static int list_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct topic_info *topics;
    size_t n;
    if (storage_list_topics(p->storage, request_arena(req), &topics, &n, err) < 0)
        return proxy_storage_err(err);
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_array(&w);
    for (size_t i = 0; i < n; i++)
        if (!topics[i].is_internal)
            jw_str(&w, topics[i].name);
    jw_array_end(&w);
    return 0;
}

static int topic_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct arena *a = request_arena(req);
    struct str name = request_param(req, "topic");
    struct topic_info topic;
    struct topic_config *configs;
    size_t n;
    if (storage_describe_topic(p->storage, name, a, &topic, err) < 0 || storage_topic_configs(p->storage, name, a, &configs, &n, err) < 0)
        return proxy_storage_err(err);
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_object(&w);
    jw_key(&w, "name");
    jw_str(&w, topic.name);
    jw_key(&w, "configs");
    jw_object(&w);
    for (size_t i = 0; i < n; i++) {
        jw_key_str(&w, configs[i].name);
        jw_str(&w, configs[i].is_sensitive ? STR_NULL : configs[i].value);
    }
    jw_object_end(&w);
    jw_key(&w, "partitions");
    put_partitions(&w, &topic);
    jw_object_end(&w);
    return 0;
}

static int partitions_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct topic_info topic;
    if (storage_describe_topic(p->storage, request_param(req, "topic"), request_arena(req), &topic, err) < 0)
        return proxy_storage_err(err);
    struct json_writer w = json_writer_on(reply_body(reply));
    put_partitions(&w, &topic);
    return 0;
}

static int partition_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    int32_t partition;
    struct topic_info topic;
    if (proxy_param_partition(req, "partition", &partition, err) < 0)
        return -1;
    if (storage_describe_topic(p->storage, request_param(req, "topic"), request_arena(req), &topic, err) < 0)
        return proxy_storage_err(err);
    for (size_t i = 0; i < topic.npartitions; i++) {
        if (topic.partitions[i].id != partition)
            continue;
        struct json_writer w = json_writer_on(reply_body(reply));
        put_partition(&w, &topic.partitions[i]);
        return 0;
    }
    return err_set(err, PROXY_PARTITION_NOT_FOUND, PROXY_TEXT_PARTITION_NOT_FOUND);
}

static int offsets_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    int32_t partition;
    int64_t low, high;
    if (proxy_param_partition(req, "partition", &partition, err) < 0)
        return -1;
    if (storage_watermarks(p->storage, request_param(req, "topic"), partition, &low, &high, err) < 0)
        return proxy_storage_err(err);
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_object(&w);
    jw_key(&w, "beginning_offset");
    jw_i64(&w, low);
    jw_key(&w, "end_offset");
    jw_i64(&w, high);
    jw_object_end(&w);
    return 0;
}

/* ---- handlers: all ask the storage, which may wait ------------------------------------------------------------------- */

int topics_get_brokers(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, brokers_work, err);
}

int topics_get_list(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, list_work, err);
}

int topics_get_topic(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, topic_work, err);
}

int topics_get_partitions(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, partitions_work, err);
}

int topics_get_partition(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, partition_work, err);
}

int topics_get_offsets(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, offsets_work, err);
}
