/* storage/sqlite/rows.h - rows of the file into batches of records.  One thread a batch. */
#ifndef STORAGE_SQLITE_ROWS_H
#define STORAGE_SQLITE_ROWS_H

#include "storage/sqlite/catalog.h"
#include "storage/sqlite/conn.h"

/* Makes b an empty batch of this engine, keeping memory it may have from the last time. */
int rows_begin(struct batch *b, struct err *err);
/* Adds topic's name to b; its index goes to *topic. */
int rows_add_topic(struct batch *b, struct str name, uint32_t *topic, struct err *err);
/* Adds p's records from offset from to before to, at most max_records, and until b's bytes are max_bytes (at least one). *next:
 * one past the last added; to, if there are no more up to there. topic is what each record's topic field says. */
int rows_add_records(struct batch *b, struct conn *c, const struct partition *p, int64_t from, int64_t to, size_t max_records,
                     size_t max_bytes, uint32_t topic, int64_t *next, struct err *err);
size_t rows_bytes(const struct batch *b);

#endif
