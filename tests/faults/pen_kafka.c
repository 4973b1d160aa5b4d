/* pen_kafka BOOTSTRAP [KILLS] [PROCESSES] - several processes fight for one pen over a real Kafka and are killed (-9) at random
 * moments.
 *
 * Each process takes the pen, reads to the end, and goes on with the sequence of numbers that it finds there: transactions of one
 * to five records with consecutive numbers, then a pause in which another one takes the pen.  What is acknowledged it tells its
 * parent through a pipe.  The parent kills one process after another and starts it again.  In the end the whole log must hold the
 * numbers 1, 2, 3, ... once each (so every holder had read everything before it decided, and nobody wrote after he was fenced),
 * the records of each transaction side by side and complete, and every acknowledged transaction at the offset that was told.
 * Status 1 if not. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/storage.h"

enum {
    PROCESSES_MAX = 8,
    RECORDS_MAX = 5,
    TAKE_MS = 20000,
    WRITE_MS = 20000,
    READ_MS = 200,
    KILL_EVERY_MS = 500,
    SLOWEST_MS = 60000
};

struct value {                           /* of a record */
    uint32_t process, life, transaction; /* who wrote it: process, which of its lives, which of its transactions */
    uint32_t number;                     /* 1, 2, 3, ... over all */
    uint16_t index, count;               /* within the transaction */
};

enum kind { TOOK, WROTE, FENCED, UNKNOWN };
struct told { /* from a process to its parent; smaller than PIPE_BUF, so each arrives whole */
    enum kind kind;
    struct value first; /* WROTE */
    int64_t offset;     /* WROTE */
    int64_t ms;         /* TOOK */
};

static void stop(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %d %s\n", what, err->code, err->text);
    exit(1);
}

/* ---- a process ------------------------------------------------------------------------------------------------------------ */

struct process {
    struct storage *s;
    struct str topic;
    struct reader *reader;
    struct value last; /* the last record read */
    int64_t last_offset;
    uint32_t number, life, transactions;
    unsigned seed;
    int pipe;
};

static int upto(struct process *p, int n)
{
    return (int)((unsigned)rand_r(&p->seed) % (unsigned)n);
}

static void tell(struct process *p, struct told t)
{
    if (write(p->pipe, &t, sizeof t) != (ssize_t)sizeof t)
        _exit(3);
}

static void read_to(struct process *p, int64_t end)
{
    struct batch b = {0};
    struct err err = {0};
    while (reader_position(p->reader) < end) {
        if (reader_read(p->reader, &b, 1000, 1 << 20, READ_MS, NULL, &err) < 0)
            stop("reader_read", &err);
        if (b.n != 0) {
            memcpy(&p->last, b.records[b.n - 1].value.p, sizeof p->last);
            p->last_offset = b.records[b.n - 1].offset;
        }
    }
    batch_clear(&b);
}

static struct pen *take(struct process *p)
{
    for (;;) {
        struct err err = {0};
        int64_t end, began = clock_mono_ms();
        struct pen *pen = pen_take(p->s, p->topic, p->topic, TAKE_MS, &end, &err);
        if (pen != NULL) {
            tell(p, (struct told){.kind = TOOK, .ms = clock_mono_ms() - began});
            read_to(p, end);
            return pen;
        }
        if (err.code != STORE_FENCED && err.code != STORE_RETRIABLE && err.code != ERR_TIMEOUT)
            stop("pen_take", &err);
    }
}

/* One transaction.  False: the pen is gone. */
static bool write_one(struct process *p, struct pen *pen, struct value *wrote)
{
    struct value values[RECORDS_MAX];
    struct record records[RECORDS_MAX];
    int64_t offsets[RECORDS_MAX];
    struct err err = {0};
    int count = 1 + upto(p, RECORDS_MAX);
    p->transactions++;
    for (int i = 0; i < count; i++) {
        values[i] =
            (struct value){p->number, p->life, p->transactions, p->last.number + 1 + (uint32_t)i, (uint16_t)i, (uint16_t)count};
        records[i] = (struct record){.key = STR("k"), .value = {(const char *)&values[i], sizeof values[i]}};
    }
    *wrote = values[0];
    if (pen_write(pen, records, (size_t)count, WRITE_MS, offsets, &err) == 0) {
        p->last = values[count - 1];
        p->last_offset = offsets[count - 1];
        tell(p, (struct told){.kind = WROTE, .first = values[0], .offset = offsets[0]});
        return true;
    }
    if (err.code == STORE_FENCED)
        tell(p, (struct told){.kind = FENCED});
    else if (err.code == STORE_UNKNOWN_OUTCOME)
        tell(p, (struct told){.kind = UNKNOWN});
    else if (err.code != STORE_RETRIABLE)
        stop("pen_write", &err);
    return false;
}

static void run(const char *bootstrap, const char *topic, uint32_t number, uint32_t life, int pipe)
{
    struct err err = {0};
    struct process p = {.topic = str_of(topic), .number = number, .life = life, .pipe = pipe, .seed = number * 7919 + life};
    if ((p.s = storage_open("kafka", bootstrap, NULL, 0, &err)) == NULL)
        stop("storage_open", &err);
    while ((p.reader = reader_open(p.s, p.topic, 0, OFFSET_BEGINNING, &err)) == NULL) {
        if (err.code != STORE_RETRIABLE)
            stop("reader_open", &err);
        err_clear(&err);
    }
    for (;;) {
        struct pen *pen = take(&p);
        struct value wrote = {0};
        bool held = true;
        for (int n = 1 + upto(&p, 20); held && n > 0; n--) {
            held = write_one(&p, pen, &wrote);
            if (upto(&p, 4) == 0)
                clock_sleep_ms(upto(&p, 10));
        }
        if (upto(&p, 3) != 0)
            clock_sleep_ms(upto(&p, 60)); /* holds it idle: the next write may find it gone */
        if (held)
            write_one(&p, pen, &wrote);
        pen_free(pen);
        clock_sleep_ms(upto(&p, 60));
    }
}

/* ---- the parent ------------------------------------------------------------------------------------------------------------ */

struct acks {
    struct told *p;
    size_t n, cap;
};

struct tally {
    struct acks wrote;
    int64_t *take_ms;
    size_t takes, cap;
    size_t fenced, unknown;
};

static void keep(struct tally *t, const struct told *told)
{
    if (told->kind == WROTE) {
        if (t->wrote.n == t->wrote.cap) {
            t->wrote.cap = t->wrote.cap == 0 ? 1024 : t->wrote.cap * 2;
            t->wrote.p = realloc(t->wrote.p, t->wrote.cap * sizeof *t->wrote.p);
        }
        t->wrote.p[t->wrote.n++] = *told;
    } else if (told->kind == TOOK) {
        if (t->takes == t->cap) {
            t->cap = t->cap == 0 ? 1024 : t->cap * 2;
            t->take_ms = realloc(t->take_ms, t->cap * sizeof *t->take_ms);
        }
        t->take_ms[t->takes++] = told->ms;
    }
    t->fenced += told->kind == FENCED;
    t->unknown += told->kind == UNKNOWN;
}

static void listen_to(int fd, struct tally *t, int64_t until_ms)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    struct told told;
    for (int64_t left; (left = until_ms - clock_mono_ms()) >= 0;)
        if (poll(&pfd, 1, (int)left) > 0 && read(fd, &told, sizeof told) == (ssize_t)sizeof told)
            keep(t, &told);
}

static pid_t start(const char *bootstrap, const char *topic, uint32_t number, uint32_t life, int read_fd, int write_fd)
{
    pid_t pid = fork();
    if (pid == 0) {
        close(read_fd);
        run(bootstrap, topic, number, life, write_fd);
        _exit(0);
    }
    return pid;
}

static void end_process(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
        fprintf(stderr, "a process ended by itself with %d\n", WEXITSTATUS(status));
        exit(1);
    }
}

struct check {
    struct value *at; /* by position in the log */
    int64_t *offsets;
    size_t n, wrong;
};

static void wrong(struct check *c, const char *what, size_t i)
{
    const struct value *v = &c->at[i];
    fprintf(stderr, "WRONG at offset %lld: %s (number %u of process %u life %u transaction %u, %u/%u; record %zu)\n",
            (long long)c->offsets[i], what, v->number, v->process, v->life, v->transaction, v->index + 1, v->count, i + 1);
    c->wrong++;
}

static void read_all(struct storage *s, struct str topic, int64_t end, struct check *c)
{
    struct err err = {0};
    struct batch b = {0};
    struct reader *r = reader_open(s, topic, 0, OFFSET_BEGINNING, &err);
    if (r == NULL)
        stop("reader_open", &err);
    for (int64_t until_ms = clock_mono_ms() + SLOWEST_MS; reader_position(r) < end;) {
        if (clock_mono_ms() > until_ms || reader_read(r, &b, 10000, 1 << 24, READ_MS, NULL, &err) < 0)
            stop("the log cannot be read to its end", &err);
        c->at = realloc(c->at, (c->n + b.n + 1) * sizeof *c->at);
        c->offsets = realloc(c->offsets, (c->n + b.n + 1) * sizeof *c->offsets);
        for (size_t i = 0; i < b.n; i++, c->n++) {
            memcpy(&c->at[c->n], b.records[i].value.p, sizeof *c->at);
            c->offsets[c->n] = b.records[i].offset;
        }
    }
    batch_clear(&b);
    reader_free(r);
}

static void check_log(struct check *c, const struct acks *acks)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct value *v = &c->at[i], *before = i > 0 ? &c->at[i - 1] : NULL;
        if (v->number != i + 1)
            wrong(c, "numbers are not consecutive", i);
        if (v->index != 0 && (before == NULL || before->process != v->process || before->life != v->life ||
                              before->transaction != v->transaction || before->index != v->index - 1))
            wrong(c, "a transaction is torn or mixed with another", i);
        if (v->index == 0 && before != NULL && before->index != before->count - 1)
            wrong(c, "the transaction before is not complete", i);
    }
    if (c->n > 0 && c->at[c->n - 1].index != c->at[c->n - 1].count - 1)
        wrong(c, "the last transaction is not complete", c->n - 1);
    for (size_t a = 0; a < acks->n; a++) {
        const struct told *t = &acks->p[a];
        size_t i = t->first.number - 1;
        if (i >= c->n || c->offsets[i] != t->offset || memcmp(&c->at[i], &t->first, sizeof t->first) != 0) {
            fprintf(stderr, "LOST: number %u, acknowledged at offset %lld\n", t->first.number, (long long)t->offset);
            c->wrong++;
        }
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void make_topic(const char *bootstrap, const char *topic)
{
    struct err err = {0};
    pid_t pid = fork(); /* librdkafka's threads do not survive a fork: the parent has none until all processes are gone */
    if (pid == 0) {
        struct storage *s = storage_open("kafka", bootstrap, NULL, 0, &err);
        const struct topic_spec spec = {.name = str_of(topic), .partitions = 1, .replication_factor = -1};
        if (s == NULL || storage_create_topic(s, &spec, &err) < 0)
            stop("create topic", &err);
        storage_free(s);
        _exit(0);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    int kills = argc > 2 ? atoi(argv[2]) : 60, processes = argc > 3 ? atoi(argv[3]) : 3, fds[2];
    uint32_t life = 0;
    char topic[64];
    pid_t pids[PROCESSES_MAX];
    struct tally t = {0};
    if (argc < 2 || kills < 1 || processes < 2 || processes > PROCESSES_MAX)
        return fprintf(stderr, "usage: pen_kafka BOOTSTRAP [KILLS] [PROCESSES from 2 to %d]\n", PROCESSES_MAX), 2;
    log_set_level(LOG_OFF);
    unsigned seed = (unsigned)clock_unix_ms();
    snprintf(topic, sizeof topic, "pen-%lld-%d", (long long)clock_unix_ms(), (int)getpid());
    make_topic(argv[1], topic);
    if (pipe(fds) < 0)
        return perror("pipe"), 1;
    for (int i = 0; i < processes; i++)
        pids[i] = start(argv[1], topic, (uint32_t)i + 1, ++life, fds[0], fds[1]);
    listen_to(fds[0], &t, clock_mono_ms() + 2000);
    for (int k = 0; k < kills; k++) {
        int victim = rand_r(&seed) % processes;
        listen_to(fds[0], &t, clock_mono_ms() + 50 + rand_r(&seed) % KILL_EVERY_MS);
        end_process(pids[victim]);
        pids[victim] = start(argv[1], topic, (uint32_t)victim + 1, ++life, fds[0], fds[1]);
    }
    for (int i = 0; i < processes; i++)
        end_process(pids[i]);
    listen_to(fds[0], &t, clock_mono_ms() + 100);

    struct err err = {0};
    int64_t end;
    struct check c = {0};
    struct storage *s = storage_open("kafka", argv[1], NULL, 0, &err);
    struct pen *pen = s != NULL ? pen_take(s, str_of(topic), str_of(topic), SLOWEST_MS, &end, &err) : NULL;
    if (pen == NULL)
        stop("taking the pen at the end", &err);
    read_all(s, str_of(topic), end, &c);
    check_log(&c, &t.wrote);
    pen_free(pen);
    storage_delete_topic(s, str_of(topic), NULL);
    storage_free(s);
    if (t.takes > 0)
        qsort(t.take_ms, t.takes, sizeof *t.take_ms, by_size);
    printf("%d kills, %zu takes (p50 %lld, p99 %lld ms), %zu fenced, %zu unknown; %zu transactions acknowledged, %zu records in "
           "the log, %zu wrong\n",
           kills, t.takes, t.takes > 0 ? (long long)t.take_ms[t.takes / 2] : -1,
           t.takes > 0 ? (long long)t.take_ms[t.takes * 99 / 100] : -1, t.fenced, t.unknown, t.wrote.n, c.n, c.wrong);
    free(c.at);
    free(c.offsets);
    free(t.wrote.p);
    free(t.take_ms);
    return c.wrong == 0 && t.wrote.n > 0 ? 0 : 1;
}
