/* registry/resolve.c - texts to schemas, with what they refer to (compatibility.md 2.2). */
#include "registry/core.h"

#include "base/own.h"

enum { MAX_DEPTH = 64, MAX_TEXTS = 2000 };

/* The resolution of one schema's references, depth first: dependencies before what depends on them. */
struct resolving {
    const struct state *state;
    struct arena *arena;
    bool deleted_ok;
    struct map names; /* reference names that were met: the first wins */
    struct str *texts;
    size_t n, cap;
};

static int add_text(struct resolving *r, const struct content *c, struct err *err)
{
    if (r->n == MAX_TEXTS)
        return err_set(err, REG_INVALID_SCHEMA, "Invalid schema: it refers to more than %d schemas", MAX_TEXTS);
    struct str *texts = arena_grow(r->arena, r->texts, r->n, &r->cap, sizeof *texts);
    if (texts == NULL)
        return err_nomem(err);
    r->texts = texts;
    OWN_BY(buf_clear) struct buf text = {0};
    json_unescape(content_text(c), &text);
    r->texts[r->n] = text.failed ? STR_NULL : arena_str(r->arena, buf_str(&text));
    return r->texts[r->n++].p != NULL ? 0 : err_nomem(err);
}

static int resolve(struct resolving *r, struct str referrer, const struct schema_ref *refs, size_t n, int depth, struct err *err);

/* The version that a reference names, in version (-1: the latest). */
static const struct version *target_of(const struct resolving *r, struct str subject, int32_t version, bool deleted_ok)
{
    const struct subject *s = state_subject(r->state, subject);
    const struct version *v = version == -1 ? subject_latest(s) : subject_version(s, version);
    return v != NULL && (!v->deleted || deleted_ok) ? v : NULL;
}

static int resolve_one(struct resolving *r, struct str referrer, const struct schema_ref *ref, int depth, struct err *err)
{
    if (map_get(&r->names, ref->name) != NULL)
        return 0;
    struct str subject = subject_qualify(ref->subject, referrer, r->arena);
    struct str name = arena_str(r->arena, ref->name);
    if (subject.p == NULL || name.p == NULL)
        return err_nomem(err);
    /* What a stored schema refers to may have been soft-deleted since: only the schema itself is new. */
    const struct version *v = target_of(r, subject, ref->version, r->deleted_ok || depth > 0);
    if (v == NULL)
        return err_set(err, REG_INVALID_SCHEMA, "Invalid schema: the reference '%.*s' names subject '%.*s' version %d, which is not there",
                       STR_ARG(ref->name), STR_ARG(subject), ref->version);
    if (map_set(&r->names, name, r) < 0)
        return err_nomem(err);
    return resolve(r, v->subject->name, v->content->refs, v->content->nrefs, depth + 1, err) < 0 ? -1 : add_text(r, v->content, err);
}

static int resolve(struct resolving *r, struct str referrer, const struct schema_ref *refs, size_t n, int depth, struct err *err)
{
    if (depth > MAX_DEPTH)
        return err_set(err, REG_INVALID_SCHEMA, "Invalid schema: references are nested deeper than %d", MAX_DEPTH);
    for (size_t i = 0; i < n; i++)
        if (resolve_one(r, referrer, &refs[i], depth, err) < 0)
            return -1;
    return 0;
}

/* Copies refs with -1 replaced by the number found. */
static struct schema_ref *fix_versions(const struct resolving *r, const struct parse_request *p, struct err *err)
{
    struct schema_ref *refs = arena_calloc(r->arena, p->nrefs + 1, sizeof *refs);
    for (size_t i = 0; refs != NULL && i < p->nrefs; i++) {
        refs[i] = p->refs[i];
        if (refs[i].version != -1)
            continue;
        struct str subject = subject_qualify(refs[i].subject, p->subject, r->arena);
        const struct version *v = target_of(r, subject, -1, false);
        if (v == NULL) {
            err_set(err, REG_INVALID_SCHEMA, "Invalid schema: the reference '%.*s' names subject '%.*s', which has no version",
                    STR_ARG(refs[i].name), STR_ARG(subject));
            return NULL;
        }
        refs[i].version = v->number;
    }
    if (refs == NULL)
        err_nomem(err);
    return refs;
}

struct schema *registry_parse(struct registry *r, const struct parse_request *p, struct err *err)
{
    OWN_BY(arena_clear) struct arena a = {0};
    struct resolving resolving = {.state = r->state, .arena = &a, .deleted_ok = p->deleted_ok};
    struct schema_source source = {.type = p->type, .text = p->text, .flags = p->strict ? SCHEMA_NEW : 0};
    struct err why = {0};
    if (p->nrefs != 0) {
        state_read(r->state);
        source.refs = fix_versions(&resolving, p, err);
        int rc = source.refs != NULL ? resolve(&resolving, p->subject, p->refs, p->nrefs, 0, err) : -1;
        state_done(r->state);
        map_clear(&resolving.names);
        if (rc < 0)
            return NULL;
        source.nrefs = p->nrefs;
        source.ref_texts = resolving.texts;
        source.nref_texts = resolving.n;
    }
    struct schema *s = schema_parse(&source, &why);
    if (s == NULL)
        err_set(err, why.code == ERR_NOMEM ? ERR_NOMEM : REG_INVALID_SCHEMA, "%s%s", strncmp(why.text, "Invalid schema", 14) == 0 ? "" : "Invalid schema: ",
                why.text);
    return s;
}

struct schema *registry_parse_stored(struct registry *r, const struct change *stored, struct err *err)
{
    struct str context = subject_context(stored->subject);
    uint64_t epoch = 0; /* without references nothing but the text counts */
    if (stored->nrefs != 0) {
        state_read(r->state);
        epoch = state_epoch(r->state) + 1;
        state_done(r->state);
    }
    struct schema *s = parsed_find(r->parsed, context, stored->md5, epoch);
    if (s != NULL)
        return s;
    const struct parse_request p = {.subject = stored->subject,
                                    .type = stored->type,
                                    .text = stored->text,
                                    .refs = stored->refs,
                                    .nrefs = stored->nrefs,
                                    .deleted_ok = true};
    if ((s = registry_parse(r, &p, err)) != NULL)
        parsed_keep(r->parsed, context, stored->md5, epoch, s);
    return s;
}
