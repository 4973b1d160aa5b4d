/* Conformance of both engines: records in, records out. */
#include "storage_fixture.h"

#include <pthread.h>

static void offsets_grow_in_order(void **state)
{
    struct fixture *f = fixture(state);
    struct batch b;
    struct produced results[100];
    struct record records[100];
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    for (size_t i = 0; i < 100; i++)
        records[i] = (struct record){.value = arena_printf(&f->arena, "value %zu", i), .partition = 0};
    produce(f, topic, records, 100, results);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(results[i].code, 0);
        assert_int_equal(results[i].partition, 0);
        assert_int_equal(results[i].offset, i);
    }
    read_records(f, topic, 0, OFFSET_BEGINNING, 100, &b);
    assert_int_equal(b.n, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(b.records[i].offset, i);
        assert_int_equal(b.records[i].partition, 0);
        assert_true(str_eq(b.records[i].value, records[i].value));
        assert_null(b.records[i].key.p);
    }
}

static void everything_of_a_record_comes_back(void **state)
{
    struct fixture *f = fixture(state);
    struct batch b;
    static const char binary[] = "\0\xff\0 binary \n\xc3";
    const struct header headers[] = {
        {STR("one"), STR("1")}, {STR("none"), STR_NULL}, {STR("one"), STR("")}, {STR(""), str_n(binary, sizeof binary)}};
    const struct record records[] = {
        {.key = STR("k"), .value = STR("v"), .timestamp_ms = 1700000000123, .headers = headers, .nheaders = 4, .partition = 0},
        {.key = STR("tombstone"), .value = STR_NULL, .partition = 0},
        {.key = STR_NULL, .value = STR("no key"), .partition = 0},
        {.key = STR(""), .value = STR(""), .partition = 0},
        {.key = str_n(binary, sizeof binary), .value = str_n(binary, sizeof binary), .partition = 0},
        {.partition = 0},
    };
    const size_t n = sizeof records / sizeof *records;
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    int64_t before_ms = clock_unix_ms();
    produce_ok(f, topic, records, n);
    int64_t after_ms = clock_unix_ms();
    read_records(f, topic, 0, 0, n, &b);
    assert_int_equal(b.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_eq(b.records[i].key, records[i].key));
        assert_true(str_eq(b.records[i].value, records[i].value));
        assert_int_equal(b.records[i].key.p == NULL, records[i].key.p == NULL);
        assert_int_equal(b.records[i].value.p == NULL, records[i].value.p == NULL);
        assert_int_equal(b.records[i].nheaders, records[i].nheaders);
        if (i > 0)
            assert_in_range(b.records[i].timestamp_ms, before_ms - 1000, after_ms + 1000);
    }
    assert_int_equal(b.records[0].timestamp_ms, 1700000000123);
    for (size_t i = 0; i < 4; i++) {
        assert_true(str_eq(b.records[0].headers[i].name, headers[i].name));
        assert_true(str_eq(b.records[0].headers[i].value, headers[i].value));
        assert_int_equal(b.records[0].headers[i].value.p == NULL, headers[i].value.p == NULL);
    }
}

/* Kafka's default partitioner; the partitions were computed from its definition. */
static void key_decides_the_partition(void **state)
{
    struct fixture *f = fixture(state);
    struct produced results[4], again;
    struct str topic = fixture_topic(f, 5, NULL, NULL);
    const struct record records[] = {{.key = STR("a"), .value = STR("1"), .partition = -1},
                                     {.key = STR("b"), .value = STR("2"), .partition = -1},
                                     {.key = STR("subdivision"), .value = STR("3"), .partition = -1},
                                     {.key = STR("a"), .value = STR("4"), .partition = -1}};
    produce(f, topic, records, 4, results);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(results[i].code, 0);
    assert_int_equal(results[0].partition, results[3].partition);
    assert_true(results[0].offset < results[3].offset);
    produce(f, topic, &records[1], 1, &again);
    assert_int_equal(again.partition, results[1].partition);
    for (size_t i = 0; i < 3; i++) {
        struct batch b;
        read_records(f, topic, results[i].partition, results[i].offset, 1, &b);
        assert_true(str_eq(b.records[0].key, records[i].key));
    }
}

static void keyless_records_are_spread(void **state)
{
    struct fixture *f = fixture(state);
    struct str topic = fixture_topic(f, 4, NULL, NULL);
    bool seen[4] = {false};
    int distinct = 0;
    for (int i = 0; i < 200 && distinct < 2; i++) {
        const struct record r = {.value = STR("v"), .partition = -1};
        struct produced p;
        produce(f, topic, &r, 1, &p);
        assert_int_equal(p.code, 0);
        distinct += !seen[p.partition];
        seen[p.partition] = true;
    }
    assert_true(distinct >= 2);
}

static void one_bad_record_does_not_stop_the_others(void **state)
{
    struct fixture *f = fixture(state);
    struct str topic = fixture_topic(f, 2, "max.message.bytes", "5000");
    char *large = calloc(1, 20000);
    struct produced results[5];
    const struct record records[] = {{.value = STR("first"), .partition = 0},
                                     {.value = STR("nowhere"), .partition = 7},
                                     {.value = str_n(large, 20000), .partition = 1},
                                     {.value = STR("last"), .partition = 0},
                                     {.value = STR("negative"), .partition = -2}};
    produce(f, topic, records, 5, results);
    free(large);
    assert_int_equal(results[0].code, 0);
    assert_int_equal(results[1].code, STORE_UNKNOWN_PARTITION);
    assert_non_null(results[1].text);
    assert_int_equal(results[2].code, STORE_TOO_LARGE);
    assert_non_null(results[2].text);
    assert_int_equal(results[3].code, 0);
    assert_int_equal(results[3].offset, results[0].offset + 1);
    assert_int_equal(results[4].code, STORE_UNKNOWN_PARTITION);
}

static void missing_topic_is_made_by_producing(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct topic_info info;
    struct str topic = fixture_name(f, "auto");
    const struct record r = {.key = STR("k"), .value = STR("v"), .partition = -1};
    produce_ok(f, topic, &r, 1);
    assert_ok(storage_describe_topic(f->storage, topic, &f->arena, &info, &err), err);
    assert_int_equal(info.npartitions, 1);
    const struct storage_option options[] = {{"auto.create.topics.enable", "true"}, {"num.partitions", "3"}};
    fixture_reopen(f, options, 2);
    topic = fixture_name(f, "auto");
    produce_ok(f, topic, &r, 1);
    assert_ok(storage_describe_topic(f->storage, topic, &f->arena, &info, &err), err);
    assert_int_equal(info.npartitions, 3);
}

static void missing_topic_is_an_error_when_told_so(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct topic_info info;
    struct produced results[2];
    const struct storage_option options[] = {{"auto.create.topics.enable", "false"}, {"produce.timeout.ms", "5000"}};
    fixture_reopen(f, options, 2);
    struct str topic = fixture_name(f, "missing");
    const struct record records[] = {{.value = STR("1"), .partition = -1}, {.value = STR("2"), .partition = 0}};
    produce(f, topic, records, 2, results);
    assert_int_equal(results[0].code, STORE_UNKNOWN_TOPIC);
    assert_int_equal(results[1].code, STORE_UNKNOWN_TOPIC);
    assert_int_equal(storage_describe_topic(f->storage, topic, &f->arena, &info, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
}

static void illegal_topic_is_refused_at_once(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    const struct record r = {.value = STR("v"), .partition = -1};
    assert_int_equal(storage_produce(f->storage, STR("a b"), &r, 1, NULL, NULL, &err), -1);
    assert_int_equal(err.code, STORE_INVALID_TOPIC);
}

static void reader_starts_where_it_is_told(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b = {0};
    bool end;
    struct str topic = fixture_topic(f, 2, NULL, NULL);
    produce_numbered(f, topic, 1, "v", 10);
    const struct {
        int64_t from, first;
        size_t n;
    } cases[] = {{OFFSET_BEGINNING, 0, 10}, {0, 0, 10}, {7, 7, 3}, {OFFSET_END, 10, 0}, {10, 10, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reader *r = reader_open(f->storage, topic, 1, cases[i].from, &err);
        if (r == NULL)
            fail_msg("%s", err.text);
        size_t n = 0;
        for (end = false; !end || n < cases[i].n;) {
            assert_ok(reader_read(r, &b, 100, 1 << 20, 2000, &end, &err), err);
            if (b.n > 0 && n == 0)
                assert_int_equal(b.records[0].offset, cases[i].first);
            n += b.n;
            if (b.n == 0)
                break;
        }
        assert_int_equal(n, cases[i].n);
        assert_int_equal(reader_position(r), 10);
        reader_free(r);
    }
    assert_null(reader_open(f->storage, topic, 2, 0, &err));
    assert_int_equal(err.code, STORE_UNKNOWN_PARTITION);
    batch_clear(&b);
}

static void reader_keeps_to_its_limits(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b = {0};
    char value[1000] = {0};
    struct record records[50];
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    for (size_t i = 0; i < 50; i++)
        records[i] = (struct record){.value = str_n(value, sizeof value), .partition = 0};
    produce_ok(f, topic, records, 50);
    struct reader *r = reader_open(f->storage, topic, 0, 0, &err);
    assert_non_null(r);
    WAIT_FOR((assert_ok(reader_read(r, &b, 7, 1 << 20, 1000, NULL, &err), err), b.n > 0));
    assert_true(b.n <= 7);
    assert_int_equal(b.records[0].offset, 0);
    int64_t next = reader_position(r);
    assert_int_equal(next, b.n);
    WAIT_FOR((assert_ok(reader_read(r, &b, 100, 3500, 1000, NULL, &err), err), b.n > 0));
    assert_true(b.n <= 4);
    assert_int_equal(b.records[0].offset, next);
    next = reader_position(r);
    WAIT_FOR((assert_ok(reader_read(r, &b, 100, 10, 1000, NULL, &err), err), b.n > 0));
    assert_int_equal(b.n, 1); /* at least one, however small the limit */
    assert_int_equal(b.records[0].offset, next);
    reader_free(r);
    batch_clear(&b);
}

static void reader_waits_for_records(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b = {0};
    bool end = false;
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    struct reader *r = reader_open(f->storage, topic, 0, OFFSET_BEGINNING, &err);
    assert_non_null(r);
    WAIT_FOR((assert_ok(reader_read(r, &b, 10, 1 << 20, 300, &end, &err), err), end)); /* may come back early to say so */
    int64_t began = clock_mono_ms();
    assert_ok(reader_read(r, &b, 10, 1 << 20, 300, &end, &err), err);
    assert_int_equal(b.n, 0);
    assert_true(end);
    assert_in_range(clock_mono_ms() - began, 250, 5000);
    produce_numbered(f, topic, 0, "v", 1);
    WAIT_FOR((assert_ok(reader_read(r, &b, 10, 1 << 20, 5000, &end, &err), err), b.n > 0));
    assert_int_equal(b.n, 1);
    assert_str(b.records[0].value, "v0");
    reader_free(r);
    batch_clear(&b);
}

struct waker {
    struct reader *reader;
    struct fixture *fixture;
    struct str topic;
};

static void *wake_soon(void *arg)
{
    struct waker *w = arg;
    clock_sleep_ms(200);
    reader_wake(w->reader);
    return NULL;
}

static void reader_can_be_woken(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b = {0};
    pthread_t thread;
    bool end = false;
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    struct reader *r = reader_open(f->storage, topic, 0, OFFSET_BEGINNING, &err);
    assert_non_null(r);
    WAIT_FOR((assert_ok(reader_read(r, &b, 10, 1 << 20, 100, &end, &err), err), end));
    struct waker w = {.reader = r};
    pthread_create(&thread, NULL, wake_soon, &w);
    int64_t began = clock_mono_ms();
    assert_ok(reader_read(r, &b, 10, 1 << 20, 20000, NULL, &err), err);
    assert_int_equal(b.n, 0);
    assert_in_range(clock_mono_ms() - began, 100, 10000);
    pthread_join(thread, NULL);
    reader_wake(r); /* nobody waits: the next one that would, does not */
    began = clock_mono_ms();
    assert_ok(reader_read(r, &b, 10, 1 << 20, 20000, NULL, &err), err);
    assert_in_range(clock_mono_ms() - began, 0, 10000);
    reader_free(r);
    batch_clear(&b);
}

static void *produce_soon(void *arg)
{
    struct waker *w = arg;
    clock_sleep_ms(200);
    produce_numbered(w->fixture, w->topic, 0, "late", 1);
    return NULL;
}

static void reader_is_woken_by_records(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b = {0};
    pthread_t thread;
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    struct reader *r = reader_open(f->storage, topic, 0, OFFSET_BEGINNING, &err);
    assert_non_null(r);
    bool end = false;
    WAIT_FOR((assert_ok(reader_read(r, &b, 10, 1 << 20, 100, &end, &err), err), end));
    struct waker w = {.fixture = f, .topic = topic};
    pthread_create(&thread, NULL, produce_soon, &w);
    int64_t began = clock_mono_ms();
    assert_ok(reader_read(r, &b, 10, 1 << 20, 20000, NULL, &err), err);
    pthread_join(thread, NULL);
    assert_int_equal(b.n, 1);
    assert_in_range(clock_mono_ms() - began, 100, 10000);
    reader_free(r);
    batch_clear(&b);
}

static void watermarks_follow(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    int64_t low = -1, high = -1;
    struct str topic = fixture_topic(f, 2, NULL, NULL);
    assert_ok(storage_watermarks(f->storage, topic, 1, &low, &high, &err), err);
    assert_int_equal(low, 0);
    assert_int_equal(high, 0);
    produce_numbered(f, topic, 1, "v", 12);
    assert_ok(storage_watermarks(f->storage, topic, 1, &low, &high, &err), err);
    assert_int_equal(low, 0);
    assert_int_equal(high, 12);
    assert_ok(storage_watermarks(f->storage, topic, 0, &low, &high, &err), err);
    assert_int_equal(high, 0);
    assert_int_equal(storage_watermarks(f->storage, topic, 2, &low, &high, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_PARTITION);
}

static void offset_is_found_by_time(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    enum { N = 3000, GAP_MS = 10 };
    const int64_t start_ms = 1700000000000;
    struct record *records = calloc(N, sizeof *records);
    struct str topic = fixture_topic(f, 1, "retention.ms", "-1");
    for (size_t i = 0; i < N; i++)
        records[i] = (struct record){.value = STR("v"), .timestamp_ms = start_ms + (int64_t)i * GAP_MS, .partition = 0};
    records[1500].timestamp_ms = start_ms + N * GAP_MS; /* one ahead of its neighbours */
    produce_ok(f, topic, records, N);
    free(records);
    const struct {
        int64_t ms, offset;
    } cases[] = {{0, 0},
                 {start_ms, 0},
                 {start_ms + 1, 1},
                 {start_ms + 10, 1},
                 {start_ms + 10230, 1023},
                 {start_ms + 10231, 1024},
                 {start_ms + 14999, 1500},
                 {start_ms + 20000, 1500},
                 {start_ms + N * GAP_MS, 1500},
                 {start_ms + N * GAP_MS + 1, N}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t offset = -5;
        assert_ok(storage_offset_for_time(f->storage, topic, 0, cases[i].ms, &offset, &err), err);
        if (offset != cases[i].offset)
            fail_msg("case %zu: offset %lld, expected %lld", i, (long long)offset, (long long)cases[i].offset);
    }
    int64_t offset;
    assert_int_equal(storage_offset_for_time(f->storage, topic, 1, 0, &offset, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_PARTITION);
}

enum { THREADS = 4, CALLS = 20, EACH = 25 };
struct crowd {
    struct fixture fixture; /* an arena for each thread */
    struct str topic;
    int number;
    int64_t last;
    bool ordered;
};

static void *produce_many(void *arg)
{
    struct crowd *c = arg;
    struct produced results[EACH];
    struct record records[EACH];
    c->ordered = true;
    c->last = -1;
    for (int call = 0; call < CALLS; call++) {
        for (int i = 0; i < EACH; i++)
            records[i] =
                (struct record){.value = arena_printf(&c->fixture.arena, "%d %d", c->number, call * EACH + i), .partition = 0};
        produce(&c->fixture, c->topic, records, EACH, results);
        for (int i = 0; i < EACH; i++) {
            c->ordered = c->ordered && results[i].code == 0 && results[i].offset > c->last;
            c->last = results[i].offset;
        }
    }
    return NULL;
}

static void many_produce_at_once(void **state)
{
    struct fixture *f = fixture(state);
    struct crowd crowd[THREADS] = {0};
    pthread_t threads[THREADS];
    struct batch b;
    int next[THREADS] = {0};
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    for (int i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){.fixture = {.storage = f->storage}, .topic = topic, .number = i};
        pthread_create(&threads[i], NULL, produce_many, &crowd[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        arena_clear(&crowd[i].fixture.arena);
        assert_true(crowd[i].ordered);
    }
    read_records(f, topic, 0, 0, THREADS * CALLS * EACH, &b);
    assert_int_equal(b.n, THREADS * CALLS * EACH);
    for (size_t i = 0; i < b.n; i++) {
        int who = 0, what = 0;
        assert_int_equal(sscanf(arena_str(&f->arena, b.records[i].value).p, "%d %d", &who, &what), 2);
        assert_int_equal(what, next[who]++); /* of each thread in its order */
        assert_int_equal(b.records[i].offset, i);
    }
}

static void compacted_topic_needs_keys(void **state)
{
    struct fixture *f = fixture(state);
    struct produced results[2];
    struct str topic = fixture_topic(f, 1, "cleanup.policy", "compact");
    const struct record records[] = {{.value = STR("no key"), .partition = 0}};
    const struct record keyed = {.key = STR("k"), .value = STR("v"), .partition = 0};
    produce(f, topic, records, 1, results);
    assert_int_not_equal(results[0].code, 0);
    assert_non_null(results[0].text);
    produce_ok(f, topic, &keyed, 1);
}

static void reader_of_a_deleted_topic_is_told(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b = {0};
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    produce_numbered(f, topic, 0, "v", 3);
    struct reader *r = reader_open(f->storage, topic, 0, 0, &err);
    assert_non_null(r);
    WAIT_FOR((assert_ok(reader_read(r, &b, 10, 1 << 20, 1000, NULL, &err), err), reader_position(r) == 3));
    assert_ok(storage_delete_topic(f->storage, topic, &err), err);
    WAIT_FOR(reader_read(r, &b, 10, 1 << 20, 200, NULL, &err) < 0);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
    reader_free(r);
    batch_clear(&b);
}

static void nothing_produced_is_answered(void **state)
{
    struct fixture *f = fixture(state);
    produce(f, fixture_name(f, "none"), NULL, 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(offsets_grow_in_order),
        TEST(everything_of_a_record_comes_back),
        TEST(key_decides_the_partition),
        TEST(keyless_records_are_spread),
        TEST(one_bad_record_does_not_stop_the_others),
        TEST(missing_topic_is_made_by_producing),
        TEST(missing_topic_is_an_error_when_told_so),
        TEST(illegal_topic_is_refused_at_once),
        TEST(reader_starts_where_it_is_told),
        TEST(reader_keeps_to_its_limits),
        TEST(reader_waits_for_records),
        TEST(reader_can_be_woken),
        TEST(reader_is_woken_by_records),
        TEST(watermarks_follow),
        TEST(offset_is_found_by_time),
        TEST(many_produce_at_once),
        TEST(compacted_topic_needs_keys),
        TEST(reader_of_a_deleted_topic_is_told),
        TEST(nothing_produced_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
