/* storage/sqlite/catalog.h - topics and their partitions, in memory beside the file.
 *
 *  (1) The file is the truth; memory is the file as of the last commit, plus what the writer's running transaction adds.
 *  (2) Only the writer thread changes anything, inside a transaction; others see it from catalog_commit on.
 *  (3) A partition's id is never used again while a record carries it.
 * Record ids: partition id << 40 | offset, in one INTEGER PRIMARY KEY, so that a partition is one run of the tree and appending
 * is at its end. Threads: functions marked [writer] are for the writer thread; the rest may be called by any.  The catalogue's
 * lock is the innermost: nothing else is locked while it is held, and no I/O is done under it. */
#ifndef STORAGE_SQLITE_CATALOG_H
#define STORAGE_SQLITE_CATALOG_H

#include <stdatomic.h>

#include "storage/sqlite/configs.h"
#include "storage/sqlite/conn.h"
#include "storage/storage.h"

enum { OFFSET_BITS = 40, TIME_BITS = 10, PARTITIONS_MAX = 10000 };
enum { PARTITION_ID_END = (1 << (63 - OFFSET_BITS)) - 1 }; /* with offset 0 it is a record id: where the last one's records end */

static inline int64_t record_id(int64_t partition_id, int64_t offset)
{
    return partition_id << OFFSET_BITS | offset;
}
static inline int64_t record_offset(int64_t id)
{
    return id & (((int64_t)1 << OFFSET_BITS) - 1);
}

struct partition_state {
    int64_t low, high;   /* first offset kept, one past the last */
    int64_t clean;       /* compaction has seen everything below it */
    int64_t bytes;       /* of keys, values and headers that are there */
    int64_t dirty_bytes; /* of those at clean and above, when they were appended */
};

struct partition {
    struct topic *topic; /* fixed, as are number and id */
    int32_t number;
    int64_t id;
    struct partition_state kept; /* catalogue's lock: as of the last commit */
    struct partition_state now;  /* writer: as of the running transaction */
    bool touched;                /* writer: now may differ from kept */
    struct partition *next_touched;
};

struct topic {
    struct str name; /* fixed, as is id */
    int64_t id;
    atomic_int refs;
    bool gone;                     /* catalogue's lock: deleted */
    bool pending;                  /* catalogue's lock; made in the running transaction, hidden from all but the writer */
    struct partition **partitions; /* catalogue's lock to read; the writer changes it under the lock */
    int32_t npartitions;
    struct configs configs; /* catalogue's lock likewise */
    struct policy policy;   /* catalogue's lock likewise */
    uint32_t spread;        /* writer: where the next record without key goes */
    struct topic *next_pending;
};

struct catalog;
/* Reads all from the file. */
struct catalog *catalog_new(struct conn *c, struct err *err);
void catalog_free(struct catalog *c); /* all references are given back before; NULL is fine */

/* ---- in the running transaction [writer] ---- */

/* The topic, also one that this transaction made; borrowed until the next commit. NULL: none. */
struct topic *catalog_find(struct catalog *c, struct str name);
/* STORE_UNKNOWN_PARTITION. */
struct partition *catalog_partition(struct topic *t, int32_t number, struct err *err);
/* Checked as storage_create_topic says; validate_only stops after the checks. */
int catalog_create(struct catalog *c, struct conn *conn, const struct topic_spec *spec, int32_t default_partitions,
                   struct err *err);
/* Each of the three below must be alone in its transaction. */
int catalog_delete(struct catalog *c, struct conn *conn, struct str name, struct err *err);
int catalog_grow(struct catalog *c, struct conn *conn, struct str name, int32_t total, struct err *err);
int catalog_alter(struct catalog *c, struct conn *conn, struct str name, const struct topic_config *changes, size_t n,
                  struct err *err);
/* p->now is about to change. */
void catalog_touch(struct catalog *c, struct partition *p);
/* Writes the touched partitions' rows; last thing before COMMIT. */
int catalog_flush(struct catalog *c, struct conn *conn, struct err *err);
/* The transaction is durable: everybody sees it, readers that wait are woken. True: topics or partitions came or went. */
bool catalog_commit(struct catalog *c);
/* It is undone. */
void catalog_rollback(struct catalog *c);

/* ---- any thread ---- */

/* A reference to the topic, or NULL with STORE_UNKNOWN_TOPIC. */
struct topic *catalog_ref(struct catalog *c, struct str name, struct err *err);
struct topic *topic_ref(struct topic *t);
void topic_unref(struct topic *t); /* NULL is fine */
/* A partition whose topic is referenced; STORE_UNKNOWN_TOPIC, STORE_UNKNOWN_PARTITION. */
struct partition *catalog_ref_partition(struct catalog *c, struct str topic, int32_t number, struct err *err);
/* Its state as of the last commit; false when its topic is deleted. */
bool catalog_state(struct catalog *c, const struct partition *p, struct partition_state *state);
struct policy catalog_policy(struct catalog *c, const struct topic *t);
int32_t catalog_count(struct catalog *c, const struct topic *t); /* of partitions */
/* References to all topics, sorted by name; the array is the caller's to free. */
int catalog_ref_all(struct catalog *c, struct topic ***out, size_t *n, struct err *err);
int catalog_configs(struct catalog *c, struct str topic, struct arena *a, struct topic_config **out, size_t *n, struct err *err);
/* Waits until the partition has records at or past offset, is gone, *stop is set (under catalog_wake), or the deadline
 * (monotonic) passed. */
void catalog_wait(struct catalog *c, const struct partition *p, int64_t offset, int64_t deadline_ms, const bool *stop);
/* Sets *stop and wakes who waits on it. */
void catalog_stop_wait(struct catalog *c, bool *stop);
/* Clears *stop; was it set? */
bool catalog_clear_stop(struct catalog *c, bool *stop);

#endif
