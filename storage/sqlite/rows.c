#include "storage/sqlite/rows.h"

#include <stdlib.h>

#include "storage/sqlite/headers.h"

/* What batch.owner is. */
struct memory {
    struct arena arena; /* bytes, headers, topic names */
    size_t bytes;       /* of keys, values and headers */
    size_t topics_cap;
};

static void release(struct batch *b)
{
    struct memory *m = b->owner;
    arena_clear(&m->arena);
    free(m);
    free(b->records);
    free(b->topics);
}

int rows_begin(struct batch *b, struct err *err)
{
    if (b->release != release) {
        batch_clear(b);
        b->owner = calloc(1, sizeof(struct memory));
        if (b->owner == NULL)
            return err_nomem(err);
        b->release = release;
    }
    struct memory *m = b->owner;
    arena_reset(&m->arena);
    m->bytes = 0;
    b->n = b->ntopics = 0;
    return 0;
}

size_t rows_bytes(const struct batch *b)
{
    return ((const struct memory *)b->owner)->bytes;
}

int rows_add_topic(struct batch *b, struct str name, uint32_t *topic, struct err *err)
{
    struct memory *m = b->owner;
    if (b->ntopics == m->topics_cap) {
        size_t cap = m->topics_cap == 0 ? 4 : 2 * m->topics_cap;
        struct str *topics = realloc(b->topics, cap * sizeof *topics);
        if (topics == NULL)
            return err_nomem(err);
        b->topics = topics;
        m->topics_cap = cap;
    }
    struct str copy = arena_str(&m->arena, name);
    if (copy.p == NULL)
        return err_nomem(err);
    *topic = (uint32_t)b->ntopics;
    b->topics[b->ntopics++] = copy;
    return 0;
}

static struct str copy_column(struct arena *a, sqlite3_stmt *s, int i, bool *failed)
{
    struct str v = conn_column(s, i), copy = arena_str(a, v);
    *failed = *failed || (v.p != NULL && copy.p == NULL);
    return copy;
}

/* The row that s stands on, at the batch's end. */
static int add_row(struct batch *b, struct conn *c, sqlite3_stmt *s, struct err *err)
{
    struct memory *m = b->owner;
    if (b->n == b->cap) {
        size_t cap = b->cap == 0 ? 64 : 2 * b->cap;
        struct record *records = realloc(b->records, cap * sizeof *records);
        if (records == NULL)
            return err_nomem(err);
        b->records = records;
        b->cap = cap;
    }
    struct record *r = &b->records[b->n];
    bool failed = false;
    *r = (struct record){.offset = record_offset(sqlite3_column_int64(s, 0)), .timestamp_ms = sqlite3_column_int64(s, 1)};
    r->key = copy_column(&m->arena, s, 2, &failed);
    r->value = copy_column(&m->arena, s, 3, &failed);
    struct str headers = copy_column(&m->arena, s, 4, &failed);
    if (failed)
        return err_nomem(err);
    if (headers.p != NULL && headers_get(headers, &m->arena, &r->headers, &r->nheaders) < 0)
        return err_set(err, ERR_IO, "%s: the file is damaged (the headers of record %lld): restore it from a copy",
                       file_path(c->file), (long long)sqlite3_column_int64(s, 0));
    m->bytes += r->key.n + r->value.n + headers.n;
    b->n++;
    return 0;
}

int rows_add_records(struct batch *b, struct conn *c, const struct partition *p, int64_t from, int64_t to, size_t max_records,
                     size_t max_bytes, uint32_t topic, int64_t *next, struct err *err)
{
    *next = from;
    if (max_records == 0 || from >= to)
        return 0;
    sqlite3_stmt *s = conn_bind(c, SQL_READ_RECORDS, err, "ii", record_id(p->id, from), record_id(p->id, to));
    if (s == NULL)
        return -1;
    int row;
    for (size_t n = 0; (row = conn_step(c, s, err)) == 1; n++) {
        size_t row_bytes =
            (size_t)sqlite3_column_bytes(s, 2) + (size_t)sqlite3_column_bytes(s, 3) + (size_t)sqlite3_column_bytes(s, 4);
        if (n == max_records || (b->n > 0 && rows_bytes(b) + row_bytes > max_bytes)) {
            sqlite3_reset(s);
            return 0;
        }
        if (add_row(b, c, s, err) < 0) {
            sqlite3_reset(s);
            return -1;
        }
        struct record *r = &b->records[b->n - 1];
        r->partition = p->number;
        r->topic = topic;
        *next = r->offset + 1;
    }
    if (row == 0)
        *next = to;
    return row;
}
