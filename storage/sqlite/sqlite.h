/* storage/sqlite/sqlite.h - the embedded engine's parts, as they see each other.
 *
 *   engine   opens and closes, and answers what is in the catalogue
 *   file     the one file: lock, checks, creation        conn      a connection with the statements
 *   catalog  topics and partitions in memory             configs   a topic's configuration
 *   writer   the thread that commits                     produce   records into the log
 *   shelf    connections that read                       reader    one partition, no group
 *   group    members, assignment, committed offsets      member    what a member does
 *   offsets  what groups have committed                  headers   a record's headers as one blob
 *   pen      the exclusive right to write                rows      the file's rows into batches
 *   cleaner  compaction, retention, erasing
 *
 * Lock order: the groups' lock, then the catalogue's or the writer's; the shelf's and the cleaner's are held alone.  No I/O under
 * any. */
#ifndef STORAGE_SQLITE_SQLITE_H
#define STORAGE_SQLITE_SQLITE_H

#include "base/buf.h"
#include "storage/engine.h"
#include "storage/sqlite/catalog.h"
#include "storage/sqlite/conn.h"
#include "storage/sqlite/writer.h"

struct options {
    bool auto_create;
    int64_t num_partitions, timeout_ms, produce_timeout_ms, queue_bytes, retention_check_ms, cleaner_backoff_ms;
};

struct sqlite {
    struct storage base;
    struct options options; /* all fields are fixed once it is open */
    struct file *file;
    struct conn *conn; /* the writer's */
    struct catalog *catalog;
    struct writer *writer;
    struct shelf *shelf;
    struct groups *groups;
    struct cleaner *cleaner;
    char *cluster_id;
};

static inline struct sqlite *sqlite_of(struct storage *s)
{
    return (struct sqlite *)s;
}

/* ---- produce.c ---- */

int sqlite_produce(struct storage *s, struct str topic, const struct record *records, size_t n, storage_produced_fn *done,
                   void *ctx, struct err *err);
/* May this record go into t now? STORE_TOO_LARGE, STORE_INVALID_REQUEST. [writer] */
int log_check(const struct topic *t, const struct record *r, int64_t now_ms, struct err *err);
/* Appends it to p in the running transaction: ERR_IO, ERR_NOMEM only. scratch is for its headers. [writer] */
int log_append(struct catalog *c, struct conn *conn, struct partition *p, const struct record *r, int64_t now_ms,
               struct buf *scratch, int64_t *offset, struct err *err);

/* ---- reader.c ---- */

struct reader *sqlite_reader_open(struct storage *s, struct str topic, int32_t partition, int64_t from, struct err *err);
int sqlite_reader_read(struct reader *r, struct batch *b, size_t max_records, size_t max_bytes, int timeout_ms, bool *end,
                       struct err *err);
int64_t sqlite_reader_position(const struct reader *r);
void sqlite_reader_wake(struct reader *r);
void sqlite_reader_free(struct reader *r);

/* ---- pen.c ---- */

struct pen *sqlite_pen_take(struct storage *s, struct str name, struct str topic, int timeout_ms, int64_t *end, struct err *err);
int sqlite_pen_write(struct pen *p, const struct record *records, size_t n, int timeout_ms, int64_t *offsets, struct err *err);
void sqlite_pen_free(struct pen *p);

#endif
