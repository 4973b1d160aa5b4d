/* tests/unit/consumer_fixture.h - consumer instances without a server, a registry or an engine: requests, the log and the schema cache are played here, so
 * that a client can go away, a fetch can hang and the storage can wake at the very moment that a case is about.
 *
 * What is played takes the place of http's and serde's own functions at the link, so this is no object of its own that every test program would get: the
 * one source file of a program includes it. */
#ifndef TESTS_UNIT_CONSUMER_FIXTURE_H
#define TESTS_UNIT_CONSUMER_FIXTURE_H

#include "proxy/consumer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "storage/engine.h"

#define N(a) (sizeof(a) / sizeof(*(a)))

/* ---- http, played: a request is what the handlers may ask for, a reply is what they gave --------------------------------------------- */

struct reply {
    pthread_mutex_t lock;
    pthread_cond_t done;
    int status;
    bool finished;
    struct buf body;
};
struct request {
    const char *group, *instance, *query, *accept, *method;
    struct str body;
    struct arena arena;
    void (*gone)(void *ctx);
    void *gone_ctx;
    struct reply reply;
};

struct str request_method(const struct request *req) { return str_of(req->method); }
struct str request_param(const struct request *req, const char *name) { return str_of(strcmp(name, "group") == 0 ? req->group : req->instance); }
struct str request_body(const struct request *req) { return req->body; }
const char *request_accepts(const struct request *req) { return req->accept; }
struct arena *request_arena(struct request *req) { return &req->arena; }
struct str request_query(const struct request *req, const char *name)
{
    struct str rest = str_of(req->query);
    bool more = rest.n != 0;
    while (more) {
        struct str value = str_split(&rest, '&', &more);
        bool has;
        if (str_is(str_split(&value, '=', &has), name))
            return value;
    }
    return STR_NULL;
}
bool request_query_bool(const struct request *req, const char *name) { return str_eq_nocase(request_query(req, name), STR("true")); }
void request_on_gone(struct request *req, void (*fn)(void *ctx), void *ctx)
{
    req->gone = fn;
    req->gone_ctx = ctx;
}
struct buf *reply_body(struct reply *reply) { return &reply->body; }
void reply_status(struct reply *reply, int status) { reply->status = status; }
void reply_error(struct reply *reply, int status, int code, struct str text)
{
    reply->status = status;
    buf_reset(&reply->body);
    buf_printf(&reply->body, "{\"error_code\":%d,\"message\":", code);
    json_put_string(&reply->body, text);
    buf_put_u8(&reply->body, '}');
}
void reply_err(struct reply *reply, const struct err *err)
{
    int status = err->code >= 10000 ? err->code / 100 : err->code >= 100 ? err->code : err->code == ERR_FULL ? 503 : 500;
    reply_error(reply, status, err->code >= 100 ? err->code : status, str_of(err->text));
}
void reply_finish(struct reply *reply)
{
    pthread_mutex_lock(&reply->lock);
    assert_false(reply->finished);
    reply->finished = true;
    pthread_cond_broadcast(&reply->done);
    pthread_mutex_unlock(&reply->lock);
}
struct str proxy_base_url(const struct proxy *p, struct request *req) { return STR("http://here:8082"); }

/* ---- the schema cache, played: even ids are there after a fetch, odd ones are not; their values are shown as strings ------------------- */

struct client_schema { int32_t id; atomic_int refs; };
static struct client_schema schemas[16];
static atomic_int fetches, fetch_ms, known;

int32_t client_schema_id(const struct client_schema *e) { return e->id; }
const struct codec *client_schema_codec(const struct client_schema *e) { return (const struct codec *)e; }
void client_schema_unref(struct client_schema *e) { assert_true(atomic_fetch_sub(&e->refs, 1) > 0); }
struct client_schema *client_peek_id(struct client *c, int32_t id)
{
    if (id < 0 || id >= 16 || !(atomic_load(&known) >> id & 1))
        return NULL;
    atomic_fetch_add(&schemas[id].refs, 1);
    return &schemas[id];
}
struct client_schema *client_get_id(struct client *c, int32_t id, struct err *err)
{
    atomic_fetch_add(&fetches, 1);
    clock_sleep_ms(atomic_load(&fetch_ms));
    if (id % 2 == 1) {
        err_set(err, 40403, "Schema not found");
        return NULL;
    }
    schemas[id].id = id;
    atomic_fetch_or(&known, 1 << id);
    return client_peek_id(c, id);
}
int codec_decode_json(const struct codec *c, struct str data, struct buf *out, struct err *err)
{
    if (data.n == 0)
        return err_set(err, ERR_INVALID, ": expected string, got nothing");
    json_put_string(out, data);
    return 0;
}

/* ---- the log, played: topic "t" with partitions 0..3; a member takes all that it subscribed or was given --------------------------------- */

enum { PARTITIONS = 4, MAX_RECORDS = 4096 };
struct kept { char *key, *value; size_t key_n, value_n; };
static struct {
    pthread_mutex_t lock;
    struct kept log[PARTITIONS][MAX_RECORDS];
    int64_t end[PARTITIONS], committed[PARTITIONS], stored[PARTITIONS];
    char *metadata[PARTITIONS];
    struct member *members[2000];
    int nmembers, fail_open, open_ms, fail_poll, commit_ms;
} store;

struct storage fake_storage;
struct fake_member {
    struct member base;
    struct member_options o;
    bool assigned[PARTITIONS], subscribed, manual;
    int64_t at[PARTITIONS];
    atomic_int inside; /* threads in this member: never two */
};

static void enter(struct member *m) { assert_int_equal(atomic_fetch_add(&((struct fake_member *)m)->inside, 1), 0); }
static void leave(struct member *m) { atomic_fetch_sub(&((struct fake_member *)m)->inside, 1); }

static struct member *fake_open(struct storage *s, const struct member_options *o, struct err *err)
{
    struct fake_member *f = calloc(1, sizeof *f);
    clock_sleep_ms(store.open_ms);
    pthread_mutex_lock(&store.lock);
    if (store.fail_open > 0) {
        store.fail_open--;
        pthread_mutex_unlock(&store.lock);
        free(f);
        err_set(err, STORE_UNAUTHORIZED, "group g: access denied");
        return NULL;
    }
    f->base.engine = s->engine;
    f->o = *o;
    store.members[store.nmembers++] = &f->base;
    pthread_mutex_unlock(&store.lock);
    return &f->base;
}
static void fake_free(struct member *m)
{
    enter(m);
    pthread_mutex_lock(&store.lock);
    for (int i = 0; i < store.nmembers; i++)
        if (store.members[i] == m)
            store.members[i] = store.members[--store.nmembers];
    if (((struct fake_member *)m)->o.auto_commit)
        memcpy(store.committed, store.stored, sizeof store.committed);
    pthread_mutex_unlock(&store.lock);
    free(m);
}
static void take_all(struct fake_member *f)
{
    for (int p = 0; p < PARTITIONS; p++) {
        f->assigned[p] = true;
        f->at[p] = store.committed[p] >= 0 ? store.committed[p] : strcmp(f->o.auto_offset_reset, "earliest") == 0 ? 0 : store.end[p];
    }
}
static int fake_subscribe(struct member *m, const struct str *topics, size_t n, struct err *err)
{
    struct fake_member *f = (struct fake_member *)m;
    enter(m);
    pthread_mutex_lock(&store.lock);
    int rc = f->manual ? err_set(err, STORE_ILLEGAL_STATE, "Subscription to topics, partitions and pattern are mutually exclusive") : 0;
    if (rc == 0) {
        f->subscribed = true;
        take_all(f);
    }
    pthread_mutex_unlock(&store.lock);
    leave(m);
    return rc;
}
static int fake_pattern(struct member *m, struct str pattern, struct err *err)
{
    return str_is(pattern, "(") ? err_set(err, ERR_INVALID, "topic_pattern '(': missing )") : fake_subscribe(m, NULL, 0, err);
}
static int fake_unsubscribe(struct member *m, struct err *err)
{
    struct fake_member *f = (struct fake_member *)m;
    enter(m);
    f->subscribed = f->manual = false;
    memset(f->assigned, 0, sizeof f->assigned);
    leave(m);
    return 0;
}
static int fake_assign(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    struct fake_member *f = (struct fake_member *)m;
    if (f->subscribed)
        return err_set(err, STORE_ILLEGAL_STATE, "Subscription to topics, partitions and pattern are mutually exclusive");
    enter(m);
    f->manual = true;
    memset(f->assigned, 0, sizeof f->assigned);
    for (size_t i = 0; i < n; i++) {
        f->assigned[tps[i].partition] = true;
        f->at[tps[i].partition] = 0;
    }
    leave(m);
    return 0;
}
static int fake_subscription(struct member *m, struct arena *a, struct str **topics, size_t *n, struct err *err)
{
    *topics = arena_calloc(a, 1, sizeof **topics);
    (*topics)[0] = STR("t");
    *n = ((struct fake_member *)m)->subscribed;
    return 0;
}
static int fake_assignment(struct member *m, struct arena *a, struct tp **tps, size_t *n, struct err *err)
{
    struct fake_member *f = (struct fake_member *)m;
    enter(m);
    *tps = arena_calloc(a, PARTITIONS, sizeof **tps);
    *n = 0;
    for (int p = 0; p < PARTITIONS; p++)
        if (f->assigned[p])
            (*tps)[(*n)++] = (struct tp){.topic = STR("t"), .partition = p};
    leave(m);
    return 0;
}
static void fake_release(struct batch *b)
{
    free(b->records);
    free(b->topics);
}
static int fake_poll(struct member *m, struct batch *b, size_t max_records, struct err *err)
{
    struct fake_member *f = (struct fake_member *)m;
    int rc = 0;
    enter(m);
    batch_clear(b);
    *b = (struct batch){.records = calloc(max_records, sizeof *b->records), .topics = calloc(1, sizeof *b->topics), .ntopics = 1, .release = fake_release};
    b->topics[0] = STR("t");
    pthread_mutex_lock(&store.lock);
    if (store.fail_poll > 0) {
        store.fail_poll--;
        rc = err_set(err, STORE_OUT_OF_RANGE, "offset 5 of t-0 is not in the log");
    }
    for (int p = 0; p < PARTITIONS && rc == 0; p++)
        for (; f->assigned[p] && f->at[p] < store.end[p] && b->n < max_records; f->at[p]++) {
            struct kept *k = &store.log[p][f->at[p]];
            b->records[b->n++] = (struct record){.key = {k->key, k->key_n}, .value = {k->value, k->value_n}, .offset = f->at[p], .partition = p};
        }
    pthread_mutex_unlock(&store.lock);
    leave(m);
    return rc;
}
static int fake_seek(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    struct fake_member *f = (struct fake_member *)m;
    int rc = 0;
    enter(m);
    pthread_mutex_lock(&store.lock);
    for (size_t i = 0; i < n && rc == 0; i++) {
        int p = tps[i].partition;
        if (p >= PARTITIONS || !f->assigned[p])
            rc = err_set(err, STORE_ILLEGAL_STATE, "No current assignment for partition t-%d", p);
        else
            f->at[p] = tps[i].offset == OFFSET_BEGINNING ? 0 : tps[i].offset == OFFSET_END ? store.end[p] : tps[i].offset;
    }
    pthread_mutex_unlock(&store.lock);
    leave(m);
    return rc;
}
static int fake_store(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    enter(m);
    pthread_mutex_lock(&store.lock);
    for (size_t i = 0; i < n; i++)
        store.stored[tps[i].partition] = tps[i].offset;
    pthread_mutex_unlock(&store.lock);
    leave(m);
    return 0;
}
static int fake_commit(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    enter(m);
    clock_sleep_ms(store.commit_ms);
    pthread_mutex_lock(&store.lock);
    if (tps == NULL)
        memcpy(store.committed, store.stored, sizeof store.committed);
    for (size_t i = 0; i < n; i++) {
        store.committed[tps[i].partition] = tps[i].offset;
        free(store.metadata[tps[i].partition]);
        store.metadata[tps[i].partition] = str_dup(tps[i].metadata);
    }
    pthread_mutex_unlock(&store.lock);
    leave(m);
    return 0;
}
static int fake_committed(struct member *m, struct arena *a, struct tp *tps, size_t n, struct err *err)
{
    pthread_mutex_lock(&store.lock);
    for (size_t i = 0; i < n; i++) {
        tps[i].offset = store.committed[tps[i].partition] >= 0 ? store.committed[tps[i].partition] : OFFSET_INVALID;
        tps[i].metadata = arena_str(a, str_of(store.metadata[tps[i].partition]));
    }
    pthread_mutex_unlock(&store.lock);
    return 0;
}
static int fake_offset_for_time(struct storage *s, struct str topic, int32_t partition, int64_t ms, int64_t *offset, struct err *err)
{
    *offset = ms / 1000; /* record n was written at second n */
    return 0;
}
static const struct engine fake_engine = {.name = "fake", .member_open = fake_open, .member_free = fake_free, .member_subscribe = fake_subscribe,
    .member_subscribe_pattern = fake_pattern, .member_unsubscribe = fake_unsubscribe, .member_assign = fake_assign,
    .member_subscription = fake_subscription, .member_assignment = fake_assignment, .member_poll = fake_poll, .member_seek = fake_seek,
    .member_store = fake_store, .member_commit = fake_commit, .member_committed = fake_committed, .offset_for_time = fake_offset_for_time};
const struct engine sqlite_engine = {.name = "sqlite"}, kafka_engine = {.name = "kafka"};

static inline void add(int partition, const char *key, const char *value, size_t value_n)
{
    pthread_mutex_lock(&store.lock);
    assert_true(store.end[partition] < MAX_RECORDS);
    struct kept *k = &store.log[partition][store.end[partition]++];
    *k = (struct kept){key != NULL ? strdup(key) : NULL, NULL, key != NULL ? strlen(key) : 0, value_n};
    if (value != NULL) {
        k->value = malloc(value_n + 1);
        memcpy(k->value, value, value_n);
    }
    for (int i = 0; i < store.nmembers; i++) {
        struct fake_member *f = (struct fake_member *)store.members[i];
        f->o.wake(f->o.wake_ctx);
    }
    pthread_mutex_unlock(&store.lock);
}
static inline void add_text(int partition, const char *value) { add(partition, NULL, value, value != NULL ? strlen(value) : 0); }

/* ---- one proxy for each case ------------------------------------------------------------------------------------------------------------ */

struct world {
    struct proxy proxy;
    struct proxy_conf conf;
};

static inline int begin(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_int_equal(conf_defaults(&proxy_conf_table, &w->conf, NULL), 0);
    w->conf.consumer_request_timeout_ms = 300;
    w->conf.consumer_threads = 4;
    fake_storage.engine = &fake_engine;
    pthread_mutex_init(&store.lock, NULL);
    for (int p = 0; p < PARTITIONS; p++)
        store.committed[p] = store.stored[p] = -1;
    w->proxy.storage = &fake_storage;
    w->proxy.conf = &w->conf;
    w->proxy.registry = (struct client *)&schemas; /* any address: the client is played */
    w->proxy.pool = pool_new("test", 4, 1000, NULL);
    w->proxy.consumers = consumers_new(&w->proxy, NULL);
    assert_non_null(w->proxy.consumers);
    *state = w;
    return 0;
}

static inline void restart(struct world *w, int64_t instance_timeout_ms)
{
    consumers_free(w->proxy.consumers);
    w->conf.consumer_instance_timeout_ms = instance_timeout_ms;
    w->proxy.consumers = consumers_new(&w->proxy, NULL);
    assert_non_null(w->proxy.consumers);
}

static inline int end(void **state)
{
    struct world *w = *state;
    consumers_free(w->proxy.consumers);
    assert_int_equal(store.nmembers, 0);
    pool_free(w->proxy.pool);
    conf_clear(&proxy_conf_table, &w->conf);
    free(w);
    for (int p = 0; p < PARTITIONS; p++) {
        for (int i = 0; i < store.end[p]; i++) {
            free(store.log[p][i].key);
            free(store.log[p][i].value);
        }
        free(store.metadata[p]);
    }
    pthread_mutex_destroy(&store.lock);
    memset(&store, 0, sizeof store);
    for (size_t i = 0; i < N(schemas); i++)
        assert_int_equal(schemas[i].refs, 0);
    atomic_store(&known, 0);
    atomic_store(&fetches, 0);
    atomic_store(&fetch_ms, 0);
    return 0;
}

/* Starts a request; finish() waits for its answer. */
static inline void send_request(struct world *w, http_handler *handle, struct request *req)
{
    struct err err = {0};
    if (req->method == NULL)
        req->method = "GET";
    if (req->accept == NULL)
        req->accept = MEDIA_BINARY;
    req->reply.status = 200;
    pthread_mutex_init(&req->reply.lock, NULL);
    pthread_cond_init(&req->reply.done, NULL);
    int rc = handle(&w->proxy, req, &req->reply, &err);
    if (rc == REPLY_LATER)
        return;
    if (rc < 0)
        reply_err(&req->reply, &err);
    reply_finish(&req->reply);
}

static inline bool is_finished(struct request *req)
{
    pthread_mutex_lock(&req->reply.lock);
    bool finished = req->reply.finished;
    pthread_mutex_unlock(&req->reply.lock);
    return finished;
}

static inline void finish(struct request *req)
{
    pthread_mutex_lock(&req->reply.lock);
    while (!req->reply.finished)
        pthread_cond_wait(&req->reply.done, &req->reply.lock);
    pthread_mutex_unlock(&req->reply.lock);
}

static inline void drop(struct request *req)
{
    buf_clear(&req->reply.body);
    arena_clear(&req->arena);
    pthread_mutex_destroy(&req->reply.lock);
    pthread_cond_destroy(&req->reply.done);
}

/* The whole of a request: its status; what it said is in said. */
static char said[1 << 16];
static inline int ask(struct world *w, http_handler *handle, const char *instance, const char *query, const char *accept, const char *body)
{
    struct request req = {.group = "g", .instance = instance, .query = query, .accept = accept, .body = str_of(body)};
    send_request(w, handle, &req);
    finish(&req);
    int status = req.reply.status;
    snprintf(said, sizeof said, "%s", buf_cstr(&req.reply.body));
    drop(&req);
    return status;
}

static inline int code_said(void)
{
    int code = 0;
    sscanf(said, "{\"error_code\":%d", &code);
    return code;
}

static inline void make(struct world *w, const char *name, const char *format, const char *more)
{
    char body[500];
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"format\":\"%s\",\"auto.offset.reset\":\"earliest\"%s}", name, format, more);
    assert_int_equal(ask(w, consumers_post, NULL, NULL, NULL, body), 200);
}

static inline void make_and_subscribe(struct world *w, const char *name, const char *format, const char *more)
{
    make(w, name, format, more);
    assert_int_equal(ask(w, consumers_post_subscription, name, NULL, NULL, "{\"topics\":[\"t\"]}"), 204);
}

static inline int count(const char *what)
{
    int n = 0;
    for (const char *p = said; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

#define QUICK ",\"fetch.min.bytes\":0"
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
