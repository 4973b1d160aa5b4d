/* registry/register.c - looking a schema up and registering it (registry-api.md 2.3, 2.4). */
#include "registry/answer.h"
#include "registry/core.h"
#include "registry/scribe.h"

#include "base/own.h"

/* One request on its way. Lives in the request's arena. */
struct registering {
    struct str subject;
    struct posted posted;
    bool normalize, force;
    struct schema *schema;  /* owned; NULL until there is a text */
    struct err strict;      /* why it is no valid new schema, when it could only be read leniently */
};

static void registering_clear(void *input)
{
    schema_unrefp(&((struct registering *)input)->schema);
}

/* ---- known already, by the body's bytes ------------------------------------------------------------------------------ */

/* Asked for or configured, but never in IMPORT mode. *merges: metadata is added by the configuration. */
static bool wants_normal(struct registry *r, const struct request *req, struct str subject, bool *merges)
{
    bool asked = request_query_bool(req, "normalize");
    state_read(r->state);
    const struct scope scope = scope_of(r->state, subject);
    bool normalize = (asked || scope_flag(&scope, CONFIG_NORMALIZE, false)) && !mode_is_import(mode_of(r->state, subject));
    *merges = scope_adds_metadata(&scope);
    state_done(r->state);
    return normalize;
}

static bool answers_request(const struct version *v, int32_t id, int32_t version)
{
    return (id == 0 || id == v->content->id) && (version <= 0 || version == v->number);
}

/* The version that a body seen before stands for, with the read lock held; NULL without. */
static struct version *find_seen(struct registry *r, struct str subject, const struct seen_key *key, bool deleted, bool lookup)
{
    struct seen_fact fact;
    if (!seen_find(r->seen, key, &fact))
        return NULL;
    struct version *v = registry_find_exact(r, subject, (enum schema_type)fact.type, fact.md5, deleted, !lookup && fact.version == -1);
    if (v == NULL || lookup || answers_request(v, fact.id, fact.version))
        return v;
    state_done(r->state);
    return NULL;
}

static void keep_seen(struct registry *r, const struct request *req, const struct registering *in, const unsigned char md5[16])
{
    struct seen_key key;
    struct seen_fact fact = {.version = in->posted.version, .id = in->posted.id, .type = (int)in->posted.type};
    if (in->posted.nrefs != 0 || !seen_key_of(r->seen, request_body(req), in->normalize, &key))
        return;
    memcpy(fact.md5, md5, sizeof fact.md5);
    seen_keep(r->seen, &key, &fact);
}

/* ---- reading the request ---------------------------------------------------------------------------------------------- */

static int normalize(struct registering *in, struct err *err)
{
    if (!in->normalize || in->schema == NULL)
        return 0;
    struct schema *normal = schema_normalize(in->schema, err);
    schema_unref(in->schema);
    in->schema = normal;
    return normal != NULL ? 0 : -1;
}

/* Parses the text: strictly if it may be new; if that fails but it can be read, it may still be there already. */
static int parse(struct registry *r, struct registering *in, bool strict, struct err *err)
{
    struct parse_request p = {.subject = in->subject,
                              .type = in->posted.type,
                              .text = in->posted.text,
                              .refs = in->posted.refs,
                              .nrefs = in->posted.nrefs,
                              .strict = strict};
    schema_unrefp(&in->schema);
    err_clear(&in->strict);
    in->schema = registry_parse(r, &p, &in->strict);
    if (in->schema == NULL) {
        p.strict = false;
        p.deleted_ok = true;
        if ((in->schema = registry_parse(r, &p, NULL)) == NULL)
            return err_set(err, in->strict.code, "%s", in->strict.text);
    }
    return normalize(in, err);
}

static bool validates_new(struct registry *r, struct str subject)
{
    state_read(r->state);
    const struct scope scope = scope_of(r->state, subject);
    bool strict = scope_flag(&scope, CONFIG_VALIDATE_NEW, r->conf->validate_new_schemas);
    state_done(r->state);
    return strict;
}

/* ---- look-up ---------------------------------------------------------------------------------------------------------- */

static int lookup_slowly(struct registry *r, struct request *req, struct reply *reply, const atomic_bool *gone, struct err *err)
{
    struct arena *a = request_arena(req);
    OWN_BY(registering_clear) struct registering in = {0};
    struct identity identity;
    bool merges, scanned = false, deleted = request_query_bool(req, "deleted");
    in.subject = request_subject(r, req, err);
    if (in.subject.p == NULL || posted_read(request_body(req), a, &in.posted, err) < 0)
        return -1;
    in.normalize = wants_normal(r, req, in.subject, &merges);
    const struct parse_request p = {.subject = in.subject,
                                    .type = in.posted.type,
                                    .text = in.posted.text,
                                    .refs = in.posted.refs,
                                    .nrefs = in.posted.nrefs,
                                    .deleted_ok = true};
    in.schema = registry_parse(r, &p, err);
    if (in.schema == NULL || normalize(&in, err) < 0 || identity_of(in.schema, &in.posted.metadata, STR_NULL, a, &identity, err) < 0)
        return -1;
    struct version *v = registry_find(r, in.subject, in.schema, &identity, deleted, false, &scanned);
    if (v != NULL && !scanned)
        keep_seen(r, req, &in, identity.md5);
    if (v == NULL) {
        if (identity_merged(r, in.subject, in.schema, &in.posted.metadata, a, &identity, err) < 0)
            return -1;
        v = registry_find(r, in.subject, in.schema, &identity, deleted, false, &scanned);
    }
    if (v != NULL) {
        answer_put_lookup(reply_body(reply), v, scanned);
        state_done(r->state);
        return 0;
    }
    state_read(r->state);
    const struct subject *s = state_subject(r->state, in.subject);
    bool there = s != NULL && (s->active != 0 || deleted);
    state_done(r->state);
    return there ? REG_FAIL(err, REG_SCHEMA_NOT_FOUND, "") : REG_FAIL(err, REG_SUBJECT_NOT_FOUND, STR_ARG(in.subject));
}

/* ---- register: the decision ------------------------------------------------------------------------------------------- */

static int refuse_mode(struct str subject, const char *what, struct err *err)
{
    struct str context = subject_context(subject);
    if (str_is(context, "."))
        context = STR("");
    if (subject.n == 0)
        subject = STR("null"); /* the global entry has no subject */
    return err_set(err, REG_NOT_PERMITTED, "Subject %.*s in context %.*s is %s", STR_ARG(subject), STR_ARG(context), what);
}

int registry_refuse_readonly(struct str subject, struct err *err)
{
    return refuse_mode(subject, "in read-only mode", err);
}

int registry_check_writable(struct registry *r, struct str subject, struct err *err)
{
    state_read(r->state);
    enum mode mode = mode_of(r->state, subject);
    state_done(r->state);
    return mode_is_readonly(mode) ? registry_refuse_readonly(subject, err) : 0;
}

static int check_mode(const struct registering *in, enum mode mode, struct err *err)
{
    if (mode_is_readonly(mode))
        return registry_refuse_readonly(in->subject, err);
    if (in->posted.id != 0 && !mode_is_import(mode))
        return refuse_mode(in->subject, "not in import mode", err);
    if (in->posted.id == 0 && mode_is_import(mode))
        return refuse_mode(in->subject, "not in read-write mode", err);
    return 0;
}

/* Does it depend on what this plan changes already? */
static bool must_wait(struct plan *plan, const struct registering *in, bool import)
{
    if (plan_touches(plan, in->subject) || (import && !plan_is_empty(plan)))
        return true;
    for (size_t i = 0; i < in->posted.nrefs; i++) {
        struct str target = subject_qualify(in->posted.refs[i].subject, in->subject, plan_arena(plan));
        if (target.p == NULL || plan_touches(plan, target))
            return true;
    }
    return false;
}

/* Without a text of its own: that of the latest version. */
static int inherit_text(struct registry *r, struct registering *in, bool import, struct arena *a, struct err *err)
{
    struct change latest;
    state_read(r->state);
    const struct version *v = subject_latest(state_subject(r->state, in->subject));
    int rc = v == NULL || import ? err_set(err, REG_INVALID_SCHEMA, "Empty schema") : state_copy(v, a, &latest) < 0 ? err_nomem(err) : 0;
    state_done(r->state);
    if (rc < 0)
        return -1;
    in->posted.text = latest.text;
    in->posted.type = latest.type;
    in->posted.refs = (struct schema_ref *)latest.refs;
    in->posted.nrefs = latest.nrefs;
    return 0;
}

/* 1 and the answer when the subject has it already; 0 when not; -1 with err. */
static int find_registered(struct registry *r, struct registering *in, struct job *job, struct arena *a, struct err *err)
{
    struct identity identity;
    bool scanned;
    const bool latest_only = in->posted.version == -1;
    for (int merged = 0; merged < 2; merged++) {
        int rc = merged ? identity_merged(r, in->subject, in->schema, &in->posted.metadata, a, &identity, err)
                        : identity_of(in->schema, &in->posted.metadata, STR_NULL, a, &identity, err);
        if (rc < 0)
            return -1;
        struct version *v = registry_find(r, in->subject, in->schema, &identity, false, latest_only, &scanned);
        if (v == NULL)
            continue;
        bool answers = answers_request(v, in->posted.id, in->posted.version);
        if (answers)
            answer_put_found(&job->body, v, scanned);
        state_done(r->state);
        if (answers)
            return 1;
    }
    return 0;
}

/* The numbers that a new version may take, and what it would take. */
static int32_t next_number(struct registry *r, struct str subject)
{
    state_read(r->state);
    const struct subject *s = state_subject(r->state, subject);
    int32_t next = s != NULL ? s->versions[s->n - 1]->number + 1 : 1;
    state_done(r->state);
    return next;
}

static int choose_number(struct registry *r, const struct registering *in, bool import, int32_t *out, struct err *err)
{
    int32_t next = next_number(r, in->subject);
    *out = in->posted.version > 0 ? in->posted.version : next;
    if (*out != next && !import)
        return err_set(err, REG_INVALID_SCHEMA, "Invalid schema: version %d is not one more than the highest version; %d would be", *out, next);
    return 0;
}

/* Its identity as it will be stored: metadata merged, the version named where it is to be. */
static int final_identity(struct registry *r, const struct registering *in, bool import, int32_t number, struct arena *a,
                          struct identity *out, struct err *err)
{
    if (import)
        return identity_of(in->schema, &in->posted.metadata, STR_NULL, a, out, err);
    if (identity_merged(r, in->subject, in->schema, &in->posted.metadata, a, out, err) < 0)
        return -1;
    if (in->posted.version == 0 && metadata_property(&out->metadata, STR(VERSION_PROPERTY)).p == NULL)
        return 0;
    struct metadata named = out->metadata;
    struct str text = arena_printf(a, "%d", number);
    if (text.p == NULL || metadata_set_property(&named, STR(VERSION_PROPERTY), text, a) < 0)
        return err_nomem(err);
    return identity_of(in->schema, &named, out->rule_set, a, out, err);
}

static int check_compatible(struct registry *r, const struct registering *in, const struct identity *identity, struct job *job,
                            struct arena *a, struct err *err)
{
    struct verdict verdict;
    if (registry_compare(r, in->subject, in->schema, &identity->metadata, 0, a, &verdict, err) < 0)
        return -1;
    if (verdict.compatible)
        return 0;
    OWN_BY(buf_clear) struct buf text = {0};
    buf_printf(&text, "Schema being registered is incompatible with an earlier schema for subject \"%.*s\", details: [", STR_ARG(in->subject));
    for (size_t i = 0; i < verdict.n; i++) {
        buf_put_str(&text, i == 0 ? STR("") : STR(", "));
        buf_put_str(&text, verdict.messages[i]);
    }
    buf_put_u8(&text, ']');
    buf_printf(&job->body, "{\"error_code\":%d,\"message\":", REG_INCOMPATIBLE);
    json_put_string(&job->body, buf_str(&text));
    buf_put_u8(&job->body, '}');
    job->status = 409;
    return 1;
}

/* The id: the one asked for, that of the same schema elsewhere in the context, or the next. */
static int choose_id(struct registry *r, struct plan *plan, const struct registering *in, struct change *c, struct err *err)
{
    struct str context = subject_context(in->subject);
    const struct content *same;
    bool taken = false;
    state_read(r->state);
    const struct context *where = state_context(r->state, context);
    if (in->posted.id != 0) {
        c->id = in->posted.id;
        const struct content *holder = context_content(where, c->id);
        taken = holder != NULL && (memcmp(holder->md5, c->md5, sizeof c->md5) != 0 || holder->type != (unsigned char)c->type);
    } else {
        for (same = context_identity(where, c->md5); same != NULL && c->id == 0; same = same->same)
            if (same->type == (unsigned char)c->type)
                c->id = same->id;
    }
    state_done(r->state);
    if (taken)
        return err_set(err, REG_NOT_PERMITTED, "Overwrite new schema with id %d is not permitted.", c->id);
    if (in->posted.id != 0)
        return plan_keep_id(plan, r, context, c->id, err);
    if (c->id == 0)
        c->id = plan_identity(plan, context, c->md5, c->type);
    if (c->id == 0)
        c->id = plan_next_id(plan, r, context);
    return c->id != 0 ? 0 : err_set(err, REG_STORE_FAILED, "no id is left in context %.*s", STR_ARG(context));
}

/* Older soft-deleted versions with the same id go, unless something refers to them. */
static int drop_older(struct registry *r, struct plan *plan, const struct change *c, struct err *err)
{
    int rc = 0;
    state_read(r->state);
    const struct subject *s = state_subject(r->state, c->subject);
    for (size_t i = 0; s != NULL && i < s->n && rc == 0; i++) {
        const struct version *v = s->versions[i];
        size_t referrers;
        state_referrers(r->state, c->subject, v->number, &referrers);
        if (!v->deleted || v->content->id != c->id || v->number == c->version || referrers != 0)
            continue;
        const struct change gone = {.kind = CHANGE_SCHEMA, .tombstone = true, .subject = c->subject, .version = v->number};
        rc = plan_add(plan, &gone, err);
    }
    state_done(r->state);
    return rc;
}

static int plan_schema(struct registry *r, struct plan *plan, const struct change *c, struct err *err)
{
    struct str name = subject_context(c->subject);
    state_read(r->state);
    const struct context *context = state_context(r->state, name);
    bool known = str_is(name, ".") || (context != NULL && context->known);
    state_done(r->state);
    const struct change new_context = {.kind = CHANGE_CONTEXT, .context = name, .subject = c->subject};
    if ((!known && plan_add(plan, &new_context, err) < 0) || plan_add(plan, c, err) < 0 || drop_older(r, plan, c, err) < 0)
        return -1;
    return plan_keep_identity(plan, name, c, err);
}

static int decide_register(struct registry *r, struct plan *plan, struct job *job, struct err *err)
{
    OWN_BY(arena_clear) struct arena a = {0};
    struct registering *in = job->input;
    struct identity identity;
    int32_t number;
    int rc;
    state_read(r->state);
    enum mode mode = mode_of(r->state, in->subject);
    state_done(r->state);
    const bool import = mode_is_import(mode);
    if (must_wait(plan, in, import))
        return DECIDE_LATER;
    OWN_BY(registering_clear) struct registering now = *in; /* what is inherited now may be different the next time */
    now.schema = in->schema != NULL && in->posted.nrefs == 0 ? schema_ref(in->schema) : NULL;
    if (now.posted.text.n == 0 && inherit_text(r, &now, import, plan_arena(plan), err) < 0)
        return -1;
    if (now.schema == NULL && parse(r, &now, in->posted.id == 0 && validates_new(r, in->subject), err) < 0)
        return -1;
    if ((rc = find_registered(r, &now, job, &a, err)) != 0)
        return rc < 0 ? -1 : 0;
    if (now.strict.code != 0)
        return err_set(err, now.strict.code, "%s", now.strict.text);
    if (check_mode(&now, mode, err) < 0 || choose_number(r, &now, import, &number, err) < 0 ||
        final_identity(r, &now, import, number, &a, &identity, err) < 0)
        return -1;
    if (!import && !now.force && (rc = check_compatible(r, &now, &identity, job, &a, err)) != 0)
        return rc < 0 ? -1 : 0;
    struct change c = {.kind = CHANGE_SCHEMA,
                       .subject = now.subject,
                       .version = number,
                       .type = schema_type_of(now.schema),
                       .metadata = identity.metadata_text,
                       .rule_set = identity.rule_set,
                       .text = schema_canonical(now.schema)};
    memcpy(c.md5, identity.md5, sizeof c.md5);
    c.refs = schema_refs(now.schema, &c.nrefs);
    if (choose_id(r, plan, &now, &c, err) < 0 || plan_schema(r, plan, &c, err) < 0)
        return -1;
    answer_put_registered(&job->body, &c);
    return 0;
}

/* ---- register: the request -------------------------------------------------------------------------------------------- */

static int register_slowly(struct registry *r, struct request *req, struct reply *reply, const atomic_bool *gone, struct err *err)
{
    struct arena *a = request_arena(req);
    struct registering *in = arena_calloc(a, 1, sizeof *in);
    struct job *job = arena_calloc(a, 1, sizeof *job);
    struct identity identity;
    bool merges;
    if (in == NULL || job == NULL)
        return err_nomem(err);
    in->subject = request_subject(r, req, err);
    if (in->subject.p == NULL || posted_read(request_body(req), a, &in->posted, err) < 0 ||
        subject_check(in->subject, r->conf->reject_empty_subject, err) < 0)
        return -1;
    in->normalize = wants_normal(r, req, in->subject, &merges);
    in->force = request_query_bool(req, "force");
    if (in->posted.text.n != 0) {
        if (parse(r, in, in->posted.id == 0 && validates_new(r, in->subject), err) < 0)
            return -1;
        if (identity_of(in->schema, &in->posted.metadata, STR_NULL, a, &identity, err) < 0) {
            registering_clear(in);
            return -1;
        }
        if (!merges) {
            struct version *v = registry_find_exact(r, in->subject, in->posted.type, identity.md5, false, in->posted.version == -1);
            bool answered = v != NULL && answers_request(v, in->posted.id, in->posted.version);
            if (answered)
                answer_put_found(reply_body(reply), v, false);
            if (v != NULL)
                state_done(r->state);
            if (in->strict.code == 0 || answered)
                keep_seen(r, req, in, identity.md5);
            if (answered) {
                registering_clear(in);
                return 0;
            }
        }
    }
    *job = (struct job){.req = req, .reply = reply, .decide = decide_register, .input = in, .clear = registering_clear, .gone = gone};
    int rc = scribe_add(r->scribe, job, err);
    if (rc < 0)
        registering_clear(in);
    return rc;
}

/* ---- both ------------------------------------------------------------------------------------------------------------- */

/* A body that was seen before is answered at once, any other from a pool thread. */
static int post(struct registry *r, struct request *req, struct reply *reply, bool lookup, struct err *err)
{
    struct seen_key key;
    struct version *v = NULL;
    bool merges;
    struct str subject = request_subject(r, req, err);
    if (subject.p == NULL)
        return -1;
    bool normal = wants_normal(r, req, subject, &merges);
    if ((lookup || !merges) && seen_key_of(r->seen, request_body(req), normal, &key))
        v = find_seen(r, subject, &key, lookup && request_query_bool(req, "deleted"), lookup);
    if (v == NULL)
        return registry_later(r, lookup ? lookup_slowly : register_slowly, req, reply, err);
    if (lookup)
        answer_put_lookup(reply_body(reply), v, false);
    else
        answer_put_found(reply_body(reply), v, false);
    state_done(r->state);
    return 0;
}

int post_lookup(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return post(arg, req, reply, true, err);
}

int post_version(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return post(arg, req, reply, false, err);
}
