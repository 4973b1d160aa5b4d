/* proxy/v3_topics.c - topics of a cluster: list, get, create, delete (proxy-api.md 2.6). */
#include "proxy/body.h"
#include "proxy/v3.h"

static void put_topic(struct v3 *v, struct str name, bool is_internal, int64_t replication_factor, int64_t partitions)
{
    struct str self = v3_link(v, "/topics/%.*s", STR_ARG(name));
    v3_resource(v, "KafkaTopic", self, arena_printf(v->arena, "/topic=%.*s", STR_ARG(name)));
    jw_key(&v->w, "topic_name");
    jw_str(&v->w, name);
    jw_key(&v->w, "is_internal");
    jw_bool(&v->w, is_internal);
    jw_key(&v->w, "replication_factor");
    jw_i64(&v->w, replication_factor);
    jw_key(&v->w, "partitions_count");
    jw_i64(&v->w, partitions);
    v3_related(v, "partitions", arena_printf(v->arena, "%.*s/partitions", STR_ARG(self)));
    v3_related(v, "configs", arena_printf(v->arena, "%.*s/configs", STR_ARG(self)));
    v3_related(v, "partition_reassignments", arena_printf(v->arena, "%.*s/partitions/-/reassignment", STR_ARG(self)));
    jw_key(&v->w, "authorized_operations");
    jw_array(&v->w);
    jw_array_end(&v->w);
    jw_object_end(&v->w);
}

static void put_topic_info(struct v3 *v, const struct topic_info *t)
{
    put_topic(v, t->name, t->is_internal, t->npartitions != 0 ? (int64_t)t->partitions[0].nreplicas : 0, (int64_t)t->npartitions);
}

static int topics_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct v3 v;
    struct topic_info *topics;
    size_t n;
    if (v3_begin(&v, p, req, reply, err) < 0)
        return -1;
    if (storage_list_topics(p->storage, v.arena, &topics, &n, err) < 0)
        return proxy_storage_err(err);
    v3_list(&v, "KafkaTopicList", v3_link(&v, "/topics"));
    for (size_t i = 0; i < n; i++)
        if (!topics[i].is_internal)
            put_topic_info(&v, &topics[i]);
    v3_list_end(&v);
    return 0;
}

static int topic_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct v3 v;
    struct topic_info topic;
    if (v3_begin(&v, p, req, reply, err) < 0)
        return -1;
    if (storage_describe_topic(p->storage, request_param(req, "topic"), v.arena, &topic, err) < 0)
        return proxy_storage_err(err);
    put_topic_info(&v, &topic);
    return 0;
}

static int delete_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct v3 v;
    if (v3_begin(&v, p, req, reply, err) < 0)
        return -1;
    if (storage_delete_topic(p->storage, request_param(req, "topic"), err) < 0)
        return proxy_storage_err(err);
    reply_status(reply, 204);
    return 0;
}

/* ---- the body of a create ------------------------------------------------------------------------------------------- */

static int wrong_type(struct err *err, const char *type, const char *place)
{
    return err_set(err, PROXY_BAD_REQUEST, "Cannot deserialize value of type %s at %s", type, place);
}

/* null and "" leave out as it is. */
static int read_i32(const struct json *v, const char *name, int32_t *out, struct err *err)
{
    int64_t n;
    bool given;
    if (body_int(v, name, INT32_MIN, INT32_MAX, &n, &given, err) < 0)
        return -1;
    if (given)
        *out = (int32_t)n;
    return 0;
}

static int read_bool(const struct json *v, const char *place, bool *out, struct err *err)
{
    if (v->type != JSON_T_TRUE && v->type != JSON_T_FALSE && v->type != JSON_T_NULL &&
        !(v->type == JSON_T_STRING && (str_is(v->text, "true") || str_is(v->text, "false"))))
        return wrong_type(err, "boolean", place);
    *out = v->type == JSON_T_TRUE || (v->type == JSON_T_STRING && str_is(v->text, "true"));
    return 0;
}

static int read_config(const struct json *v, struct topic_config *out, struct err *err)
{
    if (v->type != JSON_T_OBJECT)
        return wrong_type(err, "config ({\"name\":...,\"value\":...})", "configs");
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        if (str_is(m->key, "name") ? body_text(m, "configs.name", &out->name, err) < 0
            : str_is(m->key, "value") ? body_text(m, "configs.value", &out->value, err) < 0
                                      : body_unknown(m->key, err) < 0)
            return -1;
    }
    return out->name.p != NULL ? 0 : err_set(err, PROXY_BAD_REQUEST, "Missing required property 'name' at configs");
}

static int read_configs(const struct json *v, struct arena *a, struct topic_spec *spec, struct err *err)
{
    if (v->type == JSON_T_NULL)
        return 0;
    if (v->type != JSON_T_ARRAY)
        return wrong_type(err, "list of configs", "configs");
    if (body_check_length(v, "configs", err) < 0)
        return -1;
    struct topic_config *configs = arena_calloc(a, v->count, sizeof *configs);
    if (configs == NULL)
        return err_nomem(err);
    for (const struct json *e = v->first; e != NULL; e = e->next)
        if (read_config(e, &configs[spec->nconfigs++], err) < 0)
            return -1;
    spec->configs = configs;
    return 0;
}

static int read_assignments(const struct json *v, struct arena *a, struct topic_spec *spec, struct err *err)
{
    static const char place[] = "replicas_assignments";
    if (v->type == JSON_T_NULL)
        return 0;
    if (v->type != JSON_T_OBJECT)
        return wrong_type(err, "map from partition to list of brokers", place);
    if (body_check_length(v, place, err) < 0)
        return -1;
    struct replica_list *lists = arena_calloc(a, v->count, sizeof *lists);
    if (lists == NULL)
        return err_nomem(err);
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        struct replica_list *list = &lists[spec->nassignments++];
        int64_t partition;
        if (!str_to_i64(m->key, &partition) || partition < 0 || partition > INT32_MAX)
            return wrong_type(err, "int (a partition as the name of a member)", place);
        if (m->type != JSON_T_ARRAY)
            return wrong_type(err, "list of brokers", place);
        int32_t *brokers = arena_calloc(a, m->count, sizeof *brokers);
        if (brokers == NULL)
            return err_nomem(err);
        for (const struct json *e = m->first; e != NULL; e = e->next)
            if (read_i32(e, place, &brokers[list->nbrokers++], err) < 0)
                return -1;
        list->partition = (int32_t)partition;
        list->brokers = brokers;
    }
    spec->assignments = spec->nassignments != 0 ? lists : NULL;
    return 0;
}

static int read_spec(const struct json *body, struct arena *a, struct topic_spec *spec, struct err *err)
{
    *spec = (struct topic_spec){.partitions = -1, .replication_factor = -1};
    if (body->type != JSON_T_OBJECT)
        return wrong_type(err, "topic", "the root");
    for (const struct json *m = body->first; m != NULL; m = m->next) {
        int got = str_is(m->key, "topic_name")             ? body_text(m, "topic_name", &spec->name, err)
                  : str_is(m->key, "partitions_count")     ? read_i32(m, "partitions_count", &spec->partitions, err)
                  : str_is(m->key, "replication_factor")   ? read_i32(m, "replication_factor", &spec->replication_factor, err)
                  : str_is(m->key, "replicas_assignments") ? read_assignments(m, a, spec, err)
                  : str_is(m->key, "configs")              ? read_configs(m, a, spec, err)
                  : str_is(m->key, "validate_only")        ? read_bool(m, "validate_only", &spec->validate_only, err)
                                                           : body_unknown(m->key, err);
        if (got < 0)
            return -1;
    }
    if (spec->name.p == NULL)
        return err_set(err, PROXY_BAD_REQUEST, "Missing required property 'topic_name'");
    if (spec->nassignments != 0) /* then they say it all */
        spec->partitions = spec->replication_factor = -1;
    return 0;
}

/* What will be there: as storage tells, else as was asked for, else 0. */
static void put_created(struct v3 *v, struct proxy *p, const struct topic_spec *spec)
{
    struct topic_info topic;
    struct err ignored = {0};
    if (!spec->validate_only && storage_describe_topic(p->storage, spec->name, v->arena, &topic, &ignored) == 0) {
        topic.is_internal = false;
        put_topic_info(v, &topic);
        return;
    }
    int64_t partitions = spec->partitions > 0 ? spec->partitions : 0, factor = spec->replication_factor > 0 ? spec->replication_factor : 0;
    if (spec->nassignments != 0) {
        partitions = (int64_t)spec->nassignments;
        factor = (int64_t)spec->assignments[0].nbrokers;
    }
    put_topic(v, spec->name, false, factor, partitions);
}

static int create_work(struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    struct v3 v;
    struct topic_spec spec;
    const struct json *body = v3_body(req, err);
    if (body == NULL || read_spec(body, request_arena(req), &spec, err) < 0)
        return -1;
    if (!topic_name_ok(spec.name)) /* asked before the cluster is, so not left to the storage */
        return err_set(err, PROXY_PAYLOAD, "Payload error. Invalid topic name.");
    if (v3_begin(&v, p, req, reply, err) < 0)
        return -1;
    if (storage_create_topic(p->storage, &spec, err) < 0)
        return proxy_storage_err(err);
    reply_status(reply, spec.validate_only ? 200 : 201);
    reply_header(reply, "Location", v3_link(&v, "/topics/%.*s", STR_ARG(spec.name)));
    put_created(&v, p, &spec);
    return 0;
}

/* ---- handlers --------------------------------------------------------------------------------------------------------- */

int v3_get_topics(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, topics_work, err);
}

int v3_get_topic(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, topic_work, err);
}

int v3_post_topic(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, create_work, err);
}

int v3_delete_topic(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return proxy_later(arg, req, reply, delete_work, err);
}
