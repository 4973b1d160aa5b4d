/* full_sqlite - a full disk gives errors and loses nothing that was acknowledged; when there is room again, the log goes on by
 * itself.
 *
 * Once with a limit on the size of a file (RLIMIT_FSIZE, as any user), once with a tiny file system (tmpfs, as root; else that
 * part is left out). The last line tells; status 1 if anything was lost or did not recover. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/storage.h"

enum { BATCH = 50, VALUE_BYTES = 1000, ROUNDS_MAX = 2000, WAIT_MS = 20000 };

struct answer {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool answered;
    int code;
    char text[200];
    int64_t first;
};

static void answered(void *ctx, const struct produced *results, size_t n)
{
    struct answer *a = ctx;
    pthread_mutex_lock(&a->lock);
    a->answered = true;
    a->code = results[0].code;
    a->first = results[0].offset;
    snprintf(a->text, sizeof a->text, "%s", results[0].text != NULL ? results[0].text : "");
    for (size_t i = 1; i < n; i++)
        if (results[i].code != a->code)
            a->code = -9999; /* all or none of a batch meet a full disk */
    pthread_cond_signal(&a->done);
    pthread_mutex_unlock(&a->lock);
}

/* One batch whose records say number; 0 or the code. */
static int produce(struct storage *s, int number, struct answer *a)
{
    static char values[BATCH][VALUE_BYTES];
    struct record records[BATCH];
    *a = (struct answer){.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    for (int i = 0; i < BATCH; i++) {
        memset(values[i], '.', VALUE_BYTES);
        snprintf(values[i], VALUE_BYTES, "%d %d", number, i);
        records[i] = (struct record){.value = str_n(values[i], VALUE_BYTES), .partition = 0};
    }
    if (storage_produce(s, STR("full"), records, BATCH, answered, a, NULL) < 0)
        return -9998;
    pthread_mutex_lock(&a->lock);
    while (!a->answered)
        pthread_cond_wait(&a->done, &a->lock);
    pthread_mutex_unlock(&a->lock);
    return a->code;
}

static int complain(const char *part, const char *what)
{
    fprintf(stderr, "%s: %s\n", part, what);
    return -1;
}

/* Exactly the acknowledged batches are there, whole, in order. */
static int check(const char *part, struct storage *s, const int *numbers, int n)
{
    struct err err = {0};
    struct batch b = {0};
    bool end = false;
    int64_t at = 0;
    int status = 0;
    struct reader *r = reader_open(s, STR("full"), 0, OFFSET_BEGINNING, &err);
    while (r != NULL && status == 0 && !end) {
        status = reader_read(r, &b, 500, 1 << 20, 0, &end, &err);
        for (size_t i = 0; status == 0 && i < b.n; i++, at++) {
            char expected[40];
            snprintf(expected, sizeof expected, "%d %d", at / BATCH < n ? numbers[at / BATCH] : -1, (int)(at % BATCH));
            if (b.records[i].offset != at || strcmp(b.records[i].value.p, expected) != 0)
                status = complain(part, "a record is not the one that was acknowledged");
        }
    }
    if (status == 0 && (r == NULL || at != (int64_t)n * BATCH))
        status = complain(part, "not as many records as were acknowledged");
    batch_clear(&b);
    reader_free(r);
    return status;
}

struct disk {
    const char *part;
    int (*limit)(struct disk *d);   /* little room from now on */
    int (*release)(struct disk *d); /* plenty */
    char folder[64], hog[80];
};

static int fill(struct disk *d, struct storage *s, int *numbers, int *n)
{
    struct answer a;
    int code = 0, number = 0;
    for (; number < ROUNDS_MAX && (code = produce(s, number, &a)) == 0; number++)
        numbers[(*n)++] = number;
    fprintf(stderr, "%s: after %d batches: %s\n", d->part, *n, a.text);
    if (number == ROUNDS_MAX)
        return complain(d->part, "the disk never became full");
    if (code != ERR_IO || strstr(a.text, "log.db") == NULL)
        return complain(d->part, "the error is not that of the disk, naming the file");
    if (storage_ready(s, NULL) == 0)
        return complain(d->part, "it says it is ready while nothing can be written");
    for (int i = 0; i < 5; i++) /* what fits may still go in, and counts then */
        if (produce(s, number + i, &a) == 0)
            numbers[(*n)++] = number + i;
    return check(d->part, s, numbers, *n); /* reading goes on meanwhile */
}

static int go_on(struct disk *d, struct storage *s, int *numbers, int *n)
{
    struct answer a;
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    while (storage_ready(s, NULL) < 0) {
        if (clock_mono_ms() > until_ms)
            return complain(d->part, "it did not become ready again");
        clock_sleep_ms(50);
    }
    for (int i = 0; i < 20; i++) {
        if (produce(s, 5000 + i, &a) != 0)
            return complain(d->part, a.text);
        numbers[(*n)++] = 5000 + i;
    }
    return check(d->part, s, numbers, *n);
}

static int run(struct disk *d)
{
    static int numbers[ROUNDS_MAX + 100];
    struct err err = {0};
    char path[100];
    int n = 0;
    snprintf(path, sizeof path, "%s/log.db", d->folder);
    struct storage *s = storage_open("sqlite", path, NULL, 0, &err);
    if (s == NULL)
        return complain(d->part, err.text);
    const struct topic_spec spec = {.name = STR("full"), .partitions = 1, .replication_factor = -1};
    int status = storage_create_topic(s, &spec, &err) < 0 ? complain(d->part, err.text) : d->limit(d);
    if (status == 0)
        status = fill(d, s, numbers, &n);
    if (d->release(d) < 0)
        status = -1;
    if (status == 0)
        status = go_on(d, s, numbers, &n);
    storage_free(s);
    if (status == 0 && (s = storage_open("sqlite", path, NULL, 0, &err)) == NULL)
        status = complain(d->part, err.text);
    else if (status == 0) {
        status = check(d->part, s, numbers, n);
        storage_free(s);
    }
    return status;
}

/* ---- a limit on the size of a file -------------------------------------------------------------------------------------------
 */

static int set_file_limit(rlim_t bytes)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_FSIZE, &r) < 0)
        return -1;
    r.rlim_cur = bytes;
    return setrlimit(RLIMIT_FSIZE, &r);
}

static int limit_files(struct disk *d)
{
    return set_file_limit(6 << 20);
}

static int release_files(struct disk *d)
{
    return set_file_limit(RLIM_INFINITY);
}

/* ---- a tiny file system
 * -------------------------------------------------------------------------------------------------------- */

/* Leaves 3 MB of it. */
static int limit_tmpfs(struct disk *d)
{
    static char block[1 << 20];
    FILE *hog = fopen(d->hog, "w");
    if (hog == NULL)
        return -1;
    for (int i = 0; i < 29; i++)
        if (fwrite(block, sizeof block, 1, hog) != 1)
            break;
    return fclose(hog);
}

static int release_tmpfs(struct disk *d)
{
    return unlink(d->hog);
}

int main(void)
{
    struct disk files = {
        .part = "file size limit", .limit = limit_files, .release = release_files, .folder = "/tmp/muir-full-XXXXXX"};
    struct disk tmpfs = {
        .part = "tiny file system", .limit = limit_tmpfs, .release = release_tmpfs, .folder = "/tmp/muir-full-XXXXXX"};
    char command[100];
    signal(SIGXFSZ, SIG_IGN);
    log_set_level(LOG_OFF);
    if (mkdtemp(files.folder) == NULL || mkdtemp(tmpfs.folder) == NULL)
        return 1;
    snprintf(tmpfs.hog, sizeof tmpfs.hog, "%s/hog", tmpfs.folder);
    int status = run(&files);
    bool mounted = mount("none", tmpfs.folder, "tmpfs", 0, "size=32m") == 0;
    if (mounted) {
        if (run(&tmpfs) < 0)
            status = -1;
        umount(tmpfs.folder);
    }
    snprintf(command, sizeof command, "rm -rf %s %s", files.folder, tmpfs.folder);
    if (system(command) != 0)
        status = -1;
    printf("full_sqlite: %s; file size limit%s\n", status == 0 ? "nothing lost, all recovered" : "FAILED",
           mounted ? ", tiny file system" : " only (a tiny file system needs root)");
    return status == 0 ? 0 : 1;
}
