/* Conformance of both engines: the pen. */
#include "storage_fixture.h"

#include <pthread.h>

static struct pen *take(struct fixture *f, struct str name, struct str topic, int64_t *end)
{
    struct err err = {0};
    struct pen *p = pen_take(f->storage, name, topic, WAIT_MS, end, &err);
    if (p == NULL)
        fail_msg("pen_take: %d %s", err.code, err.text);
    return p;
}

static void pen_writes_and_a_reader_sees_it(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b;
    int64_t end = -1, offsets[3];
    struct str topic = fixture_topic(f, 1, "cleanup.policy", "compact"), name = fixture_name(f, "pen");
    struct pen *p = take(f, name, topic, &end);
    assert_int_equal(end, 0);
    const struct header header = {STR("advertised"), STR("http://localhost:1")};
    const struct record records[] = {{.key = STR("a"), .value = STR("1"), .headers = &header, .nheaders = 1},
                                     {.key = STR("b"), .value = STR("2")},
                                     {.key = STR("c"), .value = STR_NULL}};
    assert_ok(pen_write(p, records, 3, WAIT_MS, offsets, &err), err);
    assert_true(offsets[0] >= 0 && offsets[0] < offsets[1] && offsets[1] < offsets[2]);
    read_records(f, topic, 0, OFFSET_BEGINNING, 3, &b);
    assert_int_equal(b.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(b.records[i].offset, offsets[i]);
        assert_true(str_eq(b.records[i].key, records[i].key));
        assert_true(str_eq(b.records[i].value, records[i].value));
    }
    assert_int_equal(b.records[0].nheaders, 1);
    assert_str(b.records[0].headers[0].value, "http://localhost:1");
    pen_free(p);
}

static void second_holder_fences_the_first(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b;
    int64_t end = -1, offset;
    struct str topic = fixture_topic(f, 1, NULL, NULL), name = fixture_name(f, "pen");
    const struct record one = {.key = STR("k"), .value = STR("first")}, lost = {.key = STR("k"), .value = STR("lost")},
                        two = {.key = STR("k"), .value = STR("second")};
    struct pen *a = take(f, name, topic, &end);
    assert_ok(pen_write(a, &one, 1, WAIT_MS, &offset, &err), err);
    int64_t first = offset;
    struct pen *other = take(f, name, topic, &end);
    assert_true(end > first); /* whoever reads up to end has seen what the first holder committed */
    assert_int_equal(pen_write(a, &lost, 1, WAIT_MS, &offset, &err), -1);
    assert_int_equal(err.code, STORE_FENCED);
    err_clear(&err);
    assert_int_equal(pen_write(a, &lost, 1, WAIT_MS, &offset, &err), -1); /* and it stays so */
    err_clear(&err);
    assert_ok(pen_write(other, &two, 1, WAIT_MS, &offset, &err), err);
    assert_true(offset >= end);
    read_records(f, topic, 0, OFFSET_BEGINNING, 2, &b);
    assert_int_equal(b.n, 2);
    assert_str(b.records[0].value, "first");
    assert_str(b.records[1].value, "second");
    pen_free(a);
    pen_free(other);
}

static void pens_of_other_names_do_not_mind(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    int64_t end, offset;
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    const struct record r = {.key = STR("k"), .value = STR("v")};
    struct pen *a = take(f, fixture_name(f, "pen"), topic, &end), *b = take(f, fixture_name(f, "pen"), topic, &end);
    assert_ok(pen_write(a, &r, 1, WAIT_MS, &offset, &err), err);
    assert_ok(pen_write(b, &r, 1, WAIT_MS, &offset, &err), err);
    assert_ok(pen_write(a, &r, 1, WAIT_MS, &offset, &err), err);
    pen_free(a);
    pen_free(b);
}

static void too_large_record_writes_nothing_and_keeps_the_pen(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct batch b;
    int64_t end, offsets[3];
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    struct pen *p = take(f, fixture_name(f, "pen"), topic, &end);
    char *large = calloc(1, 5000000);
    const struct record records[] = {{.key = STR("a"), .value = STR("1")},
                                     {.key = STR("b"), .value = str_n(large, 5000000)},
                                     {.key = STR("c"), .value = STR("3")}};
    assert_int_equal(pen_write(p, records, 3, WAIT_MS, offsets, &err), -1);
    free(large);
    assert_int_equal(err.code, STORE_TOO_LARGE);
    if (strstr(err.text, "1") == NULL)
        fail_msg("does not name the record: %s", err.text);
    err_clear(&err);
    const struct record fine = {.key = STR("d"), .value = STR("4")};
    assert_ok(pen_write(p, &fine, 1, WAIT_MS, offsets, &err), err);
    read_records(f, topic, 0, OFFSET_BEGINNING, 1, &b);
    assert_int_equal(b.n, 1);
    assert_str(b.records[0].key, "d");
    pen_free(p);
}

static void pen_needs_its_topic(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    int64_t end;
    assert_null(pen_take(f->storage, fixture_name(f, "pen"), fixture_name(f, "never"), 5000, &end, &err));
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
}

static void plain_produce_and_pen_share_a_topic(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    int64_t end, offset;
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    const struct record r = {.key = STR("k"), .value = STR("v"), .partition = 0};
    struct pen *p = take(f, fixture_name(f, "pen"), topic, &end);
    int64_t a = produce_ok(f, topic, &r, 1);
    assert_ok(pen_write(p, &r, 1, WAIT_MS, &offset, &err), err);
    assert_true(offset > a);
    assert_true(produce_ok(f, topic, &r, 1) > offset);
    pen_free(p);
}

/* Two who take the pen from each other all the time: what one of them was told is written, is there, once. */
enum { ROUNDS = 15 };
struct rival {
    struct fixture *f;
    struct str name, topic;
    int number, wrote, unknown;
    int64_t offsets[ROUNDS];
};

static void *write_as_rival(void *arg)
{
    struct rival *r = arg;
    struct pen *p = NULL;
    for (int i = 0; i < ROUNDS;) {
        struct err err = {0};
        char value[32];
        int64_t end;
        if (p == NULL && (p = pen_take(r->f->storage, r->name, r->topic, WAIT_MS, &end, &err)) == NULL)
            continue;
        int n = snprintf(value, sizeof value, "%d %d", r->number, i);
        const struct record record = {.key = str_n(value, (size_t)n), .value = str_n(value, (size_t)n)};
        if (pen_write(p, &record, 1, WAIT_MS, &r->offsets[i], &err) == 0) {
            r->wrote++;
            i++;
        } else {
            if (err.code != STORE_FENCED) {
                r->offsets[i++] = -1;
                r->unknown++;
            }
            pen_free(p);
            p = NULL;
        }
        clock_sleep_ms(i % 3);
    }
    pen_free(p);
    return NULL;
}

static void rivals_lose_nothing(void **state)
{
    struct fixture *f = fixture(state);
    struct batch b;
    pthread_t threads[2];
    struct str topic = fixture_topic(f, 1, NULL, NULL), name = fixture_name(f, "pen");
    struct rival rivals[2] = {{.f = f, .name = name, .topic = topic, .number = 0},
                              {.f = f, .name = name, .topic = topic, .number = 1}};
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, write_as_rival, &rivals[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    size_t wrote = (size_t)(rivals[0].wrote + rivals[1].wrote), unknown = (size_t)(rivals[0].unknown + rivals[1].unknown);
    read_records(f, topic, 0, OFFSET_BEGINNING, wrote, &b);
    assert_true(b.n >= wrote && b.n <= wrote + unknown);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < ROUNDS; i++) {
            char value[32];
            int found = 0;
            snprintf(value, sizeof value, "%d %d", k, i);
            for (size_t j = 0; j < b.n; j++)
                found += b.records[j].offset == rivals[k].offsets[i] && str_is(b.records[j].value, value);
            assert_int_equal(found, rivals[k].offsets[i] >= 0 ? 1 : 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pen_writes_and_a_reader_sees_it),
        TEST(second_holder_fences_the_first),
        TEST(pens_of_other_names_do_not_mind),
        TEST(too_large_record_writes_nothing_and_keeps_the_pen),
        TEST(pen_needs_its_topic),
        TEST(plain_produce_and_pen_share_a_topic),
        TEST(rivals_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
