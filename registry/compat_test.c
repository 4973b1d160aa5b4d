/* registry/compat_test.c - the compatibility test routes: a question, nothing changes. */
#include "registry/core.h"

#include "base/own.h"

static void put_verdict(struct buf *out, bool compatible, bool verbose, const struct str *messages, size_t n)
{
    struct json_writer w = json_writer_on(out);
    jw_object(&w);
    jw_key(&w, "is_compatible");
    jw_bool(&w, compatible);
    if (verbose) {
        jw_key(&w, "messages");
        jw_array(&w);
        for (size_t i = 0; i < n; i++)
            jw_str(&w, messages[i]);
        jw_array_end(&w);
    }
    jw_object_end(&w);
}

/* The latest active version's number, 0 when there is none. */
static int32_t latest_of(struct registry *r, struct str subject)
{
    state_read(r->state);
    const struct version *v = subject_latest(state_subject(r->state, subject));
    int32_t number = v != NULL ? v->number : 0;
    state_done(r->state);
    return number;
}

static struct schema *parse_candidate(struct registry *r, struct request *req, struct str subject, const struct posted *posted,
                                      struct err *err)
{
    state_read(r->state);
    const struct scope scope = scope_of(r->state, subject);
    bool normalize = request_query_bool(req, "normalize") || scope_flag(&scope, CONFIG_NORMALIZE, false);
    bool strict = scope_flag(&scope, CONFIG_VALIDATE_NEW, r->conf->validate_new_schemas);
    state_done(r->state);
    const struct parse_request p = {.subject = subject,
                                    .type = posted->type,
                                    .text = posted->text,
                                    .refs = posted->refs,
                                    .nrefs = posted->nrefs,
                                    .strict = strict};
    OWN_BY(schema_unrefp) struct schema *s = registry_parse(r, &p, err);
    if (s == NULL)
        return NULL;
    return normalize ? schema_normalize(s, err) : TAKE(s);
}

/* version 0: the whole history. */
static int test(struct registry *r, struct request *req, struct reply *reply, bool one, struct err *err)
{
    struct posted posted;
    struct verdict verdict = {.compatible = true};
    struct err why = {0};
    int32_t version = 0;
    const bool verbose = request_query_bool(req, "verbose");
    struct str subject = request_subject(r, req, err);
    if (subject.p == NULL || (one && request_version(req, &version, err) < 0) ||
        posted_read(request_body(req), request_arena(req), &posted, err) < 0)
        return -1;
    OWN_BY(schema_unrefp) struct schema *s = parse_candidate(r, req, subject, &posted, &why);
    if (s == NULL && why.code == REG_INVALID_SCHEMA && verbose) {
        struct str text = str_of(why.text);
        put_verdict(reply_body(reply), false, true, &text, 1);
        return 0;
    }
    if (s == NULL)
        return err_set(err, why.code, "%s", why.text);
    bool nothing = one && version == -1 && (version = latest_of(r, subject)) == 0;
    if (!nothing && registry_compare(r, subject, s, &posted.metadata, version, request_arena(req), &verdict, err) < 0)
        return -1;
    put_verdict(reply_body(reply), verdict.compatible, verbose, verdict.messages, verdict.n);
    return 0;
}

static int test_all(struct registry *r, struct request *req, struct reply *reply, const atomic_bool *gone, struct err *err)
{
    return test(r, req, reply, false, err);
}

static int test_one(struct registry *r, struct request *req, struct reply *reply, const atomic_bool *gone, struct err *err)
{
    return test(r, req, reply, true, err);
}

int post_compat_all(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return registry_later(arg, test_all, req, reply, err);
}

int post_compat_one(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return registry_later(arg, test_one, req, reply, err);
}
