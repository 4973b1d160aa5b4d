/* serde/avro/compat.c - reads(R, W) of compatibility.md 3.6.
 *
 * A depth-first walk over pairs (reader node, writer node), with a memo of pairs:
 *  (1) A pair that is met while it is being compared counts as compatible; so recursive types end.
 *  (2) A pair that was compared gives the same findings again, with the paths of the first time; so the work is polynomial.
 *  (3) Only pairs of two complex nodes are in the memo. Bare primitives are shared between places, and a pair with a primitive is met at most
 *      once for each meeting of its parents (model.h (3)), so their findings need no memo, and get the right paths without one.
 *  (4) A question asked on behalf of a union begins a path of its own; its findings are not the union's, but stay in the memo (2).
 * Findings are kept as nodes and path steps until the walk is over; only those that come out at the root become text.
 * Bounds: MAX_STEPS pairs and field look-ups, MAX_DEPTH pairs inside each other, MAX_BYTES of memo, MAX_FINDINGS texts. */
#include "serde/avro/reads.h"

#include "base/map.h"
#include "base/own.h"
#include "serde/avro/model.h"
#include "serde/schema_impl.h"

enum { MAX_STEPS = 4000000, MAX_DEPTH = 3000, MAX_BYTES = 64 << 20, MAX_FINDINGS = 10000, MAX_TEXT = 4 << 20 };

enum rule { NAME_MISMATCH, FIXED_SIZE_MISMATCH, MISSING_ENUM_SYMBOLS, READER_FIELD_MISSING_DEFAULT_VALUE, TYPE_MISMATCH, MISSING_UNION_BRANCH };

/* One step of a path: a word, or an index when the word is NULL. Steps live on the stack; a finding keeps copies, shared between findings. */
struct step {
    const struct step *up;
    const char *word;
    uint32_t index;
    struct step *kept;
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
    struct { const struct avro_node *reader, *writer; } pair; /* the memo's key */
    bool busy;
    struct item *first, *last; /* none: compatible */
};

struct walk {
    struct arena arena;
    struct map memo;
    long steps;
    int depth;
    struct err *err; /* set: the walk is over */
    bool failed;
    const struct avro_field *ambiguous; /* the reader field that matched more than one; the walk is over */
    const struct avro_node *ambiguous_writer;
};

static int stop_nomem(struct walk *w)
{
    w->failed = true;
    if (w->arena.used + 4096 > w->arena.max)
        return err_set(w->err, ERR_TOO_BIG, "comparing the two schemas needs over %d MB of memory", MAX_BYTES >> 20);
    return err_nomem(w->err);
}

static int take_step(struct walk *w)
{
    if (--w->steps >= 0)
        return 0;
    w->failed = true;
    return err_set(w->err, ERR_TOO_BIG, "comparing the two schemas takes over %d steps", MAX_STEPS);
}

/* ---- findings ---- */

static struct step *keep_path(struct walk *w, struct step *s)
{
    struct step *first = NULL, **to = &first;
    for (; s != NULL; s = (struct step *)(uintptr_t)s->up) {
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

static int add_breach(struct walk *w, struct result *to, enum rule rule, struct step *path, const struct avro_node *reader,
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

/* ---- the walk ---- */

static int compare(struct walk *w, const struct avro_node *r, const struct avro_node *wr, struct step *path, struct result *to);

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

static int check_names(struct walk *w, const struct avro_node *r, const struct avro_node *wr, struct step *path, struct result *to)
{
    if (str_eq(r->name->simple, wr->name->simple))
        return 0;
    for (uint32_t i = 0; i < r->name->naliases; i++)
        if (str_eq(r->name->aliases[i], wr->name->full))
            return 0;
    struct step step = {.up = path, .word = "name"};
    return add_breach(w, to, NAME_MISMATCH, &step, r, wr, 0);
}

static int compare_enums(struct walk *w, const struct avro_node *r, const struct avro_node *wr, struct step *path, struct result *to)
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

static int compare_fixed(struct walk *w, const struct avro_node *r, const struct avro_node *wr, struct step *path, struct result *to)
{
    if (check_names(w, r, wr, path, to) < 0)
        return -1;
    struct step step = {.up = path, .word = "size"};
    return r->size == wr->size ? 0 : add_breach(w, to, FIXED_SIZE_MISMATCH, &step, r, wr, 0);
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
            w->failed = true;
            return -1;
        }
        if (other >= 0)
            at = other;
    }
    *out = at >= 0 ? &wr->fields[at] : NULL;
    return take_step(w);
}

static int compare_records(struct walk *w, const struct avro_node *r, const struct avro_node *wr, struct step *path, struct result *to)
{
    if (check_names(w, r, wr, path, to) < 0)
        return -1;
    struct step fields = {.up = path, .word = "fields"};
    for (uint32_t i = 0; i < r->n; i++) {
        const struct avro_field *f = &r->fields[i], *match;
        struct step position = {.up = &fields, .index = i};
        struct step type = {.up = &position, .word = "type"};
        int status = match_field(w, f, wr, &match);
        if (status == 0 && match != NULL)
            status = compare(w, f->type, match->type, &type, to);
        else if (status == 0 && f->def == NULL) {
            if (f->type->kind == AVRO_T_ENUM && f->type->name->symbol_default.p != NULL)
                status = compare(w, f->type, wr, &type, to); /* what the reference does: a TYPE_MISMATCH */
            else
                status = add_breach(w, to, READER_FIELD_MISSING_DEFAULT_VALUE, &position, r, wr, i);
        }
        if (status < 0)
            return -1;
    }
    return 0;
}

/* Does any branch of the union r read wr? *found says so. */
static int find_branch(struct walk *w, const struct avro_node *r, const struct avro_node *wr, bool *found)
{
    *found = false;
    for (uint32_t i = 0; i < r->n && !*found; i++) {
        struct result aside = {.busy = false};
        if (compare(w, r->branches[i], wr, NULL, &aside) < 0)
            return -1;
        *found = aside.first == NULL;
    }
    return 0;
}

static int compare_unions(struct walk *w, const struct avro_node *r, const struct avro_node *wr, struct step *path, struct result *to)
{
    for (uint32_t i = 0; i < wr->n; i++) {
        struct result aside = {.busy = false};
        struct step step = {.up = path, .index = i};
        if (compare(w, r, wr->branches[i], NULL, &aside) < 0)
            return -1;
        if (aside.first != NULL && add_breach(w, to, MISSING_UNION_BRANCH, &step, r, wr->branches[i], 0) < 0)
            return -1;
    }
    return 0;
}

static int compare_written_union(struct walk *w, const struct avro_node *r, const struct avro_node *wr, struct step *path, struct result *to)
{
    for (uint32_t i = 0; i < wr->n; i++) {
        struct step step = {.up = path, .index = i};
        if (compare(w, r, wr->branches[i], &step, to) < 0)
            return -1;
    }
    return 0;
}

static int compare_kinds(struct walk *w, const struct avro_node *r, const struct avro_node *wr, struct step *path, struct result *to)
{
    struct step step = {.up = path};
    bool found;
    if (r->kind != wr->kind) {
        if (wr->kind == AVRO_T_UNION)
            return compare_written_union(w, r, wr, path, to);
        if (r->kind == AVRO_T_UNION) {
            if (find_branch(w, r, wr, &found) < 0)
                return -1;
            return found ? 0 : add_breach(w, to, MISSING_UNION_BRANCH, path, r, wr, 0);
        }
        return promotes((enum avro_kind)wr->kind, (enum avro_kind)r->kind) ? 0 : add_breach(w, to, TYPE_MISMATCH, path, r, wr, 0);
    }
    switch (r->kind) {
    case AVRO_T_ARRAY: step.word = "items"; return compare(w, r->items, wr->items, &step, to);
    case AVRO_T_MAP: step.word = "values"; return compare(w, r->items, wr->items, &step, to);
    case AVRO_T_FIXED: return compare_fixed(w, r, wr, path, to);
    case AVRO_T_ENUM: return compare_enums(w, r, wr, path, to);
    case AVRO_T_RECORD: return compare_records(w, r, wr, path, to);
    case AVRO_T_UNION: return compare_unions(w, r, wr, path, to);
    default: return 0;
    }
}

/* Adds to `to` what stops r from reading wr. -1: the walk is over. */
static int compare(struct walk *w, const struct avro_node *r, const struct avro_node *wr, struct step *path, struct result *to)
{
    if (take_step(w) < 0)
        return -1;
    if (avro_is_primitive((enum avro_kind)r->kind) || avro_is_primitive((enum avro_kind)wr->kind))
        return compare_kinds(w, r, wr, path, to);
    const void *key[2] = {r, wr};
    struct result *result = map_get(&w->memo, str_n(key, sizeof key));
    if (result == NULL) {
        if (w->depth >= MAX_DEPTH) {
            w->failed = true;
            return err_set(w->err, ERR_TOO_BIG, "comparing the two schemas nests over %d types", MAX_DEPTH);
        }
        if ((result = arena_calloc(&w->arena, 1, sizeof *result)) == NULL)
            return stop_nomem(w);
        result->pair.reader = r;
        result->pair.writer = wr;
        result->busy = true;
        if (map_set(&w->memo, str_n(&result->pair, sizeof result->pair), result) < 0)
            return stop_nomem(w);
        w->depth++;
        if (compare_kinds(w, r, wr, path, result) < 0)
            return -1;
        w->depth--;
        result->busy = false;
    }
    return result->busy || result->first == NULL ? 0 : add_item(w, to, NULL, result);
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

static void put_path(struct buf *out, const struct step *s)
{
    const struct step *up[3 * MAX_DEPTH + 16]; /* a pair inside another adds at most three steps */
    size_t n = 0;
    for (; s != NULL && n < sizeof up / sizeof *up; s = s->up)
        up[n++] = s;
    if (n == 0)
        buf_put_u8(out, '/');
    while (n-- > 0) {
        buf_put_u8(out, '/');
        if (up[n]->word != NULL)
            buf_put_str(out, str_of(up[n]->word));
        else
            json_put_i64(out, up[n]->index);
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

/* Adds the findings of `from`, which are at most exponentially many, up to the bounds. 1: there are more. */
static int put_findings(const struct result *from, struct findings *f, struct buf *text)
{
    for (const struct item *i = from->first; i != NULL; i = i->next) {
        if (i->inner != NULL) {
            int status = put_findings(i->inner, f, text);
            if (status != 0)
                return status;
            continue;
        }
        if (f->n >= MAX_FINDINGS || f->arena.used > MAX_TEXT)
            return 1;
        buf_reset(text);
        put_path(text, i->breach->path);
        struct str path = arena_str(&f->arena, buf_str(text));
        buf_reset(text);
        put_info(text, i->breach);
        struct str info = arena_str(&f->arena, buf_str(text));
        if (text->failed || path.p == NULL || info.p == NULL || findings_add(f, types[i->breach->rule], path, info) < 0)
            return -1;
    }
    return 0;
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
    int status = compare(&w, reader->root, writer->root, NULL, &root);
    if (w.ambiguous != NULL) {
        status = put_ambiguous(&w, findings);
    } else if (status == 0) {
        OWN_BY(buf_clear) struct buf text = {0};
        status = put_findings(&root, findings, &text);
        if (status == 1)
            status = findings_add(findings, STR_NULL, STR_NULL, STR("There are more differences than are listed here."));
    }
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
