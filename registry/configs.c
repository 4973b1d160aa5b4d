/* registry/configs.c - configuration, global and of one subject (registry-api.md 1.6, 2.7). */
#include "registry/core.h"
#include "registry/scribe.h"

struct configuring {
    struct str entry; /* "" for the global one */
    const struct json *body; /* NULL: delete */
};

static void put_entity(struct buf *out, const struct registry *r, const struct config *c, const char *level_name, bool fill_level)
{
    struct config whole = c != NULL ? *c : (struct config){0};
    char level[40] = "\"";
    if (fill_level && whole.v[CONFIG_LEVEL].p == NULL) {
        strcat(strcat(level, compat_level_name(r->level)), "\"");
        whole.v[CONFIG_LEVEL] = str_of(level);
    }
    struct json_writer w = json_writer_on(out);
    jw_object(&w);
    config_put(&w, &whole, level_name);
    jw_object_end(&w);
}

/* What governs the entry, the gaps filled that a subject's own config leaves. */
static struct config in_scope(const struct registry *r, struct str entry)
{
    static const enum config_field filled[] = {CONFIG_NORMALIZE, CONFIG_VALIDATE_FIELDS, CONFIG_VALIDATE_NEW, CONFIG_VALIDATE_RULES,
                                               CONFIG_POLICY, CONFIG_GROUP};
    const struct scope scope = scope_of(r->state, entry);
    struct config c = scope.entry != NULL ? *scope.entry : (struct config){0};
    for (size_t i = 0; i < sizeof filled / sizeof *filled && scope.fill != NULL; i++)
        if (c.v[filled[i]].p == NULL)
            c.v[filled[i]] = scope.fill->v[filled[i]];
    return c;
}

static int answer_config(struct registry *r, struct str entry, bool default_to_global, struct reply *reply, struct err *err)
{
    int rc = 0;
    if (entry.p == NULL)
        return -1;
    state_read(r->state);
    if (default_to_global) {
        const struct config c = in_scope(r, entry);
        put_entity(reply_body(reply), r, &c, "compatibilityLevel", true);
    } else {
        const struct config *c = state_config(r->state, entry);
        if (c == NULL && !subject_is_global(entry))
            rc = REG_FAIL(err, REG_NO_SUBJECT_CONFIG, STR_ARG(entry));
        else
            put_entity(reply_body(reply), r, c, "compatibilityLevel", true);
    }
    state_done(r->state);
    return rc;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static int copy_config(struct registry *r, struct str entry, struct arena *a, struct config *out, bool *there, struct err *err)
{
    int rc = 0;
    *out = (struct config){0};
    state_read(r->state);
    const struct config *c = state_config(r->state, entry);
    *there = c != NULL;
    for (int f = 0; c != NULL && f < CONFIG_FIELDS; f++)
        if (c->v[f].p != NULL && (out->v[f] = arena_str(a, c->v[f])).p == NULL)
            rc = err_nomem(err);
    state_done(r->state);
    return rc;
}

static int decide_config(struct registry *r, struct plan *plan, struct job *job, struct err *err)
{
    const struct configuring *in = job->input;
    struct change c = {.kind = CHANGE_CONFIG, .subject = in->entry, .tombstone = in->body == NULL};
    bool there;
    if (copy_config(r, in->entry, plan_arena(plan), &c.config, &there, err) < 0)
        return -1;
    if (c.tombstone && !there && !subject_is_global(in->entry))
        return REG_FAIL(err, REG_SUBJECT_NOT_FOUND, STR_ARG(in->entry));
    if (registry_check_writable(r, in->entry, err) < 0)
        return -1;
    if (c.tombstone)
        put_entity(&job->body, r, &c.config, "compatibilityLevel", true);
    else if (config_update(&c.config, in->body, plan_arena(plan), err) < 0)
        return -1;
    else
        put_entity(&job->body, r, &c.config, "compatibility", false);
    return c.tombstone && !there ? 0 : plan_add_setting(plan, r, &c, err);
}

static int start(struct registry *r, struct request *req, struct reply *reply, struct str entry, bool put, struct err *err)
{
    struct arena *a = request_arena(req);
    struct configuring *in = arena_calloc(a, 1, sizeof *in);
    struct config checked = {0};
    if (entry.p == NULL)
        return -1;
    if (in == NULL)
        return err_nomem(err);
    in->entry = entry;
    if (put && ((in->body = body_read(request_body(req), a, err)) == NULL || config_update(&checked, in->body, a, err) < 0 ||
                subject_check_entry(entry, err) < 0))
        return -1;
    return scribe_ask(r->scribe, req, reply, decide_config, in, err);
}

int get_config(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return answer_config(arg, STR(""), request_query_bool(req, "defaultToGlobal"), reply, err);
}

int put_config(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, STR(""), true, err);
}

int delete_config(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, STR(""), false, err);
}

int get_subject_config(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return answer_config(arg, request_entry(req, err), request_query_bool(req, "defaultToGlobal"), reply, err);
}

int put_subject_config(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, request_entry(req, err), true, err);
}

int delete_subject_config(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return start(arg, req, reply, request_entry(req, err), false, err);
}
