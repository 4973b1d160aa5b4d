/* serde/avro/codec_resolve.c - codes that read one schema's bytes as another schema's values (compatibility.md 3.6).
 *
 * (1) A code is made once for each pair of a writer's and a reader's node; a pair in the making is found again by its address,
 * which ends recursion. (2) What cannot be read is a code too (CODE_FAIL), since it may sit in a branch or an item that no value
 * has. A record that needs it fails as a whole, and so does a union none of whose branches can be read. (3) Pairs, depth and the
 * text of defaults are limited: schemas come from the network. */
#include "base/own.h"
#include "serde/avro/codec_impl.h"

enum { PAIRS_MAX = 200000, DEPTH_MAX = 1000 };

struct resolver {
    struct code_maker *m;
    struct err *err; /* no memory, or a limit; what does not fit is CODE_FAIL */
    int depth;
};

static struct avro_code *resolve(struct resolver *x, const struct avro_node *w, const struct avro_node *r);

static struct avro_code *no_memory(struct resolver *x)
{
    err_nomem(x->err);
    return NULL;
}

static struct avro_code *new_code(struct resolver *x, enum avro_op op, const struct avro_node *w)
{
    struct avro_code *c = code_new(x->m, op, w);
    return c != NULL ? c : no_memory(x);
}

/* Turns c into a failure. */
static struct avro_code *become_fail(struct resolver *x, struct avro_code *c, struct str text)
{
    if (c == NULL || text.p == NULL)
        return no_memory(x);
    c->op = CODE_FAIL;
    c->text = text;
    return c;
}

static struct avro_code *cannot_read(struct resolver *x, struct avro_code *c, const struct avro_node *w,
                                     const struct avro_node *r)
{
    struct str text = arena_printf(x->m->arena, "the writer's %.*s cannot be read as the reader's %.*s", STR_ARG(avro_type_name(w)),
                                   STR_ARG(avro_type_name(r)));
    return become_fail(x, c != NULL ? c : new_code(x, CODE_FAIL, w), text);
}

/* The op that reads a primitive w as r; CODE_FAIL: none. */
static enum avro_op promotion(enum avro_kind w, enum avro_kind r)
{
    static const struct {
        uint8_t w, r, op;
    } table[] = {
        {AVRO_T_INT, AVRO_T_LONG, CODE_INT},
        {AVRO_T_INT, AVRO_T_FLOAT, CODE_INT_TO_FLOAT},
        {AVRO_T_INT, AVRO_T_DOUBLE, CODE_INT_TO_DOUBLE},
        {AVRO_T_LONG, AVRO_T_FLOAT, CODE_LONG_TO_FLOAT},
        {AVRO_T_LONG, AVRO_T_DOUBLE, CODE_LONG_TO_DOUBLE},
        {AVRO_T_FLOAT, AVRO_T_DOUBLE, CODE_FLOAT},
        {AVRO_T_STRING, AVRO_T_BYTES, CODE_BYTES},
        {AVRO_T_BYTES, AVRO_T_STRING, CODE_STRING},
    };
    if (w == r)
        return (enum avro_op)w;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].w == w && table[i].r == r)
            return (enum avro_op)table[i].op;
    return CODE_FAIL;
}

/* ---- unions --------------------------------------------------------------------------------------------------------- */

/* How well a reader's branch suits a writer's type: what is tried first has the lowest number. */
enum { SAME = 0, SAME_BY_NAME = 1, PROMOTED = 2, UNFIT = 3 };

static int suits(const struct avro_node *w, const struct avro_node *r)
{
    if (w->kind != r->kind)
        return avro_is_primitive(w->kind) && avro_is_primitive(r->kind) && promotion(w->kind, r->kind) != CODE_FAIL ? PROMOTED
                                                                                                                    : UNFIT;
    if (!avro_is_named(w->kind) || str_eq(w->name->full, r->name->full))
        return SAME;
    return avro_names_match(r, w) ? SAME_BY_NAME : UNFIT;
}

/* The branch of the union r that reads w, into out. 0, or -1 with x->err. */
static int choose_branch(struct resolver *x, const struct avro_node *w, const struct avro_node *r, struct code_branch *out)
{
    for (int how = SAME; how < UNFIT; how++) {
        for (uint32_t i = 0; i < r->n; i++) {
            if (suits(w, r->branches[i]) != how)
                continue;
            const struct avro_code *c = resolve(x, w, r->branches[i]);
            if (c == NULL)
                return -1;
            if (c->op == CODE_FAIL)
                continue;
            out->code = c;
            if (r->branches[i]->kind == AVRO_T_NULL)
                return 0;
            out->tag = code_key_text(x->m->arena, "{", avro_type_name(r->branches[i]), ":");
            return out->tag.p != NULL ? 0 : err_nomem(x->err);
        }
    }
    out->code =
        become_fail(x, new_code(x, CODE_FAIL, w),
                    arena_printf(x->m->arena, "the reader's union has no branch for the writer's %.*s", STR_ARG(avro_type_name(w))));
    return out->code != NULL ? 0 : -1;
}

static struct avro_code *resolve_reader_union(struct resolver *x, struct avro_code *c, const struct avro_node *w,
                                              const struct avro_node *r)
{
    c->op = CODE_TAG;
    c->branches = arena_calloc(x->m->arena, 1, sizeof *c->branches);
    if (c->branches == NULL)
        return no_memory(x);
    c->n = 1;
    if (choose_branch(x, w, r, &c->branches[0]) < 0)
        return NULL;
    return c->branches[0].code->op == CODE_FAIL ? become_fail(x, c, c->branches[0].code->text) : c;
}

static struct avro_code *resolve_writer_union(struct resolver *x, struct avro_code *c, const struct avro_node *w,
                                              const struct avro_node *r)
{
    bool any = false;
    c->op = CODE_UNION;
    c->branches = arena_calloc(x->m->arena, w->n + 1, sizeof *c->branches);
    if (c->branches == NULL)
        return no_memory(x);
    c->n = w->n;
    for (uint32_t i = 0; i < w->n; i++) {
        struct code_branch *b = &c->branches[i];
        if (r->kind == AVRO_T_UNION) {
            if (choose_branch(x, w->branches[i], r, b) < 0)
                return NULL;
        } else if ((b->code = resolve(x, w->branches[i], r)) == NULL) {
            return NULL;
        }
        any |= b->code->op != CODE_FAIL;
    }
    return any ? c : cannot_read(x, c, w, r);
}

/* ---- records -------------------------------------------------------------------------------------------------------- */

/* Which writer field feeds which reader field. */
struct matching {
    int *of_writer; /* reader's position, or -1 */
    bool *fed;      /* by reader's position */
};

static int find_alias(const struct avro_node *w, const struct avro_field *f, const struct matching *match, bool *several)
{
    int found = -1;
    for (uint32_t i = 0; i < f->naliases; i++) {
        int at = avro_find_field(w, f->aliases[i]);
        if (at < 0 || at == found || match->of_writer[at] >= 0)
            continue;
        *several |= found >= 0;
        found = at;
    }
    return found;
}

/* Fills match; the reader's field that matches several, or -1. A field of the very name goes before an alias. */
static int match_fields(const struct avro_node *w, const struct avro_node *r, struct matching *match)
{
    for (uint32_t i = 0; i < w->n; i++)
        match->of_writer[i] = avro_find_field(r, w->fields[i].name);
    for (uint32_t i = 0; i < w->n; i++)
        if (match->of_writer[i] >= 0)
            match->fed[match->of_writer[i]] = true;
    for (uint32_t i = 0; i < r->n; i++) {
        bool several = match->fed[i];
        int at = find_alias(w, &r->fields[i], match, &several);
        if (at >= 0 && several)
            return (int)i;
        if (at >= 0) {
            match->of_writer[at] = (int)i;
            match->fed[i] = true;
        }
    }
    return -1;
}

static int add_default(struct resolver *x, struct avro_code *c, const struct avro_node *r, uint32_t i, struct str *fail)
{
    const struct avro_field *f = &r->fields[i];
    OWN_BY(buf_clear) struct buf text = {0};
    struct err err = {0};
    buf_init(&text, 1 << 20);
    json_put_string(&text, f->name);
    buf_put_u8(&text, ':');
    if (f->def == NULL)
        *fail = arena_printf(x->m->arena, "the reader's field \"%.*s\" of %.*s is not in the writer's schema and has no default",
                             STR_ARG(f->name), STR_ARG(avro_type_name(r)));
    else if (code_put_default(&text, f->type, f->def, &err) < 0)
        *fail = arena_printf(x->m->arena, "the default of the reader's field \"%.*s\" of %.*s cannot be used: %s",
                             STR_ARG(f->name), STR_ARG(avro_type_name(r)), err.text);
    else
        *fail = (struct str){"", 0};
    if (fail->p == NULL)
        return err_nomem(x->err);
    if (fail->n > 0)
        return 0;
    struct code_step *s = &c->steps[c->n++];
    *s = (struct code_step){.kind = STEP_TEXT, .position = i, .name = f->name, .text = arena_str(x->m->arena, buf_str(&text))};
    return s->text.p != NULL ? 0 : err_nomem(x->err);
}

static int add_writer_field(struct resolver *x, struct avro_code *c, const struct avro_field *w, const struct avro_node *r,
                            int position, struct str *fail)
{
    struct code_step *s = &c->steps[c->n++];
    *fail = (struct str){"", 0};
    if (position < 0) {
        s->kind = STEP_SKIP;
        s->name = w->name;
        s->code = code_make(x->m, w->type, x->err);
        return s->code != NULL ? 0 : -1;
    }
    const struct avro_field *f = &r->fields[position];
    *s = (struct code_step){.kind = STEP_VALUE, .position = (uint32_t)position, .name = f->name};
    s->text = code_key_text(x->m->arena, "", f->name, ":");
    s->code = resolve(x, w->type, f->type);
    if (s->text.p == NULL)
        return err_nomem(x->err);
    if (s->code == NULL)
        return -1;
    if (s->code->op == CODE_FAIL)
        *fail = arena_printf(x->m->arena, "field \"%.*s\": %.*s", STR_ARG(f->name),
                             s->code->text.n < 300 ? (int)s->code->text.n : 300, s->code->text.p);
    return fail->p != NULL ? 0 : err_nomem(x->err);
}

/* Adds the defaults of the reader's fields in [from, to) that nothing feeds. */
static int add_defaults(struct resolver *x, struct avro_code *c, const struct avro_node *r, const struct matching *match,
                        uint32_t from, uint32_t to, struct str *fail)
{
    *fail = (struct str){"", 0};
    for (uint32_t i = from; i < to && fail->n == 0; i++)
        if (!match->fed[i] && add_default(x, c, r, i, fail) < 0)
            return -1;
    return 0;
}

static struct avro_code *resolve_record(struct resolver *x, struct avro_code *c, const struct avro_node *w,
                                        const struct avro_node *r)
{
    struct arena *a = x->m->arena;
    struct matching match = {arena_calloc(a, w->n + 1, sizeof *match.of_writer), arena_calloc(a, r->n + 1, sizeof *match.fed)};
    struct str fail = STR_NULL;
    uint32_t next = 0; /* reader's fields before this one have their step */
    c->op = CODE_RESOLVED;
    c->steps = arena_calloc(a, (size_t)w->n + r->n + 1, sizeof *c->steps);
    if (match.of_writer == NULL || match.fed == NULL || c->steps == NULL)
        return no_memory(x);
    int twice = match_fields(w, r, &match);
    if (twice >= 0)
        return become_fail(
            x, c,
            arena_printf(a, "the reader's field \"%.*s\" matches several fields of the writer", STR_ARG(r->fields[twice].name)));
    for (uint32_t i = 0, last = 0; i < w->n; i++) {
        int at = match.of_writer[i];
        c->reorder |= at >= 0 && (uint32_t)at < last;
        last = at >= 0 ? (uint32_t)at : last;
    }
    for (uint32_t i = 0; i < w->n; i++) {
        int at = match.of_writer[i];
        if (at >= 0 && !c->reorder) {
            if (add_defaults(x, c, r, &match, next, (uint32_t)at, &fail) < 0)
                return NULL;
            if (fail.n > 0)
                return become_fail(x, c, fail);
            next = (uint32_t)at + 1;
        }
        if (add_writer_field(x, c, &w->fields[i], r, at, &fail) < 0)
            return NULL;
        if (fail.n > 0)
            return become_fail(x, c, fail);
    }
    if (add_defaults(x, c, r, &match, next, r->n, &fail) < 0)
        return NULL;
    return fail.n > 0 ? become_fail(x, c, fail) : c;
}

/* ---- the rest ------------------------------------------------------------------------------------------------------- */

static struct avro_code *resolve_enum(struct resolver *x, struct avro_code *c, const struct avro_node *w,
                                      const struct avro_node *r)
{
    c->op = CODE_ENUM;
    c->quoted = arena_calloc(x->m->arena, w->n + 1, sizeof *c->quoted);
    if (c->quoted == NULL)
        return no_memory(x);
    c->n = w->n;
    for (uint32_t i = 0; i < w->n; i++) {
        struct str symbol = avro_find_symbol(r, w->symbols[i]) >= 0 ? w->symbols[i] : r->name->symbol_default;
        if (symbol.p != NULL && (c->quoted[i] = code_key_text(x->m->arena, "", symbol, "")).p == NULL)
            return no_memory(x);
    }
    return c;
}

static struct avro_code *resolve_pair(struct resolver *x, struct avro_code *c, const struct avro_node *w,
                                      const struct avro_node *r)
{
    if (w->kind == AVRO_T_UNION)
        return resolve_writer_union(x, c, w, r);
    if (r->kind == AVRO_T_UNION)
        return resolve_reader_union(x, c, w, r);
    if (w->kind != r->kind || (avro_is_named(w->kind) && !avro_names_match(r, w)))
        return cannot_read(x, c, w, r);
    switch (w->kind) {
    case AVRO_T_RECORD:
        return resolve_record(x, c, w, r);
    case AVRO_T_ENUM:
        return resolve_enum(x, c, w, r);
    case AVRO_T_FIXED:
        if (w->size == r->size)
            return c;
        return become_fail(x, c,
                           arena_printf(x->m->arena, "the writer's fixed %.*s has %lld bytes, the reader's %lld",
                                        STR_ARG(avro_type_name(w)), (long long)w->size, (long long)r->size));
    default: /* array, map */
        c->items = resolve(x, w->items, r->items);
        return c->items != NULL ? c : NULL;
    }
}

static struct avro_code *resolve(struct resolver *x, const struct avro_node *w, const struct avro_node *r)
{
    struct {
        const struct avro_node *w, *r;
    } pair = {w, r};
    if (avro_is_primitive(w->kind) && avro_is_primitive(r->kind)) {
        enum avro_op op = promotion(w->kind, r->kind);
        return op != CODE_FAIL ? new_code(x, op, w) : cannot_read(x, NULL, w, r);
    }
    struct avro_code *c = map_get(&x->m->pairs, str_n(&pair, sizeof pair));
    if (c != NULL)
        return c;
    struct str key = arena_str(x->m->arena, str_n(&pair, sizeof pair));
    c = new_code(x, (enum avro_op)w->kind, w);
    if (key.p == NULL || c == NULL || map_set(&x->m->pairs, key, c) < 0)
        return no_memory(x);
    if (++x->m->npairs > PAIRS_MAX || x->depth >= DEPTH_MAX) {
        err_set(x->err, ERR_TOO_BIG, "the two schemas take more than %d steps, or %d levels, to resolve", PAIRS_MAX, DEPTH_MAX);
        return NULL;
    }
    x->depth++;
    c = resolve_pair(x, c, w, r);
    x->depth--;
    return c;
}

const struct avro_code *code_resolve(struct code_maker *m, const struct avro_node *writer, const struct avro_node *reader,
                                     struct err *err)
{
    struct resolver x = {.m = m, .err = err};
    const struct avro_code *c = resolve(&x, writer, reader);
    if (c != NULL && c->op == CODE_FAIL) {
        err_set(err, ERR_INVALID, "%.*s", STR_ARG(c->text));
        return NULL;
    }
    return c;
}
