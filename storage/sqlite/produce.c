/* storage/sqlite/produce.c - records into the log.
 *
 * A record that cannot be taken (partition, size, timestamp) is that record's error; the others of its call go on.  Keyless
 * records are spread over the partitions in runs of SPREAD_RUN, so that a run is one place in the tree. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/own.h"
#include "storage/sqlite/headers.h"
#include "storage/sqlite/sqlite.h"

enum {
    SPREAD_RUN = 64,
    RECORD_OVERHEAD =
        70 /* what a batch of one record costs on Kafka's wire beside its key, value and headers: counted in max.message.bytes */
};

struct produce {
    struct op op;
    struct sqlite *s;
    struct str topic;
    const struct record *records; /* the caller's until done */
    size_t n;
    storage_produced_fn *done;
    void *ctx;
    struct arena texts; /* of results */
    struct produced results[];
};

static size_t record_bytes(const struct record *r)
{
    size_t n = r->key.n + r->value.n;
    for (size_t i = 0; i < r->nheaders; i++)
        n += r->headers[i].name.n + r->headers[i].value.n + HEADER_OVERHEAD;
    return n;
}

int log_check(const struct topic *t, const struct record *r, int64_t now_ms, struct err *err)
{
    const struct policy *p = &t->policy;
    size_t bytes = record_bytes(r) + RECORD_OVERHEAD;
    if (bytes > (uint64_t)p->max_message_bytes)
        return err_set(err, STORE_TOO_LARGE, "The record is %zu bytes; topic '%.*s' takes up to %lld (max.message.bytes)", bytes,
                       STR_ARG(t->name), (long long)p->max_message_bytes);
    if (p->compacts && r->key.p == NULL)
        return err_set(err, STORE_INVALID_REQUEST, "Topic '%.*s' is compacted: each record needs a key", STR_ARG(t->name));
    if (r->timestamp_ms < 0)
        return err_set(err, STORE_INVALID_REQUEST, "Timestamp %lld is negative", (long long)r->timestamp_ms);
    if (p->stamps_on_append || r->timestamp_ms == 0)
        return 0;
    if (r->timestamp_ms > now_ms && r->timestamp_ms - now_ms > p->after_max_ms)
        return err_set(err, STORE_INVALID_REQUEST,
                       "Timestamp %lld is more than %lld ms ahead of now (message.timestamp.after.max.ms of '%.*s')",
                       (long long)r->timestamp_ms, (long long)p->after_max_ms, STR_ARG(t->name));
    if (r->timestamp_ms < now_ms && now_ms - r->timestamp_ms > p->before_max_ms)
        return err_set(err, STORE_INVALID_REQUEST,
                       "Timestamp %lld is more than %lld ms before now (message.timestamp.before.max.ms of '%.*s')",
                       (long long)r->timestamp_ms, (long long)p->before_max_ms, STR_ARG(t->name));
    return 0;
}

static int bind_bytes(sqlite3_stmt *s, int i, struct str v)
{
    return v.p != NULL ? sqlite3_bind_blob64(s, i, v.p, v.n, SQLITE_STATIC) : sqlite3_bind_null(s, i);
}

int log_append(struct catalog *c, struct conn *conn, struct partition *p, const struct record *r, int64_t now_ms,
               struct buf *scratch, int64_t *offset, struct err *err)
{
    sqlite3_stmt *s = conn->stmt[SQL_PUT_RECORD];
    struct str headers = STR_NULL;
    if (r->nheaders > 0) {
        buf_reset(scratch);
        headers_put(scratch, r->headers, r->nheaders);
        if (scratch->failed)
            return err_nomem(err);
        headers = buf_str(scratch);
    }
    bool own_time = r->timestamp_ms != 0 && !p->topic->policy.stamps_on_append;
    if (p->now.high >= ((int64_t)1 << OFFSET_BITS) - 1)
        return err_set(err, ERR_IO, "Partition %d of topic '%.*s' has no offsets left", p->number, STR_ARG(p->topic->name));
    catalog_touch(c, p);
    sqlite3_bind_int64(s, 1, record_id(p->id, p->now.high));
    sqlite3_bind_int64(s, 2, own_time ? r->timestamp_ms : now_ms);
    if (bind_bytes(s, 3, r->key) != SQLITE_OK || bind_bytes(s, 4, r->value) != SQLITE_OK ||
        bind_bytes(s, 5, headers) != SQLITE_OK)
        return conn_fail(conn, err);
    int status = sqlite3_step(s);
    if (status != SQLITE_DONE) {
        conn_fail(conn, err);
        sqlite3_reset(s);
        return -1;
    }
    sqlite3_reset(s);
    int64_t bytes = (int64_t)(r->key.n + r->value.n + headers.n);
    *offset = p->now.high++;
    p->now.bytes += bytes;
    p->now.dirty_bytes += bytes;
    return 0;
}

/* The same words for many records are kept once in a row. */
static void refuse(struct produce *p, size_t i, const struct err *why)
{
    struct produced *r = &p->results[i];
    if (i > 0 && p->results[i - 1].text != NULL && strcmp(p->results[i - 1].text, why->text) == 0)
        r->text = p->results[i - 1].text;
    else
        r->text = arena_str(&p->texts, str_of(why->text)).p;
    r->code = why->code;
    r->offset = -1;
    if (r->text == NULL)
        r->text = "out of memory";
}

static struct topic *find_or_create(struct produce *p, struct conn *conn, struct err *err)
{
    struct sqlite *s = p->s;
    struct topic *t = catalog_find(s->catalog, p->topic);
    if (t != NULL)
        return t;
    const struct topic_spec spec = {.name = p->topic, .partitions = -1, .replication_factor = -1};
    if (!s->options.auto_create)
        err_set(err, STORE_UNKNOWN_TOPIC, "Topic '%.*s' does not exist (auto.create.topics.enable is false)", STR_ARG(p->topic));
    else if (catalog_create(s->catalog, conn, &spec, (int32_t)s->options.num_partitions, err) == 0)
        t = catalog_find(s->catalog, p->topic);
    return t;
}

static struct partition *choose(struct topic *t, const struct record *r, size_t i, struct err *err)
{
    if (r->partition != -1)
        return catalog_partition(t, r->partition, err);
    if (r->key.p != NULL)
        return t->partitions[partition_for_key(r->key, t->npartitions)];
    return t->partitions[(t->spread + i / SPREAD_RUN) % (uint32_t)t->npartitions];
}

static int write_records(struct op *op, struct conn *conn, struct err *err)
{
    struct produce *p = (struct produce *)op;
    OWN_BY(buf_clear) struct buf scratch = {0};
    int64_t now_ms = clock_unix_ms();
    struct topic *t = find_or_create(p, conn, err);
    if (t == NULL)
        return -1;
    arena_clear(&p->texts);
    for (size_t i = 0; i < p->n; i++) {
        const struct record *r = &p->records[i];
        struct produced *result = &p->results[i];
        struct err why = {.code = 0};
        *result = (struct produced){.partition = r->partition};
        struct partition *to = choose(t, r, i, &why);
        if (to != NULL)
            result->partition = to->number;
        if (to == NULL || log_check(t, r, now_ms, &why) < 0) {
            refuse(p, i, &why);
            continue;
        }
        if (log_append(p->s->catalog, conn, to, r, now_ms, &scratch, &result->offset, err) < 0)
            return -1;
    }
    t->spread += (uint32_t)(p->n / SPREAD_RUN + 1);
    return 0;
}

static void answer(struct op *op)
{
    struct produce *p = (struct produce *)op;
    if (op->err.code != 0)
        for (size_t i = 0; i < p->n; i++)
            p->results[i] = (struct produced){p->records[i].partition, -1, op->err.code, op->err.text};
    p->done(p->ctx, p->results, p->n);
    arena_clear(&p->texts);
    free(p);
}

int sqlite_produce(struct storage *st, struct str topic, const struct record *records, size_t n, storage_produced_fn *done,
                   void *ctx, struct err *err)
{
    struct sqlite *s = sqlite_of(st);
    struct produce *p = malloc(sizeof *p + n * sizeof *p->results + topic.n);
    if (p == NULL)
        return err_nomem(err);
    char *name = (char *)&p->results[n];
    memcpy(name, topic.p, topic.n);
    *p = (struct produce){.s = s, .topic = str_n(name, topic.n), .records = records, .n = n, .done = done, .ctx = ctx};
    p->op.deadline_ms = clock_mono_ms() + s->options.produce_timeout_ms;
    p->op.write = write_records;
    p->op.finish = answer;
    for (size_t i = 0; i < n; i++)
        p->op.bytes += record_bytes(&records[i]) + RECORD_OVERHEAD;
    if (writer_add(s->writer, &p->op, err) == 0)
        return 0;
    free(p);
    return -1;
}
