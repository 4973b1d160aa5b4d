/* storage/sqlite/shelf.h - connections that read, kept for whoever reads next, and rows into batches.
 *
 * A reader sees a snapshot and never blocks the writer.  It must be short: the WAL cannot start anew under a running one, so every function here
 * ends its statement before it returns.  Any thread. */
#ifndef STORAGE_SQLITE_SHELF_H
#define STORAGE_SQLITE_SHELF_H

#include "storage/sqlite/catalog.h"
#include "storage/sqlite/conn.h"

struct shelf;
struct shelf *shelf_new(struct file *file, int busy_ms, struct err *err);
void shelf_free(struct shelf *s); /* every connection is given back before; NULL is fine */
struct conn *shelf_take(struct shelf *s, struct err *err);
void shelf_give(struct shelf *s, struct conn *c);

/* Makes b an empty batch of this engine, keeping memory it may have from the last time. */
int batch_begin(struct batch *b, struct err *err);
/* Adds topic's name to b; its index goes to *topic. */
int batch_add_topic(struct batch *b, struct str name, uint32_t *topic, struct err *err);
/* Adds p's records from offset from to before to, at most max_records, and until b's bytes are max_bytes (at least one). *next: one past the last
 * added; to, if there are no more up to there. topic is what each record's topic field says. */
int batch_add_records(struct batch *b, struct conn *c, const struct partition *p, int64_t from, int64_t to, size_t max_records,
                      size_t max_bytes, uint32_t topic, int64_t *next, struct err *err);
size_t batch_bytes(const struct batch *b);

#endif
