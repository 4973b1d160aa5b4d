/* storage/sqlite/shelf.h - connections that read, kept for whoever reads next.
 *
 * A reader sees a snapshot and never blocks the writer.  It must be short: the WAL cannot start anew under a running one, so
 * whoever takes a connection resets its statements before giving it back.  Any thread. */
#ifndef STORAGE_SQLITE_SHELF_H
#define STORAGE_SQLITE_SHELF_H

#include "storage/sqlite/conn.h"

struct shelf;
struct shelf *shelf_new(struct file *file, int busy_ms, struct err *err);
void shelf_free(struct shelf *s); /* every connection is given back before; NULL is fine */
struct conn *shelf_take(struct shelf *s, struct err *err);
void shelf_give(struct shelf *s, struct conn *c);

#endif
