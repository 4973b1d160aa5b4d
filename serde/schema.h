/* serde/schema.h - one face for schemas of every type: parsed, canonical, comparable.
 *
 * A struct schema is immutable once made and shared by reference count; any thread may use it.  What getters return lives as long as the
 * schema.  Today's type is AVRO; a type without a wing yet is refused with a text that says so. Rules: contracts compatibility.md 2 and 3. */
#ifndef SERDE_SCHEMA_H
#define SERDE_SCHEMA_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum schema_type { SCHEMA_AVRO, SCHEMA_JSON, SCHEMA_PROTOBUF };

/* "AVRO", "JSON", "PROTOBUF". */
const char *schema_type_name(enum schema_type type);
/* Exact upper-case name to type; STR_NULL is AVRO. -1 with err (ERR_INVALID, "Invalid schema type ..."). */
int schema_type_parse(struct str name, enum schema_type *out, struct err *err);

struct schema_ref {
    struct str name, subject;
    int32_t version;
};

enum {
    SCHEMA_NEW = 1, /* strict: registration and compatibility tests (compatibility.md 2.5); else lenient, as stored schemas are read */
};

/* What to parse. All borrowed for the call only. */
struct schema_source {
    enum schema_type type;
    struct str text;
    const struct schema_ref *refs; /* as the schema lists them; kept with the schema */
    size_t nrefs;
    const struct str *ref_texts; /* resolved texts, depth first, dependencies before dependents (compatibility.md 2.2); may be more than nrefs */
    size_t nref_texts;
    unsigned flags;
};

struct schema;
/* NULL with err, ERR_INVALID: what is wrong, and where (JSON pointer or line and column). */
struct schema *schema_parse(const struct schema_source *src, struct err *err);
/* A stored schema of a type without a wing, known by its text only: that is its canonical text, it has no name and no fields, is equivalent to
 * schemas of the same type and text, and cannot be asked whether it reads another (but compat_check_history answers when the types differ).
 * For versions that another registry wrote. NULL with err: no memory. */
struct schema *schema_keep(const struct schema_source *src, struct err *err);
struct schema *schema_ref(struct schema *s);
void schema_unref(struct schema *s); /* NULL is fine */
void schema_unrefp(struct schema **s); /* for OWN_BY */

enum schema_type schema_type_of(const struct schema *s);
struct str schema_canonical(const struct schema *s); /* the stored text, compatibility.md 3.3 */
const struct schema_ref *schema_refs(const struct schema *s, size_t *n);
/* The full name of a named top-level type ("com.acme.Payment"), STR_NULL for others. */
struct str schema_name(const struct schema *s);
/* Names of the top-level record's fields, for validateFields; n 0 for other schemas. */
const struct str *schema_field_names(const struct schema *s, size_t *n);
/* The same schema normalised: text of 3.4, references sorted by (subject, version) without exact duplicates. A new reference. NULL with err. */
struct schema *schema_normalize(struct schema *s, struct err *err);
/* Text with references inlined (format=resolved, 3.3), appended to out. */
int schema_put_resolved(const struct schema *s, struct buf *out, struct err *err);
/* Structurally equal (registry-api.md 2.4 "equivalence" of texts; references are not looked at). */
bool schema_equivalent(const struct schema *a, const struct schema *b);
/* Rough bytes of memory it holds. */
size_t schema_size(const struct schema *s);

/* Content hash (serde.md 8). metadata and rule_set: JSON text as in the API's entities, STR_NULL when absent. -1 with err when those are not JSON objects. */
int schema_hash(struct str canonical, const struct schema_ref *refs, size_t nrefs, struct str metadata, struct str rule_set,
                unsigned char md5[16], struct err *err);
/* "427bf3a4-9425-a5e5-72ea-9b264f947ac1" into out[37]. */
void schema_guid_text(const unsigned char md5[16], char out[37]);
/* UUID form or 32 hex digits, any case. false if it is neither. */
bool schema_guid_parse(struct str text, unsigned char md5[16]);

#endif
