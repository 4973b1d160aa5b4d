/* bench_sqlite FILE RECORDS SIZE BATCH - the embedded engine called directly: RECORDS records of SIZE bytes in calls of BATCH, a
 * few calls under way at a time, each answered only when it is on the disk.  The last line is JSON: {"records_per_s": N, ...}.
 * FILE is made anew. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "storage/storage.h"

enum { UNDER_WAY = 4 };

struct window {
    pthread_mutex_t lock;
    pthread_cond_t room;
    int under_way;   /* lock */
    size_t answered; /* lock */
    size_t failed;   /* lock */
};

static void answered(void *ctx, const struct produced *results, size_t n)
{
    struct window *w = ctx;
    size_t failed = 0;
    for (size_t i = 0; i < n; i++)
        failed += results[i].code != 0;
    pthread_mutex_lock(&w->lock);
    w->under_way--;
    w->answered += n;
    w->failed += failed;
    pthread_cond_signal(&w->room);
    pthread_mutex_unlock(&w->lock);
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int run(struct storage *s, size_t total, const struct record *records, size_t batch, struct err *err)
{
    static struct window w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};
    double cpu = cpu_s();
    int64_t began_us = clock_mono_us();
    for (size_t sent = 0; sent < total;) {
        size_t n = total - sent < batch ? total - sent : batch;
        pthread_mutex_lock(&w.lock);
        while (w.under_way == UNDER_WAY)
            pthread_cond_wait(&w.room, &w.lock);
        w.under_way++;
        pthread_mutex_unlock(&w.lock);
        if (storage_produce(s, STR("bench"), records, n, answered, &w, err) < 0)
            return -1;
        sent += n;
    }
    pthread_mutex_lock(&w.lock);
    while (w.under_way > 0)
        pthread_cond_wait(&w.room, &w.lock);
    pthread_mutex_unlock(&w.lock);
    double seconds = (double)(clock_mono_us() - began_us) / 1e6;
    cpu = cpu_s() - cpu;
    if (w.failed > 0)
        return err_set(err, ERR_IO, "%zu records failed", w.failed);
    printf("{\"records_per_s\": %.0f, \"cpu_us_per_record\": %.3f}\n", (double)w.answered / seconds,
           cpu * 1e6 / (double)w.answered);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_sqlite FILE RECORDS SIZE BATCH\n");
        return 2;
    }
    size_t total = strtoull(argv[2], NULL, 10), size = strtoull(argv[3], NULL, 10), batch = strtoull(argv[4], NULL, 10);
    struct record *records = calloc(batch + 1, sizeof *records);
    char *value = malloc(size + 1);
    struct err err = {0};
    if (records == NULL || value == NULL || batch == 0)
        return 2;
    memset(value, 'x', size);
    for (size_t i = 0; i < batch; i++)
        records[i] = (struct record){.value = str_n(value, size), .partition = -1};
    static const char *const parts[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s%s", argv[1], parts[i]);
        unlink(path);
    }
    struct storage *s = storage_open("sqlite", argv[1], NULL, 0, &err);
    int status = s != NULL ? run(s, total, records, batch, &err) : -1;
    if (status < 0)
        fprintf(stderr, "bench_sqlite: %s\n", err.text);
    storage_free(s);
    free(records);
    free(value);
    return status < 0;
}
