/* storage/kafka/handle.h - librdkafka handles: how they are made, what they log, what they tell health. */
#ifndef STORAGE_KAFKA_HANDLE_H
#define STORAGE_KAFKA_HANDLE_H

#include "storage/kafka/kafka.h"

struct property {
    const char *name, *value; /* value NULL: back to librdkafka's default */
};

/* conf of that kind, changed by the properties (later ones win). NULL with ERR_INVALID. */
rd_kafka_conf_t *handle_conf(struct kafka *k, enum handle_kind kind, const struct property *properties, size_t n,
                             struct err *err);
/* Takes *conf.  The handle's errors go to k->health by rd_kafka_poll (or the consumer's queue), its log lines to base/log. */
rd_kafka_t *handle_new(struct kafka *k, enum handle_kind kind, rd_kafka_conf_t **conf, struct err *err);

/* Hands one record over, with its headers and its time.  flags: RD_KAFKA_MSG_F_COPY, or 0 when its bytes stay until the report,
 * which carries opaque.  Returns librdkafka's verdict. */
rd_kafka_resp_err_t handle_produce(rd_kafka_t *rk, rd_kafka_topic_t *rkt, int32_t partition, int flags, const struct record *r,
                                   void *opaque);
/* The reason behind a fatal error, or behind a purge after one; e itself when there is none. */
rd_kafka_resp_err_t handle_reason(rd_kafka_t *rk, rd_kafka_resp_err_t e);

/* librdkafka stops fetching while more than queued.max.messages.kbytes or queued.min.messages wait to be taken, and looks again
 * only when its broker thread wakes up, which takes up to a second: a consumer that empties its queue then stands still.  A
 * question to the partitions' leaders, whose answer nobody waits for, wakes those threads at once (measured: 50,000 records/s
 * without, 1,000,000 with).  Readers and members count what they take, and nudge each time it is a quarter of those limits. */
struct nudge {
    size_t every_bytes, every_records;
    size_t bytes, records; /* taken since the last one */
};
void nudge_init(struct nudge *n, const rd_kafka_conf_t *conf);
static inline bool nudge_is_due(const struct nudge *n)
{
    return n->bytes >= n->every_bytes || n->records >= n->every_records;
}
void nudge_fetch(struct nudge *n, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions);

#endif
