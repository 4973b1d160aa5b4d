#include "registry/core.h"

#include <stdlib.h>

#include "registry/scribe.h"

enum { POOL_THREADS = 2, POOL_WAITING = 10000, PARSED_BYTES = 4 << 20 };

/* Until the log was read to its end once, only what asks about the process itself is answered. */
static int admit(void *arg, struct request *req, struct err *err)
{
    struct registry *r = arg;
    struct str path = request_path(req);
    if (fold_started(r->fold) || str_is(path, "/") || str_starts(path, STR("/health/")))
        return 0;
    struct err why = {0};
    fold_ready(r->fold, &why);
    return err_set(err, ERR_FULL, "The registry is starting: %s", why.text);
}

/* Which types have a wing: the smallest text of each is tried. */
static void find_types(struct registry *r)
{
    static const char *const texts[] = {[SCHEMA_AVRO] = "\"int\"", [SCHEMA_JSON] = "{}", [SCHEMA_PROTOBUF] = "syntax = \"proto3\";\nmessage M {}\n"};
    for (int t = SCHEMA_AVRO; t <= SCHEMA_PROTOBUF; t++) {
        const struct schema_source source = {.type = (enum schema_type)t, .text = str_of(texts[t])};
        struct schema *s = schema_parse(&source, NULL);
        r->types[t] = s != NULL;
        schema_unref(s);
    }
}

static int build(struct registry *r, struct err *err)
{
    if (registry_conf_check(r->conf, err) < 0 || compat_level_parse(str_of(r->conf->compatibility_level), &r->level, err) < 0)
        return -1;
    r->state = state_new();
    r->parsed = parsed_new((size_t)r->conf->parsed_cache_size, PARSED_BYTES);
    r->seen = seen_new();
    if (r->state == NULL || r->parsed == NULL || r->seen == NULL)
        return err_nomem(err);
    if ((r->pool = pool_new("registry", POOL_THREADS, POOL_WAITING, err)) == NULL ||
        (r->fold = fold_new(r->storage, r->conf, r->state, err)) == NULL || (r->scribe = scribe_new(r, err)) == NULL)
        return -1;
    return 0;
}

struct registry *registry_new(struct storage *s, const struct registry_conf *conf, struct err *err)
{
    struct registry *r = calloc(1, sizeof *r);
    if (r == NULL) {
        err_nomem(err);
        return NULL;
    }
    r->storage = s;
    r->conf = conf;
    r->service = (struct service){.name = "registry",
                                  .routes = registry_routes,
                                  .nroutes = registry_nroutes,
                                  .media = &registry_media,
                                  .arg = r,
                                  .admit = admit};
    find_types(r);
    if (build(r, err) < 0) {
        registry_free(r);
        return NULL;
    }
    return r;
}

const struct service *registry_service(struct registry *r)
{
    return &r->service;
}

int registry_ready(struct registry *r, struct err *err)
{
    return fold_ready(r->fold, err);
}

void registry_free(struct registry *r)
{
    if (r == NULL)
        return;
    pool_free(r->pool); /* its jobs may still add writes */
    if (r->fold != NULL)
        fold_hurry(r->fold);
    scribe_free(r->scribe);
    fold_free(r->fold);
    state_free(r->state);
    parsed_free(r->parsed);
    seen_free(r->seen);
    free(r);
}
