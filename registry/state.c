/* registry/state.c - looking things up. The changes are in state_apply.c. */
#include "registry/state.h"

#include <assert.h>
#include <stdlib.h>

#include "base/own.h"
#include "registry/names.h"
#include "registry/state_parts.h"

struct state *state_new(void)
{
    struct state *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    /* Readers come without a pause under load; the fold must not wait for one. No reader takes the lock twice. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&s->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    return s;
}

static void free_context(struct context *c)
{
    struct content *content;
    for (size_t i = 0; (content = map_each(&c->by_id, &i)) != NULL;) {
        body_unref(content->body);
        free(content);
    }
    map_clear(&c->by_id);
    map_clear(&c->by_identity);
    free(c);
}

void state_free(struct state *s)
{
    if (s == NULL)
        return;
    struct subject *subject;
    for (size_t i = 0; (subject = map_each(&s->subjects, &i)) != NULL;) {
        for (size_t k = 0; k < subject->n; k++)
            free(subject->versions[k]);
        free(subject->versions);
        free(subject);
    }
    struct context *context;
    for (size_t i = 0; (context = map_each(&s->contexts, &i)) != NULL;)
        free_context(context);
    struct setting *setting;
    for (size_t i = 0; (setting = map_each(&s->settings, &i)) != NULL;) {
        free(setting->memory);
        free(setting);
    }
    struct referrers *referrers;
    for (size_t i = 0; (referrers = map_each(&s->referrers, &i)) != NULL;) {
        free(referrers->list);
        free(referrers);
    }
    map_clear(&s->subjects);
    map_clear(&s->contexts);
    map_clear(&s->settings);
    map_clear(&s->referrers);
    free(s->sorted);
    free(s->fresh);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

void state_read(struct state *s)
{
    pthread_rwlock_rdlock(&s->lock);
}

void state_done(struct state *s)
{
    pthread_rwlock_unlock(&s->lock);
}

struct subject *state_subject(const struct state *s, struct str name)
{
    return map_get(&s->subjects, name);
}

struct subject *const *state_subjects(const struct state *s, size_t *n)
{
    *n = s->nsorted;
    return s->sorted;
}

struct version *subject_version(const struct subject *s, int32_t number)
{
    size_t low = 0, high = s != NULL ? s->n : 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->versions[mid]->number == number)
            return s->versions[mid];
        if (s->versions[mid]->number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

struct version *subject_latest(const struct subject *s)
{
    for (size_t i = s != NULL && s->active != 0 ? s->n : 0; i > 0; i--)
        if (!s->versions[i - 1]->deleted)
            return s->versions[i - 1];
    return NULL;
}

struct version *subject_holding(const struct subject *s, const struct content *c, bool deleted)
{
    if (s == NULL || c == NULL || (s->active == 0 && !deleted))
        return NULL;
    for (size_t i = s->n; i > 0; i--)
        if (s->versions[i - 1]->content == c && (deleted || !s->versions[i - 1]->deleted))
            return s->versions[i - 1];
    return NULL;
}

struct context *state_context(const struct state *s, struct str name)
{
    return map_get(&s->contexts, name);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp_utf16(*(const struct str *)a, *(const struct str *)b);
}

int state_contexts(const struct state *s, struct arena *a, struct str **names, size_t *n)
{
    *n = 0;
    *names = arena_calloc(a, s->contexts.count + 1, sizeof **names);
    if (*names == NULL)
        return -1;
    (*names)[(*n)++] = STR(".");
    struct context *c;
    for (size_t i = 0; (c = map_each(&s->contexts, &i)) != NULL;)
        if (!str_is(c->name, ".") && (c->known || c->versions != 0) && ((*names)[(*n)++] = arena_str(a, c->name)).p == NULL)
            return -1;
    qsort(*names + 1, *n - 1, sizeof **names, by_name);
    return 0;
}

struct content *context_content(const struct context *c, int32_t id)
{
    return c != NULL ? map_get(&c->by_id, str_n(&id, sizeof id)) : NULL;
}

struct content *context_identity(const struct context *c, const unsigned char md5[16])
{
    return c != NULL ? map_get(&c->by_identity, str_n(md5, 16)) : NULL;
}

struct str content_text(const struct content *c)
{
    return str_n(c->body->bytes + c->body->text_at, c->body->text_n);
}

static const struct setting *setting_of(const struct state *s, struct str entry)
{
    return map_get(&s->settings, entry);
}

const struct config *state_config(const struct state *s, struct str entry)
{
    const struct setting *setting = setting_of(s, entry);
    return setting != NULL && setting->has_config ? &setting->config : NULL;
}

bool state_mode(const struct state *s, struct str entry, enum mode *out)
{
    const struct setting *setting = setting_of(s, entry);
    if (setting == NULL || !setting->has_mode)
        return false;
    *out = setting->mode;
    return true;
}

int state_modes(const struct state *s, struct str prefix, struct arena *a, struct str **entries, size_t *n)
{
    *n = 0;
    *entries = arena_calloc(a, s->settings.count + 1, sizeof **entries);
    if (*entries == NULL)
        return -1;
    const struct setting *setting;
    for (size_t i = 0; (setting = map_each(&s->settings, &i)) != NULL;)
        if (setting->has_mode && str_starts(setting->entry, prefix) && ((*entries)[(*n)++] = arena_str(a, setting->entry)).p == NULL)
            return -1;
    qsort(*entries, *n, sizeof **entries, by_name);
    return 0;
}

struct str referrers_key(struct str subject, int32_t version, struct buf *into)
{
    buf_reset(into);
    buf_put_str(into, subject);
    buf_put_u8(into, 0);
    buf_put_be32(into, (uint32_t)version);
    return into->failed ? STR_NULL : buf_str(into);
}

struct version *const *state_referrers(const struct state *s, struct str subject, int32_t version, size_t *n)
{
    OWN_BY(buf_clear) struct buf key = {0};
    const struct referrers *r = map_get(&s->referrers, referrers_key(subject, version, &key));
    *n = r != NULL ? r->n : 0;
    return r != NULL ? r->list : NULL;
}

bool state_has_null_key(const struct state *s, enum change_kind kind)
{
    return s->null_key[kind == CHANGE_MODE];
}

uint64_t state_epoch(const struct state *s)
{
    return s->epoch;
}

struct change state_borrow(const struct version *v)
{
    const struct content *c = v->content;
    struct change all = {.kind = CHANGE_SCHEMA,
                         .subject = v->subject->name,
                         .version = v->number,
                         .id = c->id,
                         .type = (enum schema_type)c->type,
                         .refs = c->refs,
                         .nrefs = c->nrefs,
                         .metadata = c->metadata,
                         .rule_set = c->rule_set,
                         .deleted = v->deleted,
                         .ts_ms = v->ts_ms};
    memcpy(all.md5, c->md5, sizeof all.md5);
    return all;
}

int state_copy(const struct version *v, struct arena *a, struct change *out)
{
    const struct content *c = v->content;
    *out = state_borrow(v);
    out->subject = arena_str(a, out->subject);
    out->metadata = arena_str(a, out->metadata);
    out->rule_set = arena_str(a, out->rule_set);
    struct schema_ref *refs = arena_calloc(a, c->nrefs + 1, sizeof *refs);
    OWN_BY(buf_clear) struct buf text = {0};
    json_unescape(content_text(c), &text);
    out->text = text.failed ? STR_NULL : arena_str(a, buf_str(&text));
    if (refs == NULL || out->text.p == NULL || out->subject.p == NULL || (out->metadata.p == NULL) != (c->metadata.p == NULL) ||
        (out->rule_set.p == NULL) != (c->rule_set.p == NULL))
        return -1;
    for (size_t i = 0; i < c->nrefs; i++) {
        refs[i] = (struct schema_ref){arena_str(a, c->refs[i].name), arena_str(a, c->refs[i].subject), c->refs[i].version};
        if (refs[i].name.p == NULL || refs[i].subject.p == NULL)
            return -1;
    }
    out->refs = refs;
    return 0;
}

/* ---- invariants --------------------------------------------------------------------------------------------------- */

static void check_content(const struct context *context, const struct content *c)
{
    size_t holders = 0, active = 0;
    bool shown = false;
    assert(c->context == context && c->body != NULL && context->max_id >= c->id);
    assert(context_content(context, c->id) == c);
    for (const struct version *v = c->holders; v != NULL; v = v->next) {
        assert(v->content == c && v->subject->context == context);
        assert(v->next == NULL || v->next->prev == v);
        holders++;
        active += !v->deleted;
        shown |= v == c->shown;
    }
    assert(holders != 0 && shown && (active == 0 || !c->shown->deleted));
    bool found = false;
    for (const struct content *same = context_identity(context, c->md5); same != NULL; same = same->same)
        found |= same == c;
    assert(found);
    (void)found;
}

static void check_subject(const struct state *s, const struct subject *subject)
{
    size_t active = 0;
    assert(state_subject(s, subject->name) == subject && subject->n != 0);
    assert(str_eq(subject->context->name, subject_context(subject->name)));
    for (size_t i = 0; i < subject->n; i++) {
        const struct version *v = subject->versions[i];
        assert(v->subject == subject && (i == 0 || subject->versions[i - 1]->number < v->number));
        assert(context_content(subject->context, v->content->id) == v->content);
        active += !v->deleted;
    }
    assert(active == subject->active);
    (void)active;
}

void state_check(struct state *s)
{
    state_read(s);
    assert(s->nfresh == 0 && s->nsorted == s->subjects.count);
    for (size_t i = 0; i < s->nsorted; i++) {
        check_subject(s, s->sorted[i]);
        assert(i == 0 || str_cmp_utf16(s->sorted[i - 1]->name, s->sorted[i]->name) < 0);
    }
    const struct context *context;
    for (size_t i = 0; (context = map_each(&s->contexts, &i)) != NULL;) {
        const struct content *c;
        for (size_t k = 0; (c = map_each(&context->by_id, &k)) != NULL;)
            check_content(context, c);
    }
    state_done(s);
}
