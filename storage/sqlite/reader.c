/* storage/sqlite/reader.c - one partition from an offset. */
#include <stdlib.h>

#include "base/clock.h"
#include "storage/sqlite/rows.h"
#include "storage/sqlite/shelf.h"
#include "storage/sqlite/sqlite.h"

struct log_reader {
    struct reader base;
    struct sqlite *s;
    struct partition *partition; /* its topic is referenced */
    int64_t position;            /* the one thread that reads */
    bool woken;                  /* catalogue's lock */
};

struct reader *sqlite_reader_open(struct storage *st, struct str topic, int32_t number, int64_t from, struct err *err)
{
    struct sqlite *s = sqlite_of(st);
    if (from < 0 && from != OFFSET_BEGINNING && from != OFFSET_END) {
        err_set(err, ERR_INVALID, "offset %lld: expected one from 0, or the beginning or the end", (long long)from);
        return NULL;
    }
    struct partition *p = catalog_ref_partition(s->catalog, topic, number, err);
    if (p == NULL)
        return NULL;
    struct log_reader *r = malloc(sizeof *r);
    if (r == NULL) {
        topic_unref(p->topic);
        err_nomem(err);
        return NULL;
    }
    struct partition_state state;
    catalog_state(s->catalog, p, &state);
    *r = (struct log_reader){.base.engine = s->base.engine, .s = s, .partition = p};
    r->position = from == OFFSET_END ? state.high : from < state.low ? state.low : from;
    return &r->base;
}

static int read_some(struct log_reader *r, struct batch *b, size_t max_records, size_t max_bytes, int64_t to, struct err *err)
{
    struct conn *c = shelf_take(r->s->shelf, err);
    int64_t next = r->position;
    int status = c == NULL ? -1 : rows_add_records(b, c, r->partition, r->position, to, max_records, max_bytes, 0, &next, err);
    shelf_give(r->s->shelf, c);
    if (status == 0)
        r->position = next;
    else
        b->n = 0;
    return status;
}

int sqlite_reader_read(struct reader *base, struct batch *b, size_t max_records, size_t max_bytes, int timeout_ms, bool *end,
                       struct err *err)
{
    struct log_reader *r = (struct log_reader *)base;
    struct catalog *c = r->s->catalog;
    const struct partition *p = r->partition;
    const int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    struct partition_state state;
    uint32_t topic;
    if (end != NULL)
        *end = false;
    if (rows_begin(b, err) < 0 || rows_add_topic(b, p->topic->name, &topic, err) < 0)
        return -1;
    for (;;) {
        if (!catalog_state(c, p, &state))
            return err_set(err, STORE_UNKNOWN_TOPIC, "Topic '%.*s' was deleted", STR_ARG(p->topic->name));
        if (r->position < state.low)
            r->position = state.low;
        if (read_some(r, b, max_records, max_bytes, state.high, err) < 0)
            return -1;
        if (b->n > 0 || max_records == 0 || clock_mono_ms() >= deadline_ms || catalog_clear_stop(c, &r->woken))
            break;
        catalog_wait(c, p, r->position, deadline_ms, &r->woken);
    }
    if (end != NULL)
        *end = r->position >= state.high;
    return 0;
}

int64_t sqlite_reader_position(const struct reader *r)
{
    return ((const struct log_reader *)r)->position;
}

void sqlite_reader_wake(struct reader *base)
{
    struct log_reader *r = (struct log_reader *)base;
    catalog_stop_wait(r->s->catalog, &r->woken);
}

void sqlite_reader_free(struct reader *base)
{
    struct log_reader *r = (struct log_reader *)base;
    topic_unref(r->partition->topic);
    free(r);
}
