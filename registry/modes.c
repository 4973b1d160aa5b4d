/* registry/modes.c - modes, global and of one subject (registry-api.md 2.9). */
#include "registry/core.h"
#include "registry/scribe.h"

struct moding {
    struct str entry; /* "" for the global one */
    bool remove;      /* DELETE */
    bool clear;       /* PUT of null */
    bool force, recursive;
    enum mode mode;
    struct str as_sent;
};

static void put_mode_text(struct buf *out, struct str mode)
{
    struct json_writer w = json_writer_on(out);
    jw_object(&w);
    jw_key(&w, "mode");
    jw_str(&w, mode);
    jw_object_end(&w);
}

static int answer_mode(struct registry *r, struct str entry, bool default_to_global, struct reply *reply, struct err *err)
{
    enum mode mode = MODE_READWRITE;
    if (entry.p == NULL)
        return -1;
    state_read(r->state);
    bool there = state_mode(r->state, entry, &mode);
    if (!there && default_to_global)
        mode = mode_of(r->state, entry);
    state_done(r->state);
    if (!there && !default_to_global && !subject_is_global(entry))
        return REG_FAIL(err, REG_NO_SUBJECT_MODE, STR_ARG(entry));
    put_mode_text(reply_body(reply), str_of(mode_name(mode)));
    return 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static int plan_mode(struct registry *r, struct plan *plan, struct str entry, bool remove, enum mode mode, struct err *err)
{
    const struct change c = {.kind = CHANGE_MODE, .tombstone = remove, .subject = entry, .mode = mode};
    return plan_add_setting(plan, r, &c, err);
}

/* Both global entries speak for every subject, a context's for those in it. */
static bool in_reach(struct str entry, const struct subject *s)
{
    if (subject_is_global(entry))
        return true;
    return subject_name(entry).n == 0 ? str_eq(subject_context(entry), s->context->name) : str_eq(entry, s->name);
}

/* Before IMPORT: nothing active may be there, and what was soft-deleted goes. */
static int plan_emptying(struct registry *r, struct plan *plan, struct str entry, struct err *err)
{
    size_t n;
    struct subject *const *subjects = state_subjects(r->state, &n);
    for (size_t i = 0; i < n; i++)
        if (in_reach(entry, subjects[i]) && subjects[i]->active != 0)
            return err_set(err, REG_NOT_PERMITTED, "Cannot import since found existing subjects");
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!in_reach(entry, subjects[i]))
            continue;
        for (size_t k = subjects[i]->n; k > 0; k--) {
            const struct version *v = subjects[i]->versions[k - 1];
            size_t nreferrers;
            struct version *const *referrers = state_referrers(r->state, subjects[i]->name, v->number, &nreferrers);
            for (size_t j = 0; j < nreferrers; j++)
                if (!in_reach(entry, referrers[j]->subject))
                    return REG_FAIL(err, REG_REFERENCED, STR_ARG(subjects[i]->name), v->number);
            const struct change gone = {.kind = CHANGE_SCHEMA, .tombstone = true, .subject = subjects[i]->name, .version = v->number};
            if (plan_add(plan, &gone, err) < 0)
                return -1;
            any = true;
        }
    }
    const struct change cleared = {.kind = CHANGE_CLEAR_SUBJECT, .subject = subject_is_global(entry) ? STR("") : entry};
    return any ? plan_add(plan, &cleared, err) : 0;
}

static int decide_put(struct registry *r, struct plan *plan, struct job *job, const struct moding *in, struct err *err)
{
    enum mode before;
    int rc = 0;
    state_read(r->state);
    before = mode_of(r->state, in->entry);
    if (!in->clear && in->mode == MODE_IMPORT && before != MODE_IMPORT && !in->force)
        rc = plan_emptying(r, plan, in->entry, err);
    state_done(r->state);
    if (rc < 0)
        return -1;
    put_mode_text(&job->body, in->clear ? STR_NULL : in->as_sent);
    return plan_mode(r, plan, in->entry, in->clear, in->mode, err);
}

/* Modes of the subjects in the context that the entry stands for. */
static int plan_remove_below(struct registry *r, struct plan *plan, struct str entry, struct err *err)
{
    struct str *entries;
    size_t n;
    state_read(r->state);
    int rc = state_modes(r->state, entry, plan_arena(plan), &entries, &n);
    state_done(r->state);
    if (rc < 0)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        if (!str_eq(entries[i], entry) && subject_name(entries[i]).n != 0 && str_eq(subject_context(entries[i]), subject_context(entry)) &&
            plan_mode(r, plan, entries[i], true, MODE_READWRITE, err) < 0)
            return -1;
    return 0;
}

static int decide_delete(struct registry *r, struct plan *plan, struct job *job, const struct moding *in, struct err *err)
{
    enum mode mode = MODE_READWRITE;
    state_read(r->state);
    bool there = state_mode(r->state, in->entry, &mode);
    state_done(r->state);
    bool global = subject_is_global(in->entry);
    if (!there && !global && !in->recursive)
        return REG_FAIL(err, REG_SUBJECT_NOT_FOUND, STR_ARG(in->entry));
    if (!r->conf->mode_mutability)
        return err_set(err, REG_NOT_PERMITTED, "Mode changes are not allowed");
    if (there || global)
        put_mode_text(&job->body, str_of(mode_name(mode)));
    else
        buf_put_str(&job->body, STR("{}"));
    if (there && plan_mode(r, plan, in->entry, true, mode, err) < 0)
        return -1;
    return in->recursive && subject_name(in->entry).n == 0 ? plan_remove_below(r, plan, in->entry, err) : 0;
}

static int decide_mode(struct registry *r, struct plan *plan, struct job *job, struct err *err)
{
    const struct moding *in = job->input;
    return in->remove ? decide_delete(r, plan, job, in, err) : decide_put(r, plan, job, in, err);
}

static int read_put(const struct registry *r, struct request *req, struct moding *in, struct err *err)
{
    const struct json *v = body_read(request_body(req), request_arena(req), err);
    if (v == NULL)
        return -1;
    const struct json *mode = json_get(v, "mode");
    if (v->type != JSON_T_OBJECT || (mode != NULL && (mode->type == JSON_T_OBJECT || mode->type == JSON_T_ARRAY)))
        return err_set(err, REG_BAD_REQUEST, "expected an object such as {\"mode\":\"READONLY\"}");
    in->clear = json_is(mode, JSON_T_NULL);
    in->as_sent = json_is(mode, JSON_T_STRING) ? mode->text : STR("");
    if (!in->clear && !mode_parse(in->as_sent, &in->mode))
        return REG_FAIL(err, REG_INVALID_MODE, STR_ARG(in->as_sent));
    if (!in->clear && in->mode == MODE_FORWARD && !str_is(in->entry, GLOBAL_CONTEXT))
        return err_set(err, REG_INVALID_MODE, "Forward mode only supported on global level");
    if (!r->conf->mode_mutability)
        return err_set(err, REG_NOT_PERMITTED, "Mode changes are not allowed");
    return subject_check_entry(in->entry, err);
}

static int start(struct registry *r, struct request *req, struct reply *reply, struct str entry, bool put, struct err *err)
{
    struct moding *in = arena_calloc(request_arena(req), 1, sizeof *in);
    if (entry.p == NULL)
        return -1;
    if (in == NULL)
        return err_nomem(err);
    in->entry = entry;
    in->remove = !put;
    in->force = request_query_bool(req, "force");
    in->recursive = request_query_bool(req, "recursive");
    if (put && read_put(r, req, in, err) < 0)
        return -1;
    return scribe_ask(r->scribe, req, reply, decide_mode, in, err);
}

int get_mode(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return answer_mode(arg, STR(""), request_query_bool(req, "defaultToGlobal"), reply, err);
}

int put_mode(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, STR(""), true, err);
}

int delete_mode(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, STR(""), false, err);
}

int get_subject_mode(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return answer_mode(arg, request_entry(req, err), request_query_bool(req, "defaultToGlobal"), reply, err);
}

int put_subject_mode(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, request_entry(req, err), true, err);
}

int delete_subject_mode(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, request_entry(req, err), false, err);
}
