/* storage/sqlite/offsets.h - committed offsets of a group: in memory, and on their way into the file. */
#ifndef STORAGE_SQLITE_OFFSETS_H
#define STORAGE_SQLITE_OFFSETS_H

#include "storage/sqlite/group.h"

/* ---- under the groups' lock ---- */

/* The committed offset, or OFFSET_INVALID; metadata (may be NULL) is good while the lock is held. */
int64_t group_committed(struct group *group, struct str topic, int32_t number, struct str *metadata);
/* In memory only. -1: no memory. */
int offsets_put(struct group *group, struct str topic, int32_t number, int64_t offset, struct str metadata);
void offsets_forget_topic(struct group *group, struct str topic);
void offsets_clear(struct group *group);
/* Queues them for the writer (copies all); partitions that are gone by then are skipped. Never blocks. */
int offsets_commit_later(struct groups *g, struct sqlite *s, struct str group, const struct tp *tps, size_t n, struct err *err);

/* ---- without it ---- */

/* Writes them; STORE_UNKNOWN_TOPIC, _PARTITION, _INVALID_REQUEST: then none of them. [blocks] */
int offsets_commit(struct groups *g, struct sqlite *s, struct str group, const struct tp *tps, size_t n, int timeout_ms,
                   struct err *err);

#endif
