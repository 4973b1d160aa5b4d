/* The registry whole: its threads and its server over a real log, with what other writers left in the topic, with several nodes at once, and
 * with a pen that fails at every point. */
#include "tests/unit/storage_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/json.h"
#include "base/own.h"
#include "http/server.h"
#include "registry/conf.h"
#include "storage/engine.h"
#include "tests/unit/http_client.h"

struct node {
    struct registry_conf *conf;
    struct registry *registry;
    struct server *server;
    int port;
};

static void node_start(struct node *n, struct storage *storage, struct str topic)
{
    struct err err = {0};
    n->conf = registry_conf_new();
    assert_int_equal(conf_set(&registry_conf_table, n->conf, STR("kafkastore.topic"), topic, "test", &err), 0);
    assert_int_equal(conf_set(&registry_conf_table, n->conf, STR("schema.registry.group.id"), topic, "test", &err), 0);
    n->registry = registry_new(storage, n->conf, &err);
    if (n->registry == NULL)
        fail_msg("%s", err.text);
    const struct server_options so = {.listen = "127.0.0.1:0"};
    n->server = server_new(&so, registry_service(n->registry), &err);
    assert_non_null(n->server);
    n->port = server_port(n->server);
    for (int64_t end = clock_mono_ms() + WAIT_MS; registry_ready(n->registry, NULL) < 0; clock_sleep_ms(2))
        assert_true(clock_mono_ms() < end);
}

static void node_stop(struct node *n)
{
    server_stop(n->server, 1000);
    registry_free(n->registry);
    registry_conf_free(n->conf);
}

/* One request on its own connection; the body's text is in out. */
static int ask(const struct node *n, const char *method, const char *path, const char *body, struct buf *out)
{
    OWN_BY(buf_clear) struct buf text = {0};
    struct client c = {0};
    client_open(&c, n->port);
    buf_printf(&text, "%s %s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", method, path,
               strlen(body), body);
    client_send(&c, buf_str(&text));
    struct answer a = client_read(&c, false, WAIT_MS);
    buf_reset(out);
    buf_put_str(out, a.body);
    int status = a.status;
    client_close(&c);
    return status;
}

static int post_text(const struct node *n, const char *subject, const char *schema, struct buf *out)
{
    char path[200], body[400];
    snprintf(path, sizeof path, "/subjects/%s/versions", subject);
    snprintf(body, sizeof body, "{\"schema\":\"%s\"}", schema);
    return ask(n, "POST", path, body, out);
}

static void assert_has(struct buf *out, const char *part)
{
    if (strstr(buf_cstr(out), part) == NULL)
        fail_msg("%s is not in %s", part, buf_cstr(out));
}

static int64_t id_in(struct buf *out)
{
    OWN_BY(arena_clear) struct arena a = {0};
    const struct json *v = json_get(json_parse(buf_str(out), JSON_DUP_LAST, 0, &a, NULL), "id");
    int64_t id = 0;
    assert_true(json_is(v, JSON_T_NUMBER) && json_number_i64(v->text, &id));
    return id;
}

/* ---- the topic --------------------------------------------------------------------------------------------------------- */

static void the_topic_holds_the_contracts_records(void **state)
{
    struct fixture *f = fixture(state);
    OWN_BY(buf_clear) struct buf out = {0};
    struct str topic = fixture_name(f, "reg");
    struct node n;
    node_start(&n, f->storage, topic);
    assert_int_equal(post_text(&n, "s", "\\\"string\\\"", &out), 200);
    assert_int_equal(ask(&n, "PUT", "/config", "{\"compatibility\":\"full\"}", &out), 200);
    assert_int_equal(ask(&n, "PUT", "/mode/s", "{\"mode\":\"READWRITE\"}", &out), 200);
    assert_int_equal(ask(&n, "DELETE", "/subjects/s", "", &out), 200);
    assert_int_equal(ask(&n, "DELETE", "/subjects/s?permanent=true", "", &out), 200);
    node_stop(&n);
    static const char *const expected[][2] = {
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}",
         "{\"subject\":\"s\",\"version\":1,\"id\":1,\"schemaType\":\"AVRO\",\"schema\":\"\\\"string\\\"\",\"deleted\":false}"},
        {"{\"keytype\":\"CONFIG\",\"magic\":0}", "{\"compatibilityLevel\":\"FULL\"}"},
        {"{\"keytype\":\"MODE\",\"subject\":\"s\",\"magic\":0}", "{\"subject\":\"s\",\"mode\":\"READWRITE\"}"},
        {"{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"s\",\"magic\":0}", "{\"subject\":\"s\",\"version\":1}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}", NULL},
        {"{\"keytype\":\"MODE\",\"subject\":\"s\",\"magic\":0}", NULL},
    };
    const size_t count = sizeof expected / sizeof *expected;
    struct batch b = {0};
    read_records(f, topic, 0, OFFSET_BEGINNING, count, &b);
    assert_int_equal(b.n, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(str_is(b.records[i].key, expected[i][0]));
        assert_true(str_eq(b.records[i].value, str_of(expected[i][1])) && (b.records[i].value.p == NULL) == (expected[i][1] == NULL));
    }
}

static void a_topic_of_another_registry_is_taken_over(void **state)
{
    struct fixture *f = fixture(state);
    OWN_BY(buf_clear) struct buf out = {0};
    struct str topic = fixture_topic(f, 1, "cleanup.policy", "compact");
    const struct record records[] = {
        {.key = STR("{\"keytype\":\"NOOP\",\"magic\":0}")},
        {.key = STR("{\"keytype\":\"CONFIG\",\"subject\":null,\"magic\":0}"), .value = STR("{\"compatibilityLevel\":\"NONE\"}")},
        {.key = STR("{\"subject\":\"s\",\"version\":1,\"magic\":1,\"keytype\":\"SCHEMA\"}"),
         .value = STR("{\"subject\": \"s\", \"version\": 1, \"id\": 40, \"deleted\": false, \"schema\": \"\\\"int\\\"\"}")},
        {.key = STR("poison"), .value = STR("poison")},
        {.key = STR("{\"keytype\":\"ASSOC\",\"tenant\":\"default\",\"resourceName\":\"t\",\"magic\":0}"), .value = STR("{}")},
        {.key = STR("{\"keytype\":\"SCHEMA\",\"subject\":\"odd\",\"version\":1,\"magic\":1}"),
         .value = STR("{\"subject\":\"odd\",\"version\":1,\"id\":41,\"schema\":\"no Avro\",\"deleted\":false}")},
    };
    produce_ok(f, topic, records, sizeof records / sizeof *records);
    struct node n;
    node_start(&n, f->storage, topic);
    assert_int_equal(ask(&n, "GET", "/schemas/ids/40", "", &out), 200);
    assert_has(&out, "\"schema\":\"\\\"int\\\"\"");
    assert_int_equal(ask(&n, "GET", "/schemas/ids/41", "", &out), 200);
    assert_int_equal(ask(&n, "GET", "/config", "", &out), 200);
    assert_has(&out, "NONE");
    assert_int_equal(post_text(&n, "s", "\\\"string\\\"", &out), 200);
    assert_int_equal(id_in(&out), 42);
    assert_int_equal(post_text(&n, "odd", "\\\"int\\\"", &out), 200); /* level NONE: nobody needs to understand the old one */
    assert_int_equal(ask(&n, "PUT", "/config", "{\"compatibility\":\"BACKWARD\"}", &out), 200);
    node_stop(&n);
    node_start(&n, f->storage, topic);
    assert_int_equal(ask(&n, "GET", "/config", "", &out), 200);
    assert_has(&out, "BACKWARD"); /* also when the old form of the key is read again */
    node_stop(&n);
}

static void a_topic_that_would_lose_schemas_is_refused(void **state)
{
    struct fixture *f = fixture(state);
    struct str topics[] = {fixture_topic(f, 2, "cleanup.policy", "compact"), fixture_topic(f, 1, "cleanup.policy", "delete")};
    const char *const tells[] = {"2 partitions", "cleanup.policy=delete"};
    for (int i = 0; i < 2; i++) {
        struct err err = {0};
        struct registry_conf *conf = registry_conf_new();
        assert_int_equal(conf_set(&registry_conf_table, conf, STR("kafkastore.topic"), topics[i], "test", &err), 0);
        struct registry *r = registry_new(f->storage, conf, &err);
        assert_non_null(r);
        int64_t end = clock_mono_ms() + WAIT_MS;
        do {
            err_clear(&err);
            assert_int_equal(registry_ready(r, &err), -1);
            assert_true(clock_mono_ms() < end);
            clock_sleep_ms(5);
        } while (strstr(err.text, tells[i]) == NULL);
        registry_free(r);
        registry_conf_free(conf);
    }
}

/* ---- many at once ------------------------------------------------------------------------------------------------------ */

enum { CLIENTS = 6, EACH = 12 };

struct load {
    const struct node *node;
    int client;
    int64_t own[EACH], shared[EACH];
};

static void *register_some(void *arg)
{
    struct load *l = arg;
    for (int i = 0; i < EACH; i++) {
        OWN_BY(buf_clear) struct buf out = {0};
        char subject[40], schema[200];
        snprintf(subject, sizeof subject, "own-%d-%d", l->client, i);
        snprintf(schema, sizeof schema, "{\\\"type\\\":\\\"fixed\\\",\\\"name\\\":\\\"F%d_%d\\\",\\\"size\\\":1}", l->client, i);
        if (post_text(l->node, subject, schema, &out) == 200)
            l->own[i] = id_in(&out);
        snprintf(schema, sizeof schema, "{\\\"type\\\":\\\"fixed\\\",\\\"name\\\":\\\"S%d\\\",\\\"size\\\":1}", i);
        snprintf(subject, sizeof subject, "shared-%d", i);
        if (post_text(l->node, subject, schema, &out) == 200)
            l->shared[i] = id_in(&out);
        char path[60];
        snprintf(path, sizeof path, "/schemas/ids/%d", (int)l->own[i]);
        if (ask(l->node, "GET", path, "", &out) != 200)
            l->own[i] = -1; /* read your writes */
    }
    return NULL;
}

static void nodes_that_write_at_once_agree(void **state)
{
    struct fixture *f = fixture(state);
    struct str topic = fixture_name(f, "reg");
    struct node nodes[2];
    struct load loads[CLIENTS] = {0};
    pthread_t threads[CLIENTS];
    node_start(&nodes[0], f->storage, topic);
    node_start(&nodes[1], f->storage, topic);
    for (int i = 0; i < CLIENTS; i++) {
        loads[i] = (struct load){.node = &nodes[i % 2], .client = i};
        pthread_create(&threads[i], NULL, register_some, &loads[i]);
    }
    bool seen[CLIENTS * EACH + EACH + 1] = {0};
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CLIENTS; i++) {
        for (int k = 0; k < EACH; k++) {
            assert_in_range(loads[i].own[k], 1, CLIENTS * EACH + EACH);
            assert_false(seen[loads[i].own[k]]);
            seen[loads[i].own[k]] = true;
            assert_in_range(loads[i].shared[k], 1, CLIENTS * EACH + EACH);
            assert_int_equal(loads[i].shared[k], loads[0].shared[k]);
        }
    }
    for (int k = 0; k < EACH; k++)
        assert_false(seen[loads[0].shared[k]]);
    node_stop(&nodes[0]);
    node_stop(&nodes[1]);
}

/* ---- a pen that fails --------------------------------------------------------------------------------------------------- */

/* The embedded engine with another pen_write; each call does what plan[] says, then the engine's own. */
enum deed { WRITE, WRITE_UNKNOWN, DROP_UNKNOWN, FENCED, TOO_LARGE };
static enum deed deeds[16];
static atomic_int ndone;
static struct engine faulty;

static struct pen *faulty_pen_take(struct storage *s, struct str name, struct str topic, int timeout_ms, int64_t *end, struct err *err)
{
    struct pen *p = sqlite_engine.pen_take(s, name, topic, timeout_ms, end, err);
    if (p != NULL)
        p->engine = &faulty;
    return p;
}

static int faulty_pen_write(struct pen *p, const struct record *records, size_t n, int timeout_ms, int64_t *offsets, struct err *err)
{
    int i = atomic_fetch_add(&ndone, 1);
    enum deed deed = i < 16 ? deeds[i] : WRITE;
    if (deed == FENCED)
        return err_set(err, STORE_FENCED, "fenced");
    if (deed == TOO_LARGE)
        return err_set(err, STORE_TOO_LARGE, "too large");
    if (deed != DROP_UNKNOWN && sqlite_engine.pen_write(p, records, n, timeout_ms, offsets, err) < 0)
        return -1;
    return deed == WRITE ? 0 : err_set(err, STORE_UNKNOWN_OUTCOME, "who knows");
}

static void a_write_of_unknown_outcome_is_done_once(void **state)
{
    static const struct {
        const char *why;
        enum deed deeds[4];
        int register_status, delete_status;
    } cases[] = {
        {"nothing fails", {WRITE, WRITE}, 200, 200},
        {"committed, but nobody said so", {WRITE_UNKNOWN, WRITE_UNKNOWN}, 200, 200},
        {"not committed, and nobody said so", {DROP_UNKNOWN, WRITE, DROP_UNKNOWN, WRITE}, 200, 200},
        {"fenced", {FENCED, WRITE, FENCED, WRITE}, 200, 200},
        {"fenced, then committed without an answer", {FENCED, WRITE_UNKNOWN, FENCED, WRITE_UNKNOWN}, 200, 200},
        {"too large", {TOO_LARGE, WRITE}, 422, 404},
    };
    struct fixture *f = fixture(state);
    faulty = sqlite_engine;
    faulty.pen_take = faulty_pen_take;
    faulty.pen_write = faulty_pen_write;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        OWN_BY(buf_clear) struct buf out = {0};
        struct node n;
        atomic_store(&ndone, 0);
        memset(deeds, WRITE, sizeof deeds);
        memcpy(deeds, cases[i].deeds, sizeof cases[i].deeds);
        f->storage->engine = &faulty;
        node_start(&n, f->storage, fixture_name(f, "reg"));
        if (post_text(&n, "s", "\\\"int\\\"", &out) != cases[i].register_status)
            fail_msg("%s: %s", cases[i].why, buf_cstr(&out));
        if (cases[i].register_status == 200)
            assert_int_equal(id_in(&out), 1);
        /* A delete that was done and is decided again would find nothing to delete. */
        if (ask(&n, "DELETE", "/subjects/s/versions/1", "", &out) != cases[i].delete_status)
            fail_msg("%s: %s", cases[i].why, buf_cstr(&out));
        assert_int_equal(post_text(&n, "t", "\\\"int\\\"", &out), 200);
        assert_int_equal(id_in(&out), 1);
        assert_int_equal(ask(&n, "GET", "/subjects/t/versions", "", &out), 200);
        assert_has(&out, "[1]");
        node_stop(&n);
        f->storage->engine = &sqlite_engine;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_topic_holds_the_contracts_records),
        TEST(a_topic_of_another_registry_is_taken_over),
        TEST(a_topic_that_would_lose_schemas_is_refused),
        TEST(nodes_that_write_at_once_agree),
        {"a_write_of_unknown_outcome_is_done_once", a_write_of_unknown_outcome_is_done_once, fixture_sqlite, fixture_end, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
