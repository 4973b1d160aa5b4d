/* proxy/v3.h - what the v3 resources share: links, names, envelopes, the cluster in the path (proxy-api.md 0.7, 2.1-2.3).  Private to the v3 files. */
#ifndef PROXY_V3_H
#define PROXY_V3_H

#include "base/json.h"
#include "proxy/internal.h"

/* One answer being written. */
struct v3 {
    struct json_writer w;
    struct arena *arena;   /* the request's */
    struct str base;       /* http://AUTHORITY */
    struct str authority;  /* of resource names, may be empty */
    struct str cluster;    /* the connected cluster's id */
};

/* The {cluster} of the path must be the connected one, else 404. [blocks] */
int v3_begin(struct v3 *v, struct proxy *p, struct request *req, struct reply *reply, struct err *err);
/* The same where the path names no cluster. [blocks] */
int v3_begin_any(struct v3 *v, struct proxy *p, struct request *req, struct reply *reply, struct err *err);

/* BASE/v3/clusters/CLUSTER and what path adds; p NULL on no memory. */
struct str v3_link(struct v3 *v, const char *path, ...) __attribute__((format(printf, 2, 3)));
/* "kind", "metadata" with self and resource name; the object stays open for own members. crn: behind kafka=CLUSTER. */
void v3_resource(struct v3 *v, const char *kind, struct str self, struct str crn);
/* "name":{"related":link} */
void v3_related(struct v3 *v, const char *name, struct str link);
/* A list up to the [ of data; v3_list_end closes it. */
void v3_list(struct v3 *v, const char *kind, struct str self);
void v3_list_end(struct v3 *v);
/* 42206 "Payload error. ..." for a body that is missing or null; else its tree. */
struct json *v3_body(struct request *req, struct err *err);

/* Handlers; arg is the struct proxy. */
int v3_get_clusters(void *arg, struct request *req, struct reply *reply, struct err *err);
int v3_get_cluster(void *arg, struct request *req, struct reply *reply, struct err *err);
int v3_get_topics(void *arg, struct request *req, struct reply *reply, struct err *err);
int v3_get_topic(void *arg, struct request *req, struct reply *reply, struct err *err);
int v3_post_topic(void *arg, struct request *req, struct reply *reply, struct err *err);
int v3_delete_topic(void *arg, struct request *req, struct reply *reply, struct err *err);

#endif
