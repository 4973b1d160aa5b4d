/* What only the embedded engine has: its file, its lock, its cleaner, its bounds. */
#include "storage_fixture.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sqlite3.h>

static struct str file_bytes(struct fixture *f, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    char *p = arena_alloc(&f->arena, (size_t)st.st_size + 1);
    assert_non_null(p);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    close(fd);
    return str_n(p, (size_t)st.st_size);
}

static void write_file(const char *path, struct str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t)bytes.n);
    close(fd);
}

static void exec(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static int64_t count(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static void is_refused(const char *path, const char *says)
{
    struct err err = {0};
    struct storage *s = storage_open("sqlite", path, NULL, 0, &err);
    if (s != NULL)
        fail_msg("%s: was opened, expected '%s'", path, says);
    if (strstr(err.text, says) == NULL || strstr(err.text, path) == NULL)
        fail_msg("'%s' does not say '%s' of %s", err.text, says, path);
}

static void beside(struct fixture *f, const char *name, char path[100])
{
    snprintf(path, 100, "%s/%s", f->folder, name);
}

static void all_of_it_survives_a_reopen(void **state)
{
    struct fixture *f = fixture(state);
    struct batch b;
    struct topic_config *configs;
    size_t n;
    struct err err = {0};
    const struct header header = {STR("h"), STR("v")};
    struct str topic = fixture_topic(f, 2, "retention.ms", "-1");
    const struct record r = {
        .key = STR("k"), .value = STR("v"), .headers = &header, .nheaders = 1, .timestamp_ms = 12345, .partition = 1};
    produce_ok(f, topic, &r, 1);
    fixture_reopen(f, NULL, 0);
    assert_int_equal(produce_ok(f, topic, &r, 1), 1);
    read_records(f, topic, 1, OFFSET_BEGINNING, 2, &b);
    assert_int_equal(b.n, 2);
    assert_int_equal(b.records[0].timestamp_ms, 12345);
    assert_str(b.records[1].headers[0].value, "v");
    assert_ok(storage_topic_configs(f->storage, topic, &f->arena, &configs, &n, &err), err);
    for (size_t i = 0; i < n; i++)
        if (str_is(configs[i].name, "retention.ms"))
            assert_str(configs[i].value, "-1");
}

static void a_clean_end_leaves_one_file(void **state)
{
    struct fixture *f = fixture(state);
    char path[100];
    struct stat st;
    produce_numbered(f, fixture_topic(f, 1, NULL, NULL), 0, "v", 10);
    storage_free(f->storage);
    f->storage = NULL;
    static const char *const others[] = {"log.db-wal", "log.db-shm", "log.db-lock", "log.db-new", "log.db-journal"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        beside(f, others[i], path);
        assert_int_equal(stat(path, &st), -1);
    }
    assert_int_equal(stat(f->path, &st), 0);
}

/* Another process, this program again: opens path, says y or n on its standard output, and stays until it is killed. */
static int hold(const char *path)
{
    struct err err = {0};
    struct storage *s = storage_open("sqlite", path, NULL, 0, &err);
    if (write(STDOUT_FILENO, s != NULL ? "y" : strstr(err.text, "holds this log") != NULL ? "h" : "n", 1) == 1 && s != NULL)
        pause();
    storage_free(s);
    return 0;
}

static pid_t start_holder(const char *path, char *said)
{
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl("/proc/self/exe", "test_storage_sqlite", "hold", path, (char *)NULL);
        _exit(1);
    }
    close(out[1]);
    assert_int_equal(read(out[0], said, 1), 1);
    close(out[0]);
    return pid;
}

static void second_process_is_refused(void **state)
{
    struct fixture *f = fixture(state);
    char said = 0, link_path[100];
    struct err err = {0};
    is_refused(f->path, "another process");
    waitpid(start_holder(f->path, &said), NULL, 0);
    assert_int_equal(said, 'h');
    beside(f, "link.db", link_path);
    assert_int_equal(symlink(f->path, link_path), 0);
    assert_null(storage_open("sqlite", link_path, NULL, 0, &err));
    assert_non_null(strstr(err.text, "holds this log"));
    produce_numbered(f, fixture_topic(f, 1, NULL, NULL), 0, "v", 10); /* and we go on undisturbed */
}

static void lock_ends_with_the_process(void **state)
{
    struct fixture *f = fixture(state);
    char path[100], said = 0;
    struct err err = {0};
    beside(f, "other.db", path);
    pid_t pid = start_holder(path, &said);
    assert_int_equal(said, 'y');
    is_refused(path, "holds this log");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    struct storage *s = storage_open("sqlite", path, NULL, 0, &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    storage_free(s);
}

static void foreign_files_are_refused_and_stay(void **state)
{
    struct fixture *f = fixture(state);
    char text[100], foreign[100], folder[100];
    beside(f, "text.txt", text);
    beside(f, "foreign.db", foreign);
    beside(f, "folder", folder);
    write_file(text, STR("dear diary, this is not a database"));
    is_refused(text, "not a muir log");
    assert_str(file_bytes(f, text), "dear diary, this is not a database");
    exec(foreign, "CREATE TABLE t(x); INSERT INTO t VALUES(1); PRAGMA application_id=7");
    struct str before = file_bytes(f, foreign);
    is_refused(foreign, "another program");
    assert_true(str_eq(file_bytes(f, foreign), before));
    assert_int_equal(mkdir(folder, 0755), 0);
    is_refused(folder, "not a plain file");
    char path[100];
    beside(f, "no/such/folder.db", path);
    is_refused(path, "No such file");
    struct err err = {0};
    assert_null(storage_open("sqlite", "", NULL, 0, &err));
    struct stat st;
    beside(f, "text.txt-lock", path);
    assert_int_equal(stat(path, &st), -1);
}

static void empty_file_becomes_a_log(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    char path[100], wal[100];
    beside(f, "empty.db", path);
    write_file(path, STR(""));
    struct storage *s = storage_open("sqlite", path, NULL, 0, &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    storage_free(s);
    unlink(path); /* the file is lost, what was written last is not */
    beside(f, "empty.db-wal", wal);
    write_file(wal, STR("records"));
    is_refused(path, "put the file back");
    assert_str(file_bytes(f, wal), "records");
}

/* A closed log of some size, for others to spoil. */
static struct str closed_log(struct fixture *f)
{
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    for (int i = 0; i < 20; i++)
        produce_numbered(f, topic, 0,
                         "a value that takes some room in the file, and then some more of it, so that there are pages ", 200);
    storage_free(f->storage);
    f->storage = NULL;
    return file_bytes(f, f->path);
}

static void newer_file_is_refused(void **state)
{
    struct fixture *f = fixture(state);
    closed_log(f);
    exec(f->path, "PRAGMA user_version=999");
    struct str before = file_bytes(f, f->path);
    is_refused(f->path, "newer muir");
    assert_true(str_eq(file_bytes(f, f->path), before));
}

static void damaged_file_is_refused(void **state)
{
    struct fixture *f = fixture(state);
    struct str whole = closed_log(f);
    char *bytes = malloc(whole.n);
    assert_true(whole.n > 200000);
    write_file(f->path, str_n(whole.p, whole.n / 2));
    is_refused(f->path, "damaged");
    write_file(f->path, str_n(whole.p, 50));
    is_refused(f->path, "not a muir log");
    memcpy(bytes, whole.p, whole.n);
    memset(bytes + 100, 0, 3996); /* the schema's page */
    write_file(f->path, str_n(bytes, whole.n));
    is_refused(f->path, "damaged");
    memcpy(bytes, whole.p, whole.n);
    memset(bytes + whole.n / 2, 0xee, 8192);
    write_file(f->path, str_n(bytes, whole.n));
    is_refused(f->path, "damaged");
    free(bytes);
    write_file(f->path, whole);
    exec(f->path, "UPDATE partitions SET high=5");
    is_refused(f->path, "past its end");
    write_file(f->path, whole);
    exec(f->path, "DROP TABLE times");
    is_refused(f->path, "damaged");
    write_file(f->path, whole);
    fixture_reopen(f, NULL, 0);
}

/* A partition id is never used twice, and its records lie below those of the next id: the very last one has no next. */
static void partition_ids_end(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    int64_t low, high;
    const struct topic_spec spec = {.name = fixture_name(f, "more"), .partitions = 1, .replication_factor = -1};
    storage_free(f->storage);
    f->storage = NULL;
    exec(f->path, "INSERT INTO partitions VALUES((1<<23)-3, NULL, 0, 0, 0, 0, 0, 0)");
    fixture_reopen(f, NULL, 0);
    struct str last = fixture_topic(f, 1, NULL, NULL);
    produce_numbered(f, last, 0, "v", 3);
    assert_int_equal(storage_create_topic(f->storage, &spec, &err), -1);
    assert_int_equal(err.code, STORE_INVALID_REQUEST);
    err_clear(&err);
    fixture_reopen(f, NULL, 0);
    struct batch b;
    read_records(f, last, 0, 0, 3, &b);
    assert_ok(storage_watermarks(f->storage, last, 0, &low, &high, &err), err);
    assert_int_equal(high, 3);
    storage_free(f->storage);
    f->storage = NULL;
    exec(f->path, "UPDATE partitions SET id=(1<<23)-1 WHERE topic IS NOT NULL");
    is_refused(f->path, "damaged");
}

static void wrong_options_are_refused(void **state)
{
    struct fixture *f = fixture(state);
    static const struct {
        struct storage_option option;
        const char *says;
    } cases[] = {{{"num.partitions", "many"}, "num.partitions=many"},
                 {{"num.partition", "1"}, "num.partitions"},
                 {{"timeout.ms", "-1"}, "timeout.ms"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        assert_null(storage_open("sqlite", f->path, &cases[i].option, 1, &err));
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("'%s' does not say %s", err.text, cases[i].says);
    }
    const struct storage_option kafkas = {"client.security.protocol", "SSL"};
    fixture_reopen(f, &kafkas, 1);
}

/* ---- the queue ---------------------------------------------------------------------------------------------------------- */

struct tally {
    pthread_mutex_t lock;
    int answered, failed;
};

static void tally_up(void *ctx, const struct produced *results, size_t n)
{
    struct tally *t = ctx;
    pthread_mutex_lock(&t->lock);
    t->answered++;
    t->failed += results[0].code != 0;
    pthread_mutex_unlock(&t->lock);
}

static void full_queue_says_so(void **state)
{
    struct fixture *f = fixture(state);
    const struct storage_option small = {"queue.max.bytes", "100k"};
    fixture_reopen(f, &small, 1);
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    static char value[10000];
    struct tally t = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const struct record r = {.value = str_n(value, sizeof value), .partition = 0};
    int taken = 0, full = 0;
    for (int i = 0; i < 3000; i++) {
        struct err err = {0};
        if (storage_produce(f->storage, topic, &r, 1, tally_up, &t, &err) == 0) {
            taken++;
        } else {
            assert_int_equal(err.code, ERR_FULL);
            full++;
        }
    }
    assert_true(full > 0);
    fixture_reopen(f, NULL, 0); /* closing waits for all that were taken */
    assert_int_equal(t.answered, taken);
    assert_int_equal(t.failed, 0);
    int64_t low, high;
    struct err err = {0};
    assert_ok(storage_watermarks(f->storage, topic, 0, &low, &high, &err), err);
    assert_int_equal(high, taken);
}

static void wal_stays_short(void **state)
{
    struct fixture *f = fixture(state);
    static char value[100000];
    char wal[100];
    struct stat st;
    struct record records[50];
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    for (int i = 0; i < 50; i++)
        records[i] = (struct record){.value = str_n(value, sizeof value), .partition = 0};
    beside(f, "log.db-wal", wal);
    for (int i = 0; i < 40; i++) { /* 200 MB */
        produce_ok(f, topic, records, 50);
        assert_int_equal(stat(wal, &st), 0);
        assert_true(st.st_size < 100 << 20);
    }
}

/* ---- the cleaner ---------------------------------------------------------------------------------------------------------- */

static void clean_often(struct fixture *f)
{
    static const struct storage_option often[] = {{"log.cleaner.backoff.ms", "20"}, {"log.retention.check.interval.ms", "20"}};
    fixture_reopen(f, often, 2);
}

static int64_t low_of(struct fixture *f, struct str topic)
{
    struct err err = {0};
    int64_t low, high;
    assert_ok(storage_watermarks(f->storage, topic, 0, &low, &high, &err), err);
    return low;
}

static void old_records_go(void **state)
{
    struct fixture *f = fixture(state);
    struct batch b;
    struct err err = {0};
    int64_t low, high;
    enum { N = 3000 };
    clean_often(f);
    struct str topic = fixture_topic(f, 1, "retention.ms", "3600000");
    struct record *records = calloc(N, sizeof *records);
    int64_t now_ms = clock_unix_ms();
    for (int i = 0; i < N; i++)
        records[i] = (struct record){
            .value = arena_printf(&f->arena, "%d", i), .timestamp_ms = i < 2500 ? now_ms - 7200000 : now_ms, .partition = 0};
    produce_ok(f, topic, records, N);
    free(records);
    WAIT_FOR(low_of(f, topic) == 2500);
    read_records(f, topic, 0, 0, 500, &b); /* an offset below the start begins at the start */
    assert_int_equal(b.records[0].offset, 2500);
    assert_str(b.records[0].value, "2500");
    const struct topic_config now = {.name = STR("retention.ms"), .value = STR("0")};
    clock_sleep_ms(5);
    assert_ok(storage_alter_configs(f->storage, topic, &now, 1, &err), err);
    WAIT_FOR(low_of(f, topic) == N);
    assert_ok(storage_watermarks(f->storage, topic, 0, &low, &high, &err), err);
    assert_int_equal(high, N);
    const struct topic_config never = {.name = STR("retention.ms"), .value = STR("-1")};
    assert_ok(storage_alter_configs(f->storage, topic, &never, 1, &err), err);
    clean_often(f);
    const struct record r = {.value = STR("next"), .partition = 0};
    assert_int_equal(produce_ok(f, topic, &r, 1),
                     N); /* offsets never come twice, also after all went and the file was opened again */
}

static void too_many_bytes_go(void **state)
{
    struct fixture *f = fixture(state);
    char value[1000] = {0};
    struct record records[100];
    clean_often(f);
    struct str topic = fixture_topic(f, 1, "retention.bytes", "20000");
    for (int i = 0; i < 100; i++)
        records[i] = (struct record){.value = str_n(value, sizeof value), .partition = 0};
    produce_ok(f, topic, records, 100);
    WAIT_FOR(low_of(f, topic) == 80);
    clock_sleep_ms(100);
    assert_int_equal(low_of(f, topic), 80);
}

static size_t records_left(struct fixture *f, struct str topic, struct batch *b)
{
    struct err err = {0};
    struct batch some = {0};
    bool end = false;
    struct reader *r = reader_open(f->storage, topic, 0, 0, &err);
    assert_non_null(r);
    *b = (struct batch){.records = arena_calloc(&f->arena, 20000, sizeof *b->records)};
    while (!end) {
        assert_ok(reader_read(r, &some, 1000, 1 << 20, 0, &end, &err), err);
        for (size_t i = 0; i < some.n; i++) {
            b->records[b->n] = some.records[i];
            b->records[b->n].key = arena_str(&f->arena, some.records[i].key);
            b->records[b->n++].value = arena_str(&f->arena, some.records[i].value);
        }
    }
    batch_clear(&some);
    reader_free(r);
    return b->n;
}

static void compaction_keeps_the_last_of_each_key(void **state)
{
    struct fixture *f = fixture(state);
    struct batch b;
    struct err err = {0};
    int64_t low, high;
    enum { N = 5000, KEYS = 37 };
    clean_often(f);
    struct str topic = fixture_topic(f, 1, "cleanup.policy", "compact");
    struct record *records = calloc(N, sizeof *records);
    for (int i = 0; i < N; i++)
        records[i] = (struct record){
            .key = arena_printf(&f->arena, "key %d", i % KEYS), .value = arena_printf(&f->arena, "%d", i), .partition = 0};
    produce_ok(f, topic, records, N);
    free(records);
    WAIT_FOR(records_left(f, topic, &b) == KEYS);
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(b.records[i].offset, N - KEYS + i);
        assert_true(str_eq(b.records[i].value, arena_printf(&f->arena, "%zu", N - KEYS + i)));
    }
    assert_ok(storage_watermarks(f->storage, topic, 0, &low, &high, &err), err);
    assert_int_equal(low, 0); /* compaction moves neither end */
    assert_int_equal(high, N);
    const struct record again = {.key = STR("key 0"), .value = STR("new"), .partition = 0};
    assert_int_equal(produce_ok(f, topic, &again, 1), N);
    int64_t offset;
    assert_ok(storage_offset_for_time(f->storage, topic, 0, 0, &offset, &err), err);
    assert_int_equal(offset, b.records[0].offset); /* the first that is there */
}

static void tombstones_go_after_a_while(void **state)
{
    struct fixture *f = fixture(state);
    struct batch b;
    struct err err = {0};
    clean_often(f);
    struct str topic = fixture_topic(f, 1, "cleanup.policy", "compact");
    const struct record records[] = {{.key = STR("a"), .value = STR("1"), .partition = 0},
                                     {.key = STR("b"), .value = STR("2"), .partition = 0},
                                     {.key = STR("a"), .value = STR_NULL, .partition = 0},
                                     {.key = STR("c"), .value = STR("3"), .partition = 0}};
    produce_ok(f, topic, records, 4);
    WAIT_FOR(records_left(f, topic, &b) == 3);
    clock_sleep_ms(100);
    assert_int_equal(records_left(f, topic, &b), 3); /* whoever reads now must learn that "a" is gone */
    assert_int_equal(b.records[1].offset, 2);
    assert_null(b.records[1].value.p);
    const struct topic_config soon = {.name = STR("delete.retention.ms"), .value = STR("1")};
    assert_ok(storage_alter_configs(f->storage, topic, &soon, 1, &err), err);
    WAIT_FOR(records_left(f, topic, &b) == 2);
    assert_str(b.records[0].key, "b");
    assert_str(b.records[1].key, "c");
}

static void young_records_are_not_compacted(void **state)
{
    struct fixture *f = fixture(state);
    struct batch b;
    struct err err = {0};
    clean_often(f);
    const struct topic_config configs[] = {{.name = STR("cleanup.policy"), .value = STR("compact")},
                                           {.name = STR("min.compaction.lag.ms"), .value = STR("3600000")},
                                           {.name = STR("min.cleanable.dirty.ratio"), .value = STR("0")}};
    const struct topic_spec spec = {
        .name = fixture_name(f, "young"), .partitions = 1, .replication_factor = -1, .configs = configs, .nconfigs = 3};
    assert_ok(storage_create_topic(f->storage, &spec, &err), err);
    int64_t old_ms = clock_unix_ms() - 7200000;
    const struct record records[] = {{.key = STR("a"), .value = STR("1"), .timestamp_ms = old_ms, .partition = 0},
                                     {.key = STR("a"), .value = STR("2"), .timestamp_ms = old_ms, .partition = 0},
                                     {.key = STR("a"), .value = STR("3"), .partition = 0},
                                     {.key = STR("a"), .value = STR("4"), .partition = 0}};
    produce_ok(f, spec.name, records, 4);
    WAIT_FOR(records_left(f, spec.name, &b) == 3);
    clock_sleep_ms(100);
    assert_int_equal(records_left(f, spec.name, &b), 3);
    assert_str(b.records[0].value, "2");
}

static void deleted_topics_leave_nothing(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct str topic = fixture_topic(f, 3, "retention.ms", "-1");
    const struct member_options o = {.group = STR("g"), .client_id = STR("c"), .auto_offset_reset = "latest"};
    struct tp tp = {.topic = topic, .partition = 0, .offset = 5};
    for (int32_t p = 0; p < 3; p++)
        produce_numbered(f, topic, p, "v", 3500);
    struct member *m = member_open(f->storage, &o, &err);
    assert_ok(member_commit(m, &tp, 1, &err), err);
    assert_ok(storage_delete_topic(f->storage, topic, &err), err);
    assert_ok(member_committed(m, &f->arena, &tp, 1, &err), err);
    assert_int_equal(tp.offset, OFFSET_INVALID);
    member_free(m);
    WAIT_FOR(count(f->path,
                   "SELECT (SELECT count(*) FROM records) + (SELECT count(*) FROM partitions) + (SELECT count(*) FROM times)") ==
             0);
    assert_int_equal(
        count(f->path, "SELECT (SELECT count(*) FROM topics) + (SELECT count(*) FROM configs) + (SELECT count(*) FROM offsets)"),
        0);
}

/* What another program's lock kept from being erased is erased when the lock is gone. */
static void failed_erasing_is_tried_again(void **state)
{
    struct fixture *f = fixture(state);
    static const struct storage_option impatient[] = {{"log.cleaner.backoff.ms", "20"}, {"timeout.ms", "50"}};
    sqlite3 *db;
    closed_log(f);
    exec(f->path, "UPDATE partitions SET topic=NULL; DELETE FROM configs; DELETE FROM topics"); /* and then it was killed */
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    fixture_reopen(f, impatient, 2);
    WAIT_FOR(storage_ready(f->storage, NULL) < 0);
    sqlite3_close(db);
    WAIT_FOR(count(f->path, "SELECT (SELECT count(*) FROM records) + (SELECT count(*) FROM partitions)") == 0);
}

/* A pass that was cut short removed records which nobody counted as cleaned: the next whole one sets that right. */
static void dirty_bytes_are_none_after_a_pass(void **state)
{
    struct fixture *f = fixture(state);
    struct str topic = fixture_topic(f, 1, "cleanup.policy", "compact");
    const struct record r = {.key = STR("k"), .value = STR("v"), .partition = 0};
    produce_ok(f, topic, &r, 1);
    storage_free(f->storage);
    f->storage = NULL;
    exec(f->path, "UPDATE partitions SET dirty_bytes=dirty_bytes+1000");
    clean_often(f);
    WAIT_FOR(count(f->path, "SELECT clean FROM partitions") == 1);
    assert_int_equal(count(f->path, "SELECT dirty_bytes FROM partitions"), 0);
}

/* ---- groups -----------------------------------------------------------------------------------------------------------------
 */

static void ranges_are_kafkas(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct member *members[3];
    const struct str topics[] = {fixture_topic(f, 5, NULL, NULL), fixture_topic(f, 2, NULL, NULL)};
    static const int expected[3][2] = {{2, 1}, {2, 1}, {1, 0}}; /* of each topic: 5 = 2 + 2 + 1, 2 = 1 + 1 + 0 */
    for (int i = 0; i < 3; i++) {
        const struct member_options o = {.group = STR("g"), .client_id = STR("c"), .auto_offset_reset = "latest"};
        members[i] = member_open(f->storage, &o, &err);
        assert_ok(member_subscribe(members[i], topics, 2, &err), err);
    }
    for (int i = 0; i < 3; i++) {
        struct tp *tps;
        size_t n;
        int got[2] = {0};
        assert_ok(member_assignment(members[i], &f->arena, &tps, &n, &err), err);
        for (size_t k = 0; k < n; k++)
            got[str_eq(tps[k].topic, topics[1])]++;
        assert_int_equal(got[0], expected[i][0]);
        assert_int_equal(got[1], expected[i][1]);
        for (size_t k = 0; k < n; k++)
            if (i == 1 && str_eq(tps[k].topic, topics[0]))
                assert_in_range(tps[k].partition, 2, 3); /* runs, not turns */
    }
    for (int i = 0; i < 3; i++)
        member_free(members[i]);
}

/* Whoever reads once under a name of its own leaves nothing in memory. */
static void groups_without_offsets_are_forgotten(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    size_t before = 0;
    const struct str topic = fixture_topic(f, 1, NULL, NULL);
    for (int i = 0; i < 20000; i++) {
        char name[40];
        snprintf(name, sizeof name, "a group with some name %d", i);
        const struct member_options o = {.group = str_of(name), .client_id = STR("c"), .auto_offset_reset = "latest"};
        struct member *m = member_open(f->storage, &o, &err);
        assert_non_null(m);
        if (i % 1000 == 0)
            assert_ok(member_subscribe(m, &topic, 1, &err), err);
        member_free(m);
        if (i == 1000)
            before = mallinfo2().uordblks;
    }
    assert_true(mallinfo2().uordblks < before + (1 << 20));
}

/* Members come and go while records flow: every record is read, and none twice by members that commit before they leave. */
struct reading {
    struct fixture *f;
    struct str topic, group;
    pthread_mutex_t *lock;
    int *seen; /* lock; by number */
    int *total;
};

static void *read_and_leave(void *arg)
{
    struct reading *r = arg;
    unsigned seed = (unsigned)(uintptr_t)r;
    struct batch b = {0};
    for (bool done = false; !done;) {
        const struct member_options o = {
            .group = r->group, .client_id = STR("c"), .auto_offset_reset = "earliest", .auto_commit = true, .auto_commit_ms = 5};
        struct member *m = member_open(r->f->storage, &o, NULL);
        member_subscribe(m, &r->topic, 1, NULL);
        for (int polls = 5 + rand_r(&seed) % 20; polls > 0 && !done; polls--) {
            if (member_poll(m, &b, 17, NULL) < 0)
                break;
            pthread_mutex_lock(r->lock);
            for (size_t i = 0; i < b.n; i++) {
                int number = 0;
                for (size_t k = 0; k < b.records[i].value.n; k++)
                    number = number * 10 + (b.records[i].value.p[k] - '0');
                *r->total += r->seen[number]++ == 0;
            }
            done = *r->total == 4000;
            pthread_mutex_unlock(r->lock);
            for (size_t i = 0; i < b.n; i++) {
                const struct tp tp = {.topic = r->topic, .partition = b.records[i].partition, .offset = b.records[i].offset + 1};
                member_store(m, &tp, 1, NULL);
            }
            clock_sleep_ms(1);
        }
        batch_clear(&b);
        member_free(m);
    }
    return NULL;
}

static void crowd_reads_everything(void **state)
{
    struct fixture *f = fixture(state);
    pthread_t threads[4];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int seen[4000];
    int total = 0;
    struct str topic = fixture_topic(f, 4, NULL, NULL);
    memset(seen, 0, sizeof seen);
    struct record *records = calloc(4000, sizeof *records);
    struct reading r = {f, topic, STR("crowd"), &lock, seen, &total};
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, read_and_leave, &r);
    for (int i = 0; i < 4000; i++)
        records[i] = (struct record){.value = arena_printf(&f->arena, "%d", i), .partition = i % 4};
    for (int i = 0; i < 4000; i += 100)
        produce_ok(f, topic, records + i, 100);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    free(records);
    assert_int_equal(total, 4000);
}

#define SQLITE(f)                                                                                                                \
    {                                                                                                                            \
#f, f, fixture_sqlite, fixture_end, NULL                                                                                 \
    }

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    const struct CMUnitTest tests[] = {
        SQLITE(all_of_it_survives_a_reopen),
        SQLITE(a_clean_end_leaves_one_file),
        SQLITE(second_process_is_refused),
        SQLITE(lock_ends_with_the_process),
        SQLITE(foreign_files_are_refused_and_stay),
        SQLITE(empty_file_becomes_a_log),
        SQLITE(newer_file_is_refused),
        SQLITE(damaged_file_is_refused),
        SQLITE(partition_ids_end),
        SQLITE(wrong_options_are_refused),
        SQLITE(full_queue_says_so),
        SQLITE(wal_stays_short),
        SQLITE(old_records_go),
        SQLITE(too_many_bytes_go),
        SQLITE(compaction_keeps_the_last_of_each_key),
        SQLITE(tombstones_go_after_a_while),
        SQLITE(young_records_are_not_compacted),
        SQLITE(deleted_topics_leave_nothing),
        SQLITE(failed_erasing_is_tried_again),
        SQLITE(dirty_bytes_are_none_after_a_pass),
        SQLITE(ranges_are_kafkas),
        SQLITE(groups_without_offsets_are_forgotten),
        SQLITE(crowd_reads_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
