/* storage/sqlite/pen.c - the exclusive right to write: a row with an epoch, raised by whoever takes it and compared in every
 * write's own transaction.  The order of the writer's queue decides. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/own.h"
#include "storage/sqlite/sqlite.h"

struct held_pen {
    struct pen base;
    struct sqlite *s;
    struct str name, topic; /* in memory behind the struct */
    int64_t epoch;
};

struct take {
    struct op op;
    struct sqlite *s;
    struct str name, topic;
    int64_t epoch, end;
};

struct scribble {
    struct op op;
    struct held_pen *pen;
    const struct record *records;
    size_t n;
    int64_t *offsets;
};

static struct partition *first_partition(struct sqlite *s, struct str topic, struct err *err)
{
    struct topic *t = catalog_find(s->catalog, topic);
    if (t != NULL)
        return t->partitions[0];
    err_set(err, STORE_UNKNOWN_TOPIC, "Topic '%.*s' does not exist", STR_ARG(topic));
    return NULL;
}

static int write_take(struct op *op, struct conn *conn, struct err *err)
{
    struct take *t = (struct take *)op;
    struct partition *p = first_partition(t->s, t->topic, err);
    if (p == NULL)
        return -1;
    sqlite3_stmt *s = conn_bind(conn, SQL_NEXT_EPOCH, err, "t", t->name);
    if (s == NULL || conn_step(conn, s, err) < 0)
        return -1;
    t->epoch = sqlite3_column_int64(s, 0);
    t->end = p->now.high;
    return conn_step(conn, s, err);
}

struct pen *sqlite_pen_take(struct storage *st, struct str name, struct str topic, int timeout_ms, int64_t *end, struct err *err)
{
    struct sqlite *s = sqlite_of(st);
    struct held_pen *p = malloc(sizeof *p + name.n + topic.n);
    if (p == NULL) {
        err_nomem(err);
        return NULL;
    }
    char *bytes = (char *)(p + 1);
    memcpy(bytes, name.p, name.n);
    memcpy(bytes + name.n, topic.p, topic.n);
    struct take t = {.op.write = write_take, .s = s, .name = str_n(bytes, name.n), .topic = str_n(bytes + name.n, topic.n)};
    if (writer_run(s->writer, &t.op, timeout_ms, err) < 0) {
        free(p);
        return NULL;
    }
    *p = (struct held_pen){.base.engine = s->base.engine, .s = s, .name = t.name, .topic = t.topic, .epoch = t.epoch};
    *end = t.end;
    return &p->base;
}

static int check_epoch(const struct held_pen *p, struct conn *conn, struct err *err)
{
    sqlite3_stmt *s = conn_bind(conn, SQL_GET_EPOCH, err, "t", p->name);
    int row = s != NULL ? conn_step(conn, s, err) : -1;
    if (row < 0)
        return -1;
    int64_t epoch = row == 1 ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    if (epoch == p->epoch)
        return 0;
    return err_set(err, STORE_FENCED, "Pen '%.*s' was taken by another holder (epoch %lld, ours was %lld)", STR_ARG(p->name),
                   (long long)epoch, (long long)p->epoch);
}

static int write_scribble(struct op *op, struct conn *conn, struct err *err)
{
    struct scribble *w = (struct scribble *)op;
    OWN_BY(buf_clear) struct buf scratch = {0};
    const int64_t now_ms = clock_unix_ms();
    struct held_pen *pen = w->pen;
    struct partition *p = first_partition(pen->s, pen->topic, err);
    if (p == NULL || check_epoch(pen, conn, err) < 0)
        return -1;
    for (size_t i = 0; i < w->n; i++) { /* all of them before any is written */
        struct err why = {.code = 0};
        if (w->records[i].partition > 0)
            return err_set(err, STORE_UNKNOWN_PARTITION, "records[%zu]: a pen writes partition 0, not %d", i,
                           w->records[i].partition);
        if (log_check(p->topic, &w->records[i], now_ms, &why) < 0)
            return err_set(err, why.code, "records[%zu]: %s", i, why.text);
    }
    for (size_t i = 0; i < w->n; i++)
        if (log_append(pen->s->catalog, conn, p, &w->records[i], now_ms, &scratch, &w->offsets[i], err) < 0)
            return -1;
    return 0;
}

int sqlite_pen_write(struct pen *base, const struct record *records, size_t n, int timeout_ms, int64_t *offsets, struct err *err)
{
    struct held_pen *p = (struct held_pen *)base;
    struct scribble w = {.op.write = write_scribble, .pen = p, .records = records, .n = n, .offsets = offsets};
    struct err why = {.code = 0};
    if (writer_run(p->s->writer, &w.op, timeout_ms, &why) == 0)
        return 0;
    return err_set(err, w.op.commit_failed ? STORE_UNKNOWN_OUTCOME : why.code, "%s", why.text);
}

void sqlite_pen_free(struct pen *p)
{
    free(p);
}
