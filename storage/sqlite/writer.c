#include "storage/sqlite/writer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    TRANSACTION_BYTES = 4 << 20,
    CHECKPOINT_PAGES = 4096, /* 16 MB of WAL: move it into the file */
    WAL_PAGES_MAX = 16384,   /* readers kept the WAL from starting anew so far: wait for them */
    CHECKPOINT_WAIT_MS = 200 /* but not for one that stays, in another program */
};

struct queue {
    struct op *first, **last;
    size_t bytes;
};

struct writer {
    struct conn *conn;       /* the writer thread's, as are catalog's [writer] functions */
    struct catalog *catalog; /* fixed, as is events */
    struct writer_events events;
    size_t max_queued_bytes; /* fixed */
    pthread_mutex_t lock;
    pthread_cond_t work, done;    /* for the writer, and for those in writer_run (monotonic) */
    pthread_cond_t answers;       /* for the thread that calls back */
    struct queue waiting;         /* lock */
    struct queue settled;         /* lock */
    bool news;                    /* lock: a commit that events.committed has not been told of */
    bool closing, written_all;    /* lock */
    struct err health;            /* lock */
    int wal_pages, checkpoint_at; /* writer: the WAL's length, and at which to look next */
    pthread_t writing, calling;
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
    q->bytes = 0;
}

static void queue_put(struct queue *q, struct op *op)
{
    op->next = NULL;
    *q->last = op;
    q->last = &op->next;
    q->bytes += op->bytes;
}

static struct op *queue_get(struct queue *q)
{
    struct op *op = q->first;
    if (op == NULL)
        return NULL;
    q->first = op->next;
    if (q->first == NULL)
        q->last = &q->first;
    q->bytes -= op->bytes;
    op->next = NULL;
    return op;
}

/* Takes op out if it still waits. */
static bool queue_drop(struct queue *q, const struct op *op)
{
    for (struct op **at = &q->first; *at != NULL; at = &(*at)->next) {
        if (*at != op)
            continue;
        *at = op->next;
        if (op->next == NULL)
            q->last = at;
        q->bytes -= op->bytes;
        return true;
    }
    return false;
}

/* ---- transactions --------------------------------------------------------------------------------------------------- */

static bool spoils(const struct err *err)
{
    return err->code == ERR_IO || err->code == ERR_NOMEM;
}

static void undo(struct writer *w)
{
    if (!sqlite3_get_autocommit(w->conn->db))
        conn_run(w->conn, SQL_ROLLBACK, NULL, "");
    catalog_rollback(w->catalog);
}

/* One transaction of the n ops from first on. 0: committed, each op's err tells. -1: undone, err says why; *at_commit: by COMMIT
 * itself. */
static int transact(struct writer *w, struct op *first, size_t n, bool *at_commit, struct err *err)
{
    *at_commit = false;
    if (conn_run(w->conn, SQL_BEGIN, err, "") < 0)
        return -1;
    bool any = false;
    struct op *op = first;
    for (size_t i = 0; i < n; i++, op = op->next) {
        err_clear(&op->err);
        if (op->write(op, w->conn, &op->err) == 0) {
            any = true;
        } else if (spoils(&op->err)) {
            *err = op->err;
            undo(w);
            return -1;
        }
    }
    if (!any) {
        undo(w);
        return 0;
    }
    if (catalog_flush(w->catalog, w->conn, err) < 0) {
        undo(w);
        return -1;
    }
    if (conn_run(w->conn, SQL_COMMIT, err, "") < 0) {
        *at_commit = true;
        undo(w);
        return -1;
    }
    if (catalog_commit(w->catalog))
        w->events.topics_changed(w->events.arg);
    op = first;
    for (size_t i = 0; i < n; i++, op = op->next)
        if (op->err.code == 0 && op->settle != NULL)
            op->settle(op);
    return 0;
}

static void set_health(struct writer *w, const struct err *err)
{
    pthread_mutex_lock(&w->lock);
    bool change = (w->health.code != 0) != (err->code != 0);
    w->health = *err;
    pthread_mutex_unlock(&w->lock);
    if (change && err->code != 0)
        log_error("storage.write_failed", "reason=%s", err->text);
    else if (change)
        log_info("storage.write_recovered", "file=%s", file_path(w->conn->file));
}

static void write_all(struct writer *w, struct op *first)
{
    struct err err = {0};
    size_t n = 0;
    bool at_commit;
    for (struct op *op = first; op != NULL; op = op->next)
        n++;
    int status = transact(w, first, n, &at_commit, &err);
    for (struct op *op = first; status < 0 && op != NULL; op = op->next) {
        struct err own = {0};
        if (n == 1)
            own = err;
        else if (transact(w, op, 1, &at_commit, &own) < 0)
            err = own;
        else
            continue;
        op->err = own;
        op->commit_failed = at_commit;
    }
    if (status < 0 || w->health.code != 0) /* only this thread writes health */
        set_health(w, &err);
}

/* Keeps the WAL short.  PASSIVE never waits; when readers have kept the WAL from starting anew for long, wait for the running
 * ones. */
static void checkpoint(struct writer *w)
{
    if (w->wal_pages < w->checkpoint_at)
        return;
    int mode = w->wal_pages < WAL_PAGES_MAX ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART;
    sqlite3_busy_timeout(w->conn->db, CHECKPOINT_WAIT_MS);
    int status = sqlite3_wal_checkpoint_v2(w->conn->db, NULL, mode, NULL, NULL);
    sqlite3_busy_timeout(w->conn->db, w->conn->busy_ms);
    if (status != SQLITE_OK && status != SQLITE_BUSY)
        log_warn("storage.checkpoint_failed", "file=%s reason=%s", file_path(w->conn->file), sqlite3_errmsg(w->conn->db));
    w->checkpoint_at = w->wal_pages + CHECKPOINT_PAGES; /* whatever came of it; a WAL that starts anew is seen by note_wal */
}

static int note_wal(void *arg, sqlite3 *db, const char *schema, int pages)
{
    struct writer *w = arg;
    if (pages < w->wal_pages)
        w->checkpoint_at = CHECKPOINT_PAGES;
    w->wal_pages = pages;
    return SQLITE_OK;
}

/* ---- threads -------------------------------------------------------------------------------------------------------- */

/* Under the lock: what goes into the next transaction. Those whose time is over go straight to the answers. */
static struct op *take(struct writer *w)
{
    struct queue batch;
    queue_init(&batch);
    int64_t now_ms = clock_mono_ms();
    for (struct op *op; (op = w->waiting.first) != NULL && batch.bytes < TRANSACTION_BYTES;) {
        if (op->alone && batch.first != NULL)
            break;
        queue_get(&w->waiting);
        if (op->deadline_ms != 0 && now_ms >= op->deadline_ms) {
            err_set(&op->err, ERR_TIMEOUT, "%s: the disk is too slow: nothing was written within the time allowed",
                    file_path(w->conn->file));
            queue_put(&w->settled, op);
            pthread_cond_signal(&w->answers);
            continue;
        }
        queue_put(&batch, op);
        if (op->alone)
            break;
    }
    return batch.first;
}

static void *write_ops(void *arg)
{
    struct writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->waiting.first == NULL && !w->closing)
            pthread_cond_wait(&w->work, &w->lock);
        if (w->waiting.first == NULL)
            break;
        struct op *batch = take(w), *next;
        pthread_mutex_unlock(&w->lock);
        if (batch != NULL)
            write_all(w, batch);
        pthread_mutex_lock(&w->lock);
        bool waited = false;
        for (struct op *op = batch; op != NULL; op = next) {
            next = op->next;
            if (op->finish != NULL) {
                queue_put(&w->settled, op);
            } else {
                op->done = true; /* the op may be gone once the lock is */
                waited = true;
            }
        }
        w->news = true;
        if (waited)
            pthread_cond_broadcast(&w->done);
        pthread_cond_signal(&w->answers);
        pthread_mutex_unlock(&w->lock);
        checkpoint(w);
        pthread_mutex_lock(&w->lock);
    }
    w->written_all = true;
    pthread_cond_signal(&w->answers);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void *call_back(void *arg)
{
    struct writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->settled.first == NULL && !w->news && !w->written_all)
            pthread_cond_wait(&w->answers, &w->lock);
        if (w->settled.first == NULL && !w->news)
            break;
        struct op *op = w->settled.first, *next;
        bool news = w->news;
        queue_init(&w->settled);
        w->news = false;
        pthread_mutex_unlock(&w->lock);
        for (; op != NULL; op = next) {
            next = op->next;
            op->finish(op);
        }
        if (news)
            w->events.committed(w->events.arg);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Refuses new ops and waits until those that wait are written. */
static void stop_writing(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->writing, NULL);
}

static void dispose(struct writer *w)
{
    sqlite3_wal_hook(w->conn->db, NULL, NULL);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->done);
    pthread_cond_destroy(&w->answers);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

struct writer *writer_new(struct conn *conn, struct catalog *catalog, struct writer_events events, size_t max_queued_bytes,
                          struct err *err)
{
    struct writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        err_nomem(err);
        return NULL;
    }
    *w = (struct writer){.conn = conn,
                         .catalog = catalog,
                         .events = events,
                         .max_queued_bytes = max_queued_bytes,
                         .checkpoint_at = CHECKPOINT_PAGES};
    queue_init(&w->waiting);
    queue_init(&w->settled);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->answers, NULL);
    clock_cond_init(&w->done);
    sqlite3_wal_hook(conn->db, note_wal, w);
    bool writing = pthread_create(&w->writing, NULL, write_ops, w) == 0;
    if (writing && pthread_create(&w->calling, NULL, call_back, w) == 0) {
        pthread_setname_np(w->writing, "log-writer");
        pthread_setname_np(w->calling, "log-answers");
        return w;
    }
    err_set(err, ERR_IO, "cannot start the writer's threads");
    if (writing)
        stop_writing(w);
    dispose(w);
    return NULL;
}

void writer_free(struct writer *w)
{
    if (w == NULL)
        return;
    stop_writing(w);
    pthread_join(w->calling, NULL);
    dispose(w);
}

/* Under the lock. */
static int put(struct writer *w, struct op *op, struct err *err)
{
    if (w->closing)
        return err_set(err, ERR_CLOSED, "%s: the log is being closed", file_path(w->conn->file));
    op->done = false;
    queue_put(&w->waiting, op);
    pthread_cond_signal(&w->work);
    return 0;
}

int writer_add(struct writer *w, struct op *op, struct err *err)
{
    int status;
    pthread_mutex_lock(&w->lock);
    if (w->waiting.first != NULL && w->waiting.bytes + op->bytes > w->max_queued_bytes)
        status = err_set(err, ERR_FULL, "%s: %zu bytes wait to be written already: try again later", file_path(w->conn->file),
                         w->waiting.bytes);
    else
        status = put(w, op, err);
    pthread_mutex_unlock(&w->lock);
    return status;
}

int writer_run(struct writer *w, struct op *op, int timeout_ms, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    op->finish = NULL;
    pthread_mutex_lock(&w->lock);
    int status = put(w, op, err);
    bool late = false;
    while (status == 0 && !op->done) {
        if (late) {
            pthread_cond_wait(&w->done, &w->lock); /* it is being written: its outcome will be known */
        } else if (!clock_cond_wait(&w->done, &w->lock, deadline_ms) && !op->done) {
            late = true;
            if (queue_drop(&w->waiting, op))
                status = err_set(err, ERR_TIMEOUT, "%s: nothing was written within %d ms: the disk is too slow",
                                 file_path(w->conn->file), timeout_ms);
        }
    }
    pthread_mutex_unlock(&w->lock);
    if (status == 0 && op->err.code != 0)
        return err_set(err, op->err.code, "%s", op->err.text);
    return status;
}

int writer_health(struct writer *w, struct err *err)
{
    pthread_mutex_lock(&w->lock);
    struct err health = w->health;
    pthread_mutex_unlock(&w->lock);
    return health.code == 0 ? 0 : err_set(err, health.code, "%s", health.text);
}
