/* serde/avro/parse.c - the grammar of compatibility.md 3.1 and 3.2.
 *
 *  (1) The text is copied into the schema's arena first and its JSON tree is built over the copy, so that strings without escapes are not copied
 *      again; the tree itself is scratch.
 *  (2) A name may be used before it is defined: such uses are kept as struct use and resolved at the end of each text.
 *  (3) What needs whole types (duplicate branches, types defined twice, defaults) is therefore checked after (2), from lists kept on the way.
 * Recursion follows the nesting of the JSON text, at most JSON_DEPTH_MAX. */
#include "serde/avro/parse.h"

#include "base/map.h"
#include "base/own.h"
#include "serde/avro/names.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct use { /* of a name that is not defined yet */
    struct use *next;
    const struct avro_node **slot;
    struct str name, space;
    const struct json *at;
};
struct later { /* a node to look at when all names are known */
    struct later *next;
    const struct avro_node *node, *other;
    const struct json *at;
};
struct field_later {
    struct field_later *next;
    struct avro_field *field;
    const struct avro_node *record;
    const struct json *at;
};

struct parser {
    struct arena *arena; /* of the model */
    struct arena scratch;
    struct err *err;
    struct str text;     /* being parsed: the copy of (1) */
    size_t ref, nrefs;   /* text is the ref-th of nrefs referenced ones; ref == nrefs: the schema itself */
    bool strict;
    struct map names;    /* full name to struct avro_node */
    const struct avro_node **named;
    uint32_t nnamed, named_cap;
    struct use *uses;
    struct later *unions, *twice;
    struct field_later *defaults;
};

/* What an object may say about a schema or field; the rest are properties. */
enum attr { A_TYPE, A_NAME, A_SPACE, A_DOC, A_FIELDS, A_SYMBOLS, A_SIZE, A_ITEMS, A_VALUES, A_ALIASES, A_DEFAULT, A_ORDER, A_COUNT };
enum {
    ON_SCHEMA = 1 << A_TYPE | 1 << A_NAME | 1 << A_SPACE | 1 << A_DOC | 1 << A_FIELDS | 1 << A_SYMBOLS | 1 << A_SIZE | 1 << A_ITEMS | 1 << A_VALUES |
                1 << A_ALIASES,
    ON_ENUM = ON_SCHEMA | 1 << A_DEFAULT,
    ON_FIELD = 1 << A_TYPE | 1 << A_NAME | 1 << A_DOC | 1 << A_ALIASES | 1 << A_DEFAULT | 1 << A_ORDER,
};
struct attrs {
    const struct json *v[A_COUNT];
};

static int parse_schema(struct parser *p, const struct json *j, struct str space, const struct avro_node **out);

/* ---- errors ---- */

/* At most 80 bytes of s, cut between characters: a message must have room for its place. */
static struct str clip(struct str s)
{
    if (s.n > 80)
        for (s.n = 80; s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80;)
            s.n--;
    return s;
}
#define CLIP(s) STR_ARG(clip(s))

__attribute__((format(printf, 3, 4))) static int bad(struct parser *p, const struct json *at, const char *fmt, ...)
{
    char what[400], where[80] = "";
    int line, column;
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    json_line_column(p->text, at->offset, &line, &column);
    if (p->ref < p->nrefs)
        snprintf(where, sizeof where, " of referenced schema %zu of %zu", p->ref + 1, p->nrefs);
    return err_set(p->err, ERR_INVALID, "%s at line %d column %d%s", what, line, column, where);
}

/* ---- strings and values into the arena ---- */

static bool in_text(const struct parser *p, struct str s)
{
    return s.p >= p->text.p && s.p <= p->text.p + p->text.n;
}

/* s for as long as the model lives; p is NULL on no memory. */
static struct str keep(struct parser *p, struct str s)
{
    return s.n == 0 ? STR("") : in_text(p, s) ? s : arena_str(p->arena, s);
}

static const struct json *keep_value(struct parser *p, const struct json *j)
{
    struct json *v = arena_alloc(p->arena, sizeof *v);
    if (v == NULL)
        return NULL;
    *v = *j;
    v->next = v->first = v->last = NULL;
    v->text = keep(p, j->text);
    v->key = keep(p, j->key);
    if (v->text.p == NULL || v->key.p == NULL)
        return NULL;
    for (const struct json *m = j->first; m != NULL; m = m->next) {
        struct json *c = (struct json *)(uintptr_t)keep_value(p, m);
        if (c == NULL)
            return NULL;
        if (v->last != NULL)
            v->last->next = c;
        else
            v->first = c;
        v->last = c;
    }
    return v;
}

static int nomem(struct parser *p)
{
    return err_nomem(p->err);
}

/* ---- attributes ---- */

static int attr_of(struct str key)
{
    static const struct { struct str name; uint8_t attr; } known[] = {
        {{"type", 4}, A_TYPE}, {{"name", 4}, A_NAME}, {{"doc", 3}, A_DOC}, {{"default", 7}, A_DEFAULT}, {{"namespace", 9}, A_SPACE},
        {{"fields", 6}, A_FIELDS}, {{"symbols", 7}, A_SYMBOLS}, {{"size", 4}, A_SIZE}, {{"items", 5}, A_ITEMS}, {{"values", 6}, A_VALUES},
        {{"aliases", 7}, A_ALIASES}, {{"order", 5}, A_ORDER},
    };
    if (key.n >= 3 && key.n <= 9)
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (known[i].name.n == key.n && memcmp(known[i].name.p, key.p, key.n) == 0)
                return known[i].attr;
    return A_COUNT;
}

static void read_attrs(const struct json *o, struct attrs *a)
{
    memset(a, 0, sizeof *a);
    for (const struct json *m = o->first; m != NULL; m = m->next) {
        int k = attr_of(m->key);
        if (k != A_COUNT)
            a->v[k] = m;
    }
}

/* The members of o that are none of the reserved attributes. */
static int keep_props(struct parser *p, const struct json *o, unsigned reserved, struct avro_props *out)
{
    uint32_t n = 0;
    for (const struct json *m = o->first; m != NULL; m = m->next)
        n += !(reserved >> attr_of(m->key) & 1);
    if (n == 0)
        return 0;
    out->list = arena_calloc(p->arena, n, sizeof *out->list);
    if (out->list == NULL)
        return nomem(p);
    for (const struct json *m = o->first; m != NULL; m = m->next) {
        if (reserved >> attr_of(m->key) & 1)
            continue;
        struct avro_prop *prop = &out->list[out->n++];
        prop->value = keep_value(p, m);
        if (prop->value == NULL)
            return nomem(p);
        prop->key = prop->value->key;
    }
    return 0;
}

static int keep_doc(struct parser *p, const struct attrs *a, struct str *out)
{
    *out = STR_NULL;
    if (json_is(a->v[A_DOC], JSON_T_STRING) && (*out = keep(p, a->v[A_DOC]->text)).p == NULL)
        return nomem(p);
    return 0;
}

/* The strings of an aliases attribute, each once, in order; those of types (space not NULL) as full names. */
static int keep_aliases(struct parser *p, const struct attrs *a, const struct str *space, struct str **list, uint32_t *n)
{
    const struct json *j = a->v[A_ALIASES];
    *n = 0;
    if (j == NULL)
        return 0;
    if (j->type != JSON_T_ARRAY)
        return bad(p, j, "\"aliases\" must be an array of strings, not %s", avro_json_word(j));
    if (j->count > 0 && (*list = arena_calloc(p->arena, j->count, sizeof **list)) == NULL)
        return nomem(p);
    OWN_BY(map_clear) struct map seen = {0};
    for (const struct json *m = j->first; m != NULL; m = m->next) {
        if (m->type != JSON_T_STRING)
            return bad(p, m, "\"aliases\" must be an array of strings, and one item is %s", avro_json_word(m));
        struct str alias = m->text;
        if (space != NULL && space->n > 0 && str_find(alias, '.') < 0)
            alias = arena_printf(p->arena, "%.*s.%.*s", STR_ARG(*space), STR_ARG(alias));
        else if (space != NULL && alias.n > 0 && alias.p[0] == '.' && str_find(str_n(alias.p + 1, alias.n - 1), '.') < 0)
            alias = keep(p, str_n(alias.p + 1, alias.n - 1)); /* ".A" is A in no namespace */
        else
            alias = keep(p, alias);
        if (alias.p == NULL)
            return nomem(p);
        if (j->count > 1) {
            if (map_get(&seen, alias) != NULL)
                continue;
            if (map_set(&seen, alias, p) < 0)
                return nomem(p);
        }
        (*list)[(*n)++] = alias;
    }
    return 0;
}

/* ---- names ---- */

static const struct avro_node *bare_primitive(struct str name)
{
    static const struct avro_node bare[] = {
        {.kind = AVRO_T_NULL}, {.kind = AVRO_T_BOOLEAN}, {.kind = AVRO_T_INT}, {.kind = AVRO_T_LONG},
        {.kind = AVRO_T_FLOAT}, {.kind = AVRO_T_DOUBLE}, {.kind = AVRO_T_BYTES}, {.kind = AVRO_T_STRING},
    };
    if (name.n >= 3 && name.n <= 7)
        for (int k = 0; k <= AVRO_T_STRING; k++)
            if (str_eq(name, avro_kind_name((enum avro_kind)k)))
                return &bare[k];
    return NULL;
}

/* The named type that name means inside space, or NULL. */
static const struct avro_node *find_named(struct parser *p, struct str name, struct str space)
{
    if (space.n > 0 && str_find(name, '.') < 0) {
        char small[256];
        size_t n = space.n + 1 + name.n;
        char *full = n <= sizeof small ? small : arena_alloc(&p->scratch, n);
        if (full == NULL)
            return NULL; /* then the look-up at the end fails in the same way, or has memory again */
        memcpy(full, space.p, space.n);
        full[space.n] = '.';
        if (name.n > 0)
            memcpy(full + space.n + 1, name.p, name.n);
        const struct avro_node *node = map_get(&p->names, str_n(full, n));
        if (node != NULL)
            return node;
    }
    if (name.n > 1 && name.p[0] == '.' && str_find(str_n(name.p + 1, name.n - 1), '.') < 0)
        name = str_n(name.p + 1, name.n - 1);
    return map_get(&p->names, name);
}

static int use_name(struct parser *p, const struct json *j, struct str space, const struct avro_node **out)
{
    if ((*out = bare_primitive(j->text)) != NULL || (*out = find_named(p, j->text, space)) != NULL)
        return 0;
    struct use *use = arena_alloc(&p->scratch, sizeof *use);
    if (use == NULL)
        return nomem(p);
    *use = (struct use){p->uses, out, j->text, space, j};
    p->uses = use;
    return 0;
}

/* Full name, namespace and so on of a named type; space is the enclosing namespace. */
static int parse_name(struct parser *p, const struct json *o, const struct attrs *a, struct str space, struct avro_name *out)
{
    const struct json *j = a->v[A_NAME];
    if (!json_is(j, JSON_T_STRING))
        return bad(p, j != NULL ? j : o, "%.*s without a \"name\": a text is needed", STR_ARG(a->v[A_TYPE]->text));
    avro_name_split(j->text, &out->space, &out->simple);
    if (out->simple.n == j->text.n)
        out->space = json_is(a->v[A_SPACE], JSON_T_STRING) ? a->v[A_SPACE]->text : space;
    if (!avro_name_ok(out->simple, p->strict))
        return bad(p, j, "\"%.*s\" is no name: letters, digits and _ make one, and it begins with no digit", CLIP(out->simple));
    if (p->strict && !avro_space_ok(out->space))
        return bad(p, j, "\"%.*s\" is no namespace: it is made of names with dots between", CLIP(out->space));
    bool split = out->space.n > 0 && out->space.p + out->space.n + 1 == out->simple.p && in_text(p, j->text);
    if (out->space.n == 0)
        out->full = keep(p, out->simple);
    else
        out->full = split ? keep(p, j->text) : arena_printf(p->arena, "%.*s.%.*s", STR_ARG(out->space), STR_ARG(out->simple));
    if (out->full.p == NULL)
        return nomem(p);
    out->space = out->space.n > 0 ? str_n(out->full.p, out->space.n) : STR("");
    out->simple = str_n(out->full.p + out->full.n - out->simple.n, out->simple.n);
    if (bare_primitive(out->full) != NULL)
        return bad(p, j, "\"%.*s\" is a type of Avro and cannot be defined", CLIP(out->full));
    return 0;
}

/* Enters node into the scope; a name that is there already must mean the same, which is looked at later. */
static int define(struct parser *p, struct avro_node *node, const struct json *at)
{
    const struct avro_node *first = map_get(&p->names, node->name->full);
    if (first != NULL) {
        struct later *l = arena_alloc(&p->scratch, sizeof *l);
        if (l == NULL)
            return nomem(p);
        *l = (struct later){p->twice, first, node, at};
        p->twice = l;
        node->named = first->named;
        return 0;
    }
    if (p->nnamed == p->named_cap) {
        uint32_t cap = p->named_cap != 0 ? 2 * p->named_cap : 8;
        const struct avro_node **list = arena_calloc(&p->scratch, cap, sizeof *list);
        if (list == NULL)
            return nomem(p);
        if (p->nnamed > 0)
            memcpy(list, p->named, p->nnamed * sizeof *list);
        p->named = list;
        p->named_cap = cap;
    }
    node->named = p->nnamed;
    if (map_set(&p->names, node->name->full, node) < 0)
        return nomem(p);
    p->named[p->nnamed++] = node;
    return 0;
}

/* ---- lists of names: fields and symbols ---- */

enum { FEW = 12 }; /* up to here a list of names is searched from front to back */

struct by_name {
    struct str name;
    uint32_t at;
};

static int by_name_cmp(const void *a, const void *b)
{
    const struct by_name *x = a, *y = b;
    int c = str_cmp(x->name, y->name);
    return c != 0 ? c : x->at < y->at ? -1 : x->at > y->at;
}

static int name_twice(struct parser *p, const struct avro_node *node, const struct json *list, uint32_t which)
{
    const struct json *at = list->first;
    for (uint32_t i = 0; i < which; i++)
        at = at->next;
    return bad(p, at, "%s \"%.*s\" stands twice in %s %.*s", node->kind == AVRO_T_RECORD ? "field" : "symbol", CLIP(avro_nth_name(node, which)),
               node->kind == AVRO_T_RECORD ? "record" : "enum", CLIP(node->name->full));
}

/* Refuses a name that stands twice, and sorts long lists for avro_find_field. */
static int index_names(struct parser *p, struct avro_node *node, const struct json *list)
{
    if (node->n <= FEW) {
        for (uint32_t i = 1; i < node->n; i++)
            for (uint32_t j = 0; j < i; j++)
                if (str_eq(avro_nth_name(node, i), avro_nth_name(node, j)))
                    return name_twice(p, node, list, i);
        return 0;
    }
    struct by_name *sorted = arena_calloc(&p->scratch, node->n, sizeof *sorted);
    node->name->by_name = arena_calloc(p->arena, node->n, sizeof *node->name->by_name);
    if (sorted == NULL || node->name->by_name == NULL)
        return nomem(p);
    for (uint32_t i = 0; i < node->n; i++)
        sorted[i] = (struct by_name){avro_nth_name(node, i), i};
    qsort(sorted, node->n, sizeof *sorted, by_name_cmp);
    for (uint32_t i = 0; i < node->n; i++) {
        if (i > 0 && str_eq(sorted[i].name, sorted[i - 1].name))
            return name_twice(p, node, list, sorted[i].at);
        node->name->by_name[i] = sorted[i].at;
    }
    return 0;
}

/* ---- records ---- */

static int parse_order(struct parser *p, const struct json *j, enum avro_order *out)
{
    static const char *const names[] = {"ascending", "descending", "ignore"};
    *out = AVRO_ASCENDING;
    if (j == NULL)
        return 0;
    for (int i = 0; i < 3 && j->type == JSON_T_STRING; i++)
        if (str_is(j->text, names[i]) || (!p->strict && str_eq_nocase(j->text, str_of(names[i])))) {
            *out = (enum avro_order)i;
            return 0;
        }
    return bad(p, j, "\"order\" must be \"ascending\", \"descending\" or \"ignore\"");
}

static int parse_field(struct parser *p, const struct json *o, const struct avro_node *record, struct avro_field *f)
{
    struct attrs a;
    if (o->type != JSON_T_OBJECT)
        return bad(p, o, "a field of record %.*s must be an object, not %s", CLIP(record->name->full), avro_json_word(o));
    read_attrs(o, &a);
    const struct json *name = a.v[A_NAME], *def = a.v[A_DEFAULT];
    if (!json_is(name, JSON_T_STRING))
        return bad(p, name != NULL ? name : o, "a field of record %.*s without a \"name\": a text is needed", CLIP(record->name->full));
    if (!avro_name_ok(name->text, p->strict))
        return bad(p, name, "\"%.*s\" is no field name: letters, digits and _ make one, and it begins with no digit", CLIP(name->text));
    if (a.v[A_TYPE] == NULL)
        return bad(p, o, "field \"%.*s\" of record %.*s has no \"type\"", CLIP(name->text), CLIP(record->name->full));
    if ((f->name = keep(p, name->text)).p == NULL)
        return nomem(p);
    if (parse_schema(p, a.v[A_TYPE], record->name->space, &f->type) < 0 || keep_doc(p, &a, &f->doc) < 0 ||
        parse_order(p, a.v[A_ORDER], &f->order) < 0 || keep_aliases(p, &a, NULL, &f->aliases, &f->naliases) < 0 ||
        keep_props(p, o, ON_FIELD, &f->props) < 0)
        return -1;
    if (def != NULL) {
        struct field_later *l = arena_alloc(&p->scratch, sizeof *l);
        if (l == NULL || (f->def = keep_value(p, def)) == NULL)
            return nomem(p);
        *l = (struct field_later){p->defaults, f, record, def};
        p->defaults = l;
    }
    return 0;
}

static int parse_fields(struct parser *p, const struct json *o, const struct attrs *a, struct avro_node *node)
{
    const struct json *j = a->v[A_FIELDS];
    if (!json_is(j, JSON_T_ARRAY))
        return bad(p, j != NULL ? j : o, "record %.*s without \"fields\": an array is needed", CLIP(node->name->full));
    if (j->count > 0 && (node->fields = arena_calloc(p->arena, j->count, sizeof *node->fields)) == NULL)
        return nomem(p);
    for (const struct json *m = j->first; m != NULL; m = m->next, node->n++)
        if (parse_field(p, m, node, &node->fields[node->n]) < 0)
            return -1;
    return index_names(p, node, j);
}

/* ---- enum, fixed ---- */

static int parse_symbols(struct parser *p, const struct json *o, const struct attrs *a, struct avro_node *node)
{
    const struct json *j = a->v[A_SYMBOLS], *def = a->v[A_DEFAULT];
    if (!json_is(j, JSON_T_ARRAY))
        return bad(p, j != NULL ? j : o, "enum %.*s without \"symbols\": an array is needed", CLIP(node->name->full));
    if (j->count > 0 && (node->symbols = arena_calloc(p->arena, j->count, sizeof *node->symbols)) == NULL)
        return nomem(p);
    for (const struct json *m = j->first; m != NULL; m = m->next) {
        if (m->type != JSON_T_STRING)
            return bad(p, m, "a symbol of enum %.*s must be a text, not %s", CLIP(node->name->full), avro_json_word(m));
        if (!avro_name_ok(m->text, p->strict))
            return bad(p, m, "\"%.*s\" is no symbol: letters, digits and _ make one, and it begins with no digit", CLIP(m->text));
        if ((node->symbols[node->n++] = keep(p, m->text)).p == NULL)
            return nomem(p);
    }
    if (index_names(p, node, j) < 0)
        return -1;
    if (!json_is(def, JSON_T_STRING))
        return 0;
    int i = avro_find_symbol(node, def->text);
    if (i < 0)
        return bad(p, def, "the default \"%.*s\" of enum %.*s is none of its symbols", CLIP(def->text), CLIP(node->name->full));
    node->name->symbol_default = node->symbols[i];
    return 0;
}

bool avro_integer(const struct json *v, int64_t *out)
{
    return json_is(v, JSON_T_NUMBER) && str_to_i64(v->text, out);
}

static int parse_size(struct parser *p, const struct json *o, const struct attrs *a, struct avro_node *node)
{
    const struct json *j = a->v[A_SIZE];
    if (!avro_integer(j, &node->size) || node->size < 0 || node->size > INT32_MAX)
        return bad(p, j != NULL ? j : o, "fixed %.*s needs a \"size\": an integer from 0 to 2147483647", CLIP(node->name->full));
    return 0;
}

/* ---- logical types ---- */

static const struct json *prop(const struct avro_node *node, const char *key)
{
    for (uint32_t i = 0; i < node->props.n; i++)
        if (str_is(node->props.list[i].key, key))
            return node->props.list[i].value;
    return NULL;
}

static bool read_decimal(struct avro_node *node)
{
    const struct json *scale = prop(node, "scale");
    int64_t precision, s = 0;
    if (!avro_integer(prop(node, "precision"), &precision) || precision <= 0 || precision > INT32_MAX)
        return false;
    if (scale != NULL && (!avro_integer(scale, &s) || s < 0 || s > precision))
        return false;
    /* how many decimal digits always fit size bytes of two's complement */
    if (node->kind == AVRO_T_FIXED && (double)precision > floor(0.30102999566398119521 * (double)(8 * node->size - 1)))
        return false;
    node->precision = (int32_t)precision;
    node->scale = (int32_t)s;
    return true;
}

static void read_logical(struct avro_node *node)
{
    static const struct { const char *name; uint8_t logical, kind; int16_t size; } known[] = {
        {"decimal", AVRO_L_DECIMAL, AVRO_T_BYTES, 0},
        {"decimal", AVRO_L_DECIMAL, AVRO_T_FIXED, -1},
        {"big-decimal", AVRO_L_BIG_DECIMAL, AVRO_T_BYTES, 0},
        {"uuid", AVRO_L_UUID, AVRO_T_STRING, 0},
        {"uuid", AVRO_L_UUID, AVRO_T_FIXED, 16},
        {"date", AVRO_L_DATE, AVRO_T_INT, 0},
        {"time-millis", AVRO_L_TIME_MILLIS, AVRO_T_INT, 0},
        {"time-micros", AVRO_L_TIME_MICROS, AVRO_T_LONG, 0},
        {"timestamp-millis", AVRO_L_TIMESTAMP_MILLIS, AVRO_T_LONG, 0},
        {"timestamp-micros", AVRO_L_TIMESTAMP_MICROS, AVRO_T_LONG, 0},
        {"timestamp-nanos", AVRO_L_TIMESTAMP_NANOS, AVRO_T_LONG, 0},
        {"local-timestamp-millis", AVRO_L_LOCAL_TIMESTAMP_MILLIS, AVRO_T_LONG, 0},
        {"local-timestamp-micros", AVRO_L_LOCAL_TIMESTAMP_MICROS, AVRO_T_LONG, 0},
        {"local-timestamp-nanos", AVRO_L_LOCAL_TIMESTAMP_NANOS, AVRO_T_LONG, 0},
        {"duration", AVRO_L_DURATION, AVRO_T_FIXED, 12},
    };
    const struct json *name = node->props.n > 0 ? prop(node, "logicalType") : NULL;
    if (!json_is(name, JSON_T_STRING))
        return;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].kind == node->kind && str_is(name->text, known[i].name) && (known[i].size <= 0 || known[i].size == node->size) &&
            (known[i].logical != AVRO_L_DECIMAL || read_decimal(node)))
            node->logical = known[i].logical;
}

/* ---- schemas ---- */

static struct avro_node *new_node(struct parser *p, enum avro_kind kind)
{
    struct avro_node *node = arena_calloc(p->arena, 1, sizeof *node);
    if (node == NULL) {
        nomem(p);
        return NULL;
    }
    node->kind = (uint8_t)kind;
    return node;
}

static int parse_named(struct parser *p, const struct json *o, const struct attrs *a, enum avro_kind kind, struct str space,
                       const struct avro_node **out)
{
    struct avro_node *node = new_node(p, kind);
    struct avro_name *name = node != NULL ? arena_calloc(p->arena, 1, sizeof *name) : NULL;
    if (name == NULL)
        return nomem(p);
    node->name = name;
    node->is_error = kind == AVRO_T_RECORD && str_is(a->v[A_TYPE]->text, "error");
    if (parse_name(p, o, a, space, name) < 0 || define(p, node, o) < 0 || keep_doc(p, a, &name->doc) < 0 ||
        keep_aliases(p, a, &name->space, &name->aliases, &name->naliases) < 0)
        return -1;
    if ((kind == AVRO_T_RECORD ? parse_fields : kind == AVRO_T_ENUM ? parse_symbols : parse_size)(p, o, a, node) < 0 ||
        keep_props(p, o, kind == AVRO_T_ENUM ? ON_ENUM : ON_SCHEMA, &node->props) < 0)
        return -1;
    read_logical(node);
    *out = map_get(&p->names, name->full); /* the first one of this name */
    return 0;
}

static int parse_items(struct parser *p, const struct json *o, const struct attrs *a, enum avro_kind kind, struct str space,
                       const struct avro_node **out)
{
    const struct json *items = a->v[kind == AVRO_T_ARRAY ? A_ITEMS : A_VALUES];
    if (items == NULL)
        return bad(p, o, kind == AVRO_T_ARRAY ? "array without \"items\"" : "map without \"values\"");
    struct avro_node *node = new_node(p, kind);
    if (node == NULL || parse_schema(p, items, space, &node->items) < 0 || keep_props(p, o, ON_SCHEMA, &node->props) < 0)
        return -1;
    *out = node;
    return 0;
}

static int parse_object(struct parser *p, const struct json *o, struct str space, const struct avro_node **out)
{
    struct attrs a;
    read_attrs(o, &a);
    const struct json *type = a.v[A_TYPE];
    if (!json_is(type, JSON_T_STRING))
        return bad(p, type != NULL ? type : o, type != NULL ? "\"type\" of a schema must be a text" : "schema without a \"type\"");
    const struct avro_node *bare = bare_primitive(type->text);
    if (bare != NULL) {
        struct avro_props props = {0};
        if (keep_props(p, o, ON_SCHEMA, &props) < 0)
            return -1;
        *out = bare;
        if (props.n == 0)
            return 0;
        struct avro_node *node = new_node(p, (enum avro_kind)bare->kind);
        if (node == NULL)
            return -1;
        node->props = props;
        read_logical(node);
        *out = node;
        return 0;
    }
    if (str_is(type->text, "record") || str_is(type->text, "error"))
        return parse_named(p, o, &a, AVRO_T_RECORD, space, out);
    if (str_is(type->text, "enum"))
        return parse_named(p, o, &a, AVRO_T_ENUM, space, out);
    if (str_is(type->text, "fixed"))
        return parse_named(p, o, &a, AVRO_T_FIXED, space, out);
    if (str_is(type->text, "array"))
        return parse_items(p, o, &a, AVRO_T_ARRAY, space, out);
    if (str_is(type->text, "map"))
        return parse_items(p, o, &a, AVRO_T_MAP, space, out);
    return use_name(p, type, space, out);
}

static int parse_union(struct parser *p, const struct json *list, struct str space, const struct avro_node **out)
{
    struct avro_node *node = new_node(p, AVRO_T_UNION);
    struct later *l = arena_alloc(&p->scratch, sizeof *l);
    if (node == NULL || l == NULL)
        return nomem(p);
    if (list->count > 0 && (node->branches = arena_calloc(p->arena, list->count, sizeof *node->branches)) == NULL)
        return nomem(p);
    for (const struct json *m = list->first; m != NULL; m = m->next) {
        if (m->type == JSON_T_ARRAY)
            return bad(p, m, "a union directly inside a union");
        if (parse_schema(p, m, space, &node->branches[node->n++]) < 0)
            return -1;
    }
    *l = (struct later){p->unions, node, NULL, list};
    p->unions = l;
    *out = node;
    return 0;
}

static int parse_schema(struct parser *p, const struct json *j, struct str space, const struct avro_node **out)
{
    switch (j->type) {
    case JSON_T_STRING: return use_name(p, j, space, out);
    case JSON_T_OBJECT: return parse_object(p, j, space, out);
    case JSON_T_ARRAY: return parse_union(p, j, space, out);
    default: return bad(p, j, "a schema is a name, an object or an array, not %s", avro_json_word(j));
    }
}

/* ---- when all names are known ---- */

static int resolve_uses(struct parser *p)
{
    struct use *first_bad = NULL;
    for (struct use *u = p->uses; u != NULL; u = u->next) {
        *u->slot = find_named(p, u->name, u->space);
        if (*u->slot == NULL)
            first_bad = u; /* the list runs from the end of the text to its front */
    }
    if (first_bad != NULL)
        return bad(p, first_bad->at, "\"%.*s\" is no type of Avro and is defined neither here nor in a reference", CLIP(first_bad->name));
    return 0;
}

static int check_twice(struct parser *p)
{
    for (const struct later *l = p->twice; l != NULL; l = l->next) {
        int same = avro_equal(l->node, l->other, 0);
        if (same < 0)
            return nomem(p);
        if (same == 0)
            return bad(p, l->at, "%.*s is defined a second time, and differently", CLIP(l->node->name->full));
    }
    return 0;
}

/* At most one branch of each unnamed kind and of each name. */
static int check_unions(struct parser *p)
{
    uint32_t *seen = NULL, round = 0; /* by avro_node.named: the last union that had it */
    for (const struct later *l = p->unions; l != NULL; l = l->next) {
        uint32_t kinds = 0;
        const struct json *at = l->at->first;
        round++;
        for (uint32_t i = 0; i < l->node->n; i++, at = at->next) {
            const struct avro_node *b = l->node->branches[i];
            if (!avro_is_named((enum avro_kind)b->kind)) {
                if (kinds >> b->kind & 1)
                    return bad(p, at, "a second %.*s in one union", STR_ARG(avro_kind_name((enum avro_kind)b->kind)));
                kinds |= 1u << b->kind;
                continue;
            }
            if (seen == NULL && (seen = arena_calloc(&p->scratch, p->nnamed, sizeof *seen)) == NULL)
                return nomem(p);
            if (seen[b->named] == round)
                return bad(p, at, "%.*s stands twice in one union", CLIP(b->name->full));
            seen[b->named] = round;
        }
    }
    return 0;
}

/* The reference turns a text given as default of a float or double into the number. */
static int read_text_number(struct parser *p, struct avro_field *f)
{
    double v;
    if ((f->type->kind != AVRO_T_FLOAT && f->type->kind != AVRO_T_DOUBLE) || f->def->type != JSON_T_STRING ||
        !avro_text_is_double(f->def->text, &v))
        return 0;
    struct json *number = arena_alloc(p->arena, sizeof *number);
    OWN_BY(buf_clear) struct buf text = {0};
    json_put_double(&text, v);
    if (number == NULL || text.failed)
        return nomem(p);
    *number = *f->def;
    struct str t = buf_str(&text);
    if (isfinite(v))
        number->type = JSON_T_NUMBER;
    else
        t = str_n(t.p + 1, t.n - 2); /* "NaN" and the infinities stay texts */
    number->text = arena_str(p->arena, t);
    f->def = number;
    return number->text.p != NULL ? 0 : nomem(p);
}

static int check_defaults(struct parser *p)
{
    long steps = 1000000;
    for (const struct field_later *l = p->defaults; l != NULL; l = l->next) {
        if (read_text_number(p, l->field) < 0)
            return -1;
        int fits = p->strict ? avro_default_fits(l->field->type, l->field->def, &steps) : 1;
        if (fits < 0)
            return bad(p, l->at, "the default of field \"%.*s\" of record %.*s is too intricate to check", CLIP(l->field->name),
                       CLIP(l->record->name->full));
        if (fits == 0)
            return bad(p, l->at, "the default of field \"%.*s\" of record %.*s does not fit its type, %.*s", CLIP(l->field->name),
                       CLIP(l->record->name->full),
                       CLIP(avro_type_name(l->field->type)));
    }
    return 0;
}

/* ---- texts ---- */

static int parse_text(struct parser *p, struct str text, const struct avro_node **out)
{
    struct err e = {0};
    p->uses = NULL;
    p->unions = p->twice = NULL;
    p->defaults = NULL;
    p->text = text;
    if (str_trim(text).n == 0)
        return err_set(p->err, ERR_INVALID, "the schema text is empty: a JSON value is needed");
    const struct json *j = json_parse(text, JSON_DUP_LAST, 0, &p->scratch, &e);
    if (j == NULL) {
        if (p->ref < p->nrefs)
            return err_set(p->err, e.code, "%s of referenced schema %zu of %zu", e.text, p->ref + 1, p->nrefs);
        return err_set(p->err, e.code, "%s", e.text);
    }
    if (parse_schema(p, j, STR(""), out) < 0 || resolve_uses(p) < 0 || check_twice(p) < 0 || check_unions(p) < 0)
        return -1;
    return check_defaults(p);
}

static void mark_top_level(const struct avro_node *node)
{
    if (node->kind == AVRO_T_UNION)
        for (uint32_t i = 0; i < node->n; i++)
            mark_top_level(node->branches[i]);
    else if (node->name != NULL)
        ((struct avro_node *)(uintptr_t)node)->top_level = true; /* still ours alone */
}

static int parse_all(struct parser *p, const struct schema_source *src, struct avro_model *m, struct str *text, struct str *ref_texts)
{
    const struct avro_node *root;
    for (p->ref = 0; p->ref <= p->nrefs; p->ref++) {
        bool last = p->ref == p->nrefs;
        struct str copy = arena_str(p->arena, last ? src->text : src->ref_texts[p->ref]);
        if (copy.p == NULL && (last ? src->text : src->ref_texts[p->ref]).p != NULL)
            return nomem(p);
        *(last ? text : &ref_texts[p->ref]) = copy;
        p->strict = last && (src->flags & SCHEMA_NEW) != 0; /* what is referenced is stored already */
        if (parse_text(p, copy, &root) < 0)
            return -1;
        if (!last)
            mark_top_level(root);
    }
    m->root = root;
    m->nnamed = p->nnamed;
    if (p->nnamed > 0) {
        m->named = arena_calloc(p->arena, p->nnamed, sizeof *m->named);
        if (m->named == NULL)
            return nomem(p);
        memcpy(m->named, p->named, p->nnamed * sizeof *m->named);
    }
    return 0;
}

struct avro_model *avro_parse(const struct schema_source *src, struct arena *arena, struct str *text, struct str *ref_texts, struct err *err)
{
    struct err mine = {0}; /* the errors say where only if they are asked for */
    struct parser p = {.arena = arena, .err = err != NULL ? err : &mine, .nrefs = src->nref_texts};
    struct avro_model *m = arena_calloc(arena, 1, sizeof *m);
    int status = m != NULL ? parse_all(&p, src, m, text, ref_texts) : nomem(&p);
    map_clear(&p.names);
    arena_clear(&p.scratch);
    return status == 0 ? m : NULL;
}
