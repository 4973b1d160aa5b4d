/* serde/wire.h - the frame around encoded values (contracts serde.md 1-3).  Pure functions; any thread. */
#ifndef SERDE_WIRE_H
#define SERDE_WIRE_H

#include "base/buf.h"
#include "base/err.h"

enum { WIRE_MAGIC_ID = 0, WIRE_MAGIC_GUID = 1 };

struct wire_frame {
    bool has_guid;          /* guid counts, else id */
    int32_t id;
    unsigned char guid[16];
    struct str payload;     /* behind the frame; in a PROTOBUF message it begins with the message indexes */
};

void wire_put_prefix_id(struct buf *out, int32_t id);
void wire_put_prefix_guid(struct buf *out, const unsigned char guid[16]);
/* Takes a prefixed message apart. -1 with err, ERR_INVALID: too short, unknown magic byte (its value is in the text). */
int wire_read_prefix(struct str message, struct wire_frame *out, struct err *err);
/* The value of a __key_schema_id / __value_schema_id header: prefix only; payload is what follows it (indexes). */
int wire_read_header(struct str header, struct wire_frame *out, struct err *err);

enum { WIRE_MAX_INDEXES = 64 };
/* PROTOBUF message indexes: [0] is written as one 00 byte. */
void wire_put_indexes(struct buf *out, const int32_t *indexes, size_t n);
/* Cuts the indexes off the front of *payload. -1 with err: truncated, over long, negative, more than WIRE_MAX_INDEXES. */
int wire_read_indexes(struct str *payload, int32_t indexes[WIRE_MAX_INDEXES], size_t *n, struct err *err);

#endif
