#include "registry/scribe.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "registry/plan.h"

enum { MAX_WAITING = 20000, BATCH_JOBS = 500, BATCH_BYTES = 8 << 20, TAKE_MS = 3000, STUCK_MS = 1000 };

#define CLOSING "the registry is being shut down"

struct queue {
    struct job *first, **last;
    size_t n;
};

struct scribe {
    struct registry *r;
    struct str pen_name; /* owned */
    pthread_t thread;
    pthread_mutex_t lock; /* guards waiting, closing; a leaf */
    pthread_cond_t work;
    struct queue waiting;
    bool closing;
    /* the thread's */
    struct pen *pen;   /* NULL: not ours */
    int fenced_in_row;
    uint32_t random;
};

/* ---- jobs --------------------------------------------------------------------------------------------------------- */

static void queue_init(struct queue *q)
{
    *q = (struct queue){0};
    q->last = &q->first;
}

static void queue_add(struct queue *q, struct job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
    q->n++;
}

static struct job *queue_take(struct queue *q)
{
    struct job *job = q->first;
    if (job != NULL && (q->first = job->next) == NULL)
        q->last = &q->first;
    q->n -= job != NULL;
    return job;
}

/* Moves all of tail behind what q holds. */
static void queue_append(struct queue *q, struct queue *tail)
{
    if (tail->first == NULL)
        return;
    *q->last = tail->first;
    q->last = tail->last;
    q->n += tail->n;
    queue_init(tail);
}

/* Sends the outcome; the job and its request are gone afterwards. */
static void answer(struct job *job)
{
    struct reply *reply = job->reply;
    if (job->rc < 0) {
        reply_err(reply, &job->err);
    } else if (job->body.failed) {
        struct err nomem = {.code = ERR_NOMEM, .text = "out of memory"};
        reply_err(reply, &nomem);
    } else {
        reply_status(reply, job->status);
        buf_put_str(reply_body(reply), buf_str(&job->body));
    }
    buf_clear(&job->body);
    if (job->clear != NULL)
        job->clear(job->input);
    reply_finish(reply);
}

static void answer_all(struct queue *jobs)
{
    for (struct job *job; (job = queue_take(jobs)) != NULL;)
        answer(job);
}

static void fail(struct job *job, int code, const char *text)
{
    job->rc = -1;
    err_clear(&job->err);
    err_set(&job->err, code, "%s", text);
    answer(job);
}

static void fail_all(struct queue *jobs, int code, const char *text)
{
    for (struct job *job; (job = queue_take(jobs)) != NULL;)
        fail(job, code, text);
}

int scribe_add(struct scribe *w, struct job *job, struct err *err)
{
    job->deadline_ms = clock_mono_ms() + w->r->conf->timeout_ms;
    pthread_mutex_lock(&w->lock);
    bool closing = w->closing, ok = !closing && w->waiting.n < MAX_WAITING;
    if (ok)
        queue_add(&w->waiting, job);
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    return ok ? REPLY_LATER : err_set(err, ERR_FULL, closing ? CLOSING : "too many writes are waiting; try again later");
}

int scribe_ask(struct scribe *w, struct request *req, struct reply *reply, job_decide *decide, void *input, struct err *err)
{
    struct job *job = arena_alloc(request_arena(req), sizeof *job);
    const atomic_bool *gone = request_watch(req);
    if (job == NULL || gone == NULL)
        return err_nomem(err);
    *job = (struct job){.req = req, .reply = reply, .decide = decide, .input = input, .alone = true, .gone = gone};
    return scribe_add(w, job, err);
}

/* ---- one batch ---------------------------------------------------------------------------------------------------- */

/* Answers those whose time is over or whose client has gone; why is what kept them waiting. */
static void drop_late(struct queue *jobs, const struct err *why)
{
    struct queue kept;
    queue_init(&kept);
    int64_t now = clock_mono_ms();
    for (struct job *job; (job = queue_take(jobs)) != NULL;) {
        if (atomic_load(job->gone) && why->code != 0)
            fail(job, ERR_FULL, "the client has gone, or the server is being shut down");
        else if (now < job->deadline_ms)
            queue_add(&kept, job);
        else if (why->code == ERR_TIMEOUT || why->code == STORE_UNKNOWN_OUTCOME || why->code == 0)
            fail(job, REG_STORE_TIMEOUT, why->code != 0 ? why->text : "the write took longer than kafkastore.timeout.ms");
        else
            fail(job, REG_STORE_FAILED, why->text);
    }
    queue_append(jobs, &kept);
}

/* Lets each job decide; those that must wait go to later. */
static void decide_all(struct scribe *w, struct queue *jobs, struct plan *plan, struct queue *later)
{
    struct queue decided;
    bool alone = false;
    queue_init(&decided);
    for (struct job *job; (job = queue_take(jobs)) != NULL;) {
        if (alone || (job->alone && decided.n != 0) || later->n != 0 || plan->bytes > BATCH_BYTES) {
            queue_add(later, job);
            continue;
        }
        size_t before = plan->n;
        buf_reset(&job->body);
        err_clear(&job->err);
        job->status = 200;
        job->rc = job->decide(w->r, plan, job, &job->err);
        if (job->rc == DECIDE_LATER) {
            queue_add(later, job);
            continue;
        }
        if (job->rc < 0)
            plan->n = before; /* what it had added before it failed */
        job->nrecords = plan->n - before;
        alone = job->alone;
        queue_add(&decided, job);
    }
    queue_append(jobs, &decided);
}

static int64_t last_deadline(const struct queue *jobs)
{
    int64_t latest = clock_mono_ms();
    for (const struct job *job = jobs->first; job != NULL; job = job->next)
        if (job->deadline_ms > latest)
            latest = job->deadline_ms;
    return latest;
}

static void lose_pen(struct scribe *w)
{
    pen_free(w->pen);
    w->pen = NULL;
}

/* Takes the pen and reads to the end. */
static int take_pen(struct scribe *w, int64_t deadline_ms, struct err *err)
{
    int64_t left = deadline_ms - clock_mono_ms(), end = 0, began = clock_mono_us();
    if (left <= 0)
        return err_set(err, ERR_TIMEOUT, "the write took longer than kafkastore.timeout.ms");
    w->pen = pen_take(w->r->storage, w->pen_name, str_of(w->r->conf->topic), (int)(left < TAKE_MS ? left : TAKE_MS), &end, err);
    if (w->pen == NULL)
        return -1;
    if (fold_wait(w->r->fold, end, deadline_ms, err) < 0) {
        lose_pen(w);
        return -1;
    }
    log_info("pen.taken", "name=%.*s end=%lld us=%lld", STR_ARG(w->pen_name), (long long)end, (long long)(clock_mono_us() - began));
    return 0;
}

/* Somebody else took the pen: let them write before we take it back, or neither gets anything done. */
static void wait_turn(struct scribe *w)
{
    w->random = w->random * 1103515245u + 12345u;
    int most = 20 << (w->fenced_in_row < 4 ? w->fenced_in_row : 4);
    clock_sleep_ms(5 + (int)((w->random >> 16) % (uint32_t)most));
    w->fenced_in_row++;
}

/* Was the state complete when the jobs decided? 1 yes, 0 it is now (decide again), -1 with err. */
static int check_fresh(struct scribe *w, int64_t decided_at, int64_t deadline_ms, struct err *err)
{
    int64_t low, high, patience_ms = clock_mono_ms() + STUCK_MS;
    struct err why = {0};
    if (storage_watermarks(w->r->storage, str_of(w->r->conf->topic), 0, &low, &high, err) < 0)
        return -1;
    if (decided_at >= high)
        return 1;
    if (fold_wait(w->r->fold, high, patience_ms < deadline_ms ? patience_ms : deadline_ms, &why) == 0)
        return 0;
    /* A writer that died may have left its transaction open: taking the pen ends it. */
    lose_pen(w);
    return take_pen(w, deadline_ms, err);
}

/* Writes the plan. 1 committed and applied; 0 nothing was written, decide again; -1 with err: ERR_TOO_BIG, or answer with it. */
static int write_plan(struct scribe *w, struct plan *plan, int64_t deadline_ms, struct err *err)
{
    struct fold_mark mark = fold_next_mark(w->r->fold);
    const struct header header = {STR(FOLD_MARK_HEADER), str_n(mark.bytes, sizeof mark.bytes)};
    int64_t *offsets = arena_calloc(&plan->arena, plan->n, sizeof *offsets);
    if (offsets == NULL)
        return err_nomem(err);
    plan->records[0].headers = &header;
    plan->records[0].nheaders = 1;
    int64_t left = deadline_ms - clock_mono_ms();
    struct err why = {0};
    if (pen_write(w->pen, plan->records, plan->n, (int)(left > 100 ? left : 100), offsets, &why) == 0) {
        w->fenced_in_row = 0;
        return fold_wait(w->r->fold, offsets[plan->n - 1] + 1, clock_mono_ms() + w->r->conf->timeout_ms, err) < 0 ? -1 : 1;
    }
    if (why.code == STORE_TOO_LARGE)
        return err_set(err, ERR_TOO_BIG, "%s", why.text);
    lose_pen(w);
    if (why.code == STORE_FENCED) {
        log_info("pen.lost", "name=%.*s", STR_ARG(w->pen_name));
        wait_turn(w);
        return 0;
    }
    log_warn("pen.unknown_outcome", "reason=%s", why.text);
    struct err taking = {0};
    while (take_pen(w, deadline_ms, &taking) < 0) {
        if (clock_mono_ms() >= deadline_ms)
            return err_set(err, ERR_TIMEOUT, "it is not known whether the write was done: %s; ask again", why.text);
        clock_sleep_ms(50);
        err_clear(&taking);
    }
    return fold_met_mark(w->r->fold, &mark);
}

static void serve(struct scribe *w, struct queue *jobs);

/* One of several jobs has a record that is too large: each goes alone, so that only that one fails. */
static void serve_one_by_one(struct scribe *w, struct queue *jobs)
{
    if (jobs->n == 1) {
        fail_all(jobs, REG_TOO_LARGE, "the schema is too large to be stored: its record is over the topic's max.message.bytes");
        return;
    }
    for (struct job *job; (job = queue_take(jobs)) != NULL;) {
        struct queue one;
        queue_init(&one);
        queue_add(&one, job);
        serve(w, &one);
    }
}

/* One try. true: the jobs are answered or failed; what must wait is in later. */
static bool try_batch(struct scribe *w, struct queue *jobs, struct queue *later, struct err *err)
{
    OWN_BY(plan_clear) struct plan plan = {0};
    int64_t deadline_ms = last_deadline(jobs), decided_at = fold_position(w->r->fold);
    decide_all(w, jobs, &plan, later);
    int rc = 0;
    if (plan.n == 0) {
        rc = check_fresh(w, decided_at, deadline_ms, err);
    } else if (w->pen == NULL) {
        rc = take_pen(w, deadline_ms, err);
    } else {
        rc = write_plan(w, &plan, deadline_ms, err);
        if (rc < 0 && err->code == ERR_TOO_BIG) {
            serve_one_by_one(w, jobs);
            return true;
        }
        if (rc < 0) { /* nothing can be said any more */
            fail_all(jobs, REG_STORE_TIMEOUT, err->text);
            return true;
        }
    }
    if (rc == 1)
        answer_all(jobs);
    return rc == 1;
}

static void serve(struct scribe *w, struct queue *jobs)
{
    struct err why = {0};
    struct queue later;
    queue_init(&later);
    for (;;) {
        drop_late(jobs, &why);
        if (jobs->n == 0)
            return;
        struct err err = {0};
        bool done = try_batch(w, jobs, &later, &err);
        queue_append(jobs, &later); /* jobs is empty when done */
        if (!done && err.code != 0 && clock_mono_ms() < last_deadline(jobs))
            clock_sleep_ms(50); /* the store cannot now */
        why = err;
    }
}

static void *run(void *arg)
{
    struct scribe *w = arg;
    for (;;) {
        struct queue jobs;
        queue_init(&jobs);
        pthread_mutex_lock(&w->lock);
        while (w->waiting.n == 0 && !w->closing)
            pthread_cond_wait(&w->work, &w->lock);
        bool closing = w->closing;
        for (struct job *job; jobs.n < BATCH_JOBS && (job = queue_take(&w->waiting)) != NULL;)
            queue_add(&jobs, job);
        pthread_mutex_unlock(&w->lock);
        if (jobs.n == 0)
            return NULL;
        if (closing)
            fail_all(&jobs, ERR_FULL, CLOSING);
        else
            serve(w, &jobs);
    }
}

struct scribe *scribe_new(struct registry *r, struct err *err)
{
    struct scribe *w = calloc(1, sizeof *w);
    OWN_BY(buf_clear) struct buf name = {0};
    buf_printf(&name, "muir-%s-%s", r->conf->group_id, r->conf->topic);
    if (w == NULL || name.failed) {
        free(w);
        err_nomem(err);
        return NULL;
    }
    w->r = r;
    w->pen_name.p = buf_take(&name, &w->pen_name.n);
    w->random = (uint32_t)map_hash(&w, sizeof w); /* seeded per process */
    queue_init(&w->waiting);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    if (w->pen_name.p == NULL || pthread_create(&w->thread, NULL, run, w) != 0) {
        err_set(err, ERR_IO, "cannot start the thread that writes %s", r->conf->topic);
        pthread_mutex_destroy(&w->lock);
        pthread_cond_destroy(&w->work);
        free((char *)w->pen_name.p);
        free(w);
        return NULL;
    }
    return w;
}

void scribe_free(struct scribe *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    lose_pen(w);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->work);
    free((char *)w->pen_name.p);
    free(w);
}
