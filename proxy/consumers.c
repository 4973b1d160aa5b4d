/* proxy/consumers.c - the instances of this node: found by (group, name), owned by one thread at a time, closed when nobody calls.
 *
 * Threads: a pool runs calls; a few pollers serve reads, fire timers and look once a second for instances that idle too long.  Costs: finding is a hash
 * look-up, a timer O(log n), the look for idle ones O(n) a second. */
#include "proxy/consumers.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/consumer.h"

enum { POLLERS_MAX = 4, THREADS_UNLIMITED = 50, SWEEP_MS = 1000, RETRY_MS = 20 };

/* ---- timers: a binary heap of instances, all->lock held --------------------------------------------------------------- */

static void heap_put(struct consumers *all, size_t i, struct consumer *c)
{
    all->heap[i] = c;
    c->heap_at = i + 1;
}

static void heap_up(struct consumers *all, size_t i, struct consumer *c)
{
    while (i > 0 && all->heap[(i - 1) / 2]->timer_ms > c->timer_ms) {
        heap_put(all, i, all->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(all, i, c);
}

static void heap_down(struct consumers *all, size_t i, struct consumer *c)
{
    for (size_t child; (child = 2 * i + 1) < all->heap_n; i = child) {
        if (child + 1 < all->heap_n && all->heap[child + 1]->timer_ms < all->heap[child]->timer_ms)
            child++;
        if (all->heap[child]->timer_ms >= c->timer_ms)
            break;
        heap_put(all, i, all->heap[child]);
    }
    heap_put(all, i, c);
}

static void heap_remove(struct consumers *all, struct consumer *c)
{
    if (c->heap_at == 0)
        return;
    size_t i = c->heap_at - 1;
    c->heap_at = 0;
    struct consumer *last = all->heap[--all->heap_n];
    if (last == c)
        return;
    if (i > 0 && all->heap[(i - 1) / 2]->timer_ms > last->timer_ms)
        heap_up(all, i, last);
    else
        heap_down(all, i, last);
}

void consumer_set_timer(struct consumer *c, int64_t ms)
{
    struct consumers *all = c->all;
    heap_remove(all, c);
    if (ms == INT64_MAX)
        return;
    c->timer_ms = ms;
    heap_up(all, all->heap_n++, c); /* room for every instance was made when it was added */
}

/* ---- who owns an instance; all->lock held ------------------------------------------------------------------------------- */

static void run_calls(void *arg);

void consumer_event(struct consumer *c)
{
    struct consumers *all = c->all;
    c->again = true;
    if (c->queued || c->owner == OWNER_POLLER) /* its owner looks again before it leaves */
        return;
    c->queued = true;
    c->next = NULL;
    *all->ready_end = c;
    all->ready_end = &c->next;
    pthread_cond_signal(&all->work);
}

static struct consumer *take_ready(struct consumers *all)
{
    struct consumer *c = all->ready;
    if (c != NULL) {
        c->queued = false;
        if ((all->ready = c->next) == NULL)
            all->ready_end = &all->ready;
    }
    return c;
}

static void start_calls(struct consumer *c)
{
    c->owner = OWNER_POOL;
    if (pool_add(c->all->pool, run_calls, c, NULL) == 0)
        return;
    c->owner = OWNER_NONE; /* the queue is full: once more in a moment */
    consumer_set_timer(c, clock_mono_ms() + RETRY_MS);
}

static void add_call(struct consumer *c, struct call *call)
{
    call->next = NULL;
    *c->calls_end = call;
    c->calls_end = &call->next;
    if (c->owner == OWNER_NONE)
        start_calls(c);
}

static struct call *take_call(struct consumer *c)
{
    struct call *call = c->calls;
    if (call != NULL && (c->calls = call->next) == NULL)
        c->calls_end = &c->calls;
    return call;
}

void consumer_settle(struct consumer *c)
{
    struct consumers *all = c->all;
    if (c->owner != OWNER_NONE || !c->closed || c->calls != NULL || c->reads != NULL || c->fetching || c->queued)
        return;
    heap_remove(all, c);
    consumer_free(c);
    if (--all->count == 0)
        pthread_cond_broadcast(&all->empty);
}

static void release(struct consumer *c)
{
    c->owner = OWNER_NONE;
    c->last_used_ms = clock_mono_ms();
    if (c->calls != NULL)
        start_calls(c);
    if ((c->reads != NULL && c->again) || (c->ahead_bytes != 0 && !c->closed))
        consumer_event(c);
    else
        consumer_settle(c);
}

static void run_calls(void *arg)
{
    struct consumer *c = arg;
    struct consumers *all = c->all;
    consumer_begin_owning(c);
    pthread_mutex_lock(&all->lock);
    for (struct call *call; (call = take_call(c)) != NULL;) {
        pthread_mutex_unlock(&all->lock);
        struct reply *reply = call->reply;
        struct err err = {0};
        int rc = c->closed ? err_set(&err, PROXY_INSTANCE_NOT_FOUND, PROXY_TEXT_INSTANCE_NOT_FOUND) : call->run(c, call, &err);
        if (rc < 0 && reply != NULL)
            reply_err(reply, &err);
        if (rc != CALL_REPLIED && reply != NULL)
            reply_finish(reply);
        pthread_mutex_lock(&all->lock);
    }
    if (c->reads != NULL)
        c->again = true;
    release(c);
    pthread_mutex_unlock(&all->lock);
}

/* ---- finding ------------------------------------------------------------------------------------------------------------- */

struct str consumer_key(struct str group, struct str name, char *to)
{
    const uint32_t n = (uint32_t)group.n;
    memcpy(to, &n, sizeof n);
    memcpy(to + sizeof n, group.p, group.n);
    memcpy(to + sizeof n + group.n, name.p, name.n);
    return str_n(to, sizeof n + group.n + name.n);
}

struct consumer *consumers_lock_instance(struct consumers *all, struct request *req, struct err *err)
{
    struct str group = request_param(req, "group"), name = request_param(req, "instance");
    char *room = arena_alloc(request_arena(req), CONSUMER_KEY_ROOM(group, name));
    if (room == NULL) {
        err_nomem(err);
        return NULL;
    }
    struct str key = consumer_key(group, name, room);
    pthread_mutex_lock(&all->lock);
    struct consumer *c = map_get(&all->by_key, key);
    if (c != NULL) {
        c->last_used_ms = clock_mono_ms();
        return c;
    }
    pthread_mutex_unlock(&all->lock);
    err_set(err, PROXY_INSTANCE_NOT_FOUND, PROXY_TEXT_INSTANCE_NOT_FOUND);
    return NULL;
}

int consumers_call(struct consumers *all, struct request *req, struct reply *reply,
                   int (*run)(struct consumer *c, struct call *call, struct err *err), const void *body, struct err *err)
{
    struct call *call = arena_alloc(request_arena(req), sizeof *call);
    if (call == NULL)
        return err_nomem(err);
    *call = (struct call){.req = req, .reply = reply, .run = run, .body = body};
    struct consumer *c = consumers_lock_instance(all, req, err);
    if (c == NULL)
        return -1;
    add_call(c, call);
    pthread_mutex_unlock(&all->lock);
    return REPLY_LATER;
}

static int make_room_in_heap(struct consumers *all)
{
    if (all->count < all->heap_cap)
        return 0;
    size_t cap = all->heap_cap * 2 + 64;
    struct consumer **more = realloc(all->heap, cap * sizeof *more);
    if (more == NULL)
        return -1;
    all->heap = more;
    all->heap_cap = cap;
    return 0;
}

static int insert(struct consumers *all, struct consumer *c, struct err *err)
{
    if (map_get(&all->by_key, c->key) != NULL)
        return err_set(err, PROXY_INSTANCE_EXISTS, "Consumer instance '%.*s' exists already in group '%.*s'.", STR_ARG(c->name), STR_ARG(c->group));
    if (all->count >= (size_t)all->conf->consumer_instances_max)
        return err_set(err, ERR_FULL, "This node has %lld consumer instances already (consumer.instances.max); delete some",
                       (long long)all->conf->consumer_instances_max);
    if (make_room_in_heap(all) < 0 || map_set(&all->by_key, c->key, c) < 0)
        return err_nomem(err);
    all->count++;
    return 0;
}

int consumers_add(struct consumers *all, struct consumer **c, struct call *call, struct err *err)
{
    struct consumer *mine = TAKE(*c);
    mine->last_used_ms = clock_mono_ms();
    pthread_mutex_lock(&all->lock);
    int rc = insert(all, mine, err);
    if (rc == 0)
        add_call(mine, call);
    pthread_mutex_unlock(&all->lock);
    if (rc < 0)
        consumer_free(mine);
    return rc;
}

void consumer_free(struct consumer *c)
{
    if (c == NULL)
        return;
    free((char *)c->key.p);
    free(c);
}

/* ---- closing -------------------------------------------------------------------------------------------------------------- */

static int close_member(struct consumer *c, struct call *call, struct err *err)
{
    consumer_end_reads(c);
    consumer_drop_polled(c, NULL, 0);
    member_free(TAKE(c->member));
    c->closed = true;
    for (size_t i = 0; i < RENDER_SCHEMAS; i++)
        if (c->schemas[i] != NULL)
            client_schema_unref(TAKE(c->schemas[i]));
    pthread_mutex_lock(&c->all->lock);
    struct client_schema *fetched = TAKE(c->fetched);
    pthread_mutex_unlock(&c->all->lock);
    if (fetched != NULL)
        client_schema_unref(fetched);
    log_debug("consumer.closed", "group=%.*s instance=%.*s", STR_ARG(c->group), STR_ARG(c->name));
    if (call->reply != NULL)
        reply_status(call->reply, 204);
    return 0;
}

void consumer_close(struct consumer *c, struct reply *reply)
{
    map_remove(&c->all->by_key, c->key);
    c->closing = true;
    c->closer = (struct call){.reply = reply, .run = close_member};
    add_call(c, &c->closer);
}

static bool is_any(const struct consumer *c, int64_t now)
{
    return true;
}

static bool is_expired(const struct consumer *c, int64_t now)
{
    return c->owner == OWNER_NONE && c->calls == NULL && c->reads == NULL &&
           now - c->last_used_ms >= c->all->conf->consumer_instance_timeout_ms;
}

static void close_those(struct consumers *all, bool (*which)(const struct consumer *c, int64_t now), int64_t now)
{
    struct consumer *some[256], *c;
    size_t n;
    do { /* the map may not change while it is walked */
        n = 0;
        for (size_t i = 0; n < 256 && (c = map_each(&all->by_key, &i)) != NULL;)
            if (which(c, now))
                some[n++] = c;
        for (size_t i = 0; i < n; i++) {
            if (which == is_expired)
                log_info("consumer.expired", "group=%.*s instance=%.*s", STR_ARG(some[i]->group), STR_ARG(some[i]->name));
            consumer_close(some[i], NULL);
        }
    } while (n == 256);
}

/* ---- pollers --------------------------------------------------------------------------------------------------------------- */

static void fire_timers(struct consumers *all, int64_t now)
{
    while (all->heap_n != 0 && all->heap[0]->timer_ms <= now) {
        struct consumer *c = all->heap[0];
        heap_remove(all, c);
        consumer_event(c);
    }
}

static void wait_for_work(struct consumers *all)
{
    int64_t until = all->next_sweep_ms;
    if (all->heap_n != 0 && all->heap[0]->timer_ms < until)
        until = all->heap[0]->timer_ms;
    clock_cond_wait(&all->work, &all->lock, until);
}

/* c was taken from the ready queue. Unlocks meanwhile. */
static void look_after(struct consumers *all, struct consumer *c)
{
    if (c->owner == OWNER_NONE && c->calls != NULL)
        start_calls(c);
    if (c->owner == OWNER_NONE && consumer_has_work(c)) {
        c->owner = OWNER_POLLER;
        c->again = false;
        pthread_mutex_unlock(&all->lock);
        consumer_serve_reads(c);
        pthread_mutex_lock(&all->lock);
        release(c);
    } else if (c->owner == OWNER_POOL && c->reads != NULL) {
        consumer_reap_reads(c); /* c may be gone now */
    } else {
        consumer_settle(c);
    }
}

static void *poll_thread(void *arg)
{
    struct consumers *all = arg;
    pthread_mutex_lock(&all->lock);
    while (!all->stopping) {
        int64_t now = clock_mono_ms();
        fire_timers(all, now);
        if (now >= all->next_sweep_ms) {
            int64_t timeout = all->conf->consumer_instance_timeout_ms;
            all->next_sweep_ms = now + (timeout < SWEEP_MS ? timeout : SWEEP_MS);
            close_those(all, is_expired, now);
        }
        struct consumer *c = take_ready(all);
        if (c != NULL)
            look_after(all, c);
        else
            wait_for_work(all);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

static int start_pollers(struct consumers *all, struct err *err)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    n = n < 1 ? 1 : n > POLLERS_MAX ? POLLERS_MAX : n;
    if ((all->pollers = calloc((size_t)n, sizeof *all->pollers)) == NULL)
        return err_nomem(err);
    for (; all->npollers < n; all->npollers++) {
        int e = pthread_create(&all->pollers[all->npollers], NULL, poll_thread, all);
        if (e != 0)
            return err_set(err, ERR_IO, "cannot start a thread for consumer reads: %s", strerror(e));
        pthread_setname_np(all->pollers[all->npollers], "consume-poll");
    }
    return 0;
}

struct consumers *consumers_new(struct proxy *p, struct err *err)
{
    struct consumers *all = calloc(1, sizeof *all);
    if (all == NULL) {
        err_nomem(err);
        return NULL;
    }
    all->proxy = p;
    all->conf = p->conf;
    all->ready_end = &all->ready;
    all->next_sweep_ms = clock_mono_ms();
    pthread_mutex_init(&all->lock, NULL);
    clock_cond_init(&all->work);
    clock_cond_init(&all->empty);
    int threads = (int)p->conf->consumer_threads;
    all->pool = pool_new("consume", threads > 0 ? threads : THREADS_UNLIMITED, (int)p->conf->consumer_instances_max + 1000, err);
    if (all->pool == NULL || start_pollers(all, err) < 0) {
        consumers_free(all);
        return NULL;
    }
    return all;
}

void consumers_free(struct consumers *all)
{
    if (all == NULL)
        return;
    pthread_mutex_lock(&all->lock);
    close_those(all, is_any, 0);
    while (all->count != 0)
        pthread_cond_wait(&all->empty, &all->lock);
    all->stopping = true;
    pthread_cond_broadcast(&all->work);
    pthread_mutex_unlock(&all->lock);
    for (int i = 0; i < all->npollers; i++)
        pthread_join(all->pollers[i], NULL);
    pool_free(all->pool);
    free(all->pollers);
    free(all->heap);
    map_clear(&all->by_key);
    pthread_cond_destroy(&all->work);
    pthread_cond_destroy(&all->empty);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
