/* registry/state_apply.c - the changes of the state. Everything here runs under the write lock, taken by state_apply. */
#include <assert.h>
#include <stdlib.h>

#include "base/own.h"
#include "registry/names.h"
#include "registry/state_parts.h"

/* Room for one more pointer in a growing list. */
static int reserve(void ***list, size_t n, size_t *cap)
{
    if (n < *cap)
        return 0;
    size_t bigger = *cap != 0 ? *cap * 2 : 4;
    void **grown = realloc(*list, bigger * sizeof *grown);
    if (grown == NULL)
        return -1;
    *list = grown;
    *cap = bigger;
    return 0;
}

/* ---- the sorted list ---------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return str_cmp_utf16((*(struct subject *const *)a)->name, (*(struct subject *const *)b)->name);
}

/* Merges the fresh subjects in: O(n) for a whole batch of them. */
static int merge_fresh(struct state *s)
{
    size_t n = s->nsorted, m = s->nfresh;
    if (m == 0)
        return 0;
    if (n + m > s->cap_sorted) {
        size_t cap = (n + m) * 2;
        struct subject **grown = realloc(s->sorted, cap * sizeof *grown);
        if (grown == NULL)
            return -1;
        s->sorted = grown;
        s->cap_sorted = cap;
    }
    qsort(s->fresh, m, sizeof *s->fresh, by_name);
    for (size_t at = n + m; m > 0; at--) {
        if (n > 0 && str_cmp_utf16(s->sorted[n - 1]->name, s->fresh[m - 1]->name) > 0)
            s->sorted[at - 1] = s->sorted[--n];
        else
            s->sorted[at - 1] = s->fresh[--m];
    }
    s->nsorted += s->nfresh;
    s->nfresh = 0;
    return 0;
}

static void unsort(struct state *s, const struct subject *subject)
{
    for (size_t i = s->nfresh; i > 0; i--) {
        if (s->fresh[i - 1] == subject) {
            s->fresh[i - 1] = s->fresh[--s->nfresh];
            return;
        }
    }
    struct subject **at = bsearch(&subject, s->sorted, s->nsorted, sizeof *s->sorted, by_name);
    assert(at != NULL);
    s->nsorted--;
    memmove(at, at + 1, (size_t)(s->sorted + s->nsorted - at) * sizeof *at);
}

/* ---- contexts, subjects, contents --------------------------------------------------------------------------------- */

static struct context *need_context(struct state *s, struct str name)
{
    struct context *c = state_context(s, name);
    if (c != NULL || (c = calloc(1, sizeof *c + name.n)) == NULL)
        return c;
    memcpy(c + 1, name.p, name.n);
    c->name = str_n(c + 1, name.n);
    if (map_set(&s->contexts, c->name, c) < 0) {
        free(c);
        return NULL;
    }
    return c;
}

static struct subject *need_subject(struct state *s, struct str name)
{
    struct subject *subject = state_subject(s, name);
    if (subject != NULL)
        return subject;
    struct context *context = need_context(s, subject_context(name));
    if (context == NULL || reserve((void ***)&s->fresh, s->nfresh, &s->cap_fresh) < 0 ||
        (subject = calloc(1, sizeof *subject + name.n)) == NULL)
        return NULL;
    memcpy(subject + 1, name.p, name.n);
    subject->name = str_n(subject + 1, name.n);
    subject->context = context;
    if (map_set(&s->subjects, subject->name, subject) < 0) {
        free(subject);
        return NULL;
    }
    s->fresh[s->nfresh++] = subject;
    return subject;
}

static void drop_subject(struct state *s, struct subject *subject)
{
    map_remove(&s->subjects, subject->name);
    unsort(s, subject);
    free(subject->versions);
    free(subject);
}

static char *put(char *at, struct str from, struct str *to)
{
    *to = from;
    if (from.p == NULL)
        return at;
    memcpy(at, from.p, from.n);
    to->p = at;
    return at + from.n;
}

/* One block: the content, its references, their texts. It has no body and is not in the maps yet. */
static struct content *content_new(struct context *context, const struct change *change)
{
    size_t bytes = sizeof(struct content) + change->nrefs * sizeof(struct schema_ref) + change->metadata.n + change->rule_set.n;
    for (size_t i = 0; i < change->nrefs; i++)
        bytes += change->refs[i].name.n + change->refs[i].subject.n;
    struct content *c = calloc(1, bytes);
    if (c == NULL)
        return NULL;
    struct schema_ref *refs = (struct schema_ref *)(c + 1);
    char *at = (char *)(refs + change->nrefs);
    c->context = context;
    c->id = change->id;
    c->type = (unsigned char)change->type;
    memcpy(c->md5, change->md5, sizeof c->md5);
    c->nrefs = change->nrefs;
    c->refs = refs;
    for (size_t i = 0; i < change->nrefs; i++) {
        refs[i].version = change->refs[i].version;
        at = put(at, change->refs[i].name, &refs[i].name);
        at = put(at, change->refs[i].subject, &refs[i].subject);
    }
    at = put(at, change->metadata, &c->metadata);
    put(at, change->rule_set, &c->rule_set);
    return c;
}

static int index_content(struct content *c)
{
    struct context *context = c->context;
    struct str id = str_n(&c->id, sizeof c->id), identity = str_n(c->md5, sizeof c->md5);
    if (map_set(&context->by_id, id, c) < 0)
        return -1;
    c->same = map_get(&context->by_identity, identity);
    if (map_set(&context->by_identity, identity, c) < 0) {
        map_remove(&context->by_id, id);
        return -1;
    }
    return 0;
}

static void drop_content(struct content *c)
{
    struct context *context = c->context;
    struct str identity = str_n(c->md5, sizeof c->md5);
    map_remove(&context->by_id, str_n(&c->id, sizeof c->id));
    struct content *first = map_remove(&context->by_identity, identity);
    struct content **link = &first;
    while (*link != c)
        link = &(*link)->same;
    *link = c->same;
    if (first != NULL) /* there is room: an entry was just taken out */
        map_set(&context->by_identity, str_n(first->md5, sizeof first->md5), first);
    body_unref(c->body);
    free(c);
}

/* Shows a holder, an active one if there is any; text for the first time. */
static int show(struct content *c, struct str text)
{
    struct version *v = c->shown;
    for (struct version *h = c->holders; h != NULL && (v == NULL || v->deleted); h = h->next)
        if (v == NULL || !h->deleted)
            v = h;
    struct body *b = body_new(c, v, text);
    if (b == NULL)
        return -1;
    body_unref(c->body);
    c->body = b;
    c->shown = v;
    return 0;
}

static void hold(struct content *c, struct version *v)
{
    v->content = c;
    v->prev = NULL;
    v->next = c->holders;
    if (v->next != NULL)
        v->next->prev = v;
    c->holders = v;
}

/* The content goes with its last holder. */
static int release(struct version *v)
{
    struct content *c = v->content;
    if (v->prev != NULL)
        v->prev->next = v->next;
    else
        c->holders = v->next;
    if (v->next != NULL)
        v->next->prev = v->prev;
    v->content = NULL;
    if (c->holders == NULL) {
        drop_content(c);
        return 0;
    }
    if (c->shown != v)
        return 0;
    c->shown = NULL;
    return show(c, STR_NULL);
}

/* ---- who refers to whom ------------------------------------------------------------------------------------------- */

static struct referrers *need_referrers(struct state *s, struct str key)
{
    struct referrers *r = map_get(&s->referrers, key);
    if (r != NULL || (r = calloc(1, sizeof *r + key.n)) == NULL)
        return r;
    memcpy(r + 1, key.p, key.n);
    r->key = str_n(r + 1, key.n);
    if (map_set(&s->referrers, r->key, r) < 0) {
        free(r);
        return NULL;
    }
    return r;
}

static int add_referrer(struct state *s, struct str key, struct version *v)
{
    struct referrers *r = need_referrers(s, key);
    if (r == NULL || reserve((void ***)&r->list, r->n, &r->cap) < 0)
        return -1;
    if (r->n == 0 || r->list[r->n - 1] != v)
        r->list[r->n++] = v;
    return 0;
}

static void remove_referrer(struct state *s, struct str key, const struct version *v)
{
    struct referrers *r = map_get(&s->referrers, key);
    for (size_t i = r != NULL ? r->n : 0; i > 0; i--) {
        if (r->list[i - 1] == v) {
            r->list[i - 1] = r->list[--r->n];
            break;
        }
    }
    if (r != NULL && r->n == 0) {
        map_remove(&s->referrers, r->key);
        free(r->list);
        free(r);
    }
}

/* Enters or removes v under everything that its content refers to. */
static int refer(struct state *s, struct version *v, bool add)
{
    OWN_BY(arena_clear) struct arena a = {0};
    OWN_BY(buf_clear) struct buf buf = {0};
    const struct content *c = v->content;
    for (size_t i = 0; i < c->nrefs; i++) {
        struct str target = subject_qualify(c->refs[i].subject, v->subject->name, &a);
        struct str key = target.p != NULL ? referrers_key(target, c->refs[i].version, &buf) : STR_NULL;
        if (key.p == NULL || (add && add_referrer(s, key, v) < 0))
            return -1;
        if (!add)
            remove_referrer(s, key, v);
    }
    return 0;
}

/* ---- changes ------------------------------------------------------------------------------------------------------ */

static int insert_version(struct subject *subject, struct version *v)
{
    if (reserve((void ***)&subject->versions, subject->n, &subject->cap) < 0)
        return -1;
    size_t at = subject->n;
    while (at > 0 && subject->versions[at - 1]->number > v->number)
        at--;
    memmove(subject->versions + at + 1, subject->versions + at, (subject->n - at) * sizeof v);
    subject->versions[at] = v;
    subject->n++;
    subject->context->versions++;
    return 0;
}

static int drop_version(struct state *s, struct version *v)
{
    struct subject *subject = v->subject;
    size_t at = 0;
    while (subject->versions[at] != v)
        at++;
    subject->n--;
    memmove(subject->versions + at, subject->versions + at + 1, (subject->n - at) * sizeof v);
    subject->active -= !v->deleted;
    subject->context->versions--;
    s->epoch++;
    int rc = refer(s, v, false);
    if (release(v) < 0)
        rc = -1;
    free(v);
    if (subject->n == 0)
        drop_subject(s, subject);
    return rc;
}

/* The content for the change: the one that its id names, or a new one in the maps with neither holder nor body. NULL with *conflict: the id
 * names another schema. */
static struct content *content_for(struct context *context, const struct change *c, bool *conflict)
{
    struct content *content = context_content(context, c->id);
    if (content != NULL && memcmp(content->md5, c->md5, sizeof c->md5) == 0)
        return content;
    if (content != NULL) {
        *conflict = true;
        return NULL;
    }
    if ((content = content_new(context, c)) != NULL && index_content(content) < 0) {
        free(content);
        return NULL;
    }
    return content;
}

/* Moves v, new or not, to the content that the change names. */
static int settle(struct state *s, struct version *v, struct content *content, const struct change *c)
{
    if (v->content != content) {
        if (v->content != NULL) { /* IMPORT wrote another schema over this version */
            s->epoch++;
            if (refer(s, v, false) < 0 || release(v) < 0)
                return -1;
        }
        hold(content, v);
        if (refer(s, v, true) < 0)
            return -1;
    }
    bool shown_changes = content->shown == v || content->body == NULL || (content->shown->deleted && !c->deleted);
    v->subject->active += (size_t)(v->deleted && !c->deleted);
    v->subject->active -= (size_t)(!v->deleted && c->deleted);
    v->deleted = c->deleted;
    v->ts_ms = c->ts_ms;
    return shown_changes ? show(content, c->text) : 0;
}

static int apply_schema(struct state *s, const struct change *c, size_t *ignored)
{
    struct subject *subject = state_subject(s, c->subject);
    struct version *v = subject_version(subject, c->version);
    if (c->tombstone)
        return v != NULL ? drop_version(s, v) : 0;
    struct context *context = need_context(s, subject_context(c->subject));
    bool conflict = false;
    struct content *content = context != NULL ? content_for(context, c, &conflict) : NULL;
    if (conflict) {
        (*ignored)++;
        return 0;
    }
    if (content == NULL || (subject = need_subject(s, c->subject)) == NULL)
        return -1;
    if (c->id > context->max_id)
        context->max_id = c->id;
    if (v == NULL) {
        if ((v = calloc(1, sizeof *v)) == NULL)
            return -1;
        v->subject = subject;
        v->number = c->version;
        v->deleted = true; /* until settled: not counted as active */
        if (insert_version(subject, v) < 0) {
            free(v);
            return -1;
        }
    }
    return settle(s, v, content, c);
}

/* Versions that exist now, up to the number, become soft-deleted. */
static int apply_delete_subject(struct state *s, const struct change *c)
{
    const struct subject *subject = state_subject(s, c->subject);
    for (size_t i = 0; subject != NULL && i < subject->n && subject->versions[i]->number <= c->version; i++) {
        struct version *v = subject->versions[i];
        if (v->deleted)
            continue;
        v->deleted = true;
        v->subject->active--;
        if (v->content->shown == v && show(v->content, STR_NULL) < 0)
            return -1;
    }
    return 0;
}

static int forget_deleted(struct state *s, struct subject *subject)
{
    for (size_t i = subject->n; i > 0; i--) /* the subject itself goes with the last of its versions, at i 1 */
        if (subject->versions[i - 1]->deleted && drop_version(s, subject->versions[i - 1]) < 0)
            return -1;
    return 0;
}

static int apply_clear_subject(struct state *s, const struct change *c)
{
    bool everything = c->subject.n == 0;
    bool whole_context = !everything && subject_name(c->subject).n == 0;
    if (merge_fresh(s) < 0)
        return -1;
    if (!everything && !whole_context) {
        struct subject *subject = state_subject(s, c->subject);
        return subject != NULL ? forget_deleted(s, subject) : 0;
    }
    for (size_t i = s->nsorted; i > 0; i--)
        if ((everything || str_eq(s->sorted[i - 1]->context->name, subject_context(c->subject))) && forget_deleted(s, s->sorted[i - 1]) < 0)
            return -1;
    return 0;
}

static void drop_setting_if_empty(struct state *s, struct setting *setting)
{
    if (setting->has_config || setting->has_mode)
        return;
    map_remove(&s->settings, setting->entry);
    free(setting->memory);
    free(setting);
}

static struct setting *need_setting(struct state *s, struct str entry)
{
    struct setting *setting = map_get(&s->settings, entry);
    if (setting != NULL || (setting = calloc(1, sizeof *setting + entry.n)) == NULL)
        return setting;
    if (entry.n != 0)
        memcpy(setting + 1, entry.p, entry.n);
    setting->entry = str_n(setting + 1, entry.n);
    if (map_set(&s->settings, setting->entry, setting) < 0) {
        free(setting);
        return NULL;
    }
    return setting;
}

static int keep_config(struct setting *setting, const struct config *config)
{
    size_t bytes = 1;
    for (int f = 0; f < CONFIG_FIELDS; f++)
        bytes += config->v[f].n;
    char *memory = malloc(bytes), *at = memory;
    if (memory == NULL)
        return -1;
    for (int f = 0; f < CONFIG_FIELDS; f++)
        at = put(at, config->v[f], &setting->config.v[f]);
    free(setting->memory);
    setting->memory = memory;
    setting->has_config = true;
    return 0;
}

static int apply_setting(struct state *s, const struct change *c)
{
    if (c->subject.n == 0 && c->null_subject)
        s->null_key[c->kind == CHANGE_MODE] = !c->tombstone;
    bool gone = c->tombstone || (c->kind == CHANGE_MODE && c->no_mode);
    struct setting *setting = gone ? map_get(&s->settings, c->subject) : need_setting(s, c->subject);
    if (setting == NULL)
        return gone ? 0 : -1;
    if (gone) {
        if (c->kind == CHANGE_CONFIG)
            setting->has_config = false;
        else
            setting->has_mode = false;
        drop_setting_if_empty(s, setting);
        return 0;
    }
    if (c->kind == CHANGE_CONFIG)
        return keep_config(setting, &c->config);
    setting->mode = c->mode;
    setting->has_mode = true;
    return 0;
}

static int apply_context(struct state *s, const struct change *c)
{
    struct context *context = c->tombstone ? state_context(s, c->context) : need_context(s, c->context);
    if (context != NULL)
        context->known = !c->tombstone;
    return context != NULL || c->tombstone ? 0 : -1;
}

static int apply(struct state *s, const struct change *c, size_t *ignored)
{
    switch (c->kind) {
    case CHANGE_SCHEMA:
        return apply_schema(s, c, ignored);
    case CHANGE_CONFIG:
    case CHANGE_MODE:
        return apply_setting(s, c);
    case CHANGE_DELETE_SUBJECT:
        return c->tombstone ? 0 : apply_delete_subject(s, c);
    case CHANGE_CLEAR_SUBJECT:
        return c->tombstone ? 0 : apply_clear_subject(s, c);
    case CHANGE_CONTEXT:
        return c->context.n != 0 ? apply_context(s, c) : 0;
    default:
        return 0;
    }
}

int state_apply(struct state *s, const struct change *changes, size_t n, size_t *ignored, struct err *err)
{
    int rc = 0;
    pthread_rwlock_wrlock(&s->lock);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = apply(s, &changes[i], ignored);
    if (rc == 0)
        rc = merge_fresh(s);
    pthread_rwlock_unlock(&s->lock);
    return rc == 0 ? 0 : err_nomem(err);
}
