#include "serde/avro/canonical.h"

#include "serde/avro/names.h"
#include "serde/avro/parse.h"

#include <stdlib.h>

struct printer {
    struct buf *out;
    struct arena scratch;
    unsigned flags;
    bool *written; /* by avro_node.named: is written by name from now on */
    int depth;     /* open objects and arrays, as a reader will count them */
    bool nomem;
};

static void put_node(struct printer *p, const struct avro_node *node, struct str space);

#define PUT(p, text) buf_put_str((p)->out, STR(text))

/* An object or array more, with its first bytes; false: too deep, and nothing was written. */
static bool open_level(struct printer *p, struct str text)
{
    if (++p->depth > JSON_DEPTH_MAX)
        return false;
    buf_put_str(p->out, text);
    return true;
}
#define OPEN(p, text) open_level(p, STR(text))

static void close_level(struct printer *p, char end)
{
    p->depth--;
    buf_put_u8(p->out, (unsigned char)end);
}

/* ---- values ---- */

void avro_put_number(struct buf *out, struct str number)
{
    for (size_t i = 0; i < number.n; i++)
        if (number.p[i] == '.' || (number.p[i] | 0x20) == 'e') {
            json_put_double(out, json_number_double(number));
            return;
        }
    buf_put_str(out, str_is(number, "-0") ? STR("0") : number);
}

static int by_key(const void *a, const void *b)
{
    return str_cmp_utf16((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

static void put_value(struct printer *p, const struct json *v);

static void put_member(struct printer *p, const struct json *m, bool first)
{
    if (!first)
        buf_put_u8(p->out, ',');
    json_put_string(p->out, m->key);
    buf_put_u8(p->out, ':');
    put_value(p, m);
}

static void put_members(struct printer *p, const struct json *o)
{
    if ((p->flags & AVRO_TEXT_NORMAL) == 0 || o->count < 2) {
        for (const struct json *m = o->first; m != NULL; m = m->next)
            put_member(p, m, m == o->first);
        return;
    }
    const struct json **sorted = arena_calloc(&p->scratch, o->count, sizeof *sorted);
    size_t n = 0;
    if (sorted == NULL) {
        p->nomem = true;
        return;
    }
    for (const struct json *m = o->first; m != NULL; m = m->next)
        sorted[n++] = m;
    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 0; i < n; i++)
        put_member(p, sorted[i], i == 0);
}

static void put_value(struct printer *p, const struct json *v)
{
    switch (v->type) {
    case JSON_T_NULL: PUT(p, "null"); return;
    case JSON_T_FALSE: PUT(p, "false"); return;
    case JSON_T_TRUE: PUT(p, "true"); return;
    case JSON_T_NUMBER: avro_put_number(p->out, v->text); return;
    case JSON_T_STRING: json_put_string(p->out, v->text); return;
    case JSON_T_ARRAY:
        if (!OPEN(p, "["))
            return;
        for (const struct json *m = v->first; m != NULL; m = m->next) {
            if (m != v->first)
                buf_put_u8(p->out, ',');
            put_value(p, m);
        }
        close_level(p, ']');
        return;
    case JSON_T_OBJECT:
        if (!OPEN(p, "{"))
            return;
        put_members(p, v);
        close_level(p, '}');
    }
}

/* ---- properties ---- */

static void put_prop(struct printer *p, const struct json *v)
{
    buf_put_u8(p->out, ',');
    put_member(p, v, true);
}

/* 0, 1, 2: the place of a valid logical type's own property before all others; -1: it is none. */
static int logical_rank(const struct avro_node *node, struct str key)
{
    if (node == NULL || node->logical == AVRO_L_NONE)
        return -1;
    if (str_is(key, "logicalType"))
        return 0;
    if (node->logical != AVRO_L_DECIMAL)
        return -1;
    return str_is(key, "precision") ? 1 : str_is(key, "scale") && node->scale != 0 ? 2 : -1;
}

/* node: whose they are; NULL for a field's. */
static void put_props(struct printer *p, const struct avro_props *props, const struct avro_node *node)
{
    if (props->n == 0)
        return;
    if ((p->flags & AVRO_TEXT_NORMAL) == 0) {
        for (uint32_t i = 0; i < props->n; i++)
            put_prop(p, props->list[i].value);
        return;
    }
    const struct json *own[3] = {NULL, NULL, NULL}, **rest = arena_calloc(&p->scratch, props->n, sizeof *rest);
    size_t n = 0;
    if (rest == NULL) {
        p->nomem = true;
        return;
    }
    for (uint32_t i = 0; i < props->n; i++) {
        int rank = logical_rank(node, props->list[i].key);
        *(rank >= 0 ? &own[rank] : &rest[n++]) = props->list[i].value;
    }
    qsort(rest, n, sizeof *rest, by_key);
    for (int i = 0; i < 3; i++)
        if (own[i] != NULL)
            put_prop(p, own[i]);
    for (size_t i = 0; i < n; i++)
        put_prop(p, rest[i]);
}

/* ---- names ---- */

/* full as it may be written inside space: short there, unless it would be taken for a type of the language. */
static struct str short_name(struct str full, struct str space)
{
    struct str own, simple;
    avro_name_split(full, &own, &simple);
    return own.n > 0 && str_eq(own, space) && !avro_name_is_kind(simple) ? simple : full;
}

static int utf16_order(const void *a, const void *b)
{
    return str_cmp_utf16(*(const struct str *)a, *(const struct str *)b);
}

/* An alias without a namespace of a type with one gets a dot before it, or it would be read back inside that namespace. */
static void put_alias(struct printer *p, struct str alias, const struct str *space)
{
    if (space != NULL && space->n > 0 && str_find(alias, '.') < 0) {
        alias = arena_printf(&p->scratch, ".%.*s", STR_ARG(alias));
        p->nomem |= alias.p == NULL;
    } else if (space != NULL) {
        alias = short_name(alias, *space);
    }
    json_put_string(p->out, alias);
}

/* space NULL: a field's aliases, which have no namespace. */
static void put_aliases(struct printer *p, const struct str *list, uint32_t n, const struct str *space)
{
    if (n == 0)
        return;
    if ((p->flags & AVRO_TEXT_NORMAL) != 0) {
        struct str *sorted = arena_calloc(&p->scratch, n, sizeof *sorted);
        if (sorted == NULL) {
            p->nomem = true;
            return;
        }
        memcpy(sorted, list, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, utf16_order);
        list = sorted;
    }
    if (!OPEN(p, ",\"aliases\":["))
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        put_alias(p, list[i], space);
    }
    close_level(p, ']');
}

static void put_doc(struct printer *p, struct str doc, bool of_type)
{
    if (doc.p == NULL || (doc.n == 0 && of_type && (p->flags & AVRO_TEXT_NORMAL) != 0))
        return;
    PUT(p, ",\"doc\":");
    json_put_string(p->out, doc);
}

/* ---- nodes ---- */

static void put_field(struct printer *p, const struct avro_field *f, struct str space)
{
    if (!OPEN(p, "{\"name\":"))
        return;
    json_put_string(p->out, f->name);
    PUT(p, ",\"type\":");
    put_node(p, f->type, space);
    put_doc(p, f->doc, false);
    if (f->def != NULL) {
        PUT(p, ",\"default\":");
        put_value(p, f->def);
    }
    if (f->order != AVRO_ASCENDING)
        buf_put_str(p->out, f->order == AVRO_DESCENDING ? STR(",\"order\":\"descending\"") : STR(",\"order\":\"ignore\""));
    put_aliases(p, f->aliases, f->naliases, NULL);
    put_props(p, &f->props, NULL);
    close_level(p, '}');
}

static void put_fields(struct printer *p, const struct avro_node *node)
{
    if (!OPEN(p, ",\"fields\":["))
        return;
    for (uint32_t i = 0; i < node->n; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        put_field(p, &node->fields[i], node->name->space);
    }
    close_level(p, ']');
}

static void put_symbols(struct printer *p, const struct avro_node *node)
{
    if (!OPEN(p, ",\"symbols\":["))
        return;
    for (uint32_t i = 0; i < node->n; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        json_put_string(p->out, node->symbols[i]);
    }
    close_level(p, ']');
    if (node->name->symbol_default.p != NULL) {
        PUT(p, ",\"default\":");
        json_put_string(p->out, node->name->symbol_default);
    }
}

static void put_named(struct printer *p, const struct avro_node *node, struct str space)
{
    const struct avro_name *name = node->name;
    if (p->written[node->named]) {
        json_put_string(p->out, short_name(name->full, space));
        return;
    }
    p->written[node->named] = true;
    bool normal = (p->flags & AVRO_TEXT_NORMAL) != 0;
    struct str kind = node->is_error && !normal ? STR("error") : avro_kind_name((enum avro_kind)node->kind);
    if (!OPEN(p, "{\"type\":\""))
        return;
    buf_put_str(p->out, kind);
    PUT(p, "\",\"name\":");
    json_put_string(p->out, name->simple);
    if (!str_eq(name->space, space) && !(normal && name->space.n == 0)) {
        PUT(p, ",\"namespace\":");
        json_put_string(p->out, name->space);
    }
    put_doc(p, name->doc, true);
    if (node->kind == AVRO_T_RECORD)
        put_fields(p, node);
    else if (node->kind == AVRO_T_ENUM)
        put_symbols(p, node);
    else {
        PUT(p, ",\"size\":");
        json_put_i64(p->out, node->size);
    }
    put_props(p, &node->props, node);
    put_aliases(p, name->aliases, name->naliases, &name->space);
    close_level(p, '}');
}

static void put_primitive(struct printer *p, const struct avro_node *node)
{
    struct str kind = avro_kind_name((enum avro_kind)node->kind);
    if (node->props.n == 0) {
        buf_put_u8(p->out, '"');
        buf_put_str(p->out, kind);
        buf_put_u8(p->out, '"');
        return;
    }
    if (!OPEN(p, "{\"type\":\""))
        return;
    buf_put_str(p->out, kind);
    buf_put_u8(p->out, '"');
    put_props(p, &node->props, node);
    close_level(p, '}');
}

static void put_node(struct printer *p, const struct avro_node *node, struct str space)
{
    switch (node->kind) {
    case AVRO_T_RECORD:
    case AVRO_T_ENUM:
    case AVRO_T_FIXED: put_named(p, node, space); return;
    case AVRO_T_ARRAY:
    case AVRO_T_MAP:
        if (!open_level(p, node->kind == AVRO_T_ARRAY ? STR("{\"type\":\"array\",\"items\":") : STR("{\"type\":\"map\",\"values\":")))
            return;
        put_node(p, node->items, space);
        put_props(p, &node->props, node);
        close_level(p, '}');
        return;
    case AVRO_T_UNION:
        if (!OPEN(p, "["))
            return;
        for (uint32_t i = 0; i < node->n; i++) {
            if (i > 0)
                buf_put_u8(p->out, ',');
            put_node(p, node->branches[i], space);
        }
        close_level(p, ']');
        return;
    default: put_primitive(p, node);
    }
}

int avro_put_text(const struct avro_model *m, unsigned flags, struct buf *out, struct err *err)
{
    struct printer p = {.out = out, .flags = flags};
    bool few[64] = {false};
    p.written = m->nnamed <= 64 ? few : arena_calloc(&p.scratch, m->nnamed, sizeof *p.written);
    if (p.written == NULL)
        return err_nomem(err);
    if ((flags & AVRO_TEXT_INLINE) == 0)
        for (uint32_t i = 0; i < m->nnamed; i++)
            p.written[i] = m->named[i]->top_level;
    put_node(&p, m->root, STR(""));
    arena_clear(&p.scratch);
    if (p.depth != 0) /* a level that was refused stays counted */
        return err_set(err, ERR_INVALID, "the schema nests over %d levels once every type is written where it is first used", JSON_DEPTH_MAX);
    if (p.nomem || out->failed)
        return err_nomem(err);
    return 0;
}
