#include "storage/sqlite/group.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "storage/sqlite/offsets.h"

struct groups {
    struct sqlite *s;
    pthread_mutex_t lock;
    pthread_cond_t tick;  /* for the thread: something is due earlier than it knew; monotonic */
    pthread_cond_t quiet; /* a callback has ended */
    struct map all;       /* lock; name -> struct group */
    bool any_due;         /* lock; some member's wake_due may be set */
    uint64_t claims;      /* lock */
    int64_t due_ms;       /* lock; when the thread looks next */
    bool stopping;        /* lock */
    bool started;
    pthread_t thread;
};

void groups_lock(struct groups *g)
{
    pthread_mutex_lock(&g->lock);
}

static void wake_later(struct groups *g, struct consumer *c)
{
    c->wake_due = true;
    g->any_due = true;
}

static struct consumer *find_due(struct groups *g)
{
    size_t i = 0;
    if (!g->any_due)
        return NULL;
    for (struct group *group; (group = map_each(&g->all, &i)) != NULL;)
        for (struct consumer *c = group->members; c != NULL; c = c->next)
            if (c->wake_due)
                return c;
    g->any_due = false;
    return NULL;
}

void groups_unlock(struct groups *g)
{
    for (struct consumer *c; (c = find_due(g)) != NULL;) {
        c->wake_due = false;
        if (c->woken || c->wake == NULL)
            continue;
        c->woken = true;
        c->waking++; /* keeps c in the group: groups_remove waits */
        pthread_mutex_unlock(&g->lock);
        c->wake(c->wake_ctx);
        pthread_mutex_lock(&g->lock);
        c->waking--;
        pthread_cond_broadcast(&g->quiet);
    }
    pthread_mutex_unlock(&g->lock);
}

uint64_t groups_claim(struct groups *g)
{
    return ++g->claims;
}

void groups_due(struct groups *g, int64_t at_ms)
{
    if (at_ms < g->due_ms) {
        g->due_ms = at_ms;
        pthread_cond_signal(&g->tick);
    }
}

/* ---- groups and members ------------------------------------------------------------------------------------------------ */

struct group *groups_get(struct groups *g, struct str name, struct err *err)
{
    struct group *group = map_get(&g->all, name);
    if (group != NULL)
        return group;
    group = calloc(1, sizeof *group + name.n);
    if (group != NULL) {
        group->name = str_n(memcpy(group + 1, name.p, name.n), name.n);
        if (map_set(&g->all, group->name, group) == 0)
            return group;
    }
    free(group);
    err_nomem(err);
    return NULL;
}

void group_add(struct group *group, struct consumer *c)
{
    struct consumer **at = &group->members;
    while (*at != NULL && strcmp((*at)->id, c->id) < 0)
        at = &(*at)->next;
    c->next = *at;
    *at = c;
}

static void group_free(struct group *group)
{
    offsets_clear(group);
    free(group);
}

void groups_remove(struct groups *g, struct consumer *c)
{
    struct consumer **at = &c->group->members;
    c->wake_due = false;
    while (c->waking > 0)
        pthread_cond_wait(&g->quiet, &g->lock);
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (c->group->members == NULL && c->group->committed.count == 0) { /* nothing is known of it */
        map_remove(&g->all, c->group->name);
        group_free(c->group);
    }
}

void held_clear(struct held *h)
{
    free(h->topic);
    if (h->partition != NULL)
        topic_unref(h->partition->topic);
    *h = (struct held){0};
}

/* ---- positions --------------------------------------------------------------------------------------------------------- */

/* Where auto.offset.reset says to go. */
static void reset_position(struct groups *g, struct consumer *c, struct held *h, const struct partition_state *state)
{
    h->claim = groups_claim(g);
    if (c->reset == RESET_NONE) {
        if (h->position == OFFSET_INVALID)
            err_set(&c->trouble, STORE_OUT_OF_RANGE, "Nothing is committed for %s-%d, and auto.offset.reset is none", h->topic,
                    h->number);
        else
            err_set(&c->trouble, STORE_OUT_OF_RANGE,
                    "Offset %lld of %s-%d is not in the log (%lld to %lld), and auto.offset.reset is none",
                    (long long)h->position, h->topic, h->number, (long long)state->low, (long long)state->high);
        h->position = OFFSET_INVALID;
        wake_later(g, c);
        return;
    }
    h->position = c->reset == RESET_EARLIEST ? state->low : state->high;
}

bool groups_fit_position(struct groups *g, struct consumer *c, struct held *h, const struct partition_state *state)
{
    if (h->position != OFFSET_INVALID && (h->position < state->low || h->position > state->high))
        reset_position(g, c, h, state);
    return h->position != OFFSET_INVALID;
}

/* The position of a partition that c has just been given. */
static void start_position(struct groups *g, struct consumer *c, struct held *h)
{
    struct partition_state state;
    catalog_state(g->s->catalog, h->partition, &state);
    int64_t from = h->asked;
    if (from == OFFSET_INVALID)
        from = group_committed(c->group, str_of(h->topic), h->number, NULL);
    h->claim = groups_claim(g);
    h->asked = OFFSET_INVALID;
    h->position = from == OFFSET_BEGINNING ? state.low : from == OFFSET_END ? state.high : from;
    if (from == OFFSET_INVALID)
        reset_position(g, c, h, &state);
}

void groups_settle_held(struct groups *g, struct consumer *c, struct held *h)
{
    struct partition_state state;
    if (h->partition != NULL && !catalog_state(g->s->catalog, h->partition, &state)) {
        err_set(&c->trouble, STORE_UNKNOWN_TOPIC, "Topic '%s' was deleted", h->topic);
        topic_unref(h->partition->topic);
        h->partition = NULL;
        h->stored = h->position = OFFSET_INVALID;
        h->dirty = false;
        wake_later(g, c);
    }
    if (h->partition == NULL && (h->partition = catalog_ref_partition(g->s->catalog, str_of(h->topic), h->number, NULL)) != NULL)
        start_position(g, c, h);
}

/* ---- rebalance --------------------------------------------------------------------------------------------------------- */

/* What is stored and not committed goes into memory now, so that who gets the partition next starts there, and into the file
 * soon. */
static void commit_lost(struct groups *g, struct consumer *c, struct held *h)
{
    struct err why = {.code = 0};
    const struct tp tp = {.topic = str_of(h->topic), .partition = h->number, .offset = h->stored};
    struct partition_state state;
    if (!c->auto_commit || !h->dirty || h->partition == NULL || !catalog_state(g->s->catalog, h->partition, &state))
        return;
    if (offsets_put(c->group, tp.topic, tp.partition, tp.offset, STR_NULL) < 0 ||
        offsets_commit_later(g, g->s, c->group->name, &tp, 1, &why) < 0)
        log_warn("group.commit_failed", "group=%.*s reason=%s", STR_ARG(c->group->name),
                 why.code != 0 ? why.text : "out of memory");
}

static struct held *find_held(struct held *list, size_t n, const struct partition *p)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].partition == p)
            return &list[i];
    return NULL;
}

void groups_drop_held(struct groups *g, struct consumer *c)
{
    for (size_t i = 0; i < c->nheld; i++) {
        commit_lost(g, c, &c->held[i]);
        held_clear(&c->held[i]);
    }
    free(c->held);
    c->held = NULL;
    c->nheld = 0;
    c->commit_due_ms = 0;
}

static bool takes_part(const struct consumer *c)
{
    return c->mode == SUBSCRIBED && !c->evicted;
}

/* Partitions from..to-1 of t, added to c's plan. */
static int plan(struct groups *g, struct consumer *c, struct topic *t, int32_t from, int32_t to)
{
    if (from == to)
        return 0;
    struct held *more = realloc(c->planned, (c->nplanned + (size_t)(to - from)) * sizeof *more);
    if (more == NULL)
        return -1;
    c->planned = more;
    for (int32_t i = from; i < to; i++) {
        struct held h = {.topic = str_dup(t->name),
                         .number = i,
                         .position = OFFSET_INVALID,
                         .asked = OFFSET_INVALID,
                         .stored = OFFSET_INVALID};
        h.partition = h.topic != NULL ? catalog_ref_partition(g->s->catalog, t->name, i, NULL) : NULL;
        if (h.topic == NULL)
            return -1;
        if (h.partition == NULL) {
            free(h.topic); /* deleted this moment: another rebalance follows */
            continue;
        }
        c->planned[c->nplanned++] = h;
    }
    return 0;
}

/* Kafka's range assignor: each topic's partitions in order, in equal runs, over its subscribers in the order of their ids; the
 * first ones get one more when it does not divide. */
static int plan_topic(struct groups *g, struct group *group, struct topic *t)
{
    int32_t subscribers = 0, partitions = catalog_count(g->s->catalog, t), from = 0, i = 0;
    for (struct consumer *c = group->members; c != NULL; c = c->next)
        subscribers += takes_part(c) && consumer_wants(c, t->name);
    for (struct consumer *c = group->members; c != NULL; c = c->next) {
        if (!takes_part(c) || !consumer_wants(c, t->name))
            continue;
        int32_t run = partitions / subscribers + (i++ < partitions % subscribers);
        if (plan(g, c, t, from, from + run) < 0)
            return -1;
        from += run;
    }
    return 0;
}

static void drop_plans(struct group *group)
{
    for (struct consumer *c = group->members; c != NULL; c = c->next) {
        for (size_t i = 0; i < c->nplanned; i++)
            held_clear(&c->planned[i]);
        free(c->planned);
        c->planned = NULL;
        c->nplanned = 0;
    }
}

static bool same_as_planned(const struct consumer *c)
{
    for (size_t i = 0; i < c->nheld; i++)
        if (find_held(c->planned, c->nplanned, c->held[i].partition) == NULL)
            return false;
    return c->nheld == c->nplanned;
}

/* First everybody lets go, then everybody takes (3); what one keeps stays where it is. */
static void carry_out(struct groups *g, struct group *group)
{
    for (struct consumer *c = group->members; c != NULL; c = c->next)
        for (size_t i = 0; takes_part(c) && i < c->nheld; i++)
            if (find_held(c->planned, c->nplanned, c->held[i].partition) == NULL)
                commit_lost(g, c, &c->held[i]);
    for (struct consumer *c = group->members; c != NULL; c = c->next) {
        if (!takes_part(c))
            continue;
        if (!same_as_planned(c))
            wake_later(g, c);
        for (size_t i = 0; i < c->nplanned; i++) {
            struct held *h = &c->planned[i], *old = find_held(c->held, c->nheld, h->partition);
            if (old == NULL) {
                start_position(g, c, h);
                continue;
            }
            h->position = old->position;
            h->stored = old->stored;
            h->dirty = old->dirty;
            h->claim = old->claim;
        }
        struct held *old = c->held;
        size_t nold = c->nheld;
        c->held = TAKE(c->planned);
        c->nheld = c->nplanned;
        c->planned = old; /* freed with the plans */
        c->nplanned = nold;
    }
    drop_plans(group);
    group->generation++;
}

int groups_rebalance(struct groups *g, struct group *group, struct err *err)
{
    struct topic **topics;
    size_t n;
    if (catalog_ref_all(g->s->catalog, &topics, &n, err) < 0)
        return -1;
    int status = 0;
    for (size_t i = 0; i < n; i++) {
        if (status == 0 && plan_topic(g, group, topics[i]) < 0)
            status = err_nomem(err);
        topic_unref(topics[i]);
    }
    free(topics);
    if (status < 0)
        drop_plans(group);
    else
        carry_out(g, group);
    return status;
}

/* ---- what others tell ---------------------------------------------------------------------------------------------------- */

static bool can_read(struct groups *g, const struct consumer *c)
{
    for (size_t i = 0; i < c->nheld; i++) {
        struct partition_state state;
        const struct held *h = &c->held[i];
        if (h->partition != NULL && h->position != OFFSET_INVALID && catalog_state(g->s->catalog, h->partition, &state) &&
            state.high > h->position)
            return true;
    }
    return false;
}

void groups_news(struct groups *g)
{
    size_t i = 0;
    groups_lock(g);
    for (struct group *group; (group = map_each(&g->all, &i)) != NULL;)
        for (struct consumer *c = group->members; c != NULL; c = c->next)
            if (!c->woken && c->wake != NULL && can_read(g, c))
                wake_later(g, c);
    groups_unlock(g);
}

void groups_topics_changed(struct groups *g)
{
    size_t i = 0;
    groups_lock(g);
    for (struct group *group; (group = map_each(&g->all, &i)) != NULL;) {
        struct err why = {.code = 0};
        for (struct consumer *c = group->members; c != NULL; c = c->next)
            for (size_t k = 0; c->mode == ASSIGNED && k < c->nheld; k++)
                groups_settle_held(g, c, &c->held[k]);
        if (group->members != NULL && groups_rebalance(g, group, &why) < 0)
            log_error("group.rebalance_failed", "group=%.*s reason=%s", STR_ARG(group->name), why.text);
    }
    pthread_mutex_unlock(&g->lock); /* the writer's thread: the answering one calls the wakes, in groups_news */
}

void groups_forget_topic(struct groups *g, struct str topic)
{
    size_t i = 0;
    pthread_mutex_lock(&g->lock);
    for (struct group *group; (group = map_each(&g->all, &i)) != NULL;)
        offsets_forget_topic(group, topic);
    pthread_mutex_unlock(&g->lock);
}

/* ---- what is due by time -------------------------------------------------------------------------------------------------- */

static void auto_commit(struct groups *g, struct consumer *c)
{
    struct err why = {.code = 0};
    OWN_BY(own_free) struct tp *tps = malloc((c->nheld + 1) * sizeof *tps);
    size_t n = 0;
    c->commit_due_ms = 0;
    for (size_t i = 0; tps != NULL && i < c->nheld; i++) {
        struct held *h = &c->held[i];
        if (h->dirty)
            tps[n++] = (struct tp){.topic = str_of(h->topic), .partition = h->number, .offset = h->stored};
    }
    if (tps == NULL || offsets_commit_later(g, g->s, c->group->name, tps, n, &why) < 0) {
        log_warn("group.commit_failed", "group=%.*s reason=%s", STR_ARG(c->group->name),
                 tps != NULL ? why.text : "out of memory");
        c->commit_due_ms = clock_mono_ms() + c->auto_commit_ms;
        return;
    }
    for (size_t i = 0; i < c->nheld; i++)
        c->held[i].dirty = false;
}

static void evict(struct groups *g, struct consumer *c)
{
    struct err why = {.code = 0};
    log_warn("group.member_evicted", "group=%.*s member=%s reason=no poll for %d ms", STR_ARG(c->group->name), c->id,
             POLL_INTERVAL_MS);
    groups_drop_held(g, c);
    c->evicted = true;
    if (groups_rebalance(g, c->group, &why) < 0)
        log_error("group.rebalance_failed", "group=%.*s reason=%s", STR_ARG(c->group->name), why.text);
}

static void *keep_time(void *arg)
{
    struct groups *g = arg;
    pthread_mutex_lock(&g->lock);
    while (!g->stopping) {
        int64_t now_ms = clock_mono_ms();
        if (now_ms < g->due_ms) {
            clock_cond_wait(&g->tick, &g->lock, g->due_ms);
            continue;
        }
        g->due_ms = now_ms + POLL_INTERVAL_MS / 10;
        size_t i = 0;
        for (struct group *group; (group = map_each(&g->all, &i)) != NULL;) {
            for (struct consumer *c = group->members; c != NULL; c = c->next) {
                if (c->commit_due_ms != 0 && c->commit_due_ms <= now_ms)
                    auto_commit(g, c);
                if (takes_part(c) && now_ms - c->last_poll_ms > POLL_INTERVAL_MS)
                    evict(g, c);
                if (c->commit_due_ms != 0 && c->commit_due_ms < g->due_ms)
                    g->due_ms = c->commit_due_ms;
            }
        }
        groups_unlock(g);
        pthread_mutex_lock(&g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

static int load(struct groups *g, struct conn *conn, struct err *err)
{
    sqlite3_stmt *s = conn_bind(conn, SQL_ALL_OFFSETS, err, "");
    int row;
    if (s == NULL)
        return -1;
    while ((row = conn_step(conn, s, err)) == 1) {
        struct group *group = groups_get(g, conn_column(s, 0), err);
        if (group == NULL ||
            offsets_put(group, conn_column(s, 1), sqlite3_column_int(s, 2), sqlite3_column_int64(s, 3), conn_column(s, 4)) < 0) {
            sqlite3_reset(s);
            return err_nomem(err);
        }
    }
    return row;
}

struct groups *groups_new(struct sqlite *s, struct conn *conn, struct err *err)
{
    struct groups *g = calloc(1, sizeof *g);
    if (g == NULL) {
        err_nomem(err);
        return NULL;
    }
    g->s = s;
    g->due_ms = clock_mono_ms() + POLL_INTERVAL_MS / 10;
    clock_cond_init(&g->tick);
    pthread_cond_init(&g->quiet, NULL);
    pthread_mutex_init(&g->lock, NULL);
    int status = load(g, conn, err);
    if (status == 0 && !(g->started = pthread_create(&g->thread, NULL, keep_time, g) == 0))
        status = err_set(err, ERR_IO, "cannot start the groups' thread");
    if (status < 0) {
        groups_free(g);
        return NULL;
    }
    pthread_setname_np(g->thread, "log-groups");
    return g;
}

void groups_stop(struct groups *g)
{
    if (g == NULL || !g->started)
        return;
    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    pthread_cond_signal(&g->tick);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->thread, NULL);
    g->started = false;
}

void groups_free(struct groups *g)
{
    if (g == NULL)
        return;
    size_t i = 0;
    for (struct group *group; (group = map_each(&g->all, &i)) != NULL;)
        group_free(group);
    map_clear(&g->all);
    pthread_cond_destroy(&g->tick);
    pthread_cond_destroy(&g->quiet);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
