/* registry/lookup.c - is this schema there already (registry-api.md 2.4)? */
#include "registry/core.h"

#include <stdlib.h>

#include "base/own.h"

int identity_of(const struct schema *s, const struct metadata *metadata, struct str rule_set, struct arena *a, struct identity *out,
                struct err *err)
{
    bool failed = false;
    size_t nrefs;
    const struct schema_ref *refs = schema_refs(s, &nrefs);
    out->metadata = *metadata;
    out->metadata_text = metadata_text(metadata, a, &failed);
    out->rule_set = rule_set;
    if (failed)
        return err_nomem(err);
    return schema_hash(schema_canonical(s), refs, nrefs, out->metadata_text, rule_set, out->md5, err);
}

int identity_merged(struct registry *r, struct str subject, const struct schema *s, const struct metadata *given, struct arena *a,
                    struct identity *out, struct err *err)
{
    struct metadata first, last, latest = {0}, merged;
    struct str latest_text = STR_NULL, rule_set = STR_NULL;
    state_read(r->state);
    const struct scope scope = scope_of(r->state, subject);
    const struct version *v = subject_latest(state_subject(r->state, subject));
    int rc = scope_metadata(&scope, CONFIG_DEFAULT_METADATA, a, &first, err);
    if (rc == 0)
        rc = scope_metadata(&scope, CONFIG_OVERRIDE_METADATA, a, &last, err);
    if (v != NULL) {
        latest_text = arena_str(a, v->content->metadata);
        rule_set = arena_str(a, v->content->rule_set);
    }
    state_done(r->state);
    if (rc < 0 || (!given->present && metadata_parse(latest_text, a, &latest, err) < 0))
        return -1;
    if (metadata_merge(&first, given->present ? given : &latest, a, &merged) < 0 || metadata_merge(&merged, &last, a, &merged) < 0)
        return err_nomem(err);
    return identity_of(s, &merged, rule_set, a, out, err);
}

/* Equal, but for the version that only one of them names; if that is the given one, it must be the stored one's number. */
static bool metadata_matches(const struct metadata *given, const struct metadata *stored, int32_t number, struct arena *a)
{
    int64_t named;
    struct str mine = metadata_property(given, STR(VERSION_PROPERTY)), theirs = metadata_property(stored, STR(VERSION_PROPERTY));
    if ((mine.p == NULL) == (theirs.p == NULL))
        return metadata_equal(given, stored);
    if (mine.p != NULL && (!str_to_i64(mine, &named) || named != number))
        return false;
    struct metadata bare = metadata_without(mine.p != NULL ? given : stored, STR(VERSION_PROPERTY), a);
    const struct metadata *other = mine.p != NULL ? stored : given;
    bool other_is_empty = other->ntags + other->nproperties + other->nsensitive == 0;
    return (!bare.present && other_is_empty) || metadata_equal(&bare, other);
}

static bool refs_equal(const struct schema_ref *a, size_t na, const struct schema_ref *b, size_t nb)
{
    if (na != nb)
        return false;
    for (size_t i = 0; i < na; i++)
        if (!str_eq(a[i].name, b[i].name) || !str_eq(a[i].subject, b[i].subject) || a[i].version != b[i].version)
            return false;
    return true;
}

/* Is the stored version, a copy, the same schema as s? */
static bool is_equivalent(struct registry *r, const struct change *stored, const struct schema *s, const struct identity *identity,
                          struct arena *a)
{
    struct metadata metadata;
    size_t nrefs;
    const struct schema_ref *refs = schema_refs(s, &nrefs);
    bool inlined = nrefs == 0 && stored->nrefs != 0;
    if (stored->type != schema_type_of(s) || (!inlined && !refs_equal(refs, nrefs, stored->refs, stored->nrefs)) ||
        !str_eq(stored->rule_set, identity->rule_set) || (stored->rule_set.p == NULL) != (identity->rule_set.p == NULL) ||
        metadata_parse(stored->metadata, a, &metadata, NULL) < 0 || !metadata_matches(&identity->metadata, &metadata, stored->version, a))
        return false;
    struct schema *parsed = registry_parse_stored(r, stored, NULL);
    if (parsed == NULL)
        return false;
    struct schema *whole = NULL;
    if (inlined) { /* compare with everything inlined, as it was given */
        OWN_BY(buf_clear) struct buf text = {0};
        if (schema_put_resolved(parsed, &text, NULL) == 0 && !text.failed) {
            const struct parse_request p = {.subject = stored->subject, .type = stored->type, .text = buf_str(&text), .deleted_ok = true};
            whole = registry_parse(r, &p, NULL);
        }
    }
    bool same = schema_equivalent(s, whole != NULL ? whole : parsed);
    schema_unref(whole);
    schema_unref(parsed);
    return same;
}

/* Could v be equivalent to a text of that length inside a JSON string?  Equal schemas differ at most in the order of their members, or one
 * of them has references and the other what they stand for. */
static bool is_candidate(const struct version *v, size_t text_n, bool has_refs)
{
    return v->content->body->text_n == text_n || (!has_refs && v->content->nrefs != 0);
}

/* Copies the highest candidate below *below; false when there is none. */
static bool next_candidate(struct registry *r, struct str subject, int32_t *below, size_t text_n, bool has_refs, bool deleted,
                           bool latest_only, struct arena *a, struct change *out)
{
    bool found = false;
    state_read(r->state);
    const struct subject *s = state_subject(r->state, subject);
    const struct version *latest = latest_only ? subject_latest(s) : NULL;
    for (size_t i = s != NULL ? s->n : 0; i > 0 && !found; i--) {
        const struct version *v = s->versions[i - 1];
        if ((latest_only && v != latest) || v->number >= *below || (v->deleted && !deleted) || !is_candidate(v, text_n, has_refs))
            continue;
        found = state_copy(v, a, out) == 0;
        *below = v->number;
    }
    state_done(r->state);
    return found;
}

static struct version *find_equivalent(struct registry *r, struct str subject, const struct schema *s, const struct identity *identity,
                                       bool deleted, bool latest_only)
{
    OWN_BY(buf_clear) struct buf escaped = {0};
    size_t nrefs;
    schema_refs(s, &nrefs);
    json_put_string(&escaped, schema_canonical(s));
    int32_t below = INT32_MAX;
    while (!escaped.failed) {
        OWN_BY(arena_clear) struct arena a = {0};
        struct change stored;
        if (!next_candidate(r, subject, &below, escaped.n - 2, nrefs != 0, deleted, latest_only, &a, &stored))
            return NULL;
        if (!is_equivalent(r, &stored, s, identity, &a))
            continue;
        state_read(r->state);
        struct version *v = subject_version(state_subject(r->state, subject), stored.version);
        if (v != NULL && memcmp(v->content->md5, stored.md5, sizeof stored.md5) == 0 && (!v->deleted || deleted))
            return v;
        state_done(r->state); /* changed meanwhile: look further */
    }
    return NULL;
}

struct version *registry_find_exact(struct registry *r, struct str subject, enum schema_type type, const unsigned char md5[16], bool deleted,
                                    bool latest_only)
{
    state_read(r->state);
    const struct subject *in = state_subject(r->state, subject);
    struct version *v = NULL;
    if (in != NULL && (deleted || in->active != 0)) {
        const struct content *c = context_identity(in->context, md5);
        for (; c != NULL && v == NULL; c = c->same)
            if (c->type == type) /* the type is not part of the identity */
                v = subject_holding(in, c, deleted);
    }
    if (v != NULL && (!latest_only || v == subject_latest(in)))
        return v;
    state_done(r->state);
    return NULL;
}

struct version *registry_find(struct registry *r, struct str subject, const struct schema *s, const struct identity *identity, bool deleted,
                              bool latest_only, bool *scanned)
{
    struct version *v = registry_find_exact(r, subject, schema_type_of(s), identity->md5, deleted, latest_only);
    *scanned = v == NULL;
    return v != NULL ? v : find_equivalent(r, subject, s, identity, deleted, latest_only);
}
