#include "registry/metadata.h"

#include <stdlib.h>

#include "base/own.h"
#include "registry/codes.h"

static int by_text(const void *a, const void *b)
{
    return str_cmp_utf16(*(const struct str *)a, *(const struct str *)b);
}

static int by_key(const void *a, const void *b)
{
    return str_cmp_utf16(((const struct metadata_item *)a)->key, ((const struct metadata_item *)b)->key);
}

static size_t make_set(struct str *list, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(list, n, sizeof *list, by_text);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !str_eq(list[kept - 1], list[i]))
            list[kept++] = list[i];
    return kept;
}

/* A scalar as its text, as the reference's JSON mapper does. */
static int read_text(const struct json *v, const char *where, struct str *out, struct err *err)
{
    switch (v->type) {
    case JSON_T_STRING:
    case JSON_T_NUMBER:
        *out = v->text;
        return 0;
    case JSON_T_TRUE:
    case JSON_T_FALSE:
        *out = v->type == JSON_T_TRUE ? STR("true") : STR("false");
        return 0;
    default:
        return err_set(err, REG_BAD_REQUEST, "%s: expected a string", where);
    }
}

static int read_set(const struct json *v, const char *where, struct arena *a, struct str **out, size_t *n, struct err *err)
{
    if (v == NULL || v->type == JSON_T_NULL)
        return 0;
    if (v->type != JSON_T_ARRAY)
        return err_set(err, REG_BAD_REQUEST, "%s: expected an array of strings", where);
    if ((*out = arena_calloc(a, v->count + 1, sizeof **out)) == NULL)
        return err_nomem(err);
    for (const struct json *e = v->first; e != NULL; e = e->next)
        if (read_text(e, where, &(*out)[(*n)++], err) < 0)
            return -1;
    *n = make_set(*out, *n);
    return 0;
}

/* An object whose members are sets (tags) or single texts (properties). */
static int read_items(const struct json *v, const char *where, bool sets, struct arena *a, struct metadata_item **out, size_t *n,
                      struct err *err)
{
    if (v == NULL || v->type == JSON_T_NULL)
        return 0;
    if (v->type != JSON_T_OBJECT)
        return err_set(err, REG_BAD_REQUEST, "%s: expected an object", where);
    if ((*out = arena_calloc(a, v->count + 1, sizeof **out)) == NULL)
        return err_nomem(err);
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        struct metadata_item *item = &(*out)[*n];
        item->key = m->key;
        if (m->type == JSON_T_NULL)
            continue;
        if (sets) {
            if (read_set(m, where, a, &item->values, &item->n, err) < 0)
                return -1;
        } else {
            if ((item->values = arena_calloc(a, 1, sizeof *item->values)) == NULL)
                return err_nomem(err);
            item->n = 1;
            if (read_text(m, where, item->values, err) < 0)
                return -1;
        }
        (*n)++;
    }
    qsort(*out, *n, sizeof **out, by_key);
    return 0;
}

int metadata_read(const struct json *v, struct arena *a, struct metadata *out, struct err *err)
{
    *out = (struct metadata){0};
    if (v == NULL || v->type == JSON_T_NULL)
        return 0;
    if (v->type != JSON_T_OBJECT)
        return err_set(err, REG_BAD_REQUEST, "metadata: expected an object with tags, properties and sensitive");
    out->present = true;
    if (read_items(json_get(v, "tags"), "metadata.tags", true, a, &out->tags, &out->ntags, err) < 0 ||
        read_items(json_get(v, "properties"), "metadata.properties", false, a, &out->properties, &out->nproperties, err) < 0 ||
        read_set(json_get(v, "sensitive"), "metadata.sensitive", a, &out->sensitive, &out->nsensitive, err) < 0)
        return -1;
    return 0;
}

int metadata_parse(struct str text, struct arena *a, struct metadata *out, struct err *err)
{
    *out = (struct metadata){0};
    if (text.p == NULL)
        return 0;
    const struct json *v = json_parse(text, JSON_DUP_LAST, 0, a, err);
    return v != NULL ? metadata_read(v, a, out, err) : -1;
}

static void put_set(struct json_writer *w, const struct str *list, size_t n)
{
    jw_array(w);
    for (size_t i = 0; i < n; i++)
        jw_str(w, list[i]);
    jw_array_end(w);
}

struct str metadata_text(const struct metadata *m, struct arena *a, bool *failed)
{
    if (!m->present)
        return STR_NULL;
    OWN_BY(buf_clear) struct buf out = {0};
    struct json_writer w = json_writer_on(&out);
    jw_object(&w);
    if (m->ntags != 0) {
        jw_key(&w, "tags");
        jw_object(&w);
        for (size_t i = 0; i < m->ntags; i++) {
            jw_key_str(&w, m->tags[i].key);
            put_set(&w, m->tags[i].values, m->tags[i].n);
        }
        jw_object_end(&w);
    }
    if (m->nproperties != 0) {
        jw_key(&w, "properties");
        jw_object(&w);
        for (size_t i = 0; i < m->nproperties; i++) {
            jw_key_str(&w, m->properties[i].key);
            jw_str(&w, m->properties[i].values[0]);
        }
        jw_object_end(&w);
    }
    if (m->nsensitive != 0) {
        jw_key(&w, "sensitive");
        put_set(&w, m->sensitive, m->nsensitive);
    }
    jw_object_end(&w);
    struct str text = out.failed ? STR_NULL : arena_str(a, buf_str(&out));
    if (text.p == NULL)
        *failed = true;
    return text;
}

/* Both lists are sorted; where both have a key, more wins. */
static int merge_items(const struct metadata_item *base, size_t nbase, const struct metadata_item *more, size_t nmore, struct arena *a,
                       struct metadata_item **out, size_t *n)
{
    if ((*out = arena_calloc(a, nbase + nmore + 1, sizeof **out)) == NULL)
        return -1;
    for (size_t i = 0, j = 0; i < nbase || j < nmore;) {
        int c = i == nbase ? 1 : j == nmore ? -1 : str_cmp_utf16(base[i].key, more[j].key);
        if (c == 0)
            i++;
        (*out)[(*n)++] = c < 0 ? base[i++] : more[j++];
    }
    return 0;
}

int metadata_merge(const struct metadata *base, const struct metadata *more, struct arena *a, struct metadata *out)
{
    struct metadata m = {.present = base->present || more->present};
    m.nsensitive = base->nsensitive + more->nsensitive;
    if ((m.sensitive = arena_calloc(a, m.nsensitive + 1, sizeof *m.sensitive)) == NULL ||
        merge_items(base->tags, base->ntags, more->tags, more->ntags, a, &m.tags, &m.ntags) < 0 ||
        merge_items(base->properties, base->nproperties, more->properties, more->nproperties, a, &m.properties, &m.nproperties) < 0)
        return -1;
    for (size_t i = 0; i < m.nsensitive; i++)
        m.sensitive[i] = i < base->nsensitive ? base->sensitive[i] : more->sensitive[i - base->nsensitive];
    m.nsensitive = make_set(m.sensitive, m.nsensitive);
    *out = m;
    return 0;
}

struct str metadata_property(const struct metadata *m, struct str key)
{
    for (size_t i = 0; i < m->nproperties; i++)
        if (str_eq(m->properties[i].key, key))
            return m->properties[i].values[0];
    return STR_NULL;
}

int metadata_set_property(struct metadata *m, struct str key, struct str value, struct arena *a)
{
    struct metadata_item item = {.key = key, .values = arena_calloc(a, 1, sizeof *item.values), .n = 1};
    if (item.values == NULL)
        return -1;
    item.values[0] = value;
    const struct metadata one = {.present = true, .properties = &item, .nproperties = 1};
    return metadata_merge(m, &one, a, m);
}

struct metadata metadata_without(const struct metadata *m, struct str key, struct arena *a)
{
    struct metadata out = *m;
    if (metadata_property(m, key).p == NULL || (out.properties = arena_calloc(a, m->nproperties, sizeof *out.properties)) == NULL)
        return *m;
    out.nproperties = 0;
    for (size_t i = 0; i < m->nproperties; i++)
        if (!str_eq(m->properties[i].key, key))
            out.properties[out.nproperties++] = m->properties[i];
    out.present = out.nproperties + out.ntags + out.nsensitive != 0;
    return out;
}

static bool sets_equal(const struct str *a, size_t na, const struct str *b, size_t nb)
{
    if (na != nb)
        return false;
    for (size_t i = 0; i < na; i++)
        if (!str_eq(a[i], b[i]))
            return false;
    return true;
}

static bool items_equal(const struct metadata_item *a, size_t na, const struct metadata_item *b, size_t nb)
{
    if (na != nb)
        return false;
    for (size_t i = 0; i < na; i++)
        if (!str_eq(a[i].key, b[i].key) || !sets_equal(a[i].values, a[i].n, b[i].values, b[i].n))
            return false;
    return true;
}

bool metadata_equal(const struct metadata *a, const struct metadata *b)
{
    return a->present == b->present && items_equal(a->tags, a->ntags, b->tags, b->ntags) &&
           items_equal(a->properties, a->nproperties, b->properties, b->nproperties) &&
           sets_equal(a->sensitive, a->nsensitive, b->sensitive, b->nsensitive);
}
