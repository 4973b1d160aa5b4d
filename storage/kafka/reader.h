/* storage/kafka/reader.h - the pool of consumer handles that readers borrow. */
#ifndef STORAGE_KAFKA_READER_H
#define STORAGE_KAFKA_READER_H

#include "storage/kafka/kafka.h"

struct readers;

struct readers *readers_new(struct kafka *k, struct err *err);
/* All readers must be free. */
void readers_free(struct readers *r);

#endif
