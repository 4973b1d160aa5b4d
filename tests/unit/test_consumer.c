/* Consumer instances: made, subscribed, deleted, expired, and all of it at once. */
#include "tests/unit/consumer_fixture.h"

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

static void a_read_that_waits_for_a_failed_creation(void **state)
{
    struct request create = {.group = "g", .body = STR("{\"name\":\"a\"}")}, read = {.group = "g", .instance = "a"};
    store.fail_open = 1;
    store.open_ms = 100;
    send_request(*state, consumers_post, &create);
    send_request(*state, consumers_get_records, &read);
    finish(&read);
    assert_int_equal(read.reply.status, 404);
    finish(&create);
    assert_int_equal(create.reply.status, 403);
    drop(&read);
    drop(&create);
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
    const struct CMUnitTest tests[] = {
        CASE(creation), CASE(names_and_uris), CASE(a_failed_creation_frees_the_name),
        CASE(a_read_that_waits_for_a_failed_creation), CASE(no_more_than_the_limit),
        CASE(deletion_ends_the_wait), CASE(expiry), CASE(subscriptions), CASE(many_idle_instances), CASE(everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
