/* registry/subjects.c - reading subjects and their versions. */
#include "registry/answer.h"
#include "registry/core.h"

#include <stdlib.h>

#include "base/own.h"

int get_subjects(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    struct str prefix = request_query(req, "subjectPrefix");
    const struct subject_filter filter = subject_filter_of(prefix.p != NULL ? prefix : STR(":*:"));
    const bool only_deleted = request_query_bool(req, "deletedOnly"), deleted = request_query_bool(req, "deleted");
    size_t from, count, n, at = 0;
    if (request_page(req, r->conf->subjects_default, r->conf->subjects_max, &from, &count, err) < 0)
        return -1;
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_array(&w);
    state_read(r->state);
    struct subject *const *subjects = state_subjects(r->state, &n);
    for (size_t i = 0; i < n && count > 0; i++) {
        const struct subject *s = subjects[i];
        if ((only_deleted ? s->active != 0 : s->active == 0 && !deleted) || !subject_filter_takes(&filter, s->name) || at++ < from)
            continue;
        jw_str(&w, s->name);
        count--;
    }
    state_done(r->state);
    jw_array_end(&w);
    return 0;
}

int get_versions(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    const bool negative = request_query_bool(req, "deletedAsNegative"), only = !negative && request_query_bool(req, "deletedOnly");
    const bool deleted = request_query_bool(req, "deleted"), asked_only = request_query_bool(req, "deletedOnly");
    size_t from, count, at = 0;
    struct str subject = request_subject(r, req, err);
    if (subject.p == NULL || request_page(req, r->conf->versions_default, r->conf->versions_max, &from, &count, err) < 0)
        return -1;
    struct json_writer w = json_writer_on(reply_body(reply));
    state_read(r->state);
    const struct subject *s = state_subject(r->state, subject);
    bool there = s != NULL && (s->active != 0 || deleted || asked_only);
    jw_array(&w);
    for (size_t i = 0; there && i < s->n && count > 0; i++) {
        const struct version *v = s->versions[i];
        if ((only ? !v->deleted : v->deleted && !deleted && !negative) || at++ < from)
            continue;
        jw_i64(&w, negative && v->deleted ? -v->number : v->number);
        count--;
    }
    jw_array_end(&w);
    state_done(r->state);
    return there ? 0 : REG_FAIL(err, REG_SUBJECT_NOT_FOUND, STR_ARG(subject));
}

/* The version of the path, under the read lock; NULL with 40401 or 40402. deleted: soft-deleted ones count. */
static const struct version *find_version(struct registry *r, struct str subject, int32_t number, bool deleted, struct err *err)
{
    const struct subject *s = state_subject(r->state, subject);
    const struct version *v = number == -1 ? subject_latest(s) : subject_version(s, number);
    if (v != NULL && (!v->deleted || deleted))
        return v;
    if (s == NULL || (s->active == 0 && !deleted))
        REG_FAIL(err, REG_SUBJECT_NOT_FOUND, STR_ARG(subject));
    else
        REG_FAIL(err, REG_VERSION_NOT_FOUND, number);
    return NULL;
}

/* format=resolved: the text with its references inlined. STR_NULL with err. */
static struct str resolved_text(struct registry *r, const struct change *stored, struct arena *a, struct err *err)
{
    OWN_BY(buf_clear) struct buf text = {0};
    struct schema *s = registry_parse_stored(r, stored, err);
    if (s == NULL)
        return STR_NULL;
    int rc = schema_put_resolved(s, &text, err);
    schema_unref(s);
    struct str out = rc < 0 || text.failed ? STR_NULL : arena_str(a, buf_str(&text));
    if (out.p == NULL)
        err_nomem(err);
    return out;
}

bool request_wants_resolved(const struct request *req)
{
    struct str format = request_query(req, "format");
    return format.p != NULL && str_eq_nocase(format, STR("resolved"));
}

/* Answers with the version, or with its text alone. */
static int answer_version(struct registry *r, struct request *req, struct reply *reply, bool alone, struct err *err)
{
    int32_t number;
    struct str subject = request_subject(r, req, err), text = STR_NULL;
    struct change stored = {0};
    const bool deleted = request_query_bool(req, "deleted");
    if (subject.p == NULL || request_version(req, &number, err) < 0)
        return -1;
    if (request_wants_resolved(req)) {
        state_read(r->state);
        const struct version *v = find_version(r, subject, number, deleted, err);
        int rc = v == NULL ? -1 : state_copy(v, request_arena(req), &stored) < 0 ? err_nomem(err) : 0;
        state_done(r->state);
        if (rc < 0 || (stored.nrefs != 0 && (text = resolved_text(r, &stored, request_arena(req), err)).p == NULL))
            return -1;
        number = stored.version;
    }
    state_read(r->state);
    const struct version *v = find_version(r, subject, number, deleted, err);
    if (v != NULL && !alone)
        answer_put_version(reply_body(reply), v, text);
    else if (v != NULL && text.p != NULL)
        buf_put_str(reply_body(reply), text);
    else if (v != NULL)
        json_unescape(content_text(v->content), reply_body(reply));
    state_done(r->state);
    return v != NULL ? 0 : -1;
}

static int answer_version_whole(struct registry *r, struct request *req, struct reply *reply, const atomic_bool *gone, struct err *err)
{
    return answer_version(r, req, reply, false, err);
}

static int answer_version_text(struct registry *r, struct request *req, struct reply *reply, const atomic_bool *gone, struct err *err)
{
    return answer_version(r, req, reply, true, err);
}

int get_version(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    if (request_wants_resolved(req)) /* parses */
        return registry_later(arg, answer_version_whole, req, reply, err);
    return answer_version(arg, req, reply, false, err);
}

int get_version_schema(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    if (request_wants_resolved(req))
        return registry_later(arg, answer_version_text, req, reply, err);
    return answer_version(arg, req, reply, true, err);
}

struct referrer {
    struct str context;
    int32_t id;
};

static int by_context_and_id(const void *a, const void *b)
{
    const struct referrer *x = a, *y = b;
    int c = str_cmp_utf16(x->context, y->context);
    return c != 0 ? c : (x->id > y->id) - (x->id < y->id);
}

int get_referenced_by(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    const bool deleted = request_query_bool(req, "deleted");
    int32_t number;
    size_t n, kept = 0, from, count;
    struct str subject = request_subject(r, req, err);
    if (subject.p == NULL || request_version(req, &number, err) < 0 || request_page(req, INT32_MAX, INT32_MAX, &from, &count, err) < 0)
        return -1;
    state_read(r->state);
    const struct version *v = find_version(r, subject, number, true, err);
    struct version *const *list = state_referrers(r->state, subject, v != NULL ? v->number : 0, &n);
    struct referrer *found = arena_calloc(request_arena(req), n + 1, sizeof *found);
    for (size_t i = 0; i < n && found != NULL; i++)
        if (deleted || !list[i]->deleted)
            found[kept++] = (struct referrer){list[i]->content->context->name, list[i]->content->id};
    if (found != NULL)
        qsort(found, kept, sizeof *found, by_context_and_id);
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_array(&w);
    size_t at = 0;
    for (size_t i = 0; i < kept && count > 0; i++) {
        if ((i > 0 && by_context_and_id(&found[i - 1], &found[i]) == 0) || at++ < from)
            continue;
        jw_i64(&w, found[i].id);
        count--;
    }
    jw_array_end(&w);
    state_done(r->state);
    return v == NULL ? -1 : found == NULL ? err_nomem(err) : 0;
}
