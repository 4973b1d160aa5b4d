/* storage/sqlite/engine.c - opens and closes the embedded engine, and answers what is in the catalogue. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/own.h"
#include "storage/sqlite/cleaner.h"
#include "storage/sqlite/group.h"
#include "storage/sqlite/shelf.h"
#include "storage/sqlite/sqlite.h"

#define AT(field) offsetof(struct options, field)
static const struct conf_key keys[] = {
    {"auto.create.topics.enable", CONF_BOOL, AT(auto_create), "true", NULL, "Producing to a missing topic creates it.", 0, 0, 0},
    {"log.cleaner.backoff.ms", CONF_INT, AT(cleaner_backoff_ms), "15000", "ms", "How often compaction looks.", 1, INT32_MAX, 0},
    {"log.retention.check.interval.ms", CONF_INT, AT(retention_check_ms), "300000", "ms", "How often retention looks.", 1,
     INT32_MAX, 0},
    {"num.partitions", CONF_INT, AT(num_partitions), "1", NULL, "Of topics made without a number.", 1, PARTITIONS_MAX, 0},
    {"produce.timeout.ms", CONF_INT, AT(produce_timeout_ms), "30000", "ms", "How long a produce may wait.", 1, INT32_MAX, 0},
    {"queue.max.bytes", CONF_BYTES, AT(queue_bytes), "64m", "bytes", "What may wait to be written.", 1, INT32_MAX, 0},
    {"timeout.ms", CONF_INT, AT(timeout_ms), "10000", "ms", "How long a blocking call may wait.", 1, INT32_MAX, 0},
};
static const struct conf_table table = {keys, sizeof keys / sizeof *keys};

/* Properties of Kafka clients may stand in the same file; they say nothing to this engine. */
static bool is_for_kafka(struct str name)
{
    return str_starts(name, STR("client.")) || str_starts(name, STR("producer.")) || str_starts(name, STR("consumer.")) ||
           str_starts(name, STR("admin."));
}

static int read_options(struct options *o, const struct storage_option *options, size_t n, struct err *err)
{
    if (conf_defaults(&table, o, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct str name = str_of(options[i].name);
        if (!is_for_kafka(name) && conf_set(&table, o, name, str_of(options[i].value), "embedded log", err) < 0)
            return -1;
    }
    return 0;
}

/* ---- opening -------------------------------------------------------------------------------------------------------------- */

static void on_committed(void *arg)
{
    groups_news(((struct sqlite *)arg)->groups);
}

static void on_topics_changed(void *arg)
{
    groups_topics_changed(((struct sqlite *)arg)->groups);
}

static int read_cluster_id(struct sqlite *s, struct err *err)
{
    sqlite3_stmt *q = conn_bind(s->conn, SQL_GET_META, err, "t", STR("cluster.id"));
    int row = q != NULL ? conn_step(s->conn, q, err) : -1;
    if (row < 0)
        return -1;
    if (row == 0)
        return err_set(err, ERR_IO, "%s: the file is damaged (no cluster.id): restore it from a copy", file_path(s->file));
    s->cluster_id = str_dup(conn_column(q, 0));
    sqlite3_reset(q);
    return s->cluster_id != NULL ? 0 : err_nomem(err);
}

static void sqlite_free(struct storage *st)
{
    struct sqlite *s = sqlite_of(st);
    cleaner_free(s->cleaner);
    groups_stop(s->groups);
    writer_free(s->writer);
    groups_free(s->groups);
    shelf_free(s->shelf);
    catalog_free(s->catalog);
    conn_free(s->conn); /* the last connection: SQLite moves the WAL into the file and removes it */
    file_close(s->file);
    free(s->cluster_id);
    free(s);
}

static int open_parts(struct sqlite *s, const char *where, struct err *err)
{
    const struct writer_events events = {on_committed, on_topics_changed, s};
    if ((s->file = file_open(where, err)) == NULL ||
        (s->conn = conn_open(s->file, true, (int)s->options.timeout_ms, err)) == NULL || conn_check(s->conn, err) < 0 ||
        read_cluster_id(s, err) < 0 || (s->catalog = catalog_new(s->conn, err)) == NULL ||
        (s->shelf = shelf_new(s->file, (int)s->options.timeout_ms, err)) == NULL ||
        (s->groups = groups_new(s, s->conn, err)) == NULL)
        return -1;
    /* From here on the connection is the writer's. */
    s->writer = writer_new(s->conn, s->catalog, events, (size_t)s->options.queue_bytes, err);
    return s->writer != NULL && (s->cleaner = cleaner_new(s, err)) != NULL ? 0 : -1;
}

static struct storage *sqlite_open(const char *where, const struct storage_option *options, size_t n, struct err *err)
{
    struct sqlite *s = calloc(1, sizeof *s);
    if (s == NULL) {
        err_nomem(err);
        return NULL;
    }
    s->base.engine = &sqlite_engine;
    if (read_options(&s->options, options, n, err) == 0 && open_parts(s, where, err) == 0)
        return &s->base;
    sqlite_free(&s->base);
    return NULL;
}

static int sqlite_ready(struct storage *st, struct err *err)
{
    return writer_health(sqlite_of(st)->writer, err);
}

static int sqlite_cluster(struct storage *st, struct arena *a, struct cluster *out, struct err *err)
{
    struct sqlite *s = sqlite_of(st);
    struct broker *b = arena_calloc(a, 1, sizeof *b);
    struct str id = arena_str(a, str_of(s->cluster_id));
    if (b == NULL || id.p == NULL)
        return err_nomem(err);
    b->host = STR("127.0.0.1");
    *out = (struct cluster){.id = id, .controller = 0, .brokers = b, .nbrokers = 1};
    return 0;
}

/* ---- topics ---------------------------------------------------------------------------------------------------------------- */

/* An admin call on its way through the writer. */
struct admin {
    struct op op;
    struct sqlite *s;
    const struct topic_spec *spec;
    struct str topic;
    int32_t total;
    const struct topic_config *changes;
    size_t nchanges;
};

static int run_admin(struct storage *st, struct admin *a, int (*write)(struct op *op, struct conn *conn, struct err *err),
                     struct err *err)
{
    a->s = sqlite_of(st);
    a->op.write = write;
    a->op.alone = true;
    return writer_run(a->s->writer, &a->op, (int)a->s->options.timeout_ms, err);
}

static int write_create(struct op *op, struct conn *conn, struct err *err)
{
    struct admin *a = (struct admin *)op;
    return catalog_create(a->s->catalog, conn, a->spec, (int32_t)a->s->options.num_partitions, err);
}

static int sqlite_create_topic(struct storage *st, const struct topic_spec *spec, struct err *err)
{
    struct admin a = {.spec = spec};
    return run_admin(st, &a, write_create, err);
}

static int write_delete(struct op *op, struct conn *conn, struct err *err)
{
    struct admin *a = (struct admin *)op;
    return catalog_delete(a->s->catalog, conn, a->topic, err);
}

static void settle_delete(struct op *op)
{
    struct admin *a = (struct admin *)op;
    groups_forget_topic(a->s->groups, a->topic);
}

static int sqlite_delete_topic(struct storage *st, struct str topic, struct err *err)
{
    struct admin a = {.topic = topic, .op.settle = settle_delete};
    if (run_admin(st, &a, write_delete, err) < 0)
        return -1;
    cleaner_poke(sqlite_of(st)->cleaner);
    return 0;
}

static int write_grow(struct op *op, struct conn *conn, struct err *err)
{
    struct admin *a = (struct admin *)op;
    return catalog_grow(a->s->catalog, conn, a->topic, a->total, err);
}

static int sqlite_add_partitions(struct storage *st, struct str topic, int32_t total, struct err *err)
{
    struct admin a = {.topic = topic, .total = total};
    return run_admin(st, &a, write_grow, err);
}

static int write_alter(struct op *op, struct conn *conn, struct err *err)
{
    struct admin *a = (struct admin *)op;
    return catalog_alter(a->s->catalog, conn, a->topic, a->changes, a->nchanges, err);
}

static int sqlite_alter_configs(struct storage *st, struct str topic, const struct topic_config *changes, size_t n,
                                struct err *err)
{
    struct admin a = {.topic = topic, .changes = changes, .nchanges = n};
    return run_admin(st, &a, write_alter, err);
}

static int sqlite_topic_configs(struct storage *st, struct str topic, struct arena *a, struct topic_config **out, size_t *n,
                                struct err *err)
{
    return catalog_configs(sqlite_of(st)->catalog, topic, a, out, n, err);
}

static bool is_internal(struct str name)
{
    return str_is(name, "__consumer_offsets") || str_is(name, "__transaction_state") || str_is(name, "__share_group_state");
}

static int describe(struct sqlite *s, const struct topic *t, struct arena *a, struct topic_info *out, struct err *err)
{
    size_t n = (size_t)catalog_count(s->catalog, t);
    int32_t *broker = arena_calloc(a, 1, sizeof *broker); /* the one broker, 0 */
    struct partition_info *list = arena_calloc(a, n, sizeof *list);
    *out = (struct topic_info){
        .name = arena_str(a, t->name), .is_internal = is_internal(t->name), .partitions = list, .npartitions = n};
    if (broker == NULL || list == NULL || out->name.p == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct partition_info){
            .id = (int32_t)i, .leader = 0, .replicas = broker, .isrs = broker, .nreplicas = 1, .nisrs = 1};
    return 0;
}

static int sqlite_list_topics(struct storage *st, struct arena *a, struct topic_info **out, size_t *n, struct err *err)
{
    struct sqlite *s = sqlite_of(st);
    struct topic **all;
    if (catalog_ref_all(s->catalog, &all, n, err) < 0)
        return -1;
    *out = arena_calloc(a, *n + 1, sizeof **out);
    int status = *out != NULL ? 0 : err_nomem(err);
    for (size_t i = 0; i < *n; i++) {
        if (status == 0)
            status = describe(s, all[i], a, &(*out)[i], err);
        topic_unref(all[i]);
    }
    free(all);
    return status;
}

static int sqlite_describe_topic(struct storage *st, struct str topic, struct arena *a, struct topic_info *out, struct err *err)
{
    struct sqlite *s = sqlite_of(st);
    struct topic *t = catalog_ref(s->catalog, topic, err);
    int status = t != NULL ? describe(s, t, a, out, err) : -1;
    topic_unref(t);
    return status;
}

/* ---- offsets -----------------------------------------------------------------------------------------------------------------
 */

static int sqlite_watermarks(struct storage *st, struct str topic, int32_t number, int64_t *low, int64_t *high, struct err *err)
{
    struct sqlite *s = sqlite_of(st);
    struct partition *p = catalog_ref_partition(s->catalog, topic, number, err);
    struct partition_state state;
    if (p == NULL)
        return -1;
    catalog_state(s->catalog, p, &state);
    topic_unref(p->topic);
    *low = state.low;
    *high = state.high;
    return 0;
}

/* The first offset from..to-1 with that time or a later one: 1, or 0 if there is none. */
static int find_time(struct conn *c, const struct partition *p, int64_t from, int64_t to, int64_t ms, int64_t *offset,
                     struct err *err)
{
    sqlite3_stmt *s = conn_bind(c, SQL_FIND_TIME, err, "iii", record_id(p->id, from), record_id(p->id, to), ms);
    int row = s != NULL ? conn_step(c, s, err) : -1;
    if (row == 1) {
        *offset = record_offset(sqlite3_column_int64(s, 0));
        sqlite3_reset(s);
    }
    return row;
}

/* Finished runs tell their largest time, so that only one run of them is read, and the unfinished one. */
static int search_time(struct conn *c, const struct partition *p, const struct partition_state *state, int64_t ms,
                       int64_t *offset, struct err *err)
{
    const int64_t unfinished = state->high >> TIME_BITS << TIME_BITS;
    int64_t first = record_id(p->id, state->low) >> TIME_BITS, end = record_id(p->id, unfinished) >> TIME_BITS;
    sqlite3_stmt *s = conn_bind(c, SQL_FIND_TIMES, err, "iii", first, end, ms);
    int row = s != NULL ? 0 : -1, found = 0;
    while (s != NULL && found == 0 && (row = conn_step(c, s, err)) == 1) {
        int64_t from = record_offset(sqlite3_column_int64(s, 0) << TIME_BITS), to = from + (1 << TIME_BITS);
        found = find_time(c, p, from > state->low ? from : state->low, to, ms, offset, err);
    }
    if (s != NULL)
        sqlite3_reset(s);
    if (row < 0 || found != 0)
        return row < 0 ? -1 : found;
    return find_time(c, p, unfinished > state->low ? unfinished : state->low, state->high, ms, offset, err);
}

static int sqlite_offset_for_time(struct storage *st, struct str topic, int32_t number, int64_t ms, int64_t *offset,
                                  struct err *err)
{
    struct sqlite *s = sqlite_of(st);
    struct partition *p = catalog_ref_partition(s->catalog, topic, number, err);
    if (p == NULL)
        return -1;
    struct partition_state state;
    catalog_state(s->catalog, p, &state);
    struct conn *c = shelf_take(s->shelf, err);
    int found = c != NULL ? search_time(c, p, &state, ms, offset, err) : -1;
    shelf_give(s->shelf, c);
    topic_unref(p->topic);
    if (found == 0)
        *offset = state.high;
    return found < 0 ? -1 : 0;
}

const struct engine sqlite_engine = {
    .name = "sqlite",
    .open = sqlite_open,
    .free = sqlite_free,
    .ready = sqlite_ready,
    .cluster = sqlite_cluster,
    .create_topic = sqlite_create_topic,
    .delete_topic = sqlite_delete_topic,
    .add_partitions = sqlite_add_partitions,
    .list_topics = sqlite_list_topics,
    .describe_topic = sqlite_describe_topic,
    .topic_configs = sqlite_topic_configs,
    .alter_configs = sqlite_alter_configs,
    .watermarks = sqlite_watermarks,
    .offset_for_time = sqlite_offset_for_time,
    .produce = sqlite_produce,
    .reader_open = sqlite_reader_open,
    .reader_read = sqlite_reader_read,
    .reader_position = sqlite_reader_position,
    .reader_wake = sqlite_reader_wake,
    .reader_free = sqlite_reader_free,
    .member_open = sqlite_member_open,
    .member_free = sqlite_member_free,
    .member_subscribe = sqlite_member_subscribe,
    .member_subscribe_pattern = sqlite_member_subscribe_pattern,
    .member_unsubscribe = sqlite_member_unsubscribe,
    .member_assign = sqlite_member_assign,
    .member_subscription = sqlite_member_subscription,
    .member_assignment = sqlite_member_assignment,
    .member_poll = sqlite_member_poll,
    .member_seek = sqlite_member_seek,
    .member_store = sqlite_member_store,
    .member_commit = sqlite_member_commit,
    .member_committed = sqlite_member_committed,
    .pen_take = sqlite_pen_take,
    .pen_write = sqlite_pen_write,
    .pen_free = sqlite_pen_free,
};
