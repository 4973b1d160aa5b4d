#include "storage/sqlite/cleaner.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/own.h"
#include "storage/sqlite/shelf.h"

enum {
    STEP = 1000,           /* records that one op removes */
    KEYS_BYTES = 32 << 20, /* keys that one pass remembers; the next pass goes on behind */
    PROBE_MS = 1000        /* how often a failed writer is tried */
};

struct cleaner {
    struct sqlite *s;
    pthread_mutex_t lock;
    pthread_cond_t poke;  /* monotonic */
    bool poked, stopping; /* lock */
    pthread_t thread;
};

/* One op: what to do to one partition. */
struct step {
    struct op op;
    struct cleaner *c;
    struct partition *partition; /* its topic is referenced by whoever runs the step */
    int64_t low;                 /* retention: the new start of the log */
    int64_t ids[STEP];           /* records to remove */
    size_t nids;
    int64_t graves[STEP]; /* tombstones that a pass has met for the first time */
    size_t ngraves;
    int64_t removed_bytes, seen_ms;
    int64_t clean, cleaned_bytes; /* compaction: how far the pass came, what was dirty up to there; clean -1: not yet */
};

static bool stopping(struct cleaner *c)
{
    pthread_mutex_lock(&c->lock);
    bool is = c->stopping;
    pthread_mutex_unlock(&c->lock);
    return is;
}

static int run(struct cleaner *c, struct op *op, struct err *err)
{
    if (stopping(c))
        return err_set(err, ERR_CLOSED, "closing");
    return writer_run(c->s->writer, op, (int)c->s->options.timeout_ms, err);
}

/* In the writer's transaction. */
static int write_step(struct op *op, struct conn *conn, struct err *err)
{
    struct step *st = (struct step *)op;
    struct partition *p = st->partition;
    if (catalog_find(st->c->s->catalog, p->topic->name) != p->topic)
        return err_set(err, STORE_UNKNOWN_TOPIC, "Topic '%.*s' was deleted", STR_ARG(p->topic->name));
    for (size_t i = 0; i < st->nids; i++)
        if (conn_run(conn, SQL_DROP_RECORD, err, "i", st->ids[i]) < 0 ||
            conn_run(conn, SQL_DROP_TOMBSTONE, err, "i", st->ids[i]) < 0)
            return -1;
    for (size_t i = 0; i < st->ngraves; i++)
        if (conn_run(conn, SQL_PUT_TOMBSTONE, err, "ii", st->graves[i], st->seen_ms) < 0)
            return -1;
    int64_t first = record_id(p->id, 0), low = record_id(p->id, st->low);
    if (st->low > p->now.low && (conn_run(conn, SQL_DROP_RECORDS, err, "ii", first, low) < 0 ||
                                 conn_run(conn, SQL_DROP_TOMBSTONES, err, "ii", first, low) < 0 ||
                                 conn_run(conn, SQL_DROP_TIMES, err, "ii", first >> TIME_BITS, low >> TIME_BITS) < 0))
        return -1;
    catalog_touch(st->c->s->catalog, p);
    p->now.bytes -= st->removed_bytes;
    if (st->low > p->now.low)
        p->now.low = st->low;
    if (st->clean >= 0) {
        p->now.clean = st->clean;
        p->now.dirty_bytes -= st->cleaned_bytes;
    }
    return 0;
}

static int run_step(struct step *st, struct err *err)
{
    st->op.write = write_step;
    st->seen_ms = clock_unix_ms();
    int status = run(st->c, &st->op, err);
    st->nids = st->ngraves = 0;
    st->removed_bytes = 0;
    return status;
}

/* ---- retention ----------------------------------------------------------------------------------------------------------- */

/* How far the first STEP records may go: to *low, with *bytes. A dirty record that goes is dirty no more. */
static int find_expired(struct cleaner *c, struct step *st, const struct partition_state *state, const struct policy *policy,
                        struct err *err)
{
    struct partition *p = st->partition;
    struct conn *conn = shelf_take(c->s->shelf, err);
    sqlite3_stmt *s = conn == NULL ? NULL
                                   : conn_bind(conn, SQL_SCAN_SIZES, err, "iii", record_id(p->id, state->low),
                                               record_id(p->id, state->high), (int64_t)STEP);
    int64_t now_ms = clock_unix_ms(), bytes = state->bytes;
    int row = s == NULL ? -1 : 0;
    bool kept = false;
    st->low = state->low;
    st->cleaned_bytes = 0;
    size_t n = 0;
    while (s != NULL && !kept && (row = conn_step(conn, s, err)) == 1) {
        int64_t offset = record_offset(sqlite3_column_int64(s, 0)), stamp = sqlite3_column_int64(s, 1),
                size = sqlite3_column_int64(s, 2);
        bool old = policy->retention_ms >= 0 && stamp < now_ms - policy->retention_ms;
        bool over = policy->retention_bytes >= 0 && bytes - size >= policy->retention_bytes;
        kept = !old && !over;
        if (kept)
            break;
        bytes -= size;
        st->removed_bytes += size;
        if (offset >= state->clean)
            st->cleaned_bytes += size;
        st->low = offset + 1;
        n++;
    }
    if (s != NULL)
        sqlite3_reset(s);
    shelf_give(c->s->shelf, conn);
    if (row == 0 && !kept && n < STEP && n > 0)
        st->low = state->high; /* all of it went */
    st->clean = st->low > state->clean ? st->low : -1;
    return row < 0 ? -1 : 0;
}

static int retain(struct cleaner *c, struct step *st, struct err *err)
{
    for (;;) {
        struct partition_state state;
        struct policy policy = catalog_policy(c->s->catalog, st->partition->topic);
        if (!policy.deletes || !catalog_state(c->s->catalog, st->partition, &state) || state.low == state.high)
            return 0;
        if (find_expired(c, st, &state, &policy, err) < 0)
            return -1;
        if (st->low == state.low)
            return 0;
        if (run_step(st, err) < 0)
            return -1;
    }
}

/* ---- compaction ------------------------------------------------------------------------------------------------------------ */

/* The last offset of each key in what is dirty. */
struct keys {
    struct map map; /* key -> int64_t * in the arena */
    struct arena arena;
};

static void keys_clear(struct keys *k)
{
    map_clear(&k->map);
    arena_clear(&k->arena);
}

static int keys_put(struct keys *k, struct str key, int64_t offset, struct err *err)
{
    int64_t *last = map_get(&k->map, key);
    if (last == NULL) {
        last = arena_alloc(&k->arena, sizeof *last);
        struct str copy = arena_str(&k->arena, key);
        if (last == NULL || copy.p == NULL || map_set(&k->map, copy, last) < 0)
            return err_nomem(err);
    }
    *last = offset;
    return 0;
}

/* A row of SCAN_RECORDS. */
struct row {
    int64_t id, offset, timestamp_ms, bytes;
    struct str key;
    bool is_tombstone;
};

/* Calls each for the partition's records from offset from on, in snapshots of STEP, until to or until each returns 1. */
static int scan(struct cleaner *c, const struct partition *p, int64_t from, int64_t to,
                int (*each)(void *arg, const struct row *row, struct err *err), void (*pause)(void *arg, struct err *err),
                void *arg, struct err *err)
{
    int status = 0;
    while (status == 0 && from < to && !stopping(c)) {
        struct conn *conn = shelf_take(c->s->shelf, err);
        sqlite3_stmt *s = conn == NULL ? NULL
                                       : conn_bind(conn, SQL_SCAN_RECORDS, err, "iii", record_id(p->id, from),
                                                   record_id(p->id, to), (int64_t)STEP);
        int row = s == NULL ? -1 : 0;
        size_t n = 0;
        while (s != NULL && status == 0 && (row = conn_step(conn, s, err)) == 1) {
            struct row r = {.id = sqlite3_column_int64(s, 0),
                            .timestamp_ms = sqlite3_column_int64(s, 1),
                            .key = conn_column(s, 2),
                            .is_tombstone = sqlite3_column_int(s, 3) != 0,
                            .bytes = sqlite3_column_int64(s, 4)};
            r.offset = record_offset(r.id);
            if ((status = each(arg, &r, err)) == 0)
                from = r.offset + 1;
            n++;
        }
        if (s != NULL)
            sqlite3_reset(s);
        shelf_give(c->s->shelf, conn);
        if (row < 0)
            return -1;
        if (status == 0 && n < STEP)
            from = to;
        if (pause != NULL && status >= 0)
            pause(arg, err);
        if (err->code != 0)
            return -1;
    }
    return status < 0 ? -1 : 0;
}

struct pass {
    struct cleaner *c;
    struct step *step;
    struct keys keys;
    int64_t from, to;     /* the dirty part this pass covers: clean up to before to */
    int64_t not_after_ms; /* min.compaction.lag.ms: the first younger record ends it */
    int64_t dirty_bytes;
};

static int note_key(void *arg, const struct row *row, struct err *err)
{
    struct pass *p = arg;
    if (row->timestamp_ms > p->not_after_ms || p->keys.arena.used > KEYS_BYTES) {
        p->to = row->offset;
        return 1;
    }
    p->dirty_bytes += row->bytes;
    return row->key.p != NULL ? keys_put(&p->keys, row->key, row->offset, err) : 0;
}

static int judge(void *arg, const struct row *row, struct err *err)
{
    struct pass *p = arg;
    struct step *st = p->step;
    const int64_t *last = row->key.p != NULL ? map_get(&p->keys.map, row->key) : NULL;
    if (last != NULL && row->offset < *last) {
        st->ids[st->nids++] = row->id;
        st->removed_bytes += row->bytes;
    } else if (row->is_tombstone && row->key.p != NULL && row->offset >= p->from) {
        st->graves[st->ngraves++] = row->id;
    }
    return 0;
}

/* Between two snapshots: what the last one found is done. */
static void remove_found(void *arg, struct err *err)
{
    struct pass *p = arg;
    if (p->step->nids + p->step->ngraves > 0)
        run_step(p->step, err);
}

/* Enough dirt for a pass?  As Kafka: by the share of bytes, or because a dirty record has waited for max.compaction.lag.ms. */
static bool is_dirty(struct cleaner *c, const struct partition *p, const struct partition_state *state,
                     const struct policy *policy)
{
    if (state->clean >= state->high)
        return false;
    if (state->bytes <= 0 || (double)state->dirty_bytes >= policy->dirty_ratio * (double)state->bytes)
        return true;
    if (policy->max_lag_ms == INT64_MAX)
        return false;
    struct conn *conn = shelf_take(c->s->shelf, NULL);
    sqlite3_stmt *s = conn == NULL ? NULL
                                   : conn_bind(conn, SQL_SCAN_SIZES, NULL, "iii", record_id(p->id, state->clean),
                                               record_id(p->id, state->high), (int64_t)1);
    bool waited = s != NULL && conn_step(conn, s, NULL) == 1 && sqlite3_column_int64(s, 1) < clock_unix_ms() - policy->max_lag_ms;
    if (s != NULL)
        sqlite3_reset(s);
    shelf_give(c->s->shelf, conn);
    return waited;
}

/* One pass; *more: it ended for want of memory, and another follows. */
static int compact_once(struct cleaner *c, struct step *st, const struct partition_state *state, const struct policy *policy,
                        bool *more, struct err *err)
{
    int64_t now_ms = clock_unix_ms();
    struct pass p = {.c = c, .step = st, .from = state->clean, .to = state->high};
    p.not_after_ms = policy->min_lag_ms > 0 ? now_ms - policy->min_lag_ms : INT64_MAX;
    st->low = 0;
    st->clean = -1;
    int status = scan(c, st->partition, p.from, p.to, note_key, NULL, &p, err);
    if (status == 0 && p.to > p.from)
        status = scan(c, st->partition, state->low, p.to, judge, remove_found, &p, err);
    if (status == 0 && p.to > p.from && !stopping(c)) {
        st->clean = p.to;
        st->cleaned_bytes = p.to == state->high ? state->dirty_bytes : p.dirty_bytes; /* also what a pass cut short had removed */
        status = run_step(st, err);
        log_debug("storage.compacted", "topic=%.*s partition=%d up_to=%lld", STR_ARG(st->partition->topic->name),
                  st->partition->number, (long long)p.to);
    }
    *more = p.keys.arena.used > KEYS_BYTES && p.to > p.from && p.to < state->high;
    keys_clear(&p.keys);
    return status;
}

/* Tombstones whose time is over. */
static int bury(struct cleaner *c, struct step *st, const struct policy *policy, struct err *err)
{
    const int64_t from = record_id(st->partition->id, 0), to = record_id(st->partition->id + 1, 0);
    size_t found = STEP;
    while (found == STEP && !stopping(c)) {
        struct conn *conn = shelf_take(c->s->shelf, err);
        sqlite3_stmt *s = conn == NULL ? NULL
                                       : conn_bind(conn, SQL_FIND_TOMBSTONES, err, "iiii", from, to,
                                                   clock_unix_ms() - policy->delete_retention_ms, (int64_t)STEP);
        int row = s == NULL ? -1 : 0;
        while (s != NULL && (row = conn_step(conn, s, err)) == 1) {
            st->ids[st->nids++] = sqlite3_column_int64(s, 0);
            st->removed_bytes += sqlite3_column_int64(s, 1);
        }
        shelf_give(c->s->shelf, conn);
        if (row < 0)
            return -1;
        found = st->nids;
        st->low = 0;
        st->clean = -1;
        if (found > 0 && run_step(st, err) < 0)
            return -1;
    }
    return 0;
}

static int compact(struct cleaner *c, struct step *st, struct err *err)
{
    for (bool more = true; more && !stopping(c);) {
        struct partition_state state;
        struct policy policy = catalog_policy(c->s->catalog, st->partition->topic);
        more = false;
        if (!policy.compacts || !catalog_state(c->s->catalog, st->partition, &state))
            return 0;
        if (is_dirty(c, st->partition, &state, &policy) && compact_once(c, st, &state, &policy, &more, err) < 0)
            return -1;
        if (!more && bury(c, st, &policy, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- deleted topics ----------------------------------------------------------------------------------------------------------
 */

struct erase {
    struct op op;
    int64_t id;
    bool found, empty;
};

static int write_erase(struct op *op, struct conn *conn, struct err *err)
{
    struct erase *e = (struct erase *)op;
    sqlite3_stmt *s = conn_bind(conn, SQL_FIND_ORPHAN, err, "");
    int row = s != NULL ? conn_step(conn, s, err) : -1;
    if (row < 0)
        return -1;
    e->found = row == 1;
    if (!e->found)
        return err_set(err, ERR_NOT_FOUND, "nothing to erase");
    e->id = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    int64_t first = record_id(e->id, 0), end = record_id(e->id + 1, 0), to = end;
    if ((s = conn_bind(conn, SQL_NTH_RECORD, err, "iii", first, end, (int64_t)STEP)) == NULL ||
        (row = conn_step(conn, s, err)) < 0)
        return -1;
    e->empty = row == 0;
    if (!e->empty)
        to = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    if (conn_run(conn, SQL_DROP_RECORDS, err, "ii", first, to) < 0)
        return -1;
    if (!e->empty)
        return 0;
    if (conn_run(conn, SQL_DROP_TIMES, err, "ii", first >> TIME_BITS, end >> TIME_BITS) < 0 ||
        conn_run(conn, SQL_DROP_TOMBSTONES, err, "ii", first, end) < 0)
        return -1;
    return conn_run(conn, SQL_DROP_PARTITION, err, "i", e->id);
}

/* -1: something is left over. */
static int erase_deleted(struct cleaner *c)
{
    struct erase e = {.found = true};
    while (e.found && !stopping(c)) {
        struct err why = {.code = 0};
        e = (struct erase){.op.write = write_erase};
        if (run(c, &e.op, &why) < 0 && why.code != ERR_NOT_FOUND && why.code != ERR_CLOSED) {
            log_warn("storage.erase_failed", "reason=%s", why.text);
            return -1;
        }
    }
    return 0;
}

/* ---- the thread
 * ---------------------------------------------------------------------------------------------------------------- */

static void each_partition(struct cleaner *c, int (*work)(struct cleaner *c, struct step *st, struct err *err))
{
    struct topic **all;
    size_t n;
    OWN_BY(own_free) struct step *st = calloc(1, sizeof *st);
    if (st == NULL || catalog_ref_all(c->s->catalog, &all, &n, NULL) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        int32_t count = catalog_count(c->s->catalog, all[i]);
        for (int32_t k = 0; k < count && !stopping(c); k++) {
            struct err why = {.code = 0};
            *st = (struct step){.c = c};
            st->partition = catalog_ref_partition(c->s->catalog, all[i]->name, k, NULL);
            if (st->partition == NULL)
                continue;
            if (work(c, st, &why) < 0 && why.code != ERR_CLOSED && why.code != STORE_UNKNOWN_TOPIC)
                log_warn("storage.clean_failed", "topic=%.*s partition=%d reason=%s", STR_ARG(all[i]->name), k, why.text);
            topic_unref(st->partition->topic);
        }
        topic_unref(all[i]);
    }
    free(all);
}

static int write_probe(struct op *op, struct conn *conn, struct err *err)
{
    return conn_run(conn, SQL_PUT_META, err, "tt", STR("probe"), STR("written after a failed write"));
}

/* After a failed write nobody may write again (not ready): find out whether the disk takes something. */
static void probe(struct cleaner *c)
{
    struct op op = {.write = write_probe};
    if (writer_health(c->s->writer, NULL) < 0)
        run(c, &op, NULL);
}

static void *clean(void *arg)
{
    struct cleaner *c = arg;
    int64_t now_ms = clock_mono_ms();
    const int64_t retain_every = c->s->options.retention_check_ms, compact_every = c->s->options.cleaner_backoff_ms;
    int64_t retain_ms = now_ms + (retain_every < 10000 ? retain_every : 10000), compact_ms = now_ms + compact_every;
    bool left_over = erase_deleted(c) < 0;
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        int64_t next_ms = retain_ms < compact_ms ? retain_ms : compact_ms, probe_ms = clock_mono_ms() + PROBE_MS;
        if (next_ms > probe_ms)
            next_ms = probe_ms;
        while (!c->stopping && !c->poked && clock_cond_wait(&c->poke, &c->lock, next_ms))
            ;
        bool poked = c->poked;
        c->poked = false;
        pthread_mutex_unlock(&c->lock);
        probe(c);
        now_ms = clock_mono_ms();
        if (poked || (left_over && now_ms >= compact_ms))
            left_over = erase_deleted(c) < 0;
        if (now_ms >= retain_ms) {
            each_partition(c, retain);
            retain_ms = clock_mono_ms() + retain_every;
        }
        if (now_ms >= compact_ms) {
            each_partition(c, compact);
            compact_ms = clock_mono_ms() + compact_every;
        }
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct cleaner *cleaner_new(struct sqlite *s, struct err *err)
{
    struct cleaner *c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_nomem(err);
        return NULL;
    }
    c->s = s;
    clock_cond_init(&c->poke);
    pthread_mutex_init(&c->lock, NULL);
    if (pthread_create(&c->thread, NULL, clean, c) != 0) {
        err_set(err, ERR_IO, "cannot start the cleaner's thread");
        free(c);
        return NULL;
    }
    pthread_setname_np(c->thread, "log-cleaner");
    return c;
}

void cleaner_free(struct cleaner *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->poke);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->poke);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void cleaner_poke(struct cleaner *c)
{
    pthread_mutex_lock(&c->lock);
    c->poked = true;
    pthread_cond_signal(&c->poke);
    pthread_mutex_unlock(&c->lock);
}
