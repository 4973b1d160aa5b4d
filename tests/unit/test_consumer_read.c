/* Reads of a consumer instance: which records they take, in which form, how long they wait, and what becomes of positions. */
#include "tests/unit/consumer_fixture.h"

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

static void what_was_made_ahead_goes_with_its_assignment(void **state)
{
    struct world *w = *state;
    w->conf.consumer_max_poll_records = 10;
    make(w, "c", "binary", QUICK);
    assert_int_equal(ask(w, consumers_post_assignments, "c", NULL, NULL, "{\"partitions\":[{\"topic\":\"t\",\"partition\":0}]}"), 204);
    for (int i = 0; i < 100; i++)
        add_text(0, "0123456789");
    add_text(1, "x");
    assert_int_equal(ask(w, consumers_get_records, "c", NULL, NULL, NULL), 200);
    wait_for_ahead(w);
    assert_int_equal(ask(w, consumers_post_assignments, "c", NULL, NULL, "{\"partitions\":[{\"topic\":\"t\",\"partition\":1}]}"), 204);
    assert_int_equal(ask(w, consumers_get_records, "c", NULL, NULL, NULL), 200);
    assert_int_equal(count("\"partition\":0"), 0);
    assert_int_equal(count("\"partition\":1"), 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(binary_records), CASE(json_records_and_poison), CASE(formats_must_agree), CASE(max_bytes), CASE(times),
        CASE(a_wake_ends_the_wait), CASE(a_client_that_goes_away_loses_nothing), CASE(gone_while_a_commit_hangs),
        CASE(a_seek_forgets_what_was_polled_of_that_partition), CASE(a_seek_while_a_read_holds_records), CASE(commit_without_a_list),
        CASE(the_next_answer_is_made_ahead), CASE(what_was_made_ahead_goes_with_its_assignment), CASE(errors_of_the_log), CASE(avro_records),
        CASE(a_slow_registry_does_not_hold_the_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
