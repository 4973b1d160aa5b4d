/* proxy/produce.c - a v2 produce request from its body to its answer.
 *
 * The loop thread reads the body in one pass and hands the records to storage; the completion, on a storage thread, writes the answer and finishes the
 * reply.  Two things leave that path: a schema that is not in the client's cache (found and used on p->pool), and a storage whose buffer is full (p->stalled tries
 * again for a while, so that a burst is slowed down rather than refused).
 * One struct produce lives in the request's arena; whoever holds the request owns it. */
#include "proxy/produce.h"

#include <stdio.h>

#include "base/clock.h"
#include "proxy/produce_body.h"

enum { FULL_RETRY_MS = 2, FULL_PATIENCE_MS = 5000 };

struct produce {
    struct proxy *p;
    struct request *req;
    struct reply *reply;
    struct str topic;
    struct produce_body body;
};

/* ---- schemas ------------------------------------------------------------------------------------------------------ */

/* The subject of a side; schema, where it is known, or the side's text, gives the record's name to the strategies that need it. */
static int side_subject(struct produce *pr, bool is_key, struct schema *schema, struct str *out, struct err *err)
{
    const enum subject_strategy strategy = is_key ? pr->p->key_strategy : pr->p->value_strategy;
    const struct side *side = is_key ? &pr->body.key : &pr->body.value;
    OWN_BY(schema_unrefp) struct schema *parsed = NULL;
    if (strategy != SUBJECT_TOPIC_NAME && schema == NULL) {
        const struct schema_source source = {.type = SCHEMA_AVRO, .text = side->text};
        struct err why = {0};
        if ((schema = parsed = schema_parse(&source, &why)) == NULL)
            return err_set(err, PROXY_SCHEMA_INVALID, "Invalid schema: Error when parsing raw schema. format = AVRO: %s", why.text);
    }
    struct err why = {0};
    *out = subject_for(strategy, pr->topic, is_key, schema != NULL ? schema_name(schema) : STR_NULL, request_arena(pr->req), &why);
    return out->p != NULL ? 0 : err_set(err, why.code == ERR_INVALID ? PROXY_BAD_REQUEST : ERR_NOMEM, "Bad Request: %s", why.text);
}

/* 1 found, 0 only the registry can tell (never when may_wait), -1 with err. */
static int find_by_id(struct produce *pr, bool is_key, bool may_wait, struct err *err)
{
    struct side *side = is_key ? &pr->body.key : &pr->body.value;
    struct client *registry = pr->p->registry;
    struct client_schema *e = client_peek_id(registry, side->id);
    struct err why = {0};
    struct str subject;
    if (e == NULL && !may_wait)
        return 0;
    if (e == NULL && (e = client_get_id(registry, side->id, &why)) == NULL) {
        char doing[80];
        snprintf(doing, sizeof doing, "Error when fetching schema by id. schemaId = %d", side->id);
        *err = why;
        return proxy_registry_err(err, doing);
    }
    side->schema = e; /* its reference goes with the body */
    if (schema_type_of(client_schema_schema(e)) != SCHEMA_AVRO || client_schema_codec(e) == NULL)
        return err_set(err, PROXY_BAD_REQUEST, "Bad Request: schema %d is of type %s, the request's Content-Type needs AVRO", side->id,
                       schema_type_name(schema_type_of(client_schema_schema(e))));
    if (side_subject(pr, is_key, client_schema_schema(e), &subject, err) < 0)
        return -1;
    if (!client_peek_registered(registry, subject, side->id)) {
        if (!may_wait) {
            client_schema_unref(TAKE(side->schema));
            return 0;
        }
        if (client_check_registered(registry, subject, side->id, &why) < 0) {
            char doing[200];
            snprintf(doing, sizeof doing, "Error when fetching schema version. subject = %.*s, schemaId = %d", STR_ARG(subject), side->id);
            *err = why;
            return proxy_registry_err(err, doing);
        }
    }
    side->codec = client_schema_codec(e);
    return 1;
}

static int find_by_text(struct produce *pr, bool is_key, bool may_wait, struct err *err)
{
    struct side *side = is_key ? &pr->body.key : &pr->body.value;
    struct client *registry = pr->p->registry;
    struct err why = {0};
    struct str subject;
    if (side_subject(pr, is_key, NULL, &subject, err) < 0)
        return -1;
    struct client_schema *e = client_peek_text(registry, subject, SCHEMA_AVRO, side->text);
    if (e == NULL && !may_wait)
        return 0;
    if (e == NULL && (e = client_register(registry, subject, SCHEMA_AVRO, side->text, &why)) == NULL) {
        if (why.code == ERR_INVALID)
            return err_set(err, PROXY_SCHEMA_INVALID, "Invalid schema: Error when parsing raw schema. format = AVRO: %s", why.text);
        char doing[200];
        snprintf(doing, sizeof doing, "Error when registering schema. format = AVRO, subject = %.*s", STR_ARG(subject));
        *err = why;
        return proxy_registry_err(err, doing);
    }
    side->schema = e;
    side->id = client_schema_id(e);
    side->codec = client_schema_codec(e);
    return side->codec != NULL ? 1 : err_set(err, PROXY_SCHEMA_INVALID, "Invalid schema: there is no encoding for it");
}

static int find_side(struct produce *pr, bool is_key, bool may_wait, struct err *err)
{
    const struct side *side = is_key ? &pr->body.key : &pr->body.value;
    if (side->codec != NULL || (!side->has_id && side->text.p == NULL))
        return 1;
    if (pr->p->registry == NULL)
        return err_set(err, PROXY_PAYLOAD, "Payload error. Schema Registry must be configured when using schemas.");
    return side->has_id ? find_by_id(pr, is_key, may_wait, err) : find_by_text(pr, is_key, may_wait, err);
}

/* Key before value (proxy-api.md 1.4). */
static int find_schemas(struct produce *pr, bool may_wait, struct err *err)
{
    int found = find_side(pr, true, may_wait, err);
    return found == 1 ? find_side(pr, false, may_wait, err) : found;
}

static int peek_schemas(void *arg, struct produce_body *b, struct err *err)
{
    return find_schemas(arg, false, err);
}

/* ---- to storage and back ------------------------------------------------------------------------------------------ */

/* On a storage thread. */
static void produced(void *ctx, const struct produced *results, size_t n)
{
    struct produce *pr = ctx;
    const struct side *key = &pr->body.key, *value = &pr->body.value;
    struct reply *reply = pr->reply;
    struct buf *body = reply_body(reply);
    reply_status(reply, produce_put_answer(body, results, n, key->codec != NULL, key->id, value->codec != NULL, value->id));
    if (body->failed) {
        struct err err = {0};
        err_nomem(&err);
        reply_err(reply, &err);
    }
    produce_body_clear(&pr->body);
    reply_finish(reply);
}

static void answer_err(struct produce *pr, struct err *err)
{
    struct reply *reply = pr->reply;
    produce_body_clear(&pr->body);
    reply_err(reply, err);
    reply_finish(reply);
}

static void send_stalled(void *arg)
{
    struct produce *pr = arg;
    const int64_t until_ms = clock_mono_ms() + FULL_PATIENCE_MS;
    struct err err = {0};
    while (storage_produce(pr->p->storage, pr->topic, pr->body.records, pr->body.n, produced, pr, &err) < 0) {
        if (err.code != ERR_FULL || clock_mono_ms() >= until_ms) {
            proxy_storage_err(&err);
            answer_err(pr, &err);
            return;
        }
        err_clear(&err);
        clock_sleep_ms(FULL_RETRY_MS);
    }
}

/* 0: pr is no longer ours, the reply comes by itself; -1 with err: still ours. */
static int send_records(struct produce *pr, struct err *err)
{
    produce_body_seal(&pr->body);
    struct err why = {0};
    if (storage_produce(pr->p->storage, pr->topic, pr->body.records, pr->body.n, produced, pr, &why) == 0)
        return 0;
    if (why.code == ERR_FULL)
        return pool_add(pr->p->stalled, send_stalled, pr, err);
    *err = why;
    return proxy_storage_err(err);
}

/* On the pool: the registry is asked, then the records are encoded. */
static void find_and_send(void *arg)
{
    struct produce *pr = arg;
    struct err err = {0};
    if (find_schemas(pr, true, &err) < 0 || produce_body_encode(&pr->body, &err) < 0 || send_records(pr, &err) < 0)
        answer_err(pr, &err);
}

/* Reads the body and starts what follows: 0 when pr has been handed on. */
static int begin(struct produce *pr, struct err *err)
{
    struct produce_body *body = &pr->body;
    if (produce_body_read(body, request_body(pr->req), err) < 0)
        return -1;
    if (!body->encoded) {
        int found = find_schemas(pr, false, err);
        if (found < 0)
            return -1;
        if (found == 0)
            return pool_add(pr->p->pool, find_and_send, pr, err);
        if (produce_body_encode(body, err) < 0)
            return -1;
    }
    return send_records(pr, err);
}

static int produce(struct proxy *p, struct request *req, struct reply *reply, int32_t partition, struct err *err)
{
    struct arena *a = request_arena(req);
    struct produce *pr = arena_alloc(a, sizeof *pr);
    if (pr == NULL)
        return err_nomem(err);
    *pr = (struct produce){.p = p, .req = req, .reply = reply, .topic = request_param(req, "topic")};
    pr->body = (struct produce_body){.format = embedded_of_media(request_content_type(req)),
                                     .partition = partition,
                                     .max_records = (size_t)p->conf->produce_max_records,
                                     .null_is_empty_record = p->conf->null_is_empty_record,
                                     .arena = a,
                                     .find = peek_schemas,
                                     .find_arg = pr};
    if (begin(pr, err) == 0)
        return REPLY_LATER;
    produce_body_clear(&pr->body);
    return -1;
}

int produce_post_topic(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return produce(arg, req, reply, -1, err);
}

int produce_post_partition(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    int32_t partition;
    if (proxy_param_partition(req, "partition", &partition, err) < 0)
        return -1;
    return produce(arg, req, reply, partition, err);
}
