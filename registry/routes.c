/* registry/routes.c - the route table, and what handlers share. openapi/registry.yaml lists the same routes; a test compares them. */
#include "registry/core.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/own.h"

static const struct media_type produces[] = {{"application/vnd.schemaregistry.v1+json", 1000},
                                             {"application/vnd.schemaregistry+json", 900},
                                             {"application/json", 500},
                                             {NULL, 0}};
static const char *const consumes[] = {"application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry+json", "application/json",
                                       "application/octet-stream", NULL};
static const char *const unsupported[] = {"application/vnd.schemaregistry.v1+json", NULL};
const struct media registry_media = {.produces = produces, .consumes = consumes, .unsupported = unsupported};
#define M &registry_media

const struct route registry_routes[] = {
    {"GET", "/", get_root, M},
    {"POST", "/", get_root, M},
    {"GET", "/health/live", get_live, M},
    {"GET", "/health/ready", get_ready, M},
    {"GET", "/health/startup", get_startup, M},
    {"GET", "/subjects", get_subjects, M},
    {"POST", "/subjects/{subject}", post_lookup, M},
    {"DELETE", "/subjects/{subject}", delete_subject, M},
    {"GET", "/subjects/{subject}/versions", get_versions, M},
    {"POST", "/subjects/{subject}/versions", post_version, M},
    {"GET", "/subjects/{subject}/versions/{version}", get_version, M},
    {"DELETE", "/subjects/{subject}/versions/{version}", delete_version, M},
    {"GET", "/subjects/{subject}/versions/{version}/schema", get_version_schema, M},
    {"GET", "/subjects/{subject}/versions/{version}/referencedby", get_referenced_by, M},
    {"GET", "/schemas", get_schemas, M},
    {"GET", "/schemas/types", get_types, M},
    {"GET", "/schemas/ids/{id}", get_by_id, M},
    {"GET", "/schemas/ids/{id}/schema", get_schema_by_id, M},
    {"GET", "/schemas/ids/{id}/subjects", get_subjects_of_id, M},
    {"GET", "/schemas/ids/{id}/versions", get_versions_of_id, M},
    {"GET", "/schemas/guids/{guid}", get_by_guid, M},
    {"GET", "/schemas/guids/{guid}/ids", get_ids_of_guid, M},
    {"POST", "/compatibility/subjects/{subject}/versions", post_compat_all, M},
    {"POST", "/compatibility/subjects/{subject}/versions/{version}", post_compat_one, M},
    {"GET", "/config", get_config, M},
    {"PUT", "/config", put_config, M},
    {"DELETE", "/config", delete_config, M},
    {"GET", "/config/{subject}", get_subject_config, M},
    {"PUT", "/config/{subject}", put_subject_config, M},
    {"DELETE", "/config/{subject}", delete_subject_config, M},
    {"GET", "/mode", get_mode, M},
    {"PUT", "/mode", put_mode, M},
    {"DELETE", "/mode", delete_mode, M},
    {"GET", "/mode/{subject}", get_subject_mode, M},
    {"PUT", "/mode/{subject}", put_subject_mode, M},
    {"DELETE", "/mode/{subject}", delete_subject_mode, M},
    {"GET", "/contexts", get_contexts, M},
    {"GET", "/v1/metadata/id", get_cluster_id, M},
    {"GET", "/v1/metadata/version", get_server_version, M},
};
const size_t registry_nroutes = sizeof registry_routes / sizeof *registry_routes;

struct str request_subject(struct registry *r, struct request *req, struct err *err)
{
    struct arena *a = request_arena(req);
    struct str subject = subject_normal(request_param(req, "subject"), a);
    if (subject.p != NULL) {
        state_read(r->state);
        subject = alias_of(r->state, subject, a);
        state_done(r->state);
    }
    if (subject.p == NULL)
        err_nomem(err);
    return subject;
}

struct str request_entry(struct request *req, struct err *err)
{
    struct str entry = subject_normal(request_param(req, "subject"), request_arena(req));
    if (entry.p == NULL)
        err_nomem(err);
    return entry;
}

int request_version(const struct request *req, int32_t *out, struct err *err)
{
    struct str text = str_trim(request_param(req, "version"));
    int64_t n = 0;
    if (str_eq_nocase(text, STR("latest")) || str_is(text, "-1")) {
        *out = -1;
        return 0;
    }
    if (!str_to_i64(text, &n) || n < 1 || n > INT32_MAX)
        return REG_FAIL(err, REG_INVALID_VERSION, STR_ARG(text));
    *out = (int32_t)n;
    return 0;
}

int request_page(const struct request *req, int64_t limit_default, int64_t limit_max, size_t *from, size_t *count, struct err *err)
{
    int32_t offset = 0, limit = -1;
    if (request_query_i32(req, "offset", &offset) < 0 || request_query_i32(req, "limit", &limit) < 0)
        return REG_FAIL(err, REG_NO_ROUTE, "");
    *from = offset > 0 ? (size_t)offset : 0;
    *count = (size_t)(limit <= 0 || limit > limit_max ? limit_default : limit);
    return 0;
}

/* ---- off the loop thread ----------------------------------------------------------------------------------------------- */

static void client_gone(void *gone)
{
    atomic_store((atomic_bool *)gone, true);
}

const atomic_bool *request_watch(struct request *req)
{
    atomic_bool *gone = arena_alloc(request_arena(req), sizeof *gone);
    if (gone != NULL) {
        atomic_init(gone, false);
        request_on_gone(req, client_gone, gone);
    }
    return gone;
}

struct later {
    struct registry *r;
    later_fn *fn;
    struct request *req;
    struct reply *reply;
    const atomic_bool *gone;
};

static void run_later(void *arg)
{
    struct later *l = arg;
    struct err err = {0};
    int rc = l->fn(l->r, l->req, l->reply, l->gone, &err);
    if (rc == REPLY_LATER)
        return;
    if (rc < 0)
        reply_err(l->reply, &err);
    reply_finish(l->reply);
}

int registry_later(struct registry *r, later_fn *fn, struct request *req, struct reply *reply, struct err *err)
{
    struct later *l = arena_alloc(request_arena(req), sizeof *l);
    const atomic_bool *gone = request_watch(req);
    if (l == NULL || gone == NULL)
        return err_nomem(err);
    *l = (struct later){r, fn, req, reply, gone};
    return pool_add(r->pool, run_later, l, err) < 0 ? -1 : REPLY_LATER;
}
