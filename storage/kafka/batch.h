/* storage/kafka/batch.h - librdkafka's messages as a struct batch: the batch owns them, their bytes are not copied. */
#ifndef STORAGE_KAFKA_BATCH_H
#define STORAGE_KAFKA_BATCH_H

#include "storage/kafka/kafka.h"

/* Empties b for new messages of this engine; memory of its last use is kept. 0, or -1 on no memory. */
int kafka_batch_begin(struct batch *b, struct err *err);
/* Takes *m (NULL afterwards, also on failure). */
int kafka_batch_take(struct batch *b, rd_kafka_message_t **m, struct err *err);

#endif
