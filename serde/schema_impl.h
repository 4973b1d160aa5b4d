/* serde/schema_impl.h - what a struct schema is made of, and what a wing (serde/avro/, ...) does for it.  Private to serde. */
#ifndef SERDE_SCHEMA_IMPL_H
#define SERDE_SCHEMA_IMPL_H

#include "serde/compat.h"

#include <stdatomic.h>

/* One row a type; see wing_of(). Every function may be called from any thread: schemas are immutable. */
struct schema_wing {
    /* Fills s->model, s->canonical, s->name, s->fields from src, in s->arena. 0, or -1 with err. */
    int (*parse)(struct schema *s, const struct schema_source *src, struct err *err);
    int (*put_normalized)(const struct schema *s, struct buf *out, struct err *err);
    int (*put_resolved)(const struct schema *s, struct buf *out, struct err *err);
    bool (*equivalent)(const struct schema *a, const struct schema *b);
    /* compat_check_schema of two schemas of this type. */
    int (*reads)(const struct schema *reader, const struct schema *writer, struct findings *findings, struct err *err);
    /* One finding as an item of the message list; reader and writer are "new" and "old" or the other way round. */
    void (*put_message)(struct buf *out, const struct finding *f, const char *reader, const char *writer);
};
extern const struct schema_wing avro_wing;

/* NULL for a type that has no wing yet. */
const struct schema_wing *schema_wing_of(enum schema_type type);

/* Every field is fixed when schema_parse returns, but count. */
struct schema {
    atomic_uint count;
    enum schema_type type;
    struct arena arena; /* of everything below */
    struct str canonical, name;
    struct schema_ref *refs;
    struct str *ref_texts; /* kept for normalising */
    struct str *fields;
    size_t nrefs, nref_texts, nfields;
    const void *model; /* the wing's; NULL: known by its text only */
};

/* Adds a finding whose texts are in f->arena. -1: no memory. */
int findings_add(struct findings *f, struct str type, struct str path, struct str text);

#endif
