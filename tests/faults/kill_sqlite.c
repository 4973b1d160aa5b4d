/* kill_sqlite [ROUNDS] - what the embedded log has acknowledged survives kill -9 at any moment.
 *
 * Each round a child opens the log and works it from several threads (batches for two partitions, a pen, commits of a group),
 * telling its parent through a pipe whatever was acknowledged.  After a random while the parent kills it, opens the log itself,
 * and looks: every acknowledged record is at its offset with its bytes, each thread's records are in its order, offsets grow, the
 * committed offset is not behind the acknowledged one, and now and then SQLite's own integrity check.  The last line tells;
 * status 1 if anything was lost. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/storage.h"

enum { PRODUCERS = 3, PARTITIONS = 2, BATCH_MAX = 40, KILL_AFTER_MS = 120, INTEGRITY_EVERY = 10 };
enum kind { READY, PRODUCED, PENNED, COMMITTED };

struct ack {
    enum kind kind;
    int32_t partition; /* PRODUCED */
    uint32_t writer, seq;
    int64_t offset;
};

struct value { /* a record's bytes; what follows is padding of a length that seq decides */
    uint32_t round, writer, seq;
    char padding[400];
};

static size_t value_fill(struct value *v, uint32_t round, uint32_t writer, uint32_t seq)
{
    *v = (struct value){.round = round, .writer = writer, .seq = seq};
    size_t n = seq * 7 % sizeof v->padding;
    memset(v->padding, 'a' + (int)(seq % 26), n);
    return offsetof(struct value, padding) + n;
}

/* ---- the child ----------------------------------------------------------------------------------------------------------- */

static struct child {
    struct storage *s;
    int pipe;
    uint32_t round;
} child;

static void tell(const struct ack *a)
{
    if (write(child.pipe, a, sizeof *a) != (ssize_t)sizeof *a)
        _exit(3);
}

struct batch_under_way {
    struct record records[BATCH_MAX];
    struct value values[BATCH_MAX];
    atomic_int done;
    uint32_t writer, first;
};

static void answered(void *ctx, const struct produced *results, size_t n)
{
    struct batch_under_way *b = ctx;
    for (size_t i = 0; i < n; i++) {
        const struct ack a = {PRODUCED, results[i].partition, b->writer, b->first + (uint32_t)i, results[i].offset};
        if (results[i].code != 0)
            _exit(4);
        tell(&a);
    }
    atomic_store(&b->done, 1);
}

static void *produce_for_ever(void *arg)
{
    uint32_t writer = (uint32_t)(uintptr_t)arg, seq = 0;
    unsigned seed = child.round * 31 + writer;
    struct batch_under_way *b = calloc(1, sizeof *b);
    for (;;) {
        size_t n = 1 + (size_t)rand_r(&seed) % BATCH_MAX;
        b->writer = writer;
        b->first = seq;
        atomic_store(&b->done, 0);
        for (size_t i = 0; i < n; i++, seq++) {
            size_t bytes = value_fill(&b->values[i], child.round, writer, seq);
            b->records[i] = (struct record){.value = str_n(&b->values[i], bytes), .partition = (int32_t)(writer % PARTITIONS)};
        }
        if (storage_produce(child.s, STR("load"), b->records, n, answered, b, NULL) < 0)
            _exit(5);
        while (atomic_load(&b->done) == 0)
            usleep(50);
    }
    return NULL;
}

static void *pen_for_ever(void *arg)
{
    int64_t end, offsets[2];
    struct value v;
    for (uint32_t seq = 0;;) {
        struct pen *p = pen_take(child.s, STR("pen"), STR("penned"), 30000, &end, NULL);
        for (int i = 0; p != NULL && i < 5; i++, seq++) {
            struct record r = {.value = str_n(&v, value_fill(&v, child.round, PRODUCERS, seq))};
            const struct record both[] = {r, r}; /* one transaction: both or none */
            if (pen_write(p, both, 2, 30000, offsets, NULL) < 0 || offsets[1] != offsets[0] + 1)
                _exit(6);
            const struct ack a = {PENNED, 0, PRODUCERS, seq, offsets[0]};
            tell(&a);
        }
        pen_free(p);
    }
    return NULL;
}

static void *commit_for_ever(void *arg)
{
    const struct member_options o = {.group = STR("group"), .client_id = STR("kill"), .auto_offset_reset = "earliest"};
    struct member *m = member_open(child.s, &o, NULL);
    for (int64_t offset = (int64_t)child.round * 1000000;; offset++) {
        const struct tp tp = {.topic = STR("load"), .partition = 1, .offset = offset};
        if (m == NULL || member_commit(m, &tp, 1, NULL) < 0)
            _exit(7);
        const struct ack a = {.kind = COMMITTED, .offset = offset};
        tell(&a);
    }
    return NULL;
}

static void child_run(const char *path, uint32_t round, int fd)
{
    pthread_t t;
    struct err err = {0};
    child.pipe = fd;
    child.round = round;
    if ((child.s = storage_open("sqlite", path, NULL, 0, &err)) == NULL) {
        fprintf(stderr, "child: %s\n", err.text);
        _exit(2);
    }
    tell(&(struct ack){.kind = READY});
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        pthread_create(&t, NULL, produce_for_ever, (void *)i);
    pthread_create(&t, NULL, pen_for_ever, NULL);
    commit_for_ever(NULL);
}

/* ---- the parent ------------------------------------------------------------------------------------------------------------ */

struct acks {
    struct ack *list;
    size_t n, cap;
};

/* Reads until the child is gone; kills it after_ms after it said READY. */
static int collect(int fd, pid_t pid, int64_t after_ms, struct acks *acks)
{
    int64_t kill_ms = INT64_MAX;
    bool killed = false;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left_ms = kill_ms == INT64_MAX ? 30000 : kill_ms - clock_mono_ms();
        if (!killed && (left_ms <= 0 || (kill_ms == INT64_MAX && poll(&p, 1, 30000) == 0))) {
            kill(pid, SIGKILL);
            killed = true;
        }
        if (poll(&p, 1, killed ? -1 : (int)left_ms) <= 0)
            continue;
        struct ack a;
        ssize_t n = read(fd, &a, sizeof a);
        if (n == 0)
            break;
        if (n != (ssize_t)sizeof a)
            return -1;
        if (a.kind == READY) {
            kill_ms = clock_mono_ms() + after_ms;
            continue;
        }
        if (acks->n == acks->cap) {
            acks->cap = acks->cap == 0 ? 1024 : 2 * acks->cap;
            if ((acks->list = realloc(acks->list, acks->cap * sizeof a)) == NULL)
                return -1;
        }
        acks->list[acks->n++] = a;
    }
    int status;
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && kill_ms != INT64_MAX)
        return 0;
    fprintf(stderr, "the child ended by itself: status %d\n", status);
    return -1;
}

struct seen {
    bool *found;         /* by ack */
    int64_t last_offset; /* in this partition */
    int64_t next[PRODUCERS + 1];
};

/* All records of this round in one partition, each checked against what was acknowledged. from: where the round began. */
static int check_partition(struct storage *s, const char *topic, int32_t partition, int64_t from, uint32_t round,
                           const struct acks *acks, struct seen *seen)
{
    struct err err = {0};
    struct batch b = {0};
    bool end = false;
    size_t at =
        0; /* acks of one partition come in the order of their offsets, except between threads: searched from here around */
    struct reader *r = reader_open(s, str_of(topic), partition, from, &err);
    int status = r != NULL ? 0 : -1;
    seen->last_offset = from - 1;
    for (int i = 0; i <= PRODUCERS; i++)
        seen->next[i] = -1;
    while (status == 0 && !end) {
        if (reader_read(r, &b, 1000, 1 << 20, 0, &end, &err) < 0)
            status = -1;
        for (size_t i = 0; status == 0 && i < b.n; i++) {
            const struct record *rec = &b.records[i];
            struct value v = {0}, expected;
            memcpy(&v, rec->value.p, rec->value.n < sizeof v ? rec->value.n : sizeof v);
            size_t n = value_fill(&expected, round, v.writer, v.seq);
            if (rec->offset <= seen->last_offset || v.round != round || v.writer > PRODUCERS || n != rec->value.n ||
                memcmp(&v, &expected, n) != 0)
                status =
                    err_set(&err, ERR_IO, "%s-%d offset %lld is not what was written", topic, partition, (long long)rec->offset);
            else if (v.writer < PRODUCERS && v.seq <= seen->next[v.writer])
                status = err_set(&err, ERR_IO, "%s-%d offset %lld: record %u of thread %u comes late or twice", topic, partition,
                                 (long long)rec->offset, v.seq, v.writer);
            else
                seen->next[v.writer] = v.seq;
            seen->last_offset = rec->offset;
            enum kind kind = v.writer == PRODUCERS ? PENNED : PRODUCED;
            for (size_t k = 0; status == 0 && k < acks->n; k++) {
                size_t j = (at + k) % acks->n;
                const struct ack *a = &acks->list[j];
                if (a->kind != kind || a->writer != v.writer || a->seq != v.seq || a->partition != partition)
                    continue;
                if (a->offset == rec->offset || (kind == PENNED && a->offset + 1 == rec->offset)) {
                    seen->found[j] = true;
                    at = j > 50 ? j - 50 : 0;
                } else {
                    status = err_set(&err, ERR_IO, "%s-%d: acknowledged at %lld, found at %lld", topic, partition,
                                     (long long)a->offset, (long long)rec->offset);
                }
                break;
            }
        }
    }
    if (status < 0)
        fprintf(stderr, "round %u: %s\n", round, err.text);
    batch_clear(&b);
    reader_free(r);
    return status;
}

static int check_committed(struct storage *s, uint32_t round, const struct acks *acks)
{
    const struct member_options o = {.group = STR("group"), .client_id = STR("kill"), .auto_offset_reset = "earliest"};
    struct err err = {0};
    struct arena a = {0};
    int64_t told = -1;
    for (size_t i = 0; i < acks->n; i++)
        if (acks->list[i].kind == COMMITTED)
            told = acks->list[i].offset;
    struct member *m = member_open(s, &o, &err);
    struct tp tp = {.topic = STR("load"), .partition = 1};
    int status = m != NULL ? member_committed(m, &a, &tp, 1, &err) : -1;
    if (status == 0 && told >= 0 && tp.offset != told && tp.offset != told + 1)
        status = err_set(&err, ERR_IO, "commit of %lld was acknowledged, %lld is there", (long long)told, (long long)tp.offset);
    if (status < 0)
        fprintf(stderr, "round %u: %s\n", round, err.text);
    member_free(m);
    arena_clear(&a);
    return status;
}

static int check_round(struct storage *s, uint32_t round, const struct acks *acks, int64_t from[PARTITIONS + 1])
{
    struct seen seen = {.found = calloc(acks->n + 1, sizeof(bool))};
    int status = seen.found != NULL ? 0 : -1;
    for (int32_t p = 0; p < PARTITIONS && status == 0; p++) {
        status = check_partition(s, "load", p, from[p], round, acks, &seen);
        from[p] = seen.last_offset + 1;
    }
    if (status == 0)
        status = check_partition(s, "penned", 0, from[PARTITIONS], round, acks, &seen);
    if (status == 0 && (seen.last_offset + 1 - from[PARTITIONS]) % 2 != 0) {
        fprintf(stderr, "round %u: half a transaction of the pen is there\n", round);
        status = -1;
    }
    from[PARTITIONS] = seen.last_offset + 1;
    for (size_t i = 0; status == 0 && i < acks->n; i++) {
        const struct ack *a = &acks->list[i];
        if (a->kind == COMMITTED || seen.found[i])
            continue;
        fprintf(stderr, "round %u: lost: kind %d thread %u record %u, acknowledged at offset %lld\n", round, (int)a->kind,
                a->writer, a->seq, (long long)a->offset);
        status = -1;
    }
    free(seen.found);
    return status == 0 ? check_committed(s, round, acks) : -1;
}

static int check_integrity(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    int status = -1;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        status = strcmp(text, "ok") == 0 ? 0 : -1;
        if (status < 0)
            fprintf(stderr, "integrity_check: %s\n", text);
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return status;
}

static int one_round(const char *path, uint32_t round, unsigned *seed, int64_t from[PARTITIONS + 1], size_t *acknowledged)
{
    struct acks acks = {0};
    struct err err = {0};
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child_run(path, round, fds[1]);
        _exit(0);
    }
    close(fds[1]);
    int status = pid < 0 ? -1 : collect(fds[0], pid, rand_r(seed) % KILL_AFTER_MS, &acks);
    close(fds[0]);
    if (status == 0 && round % INTEGRITY_EVERY == 0)
        status = check_integrity(path);
    struct storage *s = status == 0 ? storage_open("sqlite", path, NULL, 0, &err) : NULL;
    if (status == 0 && s == NULL)
        fprintf(stderr, "round %u: %s\n", round, err.text);
    status = s != NULL ? check_round(s, round, &acks, from) : -1;
    storage_free(s);
    *acknowledged += acks.n;
    free(acks.list);
    return status;
}

static int make_topics(const char *path)
{
    struct err err = {0};
    const struct topic_spec load = {.name = STR("load"), .partitions = PARTITIONS, .replication_factor = -1},
                            penned = {.name = STR("penned"), .partitions = 1, .replication_factor = -1};
    struct storage *s = storage_open("sqlite", path, NULL, 0, &err);
    int status = s != NULL && storage_create_topic(s, &load, &err) == 0 && storage_create_topic(s, &penned, &err) == 0 ? 0 : -1;
    if (status < 0)
        fprintf(stderr, "%s\n", err.text);
    storage_free(s);
    return status;
}

int main(int argc, char **argv)
{
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200, round = 0;
    char folder[] = "/tmp/muir-kill-XXXXXX", path[64], command[64];
    int64_t from[PARTITIONS + 1] = {0};
    size_t acknowledged = 0;
    unsigned seed = (unsigned)clock_unix_ms();
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/log.db", folder);
    log_set_level(LOG_ERROR);
    int status = make_topics(path);
    while (status == 0 && round < rounds) {
        status = one_round(path, round, &seed, from, &acknowledged);
        round += status == 0;
    }
    if (status == 0)
        status = check_integrity(path);
    printf("kill_sqlite: %u of %u rounds passed, %zu acknowledged writes%s\n", round, rounds, acknowledged,
           status == 0 ? ", all there" : "");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (status == 0 && system(command) != 0)
        fprintf(stderr, "%s is left behind\n", folder);
    return status == 0 ? 0 : 1;
}
