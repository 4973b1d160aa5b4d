#include "proxy/v3.h"

#include <stdarg.h>
#include <stdio.h>

int v3_begin_any(struct v3 *v, struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    *v = (struct v3){.w = json_writer_on(reply_body(reply)), .arena = request_arena(req), .authority = str_of(p->conf->resource_authority)};
    v->base = proxy_base_url(p, req);
    if (v->base.p == NULL)
        return err_nomem(err);
    return proxy_cluster_id(p, &v->cluster, err);
}

int v3_begin(struct v3 *v, struct proxy *p, struct request *req, struct reply *reply, struct err *err)
{
    if (v3_begin_any(v, p, req, reply, err) < 0)
        return -1;
    struct str asked = request_param(req, "cluster");
    return str_eq(asked, v->cluster) ? 0 : err_set(err, PROXY_NOT_FOUND, "Cluster %.*s cannot be found.", STR_ARG(asked));
}

struct str v3_link(struct v3 *v, const char *path, ...)
{
    char tail[1024]; /* topic names end at 249 */
    va_list ap;
    va_start(ap, path);
    vsnprintf(tail, sizeof tail, path, ap);
    va_end(ap);
    return arena_printf(v->arena, "%.*s/v3/clusters/%.*s%s", STR_ARG(v->base), STR_ARG(v->cluster), tail);
}

/* An object's "kind", and its "metadata" up to what stands behind "self". */
static void put_head(struct v3 *v, const char *kind, struct str self)
{
    jw_object(&v->w);
    jw_key(&v->w, "kind");
    jw_str(&v->w, str_of(kind));
    jw_key(&v->w, "metadata");
    jw_object(&v->w);
    jw_key(&v->w, "self");
    jw_str(&v->w, self);
}

void v3_resource(struct v3 *v, const char *kind, struct str self, struct str crn)
{
    put_head(v, kind, self);
    jw_key(&v->w, "resource_name");
    jw_str(&v->w, arena_printf(v->arena, "crn://%.*s/kafka=%.*s%.*s", STR_ARG(v->authority), STR_ARG(v->cluster), STR_ARG(crn)));
    jw_object_end(&v->w);
    jw_key(&v->w, "cluster_id");
    jw_str(&v->w, v->cluster);
}

void v3_related(struct v3 *v, const char *name, struct str link)
{
    jw_key(&v->w, name);
    jw_object(&v->w);
    jw_key(&v->w, "related");
    jw_str(&v->w, link);
    jw_object_end(&v->w);
}

void v3_list(struct v3 *v, const char *kind, struct str self)
{
    put_head(v, kind, self);
    jw_key(&v->w, "next");
    jw_null(&v->w);
    jw_object_end(&v->w);
    jw_key(&v->w, "data");
    jw_array(&v->w);
}

void v3_list_end(struct v3 *v)
{
    jw_array_end(&v->w);
    jw_object_end(&v->w);
}

struct json *v3_body(struct request *req, struct err *err)
{
    struct str text = request_body(req);
    struct err why = {0};
    struct json *tree = NULL;
    if (str_trim(text).n != 0 && (tree = json_parse(text, JSON_DUP_LAST, 0, request_arena(req), &why)) == NULL) {
        err_set(err, why.code == ERR_NOMEM ? ERR_NOMEM : PROXY_BAD_REQUEST, "%s", why.text);
        return NULL;
    }
    if (tree != NULL && !json_is(tree, JSON_T_NULL))
        return tree;
    err_set(err, PROXY_PAYLOAD, "Payload error. Request body is empty. Data is required.");
    return NULL;
}
