/* serde/avro/codec_compile.c - from the nodes of a schema to the codes that read and write its values.
 *
 * A code is made once for each node.  Records go on a list and get their fields later, so the depth of calls is that of the
 * nesting as it was written, whatever refers to what.  Costs: O(n). */
#include "base/map.h"
#include "serde/avro/codec_impl.h"

struct code_maker *code_maker_new(struct arena *a, struct err *err)
{
    struct code_maker *m = arena_calloc(a, 1, sizeof *m);
    if (m == NULL) {
        err_nomem(err);
        return NULL;
    }
    m->arena = a;
    return m;
}

void code_maker_clear(struct code_maker *m)
{
    if (m == NULL)
        return;
    map_clear(&m->plain);
    map_clear(&m->pairs);
}

struct str code_key_text(struct arena *a, const char *before, struct str name, const char *after)
{
    struct buf text = {0};
    buf_put_str(&text, str_of(before));
    json_put_string(&text, name);
    buf_put_str(&text, str_of(after));
    struct str copy = text.failed ? STR_NULL : arena_str(a, buf_str(&text));
    buf_clear(&text);
    return copy;
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

enum { LINEAR_MAX = 8 };

static int make_names(struct arena *a, struct code_names *names, const struct str *list, uint32_t n)
{
    *names = (struct code_names){.list = list, .n = n};
    if (n <= LINEAR_MAX)
        return 0;
    uint32_t cap = 16;
    while (cap < 2 * n)
        cap *= 2;
    uint32_t *slots = arena_calloc(a, cap, sizeof *slots);
    if (slots == NULL)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)map_hash(list[i].p, list[i].n) & (cap - 1);
        while (slots[at] != 0)
            at = (at + 1) & (cap - 1);
        slots[at] = i + 1;
    }
    names->slots = slots;
    names->mask = cap - 1;
    return 0;
}

int code_names_find(const struct code_names *names, struct str name)
{
    if (names->slots == NULL) {
        for (uint32_t i = 0; i < names->n; i++)
            if (names->list[i].n == name.n && memcmp(names->list[i].p, name.p, name.n) == 0)
                return (int)i;
        return -1;
    }
    for (uint32_t at = (uint32_t)map_hash(name.p, name.n) & names->mask; names->slots[at] != 0; at = (at + 1) & names->mask)
        if (str_eq(names->list[names->slots[at] - 1], name))
            return (int)names->slots[at] - 1;
    return -1;
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static struct avro_code *code_of(struct code_maker *m, const struct avro_node *node);

static int fill_record(struct code_maker *m, struct avro_code *c)
{
    const struct avro_node *node = c->node;
    struct str *names = arena_calloc(m->arena, node->n + 1, sizeof *names);
    c->fields = arena_calloc(m->arena, node->n + 1, sizeof *c->fields);
    if (names == NULL || c->fields == NULL)
        return -1;
    c->n = node->n;
    for (uint32_t i = 0; i < node->n; i++) {
        struct code_field *f = &c->fields[i];
        names[i] = f->name = node->fields[i].name;
        f->prefix = code_key_text(m->arena, i == 0 ? "{" : ",", f->name, ":");
        f->code = code_of(m, node->fields[i].type);
        if (f->prefix.p == NULL || f->code == NULL)
            return -1;
    }
    return make_names(m->arena, &c->names, names, node->n);
}

static int fill_enum(struct code_maker *m, struct avro_code *c)
{
    const struct avro_node *node = c->node;
    c->quoted = arena_calloc(m->arena, node->n + 1, sizeof *c->quoted);
    if (c->quoted == NULL)
        return -1;
    c->n = node->n;
    for (uint32_t i = 0; i < node->n; i++)
        if ((c->quoted[i] = code_key_text(m->arena, "", node->symbols[i], "")).p == NULL)
            return -1;
    return make_names(m->arena, &c->names, node->symbols, node->n);
}

static int fill_union(struct code_maker *m, struct avro_code *c)
{
    const struct avro_node *node = c->node;
    struct str *names = arena_calloc(m->arena, node->n + 1, sizeof *names);
    c->branches = arena_calloc(m->arena, node->n + 1, sizeof *c->branches);
    if (names == NULL || c->branches == NULL)
        return -1;
    c->n = node->n;
    for (uint32_t i = 0; i < node->n; i++) {
        names[i] = avro_type_name(node->branches[i]);
        if (node->branches[i]->kind == AVRO_T_NULL)
            c->null_index = (int32_t)i;
        else if ((c->branches[i].tag = code_key_text(m->arena, "{", names[i], ":")).p == NULL)
            return -1;
        if ((c->branches[i].code = code_of(m, node->branches[i])) == NULL)
            return -1;
    }
    return make_names(m->arena, &c->names, names, node->n);
}

static int fill(struct code_maker *m, struct avro_code *c)
{
    switch (c->op) {
    case CODE_RECORD:
        c->next_todo = m->todo; /* see code_make */
        m->todo = c;
        return 0;
    case CODE_ENUM:
        return fill_enum(m, c);
    case CODE_FIXED:
        c->size = c->node->size;
        return 0;
    case CODE_ARRAY:
    case CODE_MAP:
        c->items = code_of(m, c->node->items);
        return c->items != NULL ? 0 : -1;
    case CODE_UNION:
        return fill_union(m, c);
    default:
        return 0;
    }
}

static struct avro_code *code_of(struct code_maker *m, const struct avro_node *node)
{
    static const int8_t sizes[] = {
        [CODE_NULL] = 0, [CODE_BOOLEAN] = 1, [CODE_FLOAT] = 4, [CODE_DOUBLE] = 8, [CODE_RECORD] = AVRO_SIZE_UNKNOWN};
    struct avro_code *c = map_get(&m->plain, str_n(&node, sizeof node));
    if (c != NULL)
        return c;
    c = code_new(m, node->kind, node);
    if (c == NULL)
        return NULL;
    if (node->kind < sizeof sizes && (sizes[node->kind] != 0 || node->kind == AVRO_T_NULL))
        c->size = sizes[node->kind];
    if (map_set(&m->plain, str_n(&c->node, sizeof c->node), c) < 0 || fill(m, c) < 0)
        return NULL;
    return c;
}

struct avro_code *code_new(struct code_maker *m, enum avro_op op, const struct avro_node *node)
{
    struct avro_code *c = arena_calloc(m->arena, 1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->op = (uint8_t)op;
    c->node = node;
    c->null_index = -1;
    c->size = AVRO_SIZE_VARIES;
    return c;
}

enum { SIZE_DEPTH_MAX = 200 };

/* How many bytes every value takes, where that is always the same; a record that reaches itself has no such number.  Left unknown
 * where that is too deep to be told in one go. */
static int64_t fixed_size(struct avro_code *c, int depth)
{
    if (c->size != AVRO_SIZE_UNKNOWN || depth > SIZE_DEPTH_MAX)
        return c->size;
    int64_t sum = 0;
    c->size = AVRO_SIZE_VARIES; /* while its fields are looked at */
    for (uint32_t i = 0; i < c->n; i++) {
        int64_t one = fixed_size((struct avro_code *)c->fields[i].code, depth + 1); /* still in the making: nobody else sees it */
        if (one < 0)
            return c->size = one;
        if (__builtin_add_overflow(sum, one, &sum))
            sum = INT64_MAX; /* more than any data */
    }
    return c->size = sum;
}

static void set_sizes(struct avro_code *records)
{
    for (bool unknown = true; unknown;) {
        unknown = false;
        for (struct avro_code *c = records; c != NULL; c = c->next_todo)
            unknown |= fixed_size(c, 0) == AVRO_SIZE_UNKNOWN;
    }
}

const struct avro_code *code_make(struct code_maker *m, const struct avro_node *node, struct err *err)
{
    struct avro_code *c = code_of(m, node), *made = NULL;
    bool failed = c == NULL;
    while (!failed && m->todo != NULL) {
        struct avro_code *record = m->todo;
        m->todo = record->next_todo;
        failed = fill_record(m, record) < 0;
        record->next_todo = made;
        made = record;
    }
    if (failed) {
        err_nomem(err);
        return NULL;
    }
    set_sizes(made);
    return c;
}
