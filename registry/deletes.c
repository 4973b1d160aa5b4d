/* registry/deletes.c - deleting subjects and versions, softly and for good (registry-api.md 2.5). */
#include "registry/core.h"
#include "registry/scribe.h"

struct deleting {
    struct str subject;
    int32_t version; /* -1: latest */
    bool permanent;
};

/* Does anything refer to v?  Only active versions count unless deleted; those of other_than do not (n 0: all count). */
static bool is_referenced(const struct registry *r, const struct version *v, bool deleted, struct str other_than)
{
    size_t n;
    struct version *const *list = state_referrers(r->state, v->subject->name, v->number, &n);
    for (size_t i = 0; i < n; i++)
        if ((deleted || !list[i]->deleted) && (other_than.n == 0 || !str_eq(list[i]->subject->name, other_than)))
            return true;
    return false;
}

/* The last version takes the subject's own config and mode with it. */
static int plan_drop_settings(struct registry *r, struct plan *plan, struct str subject, struct err *err)
{
    enum mode mode;
    const struct change no_mode = {.kind = CHANGE_MODE, .tombstone = true, .subject = subject};
    const struct change no_config = {.kind = CHANGE_CONFIG, .tombstone = true, .subject = subject};
    if (state_mode(r->state, subject, &mode) && plan_add(plan, &no_mode, err) < 0)
        return -1;
    return state_config(r->state, subject) != NULL ? plan_add(plan, &no_config, err) : 0;
}

static int plan_drop_version(struct plan *plan, struct str subject, int32_t version, struct err *err)
{
    const struct change gone = {.kind = CHANGE_SCHEMA, .tombstone = true, .subject = subject, .version = version};
    return plan_add(plan, &gone, err);
}

/* ---- one version ------------------------------------------------------------------------------------------------------ */

static int delete_one(struct registry *r, struct plan *plan, struct job *job, const struct deleting *in, struct err *err)
{
    const struct subject *s = state_subject(r->state, in->subject);
    const struct version *v = in->version == -1 ? subject_latest(s) : subject_version(s, in->version);
    if (v != NULL && v->deleted && !in->permanent)
        return REG_FAIL(err, REG_VERSION_SOFT_DELETED, STR_ARG(in->subject), v->number);
    if (s == NULL)
        return REG_FAIL(err, REG_SUBJECT_NOT_FOUND, STR_ARG(in->subject));
    if (v == NULL)
        return REG_FAIL(err, REG_VERSION_NOT_FOUND, in->version);
    if (mode_is_readonly(mode_of(r->state, in->subject)))
        return registry_refuse_readonly(in->subject, err);
    if (is_referenced(r, v, in->permanent, STR("")))
        return REG_FAIL(err, REG_REFERENCED, STR_ARG(in->subject), v->number);
    if (in->permanent && !v->deleted)
        return REG_FAIL(err, REG_VERSION_NOT_SOFT_DELETED, STR_ARG(in->subject), v->number);
    buf_printf(&job->body, "%d", v->number);
    if (in->permanent) {
        if (plan_drop_version(plan, in->subject, v->number, err) < 0)
            return -1;
        return s->n == 1 ? plan_drop_settings(r, plan, in->subject, err) : 0;
    }
    struct change c;
    if (state_copy(v, plan_arena(plan), &c) < 0)
        return err_nomem(err);
    c.deleted = true;
    return plan_add(plan, &c, err);
}

static int decide_delete_version(struct registry *r, struct plan *plan, struct job *job, struct err *err)
{
    state_read(r->state);
    int rc = delete_one(r, plan, job, job->input, err);
    state_done(r->state);
    return rc;
}

/* ---- a subject -------------------------------------------------------------------------------------------------------- */

static int check_delete_subject(struct registry *r, const struct subject *s, const struct deleting *in, struct err *err)
{
    if (s == NULL)
        return REG_FAIL(err, REG_SUBJECT_NOT_FOUND, STR_ARG(in->subject));
    if (!in->permanent && s->active == 0)
        return REG_FAIL(err, REG_SUBJECT_SOFT_DELETED, STR_ARG(in->subject));
    if (mode_is_readonly(mode_of(r->state, in->subject)))
        return registry_refuse_readonly(in->subject, err);
    if (in->permanent && s->active != 0)
        return REG_FAIL(err, REG_SUBJECT_NOT_SOFT_DELETED, STR_ARG(in->subject));
    for (size_t i = 0; i < s->n; i++)
        if ((in->permanent || !s->versions[i]->deleted) && is_referenced(r, s->versions[i], in->permanent, in->subject))
            return REG_FAIL(err, REG_REFERENCED, STR_ARG(in->subject), s->versions[i]->number);
    return 0;
}

static int delete_all(struct registry *r, struct plan *plan, struct job *job, const struct deleting *in, struct err *err)
{
    const struct subject *s = state_subject(r->state, in->subject);
    if (check_delete_subject(r, s, in, err) < 0)
        return -1;
    struct json_writer w = json_writer_on(&job->body);
    jw_array(&w);
    for (size_t i = 0; i < s->n; i++)
        if (in->permanent || !s->versions[i]->deleted)
            jw_i64(&w, s->versions[i]->number);
    jw_array_end(&w);
    if (!in->permanent) {
        const struct change c = {.kind = CHANGE_DELETE_SUBJECT, .subject = in->subject, .version = subject_latest(s)->number};
        return plan_add(plan, &c, err);
    }
    for (size_t i = s->n; i > 0; i--)
        if (plan_drop_version(plan, in->subject, s->versions[i - 1]->number, err) < 0)
            return -1;
    return plan_drop_settings(r, plan, in->subject, err);
}

static int decide_delete_subject(struct registry *r, struct plan *plan, struct job *job, struct err *err)
{
    state_read(r->state);
    int rc = delete_all(r, plan, job, job->input, err);
    state_done(r->state);
    return rc;
}

/* ---- requests --------------------------------------------------------------------------------------------------------- */

static int start(struct registry *r, struct request *req, struct reply *reply, job_decide *decide, bool one, struct err *err)
{
    struct deleting *in = arena_calloc(request_arena(req), 1, sizeof *in);
    if (in == NULL)
        return err_nomem(err);
    in->subject = request_subject(r, req, err);
    in->permanent = request_query_bool(req, "permanent");
    if (in->subject.p == NULL || (one && request_version(req, &in->version, err) < 0))
        return -1;
    return scribe_ask(r->scribe, req, reply, decide, in, err);
}

int delete_version(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, decide_delete_version, true, err);
}

int delete_subject(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, decide_delete_subject, false, err);
}
