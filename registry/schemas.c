/* registry/schemas.c - reading schemas by id and GUID, and the list of all. */
#include "registry/answer.h"
#include "registry/core.h"

#include "base/own.h"

int get_types(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    const struct registry *r = arg;
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_array(&w);
    for (int t = SCHEMA_AVRO; t <= SCHEMA_PROTOBUF; t++)
        if (r->types[t])
            jw_str(&w, str_of(schema_type_name((enum schema_type)t)));
    jw_array_end(&w);
    return 0;
}

int get_contexts(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    struct str *names;
    size_t n, from, count;
    if (request_page(req, INT32_MAX, INT32_MAX, &from, &count, err) < 0)
        return -1;
    state_read(r->state);
    int rc = state_contexts(r->state, request_arena(req), &names, &n);
    state_done(r->state);
    if (rc < 0)
        return err_nomem(err);
    struct str prefix = request_query(req, "contextPrefix");
    size_t at = 0;
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_array(&w);
    for (size_t i = 0; i < n && count > 0; i++) {
        if (!str_starts(names[i], prefix) || at++ < from)
            continue;
        jw_str(&w, names[i]);
        count--;
    }
    jw_array_end(&w);
    return 0;
}

int get_schemas(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    struct str prefix = request_query(req, "subjectPrefix");
    const struct subject_filter filter = subject_filter_of(prefix.p != NULL ? prefix : STR(""));
    const bool deleted = request_query_bool(req, "deleted"), latest_only = request_query_bool(req, "latestOnly");
    size_t from, count, n, at = 0;
    if (request_page(req, r->conf->schemas_default, r->conf->schemas_max, &from, &count, err) < 0)
        return -1;
    struct buf *out = reply_body(reply);
    buf_put_u8(out, '[');
    state_read(r->state);
    struct subject *const *subjects = state_subjects(r->state, &n);
    for (size_t i = 0; i < n && count > 0; i++) {
        const struct subject *s = subjects[i];
        if (!subject_filter_takes(&filter, s->name))
            continue;
        const struct version *latest = deleted ? s->versions[s->n - 1] : subject_latest(s);
        for (size_t k = 0; k < s->n && count > 0; k++) {
            const struct version *v = s->versions[k];
            if ((v->deleted && !deleted) || (latest_only && v != latest) || at++ < from)
                continue;
            if (out->n > 1)
                buf_put_u8(out, ',');
            answer_put_version(out, v, STR_NULL);
            count--;
        }
    }
    state_done(r->state);
    buf_put_u8(out, ']');
    return 0;
}

/* ---- by id ------------------------------------------------------------------------------------------------------------ */

/* {id} of the path. -1 with 404. */
static int id_of(const struct request *req, int32_t *id, struct err *err)
{
    int64_t n;
    if (!str_to_i64(request_param(req, "id"), &n) || n < INT32_MIN || n > INT32_MAX)
        return REG_FAIL(err, REG_NO_ROUTE, "");
    *id = (int32_t)n;
    return 0;
}

/* The content and the holder to show, under the read lock: that of ?subject= where it holds the id. NULL with 40403. */
static const struct content *find_id(struct registry *r, struct request *req, const struct version **holder, struct err *err)
{
    int32_t id = 0;
    if (id_of(req, &id, err) < 0)
        return NULL;
    struct str asked = request_query(req, "subject");
    struct str subject = asked.n != 0 ? subject_normal(asked, request_arena(req)) : STR("");
    if (subject.p == NULL) {
        err_nomem(err);
        return NULL;
    }
    if (subject_name(subject).n != 0)
        subject = alias_of(r->state, subject, request_arena(req));
    const struct content *c = context_content(state_context(r->state, subject_context(subject)), id);
    *holder = c != NULL ? c->shown : NULL;
    if (c != NULL && subject_name(subject).n != 0) {
        const struct version *v = subject_holding(state_subject(r->state, subject), c, false);
        if (v == NULL)
            v = subject_holding(state_subject(r->state, subject), c, true);
        if (v != NULL)
            *holder = v;
        else if (!str_is(subject_context(subject), ".")) /* a qualified name must hold it; an unqualified one need not */
            c = NULL;
    }
    if (c == NULL)
        REG_FAIL(err, REG_ID_NOT_FOUND, id);
    return c;
}

/* format=resolved, off the loop thread. */
static int answer_id_resolved(struct registry *r, struct request *req, struct reply *reply, bool alone, struct err *err)
{
    struct change stored;
    OWN_BY(buf_clear) struct buf text = {0}, inside = {0};
    const struct version *v;
    state_read(r->state);
    const struct content *c = find_id(r, req, &v, err);
    int rc = c == NULL ? -1 : state_copy(v, request_arena(req), &stored) < 0 ? err_nomem(err) : 0;
    state_done(r->state);
    if (rc < 0)
        return -1;
    struct schema *s = registry_parse_stored(r, &stored, err);
    rc = s != NULL ? schema_put_resolved(s, &text, err) : -1;
    schema_unref(s);
    if (rc < 0)
        return -1;
    if (alone) {
        buf_put_str(reply_body(reply), buf_str(&text));
        return text.failed ? err_nomem(err) : 0;
    }
    json_put_string(&inside, buf_str(&text));
    if (text.failed || inside.failed)
        return err_nomem(err);
    state_read(r->state);
    if ((c = find_id(r, req, &v, err)) != NULL)
        answer_put_by_id(reply_body(reply), c, v, str_n(inside.p + 1, inside.n - 2), request_query_bool(req, "fetchMaxId") ? c->context->max_id : 0);
    state_done(r->state);
    return c != NULL ? 0 : -1;
}

static int resolved_whole(struct registry *r, struct request *req, struct reply *reply, const atomic_bool *gone, struct err *err)
{
    return answer_id_resolved(r, req, reply, false, err);
}

static int resolved_alone(struct registry *r, struct request *req, struct reply *reply, const atomic_bool *gone, struct err *err)
{
    return answer_id_resolved(r, req, reply, true, err);
}

/* The bytes will be copied into the socket in a moment; one of ten thousand bodies is in no cache. */
static void warm(const struct body *b)
{
    for (size_t i = 0; i < b->n && i < 2048; i += 64)
        __builtin_prefetch(b->bytes + i);
}

int get_by_id(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    const struct version *v;
    struct body *ready = NULL;
    bool resolved = request_wants_resolved(req);
    state_read(r->state);
    const struct content *c = find_id(r, req, &v, err);
    resolved = resolved && c != NULL && c->nrefs != 0;
    if (c == NULL || resolved)
        ;
    else if (v == c->shown && !request_query_bool(req, "fetchMaxId"))
        ready = body_ref(c->body);
    else
        answer_put_by_id(reply_body(reply), c, v, content_text(c), request_query_bool(req, "fetchMaxId") ? c->context->max_id : 0);
    state_done(r->state);
    if (ready != NULL) {
        warm(ready);
        reply_borrow(reply, str_n(ready->bytes, ready->n), body_unref, ready);
    }
    if (resolved)
        return registry_later(r, resolved_whole, req, reply, err);
    return c != NULL ? 0 : -1;
}

int get_schema_by_id(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    const struct version *v;
    bool resolved = request_wants_resolved(req);
    state_read(r->state);
    const struct content *c = find_id(r, req, &v, err);
    resolved = resolved && c != NULL && c->nrefs != 0;
    if (c != NULL && !resolved)
        json_unescape(content_text(c), reply_body(reply));
    state_done(r->state);
    if (resolved)
        return registry_later(r, resolved_alone, req, reply, err);
    return c != NULL ? 0 : -1;
}

/* Calls put for each subject's last version that holds the id, deleted ones only when asked for. */
static int each_holder(struct registry *r, struct request *req, struct reply *reply, void (*put)(struct json_writer *w, const struct version *v),
                       struct err *err)
{
    const bool deleted = request_query_bool(req, "deleted");
    const struct version *shown;
    struct str asked = request_query(req, "subject");
    size_t from, count, at = 0;
    if (request_page(req, INT32_MAX, INT32_MAX, &from, &count, err) < 0)
        return -1;
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_array(&w);
    state_read(r->state);
    const struct content *c = find_id(r, req, &shown, err);
    bool only_shown = asked.n != 0 && subject_name(asked).n != 0 && shown != NULL;
    for (const struct version *v = c != NULL ? c->holders : NULL; v != NULL && count > 0; v = v->next) {
        if ((v->deleted && !deleted) || subject_holding(v->subject, c, true) != v || (only_shown && v->subject != shown->subject) || at++ < from)
            continue;
        put(&w, v);
        count--;
    }
    state_done(r->state);
    jw_array_end(&w);
    return c != NULL ? 0 : -1;
}

static void put_subject(struct json_writer *w, const struct version *v)
{
    jw_str(w, v->subject->name);
}

static void put_subject_version(struct json_writer *w, const struct version *v)
{
    jw_object(w);
    jw_key(w, "subject");
    jw_str(w, v->subject->name);
    jw_key(w, "version");
    jw_i64(w, v->number);
    jw_object_end(w);
}

int get_subjects_of_id(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return each_holder(arg, req, reply, put_subject, err);
}

int get_versions_of_id(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return each_holder(arg, req, reply, put_subject_version, err);
}

/* ---- by guid ---------------------------------------------------------------------------------------------------------- */

int get_by_guid(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    struct str *names, guid = request_param(req, "guid");
    unsigned char md5[16];
    size_t n;
    if (!schema_guid_parse(guid, md5))
        return REG_FAIL(err, REG_GUID_NOT_FOUND, STR_ARG(guid));
    const struct content *c = NULL;
    state_read(r->state);
    int rc = state_contexts(r->state, request_arena(req), &names, &n);
    for (size_t i = 0; rc == 0 && i < n && c == NULL; i++)
        c = context_identity(state_context(r->state, names[i]), md5);
    if (c != NULL)
        answer_put_by_id(reply_body(reply), c, NULL, content_text(c), 0);
    state_done(r->state);
    if (rc < 0)
        return err_nomem(err);
    return c != NULL ? 0 : REG_FAIL(err, REG_GUID_NOT_FOUND, STR_ARG(guid));
}

/* The ids of one identity in a context, ascending. */
static void put_ids(struct json_writer *w, struct str context, const struct content *first)
{
    for (int32_t above = INT32_MIN;;) {
        const struct content *next = NULL;
        for (const struct content *c = first; c != NULL; c = c->same)
            if (c->id > above && (next == NULL || c->id < next->id))
                next = c;
        if (next == NULL)
            return;
        above = next->id;
        jw_object(w);
        jw_key(w, "context");
        jw_str(w, context);
        jw_key(w, "id");
        jw_i64(w, next->id);
        jw_object_end(w);
    }
}

int get_ids_of_guid(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct registry *r = arg;
    struct str *names;
    unsigned char md5[16];
    size_t n = 0;
    bool valid = schema_guid_parse(request_param(req, "guid"), md5);
    struct json_writer w = json_writer_on(reply_body(reply));
    jw_array(&w);
    state_read(r->state);
    int rc = state_contexts(r->state, request_arena(req), &names, &n);
    for (size_t i = 0; rc == 0 && valid && i < n; i++)
        put_ids(&w, names[i], context_identity(state_context(r->state, names[i]), md5));
    state_done(r->state);
    jw_array_end(&w);
    return rc < 0 ? err_nomem(err) : 0;
}
