/* serde/avro/canonical.h - the texts of a parsed Avro schema (compatibility.md 3.3, 3.4).  Private to the Avro wing. */
#ifndef SERDE_AVRO_CANONICAL_H
#define SERDE_AVRO_CANONICAL_H

#include "serde/avro/model.h"

enum {
    AVRO_TEXT_NORMAL = 1, /* 3.4: what carries no meaning is sorted or dropped */
    AVRO_TEXT_INLINE = 2, /* types of referenced schemas are written out */
};
/* Appends the text to out. -1 with err: no memory, or nested deeper than a JSON reader goes. */
int avro_put_text(const struct avro_model *m, unsigned flags, struct buf *out, struct err *err);

#endif
