/* Consumer instances without a server, a registry or an engine: requests, the log and the schema cache are played here, so that a client can go away,
 * a fetch can hang and the storage can wake at the very moment that a case is about. */
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
    int nmembers, fail_open, fail_poll, commit_ms, most_threads;
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

static void add(int partition, const char *key, const char *value, size_t value_n)
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
static void add_text(int partition, const char *value) { add(partition, NULL, value, value != NULL ? strlen(value) : 0); }

/* ---- one proxy for each case ------------------------------------------------------------------------------------------------------------ */

struct world {
    struct proxy proxy;
    struct proxy_conf conf;
};

static int begin(void **state)
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

static void restart(struct world *w, int64_t instance_timeout_ms)
{
    consumers_free(w->proxy.consumers);
    w->conf.consumer_instance_timeout_ms = instance_timeout_ms;
    w->proxy.consumers = consumers_new(&w->proxy, NULL);
    assert_non_null(w->proxy.consumers);
}

static int end(void **state)
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
static void send_request(struct world *w, http_handler *handle, struct request *req)
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

static bool is_finished(struct request *req)
{
    pthread_mutex_lock(&req->reply.lock);
    bool finished = req->reply.finished;
    pthread_mutex_unlock(&req->reply.lock);
    return finished;
}

static void finish(struct request *req)
{
    pthread_mutex_lock(&req->reply.lock);
    while (!req->reply.finished)
        pthread_cond_wait(&req->reply.done, &req->reply.lock);
    pthread_mutex_unlock(&req->reply.lock);
}

static void drop(struct request *req)
{
    buf_clear(&req->reply.body);
    arena_clear(&req->arena);
    pthread_mutex_destroy(&req->reply.lock);
    pthread_cond_destroy(&req->reply.done);
}

/* The whole of a request: its status; what it said is in said. */
static char said[1 << 16];
static int ask(struct world *w, http_handler *handle, const char *instance, const char *query, const char *accept, const char *body)
{
    struct request req = {.group = "g", .instance = instance, .query = query, .accept = accept, .body = str_of(body)};
    send_request(w, handle, &req);
    finish(&req);
    int status = req.reply.status;
    snprintf(said, sizeof said, "%s", buf_cstr(&req.reply.body));
    drop(&req);
    return status;
}

static int code_said(void)
{
    int code = 0;
    sscanf(said, "{\"error_code\":%d", &code);
    return code;
}

static void make(struct world *w, const char *name, const char *format, const char *more)
{
    char body[500];
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"format\":\"%s\",\"auto.offset.reset\":\"earliest\"%s}", name, format, more);
    assert_int_equal(ask(w, consumers_post, NULL, NULL, NULL, body), 200);
}

static void make_and_subscribe(struct world *w, const char *name, const char *format, const char *more)
{
    make(w, name, format, more);
    assert_int_equal(ask(w, consumers_post_subscription, name, NULL, NULL, "{\"topics\":[\"t\"]}"), 204);
}

static int count(const char *what)
{
    int n = 0;
    for (const char *p = said; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

#define QUICK ",\"fetch.min.bytes\":0"

/* ---- cases -------------------------------------------------------------------------------------------------------------------------------- */

static void creation(void **state)
{
    static const struct { const char *body; int status, code; } cases[] = {
        {"", 200, 0},
        {"null", 200, 0},
        {"{}", 200, 0},
        {"{\"name\":\"a\"}", 200, 0},
        {"{\"name\":\"a\"}", 409, 40902},
        {"{\"id\":\"b\",\"name\":\"a\"}", 200, 0}, /* id beats name */
        {"{\"name\":\"\"}", 422, 422},
        {"{\"name\":7}", 200, 0},
        {"{\"format\":\"AVRO\"}", 200, 0},
        {"{\"format\":null}", 200, 0},
        {"{\"format\":\"xml\"}", 422, 422},
        {"{\"format\":{}}", 400, 400},
        {"{\"nome\":\"a\"}", 422, 422},
        {"[]", 400, 400},
        {"{", 400, 400},
        {"{}}", 400, 400},
        {"{\"name\":\"x\",\"auto.offset.reset\":\"bogus\"}", 422, 42204},
        {"{\"name\":\"x\",\"auto.offset.reset\":\"none\"}", 200, 0}, /* the name was not kept by the refusal */
        {"{\"auto.commit.enable\":\"false\"}", 200, 0},
        {"{\"auto.commit.enable\":false}", 200, 0},
        {"{\"auto.commit.enable\":\"yes\"}", 422, 42204},
        {"{\"fetch.min.bytes\":-1}", 200, 0},
        {"{\"fetch.min.bytes\":-2}", 422, 40001},
        {"{\"fetch.min.bytes\":\"10000000\"}", 200, 0},
        {"{\"fetch.min.bytes\":10000001}", 422, 40001},
        {"{\"responseMinBytes\":-2}", 422, 40001},
        {"{\"fetch.min.bytes\":\"many\"}", 422, 42204},
        {"{\"consumer.request.timeout.ms\":\"100\"}", 200, 0},
        {"{\"requestWaitMs\":-5}", 200, 0},
        {"{\"consumer.request.timeout.ms\":99999999999}", 422, 42204},
    };
    for (size_t i = 0; i < N(cases); i++) {
        int status = ask(*state, consumers_post, NULL, NULL, NULL, cases[i].body);
        if (status != cases[i].status || code_said() != cases[i].code)
            fail_msg("%s: %d %s", cases[i].body, status, said);
    }
}

static void names_and_uris(void **state)
{
    assert_int_equal(ask(*state, consumers_post, NULL, NULL, NULL, "{\"name\":\"a/b c\"}"), 200);
    assert_string_equal(said, "{\"instance_id\":\"a/b c\",\"base_uri\":\"http://here:8082/consumers/g/instances/a%2Fb%20c\"}");
    assert_int_equal(ask(*state, consumers_post, NULL, NULL, NULL, "{}"), 200);
    assert_non_null(strstr(said, "\"instance_id\":\"rest-consumer-"));
    struct request req = {.group = "other", .body = STR("{\"name\":\"a/b c\"}")};
    send_request(*state, consumers_post, &req);
    finish(&req);
    assert_int_equal(req.reply.status, 200);
    drop(&req);
    assert_int_equal(ask(*state, consumers_delete, "a/b c", NULL, NULL, NULL), 204);
    assert_int_equal(ask(*state, consumers_delete, "a/b c", NULL, NULL, NULL), 404);
    assert_int_equal(code_said(), 40403);
    assert_int_equal(ask(*state, consumers_get_records, "nobody", NULL, NULL, NULL), 404);
}

static void a_failed_creation_frees_the_name(void **state)
{
    store.fail_open = 1;
    assert_int_equal(ask(*state, consumers_post, NULL, NULL, NULL, "{\"name\":\"a\"}"), 403);
    assert_int_equal(code_said(), 40301);
    assert_int_equal(ask(*state, consumers_get_assignments, "a", NULL, NULL, NULL), 404);
    assert_int_equal(ask(*state, consumers_post, NULL, NULL, NULL, "{\"name\":\"a\"}"), 200);
}

static void no_more_than_the_limit(void **state)
{
    struct world *w = *state;
    w->conf.consumer_instances_max = 2;
    make(w, "a", "binary", "");
    make(w, "b", "binary", "");
    assert_int_equal(ask(w, consumers_post, NULL, NULL, NULL, "{\"name\":\"c\"}"), 503);
    assert_int_equal(ask(w, consumers_delete, "a", NULL, NULL, NULL), 204);
    for (int i = 0; ask(w, consumers_post, NULL, NULL, NULL, "{\"name\":\"c\"}") != 200; i++) { /* a is freed behind its answer */
        assert_true(i < 1000);
        clock_sleep_ms(1);
    }
}

static void binary_records(void **state)
{
    static const struct { const char *value; size_t n; const char *shown; } cases[] = {
        {"", 0, "\"\""}, {"f", 1, "\"Zg==\""}, {"fo", 2, "\"Zm8=\""}, {"foo", 3, "\"Zm9v\""}, {"foob", 4, "\"Zm9vYg==\""},
        {"fooba", 5, "\"Zm9vYmE=\""}, {"foobar", 6, "\"Zm9vYmFy\""}, {"foobarfooba", 11, "\"Zm9vYmFyZm9vYmE=\""},
        {"\xff\xfe\xfd\0\0\0\xfb", 7, "\"//79AAAA+w==\""}, {NULL, 0, "null"},
    };
    make_and_subscribe(*state, "c", "binary", QUICK);
    for (size_t i = 0; i < N(cases); i++) {
        char expected[200];
        add(1, i % 2 ? "k" : NULL, cases[i].value, cases[i].n);
        assert_int_equal(ask(*state, consumers_get_records, "c", NULL, NULL, NULL), 200);
        snprintf(expected, sizeof expected, "[{\"topic\":\"t\",\"key\":%s,\"value\":%s,\"partition\":1,\"offset\":%zu}]", i % 2 ? "\"aw==\"" : "null",
                 cases[i].shown, i);
        assert_string_equal(said, expected);
    }
}

static void json_records_and_poison(void **state)
{
    make_and_subscribe(*state, "c", "json", QUICK);
    add(0, "\"k\"", " {\"a\":[1.10,12345678901234567890123]} ", 38);
    add_text(0, NULL);
    add_text(0, "not json");
    add_text(0, "3");
    assert_int_equal(ask(*state, consumers_get_records, "c", NULL, MEDIA_JSON, NULL), 200);
    assert_string_equal(said, "[{\"topic\":\"t\",\"key\":\"k\",\"value\":{\"a\":[1.10,12345678901234567890123]},\"partition\":0,\"offset\":0},"
                              "{\"topic\":\"t\",\"key\":null,\"value\":null,\"partition\":0,\"offset\":1}]");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(*state, consumers_get_records, "c", NULL, MEDIA_JSON, NULL), 408);
        assert_int_equal(code_said(), 40801);
        assert_non_null(strstr(said, "t-0 at offset 2"));
    }
    assert_int_equal(store.stored[0], 2);
    assert_int_equal(ask(*state, consumers_post_positions, "c", NULL, NULL, "{\"offsets\":[{\"topic\":\"t\",\"partition\":0,\"offset\":3}]}"), 204);
    assert_int_equal(ask(*state, consumers_get_records, "c", NULL, MEDIA_JSON, NULL), 200);
    assert_string_equal(said, "[{\"topic\":\"t\",\"key\":null,\"value\":3,\"partition\":0,\"offset\":3}]");
}

static void formats_must_agree(void **state)
{
    static const struct { const char *format, *accept; int status; } cases[] = {
        {"binary", MEDIA_BINARY, 200}, {"binary", MEDIA_V2, 200}, {"binary", MEDIA_JSON, 406}, {"binary", MEDIA_AVRO, 406},
        {"json", MEDIA_V2, 406}, {"json", MEDIA_BINARY, 406}, {"json", MEDIA_JSON, 200}, {"avro", MEDIA_AVRO, 200},
        {"avro", "application/vnd.kafka.jsonschema.v2+json", 200}, {"avro", "application/vnd.kafka.protobuf.v2+json", 200},
        {"binary", "application/vnd.kafka.protobuf.v2+json", 406},
    };
    for (size_t i = 0; i < N(cases); i++) {
        make(*state, "c", cases[i].format, QUICK);
        int status = ask(*state, consumers_get_records, "c", "timeout=1", cases[i].accept, NULL);
        if (status != cases[i].status || (status == 406 && code_said() != 40601))
            fail_msg("%s read as %s: %d %s", cases[i].format, cases[i].accept, status, said);
        assert_int_equal(ask(*state, consumers_delete, "c", NULL, NULL, NULL), 204);
    }
    make_and_subscribe(*state, "d", "binary", QUICK);
    add_text(0, "x");
    assert_int_equal(ask(*state, consumers_get_records, "d", NULL, MEDIA_JSON, NULL), 406);
    struct request head = {.group = "g", .instance = "d", .method = "HEAD"};
    send_request(*state, consumers_get_records, &head);
    assert_int_equal(head.reply.status, 200);
    drop(&head);
    assert_int_equal(ask(*state, consumers_get_records, "d", NULL, NULL, NULL), 200);
    assert_int_equal(count("\"offset\""), 1); /* neither took it */
}

static void max_bytes(void **state)
{
    make_and_subscribe(*state, "c", "binary", QUICK);
    for (int i = 0; i < 10; i++)
        add_text(0, "0123456789");
    static const struct { const char *query; int records; } cases[] = {
        {"max_bytes=1", 0}, {"max_bytes=10", 0}, {"max_bytes=11", 1}, {"max_bytes=30", 2}, {"max_bytes=31", 3}, {"max_bytes=0", 4}, {"", 0},
    };
    for (size_t i = 0; i < N(cases); i++) {
        assert_int_equal(ask(*state, consumers_get_records, "c", cases[i].query, NULL, NULL), 200);
        if (count("\"offset\"") != cases[i].records)
            fail_msg("%s: %s", cases[i].query, said);
    }
    assert_int_equal(ask(*state, consumers_get_records, "c", "max_bytes=many", NULL, NULL), 404);
    assert_int_equal(ask(*state, consumers_get_records, "c", "timeout=abc", NULL, NULL), 404);
    assert_int_equal(ask(*state, consumers_get_records, "c", "max_bytes=99999999999999&timeout=1", NULL, NULL), 200);
}

static int64_t ask_for_ms(struct world *w, const char *instance, const char *query)
{
    int64_t began = clock_mono_ms();
    assert_int_equal(ask(w, consumers_get_records, instance, query, NULL, NULL), 200);
    return clock_mono_ms() - began;
}

static void times(void **state)
{
    make_and_subscribe(*state, "whole", "binary", ",\"consumer.request.timeout.ms\":1000");
    add_text(0, "x");
    int64_t ms = ask_for_ms(*state, "whole", "");
    assert_true(ms >= 999 && ms < 8000); /* with the default minimum a read lasts its whole time, even with data */
    assert_int_equal(count("\"offset\""), 1);
    ms = ask_for_ms(*state, "whole", "timeout=0");
    assert_true(ms >= 999); /* 0 is the default */
    ms = ask_for_ms(*state, "whole", "timeout=10");
    assert_true(ms >= 9 && ms < 950);
    ms = ask_for_ms(*state, "whole", "timeout=20000");
    assert_true(ms >= 999 && ms < 15000); /* more than the default has no effect */
    make_and_subscribe(*state, "quick", "binary", ",\"fetch.min.bytes\":1,\"consumer.request.timeout.ms\":20000");
    add_text(0, "yy");
    ms = ask_for_ms(*state, "quick", "");
    assert_true(ms < 15000);
    assert_int_equal(count("\"offset\""), 2);
    make_and_subscribe(*state, "none", "binary", ",\"consumer.request.timeout.ms\":0");
    ms = ask_for_ms(*state, "none", "");
    assert_true(ms < 950);
    assert_int_equal(count("\"offset\""), 2); /* one round is made all the same */
}

static void a_wake_ends_the_wait(void **state)
{
    make_and_subscribe(*state, "c", "binary", QUICK ",\"consumer.request.timeout.ms\":30000");
    struct request req = {.group = "g", .instance = "c"};
    send_request(*state, consumers_get_records, &req);
    clock_sleep_ms(30);
    assert_false(is_finished(&req));
    int64_t began = clock_mono_ms();
    add_text(2, "x");
    finish(&req);
    assert_true(clock_mono_ms() - began < 900); /* (without it: the look of each second) */
    assert_non_null(strstr(buf_cstr(&req.reply.body), "\"partition\":2"));
    drop(&req);
}

static void a_client_that_goes_away_loses_nothing(void **state)
{
    make_and_subscribe(*state, "c", "binary", ",\"consumer.request.timeout.ms\":30000");
    add_text(0, "a");
    add_text(1, "b");
    struct request req = {.group = "g", .instance = "c"}, behind = {.group = "g", .instance = "c", .query = "timeout=20"};
    send_request(*state, consumers_get_records, &req);
    clock_sleep_ms(100); /* it holds both by now */
    send_request(*state, consumers_get_records, &behind);
    finish(&behind);
    assert_string_equal(buf_cstr(&behind.reply.body), "[]"); /* they are in the first one's hands */
    drop(&behind);
    int64_t began = clock_mono_ms();
    req.gone(req.gone_ctx);
    finish(&req);
    assert_true(clock_mono_ms() - began < 1000);
    assert_string_equal(buf_cstr(&req.reply.body), "[]");
    drop(&req);
    assert_int_equal(store.stored[0], -1);
    assert_int_equal(ask(*state, consumers_get_records, "c", "timeout=20", NULL, NULL), 200);
    assert_int_equal(count("\"offset\""), 2);
    assert_int_equal(ask(*state, consumers_get_assignments, "c", NULL, NULL, NULL), 200); /* comes behind what the read stores */
    assert_int_equal(store.stored[0], 1);
    assert_int_equal(store.stored[1], 1);
}

static void gone_while_a_commit_hangs(void **state)
{
    make_and_subscribe(*state, "c", "binary", ",\"consumer.request.timeout.ms\":30000");
    add_text(0, "a");
    struct request req = {.group = "g", .instance = "c"}, commit = {.group = "g", .instance = "c"}, late = {.group = "g", .instance = "c", .query = "timeout=30"};
    send_request(*state, consumers_get_records, &req);
    clock_sleep_ms(100);
    store.commit_ms = 1500;
    int64_t began = clock_mono_ms();
    send_request(*state, consumers_post_offsets, &commit);
    send_request(*state, consumers_get_records, &late);
    clock_sleep_ms(20);
    req.gone(req.gone_ctx);
    finish(&req);
    finish(&late);
    assert_string_equal(buf_cstr(&late.reply.body), "[]");
    assert_true(clock_mono_ms() - began < 1000); /* neither waits for the commit */
    finish(&commit);
    drop(&req);
    drop(&commit);
    drop(&late);
    store.commit_ms = 0;
    assert_int_equal(ask(*state, consumers_get_records, "c", "timeout=50", NULL, NULL), 200);
    assert_int_equal(count("\"offset\""), 1);
}

static void deletion_ends_the_wait(void **state)
{
    make_and_subscribe(*state, "empty", "binary", ",\"consumer.request.timeout.ms\":30000");
    struct request req = {.group = "g", .instance = "empty"};
    send_request(*state, consumers_get_records, &req);
    clock_sleep_ms(20);
    assert_int_equal(ask(*state, consumers_delete, "empty", NULL, NULL, NULL), 204);
    finish(&req);
    assert_int_equal(req.reply.status, 404);
    drop(&req);

    make_and_subscribe(*state, "full", "binary", ",\"consumer.request.timeout.ms\":30000");
    add_text(0, "a");
    req = (struct request){.group = "g", .instance = "full"};
    send_request(*state, consumers_get_records, &req);
    clock_sleep_ms(100);
    assert_int_equal(ask(*state, consumers_delete, "full", NULL, NULL, NULL), 204);
    finish(&req);
    assert_int_equal(req.reply.status, 200);
    assert_non_null(strstr(buf_cstr(&req.reply.body), "\"offset\":0"));
    drop(&req);
    assert_int_equal(store.committed[0], 1); /* what was given counts, and the closing commits it */
}

static void expiry(void **state)
{
    struct world *w = *state;
    restart(w, 200);
    make(w, "idle", "binary", "");
    make_and_subscribe(w, "read", "binary", ",\"consumer.request.timeout.ms\":700");
    struct request req = {.group = "g", .instance = "read"};
    send_request(w, consumers_get_records, &req);
    finish(&req); /* lasts longer than an idle instance lives */
    assert_int_equal(req.reply.status, 200);
    drop(&req);
    assert_int_equal(ask(w, consumers_get_subscription, "read", NULL, NULL, NULL), 200);
    assert_int_equal(ask(w, consumers_get_subscription, "idle", NULL, NULL, NULL), 404);
    clock_sleep_ms(1000);
    assert_int_equal(ask(w, consumers_get_subscription, "read", NULL, NULL, NULL), 404);
}

static void subscriptions(void **state)
{
    static const struct { http_handler *handle; const char *body; int status, code; const char *said; } steps[] = {
        {consumers_get_subscription, NULL, 200, 0, "{\"topics\":[]}"},
        {consumers_get_assignments, NULL, 200, 0, "{\"partitions\":[]}"},
        {consumers_post_subscription, NULL, 422, 422, "subscribe.subscription must not be null (was null)"},
        {consumers_post_subscription, "null", 422, 422, NULL},
        {consumers_post_subscription, "{\"topic\":[]}", 422, 422, "Unrecognized field: topic"},
        {consumers_post_subscription, "{\"topics\":\"t\"}", 400, 400, NULL},
        {consumers_post_subscription, "{\"topics\":[\"\"]}", 422, 422, NULL},
        {consumers_post_subscription, "{\"topics\":[{}]}", 400, 400, NULL},
        {consumers_post_subscription, "{}", 204, 0, ""},
        {consumers_get_subscription, NULL, 200, 0, "{\"topics\":[]}"},
        {consumers_post_subscription, "{\"topic_pattern\":\"(\"}", 422, 422, "missing )"},
        {consumers_post_subscription, "{\"topic_pattern\":\"t.*\"}", 204, 0, ""},
        {consumers_post_subscription, "{\"topics\":[\"t\"],\"topic_pattern\":\"(\"}", 204, 0, ""},
        {consumers_get_subscription, NULL, 200, 0, "{\"topics\":[\"t\"]}"},
        {consumers_post_assignments, "{\"partitions\":[{\"topic\":\"t\",\"partition\":0}]}", 409, 40903, "Illegal state: "},
        {consumers_delete_subscription, NULL, 204, 0, ""},
        {consumers_post_assignments, NULL, 422, 422, NULL},
        {consumers_post_assignments, "{}", 422, 422, NULL},
        {consumers_post_assignments, "{\"partitions\":[null]}", 422, 422, NULL},
        {consumers_post_assignments, "{\"partitions\":[{\"topic\":\"t\"}]}", 400, 400, NULL},
        {consumers_post_assignments, "{\"partitions\":[{\"topic\":\"t\",\"partition\":\"x\"}]}", 400, 400, NULL},
        {consumers_post_assignments, "{\"partitions\":[{\"topic\":\"t\",\"partition\":3000000000}]}", 400, 400, NULL},
        {consumers_post_assignments, "{\"partitions\":[{\"topic\":\"t\",\"partition\":-1}]}", 422, 422, NULL},
        {consumers_post_assignments, "{\"partitions\":[{\"topic\":\"t\",\"partition\":\"1\"},{\"topic\":\"t\",\"partition\":2.7}]}", 204, 0, ""},
        {consumers_get_assignments, NULL, 200, 0, "{\"partitions\":[{\"topic\":\"t\",\"partition\":1},{\"topic\":\"t\",\"partition\":2}]}"},
        {consumers_post_subscription, "{\"topics\":[\"t\"]}", 409, 40903, "Illegal state: "},
        {consumers_post_positions, NULL, 422, 422, NULL},
        {consumers_post_positions, "{}", 422, 422, NULL},
        {consumers_post_positions, "{\"offsets\":[{\"topic\":\"t\",\"partition\":0,\"offset\":0}]}", 409, 40903,
         "Illegal state: No current assignment for partition t-0"},
        {consumers_post_positions, "{\"offsets\":[{\"topic\":\"t\",\"partition\":1,\"offset\":-1}]}", 422, 422, NULL},
        {consumers_post_positions, "{\"offsets\":[{\"topic\":\"t\",\"partition\":1}]}", 400, 400, NULL},
        {consumers_post_positions, "{\"offsets\":[{\"topic\":\"t\",\"partition\":1,\"offset\":99,\"metadata\":\"m\"}]}", 204, 0, ""},
        {consumers_post_positions, "{\"timestamps\":[{\"topic\":\"t\",\"partition\":1,\"timestamp\":1.5}]}", 204, 0, ""},
        {consumers_post_positions, "{\"timestamps\":[{\"topic\":\"t\",\"partition\":1,\"timestamp\":\"1970-01-01T00:00:02Z\"}]}", 204, 0, ""},
        {consumers_post_positions, "{\"timestamps\":[{\"topic\":\"t\",\"partition\":1,\"timestamp\":\"noon\"}]}", 400, 400, NULL},
        {consumers_post_beginning, "{\"partitions\":[]}", 204, 0, ""},
        {consumers_post_end, "{\"partitions\":[{\"topic\":\"t\",\"partition\":2}]}", 204, 0, ""},
        {consumers_post_end, "{\"partitions\":[{\"topic\":\"t\",\"partition\":3}]}", 409, 40903, NULL},
        {consumers_post_end, "{}", 422, 422, NULL},
        {consumers_get_offsets, NULL, 404, 40402, NULL},
        {consumers_get_offsets, "{\"partitions\":[{\"topic\":\"t\",\"partition\":3}]}", 200, 0, "{\"offsets\":[]}"},
        {consumers_post_offsets, "{\"offsets\":[{\"topic\":\"t\",\"partition\":3,\"offset\":9,\"metadata\":\"m\"},"
                                 "{\"topic\":\"t\",\"partition\":2,\"offset\":\"4\"}]}", 200, 0, "[]"},
        {consumers_get_offsets, "{\"partitions\":[{\"topic\":\"t\",\"partition\":2},{\"topic\":\"t\",\"partition\":3}]}", 200, 0,
         "{\"offsets\":[{\"topic\":\"t\",\"partition\":2,\"offset\":5,\"metadata\":\"\"},{\"topic\":\"t\",\"partition\":3,\"offset\":10,\"metadata\":\"m\"}]}"},
        {consumers_post_offsets, "{\"offsets\":[]}", 200, 0, "[]"},
        {consumers_post_offsets, "{\"offsets\":[{\"topic\":\"t\",\"partition\":3,\"offset\":9223372036854775807}]}", 422, 422, NULL},
        {consumers_post_offsets, "{\"offset\":[]}", 422, 422, NULL},
        {consumers_post_offsets, "{}", 200, 0, "[]"},
        {consumers_post_offsets, NULL, 200, 0, "[]"},
    };
    make(*state, "c", "binary", "");
    for (size_t i = 0; i < N(steps); i++) {
        int status = ask(*state, steps[i].handle, "c", NULL, NULL, steps[i].body);
        if (status != steps[i].status || code_said() != steps[i].code || (steps[i].said != NULL && strstr(said, steps[i].said) == NULL))
            fail_msg("step %zu, %s: %d %s", i, steps[i].body != NULL ? steps[i].body : "(none)", status, said);
    }
}

static void a_seek_forgets_what_was_polled_of_that_partition(void **state)
{
    make_and_subscribe(*state, "c", "binary", QUICK);
    for (int i = 0; i < 5; i++) {
        add_text(0, "zero");
        add_text(1, "one");
    }
    assert_int_equal(ask(*state, consumers_get_records, "c", "max_bytes=10", NULL, NULL), 200);
    assert_int_equal(count("\"partition\":0"), 2); /* the rest of both waits */
    assert_int_equal(ask(*state, consumers_post_beginning, "c", NULL, NULL, "{\"partitions\":[{\"topic\":\"t\",\"partition\":0}]}"), 204);
    int zero = 0, one = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(*state, consumers_get_records, "c", NULL, NULL, NULL), 200);
        zero += count("\"partition\":0");
        one += count("\"partition\":1");
    }
    assert_int_equal(zero, 5);
    assert_int_equal(one, 5);
    assert_int_equal(ask(*state, consumers_post_positions, "c", NULL, NULL, "{\"offsets\":[{\"topic\":\"t\",\"partition\":1,\"offset\":2}]}"), 204);
    assert_int_equal(ask(*state, consumers_post_offsets, "c", NULL, NULL, NULL), 200);
    assert_int_equal(store.committed[1], 2); /* the position is where it was sought */
    assert_int_equal(store.committed[0], 5);
}

static void a_seek_while_a_read_holds_records(void **state)
{
    make_and_subscribe(*state, "c", "binary", ",\"consumer.request.timeout.ms\":1500");
    add_text(0, "a");
    add_text(0, "b");
    struct request req = {.group = "g", .instance = "c"};
    send_request(*state, consumers_get_records, &req);
    clock_sleep_ms(200);
    assert_int_equal(ask(*state, consumers_post_positions, "c", NULL, NULL, "{\"offsets\":[{\"topic\":\"t\",\"partition\":0,\"offset\":1}]}"), 204);
    finish(&req);
    snprintf(said, sizeof said, "%s", buf_cstr(&req.reply.body));
    drop(&req);
    assert_int_equal(count("\"offset\":0"), 1);
    assert_int_equal(count("\"offset\":1"), 2); /* read before the seek and again behind it */
}

static void commit_without_a_list(void **state)
{
    make_and_subscribe(*state, "c", "binary", QUICK ",\"auto.commit.enable\":false");
    assert_int_equal(ask(*state, consumers_post_offsets, "c", NULL, NULL, NULL), 200);
    assert_int_equal(store.committed[0], -1); /* nothing was read */
    for (int i = 0; i < 3; i++)
        add_text(0, "0123456789");
    assert_int_equal(ask(*state, consumers_get_records, "c", "max_bytes=25", NULL, NULL), 200);
    assert_int_equal(count("\"offset\""), 2);
    assert_int_equal(ask(*state, consumers_post_offsets, "c", "async=true", NULL, NULL), 200);
    assert_string_equal(said, "[]");
    assert_int_equal(ask(*state, consumers_get_offsets, "c", NULL, NULL, "{\"partitions\":[{\"topic\":\"t\",\"partition\":0}]}"), 200);
    assert_string_equal(said, "{\"offsets\":[{\"topic\":\"t\",\"partition\":0,\"offset\":2,\"metadata\":\"\"}]}");
    restart(*state, 300000);
    make_and_subscribe(*state, "c", "binary", QUICK);
    assert_int_equal(ask(*state, consumers_get_records, "c", NULL, NULL, NULL), 200);
    assert_int_equal(count("\"offset\":2"), 1); /* polled once before, but never given */
    assert_int_equal(count("\"offset\""), 1);
}

/* Waits until the answer behind the last one is made. */
static void wait_for_ahead(struct world *w)
{
    for (int i = 0;; i++) {
        struct request of = {.group = "g", .instance = "c"};
        struct consumer *c = consumers_lock_instance(w->proxy.consumers, &of, NULL);
        bool made = c->owner == OWNER_NONE && c->ahead.answer.count != 0;
        pthread_mutex_unlock(&w->proxy.consumers->lock);
        arena_clear(&of.arena);
        if (made)
            return;
        assert_true(i < 2000);
        clock_sleep_ms(1);
    }
}

static void the_next_answer_is_made_ahead(void **state)
{
    struct world *w = *state;
    w->conf.consumer_max_poll_records = 10;
    make_and_subscribe(w, "c", "binary", QUICK);
    for (int i = 0; i < 100; i++)
        add_text(0, "0123456789");
    assert_int_equal(ask(w, consumers_get_records, "c", NULL, NULL, NULL), 200);
    wait_for_ahead(w);
    assert_int_equal(store.stored[0], 10); /* made, not given */
    struct request req = {.group = "g", .instance = "c"};
    send_request(w, consumers_get_records, &req);
    assert_true(req.reply.finished); /* by the handler itself */
    assert_null(strstr(buf_cstr(&req.reply.body), "\"offset\":9}"));
    assert_non_null(strstr(buf_cstr(&req.reply.body), "[{\"topic\":\"t\",\"key\":null,\"value\":\"MDEyMzQ1Njc4OQ==\",\"partition\":0,\"offset\":10}"));
    assert_non_null(strstr(buf_cstr(&req.reply.body), "\"offset\":19}]"));
    drop(&req);
    assert_int_equal(ask(w, consumers_post_offsets, "c", NULL, NULL, NULL), 200);
    assert_int_equal(store.committed[0], 20);
    wait_for_ahead(w);
    assert_int_equal(ask(w, consumers_get_records, "c", "max_bytes=31", NULL, NULL), 200); /* less than was made */
    assert_int_equal(count("\"offset\""), 3);
    assert_non_null(strstr(said, "\"offset\":20}"));
    wait_for_ahead(w);
    assert_int_equal(ask(w, consumers_get_records, "c", "max_bytes=41", NULL, NULL), 200); /* more */
    assert_int_equal(count("\"offset\""), 4);
    assert_non_null(strstr(said, "\"offset\":23}"));
    wait_for_ahead(w);
    assert_int_equal(ask(w, consumers_post_positions, "c", NULL, NULL, "{\"offsets\":[{\"topic\":\"t\",\"partition\":0,\"offset\":5}]}"), 204);
    assert_int_equal(ask(w, consumers_get_records, "c", "max_bytes=41", NULL, NULL), 200);
    assert_non_null(strstr(said, "[{\"topic\":\"t\",\"key\":null,\"value\":\"MDEyMzQ1Njc4OQ==\",\"partition\":0,\"offset\":5}"));
    wait_for_ahead(w);
    clock_sleep_ms(1300); /* nobody came for it: it is undone, and loses nothing */
    assert_int_equal(ask(w, consumers_get_records, "c", "max_bytes=41", NULL, NULL), 200);
    assert_non_null(strstr(said, "\"offset\":9}"));
    wait_for_ahead(w);
    assert_int_equal(ask(w, consumers_delete, "c", NULL, NULL, NULL), 204);
    assert_int_equal(store.committed[0], 13); /* what was given, and no more */
}

static void errors_of_the_log(void **state)
{
    make_and_subscribe(*state, "c", "binary", QUICK);
    store.fail_poll = 1;
    assert_int_equal(ask(*state, consumers_get_records, "c", NULL, NULL, NULL), 500);
    assert_int_equal(code_said(), 50002);
    assert_non_null(strstr(said, "offset 5 of t-0"));
    add_text(0, "x");
    assert_int_equal(ask(*state, consumers_get_records, "c", NULL, NULL, NULL), 200);
    assert_int_equal(count("\"offset\""), 1);
}

static void avro_records(void **state)
{
    make_and_subscribe(*state, "c", "avro", QUICK);
    add(0, NULL, "\0\0\0\0\x02hello", 10);
    add(0, NULL, "\0\0\0\0\x04there", 10);
    assert_int_equal(ask(*state, consumers_get_records, "c", NULL, MEDIA_AVRO, NULL), 200);
    if (count("\"offset\"") == 1) { /* answered while the second schema was being asked for */
        assert_non_null(strstr(said, "\"value\":\"hello\""));
        assert_int_equal(ask(*state, consumers_get_records, "c", NULL, MEDIA_AVRO, NULL), 200);
    }
    assert_non_null(strstr(said, "\"value\":\"there\""));
    assert_int_equal(fetches, 2);
    static const struct { const char *bytes; size_t n; const char *says; } bad[] = {
        {"\0\0\0\0\x01x", 6, "Schema not found"},
        {"\0\0\0\0\x02", 5, "schema 2 does not fit"},
        {"plain", 5, "magic byte"},
        {"\0\0", 2, "truncated"},
        {"", 0, "empty"},
        {"\x01" "0123456789abcdef", 17, "GUID"},
    };
    for (size_t i = 0; i < N(bad); i++) {
        int offset = (int)store.end[0];
        char body[100];
        add(0, NULL, bad[i].bytes, bad[i].n);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(ask(*state, consumers_get_records, "c", NULL, MEDIA_AVRO, NULL), 408);
            assert_int_equal(code_said(), 40801);
            if (strstr(said, bad[i].says) == NULL)
                fail_msg("%zu: %s", i, said);
        }
        snprintf(body, sizeof body, "{\"offsets\":[{\"topic\":\"t\",\"partition\":0,\"offset\":%d}]}", offset + 1);
        assert_int_equal(ask(*state, consumers_post_positions, "c", NULL, NULL, body), 204);
    }
}

static void a_slow_registry_does_not_hold_the_read(void **state)
{
    make_and_subscribe(*state, "c", "avro", ",\"fetch.min.bytes\":0,\"consumer.request.timeout.ms\":100");
    atomic_store(&fetch_ms, 600);
    add(0, NULL, "\0\0\0\0\x06hello", 10);
    int64_t began = clock_mono_ms();
    assert_int_equal(ask(*state, consumers_get_records, "c", NULL, MEDIA_AVRO, NULL), 200);
    assert_string_equal(said, "[]");
    assert_int_equal(ask(*state, consumers_post_offsets, "c", NULL, NULL, NULL), 200); /* nor other calls */
    assert_true(clock_mono_ms() - began < 500);
    clock_sleep_ms(700);
    assert_int_equal(ask(*state, consumers_get_records, "c", NULL, MEDIA_AVRO, NULL), 200);
    assert_int_equal(count("\"value\":\"hello\""), 1);
    assert_int_equal(fetches, 1);
    make_and_subscribe(*state, "d", "avro", ",\"fetch.min.bytes\":0,\"consumer.request.timeout.ms\":20");
    atomic_store(&known, 0);
    assert_int_equal(ask(*state, consumers_get_records, "d", NULL, MEDIA_AVRO, NULL), 200); /* and is closed while its fetch is under way */
}

static void many_idle_instances(void **state)
{
    struct world *w = *state;
    char name[20];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "c%d", i);
        make(w, name, "binary", "");
    }
    assert_int_equal(store.nmembers, 1000);
    int64_t began = clock_mono_ms();
    restart(w, 300000);
    assert_true(clock_mono_ms() - began < 5000);
    assert_int_equal(store.nmembers, 0);
}

/* ---- everything at once --------------------------------------------------------------------------------------------------------------------- */

struct client_thread {
    struct world *w;
    unsigned seed;
    int reads, records;
};

/* As a server says it: once, and not behind the answer. */
static void go_away(struct request *req)
{
    clock_sleep_ms(1);
    pthread_mutex_lock(&req->reply.lock);
    if (!req->reply.finished && req->gone != NULL)
        req->gone(req->gone_ctx);
    pthread_mutex_unlock(&req->reply.lock);
}

static void *act(void *arg)
{
    struct client_thread *me = arg;
    for (int i = 0; i < 150; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", rand_r(&me->seed) % 3);
        struct request req = {.group = "g", .instance = name, .query = "timeout=3&max_bytes=50", .accept = MEDIA_BINARY};
        http_handler *handle = consumers_get_records;
        switch (rand_r(&me->seed) % 12) {
        case 0: handle = consumers_delete; break;
        case 1: case 2: handle = consumers_post; req.body = arena_printf(&req.arena, "{\"name\":\"%s\",\"auto.offset.reset\":\"earliest\"" QUICK "}", name); break;
        case 3: handle = consumers_post_offsets; break;
        case 4: handle = consumers_post_beginning; req.body = STR("{\"partitions\":[]}"); break;
        case 5: case 6: handle = consumers_post_subscription; req.body = STR("{\"topics\":[\"t\"]}"); break;
        default: me->reads++;
        }
        send_request(me->w, handle, &req);
        if (handle == consumers_get_records && rand_r(&me->seed) % 4 == 0)
            go_away(&req);
        finish(&req);
        for (struct str rest = buf_str(&req.reply.body); rest.n > 9; rest.p++, rest.n--)
            me->records += memcmp(rest.p, "\"offset\":", 9) == 0;
        drop(&req);
    }
    return NULL;
}

static void everything_at_once(void **state)
{
    struct client_thread clients[6];
    pthread_t threads[N(clients)];
    int reads = 0, records = 0;
    ((struct world *)*state)->conf.consumer_max_poll_records = 20;
    for (size_t i = 0; i < N(clients); i++) {
        clients[i] = (struct client_thread){.w = *state, .seed = (unsigned)i * 77 + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, act, &clients[i]), 0);
    }
    for (int i = 0; i < 200; i++) {
        add_text(i % PARTITIONS, "0123456789");
        clock_sleep_ms(1);
    }
    for (size_t i = 0; i < N(clients); i++) {
        pthread_join(threads[i], NULL);
        reads += clients[i].reads;
        records += clients[i].records;
    }
    assert_true(reads > 100 && records > 100);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(creation), CASE(names_and_uris), CASE(a_failed_creation_frees_the_name), CASE(no_more_than_the_limit), CASE(binary_records),
        CASE(json_records_and_poison), CASE(formats_must_agree), CASE(max_bytes), CASE(times), CASE(a_wake_ends_the_wait),
        CASE(a_client_that_goes_away_loses_nothing), CASE(gone_while_a_commit_hangs), CASE(deletion_ends_the_wait), CASE(expiry),
        CASE(subscriptions), CASE(a_seek_forgets_what_was_polled_of_that_partition), CASE(a_seek_while_a_read_holds_records),
        CASE(commit_without_a_list), CASE(the_next_answer_is_made_ahead), CASE(errors_of_the_log), CASE(avro_records), CASE(a_slow_registry_does_not_hold_the_read),
        CASE(many_idle_instances), CASE(everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
