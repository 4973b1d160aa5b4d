/* serde/avro/compat.h - can data written with one Avro schema be read with another (compatibility.md 3.6, 3.7)?  Private to the Avro wing. */
#ifndef SERDE_AVRO_COMPAT_H
#define SERDE_AVRO_COMPAT_H

#include "serde/compat.h"

struct avro_model;
/* Adds what stops reader from reading writer. -1 with err: no memory (ERR_NOMEM), or more work than it is worth (ERR_TOO_BIG). */
int avro_reads(const struct avro_model *reader, const struct avro_model *writer, struct findings *findings, struct err *err);
/* The item of the message list that stands for f (1.3). */
void avro_put_message(struct buf *out, const struct finding *f, const char *reader, const char *writer);

#endif
