/* storage/sqlite/writer.h - the one thread that writes, and its queue.
 *
 *  (1) All ops that wait become one transaction: one fsync for all of them (up to TRANSACTION_BYTES at a time).
 *  (2) An op is answered after COMMIT came back (synchronous=FULL: on the disk), never before.
 *  (3) An op's write either succeeds, or fails having written nothing (any code), or fails with ERR_IO or ERR_NOMEM, which spoils
 * the transaction: it is undone and each of its ops is tried once more alone, so that what fits still goes through on a nearly
 * full disk. Two threads: the writer, and one that calls back, so that the next fsync does not wait for the callers' own work. */
#ifndef STORAGE_SQLITE_WRITER_H
#define STORAGE_SQLITE_WRITER_H

#include "base/err.h"
#include "storage/sqlite/catalog.h"
#include "storage/sqlite/conn.h"

struct op {
    size_t bytes;        /* what it counts in the queue's bound and in a transaction */
    int64_t deadline_ms; /* monotonic; not begun by then: ERR_TIMEOUT. 0: none */
    bool alone;          /* needs a transaction of its own */
    /* Writer, in the transaction; may be called twice (3). */
    int (*write)(struct op *op, struct conn *conn, struct err *err);
    /* Writer, after COMMIT and catalog_commit: publish in memory; may be NULL. */
    void (*settle)(struct op *op);
    /* The calling-back thread, once: err.code says how it ended. May free op. NULL: somebody waits in writer_run. */
    void (*finish)(struct op *op);
    struct err err;     /* set by the writer before finish */
    bool commit_failed; /* it was COMMIT that failed: the records may yet be found after a crash */
    /* the queue's own */
    bool done;
    struct op *next;
};

struct writer;
/* told is called (from the calling-back thread) after each commit, topics_changed(arg) from the writer when topics came or went.
 * Both are set once. */
struct writer_events {
    void (*committed)(void *arg);
    void (*topics_changed)(void *arg);
    void *arg;
};
struct writer *writer_new(struct conn *conn, struct catalog *catalog, struct writer_events events, size_t max_queued_bytes,
                          struct err *err);
/* Refuses new ops, writes those that wait, answers them, ends. The connection stays the caller's. NULL is fine. */
void writer_free(struct writer *w);
/* Queues op, which has a finish. ERR_FULL, ERR_CLOSED: it is not queued. Never blocks. */
int writer_add(struct writer *w, struct op *op, struct err *err);
/* Queues op (without finish) and waits for it; not begun within timeout_ms: ERR_TIMEOUT, and nothing was written. */
int writer_run(struct writer *w, struct op *op, int timeout_ms, struct err *err);
/* 0, or -1 with what the last transaction failed of. */
int writer_health(struct writer *w, struct err *err);

#endif
