/* proxy/produce_body.h - the body of a v2 produce request, read in one pass into records that storage can take (proxy-api.md 1.4, 0.4, 3.7).
 *
 * Every key and value is encoded straight into one buffer for the request; while it grows, records hold offsets into it, and produce_body_seal turns
 * them into pointers.  Members may come in any order: records that come before their schemas, or whose schemas are not at hand, are only checked
 * and encoded afterwards by produce_body_encode.  Errors carry the API's codes.  One thread at a time. */
#ifndef PROXY_PRODUCE_BODY_H
#define PROXY_PRODUCE_BODY_H

#include "base/json.h"
#include "proxy/internal.h"
#include "serde/codec.h"

/* The schema of the keys or of the values, as the request names it and as it was found. */
struct side {
    struct str text; /* p NULL: none given */
    bool has_id;
    int32_t id;                   /* given, or that of text once found */
    struct client_schema *schema; /* owned; NULL until found */
    const struct codec *codec;    /* NULL until found */
};

struct produce_body {
    /* set before reading */
    enum embedded format;
    int32_t partition;         /* of records that name none; -1: the engine chooses */
    size_t max_records;
    bool null_is_empty_record; /* proxy-api.md 3.7 */
    struct arena *arena;       /* for schema texts */
    /* Looks for the schemas of both sides without waiting: 1 found (or none named), 0 not at hand, -1 with err. NULL: never at hand. */
    int (*find)(void *arg, struct produce_body *b, struct err *err);
    void *find_arg;
    /* what was read */
    struct side key, value;
    struct record *records;
    size_t n, cap;
    struct buf bytes;
    struct str raw; /* the array of records in the request's text */
    bool encoded;   /* records and bytes hold what raw says */
};

/* 0, or -1: 400 for what is no JSON or of the wrong type, 422 for what breaks a rule. Look at encoded afterwards. */
int produce_body_read(struct produce_body *b, struct str text, struct err *err);
/* Encodes raw once both sides have their schemas. */
int produce_body_encode(struct produce_body *b, struct err *err);
/* Makes pointers of offsets: records can be given to storage. Once. */
void produce_body_seal(struct produce_body *b);
void produce_body_clear(struct produce_body *b);

#endif
