/* proxy/consumer_read.c - reads that wait, and the records that were polled for them (proxy-api.md 4.2).
 *
 * The first read of an instance takes records, the others wait behind it.  A round takes what is polled already, else polls once; a read ends
 *   - when the next record would reach max_bytes (it stays for the next read),
 *   - after a round at or past its deadline,
 *   - after a round with more than min_bytes in hand, where min_bytes >= 0,
 *   - with the records before it, when one cannot be shown; the next read then fails on it.
 * Nothing here waits: without records the read sleeps until the storage wakes it or its time is over. */
#include <stdlib.h>

#include "base/clock.h"
#include "proxy/consumer.h"

enum {
    FIRST_POLL = 500,         /* records, while their size is not known */
    TURN_BYTES = 4 << 20,     /* of an answer made in one turn, so that other instances get theirs */
    FIRST_LOOK_MS = 100,      /* a read that had no round yet may be so late for it, when a call keeps it waiting */
    AHEAD_MS = 1000,          /* an answer made ahead is undone when it is older: its partitions may be another member's by then */
    LOOK_MS = 1000,           /* a read that waits looks so often even without a wake: keeps the member in its group */
    REPLY_SLACK = 1 << 20     /* an answer may be so much longer than three times its records (names, offsets, base64) */
};

/* ---- polled batches ------------------------------------------------------------------------------------------------------- */

static void drop_first(struct consumer *c)
{
    struct polled *p = c->polled;
    if ((c->polled = p->next) == NULL)
        c->polled_end = &c->polled;
    batch_clear(&p->batch);
    free(p);
}

static void put_back(struct consumer *c)
{
    for (struct polled *p = c->polled; p != NULL; p = p->next)
        p->at = p->kept;
}

static void undo_ahead(struct consumer *c)
{
    if (c->ahead.answer.count != 0)
        put_back(c);
    c->ahead.answer = (struct answer){0};
    buf_clear(&c->ahead.body);
}

void consumer_undo_ahead(struct consumer *c)
{
    undo_ahead(c);
    c->ahead_bytes = 0; /* nor made once more: the next read drops what was polled of partitions that went (drop_lost) */
}

static bool is_named(const struct tp *tps, size_t n, struct str topic, int32_t partition)
{
    for (size_t i = 0; i < n; i++)
        if (tps[i].partition == partition && str_eq(tps[i].topic, topic))
            return true;
    return false;
}

/* A record with offset -1 is passed over: it is neither shown nor stored. */
static void skip_partitions(struct consumer *c, const struct tp *tps, size_t n, bool named)
{
    for (struct polled *p = c->polled; p != NULL; p = p->next) {
        int64_t last = -1; /* topic and partition of the record before: they come in runs */
        bool hit = false;
        for (size_t i = p->kept; i < p->batch.n; i++) {
            struct record *r = &p->batch.records[i];
            int64_t here = (int64_t)r->topic << 32 | (uint32_t)r->partition;
            if (here != last)
                hit = is_named(tps, n, p->batch.topics[r->topic], r->partition) == named;
            last = here;
            if (hit)
                r->offset = -1;
        }
    }
}

void consumer_drop_polled(struct consumer *c, const struct tp *tps, size_t n)
{
    c->poll_err = (struct err){0};
    undo_ahead(c);
    if (n != 0) {
        skip_partitions(c, tps, n, true);
        return;
    }
    while (c->polled != NULL)
        drop_first(c);
}

/* What an earlier read left may be of partitions that went to another member since. */
static void drop_lost(struct consumer *c, struct arena *a)
{
    struct tp *tps;
    size_t n;
    struct err err = {0};
    if (c->polled == NULL || member_assignment(c->member, a, &tps, &n, &err) < 0 || n == 0)
        return;
    skip_partitions(c, tps, n, false);
}

struct positions {
    struct tp *tps;
    size_t n, cap;
};

static int note_position(struct positions *to, struct str topic, const struct record *r, size_t *hint)
{
    if (*hint < to->n && to->tps[*hint].partition == r->partition && str_eq(to->tps[*hint].topic, topic)) {
        to->tps[*hint].offset = r->offset + 1;
        return 0;
    }
    for (*hint = 0; *hint < to->n; ++*hint) {
        struct tp *t = &to->tps[*hint];
        if (t->partition == r->partition && str_eq(t->topic, topic)) {
            t->offset = r->offset + 1;
            return 0;
        }
    }
    if (to->n == to->cap) {
        size_t cap = to->cap * 2 + 16;
        struct tp *more = realloc(to->tps, cap * sizeof *more);
        if (more == NULL)
            return -1;
        to->tps = more;
        to->cap = cap;
    }
    to->tps[to->n] = (struct tp){.topic = topic, .partition = r->partition, .offset = r->offset + 1};
    *hint = to->n++;
    return 0;
}

/* What lies in the answer that was just given: its positions are stored, its batches freed. */
static void deliver(struct consumer *c)
{
    struct positions to = {0};
    struct err err = {0};
    bool complete = true;
    size_t hint = 0;
    for (struct polled *p = c->polled; p != NULL && complete; p = p->next)
        for (size_t i = p->kept; i < p->at && complete; i++) {
            const struct record *r = &p->batch.records[i];
            /* of a run of one partition only the last counts */
            if (r->offset < 0 || (i + 1 < p->at && r[1].offset >= 0 && r[1].topic == r->topic && r[1].partition == r->partition))
                continue;
            complete = note_position(&to, p->batch.topics[r->topic], r, &hint) == 0;
        }
    if (to.n != 0 && member_store(c->member, to.tps, to.n, &err) < 0)
        log_warn("consumer.not_stored", "group=%.*s instance=%.*s reason=%s", STR_ARG(c->group), STR_ARG(c->name), err.text);
    free(to.tps);
    while (c->polled != NULL && c->polled->at == c->polled->batch.n)
        drop_first(c);
    if (c->polled != NULL)
        c->polled->kept = c->polled->at;
}

static size_t records_to_ask(const struct consumer *c, size_t room_bytes)
{
    size_t most = (size_t)c->all->conf->consumer_max_poll_records, want = FIRST_POLL;
    if (c->mean_bytes != 0)
        want = room_bytes / c->mean_bytes + 1;
    return want < most ? want : most;
}

/* One poll, for an answer with so much room. 1: records came, 0: none, -1: c->poll_err. */
static int poll_once(struct consumer *c, size_t room_bytes)
{
    const size_t want = records_to_ask(c, room_bytes);
    struct polled *p = calloc(1, sizeof *p);
    if (p == NULL) {
        err_nomem(&c->poll_err);
        return -1;
    }
    atomic_store(&c->woken, false);
    struct err err = {0};
    int rc = member_poll(c->member, &p->batch, want, &err);
    if (rc < 0 && err.code != STORE_UNKNOWN_TOPIC && err.code != STORE_UNKNOWN_PARTITION && err.code != STORE_RETRIABLE) {
        consumer_storage_err(&err); /* (those three pass by themselves: to a reader they are no data yet) */
        c->poll_err = err;
    }
    c->more = p->batch.n == want;
    if (p->batch.n == 0) {
        batch_clear(&p->batch);
        free(p);
        return c->poll_err.code != 0 ? -1 : 0;
    }
    size_t bytes = 1;
    for (size_t i = 0; i < p->batch.n; i++)
        bytes += p->batch.records[i].key.n + p->batch.records[i].value.n;
    c->mean_bytes = bytes / p->batch.n + 1;
    *c->polled_end = p;
    c->polled_end = &p->next;
    return 1;
}

/* ---- schemas that have to be asked for --------------------------------------------------------------------------------------- */

static void fetch_schema(void *arg)
{
    struct consumer *c = arg;
    struct consumers *all = c->all;
    struct err err = {0};
    struct client_schema *got = client_get_id(all->proxy->registry, c->fetch_id, &err); /* fetch_id stays while fetching is set */
    pthread_mutex_lock(&all->lock);
    c->fetching = false;
    struct client_schema *old = c->fetched;
    c->fetched = c->closing ? NULL : got;
    c->fetch_err = err;
    bool drop = c->closing;
    if (c->reads != NULL)
        consumer_event(c);
    consumer_settle(c); /* c may be gone now */
    pthread_mutex_unlock(&all->lock);
    if (old != NULL)
        client_schema_unref(old);
    if (drop && got != NULL)
        client_schema_unref(got);
}

/* Makes schema id come. True: wait for it; false: it cannot be had, err says why (told once, then it is asked for anew). */
static bool await_schema(struct consumer *c, int32_t id, struct err *err)
{
    struct consumers *all = c->all;
    struct client_schema *got = NULL;
    bool wait = true;
    pthread_mutex_lock(&all->lock);
    if (c->fetching) {
        ; /* this one or another: its end looks again */
    } else if (c->fetch_id == id && c->fetch_err.code != 0) {
        *err = c->fetch_err;
        c->fetch_err = (struct err){0};
        wait = false;
    } else if (c->fetch_id == id && c->fetched != NULL) {
        got = TAKE(c->fetched);
    } else {
        c->fetch_id = id;
        c->fetching = true;
        if (pool_add(all->proxy->pool, fetch_schema, c, err) < 0) {
            c->fetching = false;
            wait = false;
        }
    }
    pthread_mutex_unlock(&all->lock);
    if (got != NULL) {
        struct client_schema **slot = &c->schemas[(uint32_t)id % RENDER_SCHEMAS];
        if (*slot != NULL)
            client_schema_unref(*slot);
        *slot = got;
        pthread_mutex_lock(&all->lock);
        c->again = true;
        pthread_mutex_unlock(&all->lock);
    }
    return wait;
}

/* ---- one read ------------------------------------------------------------------------------------------------------------------ */

/* Takes r, the first read, out of the list. True when its client is still there. */
static bool unlink_first(struct consumer *c, struct read *r)
{
    pthread_mutex_lock(&c->all->lock);
    r->consumer = NULL;
    if ((c->reads = r->next) == NULL)
        c->reads_end = &c->reads;
    bool there = !r->gone;
    pthread_mutex_unlock(&c->all->lock);
    return there;
}

static void answer_empty(struct reply *reply)
{
    struct buf *body = reply_body(reply);
    buf_reset(body);
    buf_put_str(body, STR("[]"));
}

/* Ends r, the first read, with what it holds, or with why. */
static void end_first(struct consumer *c, struct read *r, const struct err *why)
{
    struct reply *reply = r->reply;
    struct buf *body = reply_body(reply);
    bool holds = r->answer.count != 0;
    if (!unlink_first(c, r)) {
        put_back(c);
        answer_empty(reply);
        reply_finish(reply);
        return;
    }
    if (holds && !body->failed) {
        buf_put_u8(body, ']');
    } else if (why != NULL) {
        reply_err(reply, why);
    } else {
        answer_empty(reply);
    }
    if (body->failed) { /* no memory for so long an answer: nothing was delivered */
        struct err nomem = {0};
        err_nomem(&nomem);
        buf_reset(body);
        reply_err(reply, &nomem);
        put_back(c);
        holds = false;
    }
    const size_t max_bytes = r->max_bytes;
    reply_finish(reply); /* r is gone now */
    if (holds) {
        deliver(c);
        c->ahead_bytes = max_bytes;
    } else {
        put_back(c); /* at most records that are passed over */
    }
}

enum took { TOOK_ALL, TOOK_ENOUGH, TOOK_POISON, TOOK_TURN, TOOK_NO_SCHEMA };

/* Renders what is polled into body, until it is turn_ends long. TOOK_ALL: nothing is left. */
static enum took take_polled(struct consumer *c, struct buf *body, struct answer *answer, size_t max_bytes, size_t turn_ends, struct err *err)
{
    const size_t ceiling = max_bytes * 3 + REPLY_SLACK;
    for (struct polled *p = c->polled; p != NULL; p = p->next)
        while (p->at < p->batch.n) {
            const struct record *rec = &p->batch.records[p->at];
            int32_t missing = 0;
            if (rec->offset < 0) {
                p->at++;
                continue;
            }
            if (body->n > ceiling)
                return TOOK_ENOUGH;
            if (body->n > turn_ends)
                return TOOK_TURN;
            switch (consumer_render(c, rec, p->batch.topics[rec->topic], body, answer->count == 0, &answer->taken, max_bytes, &missing, err)) {
            case RENDER_DONE:
                p->at++;
                answer->count++;
                break;
            case RENDER_OVER:
                return TOOK_ENOUGH;
            case RENDER_POISON:
                return TOOK_POISON;
            case RENDER_WAIT: {
                struct err why = {0};
                if (await_schema(c, missing, &why))
                    return TOOK_NO_SCHEMA;
                err_set(err, PROXY_SERIALIZATION, "Error deserializing %.*s-%d at offset %lld: schema %d cannot be had: %s",
                        STR_ARG(p->batch.topics[rec->topic]), rec->partition, (long long)rec->offset, missing, why.text);
                return TOOK_POISON;
            }
            }
        }
    return TOOK_ALL;
}

/* ---- answers made ahead ------------------------------------------------------------------------------------------------------------- */

static bool has_enough(const struct consumer *c, const struct answer *answer)
{
    return c->min_bytes >= 0 && (int64_t)answer->taken > c->min_bytes;
}

/* May an answer of a read with max_bytes begin with what was made ahead? As owner, or with the lock held and no owner. */
static bool ahead_fits(const struct consumer *c, size_t max_bytes, int64_t now)
{
    return c->ahead.answer.count != 0 && c->ahead.answer.taken < max_bytes && now - c->ahead.made_ms < AHEAD_MS;
}

/* To a read that has nothing yet; likewise. */
static void give_ahead(struct consumer *c, struct answer *answer, struct buf *body)
{
    struct buf was = *body;
    *body = c->ahead.body;
    c->ahead.body = was;
    *answer = c->ahead.answer;
    c->ahead.answer = (struct answer){0};
}

/* Gives what fits, or undoes it. As owner. */
static bool take_ahead(struct consumer *c, struct answer *answer, struct buf *body, size_t max_bytes, int64_t now)
{
    if (ahead_fits(c, max_bytes, now)) {
        give_ahead(c, answer, body);
        return true;
    }
    undo_ahead(c);
    return false;
}

/* After an answer that left more to read: makes the next one while the client is busy with this one. */
static void make_ahead(struct consumer *c, size_t max_bytes)
{
    struct ahead *to = &c->ahead;
    struct err err = {0};
    if (c->min_bytes < 0 || to->answer.count != 0 || c->closed || (!c->more && c->polled == NULL))
        return;
    if (c->polled == NULL && (c->poll_err.code != 0 || poll_once(c, max_bytes) <= 0))
        return;
    buf_reset(&to->body);
    enum took took = take_polled(c, &to->body, &to->answer, max_bytes, TURN_BYTES, &err);
    to->only_for = took == TOOK_ENOUGH ? max_bytes : took == TOOK_TURN ? SIZE_MAX : 0;
    if (to->body.failed || !has_enough(c, &to->answer))
        undo_ahead(c);
    else
        to->made_ms = clock_mono_ms();
}

/* Goes on with r, the first read. True: it has ended. False: *again_ms says when to look again at the latest. */
static bool go_on(struct consumer *c, struct read *r, int64_t *again_ms)
{
    struct err err = {0};
    int64_t now = clock_mono_ms();
    if (!r->looked && !take_ahead(c, &r->answer, reply_body(r->reply), r->max_bytes, now))
        drop_lost(c, request_arena(r->req));
    const size_t turn_ends = reply_body(r->reply)->n + TURN_BYTES;
    for (;;) {
        enum took took = take_polled(c, reply_body(r->reply), &r->answer, r->max_bytes, turn_ends, &err);
        bool enough = has_enough(c, &r->answer);
        now = clock_mono_ms();
        switch (took) {
        case TOOK_ENOUGH:
            end_first(c, r, NULL);
            return true;
        case TOOK_POISON:
            end_first(c, r, &err);
            return true;
        case TOOK_TURN:
            *again_ms = now;
            return false;
        case TOOK_NO_SCHEMA:
            if (now < r->deadline_ms && !enough) {
                *again_ms = r->deadline_ms;
                return false;
            }
            end_first(c, r, NULL);
            return true;
        case TOOK_ALL:
            break;
        }
        if (r->looked && (now >= r->deadline_ms || enough)) {
            end_first(c, r, NULL);
            return true;
        }
        if (r->looked && c->poll_err.code == 0 && now < c->not_before_ms) {
            *again_ms = c->not_before_ms < r->deadline_ms ? c->not_before_ms : r->deadline_ms;
            return false;
        }
        int came = c->poll_err.code != 0 ? -1 : enough ? 0 : poll_once(c, r->max_bytes - r->answer.taken);
        r->looked = true;
        if (came < 0) {
            err = c->poll_err;
            if (r->answer.count == 0)
                c->poll_err = (struct err){0};
            end_first(c, r, &err);
            return true;
        }
        if (came == 0 && !enough && now < r->deadline_ms) {
            /* a read that lasts its whole time-out anyway need not be woken for each record */
            c->not_before_ms = c->min_bytes < 0 ? now + c->all->conf->consumer_iterator_backoff_ms : 0;
            *again_ms = now + LOOK_MS < r->deadline_ms ? now + LOOK_MS : r->deadline_ms;
            return false;
        }
    }
}

/* ---- all reads of an instance ------------------------------------------------------------------------------------------------------ */

/* With the lock held: takes the reads out of the list that are gone, or late with nothing in hand; the first one only where whole says so. *next_ms: when
 * the next of those that stay will be late. */
static struct read *unlink_over(struct consumer *c, bool whole, int64_t now, int64_t *next_ms)
{
    struct read *over = NULL, **at = &c->reads;
    *next_ms = INT64_MAX;
    while (*at != NULL) {
        struct read *r = *at;
        bool first = at == &c->reads;
        bool holds = first && r->answer.count != 0;
        int64_t late_ms = first && !r->looked ? r->deadline_ms + FIRST_LOOK_MS : r->deadline_ms;
        if ((whole || !first) && (r->gone || (!holds && now >= late_ms))) {
            c->put_back = c->put_back || holds;
            *at = r->next;
            r->consumer = NULL;
            r->next = over;
            over = r;
        } else {
            if ((whole ? late_ms > now : !first) && late_ms < *next_ms)
                *next_ms = late_ms;
            at = &r->next;
        }
    }
    c->reads_end = at;
    return over;
}

static void answer_over(struct read *over)
{
    while (over != NULL) {
        struct read *r = over;
        over = r->next; /* before r goes with its request */
        answer_empty(r->reply);
        reply_finish(r->reply);
    }
}

void consumer_reap_reads(struct consumer *c)
{
    struct consumers *all = c->all;
    int64_t next_ms, now = clock_mono_ms();
    struct read *over = unlink_over(c, true, now, &next_ms);
    consumer_set_timer(c, next_ms);
    pthread_mutex_unlock(&all->lock);
    answer_over(over);
    pthread_mutex_lock(&all->lock);
}

void consumer_begin_owning(struct consumer *c)
{
    pthread_mutex_lock(&c->all->lock);
    bool back = c->put_back, given = c->given;
    c->put_back = c->given = false;
    pthread_mutex_unlock(&c->all->lock);
    if (given)
        deliver(c);
    if (back)
        put_back(c);
}

bool consumer_has_work(const struct consumer *c)
{
    return c->reads != NULL || c->given || c->ahead.answer.count != 0 || c->ahead_bytes != 0;
}

/* No read waits: looks a little ahead, and forgets what nobody fetched. */
static void serve_nobody(struct consumer *c)
{
    if (c->ahead.answer.count != 0) {
        if (clock_mono_ms() - c->ahead.made_ms >= AHEAD_MS)
            undo_ahead(c);
    } else if (c->ahead_bytes != 0) {
        make_ahead(c, c->ahead_bytes);
    }
    c->ahead_bytes = 0;
    if (c->ahead.answer.count == 0)
        return;
    pthread_mutex_lock(&c->all->lock);
    consumer_set_timer(c, c->ahead.made_ms + AHEAD_MS);
    pthread_mutex_unlock(&c->all->lock);
}

void consumer_serve_reads(struct consumer *c)
{
    struct consumers *all = c->all;
    for (;;) {
        int64_t again_ms, others_ms;
        consumer_begin_owning(c);
        pthread_mutex_lock(&all->lock);
        struct read *r = c->reads;
        bool gone = r != NULL && r->gone;
        pthread_mutex_unlock(&all->lock);
        if (r == NULL) {
            serve_nobody(c);
            return;
        }
        c->ahead_bytes = 0;
        if (gone) {
            end_first(c, r, NULL);
            continue;
        }
        if (go_on(c, r, &again_ms))
            continue;
        pthread_mutex_lock(&all->lock);
        struct read *over = unlink_over(c, false, clock_mono_ms(), &others_ms);
        consumer_set_timer(c, again_ms < others_ms ? again_ms : others_ms);
        pthread_mutex_unlock(&all->lock);
        answer_over(over);
        return;
    }
}

void consumer_end_reads(struct consumer *c)
{
    struct err err = {0};
    err_set(&err, PROXY_INSTANCE_NOT_FOUND, PROXY_TEXT_INSTANCE_NOT_FOUND);
    for (;;) {
        consumer_begin_owning(c);
        pthread_mutex_lock(&c->all->lock);
        struct read *r = c->reads;
        pthread_mutex_unlock(&c->all->lock);
        if (r == NULL)
            return;
        end_first(c, r, &err);
    }
}

/* ---- GET records --------------------------------------------------------------------------------------------------------------------- */

static void on_gone(void *ctx)
{
    struct read *r = ctx;
    struct consumers *all = r->all;
    pthread_mutex_lock(&all->lock);
    r->gone = true;
    if (r->consumer != NULL)
        consumer_event(r->consumer);
    pthread_mutex_unlock(&all->lock);
}

/* A number in the query; 0 when absent. One that is none does not name a resource: 404. */
static int query_number(struct request *req, const char *name, int64_t *out, struct err *err)
{
    struct str text = request_query(req, name);
    *out = 0;
    if (text.p != NULL && !str_to_i64(text, out))
        return err_set(err, PROXY_NOT_FOUND, PROXY_TEXT_NOT_FOUND);
    return 0;
}

/* The formats with a schema are one: what a record shows as is in its frame. */
static enum embedded format_of_media(struct str type)
{
    return str_is(type, MEDIA_JSONSCHEMA) || str_is(type, MEDIA_PROTOBUF) ? EMBEDDED_AVRO : embedded_of_media(type);
}

static int begin_read(struct consumer *c, struct request *req, struct read *r, int64_t timeout, int64_t max_bytes, struct err *err)
{
    const struct proxy_conf *conf = c->all->conf;
    enum embedded asked = format_of_media(str_of(request_accepts(req)));
    if (asked != c->format)
        return err_set(err, PROXY_FORMAT_MISMATCH, "This read asks for the format %s (Accept: %s), but the instance was created with format %s",
                       embedded_names[asked], request_accepts(req), embedded_names[c->format]);
    int64_t limit = c->request_timeout_ms;
    if (timeout > 0 && timeout < limit)
        limit = timeout;
    r->deadline_ms = clock_mono_ms() + (limit > 0 ? limit : 0);
    r->max_bytes = (size_t)(max_bytes > 0 && max_bytes < conf->consumer_request_max_bytes ? max_bytes : conf->consumer_request_max_bytes);
    return 0;
}

/* With the lock held: answers from what was made ahead, when nothing else goes on. */
static bool give_at_once(struct consumer *c, struct read *r)
{
    if (c->owner != OWNER_NONE || c->calls != NULL || c->reads != NULL || c->put_back || c->given ||
        (c->ahead.only_for != 0 && c->ahead.only_for != r->max_bytes) || !ahead_fits(c, r->max_bytes, clock_mono_ms()))
        return false;
    struct buf *body = reply_body(r->reply);
    give_ahead(c, &r->answer, body);
    c->ahead_bytes = r->max_bytes;
    c->given = true;
    consumer_event(c);
    return true;
}

int consumers_get_records(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct consumers *all = ((struct proxy *)arg)->consumers;
    int64_t timeout, max_bytes;
    if (query_number(req, "timeout", &timeout, err) < 0 || query_number(req, "max_bytes", &max_bytes, err) < 0)
        return -1;
    struct read *r = arena_calloc(request_arena(req), 1, sizeof *r);
    if (r == NULL)
        return err_nomem(err);
    r->all = all;
    r->req = req;
    r->reply = reply;
    request_on_gone(req, on_gone, r); /* (outside our lock) */
    struct consumer *c = consumers_lock_instance(all, req, err);
    if (c == NULL)
        return -1;
    int rc = begin_read(c, req, r, timeout, max_bytes, err);
    if (rc == 0 && str_is(request_method(req), "HEAD")) { /* asks for no records, so it takes none */
        buf_put_str(reply_body(reply), STR("[]"));
    } else if (rc == 0 && give_at_once(c, r)) {
        buf_put_u8(reply_body(reply), ']');
    } else if (rc == 0) {
        r->consumer = c;
        *c->reads_end = r;
        c->reads_end = &r->next;
        consumer_event(c);
        rc = REPLY_LATER;
    }
    pthread_mutex_unlock(&all->lock);
    return rc;
}
