/* registry/misc.c - is it alive, is it ready, what is it. */
#include "registry/core.h"

int get_root(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    buf_put_str(reply_body(reply), STR("{}"));
    return 0;
}

static int answer_health(struct reply *reply, const char *name, bool holds, const char *reason)
{
    struct json_writer w = json_writer_on(reply_body(reply));
    reply_header(reply, "Cache-Control", STR("no-store"));
    reply_status(reply, holds ? 200 : 503);
    if (!holds)
        reply_header(reply, "Retry-After", STR("1"));
    jw_object(&w);
    if (!holds) { /* the usual error body comes with it */
        jw_key(&w, "error_code");
        jw_i64(&w, 503);
        jw_key(&w, "message");
        jw_str(&w, str_of(reason));
    }
    jw_key(&w, name);
    jw_bool(&w, holds);
    jw_object_end(&w);
    return 0;
}

int get_live(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return answer_health(reply, "live", true, NULL);
}

int get_ready(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    struct err why = {0};
    bool ready = registry_ready(r, &why) == 0;
    return answer_health(reply, "ready", ready, why.text);
}

int get_startup(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    struct err why = {0};
    bool started = fold_started(r->fold);
    if (!started)
        fold_ready(r->fold, &why);
    return answer_health(reply, "started", started, why.text);
}

int get_cluster_id(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    char id[64];
    fold_cluster_id(r->fold, id, sizeof id);
    reply_header(reply, "X-XSS-Protection", STR("1; mode=block"));
    reply_header(reply, "Cache-Control", STR("no-cache, no-store, must-revalidate"));
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_object(&w);
    jw_key(&w, "scope");
    jw_object(&w);
    jw_key(&w, "path");
    jw_array(&w);
    jw_array_end(&w);
    jw_key(&w, "clusters");
    jw_object(&w);
    jw_key(&w, "kafka-cluster");
    jw_str(&w, str_of(id));
    jw_key(&w, "schema-registry-cluster");
    jw_str(&w, str_of(r->conf->group_id));
    jw_object_end(&w);
    jw_object_end(&w);
    jw_object_end(&w);
    return 0;
}

int get_server_version(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_object(&w);
    jw_key(&w, "version");
    jw_str(&w, STR(MUIR_VERSION));
    jw_object_end(&w);
    return 0;
}
