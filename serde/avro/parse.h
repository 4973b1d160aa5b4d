/* serde/avro/parse.h - from the text of an Avro schema to its model, and the checks that need a whole model.  Private to the Avro wing. */
#ifndef SERDE_AVRO_PARSE_H
#define SERDE_AVRO_PARSE_H

#include "serde/avro/model.h"

/* Parses src->ref_texts and src->text into one name scope. The model, and copies of all texts, live in arena; *text and ref_texts (room for
 * src->nref_texts, may be NULL when there are none) are the copies. NULL with err, ERR_INVALID. */
struct avro_model *avro_parse(const struct schema_source *src, struct arena *arena, struct str *text, struct str *ref_texts, struct err *err);

/* Does value fit type as a default (compatibility.md 3.2)? 1, 0, or -1 when that took more than *steps steps (counted down). */
int avro_default_fits(const struct avro_node *type, const struct json *value, long *steps);

enum {
    AVRO_EQUAL_DOCS = 1, /* documentation and aliases must be equal too */
};
/* Structurally equal: names, fields and their order, symbols, defaults, properties (in any order). 1, 0, or -1 on no memory. */
int avro_equal(const struct avro_node *a, const struct avro_node *b, unsigned flags);
/* Equal as values: members in any order, numbers by their canonical text. 1, 0, or -1 on no memory. */
int avro_value_equal(const struct json *a, const struct json *b);
/* A number as the canonical text has it: integers as written, others as the shortest text of the double. */
void avro_put_number(struct buf *out, struct str number);
/* An integer literal (no fraction, no exponent) that fits 64 bits? */
bool avro_integer(const struct json *v, int64_t *out);

#endif
