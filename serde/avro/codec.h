/* serde/avro/codec.h - an Avro schema compiled for encoding and decoding.  Private to serde.
 *
 * (1) Codes, and all they point to, live in the arena they were compiled in, and point into the models' memory: the schemas must
 * outlive them. Immutable once compiled; any thread. (2) A code says how bytes are read (the writer's side) and how they look as
 * JSON (the reader's side).  Those compiled from one schema (the plain ones) can also be written from JSON; CODE_FAIL and the ops
 * behind it only come from resolution. (3) Codes form a graph, since records reach themselves: walks are limited in depth. */
#ifndef SERDE_AVRO_CODEC_H
#define SERDE_AVRO_CODEC_H

#include "serde/avro/model.h"

enum avro_op {
    CODE_NULL,
    CODE_BOOLEAN,
    CODE_INT,
    CODE_LONG,
    CODE_FLOAT,
    CODE_DOUBLE,
    CODE_BYTES,
    CODE_STRING,
    CODE_RECORD,
    CODE_ENUM,
    CODE_FIXED,
    CODE_ARRAY,
    CODE_MAP,
    CODE_UNION,        /* the same numbers as enum avro_kind */
    CODE_FAIL,         /* the reader cannot read this: text says why */
    CODE_INT_TO_FLOAT, /* varint of 32 bits, shown as float; ... */
    CODE_INT_TO_DOUBLE,
    CODE_LONG_TO_FLOAT,
    CODE_LONG_TO_DOUBLE,
    CODE_TAG,     /* no bytes of its own: branches[0] of the reader's union */
    CODE_RESOLVED /* record: steps */
};

enum { AVRO_SIZE_VARIES = -1, AVRO_SIZE_UNKNOWN = -2 };

struct avro_code;
struct code_field {
    struct str name;
    struct str prefix; /* {"name": of the first field, ,"name": of others */
    const struct avro_code *code;
};
struct code_branch {
    struct str tag; /* {"name":  ; n 0: no tag (null, or the reader is no union) */
    const struct avro_code *code;
};
enum step_kind { STEP_VALUE, STEP_TEXT, STEP_SKIP };
struct code_step {
    enum step_kind kind;
    uint32_t position;            /* of the reader's field */
    struct str name, text;        /* STEP_VALUE: "name":  STEP_TEXT: "name":default */
    const struct avro_code *code; /* STEP_VALUE, STEP_SKIP */
};

/* Which of n names?  Linear over few, hashed over many. */
struct code_names {
    const struct str *list;
    uint32_t n, mask;
    const uint32_t *slots; /* position + 1; NULL: linear */
};

struct avro_code {
    uint8_t op;
    bool reorder;       /* CODE_RESOLVED: the steps are not in the reader's order */
    int32_t null_index; /* CODE_UNION: the branch null, or -1 */
    uint32_t n;         /* fields, symbols, branches, steps */
    int64_t size;       /* bytes of every value of a plain code, or AVRO_SIZE_VARIES (AVRO_SIZE_UNKNOWN while compiling) */
    union {
        struct code_field *fields;     /* CODE_RECORD */
        struct str *quoted;            /* CODE_ENUM: by the writer's index, as JSON; STR_NULL: the reader does not know it */
        const struct avro_code *items; /* CODE_ARRAY, CODE_MAP */
        struct code_branch *branches;  /* CODE_UNION, CODE_TAG */
        struct code_step *steps;       /* CODE_RESOLVED */
    };
    const struct avro_node *node; /* the writer's */
    struct code_names names;      /* of fields, symbols, branches, for encoding; CODE_ENUM: also for messages */
    struct str text;              /* CODE_FAIL */
    struct avro_code *next_todo;  /* while compiling */
};

/* The code of a node in itself; NULL with err. */
struct code_maker;
struct code_maker *code_maker_new(struct arena *a, struct err *err); /* lives in the arena, but: */
void code_maker_clear(struct code_maker *m);                         /* frees what it remembers; codes stay. NULL is fine */
const struct avro_code *code_make(struct code_maker *m, const struct avro_node *node, struct err *err);
/* {"name":  in the arena; p NULL on no memory. */
struct str code_key_text(struct arena *a, const char *before, struct str name, const char *after);
int code_names_find(const struct code_names *names, struct str name); /* -1: none */

/* Reader's view of writer's bytes: NULL with err when no value can be read at all. Compiles are bounded. */
const struct avro_code *code_resolve(struct code_maker *m, const struct avro_node *writer, const struct avro_node *reader,
                                     struct err *err);
/* A field's default as the JSON text of a value; -1 with err when it does not fit the type. */
int code_put_default(struct buf *out, const struct avro_node *type, const struct json *def, struct err *err);

enum { /* how the top level is written */
       AVRO_PLAIN = 0,
       AVRO_MESSAGE = 1 /* bytes without a length, a union without its tag when read */
};
int code_encode(const struct avro_code *c, unsigned form, struct json_reader *r, enum json_token tok, struct buf *out,
                struct err *err);
int code_decode(const struct avro_code *c, unsigned form, struct str data, struct buf *out, struct err *err);

#endif
