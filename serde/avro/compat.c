/* serde/avro/compat.c - reads(R, W) of compatibility.md 3.6.
 *
 * A depth-first walk over pairs (reader node, writer node), with a memo of pairs:
 *  (1) A pair that is met while it is being compared counts as compatible; so recursive types end.
 *  (2) A pair that was compared gives the same findings again, with the paths of the first time; so the work is polynomial.
 *  (3) Only pairs of two complex nodes are in the memo. Bare primitives are shared between places, and a pair with a primitive is met at most
 *      once for each meeting of its parents (model.h (3)), so their findings need no memo, and get the right paths without one.
 *  (4) A question asked on behalf of a union begins a path of its own; its findings are not the union's, but stay in the memo (2).
 *  (5) When such a question is about two records of different names the answer is no without looking further: the pair is in the memo as `named`
 *      only. If it is met again where its findings count, they are found then, with the path (4) they would have had.
 * The walk is a list of frames, not a recursion: how deep schemas nest does not matter. Findings are kept as nodes and path steps until it is over;
 * only those that come out at the root become text.
 * Bounds: MAX_STEPS pairs and field look-ups, MAX_BYTES of memo and frames, MAX_FINDINGS and MAX_TEXT of findings. */
#include "serde/avro/compat.h"

#include "base/map.h"
#include "base/own.h"
#include "serde/avro/model.h"
#include "serde/schema_impl.h"

enum { MAX_STEPS = 8000000, MAX_BYTES = 64 << 20, MAX_FINDINGS = 10000, MAX_TEXT = 4 << 20 };

enum rule { NAME_MISMATCH, FIXED_SIZE_MISMATCH, MISSING_ENUM_SYMBOLS, READER_FIELD_MISSING_DEFAULT_VALUE, TYPE_MISMATCH, MISSING_UNION_BRANCH };

/* One step of a path: a word, or an index when the word is NULL. Steps live in frames; a finding keeps copies, shared between findings. */
struct step {
    const struct step *up;
    const char *word;
    uint32_t index;
    struct step *kept; /* the copy */
};

struct breach { /* a finding before it has texts */
    enum rule rule;
    const struct step *path;
    const struct avro_node *reader, *writer;
    uint32_t field; /* READER_FIELD_MISSING_DEFAULT_VALUE: position in reader */
};

/* What comparing a pair gave: breaches and the results of pairs inside, in order. */
struct item {
    struct item *next;
    const struct breach *breach; /* else inner */
    const struct result *inner;
};
struct result {
    struct pair {
        const struct avro_node *reader, *writer;
    } pair;           /* the memo's key */
    bool busy, named; /* (1), (5) */
    struct item *first, *last; /* none: compatible */
};

/* A pair whose parts are being compared one after the other. */
struct frame {
    struct frame *up;
    enum { FIELDS, ITEMS, BOTH_UNIONS, WRITER_UNION, READER_UNION } parts;
    const struct avro_node *r, *wr;
    struct result *result, *to; /* its own; where that is reported */
    struct result aside;        /* of the last part, when it was asked about on behalf of a union */
    uint32_t next;              /* part */
    const struct step *path;
    struct step steps[3];       /* of the part at work: "fields", its position, "type"; or one step in [0] */
};

struct walk {
    struct arena arena;
    struct map memo;
    struct frame *top, *spare;
    long steps;
    struct err *err;
    const struct avro_field *ambiguous; /* the reader field that matched more than one; the walk is over */
    const struct avro_node *ambiguous_writer;
    struct item no; /* stands for what (5) did not look for; never among findings */
};

static int stop_nomem(struct walk *w)
{
    if (w->arena.used + 4096 > w->arena.max)
        return err_set(w->err, ERR_TOO_BIG, "comparing the two schemas needs over %d MB of memory", MAX_BYTES >> 20);
    return err_nomem(w->err);
}

static int take_step(struct walk *w)
{
    if (--w->steps >= 0)
        return 0;
    return err_set(w->err, ERR_TOO_BIG, "comparing the two schemas takes over %d steps", MAX_STEPS);
}

/* ---- findings ---- */

static struct step *keep_path(struct walk *w, const struct step *path)
{
    struct step *first = NULL, **to = &first;
    for (struct step *s = (struct step *)(uintptr_t)path; s != NULL; s = (struct step *)(uintptr_t)s->up) {
        if (s->kept == NULL) {
            if ((s->kept = arena_alloc(&w->arena, sizeof *s->kept)) == NULL)
                return NULL;
            *s->kept = *s;
            *to = s->kept;
            to = (struct step **)(uintptr_t)&s->kept->up;
            continue;
        }
        *to = s->kept;
        break;
    }
    return first;
}

static int add_item(struct walk *w, struct result *to, const struct breach *breach, const struct result *inner)
{
    struct item *item = arena_alloc(&w->arena, sizeof *item);
    if (item == NULL)
        return stop_nomem(w);
    *item = (struct item){NULL, breach, inner};
    if (to->last != NULL)
        to->last->next = item;
    else
        to->first = item;
    to->last = item;
    return 0;
}

static int add_breach(struct walk *w, struct result *to, enum rule rule, const struct step *path, const struct avro_node *reader,
                      const struct avro_node *writer, uint32_t field)
{
    struct breach *b = arena_alloc(&w->arena, sizeof *b);
    if (b == NULL)
        return stop_nomem(w);
    *b = (struct breach){rule, NULL, reader, writer, field};
    if (path != NULL && (b->path = keep_path(w, path)) == NULL)
        return stop_nomem(w);
    return add_item(w, to, b, NULL);
}

/* ---- pairs without parts ---- */

static bool promotes(enum avro_kind writer, enum avro_kind reader)
{
    static const uint16_t readers[] = {
        [AVRO_T_INT] = 1 << AVRO_T_LONG | 1 << AVRO_T_FLOAT | 1 << AVRO_T_DOUBLE,
        [AVRO_T_LONG] = 1 << AVRO_T_FLOAT | 1 << AVRO_T_DOUBLE,
        [AVRO_T_FLOAT] = 1 << AVRO_T_DOUBLE,
        [AVRO_T_BYTES] = 1 << AVRO_T_STRING,
        [AVRO_T_STRING] = 1 << AVRO_T_BYTES,
        [AVRO_T_UNION] = 0,
    };
    return readers[writer] >> reader & 1;
}

static int check_names(struct walk *w, const struct avro_node *r, const struct avro_node *wr, const struct step *path, struct result *to)
{
    struct step step = {.up = path, .word = "name"};
    return avro_names_match(r, wr) ? 0 : add_breach(w, to, NAME_MISMATCH, &step, r, wr, 0);
}

static int compare_enums(struct walk *w, const struct avro_node *r, const struct avro_node *wr, const struct step *path, struct result *to)
{
    if (check_names(w, r, wr, path, to) < 0)
        return -1;
    if (r->name->symbol_default.p != NULL)
        return 0;
    for (uint32_t i = 0; i < wr->n; i++) {
        if (take_step(w) < 0)
            return -1;
        if (avro_find_symbol(r, wr->symbols[i]) < 0) {
            struct step step = {.up = path, .word = "symbols"};
            return add_breach(w, to, MISSING_ENUM_SYMBOLS, &step, r, wr, 0);
        }
    }
    return 0;
}

static int compare_fixed(struct walk *w, const struct avro_node *r, const struct avro_node *wr, const struct step *path, struct result *to)
{
    if (check_names(w, r, wr, path, to) < 0)
        return -1;
    struct step step = {.up = path, .word = "size"};
    return r->size == wr->size ? 0 : add_breach(w, to, FIXED_SIZE_MISMATCH, &step, r, wr, 0);
}

/* Two nodes of which none is a union, and at most one is complex. */
static int compare_leaves(struct walk *w, const struct avro_node *r, const struct avro_node *wr, const struct step *path, struct result *to)
{
    if (r->kind == wr->kind || promotes((enum avro_kind)wr->kind, (enum avro_kind)r->kind))
        return 0;
    return add_breach(w, to, TYPE_MISMATCH, path, r, wr, 0);
}

/* One of the two is a primitive; the other may be a union, whose branches are no unions. */
static int compare_with_primitive(struct walk *w, const struct avro_node *r, const struct avro_node *wr, const struct step *path,
                                  struct result *to)
{
    if (wr->kind == AVRO_T_UNION) {
        for (uint32_t i = 0; i < wr->n; i++) {
            struct step step = {.up = path, .index = i};
            if (take_step(w) < 0 || compare_leaves(w, r, wr->branches[i], &step, to) < 0)
                return -1;
        }
        return 0;
    }
    if (r->kind != AVRO_T_UNION)
        return compare_leaves(w, r, wr, path, to);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct avro_node *b = r->branches[i];
        if (b->kind == wr->kind || promotes((enum avro_kind)wr->kind, (enum avro_kind)b->kind))
            return 0;
        if (take_step(w) < 0)
            return -1;
    }
    return add_breach(w, to, MISSING_UNION_BRANCH, path, r, wr, 0);
}

/* ---- the walk ---- */

/* Is done with a pair. */
static int settle(struct walk *w, struct result *result, struct result *to)
{
    result->busy = false;
    return result->first != NULL ? add_item(w, to, NULL, result) : 0;
}

static int push(struct walk *w, int parts, struct result *result, const struct step *path, struct result *to)
{
    struct frame *f = w->spare;
    if (f != NULL)
        w->spare = f->up;
    else if ((f = arena_alloc(&w->arena, sizeof *f)) == NULL)
        return stop_nomem(w);
    memset(f, 0, sizeof *f);
    f->up = w->top;
    f->parts = parts;
    f->r = result->pair.reader;
    f->wr = result->pair.writer;
    f->result = result;
    f->to = to;
    f->path = path;
    w->top = f;
    return 0;
}

static int pop(struct walk *w)
{
    struct frame *f = w->top;
    w->top = f->up;
    f->up = w->spare;
    w->spare = f;
    return settle(w, f->result, f->to);
}

/* The memo's entry of a pair, busy when it is new; NULL: the walk is over. */
static struct result *remember(struct walk *w, const struct avro_node *r, const struct avro_node *wr, bool *is_new)
{
    const void *key[2] = {r, wr};
    struct result *result = map_get(&w->memo, str_n(key, sizeof key));
    *is_new = result == NULL;
    if (result != NULL)
        return result;
    result = arena_calloc(&w->arena, 1, sizeof *result);
    if (result != NULL) {
        result->pair.reader = r;
        result->pair.writer = wr;
        if (map_set(&w->memo, str_n(&result->pair, sizeof result->pair), result) == 0)
            return result;
    }
    stop_nomem(w);
    return NULL;
}

/* The one writer field that f reads, NULL if there is none. A second match, even of the same field by name and alias, ends the walk: the
 * reference throws. */
static int match_field(struct walk *w, const struct avro_field *f, const struct avro_node *wr, const struct avro_field **out)
{
    int at = avro_find_field(wr, f->name);
    for (uint32_t i = 0; i < f->naliases; i++) {
        if (take_step(w) < 0)
            return -1;
        int other = avro_find_field(wr, f->aliases[i]);
        if (other >= 0 && at >= 0) {
            w->ambiguous = f;
            w->ambiguous_writer = wr;
            return -1;
        }
        if (other >= 0)
            at = other;
    }
    *out = at >= 0 ? &wr->fields[at] : NULL;
    return take_step(w);
}

/* A match that is not unique ends the walk even where names differ. */
static int check_matches(struct walk *w, const struct avro_node *r, const struct avro_node *wr)
{
    const struct avro_field *match;
    for (uint32_t i = 0; i < r->n; i++)
        if (r->fields[i].naliases > 0 && match_field(w, &r->fields[i], wr, &match) < 0)
            return -1;
    return 0;
}

/* Begins to compare two nodes: is done with them at once, or puts a frame on top. What stops r from reading wr is, in the end, added to `to`.
 * aside: for a reader's union that only wants to know whether there is anything. -1: the walk is over. */
static int compare(struct walk *w, const struct avro_node *r, const struct avro_node *wr, const struct step *path, struct result *to, bool aside)
{
    bool is_new;
    if (take_step(w) < 0)
        return -1;
    if (avro_is_primitive((enum avro_kind)r->kind) || avro_is_primitive((enum avro_kind)wr->kind))
        return compare_with_primitive(w, r, wr, path, to);
    struct result *result = remember(w, r, wr, &is_new);
    if (result == NULL)
        return -1;
    if (!is_new && !result->named)
        return result->busy || result->first == NULL ? 0 : add_item(w, to, NULL, result);
    if (!is_new && aside) {
        to->first = to->last = &w->no;
        return 0;
    }
    if (!is_new) { /* (5): now its findings count */
        *result = (struct result){.pair = result->pair};
        path = NULL;
    }
    result->busy = true;
    if (r->kind != wr->kind) {
        if (wr->kind == AVRO_T_UNION || r->kind == AVRO_T_UNION)
            return push(w, wr->kind == AVRO_T_UNION ? WRITER_UNION : READER_UNION, result, path, to);
        return compare_leaves(w, r, wr, path, result) < 0 ? -1 : settle(w, result, to);
    }
    switch (r->kind) {
    case AVRO_T_ENUM: return compare_enums(w, r, wr, path, result) < 0 ? -1 : settle(w, result, to);
    case AVRO_T_FIXED: return compare_fixed(w, r, wr, path, result) < 0 ? -1 : settle(w, result, to);
    case AVRO_T_UNION: return push(w, BOTH_UNIONS, result, path, to);
    case AVRO_T_RECORD:
        if (!aside || avro_names_match(r, wr))
            return check_names(w, r, wr, path, result) < 0 ? -1 : push(w, FIELDS, result, path, to);
        if (check_matches(w, r, wr) < 0)
            return -1;
        *result = (struct result){.pair = result->pair, .named = true, .first = &w->no, .last = &w->no};
        to->first = to->last = &w->no;
        return 0;
    default: return push(w, ITEMS, result, path, to);
    }
}

static int next_field(struct walk *w, struct frame *f)
{
    uint32_t i = f->next++;
    if (i == f->r->n)
        return pop(w);
    const struct avro_field *field = &f->r->fields[i], *match;
    if (i == 0)
        f->steps[0] = (struct step){.up = f->path, .word = "fields"};
    f->steps[1] = (struct step){.up = &f->steps[0], .index = i};
    f->steps[2] = (struct step){.up = &f->steps[1], .word = "type"};
    if (match_field(w, field, f->wr, &match) < 0)
        return -1;
    if (match != NULL)
        return compare(w, field->type, match->type, &f->steps[2], f->result, false);
    if (field->def != NULL)
        return 0;
    if (field->type->kind == AVRO_T_ENUM && field->type->name->symbol_default.p != NULL)
        return compare(w, field->type, f->wr, &f->steps[2], f->result, false); /* what the reference does: a TYPE_MISMATCH */
    return add_breach(w, f->result, READER_FIELD_MISSING_DEFAULT_VALUE, &f->steps[1], f->r, f->wr, i);
}

/* Each writer branch must be readable by the reader's whole union. */
static int next_of_both(struct walk *w, struct frame *f)
{
    uint32_t i = f->next++;
    if (f->aside.first != NULL) {
        f->steps[0] = (struct step){.up = f->path, .index = i - 1};
        if (add_breach(w, f->result, MISSING_UNION_BRANCH, &f->steps[0], f->r, f->wr->branches[i - 1], 0) < 0)
            return -1;
        f->aside.first = f->aside.last = NULL;
    }
    return i == f->wr->n ? pop(w) : compare(w, f->r, f->wr->branches[i], NULL, &f->aside, false);
}

/* One reader branch that reads the writer suffices. */
static int next_of_reader(struct walk *w, struct frame *f)
{
    uint32_t i = f->next++;
    if (i > 0 && f->aside.first == NULL)
        return pop(w);
    f->aside.first = f->aside.last = NULL;
    if (i < f->r->n)
        return compare(w, f->r->branches[i], f->wr, NULL, &f->aside, true);
    return add_breach(w, f->result, MISSING_UNION_BRANCH, f->path, f->r, f->wr, 0) < 0 ? -1 : pop(w);
}

/* Begins the next part of the frame on top, or is done with it. */
static int advance(struct walk *w, struct frame *f)
{
    switch (f->parts) {
    case FIELDS: return next_field(w, f);
    case BOTH_UNIONS: return next_of_both(w, f);
    case READER_UNION: return next_of_reader(w, f);
    case WRITER_UNION: {
        uint32_t i = f->next++;
        if (i == f->wr->n)
            return pop(w);
        f->steps[0] = (struct step){.up = f->path, .index = i};
        return compare(w, f->r, f->wr->branches[i], &f->steps[0], f->result, false);
    }
    case ITEMS: break;
    }
    if (f->next++ > 0)
        return pop(w);
    f->steps[0] = (struct step){.up = f->path, .word = f->r->kind == AVRO_T_ARRAY ? "items" : "values"};
    return compare(w, f->r->items, f->wr->items, &f->steps[0], f->result, false);
}

static int walk_all(struct walk *w, const struct avro_node *reader, const struct avro_node *writer, struct result *root)
{
    int status = compare(w, reader, writer, NULL, root, false);
    while (status == 0 && w->top != NULL)
        status = advance(w, w->top);
    return status;
}

/* ---- texts ---- */

static const struct str types[] = {
    [NAME_MISMATCH] = {"NAME_MISMATCH", 13},
    [FIXED_SIZE_MISMATCH] = {"FIXED_SIZE_MISMATCH", 19},
    [MISSING_ENUM_SYMBOLS] = {"MISSING_ENUM_SYMBOLS", 20},
    [READER_FIELD_MISSING_DEFAULT_VALUE] = {"READER_FIELD_MISSING_DEFAULT_VALUE", 34},
    [TYPE_MISMATCH] = {"TYPE_MISMATCH", 13},
    [MISSING_UNION_BRANCH] = {"MISSING_UNION_BRANCH", 20},
};

static void put_path(struct buf *out, const struct step *last)
{
    size_t n = 0;
    for (const struct step *s = last; s != NULL; s = s->up)
        n++;
    OWN_BY(own_free) const struct step **steps = malloc((n + 1) * sizeof *steps);
    if (steps == NULL) {
        out->failed = true;
        return;
    }
    size_t at = n;
    for (const struct step *s = last; s != NULL; s = s->up)
        steps[--at] = s;
    if (n == 0)
        buf_put_u8(out, '/');
    for (; at < n; at++) {
        buf_put_u8(out, '/');
        if (steps[at]->word != NULL)
            buf_put_str(out, str_of(steps[at]->word));
        else
            json_put_i64(out, steps[at]->index);
    }
}

static int utf16_order(const void *a, const void *b)
{
    return str_cmp_utf16(*(const struct str *)a, *(const struct str *)b);
}

/* Of the writer's symbols those that the reader lacks, sorted. */
static void put_missing_symbols(struct buf *out, const struct avro_node *r, const struct avro_node *wr)
{
    OWN_BY(own_free) struct str *missing = malloc((wr->n + 1) * sizeof *missing);
    size_t n = 0;
    if (missing == NULL) {
        out->failed = true;
        return;
    }
    for (uint32_t i = 0; i < wr->n; i++)
        if (avro_find_symbol(r, wr->symbols[i]) < 0)
            missing[n++] = wr->symbols[i];
    qsort(missing, n, sizeof *missing, utf16_order);
    buf_put_u8(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_str(out, STR(", "));
        buf_put_str(out, missing[i]);
    }
    buf_put_u8(out, ']');
}

static void put_kind(struct buf *out, const struct avro_node *node)
{
    struct str name = avro_kind_name((enum avro_kind)node->kind);
    for (size_t i = 0; i < name.n; i++)
        buf_put_u8(out, (unsigned char)(name.p[i] - 'a' + 'A'));
}

static void put_info(struct buf *out, const struct breach *b)
{
    const struct avro_node *r = b->reader, *wr = b->writer;
    switch (b->rule) {
    case NAME_MISMATCH: buf_printf(out, "expected: %.*s", STR_ARG(wr->name->full)); return;
    case FIXED_SIZE_MISMATCH: buf_printf(out, "expected: %lld, found: %lld", (long long)wr->size, (long long)r->size); return;
    case MISSING_ENUM_SYMBOLS: put_missing_symbols(out, r, wr); return;
    case READER_FIELD_MISSING_DEFAULT_VALUE: buf_put_str(out, r->fields[b->field].name); return;
    case TYPE_MISMATCH:
        buf_put_str(out, STR("reader type: "));
        put_kind(out, r);
        buf_put_str(out, STR(" not compatible with writer type: "));
        put_kind(out, wr);
        return;
    case MISSING_UNION_BRANCH:
        buf_put_str(out, STR("reader union lacking writer type: "));
        put_kind(out, wr);
    }
}

static int put_finding(const struct breach *b, struct findings *f, struct buf *text)
{
    buf_reset(text);
    put_path(text, b->path);
    struct str path = arena_str(&f->arena, buf_str(text));
    if (text->failed || path.p == NULL)
        return -1;
    buf_reset(text);
    put_info(text, b);
    struct str info = arena_str(&f->arena, buf_str(text));
    return text->failed || info.p == NULL ? -1 : findings_add(f, types[b->rule], path, info);
}

/* Adds the findings of root. Shared results make them exponentially many at worst, hence the bounds; each costs no more than its path is long. */
static int put_findings(const struct result *root, struct findings *f)
{
    OWN_BY(buf_clear) struct buf text = {0}, stack = {0}; /* of items to go on with */
    const struct item *at = root->first;
    for (;;) {
        if (at == NULL) {
            if (stack.n == 0)
                return 0;
            stack.n -= sizeof at;
            memcpy(&at, stack.p + stack.n, sizeof at);
            continue;
        }
        const struct item *item = at;
        at = at->next;
        if (item->inner != NULL) {
            if (at != NULL) /* no need to come back to the end of a list */
                buf_put(&stack, &at, sizeof at);
            at = item->inner->first;
        } else if (f->n >= MAX_FINDINGS || f->arena.used > MAX_TEXT) {
            return findings_add(f, STR_NULL, STR_NULL, STR("There are more differences than are listed here."));
        } else if (put_finding(item->breach, f, &text) < 0) {
            return -1;
        }
        if (stack.failed)
            return -1;
    }
}

static int put_ambiguous(const struct walk *w, struct findings *f)
{
    struct str text = arena_printf(&f->arena, "Unexpected exception during compatibility check: reader field %.*s matches more than one field of writer record %.*s, "
                                   "by its name and its aliases", STR_ARG(w->ambiguous->name), STR_ARG(w->ambiguous_writer->name->full));
    return text.p == NULL ? -1 : findings_add(f, STR_NULL, STR_NULL, text);
}

int avro_reads(const struct avro_model *reader, const struct avro_model *writer, struct findings *findings, struct err *err)
{
    struct err mine = {0};
    struct walk w = {.steps = MAX_STEPS, .err = &mine};
    struct result root = {.busy = false};
    arena_init(&w.arena, MAX_BYTES);
    int status = walk_all(&w, reader->root, writer->root, &root);
    if (w.ambiguous != NULL)
        status = put_ambiguous(&w, findings);
    else if (status == 0)
        status = put_findings(&root, findings);
    map_clear(&w.memo);
    arena_clear(&w.arena);
    if (mine.code != 0)
        return err_set(err, mine.code, "%s", mine.text);
    return status < 0 ? err_nomem(err) : 0;
}

void avro_put_message(struct buf *out, const struct finding *f, const char *reader, const char *writer)
{
    static const char *const said[] = {
        [NAME_MISMATCH] = "the type at path '%.*s' of the %s schema has another name than the one of the %s schema, and no alias for it",
        [FIXED_SIZE_MISMATCH] = "the fixed at path '%.*s' of the %s schema has another size than in the %s schema",
        [MISSING_ENUM_SYMBOLS] = "the enum at path '%.*s' of the %s schema lacks symbols of the %s schema, and has no default",
        [READER_FIELD_MISSING_DEFAULT_VALUE] = "the field at path '%.*s' of the %s schema has no default and is missing in the %s schema",
        [TYPE_MISMATCH] = "the type at path '%.*s' of the %s schema cannot read the type of the %s schema",
        [MISSING_UNION_BRANCH] = "the union at path '%.*s' of the %s schema has no branch for a type of the %s schema",
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_eq(f->type, types[i])) {
            buf_printf(out, "{errorType:'%s', description:'", types[i].p);
            buf_printf(out, said[i], STR_ARG(f->path), reader, writer);
            buf_put_str(out, STR("', additionalInfo:'"));
            buf_put_str(out, f->text);
            buf_put_str(out, STR("'}"));
            return;
        }
    buf_put_str(out, f->text);
}
