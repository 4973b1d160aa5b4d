/* storage/sqlite/cleaner.h - what goes out of the log: records past their retention, records that a later one of the same key
 * replaces, deleted topics.
 *
 *  (1) Whatever is removed is removed by the writer, in ops of at most STEP records, so that a produce waits for milliseconds at
 * most. (2) Compaction keeps, for each key, the last record; a last record without value is kept for delete.retention.ms after a
 * pass first saw it. Offsets stay.  Keys are compared as they are, not by a hash. (3) What a pass reads it reads in short
 * snapshots, and checks nothing twice: only this thread removes, so what it read is still there. One thread. */
#ifndef STORAGE_SQLITE_CLEANER_H
#define STORAGE_SQLITE_CLEANER_H

#include "storage/sqlite/sqlite.h"

struct cleaner;
struct cleaner *cleaner_new(struct sqlite *s, struct err *err);
void cleaner_free(struct cleaner *c); /* while the writer still runs; NULL is fine */
/* A topic was deleted: erase its records now. Any thread. */
void cleaner_poke(struct cleaner *c);

#endif
