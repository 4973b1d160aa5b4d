/* serde/avro/equal.c - are two schemas structurally the same?
 *
 * Equality is an "and" over pairs of nodes, so the pairs still to be compared are a list, not a recursion, and a pair of named types is listed
 * once.  Costs: O(n log n) in the size of the smaller schema. */
#include "base/map.h"
#include "base/own.h"
#include "serde/avro/parse.h"

struct pair {
    const struct avro_node *a, *b;
};
struct todo {
    struct todo *next;
    struct pair pair;
};
struct comparing {
    struct arena arena;
    struct todo *todo;
    struct map listed; /* bytes of a struct pair */
    unsigned flags;
    bool failed;       /* no memory */
};

/* ---- values ---- */

static int by_key(const void *a, const void *b)
{
    return str_cmp((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

/* n values each, compared by key when they do not stand in the same order; sorts the lists then. */
static int lists_equal(const struct json **a, const struct json **b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!str_eq(a[i]->key, b[i]->key)) {
            qsort(a, n, sizeof *a, by_key);
            qsort(b, n, sizeof *b, by_key);
            break;
        }
    for (size_t i = 0; i < n; i++) {
        int same = str_eq(a[i]->key, b[i]->key) ? avro_value_equal(a[i], b[i]) : 0;
        if (same != 1)
            return same;
    }
    return 1;
}

static int numbers_equal(struct str a, struct str b)
{
    if (str_eq(a, b))
        return 1;
    OWN_BY(buf_clear) struct buf x = {0}, y = {0};
    avro_put_number(&x, a);
    avro_put_number(&y, b);
    return x.failed || y.failed ? -1 : str_eq(buf_str(&x), buf_str(&y));
}

static int members_equal(const struct json *a, const struct json *b)
{
    if (a->count != b->count)
        return 0;
    if (a->type == JSON_T_ARRAY) {
        for (const struct json *x = a->first, *y = b->first; x != NULL; x = x->next, y = y->next) {
            int same = avro_value_equal(x, y);
            if (same != 1)
                return same;
        }
        return 1;
    }
    OWN_BY(own_free) const struct json **list = malloc((2 * (size_t)a->count + 1) * sizeof *list);
    if (list == NULL)
        return -1;
    size_t n = 0;
    for (const struct json *x = a->first; x != NULL; x = x->next)
        list[n++] = x;
    for (const struct json *y = b->first; y != NULL; y = y->next)
        list[n++] = y;
    return lists_equal(list, list + a->count, a->count);
}

int avro_value_equal(const struct json *a, const struct json *b)
{
    if (a->type != b->type)
        return 0;
    switch (a->type) {
    case JSON_T_NUMBER: return numbers_equal(a->text, b->text);
    case JSON_T_STRING: return str_eq(a->text, b->text);
    case JSON_T_ARRAY:
    case JSON_T_OBJECT: return members_equal(a, b);
    default: return 1;
    }
}

static int props_equal(const struct avro_props *a, const struct avro_props *b)
{
    if (a->n != b->n)
        return 0;
    if (a->n == 0)
        return 1;
    OWN_BY(own_free) const struct json **list = malloc(2 * (size_t)a->n * sizeof *list);
    if (list == NULL)
        return -1;
    for (uint32_t i = 0; i < a->n; i++) {
        list[i] = a->list[i].value;
        list[a->n + i] = b->list[i].value;
    }
    return lists_equal(list, list + a->n, a->n);
}

/* ---- nodes ---- */

static void push(struct comparing *c, const struct avro_node *a, const struct avro_node *b)
{
    if (a == b)
        return;
    struct todo *t = arena_alloc(&c->arena, sizeof *t);
    if (t == NULL) {
        c->failed = true;
        return;
    }
    *t = (struct todo){c->todo, {a, b}};
    if (a->name != NULL && b->name != NULL) {
        struct str key = str_n(&t->pair, sizeof t->pair);
        if (map_get(&c->listed, key) != NULL)
            return;
        if (map_set(&c->listed, key, t) < 0)
            c->failed = true;
    }
    c->todo = t;
}

static int str_order(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The same texts, in any order; each list has no text twice. */
static int sets_equal(struct comparing *c, const struct str *a, uint32_t na, const struct str *b, uint32_t nb)
{
    uint32_t i = 0;
    if (na != nb)
        return 0;
    while (i < na && str_eq(a[i], b[i]))
        i++;
    if (i == na)
        return 1;
    struct str *list = arena_calloc(&c->arena, 2 * (size_t)na, sizeof *list);
    if (list == NULL)
        return -1;
    memcpy(list, a, na * sizeof *list);
    memcpy(list + na, b, na * sizeof *list);
    qsort(list, na, sizeof *list, str_order);
    qsort(list + na, na, sizeof *list, str_order);
    for (i = 0; i < na; i++)
        if (!str_eq(list[i], list[na + i]))
            return 0;
    return 1;
}

static bool docs_equal(struct str a, struct str b)
{
    return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

static int fields_equal(struct comparing *c, const struct avro_field *a, const struct avro_field *b)
{
    if (!str_eq(a->name, b->name) || a->order != b->order || (a->def == NULL) != (b->def == NULL))
        return 0;
    if ((c->flags & AVRO_EQUAL_DOCS) != 0) {
        int same = docs_equal(a->doc, b->doc) ? sets_equal(c, a->aliases, a->naliases, b->aliases, b->naliases) : 0;
        if (same != 1)
            return same;
    }
    int same = a->def != NULL ? avro_value_equal(a->def, b->def) : 1;
    if (same == 1)
        same = props_equal(&a->props, &b->props);
    push(c, a->type, b->type);
    return same;
}

static int names_equal(struct comparing *c, const struct avro_name *a, const struct avro_name *b)
{
    if (!str_eq(a->full, b->full))
        return 0;
    if ((c->flags & AVRO_EQUAL_DOCS) == 0)
        return 1;
    return docs_equal(a->doc, b->doc) ? sets_equal(c, a->aliases, a->naliases, b->aliases, b->naliases) : 0;
}

static int nodes_equal(struct comparing *c, const struct avro_node *a, const struct avro_node *b)
{
    int same = 1;
    if (a->kind != b->kind || a->n != b->n || a->is_error != b->is_error)
        return 0;
    if (a->name != NULL && (same = names_equal(c, a->name, b->name)) != 1)
        return same;
    if ((same = props_equal(&a->props, &b->props)) != 1)
        return same;
    switch (a->kind) {
    case AVRO_T_RECORD:
        for (uint32_t i = 0; i < a->n && same == 1; i++)
            same = fields_equal(c, &a->fields[i], &b->fields[i]);
        return same;
    case AVRO_T_ENUM:
        for (uint32_t i = 0; i < a->n; i++)
            if (!str_eq(a->symbols[i], b->symbols[i]))
                return 0;
        return docs_equal(a->name->symbol_default, b->name->symbol_default);
    case AVRO_T_FIXED: return a->size == b->size;
    case AVRO_T_ARRAY:
    case AVRO_T_MAP: push(c, a->items, b->items); return 1;
    case AVRO_T_UNION:
        for (uint32_t i = 0; i < a->n; i++)
            push(c, a->branches[i], b->branches[i]);
        return 1;
    default: return 1;
    }
}

int avro_equal(const struct avro_node *a, const struct avro_node *b, unsigned flags)
{
    struct comparing c = {.flags = flags};
    int same = 1;
    push(&c, a, b);
    while (same == 1 && !c.failed && c.todo != NULL) {
        struct todo *t = c.todo;
        c.todo = t->next;
        same = nodes_equal(&c, t->pair.a, t->pair.b);
    }
    map_clear(&c.listed);
    arena_clear(&c.arena);
    return c.failed ? -1 : same;
}
