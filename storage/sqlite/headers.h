/* storage/sqlite/headers.h - a record's headers as one blob: for each, name length, name, value length (0xffffffff: null), value;
 * lengths big endian in 4 bytes. */
#ifndef STORAGE_SQLITE_HEADERS_H
#define STORAGE_SQLITE_HEADERS_H

#include "base/arena.h"
#include "base/buf.h"
#include "storage/storage.h"

enum { HEADER_OVERHEAD = 8 };

void headers_put(struct buf *out, const struct header *headers, size_t n);
/* Into the arena, which must already hold blob's bytes: the headers point into them. -1: not such a blob, or no memory. */
int headers_get(struct str blob, struct arena *a, const struct header **headers, size_t *n);

#endif
