/* Conformance of both engines: members of groups. */
#include "storage_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

static struct member *open_member(struct fixture *f, struct str group, const char *reset, bool auto_commit)
{
    struct err err = {0};
    const struct member_options o = {
        .group = group, .client_id = STR("test"), .auto_offset_reset = reset, .auto_commit = auto_commit, .auto_commit_ms = 300};
    struct member *m = member_open(f->storage, &o, &err);
    if (m == NULL)
        fail_msg("member_open: %s", err.text);
    return m;
}

static void subscribe(struct member *m, struct str topic)
{
    struct err err = {0};
    assert_ok(member_subscribe(m, &topic, 1, &err), err);
}

static void assign(struct member *m, struct str topic, int32_t partition, int64_t offset)
{
    struct err err = {0};
    const struct tp tp = {.topic = topic, .partition = partition, .offset = offset};
    assert_ok(member_assign(m, &tp, 1, &err), err);
}

static void commit(struct member *m, struct str topic, int32_t partition, int64_t offset)
{
    struct err err = {0};
    const struct tp tp = {.topic = topic, .partition = partition, .offset = offset};
    assert_ok(member_commit(m, &tp, 1, &err), err);
}

static int64_t committed(struct fixture *f, struct member *m, struct str topic, int32_t partition)
{
    struct err err = {0};
    struct tp tp = {.topic = topic, .partition = partition};
    assert_ok(member_committed(m, &f->arena, &tp, 1, &err), err);
    return tp.offset;
}

/* How many partitions m has, once it has heard (a poll drives some clients); what it reads meanwhile is dropped. */
static size_t assigned(struct fixture *f, struct member *m)
{
    struct err err = {0};
    struct batch b = {0};
    struct tp *tps;
    size_t n;
    assert_ok(member_poll(m, &b, 100, &err), err);
    batch_clear(&b);
    assert_ok(member_assignment(m, &f->arena, &tps, &n, &err), err);
    return n;
}

static void assigned_partition_is_read(void **state)
{
    struct fixture *f = fixture(state);
    struct record got[30];
    struct err err = {0};
    struct tp *tps;
    struct str *topics;
    size_t n;
    struct str topic = fixture_topic(f, 2, NULL, NULL);
    produce_numbered(f, topic, 1, "v", 30);
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    assign(m, topic, 1, OFFSET_INVALID);
    assert_int_equal(poll_records(f, m, got, 30), 30);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(got[i].offset, i);
        assert_int_equal(got[i].partition, 1);
    }
    assert_ok(member_assignment(m, &f->arena, &tps, &n, &err), err);
    assert_int_equal(n, 1);
    assert_true(str_eq(tps[0].topic, topic));
    assert_int_equal(tps[0].partition, 1);
    assert_ok(member_subscription(m, &f->arena, &topics, &n, &err), err);
    assert_int_equal(n, 0);
    assign(m, topic, 1, 27);
    assert_int_equal(poll_records(f, m, got, 3), 3);
    assert_int_equal(got[0].offset, 27);
    member_free(m);
}

static void poll_names_the_topics(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b = {0};
    struct str a = fixture_topic(f, 1, NULL, NULL), c = fixture_topic(f, 1, NULL, NULL);
    const struct str both[] = {a, c};
    produce_numbered(f, a, 0, "a", 5);
    produce_numbered(f, c, 0, "c", 5);
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    assert_ok(member_subscribe(m, both, 2, &err), err);
    size_t from_a = 0, from_c = 0;
    WAIT_FOR(from_a + from_c == 10)
    {
        assert_ok(member_poll(m, &b, 100, &err), err);
        for (size_t i = 0; i < b.n; i++) {
            assert_true(b.records[i].topic < b.ntopics);
            bool is_a = str_eq(b.topics[b.records[i].topic], a);
            assert_true(is_a || str_eq(b.topics[b.records[i].topic], c));
            assert_int_equal(b.records[i].value.p[0], is_a ? 'a' : 'c');
            *(is_a ? &from_a : &from_c) += 1;
        }
    }
    assert_int_equal(from_a, 5);
    batch_clear(&b);
    member_free(m);
}

static void poll_keeps_to_its_limit(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b = {0};
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    produce_numbered(f, topic, 0, "v", 20);
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    assign(m, topic, 0, 0);
    size_t next = 0;
    WAIT_FOR(next == 20)
    {
        assert_ok(member_poll(m, &b, 6, &err), err);
        assert_true(b.n <= 6);
        for (size_t i = 0; i < b.n; i++)
            assert_int_equal(b.records[i].offset, next++);
    }
    batch_clear(&b);
    member_free(m);
}

static void committed_offset_is_where_the_next_begins(void **state)
{
    struct fixture *f = fixture(state);
    struct record got[10];
    struct str topic = fixture_topic(f, 1, NULL, NULL), group = fixture_name(f, "group");
    produce_numbered(f, topic, 0, "v", 10);
    struct member *m = open_member(f, group, "earliest", false);
    subscribe(m, topic);
    assert_int_equal(poll_records(f, m, got, 10), 10);
    assert_int_equal(committed(f, m, topic, 0), OFFSET_INVALID);
    commit(m, topic, 0, 4);
    assert_int_equal(committed(f, m, topic, 0), 4);
    member_free(m);
    m = open_member(f, group, "latest", false);
    subscribe(m, topic);
    assert_int_equal(poll_records(f, m, got, 6), 6);
    assert_int_equal(got[0].offset, 4);
    member_free(m);
    if (f->kafka)
        return;
    fixture_reopen(f, NULL, 0);
    m = open_member(f, group, "latest", false);
    assert_int_equal(committed(f, m, topic, 0), 4);
    member_free(m);
}

static void commit_carries_metadata(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct str topic = fixture_topic(f, 3, NULL, NULL);
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    const struct tp in[] = {{.topic = topic, .partition = 0, .offset = 5, .metadata = STR("note")},
                            {.topic = topic, .partition = 2, .offset = 0}};
    struct tp out[] = {{.topic = topic, .partition = 2}, {.topic = topic, .partition = 1}, {.topic = topic, .partition = 0}};
    assert_ok(member_commit(m, in, 2, &err), err);
    assert_ok(member_committed(m, &f->arena, out, 3, &err), err);
    assert_int_equal(out[0].offset, 0);
    assert_int_equal(out[1].offset, OFFSET_INVALID);
    assert_int_equal(out[2].offset, 5);
    assert_str(out[2].metadata, "note");
    member_free(m);
}

static void stored_offsets_are_committed(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct record got[10];
    struct str topic = fixture_topic(f, 1, NULL, NULL), group = fixture_name(f, "group");
    produce_numbered(f, topic, 0, "v", 10);
    struct member *m = open_member(f, group, "earliest", false);
    subscribe(m, topic);
    assert_int_equal(poll_records(f, m, got, 10), 10);
    const struct tp stored[] = {{.topic = topic, .partition = 0, .offset = 7},
                                {.topic = STR("somebody-elses"), .partition = 3, .offset = 1}};
    assert_ok(member_store(m, stored, 2, &err), err);
    assert_int_equal(committed(f, m, topic, 0), OFFSET_INVALID);
    assert_ok(member_commit(m, NULL, 0, &err), err);
    assert_int_equal(committed(f, m, topic, 0), 7);
    assert_ok(member_commit(m, NULL, 0, &err), err);
    assert_int_equal(committed(f, m, topic, 0), 7);
    member_free(m);
}

static void auto_commit_commits_what_is_stored(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct record got[10];
    struct str topic = fixture_topic(f, 1, NULL, NULL), group = fixture_name(f, "group");
    produce_numbered(f, topic, 0, "v", 10);
    struct member *m = open_member(f, group, "earliest", true), *looking = open_member(f, group, "earliest", false);
    subscribe(m, topic);
    assert_int_equal(poll_records(f, m, got, 10), 10);
    struct tp tp = {.topic = topic, .partition = 0, .offset = 3};
    assert_ok(member_store(m, &tp, 1, &err), err);
    WAIT_FOR(committed(f, looking, topic, 0) == 3);
    tp.offset = 9;
    assert_ok(member_store(m, &tp, 1, &err), err);
    member_free(m); /* commits first */
    WAIT_FOR(committed(f, looking, topic, 0) == 9);
    member_free(looking);
}

static void reset_decides_without_a_committed_offset(void **state)
{
    struct fixture *f = fixture(state);
    struct record got[3];
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    produce_numbered(f, topic, 0, "old", 5);
    struct member *latest = open_member(f, fixture_name(f, "group"), "latest", false);
    subscribe(latest, topic);
    WAIT_FOR(assigned(f, latest) == 1);
    clock_sleep_ms(f->kafka ? 1000 : 0); /* the position is fixed a moment after the assignment */
    assert_int_equal(assigned(f, latest), 1);
    produce_numbered(f, topic, 0, "new", 3);
    assert_int_equal(poll_records(f, latest, got, 3), 3);
    assert_str(got[0].value, "new0");
    member_free(latest);
}

static void reset_none_is_an_error_once(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct record got[2];
    struct batch b = {0};
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    produce_numbered(f, topic, 0, "v", 5);
    struct member *m = open_member(f, fixture_name(f, "group"), "none", false);
    assign(m, topic, 0, OFFSET_INVALID);
    WAIT_FOR(member_poll(m, &b, 10, &err) < 0);
    assert_int_equal(err.code, STORE_OUT_OF_RANGE);
    err_clear(&err);
    const struct tp seek = {.topic = topic, .partition = 0, .offset = 3};
    assert_ok(member_seek(m, &seek, 1, &err), err);
    assert_int_equal(poll_records(f, m, got, 2), 2);
    assert_int_equal(got[0].offset, 3);
    batch_clear(&b);
    member_free(m);
}

static void seek_moves_the_position(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct record got[10];
    struct str topic = fixture_topic(f, 2, NULL, NULL);
    produce_numbered(f, topic, 0, "v", 10);
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    assign(m, topic, 0, OFFSET_INVALID);
    assert_int_equal(poll_records(f, m, got, 10), 10);
    struct tp tp = {.topic = topic, .partition = 0, .offset = 6};
    assert_ok(member_seek(m, &tp, 1, &err), err);
    assert_int_equal(poll_records(f, m, got, 4), 4);
    assert_int_equal(got[0].offset, 6);
    tp.offset = OFFSET_BEGINNING;
    assert_ok(member_seek(m, &tp, 1, &err), err);
    assert_int_equal(poll_records(f, m, got, 10), 10);
    assert_int_equal(got[0].offset, 0);
    tp.offset = OFFSET_END;
    assert_ok(member_seek(m, &tp, 1, &err), err);
    clock_sleep_ms(f->kafka ? 1000 : 0);
    produce_numbered(f, topic, 0, "new", 1);
    assert_int_equal(poll_records(f, m, got, 1), 1);
    assert_int_equal(got[0].offset, 10);
    tp.partition = 1;
    assert_int_equal(member_seek(m, &tp, 1, &err), -1);
    assert_int_equal(err.code, STORE_ILLEGAL_STATE);
    char expected[300];
    snprintf(expected, sizeof expected, "No current assignment for partition %.*s-1", STR_ARG(topic));
    assert_string_equal(err.text, expected);
    member_free(m);
}

static void seek_past_the_end_goes_by_the_reset(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct record got[5];
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    produce_numbered(f, topic, 0, "v", 5);
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    assign(m, topic, 0, OFFSET_END);
    const struct tp tp = {.topic = topic, .partition = 0, .offset = 1000};
    WAIT_FOR(assigned(f, m) == 1);
    assert_ok(member_seek(m, &tp, 1, &err), err);
    assert_int_equal(poll_records(f, m, got, 5), 5);
    assert_int_equal(got[0].offset, 0);
    member_free(m);
}

static void subscribe_and_assign_exclude_each_other(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct tp *tps;
    size_t n;
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    const struct tp tp = {.topic = topic, .partition = 0, .offset = OFFSET_INVALID};
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    subscribe(m, topic);
    assert_int_equal(member_assign(m, &tp, 1, &err), -1);
    assert_int_equal(err.code, STORE_ILLEGAL_STATE);
    err_clear(&err);
    assert_ok(member_unsubscribe(m, &err), err);
    assert_ok(member_assign(m, &tp, 1, &err), err);
    assert_int_equal(member_subscribe(m, &topic, 1, &err), -1);
    assert_int_equal(err.code, STORE_ILLEGAL_STATE);
    err_clear(&err);
    assert_int_equal(member_subscribe_pattern(m, STR(".*"), &err), -1);
    assert_int_equal(err.code, STORE_ILLEGAL_STATE);
    err_clear(&err);
    assert_ok(member_unsubscribe(m, &err), err);
    assert_ok(member_assignment(m, &f->arena, &tps, &n, &err), err);
    assert_int_equal(n, 0);
    subscribe(m, topic);
    WAIT_FOR(assigned(f, m) == 1);
    member_free(m);
}

static void members_share_the_partitions(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct tp *of_a, *of_b;
    size_t na, nb;
    struct str topic = fixture_topic(f, 5, NULL, NULL), group = fixture_name(f, "group");
    struct member *a = open_member(f, group, "earliest", false);
    subscribe(a, topic);
    WAIT_FOR(assigned(f, a) == 5);
    struct member *b = open_member(f, group, "earliest", false);
    subscribe(b, topic);
    na = nb = 0;
    WAIT_FOR(na + nb == 5 && na > 0 && nb > 0)
    {
        na = assigned(f, a);
        nb = assigned(f, b);
    }
    assert_true(na == 2 || na == 3);
    assert_ok(member_assignment(a, &f->arena, &of_a, &na, &err), err);
    assert_ok(member_assignment(b, &f->arena, &of_b, &nb, &err), err);
    bool seen[5] = {false};
    for (size_t i = 0; i < na + nb; i++) {
        const struct tp *tp = i < na ? &of_a[i] : &of_b[i - na];
        assert_true(str_eq(tp->topic, topic));
        assert_false(seen[tp->partition]);
        seen[tp->partition] = true;
    }
    for (int32_t p = 0; p < 5; p++)
        produce_numbered(f, topic, p, "v", 4);
    struct record got[20];
    assert_int_equal(poll_records(f, a, got, 4 * na), 4 * na);
    assert_int_equal(poll_records(f, b, got, 4 * nb), 4 * nb);
    member_free(b);
    WAIT_FOR(assigned(f, a) == 5);
    member_free(a);
}

/* Whatever a member stored before it lost a partition is where the next one goes on. */
static void handover_repeats_and_loses_nothing(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct record got[20];
    bool seen[2][10] = {{false}};
    struct str topic = fixture_topic(f, 2, NULL, NULL), group = fixture_name(f, "group");
    produce_numbered(f, topic, 0, "v", 10);
    produce_numbered(f, topic, 1, "v", 10);
    struct member *a = open_member(f, group, "earliest", true);
    subscribe(a, topic);
    size_t n = poll_records(f, a, got, 7);
    assert_int_equal(n, 7);
    for (size_t i = 0; i < n; i++) {
        const struct tp tp = {.topic = topic, .partition = got[i].partition, .offset = got[i].offset + 1};
        seen[got[i].partition][got[i].offset] = true;
        assert_ok(member_store(a, &tp, 1, &err), err);
    }
    member_free(a);
    struct member *b = open_member(f, group, "earliest", true);
    subscribe(b, topic);
    assert_int_equal(poll_records(f, b, got, 13), 13);
    for (size_t i = 0; i < 13; i++) {
        assert_false(seen[got[i].partition][got[i].offset]);
        seen[got[i].partition][got[i].offset] = true;
    }
    member_free(b);
}

static void pattern_finds_topics_old_and_new(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct str *topics;
    struct record got[3];
    size_t n;
    struct str prefix = fixture_name(f, "pattern");
    struct topic_spec spec = {
        .name = arena_printf(&f->arena, "%.*s-1", STR_ARG(prefix)), .partitions = 1, .replication_factor = -1};
    assert_ok(storage_create_topic(f->storage, &spec, &err), err);
    spec.name = arena_printf(&f->arena, "not-%.*s-1", STR_ARG(prefix));
    assert_ok(storage_create_topic(f->storage, &spec, &err), err);
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    struct str pattern = arena_printf(&f->arena, "%.*s-\\d", STR_ARG(prefix));
    assert_ok(member_subscribe_pattern(m, pattern, &err), err);
    WAIT_FOR(assigned(f, m) == 1);
    spec.name = arena_printf(&f->arena, "%.*s-2", STR_ARG(prefix));
    assert_ok(storage_create_topic(f->storage, &spec, &err), err);
    produce_numbered(f, spec.name, 0, "new", 3);
    assert_int_equal(poll_records(f, m, got, 3), 3);
    assert_int_equal(assigned(f, m), 2);
    assert_ok(member_subscription(m, &f->arena, &topics, &n, &err), err);
    assert_int_equal(n, 2);
    assert_int_equal(member_subscribe_pattern(m, STR("a(b"), &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "a(b"));
    member_free(m);
}

/* What was subscribed before is given up, also for an expression that matches nothing (yet). */
static void pattern_replaces_what_was_subscribed(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct str *topics;
    size_t n;
    struct str topic = fixture_topic(f, 1, NULL, NULL), none = fixture_name(f, "nothing");
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    subscribe(m, topic);
    WAIT_FOR(assigned(f, m) == 1);
    assert_ok(member_subscribe_pattern(m, none, &err), err);
    WAIT_FOR(assigned(f, m) == 0);
    assert_ok(member_subscription(m, &f->arena, &topics, &n, &err), err);
    assert_int_equal(n, 0);
    assert_ok(member_subscribe_pattern(m, topic, &err), err);
    WAIT_FOR(assigned(f, m) == 1);
    assert_ok(member_subscribe_pattern(m, none, &err), err);
    WAIT_FOR(assigned(f, m) == 0);
    member_free(m);
}

static void subscribed_topic_may_come_later(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b = {0};
    struct str topic = fixture_name(f, "later");
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    subscribe(m, topic);
    member_poll(m, &b, 10, &err); /* may say that the topic is not there */
    batch_clear(&b);
    const struct topic_spec spec = {.name = topic, .partitions = 1, .replication_factor = -1};
    err_clear(&err);
    assert_ok(storage_create_topic(f->storage, &spec, &err), err);
    produce_numbered(f, topic, 0, "v", 2);
    size_t n = 0;
    WAIT_FOR(n == 2)
    {
        if (member_poll(m, &b, 10, NULL) == 0)
            n += b.n;
    }
    batch_clear(&b);
    member_free(m);
}

static void on_wake(void *ctx)
{
    atomic_fetch_add((atomic_int *)ctx, 1);
}

static void records_wake_a_member(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    atomic_int wakes;
    atomic_init(&wakes, 0);
    struct record got[1];
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    const struct member_options o = {.group = fixture_name(f, "group"),
                                     .client_id = STR("test"),
                                     .auto_offset_reset = "earliest",
                                     .wake = on_wake,
                                     .wake_ctx = &wakes};
    struct member *m = member_open(f->storage, &o, &err);
    assert_non_null(m);
    assign(m, topic, 0, 0);
    assert_int_equal(assigned(f, m), 1);
    clock_sleep_ms(f->kafka ? 1000 : 50);
    assert_int_equal(assigned(f, m), 1);
    int before = atomic_load(&wakes);
    produce_numbered(f, topic, 0, "v", 1);
    WAIT_FOR(atomic_load(&wakes) > before);
    assert_int_equal(poll_records(f, m, got, 1), 1);
    member_free(m);
}

static void wrong_offsets_are_not_committed(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    struct member *m = open_member(f, fixture_name(f, "group"), "earliest", false);
    const struct tp missing[] = {{.topic = fixture_name(f, "never"), .partition = 0, .offset = 1}};
    assert_int_equal(member_commit(m, missing, 1, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
    err_clear(&err);
    commit(m, topic, 0, 0);
    assert_int_equal(committed(f, m, topic, 0), 0);
    member_free(m);
}

static void member_options_are_checked(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    const struct member_options o = {
        .group = fixture_name(f, "group"), .client_id = STR("test"), .auto_offset_reset = "sometimes"};
    assert_null(member_open(f->storage, &o, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "sometimes"));
    member_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(assigned_partition_is_read),
        TEST(poll_names_the_topics),
        TEST(poll_keeps_to_its_limit),
        TEST(committed_offset_is_where_the_next_begins),
        TEST(commit_carries_metadata),
        TEST(stored_offsets_are_committed),
        TEST(auto_commit_commits_what_is_stored),
        TEST(reset_decides_without_a_committed_offset),
        TEST(reset_none_is_an_error_once),
        TEST(seek_moves_the_position),
        TEST(seek_past_the_end_goes_by_the_reset),
        TEST(subscribe_and_assign_exclude_each_other),
        TEST(members_share_the_partitions),
        TEST(handover_repeats_and_loses_nothing),
        TEST(pattern_finds_topics_old_and_new),
        TEST(pattern_replaces_what_was_subscribed),
        TEST(subscribed_topic_may_come_later),
        TEST(records_wake_a_member),
        TEST(wrong_offsets_are_not_committed),
        TEST(member_options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
