#include "storage_fixture.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <openssl/rand.h>

static const char *bootstrap(void)
{
    const char *where = getenv("MUIR_TEST_KAFKA");
    return where != NULL && *where != '\0' ? where : NULL;
}

void fixture_ok(int status, const char *call, const struct err *err, const char *file, int line)
{
    if (status >= 0)
        return;
    print_error("%s: %d %s\n", call, err->code, err->text);
    _fail(file, line);
}

bool fixture_wait(int64_t until_ms, const char *what, const char *file, int line)
{
    if (clock_mono_ms() > until_ms) {
        print_error("not within %d ms: %s\n", WAIT_MS, what);
        _fail(file, line);
    }
    clock_sleep_ms(10);
    return true;
}

static struct storage *open_storage(struct fixture *f, const struct storage_option *options, size_t n)
{
    struct err err = {0};
    struct storage *s = storage_open(f->kafka ? "kafka" : "sqlite", f->kafka ? bootstrap() : f->path, options, n, &err);
    if (s == NULL)
        fail_msg("storage_open: %s", err.text);
    for (int64_t until = clock_mono_ms() + WAIT_MS; storage_ready(s, NULL) < 0; clock_sleep_ms(20))
        if (clock_mono_ms() > until)
            fail_msg("the storage is not ready within %d ms", WAIT_MS);
    return s;
}

static int begin(void **state, bool kafka)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (f == NULL)
        return -1;
    f->kafka = kafka;
    if (kafka && bootstrap() == NULL)
        return 0; /* fixture() skips: a setup cannot */
    strcpy(f->folder, "/tmp/muir-storage-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof f->path, "%s/log.db", f->folder);
    f->storage = open_storage(f, NULL, 0);
    return 0;
}

int fixture_sqlite(void **state)
{
    return begin(state, false);
}

int fixture_kafka(void **state)
{
    return begin(state, true);
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

int fixture_end(void **state)
{
    struct fixture *f = *state;
    storage_free(f->storage);
    arena_clear(&f->arena);
    if (*f->folder != '\0')
        nftw(f->folder, drop, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

struct fixture *fixture(void **state)
{
    struct fixture *f = *state;
    if (f->kafka && bootstrap() == NULL)
        skip();
    return f;
}

void fixture_reopen(struct fixture *f, const struct storage_option *options, size_t n)
{
    storage_free(f->storage);
    f->storage = NULL;
    f->storage = open_storage(f, options, n);
}

struct str fixture_name(struct fixture *f, const char *prefix)
{
    unsigned char raw[6];
    assert_int_equal(RAND_bytes(raw, sizeof raw), 1);
    struct str name =
        arena_printf(&f->arena, "%s-%02x%02x%02x%02x%02x%02x", prefix, raw[0], raw[1], raw[2], raw[3], raw[4], raw[5]);
    assert_non_null(name.p);
    return name;
}

struct str fixture_topic(struct fixture *f, int32_t partitions, const char *config, const char *value)
{
    struct err err = {0};
    const struct topic_config one = {.name = str_of(config), .value = str_of(value)};
    const struct topic_spec spec = {.name = fixture_name(f, "topic"),
                                    .partitions = partitions,
                                    .replication_factor = -1,
                                    .configs = &one,
                                    .nconfigs = config != NULL};
    assert_ok(storage_create_topic(f->storage, &spec, &err), err);
    return spec.name;
}

/* ---- produce ---------------------------------------------------------------------------------------------------------- */

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t done;
    struct produced *results;
    struct arena *arena;
    size_t n;
    int calls; /* lock */
};

static void completed(void *ctx, const struct produced *results, size_t n)
{
    struct waiting *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->calls++;
    w->n = n;
    for (size_t i = 0; i < n; i++) {
        w->results[i] = results[i];
        w->results[i].text = arena_str(w->arena, str_of(results[i].text)).p;
    }
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

void produce(struct fixture *f, struct str topic, const struct record *records, size_t n, struct produced *results)
{
    struct waiting w = {.results = results, .arena = &f->arena};
    struct err err = {0};
    struct timespec until;
    int status = 0;
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.done, NULL);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2 * WAIT_MS / 1000;
    assert_ok(storage_produce(f->storage, topic, records, n, completed, &w, &err), err);
    pthread_mutex_lock(&w.lock);
    while (w.calls == 0 && status != ETIMEDOUT)
        status = pthread_cond_timedwait(&w.done, &w.lock, &until);
    int calls = w.calls;
    pthread_mutex_unlock(&w.lock);
    assert_int_equal(calls, 1);
    assert_int_equal(w.n, n);
    pthread_cond_destroy(&w.done);
    pthread_mutex_destroy(&w.lock);
}

int64_t produce_ok(struct fixture *f, struct str topic, const struct record *records, size_t n)
{
    struct produced *results = arena_calloc(&f->arena, n, sizeof *results);
    assert_non_null(results);
    produce(f, topic, records, n, results);
    for (size_t i = 0; i < n; i++) {
        if (results[i].code != 0)
            fail_msg("record %zu: %d %s", i, results[i].code, results[i].text);
        assert_true(results[i].offset >= 0);
    }
    return results[0].offset;
}

void produce_numbered(struct fixture *f, struct str topic, int32_t partition, const char *prefix, size_t n)
{
    struct record *records = arena_calloc(&f->arena, n, sizeof *records);
    assert_non_null(records);
    for (size_t i = 0; i < n; i++)
        records[i] = (struct record){.value = arena_printf(&f->arena, "%s%zu", prefix, i), .partition = partition};
    produce_ok(f, topic, records, n);
}

/* ---- read --------------------------------------------------------------------------------------------------------------- */

static struct record copy_record(struct arena *a, const struct record *r)
{
    struct record c = *r;
    struct header *headers = arena_calloc(a, r->nheaders + 1, sizeof *headers);
    assert_non_null(headers);
    for (size_t i = 0; i < r->nheaders; i++)
        headers[i] = (struct header){arena_str(a, r->headers[i].name), arena_str(a, r->headers[i].value)};
    c.headers = headers;
    c.key = arena_str(a, r->key);
    c.value = arena_str(a, r->value);
    return c;
}

void read_records(struct fixture *f, struct str topic, int32_t partition, int64_t from, size_t n, struct batch *b)
{
    struct err err = {0};
    struct batch some = {0};
    struct reader *r = reader_open(f->storage, topic, partition, from, &err);
    if (r == NULL)
        fail_msg("reader_open: %s", err.text);
    *b = (struct batch){.records = arena_calloc(&f->arena, n + 1, sizeof *b->records)};
    assert_non_null(b->records);
    for (int64_t until = clock_mono_ms() + WAIT_MS; b->n < n && clock_mono_ms() < until;) {
        assert_ok(reader_read(r, &some, n - b->n, 1 << 20, 500, NULL, &err), err);
        for (size_t i = 0; i < some.n; i++)
            b->records[b->n++] = copy_record(&f->arena, &some.records[i]);
    }
    batch_clear(&some);
    reader_free(r);
}

size_t poll_records(struct fixture *f, struct member *m, struct record *out, size_t n)
{
    struct err err = {0};
    struct batch b = {0};
    size_t got = 0;
    for (int64_t until = clock_mono_ms() + WAIT_MS; got < n && clock_mono_ms() < until;) {
        assert_ok(member_poll(m, &b, n - got, &err), err);
        for (size_t i = 0; i < b.n; i++)
            out[got++] = copy_record(&f->arena, &b.records[i]);
        if (b.n == 0)
            clock_sleep_ms(5);
    }
    batch_clear(&b);
    return got;
}
