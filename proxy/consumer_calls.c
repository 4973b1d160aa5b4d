/* proxy/consumer_calls.c - subscription, assignments, positions and offsets of an instance (proxy-api.md 1.6, 1.7).
 *
 * Each call is a handler, which reads the body on the loop thread, and a run_ function, which owns the instance on a pool thread. */
#include <stdio.h>

#include "base/json.h"
#include "proxy/consumer.h"

static struct consumers *consumers_of(void *arg)
{
    return ((struct proxy *)arg)->consumers;
}

int consumer_storage_err(struct err *err)
{
    if (err->code == STORE_ILLEGAL_STATE) {
        struct err was = *err;
        err_clear(err);
        return err_set(err, PROXY_ILLEGAL_STATE, "Illegal state: %s", was.text);
    }
    return proxy_storage_err(err);
}

static int no_content(struct call *call)
{
    reply_status(call->reply, 204);
    return 0;
}

/* What a body lists. */
struct list {
    struct str *topics;
    struct str pattern; /* STR_NULL: none */
    struct tp *tps, *times;
    size_t ntopics, n, ntimes;
};

static struct list *list_new(struct request *req, struct err *err)
{
    struct list *l = arena_calloc(request_arena(req), 1, sizeof *l);
    if (l == NULL)
        err_nomem(err);
    return l;
}

/* ---- subscription ----------------------------------------------------------------------------------------------------------- */

static int run_subscribe(struct consumer *c, struct call *call, struct err *err)
{
    const struct list *l = call->body;
    if (l->topics != NULL) {
        if (member_subscribe(c->member, l->topics, l->ntopics, err) < 0)
            return consumer_storage_err(err);
    } else if (l->pattern.p != NULL && member_subscribe_pattern(c->member, l->pattern, err) < 0) {
        if (err->code != ERR_INVALID)
            return consumer_storage_err(err);
        err->code = PROXY_UNPROCESSABLE;
        return -1;
    }
    consumer_undo_ahead(c);
    return no_content(call);
}

static int read_topics(const struct json *v, struct arena *a, struct list *l, struct err *err)
{
    if (v == NULL || v->type == JSON_T_NULL)
        return 0;
    if (v->type != JSON_T_ARRAY)
        return err_set(err, PROXY_BAD_REQUEST, "Cannot deserialize value of type `array` for topics");
    if (body_check_length(v, "topics", err) < 0)
        return -1;
    if ((l->topics = arena_calloc(a, v->count + 1, sizeof *l->topics)) == NULL)
        return err_nomem(err);
    for (const struct json *e = v->first; e != NULL; e = e->next, l->ntopics++) {
        if (body_text(e, "topics", &l->topics[l->ntopics], err) < 0)
            return -1;
        if (l->topics[l->ntopics].n == 0)
            return err_set(err, PROXY_UNPROCESSABLE, "topics[%zu] must not be empty", l->ntopics);
    }
    return 0;
}

int consumers_post_subscription(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    static const char *const names[] = {"topics", "topic_pattern", NULL};
    struct json *o;
    struct list *l = list_new(req, err);
    if (l == NULL || body_object(req, &o, err) < 0)
        return -1;
    if (o == NULL)
        return err_set(err, PROXY_UNPROCESSABLE, "subscribe.subscription must not be null (was null)");
    if (body_check_names(o, names, err) < 0 || read_topics(json_get(o, "topics"), request_arena(req), l, err) < 0 ||
        body_text(json_get(o, "topic_pattern"), "topic_pattern", &l->pattern, err) < 0)
        return -1;
    return consumers_call(consumers_of(arg), req, reply, run_subscribe, l, err);
}

static int run_get_subscription(struct consumer *c, struct call *call, struct err *err)
{
    struct str *topics;
    size_t n;
    if (member_subscription(c->member, request_arena(call->req), &topics, &n, err) < 0)
        return consumer_storage_err(err);
    struct json_writer w = json_writer_on(reply_body(call->reply));
    jw_object(&w);
    jw_key(&w, "topics");
    jw_array(&w);
    for (size_t i = 0; i < n; i++)
        jw_str(&w, topics[i]);
    jw_array_end(&w);
    jw_object_end(&w);
    return 0;
}

int consumers_get_subscription(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return consumers_call(consumers_of(arg), req, reply, run_get_subscription, NULL, err);
}

static int run_unsubscribe(struct consumer *c, struct call *call, struct err *err)
{
    if (member_unsubscribe(c->member, err) < 0)
        return consumer_storage_err(err);
    consumer_drop_polled(c, NULL, 0);
    return no_content(call);
}

int consumers_delete_subscription(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return consumers_call(consumers_of(arg), req, reply, run_unsubscribe, NULL, err);
}

/* ---- bodies that are one list of partitions --------------------------------------------------------------------------------------- */

/* {name: [entries]}; missing is the text when there is no body. */
static struct list *read_partitions(struct request *req, const char *name, int what, const char *missing, struct err *err)
{
    const char *const names[] = {name, NULL};
    struct json *o;
    struct list *l = list_new(req, err);
    if (l == NULL || body_object(req, &o, err) < 0)
        return NULL;
    if (o == NULL) {
        err_set(err, PROXY_UNPROCESSABLE, "%s must not be null (was null)", missing);
        return NULL;
    }
    if (body_check_names(o, names, err) < 0 || body_partitions(json_get(o, name), name, what, request_arena(req), &l->tps, &l->n, err) < 0)
        return NULL;
    return l;
}

static void put_tp(struct json_writer *w, const struct tp *t)
{
    jw_object(w);
    jw_key(w, "topic");
    jw_str(w, t->topic);
    jw_key(w, "partition");
    jw_i64(w, t->partition);
}

/* ---- assignments ------------------------------------------------------------------------------------------------------------------- */

static int run_assign(struct consumer *c, struct call *call, struct err *err)
{
    const struct list *l = call->body;
    if (member_assign(c->member, l->tps, l->n, err) < 0)
        return consumer_storage_err(err);
    consumer_undo_ahead(c);
    return no_content(call);
}

int consumers_post_assignments(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    const struct list *l = read_partitions(req, "partitions", 0, "assign.assignment", err);
    return l == NULL ? -1 : consumers_call(consumers_of(arg), req, reply, run_assign, l, err);
}

static int run_get_assignments(struct consumer *c, struct call *call, struct err *err)
{
    struct tp *tps;
    size_t n;
    if (member_assignment(c->member, request_arena(call->req), &tps, &n, err) < 0)
        return consumer_storage_err(err);
    struct json_writer w = json_writer_on(reply_body(call->reply));
    jw_object(&w);
    jw_key(&w, "partitions");
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        put_tp(&w, &tps[i]);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    return 0;
}

int consumers_get_assignments(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return consumers_call(consumers_of(arg), req, reply, run_get_assignments, NULL, err);
}

/* ---- positions ------------------------------------------------------------------------------------------------------------------------ */

/* Seeks, and forgets what was polled before it, so that the next record read is the one asked for. An offset that is known counts as the position
 * from now on, for a commit without a list too. */
static int seek(struct consumer *c, const struct tp *tps, size_t n, struct err *err)
{
    if (n == 0)
        return 0;
    if (member_seek(c->member, tps, n, err) < 0)
        return consumer_storage_err(err);
    consumer_drop_polled(c, tps, n);
    for (size_t i = 0; i < n; i++)
        if (tps[i].offset >= 0 && member_store(c->member, &tps[i], 1, err) < 0)
            return consumer_storage_err(err);
    return 0;
}

static int run_positions(struct consumer *c, struct call *call, struct err *err)
{
    const struct list *l = call->body;
    if (seek(c, l->tps, l->n, err) < 0)
        return -1;
    for (size_t i = 0; i < l->ntimes; i++) {
        struct tp *t = &l->times[i];
        int64_t offset;
        if (storage_offset_for_time(c->all->proxy->storage, t->topic, t->partition, t->offset, &offset, err) < 0)
            return consumer_storage_err(err);
        t->offset = offset;
    }
    return seek(c, l->times, l->ntimes, err) < 0 ? -1 : no_content(call);
}

int consumers_post_positions(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    static const char *const names[] = {"offsets", "timestamps", NULL};
    struct json *o;
    struct list *l = list_new(req, err);
    if (l == NULL || body_object(req, &o, err) < 0)
        return -1;
    if (o == NULL)
        return err_set(err, PROXY_UNPROCESSABLE, "seekToOffset.request must not be null (was null)");
    const struct json *offsets = json_get(o, "offsets"), *times = json_get(o, "timestamps");
    if (body_check_names(o, names, err) < 0)
        return -1;
    bool timed = times != NULL && times->type != JSON_T_NULL, placed = offsets != NULL && offsets->type != JSON_T_NULL;
    if ((placed || !timed) &&
        body_partitions(offsets, "offsets", TP_OFFSET, request_arena(req), &l->tps, &l->n, err) < 0)
        return -1;
    if (timed &&
        body_partitions(times, "timestamps", TP_TIMESTAMP, request_arena(req), &l->times, &l->ntimes, err) < 0)
        return -1;
    return consumers_call(consumers_of(arg), req, reply, run_positions, l, err);
}

static int seek_logical(struct consumer *c, struct call *call, int64_t offset, struct err *err)
{
    const struct list *l = call->body;
    struct tp *tps = l->tps;
    size_t n = l->n;
    if (n == 0 && member_assignment(c->member, request_arena(call->req), &tps, &n, err) < 0) /* an empty list: all that are assigned */
        return consumer_storage_err(err);
    for (size_t i = 0; i < n; i++)
        tps[i].offset = offset;
    return seek(c, tps, n, err) < 0 ? -1 : no_content(call);
}

static int run_beginning(struct consumer *c, struct call *call, struct err *err)
{
    return seek_logical(c, call, OFFSET_BEGINNING, err);
}

static int run_end(struct consumer *c, struct call *call, struct err *err)
{
    return seek_logical(c, call, OFFSET_END, err);
}

int consumers_post_beginning(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    const struct list *l = read_partitions(req, "partitions", 0, "seekToBeginning.request", err);
    return l == NULL ? -1 : consumers_call(consumers_of(arg), req, reply, run_beginning, l, err);
}

int consumers_post_end(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    const struct list *l = read_partitions(req, "partitions", 0, "seekToEnd.request", err);
    return l == NULL ? -1 : consumers_call(consumers_of(arg), req, reply, run_end, l, err);
}

/* ---- offsets ---------------------------------------------------------------------------------------------------------------------------- */

static int run_commit(struct consumer *c, struct call *call, struct err *err)
{
    const struct list *l = call->body;
    if (l->n != 0 && member_commit(c->member, l->tps, l->n, err) < 0) /* (an empty list commits nothing) */
        return consumer_storage_err(err);
    buf_put_str(reply_body(call->reply), STR("[]"));
    return 0;
}

/* Without a list the answer is always [] (1.7): what went wrong is only in the log. With async=true it does not wait for the outcome. */
static int run_commit_all(struct consumer *c, struct call *call, struct err *err)
{
    bool async = request_query_bool(call->req, "async");
    struct err why = {0};
    buf_put_str(reply_body(call->reply), STR("[]"));
    if (async)
        reply_finish(call->reply);
    if (member_commit(c->member, NULL, 0, &why) < 0)
        log_warn("consumer.not_committed", "group=%.*s instance=%.*s reason=%s", STR_ARG(c->group), STR_ARG(c->name), why.text);
    return async ? CALL_REPLIED : 0;
}

int consumers_post_offsets(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    static const char *const names[] = {"offsets", NULL};
    struct json *o;
    struct list *l = list_new(req, err);
    if (l == NULL || body_object(req, &o, err) < 0 || body_check_names(o, names, err) < 0)
        return -1;
    const struct json *offsets = json_get(o, "offsets");
    if (offsets == NULL || offsets->type == JSON_T_NULL)
        return consumers_call(consumers_of(arg), req, reply, run_commit_all, NULL, err);
    if (body_partitions(offsets, "offsets", TP_OFFSET, request_arena(req), &l->tps, &l->n, err) < 0)
        return -1;
    for (size_t i = 0; i < l->n; i++) { /* the client names the last record it processed */
        if (l->tps[i].offset == INT64_MAX)
            return err_set(err, PROXY_UNPROCESSABLE, "offset must be less than %lld", (long long)INT64_MAX);
        l->tps[i].offset++;
    }
    return consumers_call(consumers_of(arg), req, reply, run_commit, l, err);
}

static int run_committed(struct consumer *c, struct call *call, struct err *err)
{
    const struct list *l = call->body;
    if (l->n != 0 && member_committed(c->member, request_arena(call->req), l->tps, l->n, err) < 0)
        return consumer_storage_err(err);
    struct json_writer w = json_writer_on(reply_body(call->reply));
    jw_object(&w);
    jw_key(&w, "offsets");
    jw_array(&w);
    for (size_t i = 0; i < l->n; i++) {
        if (l->tps[i].offset < 0)
            continue;
        put_tp(&w, &l->tps[i]);
        jw_key(&w, "offset");
        jw_i64(&w, l->tps[i].offset);
        jw_key(&w, "metadata");
        jw_str(&w, l->tps[i].metadata.p != NULL ? l->tps[i].metadata : STR(""));
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    return 0;
}

int consumers_get_offsets(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    if (str_trim(request_body(req)).n == 0 || str_is(str_trim(request_body(req)), "null"))
        return err_set(err, PROXY_PARTITION_NOT_FOUND, PROXY_TEXT_PARTITION_NOT_FOUND);
    const struct list *l = read_partitions(req, "partitions", 0, "committedOffsets.request", err);
    return l == NULL ? -1 : consumers_call(consumers_of(arg), req, reply, run_committed, l, err);
}
