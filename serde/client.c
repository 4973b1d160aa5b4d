/* serde/client.c - see client.h.
 *  (1) client->lock guards the caches and the flights and is never held while one waits for the network, parses or compiles.
 *  (2) A flight is one fetch of one key: whoever comes meanwhile waits for its end and shares the outcome, also a failure.
 *  (3) A fetch for a text or a registration may itself fetch an id, never the reverse: flights cannot wait for each other in a
 * circle. */
#include "serde/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/own.h"
#include "serde/client_cache.h"
#include "serde/rest.h"

enum {
    MAX_REFERENCES = 1000,        /* of one schema, with those of its references */
    SCHEMA_BYTES_MAX = 512 << 20, /* of schemas kept by id */
    TEXT_BYTES_MAX = 64 << 20     /* of texts kept */
};

struct client_schema {
    atomic_int refs;
    int32_t id;
    struct schema *schema;
    struct codec *codec; /* NULL for a type without codec */
};

struct client {
    struct rest *rest;
    pthread_mutex_t lock;
    struct cache ids;        /* id: schema */
    struct cache registered; /* id and subject: known to be there */
    struct cache texts;      /* type, subject and text: schema */
};

struct flight {
    pthread_cond_t done_cond;
    bool done;
    int users; /* the last one frees it */
    int rc;
    struct client_schema *result; /* counted */
    struct err err;
};

/* ---- entries ----------------------------------------------------------------------------------------------------- */

int32_t client_schema_id(const struct client_schema *e)
{
    return e->id;
}

struct schema *client_schema_schema(const struct client_schema *e)
{
    return e->schema;
}

const struct codec *client_schema_codec(const struct client_schema *e)
{
    return e->codec;
}

struct client_schema *client_schema_ref(struct client_schema *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void client_schema_unref(struct client_schema *e)
{
    if (e == NULL || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    codec_unref(e->codec);
    schema_unref(e->schema);
    free(e);
}

static void client_schema_unrefp(struct client_schema **e)
{
    client_schema_unref(*e);
}

static struct client_schema *client_schema_new(int32_t id, struct schema *s, struct err *err)
{
    struct client_schema *e = calloc(1, sizeof *e);
    if (e == NULL) {
        err_nomem(err);
        return NULL;
    }
    atomic_init(&e->refs, 1);
    e->id = id;
    e->schema = schema_ref(s);
    if (schema_type_of(s) == SCHEMA_AVRO && (e->codec = codec_new(s, err)) == NULL) {
        client_schema_unref(e);
        return NULL;
    }
    return e;
}

/* ---- the client --------------------------------------------------------------------------------------------------- */

struct client *client_new(const struct client_options *o, struct err *err)
{
    const struct rest_options ro = {
        .urls = o->urls,
        .basic_user_info = o->basic_user_info,
        .connect_timeout_ms = o->connect_timeout_ms > 0 ? o->connect_timeout_ms : 10000,
        .timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : 30000,
        .retries = o->retries == 0  ? 3
                   : o->retries < 0 ? 0
                                    : o->retries,
        .retry_wait_ms = o->retry_wait_ms > 0 ? o->retry_wait_ms : 1000,
        .retry_max_wait_ms = o->retry_max_wait_ms > 0 ? o->retry_max_wait_ms : 20000,
    };
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_nomem(err);
        return NULL;
    }
    c->rest = rest_new(&ro, err);
    if (c->rest == NULL) {
        free(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    size_t max = o->max_schemas > 0 ? o->max_schemas : 10000;
    cache_init(&c->ids, max, SCHEMA_BYTES_MAX);
    cache_init(&c->registered, max, TEXT_BYTES_MAX);
    cache_init(&c->texts, max, TEXT_BYTES_MAX);
    return c;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    cache_clear(&c->ids);
    cache_clear(&c->registered);
    cache_clear(&c->texts);
    pthread_mutex_destroy(&c->lock);
    rest_free(c->rest);
    free(c);
}

static bool peek(struct client *c, struct cache *cache, struct str key, struct client_schema **schema)
{
    pthread_mutex_lock(&c->lock);
    bool found = cache_get(cache, key, schema);
    pthread_mutex_unlock(&c->lock);
    return found;
}

static size_t entry_bytes(const struct client_schema *e)
{
    return e != NULL ? sizeof *e + 3 * schema_size(e->schema) : 0; /* the codec is of the schema's order */
}

static void keep(struct client *c, struct cache *cache, struct str key, struct client_schema *e, size_t bytes)
{
    pthread_mutex_lock(&c->lock);
    cache_put(cache, key, e, bytes);
    pthread_mutex_unlock(&c->lock);
}

/* Asks for key's value. 0 with a new reference in *out (NULL where only the key is kept), or -1 with err. */
typedef int fetch_fn(struct client *c, const void *arg, struct client_schema **out, struct err *err);

/* lock is held: waits for another's flight. */
static int wait_for_flight(struct client *c, struct flight *f, struct client_schema **out, struct err *err)
{
    f->users++;
    while (!f->done)
        pthread_cond_wait(&f->done_cond, &c->lock);
    *out = f->result != NULL ? client_schema_ref(f->result) : NULL;
    return f->rc == 0 ? 0 : err_set(err, f->err.code, "%s", f->err.text);
}

/* lock is held. */
static void leave_flight(struct flight *f)
{
    if (--f->users > 0)
        return;
    pthread_cond_destroy(&f->done_cond);
    client_schema_unref(f->result);
    free(f);
}

/* The value of key: from the cache, from the flight under way, or fetched now. */
static int get_or_fetch(struct client *c, struct cache *cache, struct str key, fetch_fn *fetch, const void *arg,
                        struct client_schema **out, struct err *err)
{
    int rc;
    *out = NULL;
    pthread_mutex_lock(&c->lock);
    if (cache_get(cache, key, out)) {
        pthread_mutex_unlock(&c->lock);
        return 0;
    }
    struct flight *f = map_get(&cache->flights, key);
    if (f != NULL) {
        rc = wait_for_flight(c, f, out, err);
        leave_flight(f);
        pthread_mutex_unlock(&c->lock);
        return rc;
    }
    f = calloc(1, sizeof *f);
    if (f == NULL ||
        map_set(&cache->flights, key, f) < 0) { /* the key's bytes are this call's, and the entry goes before it ends */
        free(f);
        pthread_mutex_unlock(&c->lock);
        return err_nomem(err);
    }
    pthread_cond_init(&f->done_cond, NULL);
    f->users = 1;
    pthread_mutex_unlock(&c->lock);

    rc = fetch(c, arg, &f->result, &f->err); /* nobody else looks before done */

    pthread_mutex_lock(&c->lock);
    f->rc = rc;
    if (rc == 0) {
        cache_put(cache, key, f->result, cache == &c->ids ? entry_bytes(f->result) : 0);
        *out = f->result != NULL ? client_schema_ref(f->result) : NULL;
    } else {
        err_set(err, f->err.code, "%s", f->err.text);
    }
    map_remove(&cache->flights, key);
    f->done = true;
    pthread_cond_broadcast(&f->done_cond);
    leave_flight(f);
    pthread_mutex_unlock(&c->lock);
    return rc;
}

/* ---- answers ------------------------------------------------------------------------------------------------------ */

/* What the registry says of a schema; all in the arena. */
struct answer {
    struct str text;
    enum schema_type type;
    struct schema_ref *refs;
    size_t nrefs;
    int64_t id;     /* 0: not said */
    bool has_rules; /* to be run when values are written or read */
};

static int bad_answer(struct str path, const char *what, struct err *err)
{
    return err_set(err, ERR_IO, "the registry's answer to %.*s %s", STR_ARG(path), what);
}

static int read_references(const struct json *list, struct str path, struct answer *out, struct arena *a, struct err *err)
{
    if (list == NULL || list->type == JSON_T_NULL)
        return 0;
    if (list->type != JSON_T_ARRAY || list->count > MAX_REFERENCES)
        return bad_answer(path, "has references that are no list, or too many", err);
    out->refs = arena_calloc(a, list->count + 1, sizeof *out->refs);
    if (out->refs == NULL)
        return err_nomem(err);
    for (const struct json *r = list->first; r != NULL; r = r->next) {
        const struct json *name = json_get(r, "name"), *subject = json_get(r, "subject"), *version = json_get(r, "version");
        int64_t n;
        if (!json_is(name, JSON_T_STRING) || !json_is(subject, JSON_T_STRING) || !json_is(version, JSON_T_NUMBER) ||
            !json_number_i64(version->text, &n) || n < -1 || n > INT32_MAX)
            return bad_answer(path, "has a reference without name, subject and version", err);
        out->refs[out->nrefs++] = (struct schema_ref){name->text, subject->text, (int32_t)n};
    }
    return 0;
}

/* Has the rule set a rule for values that is not disabled?  (Migration rules only matter between versions.) */
static bool has_rules(const struct json *rule_set)
{
    static const char *const lists[] = {"domainRules", "encodingRules"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct json *list = json_get(rule_set, lists[i]);
        for (const struct json *rule = json_is(list, JSON_T_ARRAY) ? list->first : NULL; rule != NULL; rule = rule->next)
            if (!json_is(json_get(rule, "disabled"), JSON_T_TRUE))
                return true;
    }
    return false;
}

/* Rules are not run here, and must not be passed over in silence (serde.md 5). */
static int refuse_rules(const struct answer *answer, int32_t id, struct err *err)
{
    if (!answer->has_rules)
        return 0;
    return err_set(err, ERR_INVALID, "schema %d has rules in its ruleSet, which cannot be run here", (int)id);
}

static int read_answer(struct str body, struct str path, struct answer *out, struct arena *a, struct err *err)
{
    *out = (struct answer){.text = STR_NULL, .type = SCHEMA_AVRO};
    struct str copy = arena_str(a, body);
    if (copy.p == NULL)
        return err_nomem(err);
    struct json *v = json_parse(copy, JSON_DUP_LAST, 0, a, NULL);
    if (!json_is(v, JSON_T_OBJECT))
        return bad_answer(path, "is not a JSON object: is this URL a schema registry?", err);
    const struct json *text = json_get(v, "schema"), *type = json_get(v, "schemaType"), *id = json_get(v, "id");
    if (json_is(text, JSON_T_STRING))
        out->text = text->text;
    if (json_is(type, JSON_T_STRING) && schema_type_parse(type->text, &out->type, err) < 0)
        return -1;
    if (json_is(id, JSON_T_NUMBER) && (!json_number_i64(id->text, &out->id) || out->id < 0 || out->id > INT32_MAX))
        return bad_answer(path, "has an id that is out of range", err);
    out->has_rules = has_rules(json_get(v, "ruleSet"));
    return read_references(json_get(v, "references"), path, out, a, err);
}

static int call(struct client *c, const char *method, const struct buf *path, struct str body, struct answer *out,
                struct arena *a, struct err *err)
{
    OWN_BY(buf_clear) struct buf text = {0};
    if (path->failed)
        return err_nomem(err);
    if (rest_call(c->rest, method, buf_str(path), body, &text, err) < 0)
        return -1;
    return read_answer(buf_str(&text), buf_str(path), out, a, err);
}

/* ---- references --------------------------------------------------------------------------------------------------- */

/* Texts of references, dependencies before dependents; all in the arena. */
struct ref_texts {
    struct arena *arena;
    struct map seen; /* subject and version */
    struct str list[MAX_REFERENCES];
    size_t n;
};

static int fetch_references(struct client *c, const struct schema_ref *refs, size_t n, struct ref_texts *all, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct str key = arena_printf(all->arena, "%d %.*s", (int)refs[i].version, STR_ARG(refs[i].subject));
        if (key.p == NULL)
            return err_nomem(err);
        if (map_get(&all->seen, key) != NULL)
            continue;
        if (all->seen.count >= MAX_REFERENCES)
            return err_set(err, ERR_TOO_BIG, "the schema has over %d references", MAX_REFERENCES);
        if (map_set(&all->seen, key, all) < 0)
            return err_nomem(err);
        OWN_BY(buf_clear) struct buf path = {0};
        struct answer answer;
        buf_put_str(&path, STR("/subjects/"));
        rest_put_segment(&path, refs[i].subject);
        if (refs[i].version < 0)
            buf_put_str(&path, STR("/versions/latest"));
        else /* a reference may outlive its version's soft deletion */
            buf_printf(&path, "/versions/%d?deleted=true", (int)refs[i].version);
        if (call(c, "GET", &path, STR_NULL, &answer, all->arena, err) < 0)
            return -1;
        if (answer.text.p == NULL)
            return bad_answer(buf_str(&path), "has no schema", err);
        if (fetch_references(c, answer.refs, answer.nrefs, all, err) < 0)
            return -1;
        all->list[all->n++] = answer.text;
    }
    return 0;
}

/* The schema of an answer, parsed with its references. */
static struct schema *parse_answer(struct client *c, const struct answer *answer, struct arena *a, struct err *err)
{
    struct ref_texts *all = arena_calloc(a, 1, sizeof *all);
    struct schema *s = NULL;
    if (all == NULL) {
        err_nomem(err);
        return NULL;
    }
    all->arena = a;
    if (fetch_references(c, answer->refs, answer->nrefs, all, err) == 0) {
        const struct schema_source src = {.type = answer->type,
                                          .text = answer->text,
                                          .refs = answer->refs,
                                          .nrefs = answer->nrefs,
                                          .ref_texts = all->list,
                                          .nref_texts = all->n};
        s = schema_parse(&src, err);
    }
    map_clear(&all->seen);
    return s;
}

/* ---- by id -------------------------------------------------------------------------------------------------------- */

static struct str id_key(const int32_t *id)
{
    return str_n(id, sizeof *id);
}

static int fetch_id(struct client *c, const void *arg, struct client_schema **out, struct err *err)
{
    const int32_t id = *(const int32_t *)arg;
    OWN_BY(arena_clear) struct arena a = {0};
    OWN_BY(buf_clear) struct buf path = {0};
    struct answer answer;
    buf_printf(&path, "/schemas/ids/%d", (int)id);
    if (call(c, "GET", &path, STR_NULL, &answer, &a, err) < 0)
        return -1;
    if (answer.text.p == NULL)
        return bad_answer(buf_str(&path), "has no schema", err);
    if (refuse_rules(&answer, id, err) < 0)
        return -1;
    OWN_BY(schema_unrefp) struct schema *s = parse_answer(c, &answer, &a, err);
    if (s == NULL)
        return -1;
    *out = client_schema_new(id, s, err);
    return *out != NULL ? 0 : -1;
}

struct client_schema *client_peek_id(struct client *c, int32_t id)
{
    struct client_schema *e = NULL;
    peek(c, &c->ids, id_key(&id), &e);
    return e;
}

struct client_schema *client_get_id(struct client *c, int32_t id, struct err *err)
{
    struct client_schema *e;
    return get_or_fetch(c, &c->ids, id_key(&id), fetch_id, &id, &e, err) == 0 ? e : NULL;
}

/* ---- by subject --------------------------------------------------------------------------------------------------- */

static struct str registered_key(struct buf *k, struct str subject, int32_t id)
{
    buf_put(k, &id, sizeof id);
    buf_put_str(k, subject);
    return k->failed ? STR_NULL : buf_str(k);
}

static struct str text_key(struct buf *k, struct str subject, enum schema_type type, struct str text)
{
    uint32_t n = (uint32_t)subject.n;
    if (buf_reserve(k, subject.n + text.n + 8) == NULL)
        return STR_NULL;
    buf_put_u8(k, (unsigned char)type);
    buf_put(k, &n, sizeof n);
    buf_put_str(k, subject);
    buf_put_str(k, text);
    return buf_str(k);
}

static void put_request(struct buf *out, const struct schema *s)
{
    struct json_writer w = json_writer_on(out);
    size_t n;
    const struct schema_ref *refs = schema_refs(s, &n);
    jw_object(&w);
    jw_key(&w, "schema");
    jw_str(&w, schema_canonical(s));
    if (schema_type_of(s) != SCHEMA_AVRO) {
        jw_key(&w, "schemaType");
        jw_str(&w, str_of(schema_type_name(schema_type_of(s))));
    }
    if (n > 0) {
        jw_key(&w, "references");
        jw_array(&w);
        for (size_t i = 0; i < n; i++) {
            jw_object(&w);
            jw_key(&w, "name");
            jw_str(&w, refs[i].name);
            jw_key(&w, "subject");
            jw_str(&w, refs[i].subject);
            jw_key(&w, "version");
            jw_i64(&w, refs[i].version);
            jw_object_end(&w);
        }
        jw_array_end(&w);
    }
    jw_object_end(&w);
}

/* POST of s to /subjects/{subject} and what follows. */
static int post_schema(struct client *c, struct str subject, const char *rest_of_path, const struct schema *s,
                       struct answer *answer, struct arena *a, struct err *err)
{
    OWN_BY(buf_clear) struct buf path = {0};
    OWN_BY(buf_clear) struct buf body = {0};
    if (subject.n == 0)
        return err_set(err, ERR_INVALID, "a subject must not be empty");
    buf_put_str(&path, STR("/subjects/"));
    rest_put_segment(&path, subject);
    buf_put_str(&path, str_of(rest_of_path));
    put_request(&body, s);
    if (body.failed)
        return err_nomem(err);
    return call(c, "POST", &path, buf_str(&body), answer, a, err);
}

struct registration {
    struct str subject;
    int32_t id;
};

static int fetch_registered(struct client *c, const void *arg, struct client_schema **out, struct err *err)
{
    const struct registration *r = arg;
    OWN_BY(client_schema_unrefp) struct client_schema *e = client_get_id(c, r->id, err);
    OWN_BY(arena_clear) struct arena a = {0};
    struct answer answer;
    *out = NULL;
    return e != NULL ? post_schema(c, r->subject, "", e->schema, &answer, &a, err) : -1;
}

bool client_peek_registered(struct client *c, struct str subject, int32_t id)
{
    OWN_BY(buf_clear) struct buf k = {0};
    struct str key = registered_key(&k, subject, id);
    return key.p != NULL && peek(c, &c->registered, key, NULL);
}

int client_check_registered(struct client *c, struct str subject, int32_t id, struct err *err)
{
    OWN_BY(buf_clear) struct buf k = {0};
    struct client_schema *none;
    struct registration r = {subject, id};
    struct str key = registered_key(&k, subject, id);
    if (key.p == NULL)
        return err_nomem(err);
    return get_or_fetch(c, &c->registered, key, fetch_registered, &r, &none, err);
}

/* ---- by text ------------------------------------------------------------------------------------------------------ */

struct text_source {
    struct str subject, text;
    enum schema_type type;
};

/* Looks s up under subject, registers it if that fails. */
static int find_or_add(struct client *c, struct str subject, const struct schema *s, struct answer *answer, struct arena *a,
                       struct err *err)
{
    struct err not_found = {0};
    if (post_schema(c, subject, "", s, answer, a, &not_found) < 0) {
        if (not_found.code < 0) /* nobody answered: registering would not fare better */
            return err_set(err, not_found.code, "%s", not_found.text);
        if (post_schema(c, subject, "/versions", s, answer, a, err) < 0)
            return -1;
    }
    if (answer->id == 0)
        return err_set(err, ERR_IO, "the registry's answer for subject %.*s has no id", STR_ARG(subject));
    return 0;
}

/* The one entry of an id: the kept one if there is one, else made of s. */
static struct client_schema *entry_of(struct client *c, int32_t id, struct schema *s, struct err *err)
{
    struct client_schema *e = client_peek_id(c, id);
    if (e == NULL && (e = client_schema_new(id, s, err)) != NULL)
        keep(c, &c->ids, id_key(&id), e, entry_bytes(e));
    return e;
}

static int fetch_text(struct client *c, const void *arg, struct client_schema **out, struct err *err)
{
    const struct text_source *t = arg;
    OWN_BY(arena_clear) struct arena a = {0};
    OWN_BY(buf_clear) struct buf k = {0};
    struct answer answer;
    const struct schema_source src = {.type = t->type, .text = t->text, .flags = SCHEMA_NEW};
    OWN_BY(schema_unrefp) struct schema *s = schema_parse(&src, err);
    if (s == NULL || find_or_add(c, t->subject, s, &answer, &a, err) < 0)
        return -1;
    int32_t id = (int32_t)answer.id;
    if (refuse_rules(&answer, id, err) < 0)
        return -1;
    if (answer.text.p == NULL || str_eq(answer.text, schema_canonical(s)))
        *out = entry_of(c, id, s, err);
    else /* an equivalent one is there: its text counts */
        *out = client_get_id(c, id, err);
    if (*out == NULL)
        return -1;
    struct str key = registered_key(&k, t->subject, id);
    if (key.p != NULL)
        keep(c, &c->registered, key, NULL, 0);
    return 0;
}

struct client_schema *client_peek_text(struct client *c, struct str subject, enum schema_type type, struct str text)
{
    OWN_BY(buf_clear) struct buf k = {0};
    struct client_schema *e = NULL;
    struct str key = text_key(&k, subject, type, text);
    if (key.p != NULL)
        peek(c, &c->texts, key, &e);
    return e;
}

struct client_schema *client_register(struct client *c, struct str subject, enum schema_type type, struct str text,
                                      struct err *err)
{
    OWN_BY(buf_clear) struct buf k = {0};
    struct client_schema *e;
    struct text_source t = {subject, text, type};
    struct str key = text_key(&k, subject, type, text);
    if (key.p == NULL) {
        err_nomem(err);
        return NULL;
    }
    return get_or_fetch(c, &c->texts, key, fetch_text, &t, &e, err) == 0 ? e : NULL;
}
