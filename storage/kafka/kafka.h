/* storage/kafka/kafka.h - the Kafka engine's inner face: what its nouns know of each other.
 *
 * Handles: one for admin and questions (never fetches, so nothing waits behind a fetch; a consumer handle, because asking through
 * a producer creates topics), one like it that sees committed records only (the pen's end, readers' start), idempotent producers
 * (producer.c), a few pooled consumers without group (reader.c), one consumer a member (member.c), one transactional producer a
 * pen (pen.c).
 * Lock order: the watch's look_lock before a pattern's; no other two locks of this room are held at once.  None is held across a call
 * that waits for a broker, but that of struct alters (configs.c). */
#ifndef STORAGE_KAFKA_KAFKA_H
#define STORAGE_KAFKA_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "storage/engine.h"
#include "storage/kafka/options.h"

enum { TOPIC_NAME_MAX = 249 };

struct kafka {
    struct storage base;
    struct options options;      /* fixed */
    struct health *health;       /* fixed; locks itself */
    rd_kafka_t *admin;           /* fixed; isolation read_uncommitted */
    rd_kafka_t *committed;       /* fixed; the same for read_committed */
    struct watch *_Atomic watch; /* fixed once the watch's thread runs; NULL while closing */
    struct producer *producer;   /* fixed */
    struct readers *readers;     /* fixed */
    struct alters *alters;       /* fixed */
    struct reaper *reaper;       /* fixed */
};

/* A NUL-terminated copy of a legal topic name; STORE_UNKNOWN_TOPIC when it is not legal (so no such topic exists). */
int kafka_topic_z(struct str topic, char z[TOPIC_NAME_MAX + 1], struct err *err);

/* The functions of the engine, by file. */
int kafka_cluster(struct storage *s, struct arena *a, struct cluster *out, struct err *err);
int kafka_create_topic(struct storage *s, const struct topic_spec *spec, struct err *err);
int kafka_delete_topic(struct storage *s, struct str topic, struct err *err);
int kafka_add_partitions(struct storage *s, struct str topic, int32_t total, struct err *err);
int kafka_list_topics(struct storage *s, struct arena *a, struct topic_info **out, size_t *n, struct err *err);
int kafka_describe_topic(struct storage *s, struct str topic, struct arena *a, struct topic_info *out, struct err *err);
int kafka_topic_configs(struct storage *s, struct str topic, struct arena *a, struct topic_config **out, size_t *n,
                        struct err *err);
int kafka_alter_configs(struct storage *s, struct str topic, const struct topic_config *changes, size_t n, struct err *err);
int kafka_watermarks(struct storage *s, struct str topic, int32_t partition, int64_t *low, int64_t *high, struct err *err);
int kafka_offset_for_time(struct storage *s, struct str topic, int32_t partition, int64_t ms, int64_t *offset, struct err *err);
int kafka_produce(struct storage *s, struct str topic, const struct record *records, size_t n, storage_produced_fn *done,
                  void *ctx, struct err *err);
struct reader *kafka_reader_open(struct storage *s, struct str topic, int32_t partition, int64_t from, struct err *err);
int kafka_reader_read(struct reader *r, struct batch *b, size_t max_records, size_t max_bytes, int timeout_ms, bool *end,
                      struct err *err);
int64_t kafka_reader_position(const struct reader *r);
void kafka_reader_wake(struct reader *r);
void kafka_reader_free(struct reader *r);
struct member *kafka_member_open(struct storage *s, const struct member_options *o, struct err *err);
void kafka_member_free(struct member *m);
int kafka_member_subscribe(struct member *m, const struct str *topics, size_t n, struct err *err);
int kafka_member_subscribe_pattern(struct member *m, struct str pattern, struct err *err);
int kafka_member_unsubscribe(struct member *m, struct err *err);
int kafka_member_assign(struct member *m, const struct tp *tps, size_t n, struct err *err);
int kafka_member_subscription(struct member *m, struct arena *a, struct str **topics, size_t *n, struct err *err);
int kafka_member_assignment(struct member *m, struct arena *a, struct tp **tps, size_t *n, struct err *err);
int kafka_member_poll(struct member *m, struct batch *b, size_t max_records, struct err *err);
int kafka_member_seek(struct member *m, const struct tp *tps, size_t n, struct err *err);
int kafka_member_store(struct member *m, const struct tp *tps, size_t n, struct err *err);
int kafka_member_commit(struct member *m, const struct tp *tps, size_t n, struct err *err);
int kafka_member_committed(struct member *m, struct arena *a, struct tp *tps, size_t n, struct err *err);
struct pen *kafka_pen_take(struct storage *s, struct str name, struct str topic, int timeout_ms, int64_t *end, struct err *err);
int kafka_pen_write(struct pen *p, const struct record *records, size_t n, int timeout_ms, int64_t *offsets, struct err *err);
void kafka_pen_free(struct pen *p);

/* admin.c: what others of this room ask the cluster.  None creates a topic. [blocks, at most timeout_ms] */
/* How many partitions topic has; -1 with STORE_UNKNOWN_TOPIC, ... */
int32_t admin_count_partitions(struct kafka *k, const char *topic, int timeout_ms, struct err *err);
/* Watermarks through handle rk (k->admin or k->committed). */
int admin_ask_watermarks(struct kafka *k, rd_kafka_t *rk, const char *topic, int32_t partition, int timeout_ms, int64_t *low,
                         int64_t *high, struct err *err);
/* Names of all topics that are not internal, sorted, in the arena. */
int admin_topic_names(struct kafka *k, int timeout_ms, struct arena *a, struct str **names, size_t *n, struct err *err);
/* Creates topic as the options and the brokers' defaults say; that somebody else made it meanwhile is fine. */
int admin_create_default(struct kafka *k, const char *topic, int timeout_ms, struct err *err);

/* configs.c */
struct alters *alters_new(void);
void alters_free(struct alters *a);
/* The number that config name of topic has; fallback when it cannot be asked. [blocks] */
int64_t configs_number(struct kafka *k, const char *topic, const char *name, int timeout_ms, int64_t fallback);

#endif
