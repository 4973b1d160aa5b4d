/* registry/core.h - the registry as its own files see it: what the handlers and the writer share.  Private to registry/. */
#ifndef REGISTRY_CORE_H
#define REGISTRY_CORE_H

#include "base/pool.h"
#include "registry/codes.h"
#include "registry/conf.h"
#include "registry/fold.h"
#include "registry/metadata.h"
#include "registry/names.h"
#include "registry/parsed.h"
#include "registry/seen.h"
#include "registry/settings.h"
#include "registry/state.h"

struct scribe;

/* Everything is fixed after registry_new; what is behind the pointers guards itself. */
struct registry {
    const struct registry_conf *conf;
    enum compat_level level; /* where none is configured */
    struct storage *storage;
    struct state *state;
    struct fold *fold;
    struct parsed *parsed;
    struct seen *seen;
    struct pool *pool; /* for what takes long and needs no pen */
    struct scribe *scribe;
    struct service service;
    bool types[3]; /* by enum schema_type: can it be parsed? */
};

/* ---- posted.c: the body of a register, look-up or compatibility request -------------------------------------------- */

struct posted {
    struct str text; /* n 0: none */
    enum schema_type type;
    struct schema_ref *refs;
    size_t nrefs;
    struct metadata metadata;
    int32_t version; /* 0: none, -1: latest */
    int32_t id;      /* 0: none */
};
/* -1 with 400, 422 or 42201 (unknown type). What is read lives in the arena or the body. */
int posted_read(struct str body, struct arena *a, struct posted *out, struct err *err);
/* The same rules for any other body: one JSON value that is there and is not null. NULL with 400 or 422. */
struct json *body_read(struct str body, struct arena *a, struct err *err);

/* ---- resolve.c: texts to schemas ------------------------------------------------------------------------------------ */

/* A parsed schema with the references that it has in the log: versions are numbers. */
struct parse_request {
    struct str subject; /* the referrer: unqualified references are in its context */
    enum schema_type type;
    struct str text;
    const struct schema_ref *refs;
    size_t nrefs;
    bool strict;     /* SCHEMA_NEW */
    bool deleted_ok; /* references may name soft-deleted versions */
};
/* NULL with 42201. Takes the state's read lock while it resolves references. */
struct schema *registry_parse(struct registry *r, const struct parse_request *p, struct err *err);
/* A stored version, from the cache if it is there. */
struct schema *registry_parse_stored(struct registry *r, const struct change *stored, struct err *err);

/* ---- lookup.c: is this schema there? -------------------------------------------------------------------------------- */

/* What a posted schema is identified by. */
struct identity {
    unsigned char md5[16];
    struct metadata metadata;
    struct str metadata_text, rule_set; /* STR_NULL: absent */
};
/* metadata and rule set as given. */
int identity_of(const struct schema *s, const struct metadata *metadata, struct str rule_set, struct arena *a, struct identity *out,
                struct err *err);
/* What they become for this subject: inherited from its latest version where absent, laid over the defaults, overridden (2.7). */
int identity_merged(struct registry *r, struct str subject, const struct schema *s, const struct metadata *metadata, struct arena *a,
                    struct identity *out, struct err *err);
/* The version of the subject that is this schema: by identity, else by equivalence, newest first. Returned with the read lock held (call
 * state_done); NULL without it. latest_only: no other than the latest active version counts. */
struct version *registry_find(struct registry *r, struct str subject, const struct schema *s, const struct identity *identity, bool deleted,
                              bool latest_only, bool *scanned);
/* The same by identity alone. */
struct version *registry_find_exact(struct registry *r, struct str subject, enum schema_type type, const unsigned char md5[16], bool deleted,
                                    bool latest_only);

/* ---- compat.c: may it follow the earlier versions? ------------------------------------------------------------------ */

struct verdict {
    bool compatible;
    struct str *messages; /* in the arena; the list of compatibility.md 1.3 */
    size_t n, cap;
};
/* version 0: against the subject's active versions at its level; else against that one. 40402 when it is not there. */
int registry_compare(struct registry *r, struct str subject, const struct schema *s, const struct metadata *metadata, int32_t version,
                     struct arena *a, struct verdict *out, struct err *err);

/* ---- what several files of handlers use ----------------------------------------------------------------------------- */

/* The subject of the path, normal form, through its alias. STR_NULL with err on no memory. */
struct str request_subject(struct registry *r, struct request *req, struct err *err);
/* The config or mode entry of the path, normal form. STR_NULL with err on no memory. */
struct str request_entry(struct request *req, struct err *err);
/* {version} of the path: the number, or -1 for latest. -1 with 42202. */
int request_version(const struct request *req, int32_t *out, struct err *err);
/* offset and limit of a list: the first to answer and how many at most. -1 with 404. */
int request_page(const struct request *req, int64_t limit_default, int64_t limit_max, size_t *from, size_t *count, struct err *err);
bool request_wants_resolved(const struct request *req); /* format=resolved */
/* A flag in the request's arena that turns true when its client goes away or the server stops; NULL on no memory. Call it in the handler, on
 * the loop thread. */
const atomic_bool *request_watch(struct request *req);
/* Runs fn on a pool thread as if it were the handler. Returns REPLY_LATER or -1. */
typedef int later_fn(struct registry *r, struct request *req, struct reply *reply, const atomic_bool *gone, struct err *err);
int registry_later(struct registry *r, later_fn *fn, struct request *req, struct reply *reply, struct err *err);

/* Does the mode that governs the subject let it change? -1 with 42205. */
int registry_check_writable(struct registry *r, struct str subject, struct err *err);
int registry_refuse_readonly(struct str subject, struct err *err); /* always -1 */

/* Handlers; see routes.c. */
http_handler get_root, get_live, get_ready, get_startup, get_cluster_id, get_server_version, get_types, get_contexts;
http_handler get_subjects, get_versions, get_version, get_version_schema, get_referenced_by;
http_handler get_schemas, get_by_id, get_schema_by_id, get_subjects_of_id, get_versions_of_id, get_by_guid, get_ids_of_guid;
http_handler post_lookup, post_version, post_compat_all, post_compat_one;
http_handler delete_subject, delete_version;
http_handler get_config, put_config, delete_config, get_subject_config, put_subject_config, delete_subject_config;
http_handler get_mode, put_mode, delete_mode, get_subject_mode, put_subject_mode, delete_subject_mode;

/* Every route, and the media types of all. */
extern const struct route registry_routes[];
extern const size_t registry_nroutes;
extern const struct media registry_media;

#endif
