/* tests/bench/bench_kafka_raw.c - yardstick: the same records through librdkafka's own calls, nothing of ours between.
 *
 *   bench_kafka_raw produce BOOTSTRAP TOPIC N SIZE    N values of SIZE bytes by rd_kafka_produce_batch, idempotent, acks=all
 *   bench_kafka_raw consume BOOTSTRAP TOPIC N SIZE    N records from the beginning of all partitions; time runs from the first
 * record Last line: {"records_per_s": N, "cpu_us_per_record": X} (CPU: user and system time of this process). */
#include <librdkafka/rdkafka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"

enum { BATCH = 500, TAKE = 1000, STUCK_MS = 30000 };

static long delivered, failed;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        delivered++;
    else
        failed++;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char text[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk == NULL) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
    return rk;
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static const struct rd_kafka_metadata *topic_metadata(rd_kafka_t *rk, rd_kafka_topic_t *rkt)
{
    const struct rd_kafka_metadata *md;
    rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 0, rkt, &md, 10000);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR || md->topic_cnt != 1 || md->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "topic %s: %s\n", rd_kafka_topic_name(rkt), rd_kafka_err2str(e != 0 ? e : md->topics[0].err));
        exit(1);
    }
    return md;
}

static void produce(const char *bootstrap, const char *topic, long n, size_t size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "enable.idempotence", "true");
    set(conf, "queue.buffering.max.messages", "500000");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_metadata_destroy(topic_metadata(rk, rkt));
    char *value = malloc(size + 1);
    memset(value, 'x', size);
    rd_kafka_message_t batch[BATCH];
    double cpu0 = cpu_us();
    int64_t t0 = clock_mono_us();
    for (long sent = 0; sent < n;) {
        int want = n - sent < BATCH ? (int)(n - sent) : BATCH;
        for (int i = 0; i < want; i++)
            batch[i] = (rd_kafka_message_t){.payload = value, .len = size};
        int took = rd_kafka_produce_batch(rkt, RD_KAFKA_PARTITION_UA, 0, batch, want);
        sent += took;
        rd_kafka_poll(rk, took < want ? 10 : 0);
    }
    while (delivered + failed < n)
        rd_kafka_poll(rk, 100);
    double us = (double)(clock_mono_us() - t0), cpu = cpu_us() - cpu0;
    if (failed != 0) {
        fprintf(stderr, "%ld of %ld records were not delivered\n", failed, n);
        exit(1);
    }
    printf("{\"records_per_s\": %.0f, \"cpu_us_per_record\": %.3f}\n", (double)n * 1e6 / us, cpu / (double)n);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
    free(value);
}

static void consume(const char *bootstrap, const char *topic, long n, size_t size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "group.id", "bench");
    set(conf, "enable.auto.commit", "false");
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    const struct rd_kafka_metadata *md = topic_metadata(rk, rkt);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(md->topics[0].partition_cnt);
    for (int i = 0; i < md->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(all, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_assign(rk, all);
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    rd_kafka_message_t *got[TAKE];
    long records = 0, wrong = 0;
    double cpu0 = 0;
    int64_t t0 = 0, last_ms = clock_mono_ms();
    while (records < n) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 0, got, TAKE);
        if (count <= 0) {
            if (clock_mono_ms() - last_ms > STUCK_MS) {
                fprintf(stderr, "%ld of %ld records came, then none for %d ms\n", records, n, STUCK_MS);
                exit(1);
            }
            rd_kafka_message_t *one = rd_kafka_consumer_poll(rk, 100);
            if (one == NULL)
                continue;
            got[0] = one;
            count = 1;
        }
        last_ms = clock_mono_ms();
        if (t0 == 0) {
            t0 = clock_mono_us();
            cpu0 = cpu_us();
        }
        for (ssize_t i = 0; i < count; i++) {
            records += got[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR;
            wrong += got[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR && got[i]->len != size;
            rd_kafka_message_destroy(got[i]);
        }
    }
    double us = (double)(clock_mono_us() - t0), cpu = cpu_us() - cpu0;
    if (wrong != 0)
        fprintf(stderr, "%ld records are not %zu bytes long\n", wrong, size);
    printf("{\"records_per_s\": %.0f, \"cpu_us_per_record\": %.3f}\n", (double)records * 1e6 / us, cpu / (double)records);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

int main(int argc, char **argv)
{
    long n = argc == 6 ? atol(argv[4]) : 0, size = argc == 6 ? atol(argv[5]) : -1;
    if (n > 0 && size >= 0 && strcmp(argv[1], "produce") == 0)
        produce(argv[2], argv[3], n, (size_t)size);
    else if (n > 0 && size >= 0 && strcmp(argv[1], "consume") == 0)
        consume(argv[2], argv[3], n, (size_t)size);
    else
        return fprintf(stderr, "usage: bench_kafka_raw produce|consume BOOTSTRAP TOPIC N SIZE\n"), 2;
    return 0;
}
