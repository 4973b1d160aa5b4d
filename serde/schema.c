#include "serde/schema.h"

#include "base/own.h"
#include "serde/schema_impl.h"

#include <stdlib.h>

static const char *const type_names[] = {[SCHEMA_AVRO] = "AVRO", [SCHEMA_JSON] = "JSON", [SCHEMA_PROTOBUF] = "PROTOBUF"};

const char *schema_type_name(enum schema_type type)
{
    return type_names[type];
}

int schema_type_parse(struct str name, enum schema_type *out, struct err *err)
{
    if (name.p == NULL) {
        *out = SCHEMA_AVRO;
        return 0;
    }
    for (int t = SCHEMA_AVRO; t <= SCHEMA_PROTOBUF; t++)
        if (str_is(name, type_names[t])) {
            *out = (enum schema_type)t;
            return 0;
        }
    return err_set(err, ERR_INVALID, "Invalid schema type %.*s: it must be AVRO, JSON or PROTOBUF", (int)(name.n < 80 ? name.n : 80), name.p);
}

const struct schema_wing *schema_wing_of(enum schema_type type)
{
    static const struct schema_wing *const wings[] = {[SCHEMA_AVRO] = &avro_wing, [SCHEMA_JSON] = NULL, [SCHEMA_PROTOBUF] = NULL};
    return wings[type];
}

/* ---- making and sharing ---- */

static int copy_refs(struct schema *s, const struct schema_source *src)
{
    if (src->nrefs == 0)
        return 0;
    s->refs = arena_calloc(&s->arena, src->nrefs, sizeof *s->refs);
    if (s->refs == NULL)
        return -1;
    s->nrefs = src->nrefs;
    for (size_t i = 0; i < s->nrefs; i++) {
        const struct schema_ref *from = &src->refs[i];
        s->refs[i] = (struct schema_ref){arena_str(&s->arena, from->name), arena_str(&s->arena, from->subject), from->version};
        if ((from->name.p != NULL && s->refs[i].name.p == NULL) || (from->subject.p != NULL && s->refs[i].subject.p == NULL))
            return -1;
    }
    return 0;
}

static struct schema *new_schema(const struct schema_source *src, struct err *err)
{
    struct schema *s = calloc(1, sizeof *s);
    if (s != NULL) {
        atomic_init(&s->count, 1);
        s->type = src->type;
        if (copy_refs(s, src) == 0)
            return s;
        schema_unref(s);
    }
    err_nomem(err);
    return NULL;
}

struct schema *schema_parse(const struct schema_source *src, struct err *err)
{
    const struct schema_wing *wing = schema_wing_of(src->type);
    if (wing == NULL) {
        err_set(err, ERR_INVALID, "schema type %s is not supported yet: only AVRO is", schema_type_name(src->type));
        return NULL;
    }
    struct schema *s = new_schema(src, err);
    if (s != NULL && wing->parse(s, src, err) < 0) {
        schema_unref(s);
        return NULL;
    }
    return s;
}

struct schema *schema_keep(const struct schema_source *src, struct err *err)
{
    struct schema *s = new_schema(src, err);
    if (s == NULL)
        return NULL;
    s->canonical = arena_str(&s->arena, src->text.p != NULL ? src->text : STR(""));
    if (s->canonical.p == NULL) {
        schema_unref(s);
        err_nomem(err);
        return NULL;
    }
    return s;
}

struct schema *schema_ref(struct schema *s)
{
    atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
    return s;
}

void schema_unref(struct schema *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->count, 1, memory_order_acq_rel) != 1)
        return;
    arena_clear(&s->arena);
    free(s);
}

void schema_unrefp(struct schema **s)
{
    schema_unref(*s);
}

/* ---- what it says ---- */

enum schema_type schema_type_of(const struct schema *s)
{
    return s->type;
}

struct str schema_canonical(const struct schema *s)
{
    return s->canonical;
}

const struct schema_ref *schema_refs(const struct schema *s, size_t *n)
{
    *n = s->nrefs;
    return s->refs;
}

struct str schema_name(const struct schema *s)
{
    return s->name;
}

const struct str *schema_field_names(const struct schema *s, size_t *n)
{
    *n = s->nfields;
    return s->fields;
}

size_t schema_size(const struct schema *s)
{
    return sizeof *s + s->arena.used;
}

int schema_put_resolved(const struct schema *s, struct buf *out, struct err *err)
{
    if (s->model != NULL)
        return schema_wing_of(s->type)->put_resolved(s, out, err);
    buf_put_str(out, s->canonical);
    return out->failed ? err_nomem(err) : 0;
}

bool schema_equivalent(const struct schema *a, const struct schema *b)
{
    if (a == b)
        return true;
    if (a->type != b->type)
        return false;
    if (a->model == NULL || b->model == NULL)
        return str_eq(a->canonical, b->canonical);
    return schema_wing_of(a->type)->equivalent(a, b);
}

/* ---- normalised ---- */

struct placed_ref {
    struct schema_ref ref;
    size_t at; /* its place as given: it decides between equal subjects and versions */
};

static int subject_order(const struct schema_ref *a, const struct schema_ref *b)
{
    int c = str_cmp_utf16(a->subject, b->subject);
    return c != 0 ? c : (a->version > b->version) - (a->version < b->version);
}

static int by_place(const void *a, const void *b)
{
    const struct placed_ref *x = a, *y = b;
    int c = subject_order(&x->ref, &y->ref);
    return c != 0 ? c : (x->at > y->at) - (x->at < y->at);
}

static int by_all(const void *a, const void *b)
{
    const struct placed_ref *x = a, *y = b;
    int c = subject_order(&x->ref, &y->ref);
    if (c == 0)
        c = str_cmp(x->ref.name, y->ref.name);
    return c != 0 ? c : (x->at > y->at) - (x->at < y->at);
}

/* The references of s sorted by (subject, version), without exact duplicates, into refs; the new count. */
static size_t sort_refs(const struct schema *s, struct placed_ref *placed, struct schema_ref *refs)
{
    size_t n = 0;
    for (size_t i = 0; i < s->nrefs; i++)
        placed[i] = (struct placed_ref){s->refs[i], i};
    qsort(placed, s->nrefs, sizeof *placed, by_all);
    for (size_t i = 0; i < s->nrefs; i++)
        if (n == 0 || subject_order(&placed[i].ref, &placed[n - 1].ref) != 0 || !str_eq(placed[i].ref.name, placed[n - 1].ref.name))
            placed[n++] = placed[i];
    qsort(placed, n, sizeof *placed, by_place);
    for (size_t i = 0; i < n; i++)
        refs[i] = placed[i].ref;
    return n;
}

static bool refs_equal(const struct schema *s, const struct schema_ref *refs, size_t n)
{
    bool same = n == s->nrefs;
    for (size_t i = 0; i < n && same; i++)
        same = subject_order(&refs[i], &s->refs[i]) == 0 && str_eq(refs[i].name, s->refs[i].name);
    return same;
}

struct schema *schema_normalize(struct schema *s, struct err *err)
{
    if (s->model == NULL)
        return schema_ref(s);
    OWN_BY(buf_clear) struct buf text = {0};
    OWN_BY(own_free) struct schema_ref *refs = calloc(s->nrefs + 1, sizeof *refs);
    OWN_BY(own_free) struct placed_ref *placed = calloc(s->nrefs + 1, sizeof *placed);
    if (refs == NULL || placed == NULL) {
        err_nomem(err);
        return NULL;
    }
    size_t n = sort_refs(s, placed, refs);
    if (schema_wing_of(s->type)->put_normalized(s, &text, err) < 0)
        return NULL;
    if (str_eq(buf_str(&text), s->canonical) && refs_equal(s, refs, n))
        return schema_ref(s);
    const struct schema_source src = {s->type, buf_str(&text), refs, n, s->ref_texts, s->nref_texts, 0};
    return schema_parse(&src, err);
}
