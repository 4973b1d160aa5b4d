/* storage/storage.h - topics: partitioned, numbered logs of records that survive a restart.
 *
 * Two engines stand behind this header: storage/sqlite (one embedded file) and storage/kafka (a real cluster).  Callers do not know
 * which.  Laws:
 *  (1) An offset, once reported, names that record in that partition for ever.  Offsets grow; gaps are legal (compaction, control records).
 *  (2) A record is reported as produced only when it is durable (fsync; acks=all).
 *  (3) Readers and members see committed records only, in offset order (a member opened with read_uncommitted sees all).
 *  (4) Nothing here calls back under a lock of its own; a completion may call any non-blocking function of this header.
 * Threads: all functions may be called from any thread, except that one reader, one member or one pen is used by one thread at a
 * time.  Functions marked [blocks] wait for disk or network, bounded by the timeout they are given or by storage_open's
 * timeout_ms: never call them on an event-loop thread.  Unmarked ones return at once. */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Codes in struct err and struct produced, beside those of base/err.h.  The text says which topic, partition, group. */
enum {
    STORE_UNKNOWN_TOPIC = -100,
    STORE_UNKNOWN_PARTITION = -101,
    STORE_TOPIC_EXISTS = -102,
    STORE_INVALID_TOPIC = -103,   /* illegal name */
    STORE_INVALID_CONFIG = -104,  /* topic config key or value */
    STORE_INVALID_REQUEST = -105, /* partition count, replication factor, policy, unsupported */
    STORE_TOO_LARGE = -106,       /* record over max.message.bytes */
    STORE_UNAUTHENTICATED = -107, /* who are you */
    STORE_UNAUTHORIZED = -108,    /* you may not */
    STORE_FENCED = -109,          /* somebody else holds the pen, or the member was replaced: this handle is dead */
    STORE_UNKNOWN_OUTCOME = -110, /* pen: the transaction may or may not have been committed; read the log */
    STORE_ILLEGAL_STATE = -111,   /* member: subscribe after assign, partition not assigned, ... */
    STORE_OUT_OF_RANGE = -112,    /* offset not in the log and auto.offset.reset=none */
    STORE_RETRIABLE = -113,       /* the cluster cannot now: no leader, not enough replicas, broker away */
    STORE_FAILED = -114,          /* the cluster said no for another reason */
    STORE_REBALANCE = -115        /* member: group is rebalancing, commit refused */
};

enum { OFFSET_BEGINNING = -2, OFFSET_END = -1, OFFSET_INVALID = -1001 };

struct header {
    struct str name, value; /* value.p NULL: null */
};

/* key.p or value.p NULL: null (a null value is a tombstone). */
struct record {
    struct str key, value;
    const struct header *headers;
    size_t nheaders;
    int64_t timestamp_ms; /* produce: 0 means now */
    int64_t offset;       /* read: its offset; produce: ignored */
    int32_t partition;    /* produce: -1 lets the engine choose (murmur2 of the key as Kafka's default partitioner, else spread) */
    uint32_t topic;       /* member poll: index into the batch's topic names */
};

struct tp {
    struct str topic;
    int32_t partition;
    int64_t offset;      /* seek, commit, committed, assign (OFFSET_INVALID: committed or reset) */
    struct str metadata; /* commit, committed; may be STR_NULL */
};

/* ---- opening ------------------------------------------------------------------------------------------------------ */

struct storage;

struct storage_option {
    const char *name, *value;
};

/* engine "sqlite": where is the file's path.  engine "kafka": where is the bootstrap list.  options: engine-specific pairs; for kafka any
 * librdkafka property, with prefix "client." "producer." "consumer." "admin." or none for all handles; both: "auto.create.topics.enable"
 * (true) - produce to a missing topic creates it; "num.partitions" (sqlite 1, kafka the brokers' default) for those; "timeout.ms" (10000) bounds each blocking call;
 * "produce.timeout.ms" (30000) bounds a produce until its completion.
 * sqlite: opens or creates the file; refuses a foreign, corrupt or newer file and one that another process holds, each with a text that
 * says so.  kafka: creates handles only; it does not wait for a broker (storage_ready tells), but refuses what can never work (SCRAM with
 * librdkafka < 2.6.1, unknown property). [blocks: disk only] */
struct storage *storage_open(const char *engine, const char *where, const struct storage_option *options, size_t n, struct err *err);
/* Waits for outstanding produces (bounded by produce.timeout.ms), closes.  All readers, members, pens must be freed before. NULL is fine. [blocks] */
void storage_free(struct storage *s);
/* Can the log be reached now?  0, or -1 with the last error known. */
int storage_ready(struct storage *s, struct err *err);
const char *storage_engine(const struct storage *s); /* "sqlite" or "kafka" */

/* ---- cluster and topics ------------------------------------------------------------------------------------------- */

struct broker {
    int32_t id;
    struct str host;
    int32_t port;
};
struct cluster {
    struct str id;      /* the embedded file's own random id (22 characters, as Kafka's), made at creation */
    int32_t controller; /* -1: not known */
    struct broker *brokers;
    size_t nbrokers;
};
/* The embedded engine answers as a cluster of one broker (id 0, host 127.0.0.1, port 0). [blocks] */
int storage_cluster(struct storage *s, struct arena *a, struct cluster *out, struct err *err);

struct topic_config {
    struct str name, value; /* value STR_NULL: sensitive or unset */
    const char *source;     /* "DYNAMIC_TOPIC_CONFIG", "DEFAULT_CONFIG", "STATIC_BROKER_CONFIG", ... (proxy-api.md 2.5) */
    bool is_read_only, is_sensitive, is_default;
};
struct partition_info {
    int32_t id, leader; /* leader -1: none */
    int32_t *replicas, *isrs;
    size_t nreplicas, nisrs;
};
struct topic_info {
    struct str name;
    bool is_internal; /* __consumer_offsets, __transaction_state, __share_group_state */
    struct partition_info *partitions;
    size_t npartitions;
};
struct replica_list {
    int32_t partition;
    const int32_t *brokers;
    size_t nbrokers;
};
struct topic_spec {
    struct str name;
    int32_t partitions;         /* -1: the default */
    int32_t replication_factor; /* -1: the default; the embedded engine accepts -1 and 1 */
    const struct replica_list *assignments; /* or NULL */
    size_t nassignments;
    const struct topic_config *configs; /* name and value count */
    size_t nconfigs;
    bool validate_only;
};
/* 1-249 of [A-Za-z0-9._-], neither "." nor "..". */
bool topic_name_ok(struct str topic);
/* STORE_TOPIC_EXISTS, _INVALID_TOPIC, _INVALID_CONFIG, _INVALID_REQUEST. Returns when the topic can be used. [blocks] */
int storage_create_topic(struct storage *s, const struct topic_spec *spec, struct err *err);
int storage_delete_topic(struct storage *s, struct str topic, struct err *err);                                   /* [blocks] */
int storage_add_partitions(struct storage *s, struct str topic, int32_t total, struct err *err);                  /* [blocks] */
/* All topics, sorted by name. Never creates one. [blocks] */
int storage_list_topics(struct storage *s, struct arena *a, struct topic_info **out, size_t *n, struct err *err);
/* STORE_UNKNOWN_TOPIC. Never creates one. [blocks] */
int storage_describe_topic(struct storage *s, struct str topic, struct arena *a, struct topic_info *out, struct err *err);
/* All configs, defaults too, sorted by name. [blocks] */
int storage_topic_configs(struct storage *s, struct str topic, struct arena *a, struct topic_config **out, size_t *n, struct err *err);
/* Changes the named configs only, the others stay (value STR_NULL: back to the default). [blocks] */
int storage_alter_configs(struct storage *s, struct str topic, const struct topic_config *changes, size_t n, struct err *err);
/* low: first offset kept; high: one past the last record (read_uncommitted view). [blocks] */
int storage_watermarks(struct storage *s, struct str topic, int32_t partition, int64_t *low, int64_t *high, struct err *err);
/* The first offset whose timestamp is >= timestamp_ms; *offset = high if there is none. [blocks] */
int storage_offset_for_time(struct storage *s, struct str topic, int32_t partition, int64_t timestamp_ms, int64_t *offset, struct err *err);

/* ---- produce ------------------------------------------------------------------------------------------------------ */

struct produced {
    int32_t partition;
    int64_t offset;
    int code;         /* 0, or a code from above */
    const char *text; /* when code != 0; good during the completion call only */
};
typedef void storage_produced_fn(void *ctx, const struct produced *results, size_t n);

/* Takes n records for one topic; done is called exactly once, from a storage thread (or from within this call), with one result per
 * record in the same order.  The record array and the bytes it points to must stay until then.  Returns 0, or
 * -1 (done will not be called, nothing was written): ERR_FULL when the buffer is full, ERR_CLOSED.  Order within a partition is that of
 * the array and of the calls of one thread.  Never blocks. */
int storage_produce(struct storage *s, struct str topic, const struct record *records, size_t n, storage_produced_fn *done, void *ctx,
                    struct err *err);

/* ---- batches of records that were read ------------------------------------------------------------------------------ */

/* Records with their bytes, kept by the batch until it is cleared or used again. {0} is a valid empty batch. */
struct batch {
    struct record *records;
    size_t n, cap;
    struct str *topics; /* names for record.topic */
    size_t ntopics;
    void *owner; /* the engine's own memory */
    void (*release)(struct batch *b);
};
/* Drops what the batch holds. Call it before its storage is freed. */
void batch_clear(struct batch *b);

/* ---- reader: one partition from an offset, no group ----------------------------------------------------------------- */

struct reader;
/* from: an offset, OFFSET_BEGINNING or OFFSET_END.  An offset below the log's start begins at the start. [blocks] */
struct reader *reader_open(struct storage *s, struct str topic, int32_t partition, int64_t from, struct err *err);
/* Replaces what b holds by up to max_records / max_bytes (at least one record) as soon as any are there, waiting at most timeout_ms.
 * 0 with b->n == 0: none came.  *end (may be NULL): true when the reader stood at the end of the log when it returned. STORE_UNKNOWN_TOPIC when the topic is gone or
 * its log was truncated below the reader's position. [blocks] */
int reader_read(struct reader *r, struct batch *b, size_t max_records, size_t max_bytes, int timeout_ms, bool *end, struct err *err);
/* One past the last offset read or skipped (control records and compacted gaps count). */
int64_t reader_position(const struct reader *r);
/* Makes a reader_read that waits in another thread return early. Any thread. */
void reader_wake(struct reader *r);
void reader_free(struct reader *r);

/* ---- member: a consumer in a group ----------------------------------------------------------------------------------- */

struct member;
struct member_options {
    struct str group;
    struct str client_id;
    const char *auto_offset_reset; /* "earliest", "latest", "none" */
    bool auto_commit;              /* stored positions are committed every auto_commit_ms, on revoke and on free */
    int32_t auto_commit_ms;        /* 0: 5000 */
    bool read_uncommitted;
    const struct storage_option *properties; /* more librdkafka consumer properties; sqlite ignores them */
    size_t nproperties;
    void (*wake)(void *ctx); /* may be NULL: called from any thread when a poll may find something new; must return at once */
    void *wake_ctx;
};
struct member *member_open(struct storage *s, const struct member_options *o, struct err *err);
/* Leaves the group (commits first when auto_commit). NULL is fine. [blocks] */
void member_free(struct member *m);
/* Replaces the subscription. STORE_ILLEGAL_STATE after member_assign. [blocks: short] */
int member_subscribe(struct member *m, const struct str *topics, size_t n, struct err *err);
enum { PATTERN_SHOWN = 60 }; /* bytes of a pattern in an error text, so that the reason has room behind it */
/* All topics whose whole name matches the regular expression (PCRE2 syntax), new ones too as they appear. ERR_INVALID for a bad one. */
int member_subscribe_pattern(struct member *m, struct str pattern, struct err *err);
int member_unsubscribe(struct member *m, struct err *err); /* leaves the group, drops an assignment too */
/* Manual assignment, replaces the earlier one; offset of each tp counts. STORE_ILLEGAL_STATE after a subscribe. */
int member_assign(struct member *m, const struct tp *tps, size_t n, struct err *err);
int member_subscription(struct member *m, struct arena *a, struct str **topics, size_t *n, struct err *err); /* concrete names */
int member_assignment(struct member *m, struct arena *a, struct tp **tps, size_t *n, struct err *err);
/* Replaces what b holds by up to max_records records that are there now (0 is no error). STORE_OUT_OF_RANGE, STORE_UNAUTHORIZED, ... come
 * here once, and the member goes on. Must be called now and then (max.poll.interval.ms) to stay in the group. */
int member_poll(struct member *m, struct batch *b, size_t max_records, struct err *err);
/* The next poll of that partition starts at offset (or OFFSET_BEGINNING / OFFSET_END). STORE_ILLEGAL_STATE with text "No current assignment for partition t-p"
 * when it is not assigned. [blocks: short] */
int member_seek(struct member *m, const struct tp *tps, size_t n, struct err *err);
/* Remembers positions (offset of the next record to read) for auto commit and for member_commit without a list. Partitions not assigned are ignored. */
int member_store(struct member *m, const struct tp *tps, size_t n, struct err *err);
/* Commits exactly these offsets, or with tps NULL the stored ones. Synchronous. [blocks] */
int member_commit(struct member *m, const struct tp *tps, size_t n, struct err *err);
/* Fills offset and metadata (in the arena) of each tp; offset OFFSET_INVALID where nothing is committed. [blocks] */
int member_committed(struct member *m, struct arena *a, struct tp *tps, size_t n, struct err *err);

/* ---- pen: the exclusive right to write one topic ---------------------------------------------------------------------- */

struct pen;
/* Takes the pen named name for partition 0 of topic: every earlier holder of that name is fenced and what it left open is aborted. When it
 * returns, *end is the offset that a reader must reach to know everything ever committed. [blocks, at most timeout_ms] */
struct pen *pen_take(struct storage *s, struct str name, struct str topic, int timeout_ms, int64_t *end, struct err *err);
/* Writes all n records in one transaction; 0 when committed and durable, with offsets[i] of each. STORE_FENCED: nothing was written and the
 * pen is lost. STORE_TOO_LARGE: nothing was written, the pen is kept (the text names the record's index). STORE_UNKNOWN_OUTCOME: free the pen,
 * take it again, read to the end, look. [blocks, at most timeout_ms] */
int pen_write(struct pen *p, const struct record *records, size_t n, int timeout_ms, int64_t *offsets, struct err *err);
void pen_free(struct pen *p); /* NULL is fine. [blocks: short] */

#endif
