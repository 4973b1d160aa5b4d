/* serde/codec.h - values between JSON text and the bytes of their schema.
 *
 * A codec is compiled once from a schema (or a writer and a reader schema) and is immutable; any thread may use it, several at once.
 * Rules: contracts serde.md 9, proxy-api.md 3.4 and errata 11-12 (Avro). Errors: ERR_INVALID with a text that begins with the place inside the value as
 * a pointer ("/address/zip: expected int, got string"; ": ..." alone at the root), so that callers can put "records[3].value" before it. */
#ifndef SERDE_CODEC_H
#define SERDE_CODEC_H

#include "base/json.h"
#include "serde/schema.h"

struct codec;
/* For encoding and decoding with the one schema. NULL with err. */
struct codec *codec_new(struct schema *s, struct err *err);
/* For decoding only: bytes written with writer, seen as reader (Avro resolution: promotions, defaults, aliases, enum default). NULL with err when they cannot
 * be resolved at all. */
struct codec *codec_new_resolving(struct schema *writer, struct schema *reader, struct err *err);
struct codec *codec_ref(struct codec *c);
void codec_unref(struct codec *c);

/* Two forms of the bytes, the same but for two cases:
 *  - codec_encode_json, codec_decode_json: what stands behind the frame in a Kafka message. A top-level `bytes` schema is the raw bytes, without a length; a
 *    top-level union is read back without its branch tag (errata 11).
 *  - codec_encode_plain, codec_decode_plain: Avro's own binary and JSON encodings, with neither exception.
 * Writing: of members of the same name the last one counts.  Reading: a string that is not UTF-8 comes out with U+FFFD; the text of one value is limited (16 MB and 256
 * bytes for each byte of it), as is its depth. */

/* Reads one value (its first token is tok, already taken from r) and appends its bytes to out. 0, or -1: then out holds garbage behind its old length, which the
 * caller cuts off; r stands somewhere inside the value. On r's own error err carries r->err's text. */
int codec_encode_json(const struct codec *c, struct json_reader *r, enum json_token tok, struct buf *out, struct err *err);
int codec_encode_plain(const struct codec *c, struct json_reader *r, enum json_token tok, struct buf *out, struct err *err);
/* The encoding of null (no value given): -1 when the schema does not take null. */
int codec_encode_null(const struct codec *c, struct buf *out, struct err *err);
/* Is the schema a top-level union with null (then a null value means a tombstone, proxy-api.md 3.7)? */
bool codec_nullable(const struct codec *c);
/* Appends the JSON text of the value in data (all of it: trailing bytes are an error). -1: out holds garbage behind its old length. */
int codec_decode_json(const struct codec *c, struct str data, struct buf *out, struct err *err);
int codec_decode_plain(const struct codec *c, struct str data, struct buf *out, struct err *err);

#endif
