/* storage/engine.h - what an engine implements.  Private to storage/; storage.c dispatches, and checks what is the same for both.
 *
 * Each opaque struct of storage.h begins with its engine's table, so that a call is one indirect jump. The contracts are those of storage.h. */
#ifndef STORAGE_ENGINE_H
#define STORAGE_ENGINE_H

#include "storage/storage.h"

struct engine {
    const char *name;
    struct storage *(*open)(const char *where, const struct storage_option *options, size_t n, struct err *err);
    void (*free)(struct storage *s);
    int (*ready)(struct storage *s, struct err *err);
    int (*cluster)(struct storage *s, struct arena *a, struct cluster *out, struct err *err);
    int (*create_topic)(struct storage *s, const struct topic_spec *spec, struct err *err);
    int (*delete_topic)(struct storage *s, struct str topic, struct err *err);
    int (*add_partitions)(struct storage *s, struct str topic, int32_t total, struct err *err);
    int (*list_topics)(struct storage *s, struct arena *a, struct topic_info **out, size_t *n, struct err *err);
    int (*describe_topic)(struct storage *s, struct str topic, struct arena *a, struct topic_info *out, struct err *err);
    int (*topic_configs)(struct storage *s, struct str topic, struct arena *a, struct topic_config **out, size_t *n, struct err *err);
    int (*alter_configs)(struct storage *s, struct str topic, const struct topic_config *changes, size_t n, struct err *err);
    int (*watermarks)(struct storage *s, struct str topic, int32_t partition, int64_t *low, int64_t *high, struct err *err);
    int (*offset_for_time)(struct storage *s, struct str topic, int32_t partition, int64_t ms, int64_t *offset, struct err *err);
    int (*produce)(struct storage *s, struct str topic, const struct record *records, size_t n, storage_produced_fn *done, void *ctx,
                   struct err *err);
    struct reader *(*reader_open)(struct storage *s, struct str topic, int32_t partition, int64_t from, struct err *err);
    int (*reader_read)(struct reader *r, struct batch *b, size_t max_records, size_t max_bytes, int timeout_ms, bool *end, struct err *err);
    int64_t (*reader_position)(const struct reader *r);
    void (*reader_wake)(struct reader *r);
    void (*reader_free)(struct reader *r);
    struct member *(*member_open)(struct storage *s, const struct member_options *o, struct err *err);
    void (*member_free)(struct member *m);
    int (*member_subscribe)(struct member *m, const struct str *topics, size_t n, struct err *err);
    int (*member_subscribe_pattern)(struct member *m, struct str pattern, struct err *err);
    int (*member_unsubscribe)(struct member *m, struct err *err);
    int (*member_assign)(struct member *m, const struct tp *tps, size_t n, struct err *err);
    int (*member_subscription)(struct member *m, struct arena *a, struct str **topics, size_t *n, struct err *err);
    int (*member_assignment)(struct member *m, struct arena *a, struct tp **tps, size_t *n, struct err *err);
    int (*member_poll)(struct member *m, struct batch *b, size_t max_records, struct err *err);
    int (*member_seek)(struct member *m, const struct tp *tps, size_t n, struct err *err);
    int (*member_store)(struct member *m, const struct tp *tps, size_t n, struct err *err);
    int (*member_commit)(struct member *m, const struct tp *tps, size_t n, struct err *err);
    int (*member_committed)(struct member *m, struct arena *a, struct tp *tps, size_t n, struct err *err);
    struct pen *(*pen_take)(struct storage *s, struct str name, struct str topic, int timeout_ms, int64_t *end, struct err *err);
    int (*pen_write)(struct pen *p, const struct record *records, size_t n, int timeout_ms, int64_t *offsets, struct err *err);
    void (*pen_free)(struct pen *p);
};

/* First member of every engine's own struct storage, reader, member, pen. */
struct storage { const struct engine *engine; };
struct reader { const struct engine *engine; };
struct member { const struct engine *engine; };
struct pen { const struct engine *engine; };

extern const struct engine sqlite_engine, kafka_engine;

/* Kafka's default partitioner: murmur2(key) & 0x7fffffff % partitions. */
int32_t partition_for_key(struct str key, int32_t partitions);

#endif
