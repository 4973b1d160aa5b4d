/* What only the Kafka engine has: its options, what it refuses, a cluster that is away, and ends in bounded time.
 *
 * "Away" is a port where nobody listens, or librdkafka's mock of a cluster with its broker taken down.  Some need a real cluster:
 * MUIR_TEST_KAFKA=HOST:PORT, else they count as skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/kafka/reaper.h"
#include "storage/storage.h"

enum { QUICK_MS = 1500 /* nothing that does not need the cluster may take longer */ };

static void to_nowhere(void *arg, enum log_level level, const char *line)
{
}

static int quiet(void **state)
{
    log_set_sink(to_nowhere, NULL);
    return 0;
}

/* A port of 127.0.0.1 where nobody listens: bound, so nobody else gets it, but not listening. */
static int closed_port(char address[32])
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(address, 32, "127.0.0.1:%d", ntohs(a.sin_port));
    return fd;
}

static const char *cluster(void)
{
    const char *bootstrap = getenv("MUIR_TEST_KAFKA");
    if (bootstrap == NULL || *bootstrap == '\0')
        skip();
    return bootstrap;
}

static struct storage *opened(const char *where, const struct storage_option *options, size_t n)
{
    struct err err = {0};
    struct storage *s = storage_open("kafka", where, options, n, &err);
    if (s == NULL)
        fail_msg("storage_open: %s", err.text);
    return s;
}

/* ---- options ---- */

static void options_are_checked_by_name(void **state)
{
    static const struct {
        const char *name, *value;
        const char *says[2];
    } cases[] = {
        {"no.such.property", "1", {"no.such.property", "librdkafka"}},
        {"producer.no.such", "1", {"no.such", "librdkafka"}},
        {"consumer.linger.mss", "1", {"linger.mss", "librdkafka"}},
        {"producer.linger.ms", "soon", {"linger.ms", "soon"}},
        {"consumer.isolation.level", "dirty", {"isolation.level", "dirty"}},
        {"timeout.ms", "0", {"timeout.ms=0", "from 1"}},
        {"produce.timeout.ms", "x", {"produce.timeout.ms=x", "whole number"}},
        {"auto.create.topics.enable", "yes", {"auto.create.topics.enable=yes", "true or false"}},
        {"producer.acks", "1", {"acks", "idempotence"}},
        {"ssl.ca.location", "/nowhere/ca.pem", {"ssl.ca.location", "failed"}},
    };
    char address[32];
    int fd = closed_port(address);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct storage_option o[] = {{"security.protocol", i == 9 ? "ssl" : "plaintext"}, {cases[i].name, cases[i].value}};
        struct err err = {0};
        int64_t began = clock_mono_ms();
        struct storage *s = storage_open("kafka", address, o, 2, &err);
        if (s != NULL && i == 8) { /* acks is ours */
            storage_free(s);
            continue;
        }
        assert_null(s);
        assert_true(clock_mono_ms() - began < QUICK_MS);
        for (int j = 0; j < 2; j++)
            if (strstr(err.text, cases[i].says[j]) == NULL)
                fail_msg("%s=%s: '%s' does not say '%s'", cases[i].name, cases[i].value, err.text, cases[i].says[j]);
    }
    close(fd);
}

static void good_options_are_taken(void **state)
{
    char address[32];
    int fd = closed_port(address);
    const struct storage_option o[] = {{"client.id", "whole"},
                                       {"client.client.id", "cut"},
                                       {"client.socket.timeout.ms", "5000"},
                                       {"producer.linger.ms", "5"},
                                       {"producer.compression.type", "lz4"},
                                       {"consumer.fetch.min.bytes", "1"},
                                       {"admin.client.id", "asking"},
                                       {"linger.ms", "1"},
                                       {"group.id", "nobody"},
                                       {"num.partitions", "3"},
                                       {"timeout.ms", "500"},
                                       {"produce.timeout.ms", "500"},
                                       {"auto.create.topics.enable", "FALSE"}};
    storage_free(opened(address, o, sizeof o / sizeof *o));
    close(fd);
}

static void bootstrap_is_needed(void **state)
{
    struct err err = {0};
    assert_null(storage_open("kafka", "  ", NULL, 0, &err));
    assert_non_null(strstr(err.text, "HOST:PORT"));
    err_clear(&err);
    assert_null(storage_open("kafka", NULL, NULL, 0, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void scram_is_refused_where_it_cannot_work(void **state)
{
    char address[32];
    int fd = closed_port(address);
    static const char *const mechanisms[] = {"SCRAM-SHA-256", "SCRAM-SHA-512"};
    for (size_t i = 0; i < 2; i++) {
        const struct storage_option o[] = {{"client.security.protocol", "SASL_PLAINTEXT"},
                                           {i == 0 ? "client.sasl.mechanism" : "sasl.mechanisms", mechanisms[i]},
                                           {"client.sasl.username", "u"},
                                           {"client.sasl.password", "p"}};
        struct err err = {0};
        struct storage *s = storage_open("kafka", address, o, 4, &err);
        if (rd_kafka_version() >= 0x020601ff) {
            assert_non_null(s);
            storage_free(s);
            continue;
        }
        assert_null(s);
        assert_int_equal(err.code, ERR_INVALID);
        static const char *const says[] = {"SCRAM", "Kafka 4", "2.6.1", "librdkafka.so", "PLAIN"};
        for (size_t j = 0; j < sizeof says / sizeof *says; j++)
            if (strstr(err.text, says[j]) == NULL)
                fail_msg("'%s' does not say '%s'", err.text, says[j]);
    }
    close(fd);
}

/* ---- nobody there ---- */

struct outcome {
    _Atomic int calls;
    int code;
    char text[256];
};

static void on_done(void *ctx, const struct produced *results, size_t n)
{
    struct outcome *o = ctx;
    o->code = n > 0 ? results[n - 1].code : 0;
    snprintf(o->text, sizeof o->text, "%s", n > 0 && results[n - 1].text != NULL ? results[n - 1].text : "");
    atomic_fetch_add(&o->calls, 1);
}

static void wait_call(struct outcome *o, int calls, int64_t most_ms)
{
    for (int64_t until = clock_mono_ms() + most_ms; atomic_load(&o->calls) < calls; clock_sleep_ms(5))
        if (clock_mono_ms() > until)
            fail_msg("no completion within %lld ms", (long long)most_ms);
}

static void away_at_open_everything_ends_in_time(void **state)
{
    char address[32];
    int fd = closed_port(address);
    const struct storage_option o[] = {{"timeout.ms", "400"}, {"produce.timeout.ms", "700"}};
    struct err err = {0};
    struct arena a = {0};
    int64_t began = clock_mono_ms();
    struct storage *s = opened(address, o, 2);
    assert_true(clock_mono_ms() - began < QUICK_MS);
    assert_int_equal(storage_ready(s, &err), -1);
    assert_true(err.code != 0 && err.text[0] != '\0');
    err_clear(&err);

    struct outcome got = {0};
    const struct record r = {.value = STR("v"), .partition = -1};
    began = clock_mono_ms();
    assert_int_equal(storage_produce(s, STR("t"), &r, 1, on_done, &got, &err), 0);
    assert_true(clock_mono_ms() - began < 100); /* never blocks */
    wait_call(&got, 1, 4000);
    assert_int_equal(got.code, STORE_RETRIABLE);
    assert_non_null(strstr(got.text, "onnect")); /* the reason, not just "timed out" */

    struct topic_info info, *all;
    size_t n;
    int64_t low, high, end;
    struct cluster c;
    const struct topic_spec spec = {.name = STR("t"), .partitions = 1, .replication_factor = 1};
    began = clock_mono_ms();
    assert_int_equal(storage_describe_topic(s, STR("t"), &a, &info, NULL), -1);
    assert_int_equal(storage_list_topics(s, &a, &all, &n, NULL), -1);
    assert_int_equal(storage_cluster(s, &a, &c, NULL), -1);
    assert_int_equal(storage_create_topic(s, &spec, NULL), -1);
    assert_int_equal(storage_delete_topic(s, STR("t"), NULL), -1);
    assert_int_equal(storage_watermarks(s, STR("t"), 0, &low, &high, NULL), -1);
    assert_null(reader_open(s, STR("t"), 0, OFFSET_BEGINNING, NULL));
    assert_null(pen_take(s, STR("p"), STR("t"), 400, &end, &err));
    assert_int_equal(err.code, STORE_RETRIABLE);
    assert_true(clock_mono_ms() - began < 8 * 2000);

    const struct member_options mo = {.group = STR("g"), .auto_offset_reset = "earliest", .auto_commit = true};
    struct member *m = member_open(s, &mo, &err);
    assert_non_null(m);
    const struct str topic = STR("t");
    struct batch b = {0};
    assert_int_equal(member_subscribe(m, &topic, 1, NULL), 0);
    assert_int_equal(member_poll(m, &b, 10, NULL), 0);
    const struct tp tp = {.topic = STR("t"), .partition = 0, .offset = 1};
    assert_int_equal(member_commit(m, &tp, 1, NULL), -1);
    batch_clear(&b);
    began = clock_mono_ms();
    member_free(m);
    assert_true(clock_mono_ms() - began < 10000);
    began = clock_mono_ms();
    storage_free(s);
    assert_true(clock_mono_ms() - began < 10000);
    arena_clear(&a);
    close(fd);
}

static void close_completes_what_is_outstanding(void **state)
{
    char address[32];
    int fd = closed_port(address);
    const struct storage_option o[] = {{"produce.timeout.ms", "600"}};
    struct err err = {0};
    struct storage *s = opened(address, o, 1);
    struct outcome got = {0};
    const struct record r = {.value = STR("v"), .partition = -1};
    for (int i = 0; i < 50; i++)
        assert_int_equal(storage_produce(s, i % 2 == 0 ? STR("a") : STR("b"), &r, 1, on_done, &got, &err), 0);
    int64_t began = clock_mono_ms();
    storage_free(s);
    assert_true(clock_mono_ms() - began < 4000);
    assert_int_equal(atomic_load(&got.calls), 50);
    assert_true(got.code != 0);
    close(fd);
}

static void a_full_buffer_says_so(void **state)
{
    char address[32];
    int fd = closed_port(address);
    const struct storage_option o[] = {{"produce.timeout.ms", "500"}, {"producer.queue.buffering.max.messages", "10"}};
    struct err err = {0};
    struct storage *s = opened(address, o, 2);
    struct outcome got = {0};
    const struct record r[6] = {{.value = STR("v"), .partition = -1}};
    assert_int_equal(storage_produce(s, STR("t"), r, 6, on_done, &got, &err), 0);
    assert_int_equal(storage_produce(s, STR("t"), r, 6, on_done, &got, &err), -1);
    assert_int_equal(err.code, ERR_FULL);
    wait_call(&got, 1, 4000);
    for (int i = 0; i < 100 && storage_produce(s, STR("t"), r, 6, on_done, &got, NULL) < 0; i++)
        clock_sleep_ms(5); /* room again a moment after the completion */
    storage_free(s);
    assert_int_equal(atomic_load(&got.calls), 2);
    close(fd);
}

/* ---- there, away, back ---- */

/* librdkafka's own mock of a cluster: one broker that can be taken down and up. */
struct mock {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
};

static struct mock mock_new(void)
{
    char text[128];
    struct mock m = {0};
    m.rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
    assert_non_null(m.rk);
    m.cluster = rd_kafka_mock_cluster_new(m.rk, 1);
    assert_non_null(m.cluster);
    assert_int_equal(rd_kafka_mock_topic_create(m.cluster, "t", 2, 1), 0);
    return m;
}

static void mock_free(struct mock *m)
{
    rd_kafka_mock_cluster_destroy(m->cluster);
    rd_kafka_destroy(m->rk);
}

static void wait_ready(struct storage *s, int want, int64_t most_ms)
{
    struct err err = {0};
    for (int64_t until = clock_mono_ms() + most_ms; storage_ready(s, &err) != want; clock_sleep_ms(10), err_clear(&err))
        if (clock_mono_ms() > until)
            fail_msg("ready is not %d within %lld ms: %s", want, (long long)most_ms, err.text);
}

static void away_at_open_then_there(void **state)
{
    struct mock mock = mock_new();
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    struct storage *s = opened(rd_kafka_mock_cluster_bootstraps(mock.cluster), NULL, 0);
    struct outcome got = {0};
    const struct record r = {.value = STR("v"), .partition = 1};
    clock_sleep_ms(500);
    assert_int_equal(storage_ready(s, NULL), -1);
    assert_int_equal(storage_produce(s, STR("t"), &r, 1, on_done, &got, NULL), 0);
    clock_sleep_ms(300);
    assert_int_equal(atomic_load(&got.calls), 0);
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    wait_ready(s, 0, 10000);
    wait_call(&got, 1, 10000); /* what waited is written */
    assert_int_equal(got.code, 0);
    storage_free(s);
    mock_free(&mock);
}

static void away_later_then_back(void **state)
{
    struct mock mock = mock_new();
    const struct storage_option o[] = {{"produce.timeout.ms", "1000"}, {"timeout.ms", "1000"}};
    struct storage *s = opened(rd_kafka_mock_cluster_bootstraps(mock.cluster), o, 2);
    struct outcome got = {0};
    struct err err = {0};
    const struct record r = {.value = STR("v"), .partition = 0};
    wait_ready(s, 0, 10000);
    assert_int_equal(storage_produce(s, STR("t"), &r, 1, on_done, &got, NULL), 0);
    wait_call(&got, 1, 10000);
    assert_int_equal(got.code, 0);

    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    wait_ready(s, -1, 10000);
    assert_int_equal(storage_ready(s, &err), -1);
    assert_true(err.text[0] != '\0');
    int64_t began = clock_mono_ms();
    assert_int_equal(storage_produce(s, STR("t"), &r, 1, on_done, &got, NULL), 0);
    wait_call(&got, 2, 4000);
    assert_int_equal(got.code, STORE_RETRIABLE);
    assert_true(clock_mono_ms() - began < 3000);

    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    wait_ready(s, 0, 10000);
    int calls = 2; /* the handle that produces may need a moment longer than the one that asks */
    for (int64_t until = clock_mono_ms() + 15000; got.code != 0;) {
        assert_int_equal(storage_produce(s, STR("t"), &r, 1, on_done, &got, NULL), 0);
        wait_call(&got, ++calls, 4000);
        if (clock_mono_ms() > until)
            fail_msg("produce did not recover: %s", got.text);
    }
    storage_free(s);
    mock_free(&mock);
}

static void a_reader_goes_on_after_an_absence(void **state)
{
    struct mock mock = mock_new();
    struct storage *s = opened(rd_kafka_mock_cluster_bootstraps(mock.cluster), NULL, 0);
    struct outcome got = {0};
    struct err err = {0};
    struct batch b = {0};
    const struct record r = {.key = STR("k"), .value = STR("v"), .partition = 0};
    wait_ready(s, 0, 10000);
    assert_int_equal(storage_produce(s, STR("t"), &r, 1, on_done, &got, NULL), 0);
    wait_call(&got, 1, 10000);
    struct reader *reader = reader_open(s, STR("t"), 0, OFFSET_BEGINNING, &err);
    assert_non_null(reader);
    size_t read = 0;
    for (int i = 0; i < 100 && read < 1; i++, read += b.n)
        assert_int_equal(reader_read(reader, &b, 10, 1000, 100, NULL, &err), 0);
    assert_int_equal(read, 1);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    wait_ready(s, -1, 10000);
    assert_int_equal(reader_read(reader, &b, 10, 1000, 300, NULL, &err), 0); /* away is no error: nothing came */
    assert_int_equal(b.n, 0);
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    wait_ready(s, 0, 10000);
    assert_int_equal(storage_produce(s, STR("t"), &r, 1, on_done, &got, NULL), 0);
    wait_call(&got, 2, 15000);
    assert_int_equal(got.code, 0);
    read = 0;
    for (int i = 0; i < 100 && read < 1; i++, read += b.n)
        assert_int_equal(reader_read(reader, &b, 10, 1000, 100, NULL, &err), 0);
    assert_int_equal(read, 1);
    assert_int_equal(b.records[0].offset, 1);
    batch_clear(&b);
    reader_free(reader);
    storage_free(s);
    mock_free(&mock);
}

/* ---- with a cluster ---- */

/* A topic whose max.message.bytes is smaller than a batch: small records together must not be refused for the size of their
 * batch. */
static void small_records_fit_a_topic_with_a_small_limit(void **state)
{
    enum { N = 500 };
    struct storage *s = opened(cluster(), NULL, 0);
    struct err err = {0};
    struct outcome got = {0};
    char name[64];
    wait_ready(s, 0, 20000);
    snprintf(name, sizeof name, "small-%lld-%d", (long long)clock_unix_ms(), (int)getpid());
    const struct topic_config limit = {.name = STR("max.message.bytes"), .value = STR("400")};
    const struct topic_spec spec = {
        .name = str_of(name), .partitions = 1, .replication_factor = -1, .configs = &limit, .nconfigs = 1};
    assert_int_equal(storage_create_topic(s, &spec, &err), 0);
    struct record *r = calloc(N, sizeof *r);
    for (int i = 0; i < N; i++)
        r[i] = (struct record){.value = STR("one hundred bytes or so, many of which would be too much in one batch"),
                               .partition = 0};
    assert_int_equal(storage_produce(s, str_of(name), r, N, on_done, &got, &err), 0);
    wait_call(&got, 1, 20000);
    assert_int_equal(got.code, 0);
    int64_t end, offsets[N];
    struct pen *pen = pen_take(s, str_of(name), str_of(name), 10000, &end, &err);
    assert_non_null(pen);
    assert_int_equal(end, N);
    assert_int_equal(pen_write(pen, r, N, 10000, offsets, &err), 0);
    assert_int_equal(offsets[N - 1], 2 * N - 1);
    pen_free(pen);
    assert_int_equal(storage_delete_topic(s, str_of(name), &err), 0);
    free(r);
    storage_free(s);
}

static void count(void *ctx)
{
    atomic_fetch_add((_Atomic int *)ctx, 1);
}

/* Who leaves before the last handle is dead is told by the one that dies last; nothing is left behind. */
static void dying_handles_are_waited_for_or_told_of(void **state)
{
    for (int wait_ms = 0; wait_ms <= 5000; wait_ms += 5000) {
        static _Atomic int ended;
        ended = 0;
        struct reaper *r = reaper_new();
        assert_non_null(r);
        for (int i = 0; i < 3; i++) {
            char why[200];
            rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, why, sizeof why);
            assert_non_null(rk);
            reaper_take(r, rk);
        }
        bool at_once = reaper_free(r, wait_ms, count, &ended);
        assert_true(at_once || wait_ms == 0);
        for (int64_t until = clock_mono_ms() + 5000; ended == 0 && clock_mono_ms() < until;)
            clock_sleep_ms(2);
        assert_int_equal(ended, 1);
    }
}

/* Fetching must not stand still when a full queue has been emptied (up to a second each time, if left to librdkafka). */
static void reading_does_not_stand_still(void **state)
{
    enum { N = 20000, SIZE = 1000 };
    const struct storage_option o[] = {{"consumer.queued.max.messages.kbytes", "1024"}};
    struct storage *s = opened(cluster(), o, 1);
    struct err err = {0};
    struct outcome got = {0};
    char name[64];
    wait_ready(s, 0, 20000);
    snprintf(name, sizeof name, "long-%lld-%d", (long long)clock_unix_ms(), (int)getpid());
    const struct topic_spec spec = {.name = str_of(name), .partitions = 1, .replication_factor = -1};
    assert_int_equal(storage_create_topic(s, &spec, &err), 0);
    static char value[SIZE];
    struct record *r = calloc(N, sizeof *r);
    for (int i = 0; i < N; i++)
        r[i] = (struct record){.value = {value, SIZE}, .partition = 0};
    assert_int_equal(storage_produce(s, str_of(name), r, N, on_done, &got, &err), 0);
    wait_call(&got, 1, 30000);
    assert_int_equal(got.code, 0);
    const struct member_options mo = {.group = str_of(name), .auto_offset_reset = "earliest"};
    struct member *m = member_open(s, &mo, &err);
    assert_non_null(m);
    const struct tp tp = {.topic = str_of(name), .partition = 0, .offset = OFFSET_BEGINNING};
    assert_int_equal(member_assign(m, &tp, 1, &err), 0);
    struct batch b = {0};
    int64_t last = clock_mono_ms();
    int stood_still = 0; /* left to librdkafka: nearly each of the 20 times that the queue is emptied */
    for (size_t n = 0; n < N; n += b.n) {
        assert_int_equal(member_poll(m, &b, 500, &err), 0);
        int64_t now = clock_mono_ms();
        if (b.n == 0)
            clock_sleep_ms(2);
        else {
            stood_still += n != 0 && now - last > 500;
            last = now;
        }
        assert_true(now - last < 20000);
    }
    assert_in_range(stood_still, 0, 3);
    batch_clear(&b);
    member_free(m);
    assert_int_equal(storage_delete_topic(s, str_of(name), &err), 0);
    free(r);
    storage_free(s);
}

static void refuses_members_with_bad_properties(void **state)
{
    char address[32];
    int fd = closed_port(address);
    struct err err = {0};
    struct storage *s = opened(address, NULL, 0);
    const struct storage_option bad = {"fetch.min.bites", "1"};
    struct member_options mo = {.group = STR("g"), .auto_offset_reset = "earliest", .properties = &bad, .nproperties = 1};
    assert_null(member_open(s, &mo, &err));
    assert_non_null(strstr(err.text, "fetch.min.bites"));
    err_clear(&err);
    mo = (struct member_options){.group = STR("g"), .auto_offset_reset = "sometimes"};
    assert_null(member_open(s, &mo, &err));
    assert_non_null(strstr(err.text, "sometimes"));
    err_clear(&err);
    mo = (struct member_options){.group = STR(""), .auto_offset_reset = "latest"};
    assert_null(member_open(s, &mo, &err));
    storage_free(s);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked_by_name),
        cmocka_unit_test(good_options_are_taken),
        cmocka_unit_test(bootstrap_is_needed),
        cmocka_unit_test(scram_is_refused_where_it_cannot_work),
        cmocka_unit_test(away_at_open_everything_ends_in_time),
        cmocka_unit_test(close_completes_what_is_outstanding),
        cmocka_unit_test(a_full_buffer_says_so),
        cmocka_unit_test(refuses_members_with_bad_properties),
        cmocka_unit_test(away_at_open_then_there),
        cmocka_unit_test(away_later_then_back),
        cmocka_unit_test(a_reader_goes_on_after_an_absence),
        cmocka_unit_test(small_records_fit_a_topic_with_a_small_limit),
        cmocka_unit_test(dying_handles_are_waited_for_or_told_of),
        cmocka_unit_test(reading_does_not_stand_still),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
