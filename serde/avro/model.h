/* serde/avro/model.h - a parsed Avro schema: a graph of nodes.  Private to serde.
 *
 * (1) Immutable once parsed; every string, list and value lives in the schema's arena (bare primitives: in static memory), so as long as
 *     the struct schema.  Any thread may walk it.
 * (2) A named type (record, enum, fixed) is one node however often it is used; a record reaches itself through its fields.  Walks must expect
 *     that: key what you remember on the node's address, or, for named types, on node->named.
 * (3) Every node that is no bare primitive occurs once: its address tells the place where it was written.
 * (4) There are no unresolved names and no NULL types, and a union holds no union directly. */
#ifndef SERDE_AVRO_MODEL_H
#define SERDE_AVRO_MODEL_H

#include "base/json.h"
#include "serde/schema.h"

enum avro_kind {
    AVRO_T_NULL, AVRO_T_BOOLEAN, AVRO_T_INT, AVRO_T_LONG, AVRO_T_FLOAT, AVRO_T_DOUBLE, AVRO_T_BYTES, AVRO_T_STRING,
    AVRO_T_RECORD, AVRO_T_ENUM, AVRO_T_FIXED, /* the named ones */
    AVRO_T_ARRAY, AVRO_T_MAP, AVRO_T_UNION
};
static inline bool avro_is_primitive(enum avro_kind k)
{
    return k <= AVRO_T_STRING;
}
static inline bool avro_is_named(enum avro_kind k)
{
    return k >= AVRO_T_RECORD && k <= AVRO_T_FIXED;
}
/* "null", ..., "record", "union" */
struct str avro_kind_name(enum avro_kind k);

/* A valid logical type; one that does not fit its node, or that nobody knows, is AVRO_L_NONE and an ordinary property. */
enum avro_logical {
    AVRO_L_NONE, AVRO_L_DECIMAL, AVRO_L_BIG_DECIMAL, AVRO_L_UUID, AVRO_L_DATE, AVRO_L_TIME_MILLIS, AVRO_L_TIME_MICROS,
    AVRO_L_TIMESTAMP_MILLIS, AVRO_L_TIMESTAMP_MICROS, AVRO_L_TIMESTAMP_NANOS,
    AVRO_L_LOCAL_TIMESTAMP_MILLIS, AVRO_L_LOCAL_TIMESTAMP_MICROS, AVRO_L_LOCAL_TIMESTAMP_NANOS, AVRO_L_DURATION
};

struct avro_prop {
    struct str key;
    const struct json *value; /* numbers as written; offsets mean nothing here */
};
struct avro_props {
    struct avro_prop *list; /* in the order given */
    uint32_t n;
};

enum avro_order { AVRO_ASCENDING, AVRO_DESCENDING, AVRO_IGNORE };

struct avro_node;
struct avro_field {
    struct str name;
    const struct avro_node *type;
    const struct json *def; /* the default; NULL: none (a default of null is JSON_T_NULL). Of a stored schema it need not fit the type. */
    struct str doc;         /* STR_NULL: none */
    struct str *aliases;
    uint32_t naliases;
    enum avro_order order;
    struct avro_props props;
};

struct avro_node {
    uint8_t kind;    /* enum avro_kind */
    uint8_t logical; /* enum avro_logical */
    bool is_error;   /* AVRO_T_RECORD: written as "error" */
    bool top_level;  /* named: the whole of a referenced schema (or a branch of it): its users write its name only */
    uint32_t named;  /* named: position in avro_model.named */
    int32_t precision, scale; /* AVRO_L_DECIMAL */
    uint32_t n;      /* how many fields, symbols, branches */
    union {
        struct avro_field *fields;            /* record: n, in order */
        struct str *symbols;                  /* enum: n */
        int64_t size;                         /* fixed: bytes, at most 2^31-1 */
        const struct avro_node *items;        /* array: items; map: values */
        const struct avro_node **branches;    /* union: n, may be 0 */
    };
    struct avro_props props;
    struct avro_name *name; /* named types, else NULL */
};

/* What only named types have. */
struct avro_name {
    struct str full, simple, space; /* "com.acme.Pay", "Pay", "com.acme"; space is "" for none */
    struct str doc;                 /* STR_NULL: none */
    struct str *aliases;            /* full names */
    uint32_t naliases;
    struct str symbol_default;      /* enum: its default symbol, STR_NULL: none */
    uint32_t *by_name;              /* positions of fields or symbols sorted by name (bytes); NULL when there are few */
};

struct avro_model {
    const struct avro_node *root;
    const struct avro_node **named; /* every named type in scope, those of referenced texts first */
    uint32_t nnamed;
};

/* The model of an AVRO schema; NULL for other types. */
const struct avro_model *avro_model(const struct schema *s);
/* Its root node; NULL for other types. */
const struct avro_node *avro_root(const struct schema *s);
/* Position of a record's field, or of an enum's symbol, of that name; -1: none.  O(log n). */
int avro_find_field(const struct avro_node *record, struct str name);
int avro_find_symbol(const struct avro_node *enumeration, struct str symbol);
/* Name of a record's field, or of an enum's symbol, by position. */
static inline struct str avro_nth_name(const struct avro_node *node, uint32_t i)
{
    return node->kind == AVRO_T_RECORD ? node->fields[i].name : node->symbols[i];
}
/* The full name of a named type, else the word of its kind: so is a union's branch called in JSON, too. */
struct str avro_type_name(const struct avro_node *node);
/* Two named types: may reader stand for writer?  The same simple name, or an alias of the reader for it. */
bool avro_names_match(const struct avro_node *reader, const struct avro_node *writer);
/* What v is, in words: "null", "a number", "an object". */
const char *avro_json_word(const struct json *v);

#endif
