#include "storage/sqlite/catalog.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/own.h"

/* What a transaction that is alone will do to a topic when it commits. */
struct change {
    enum { NOTHING, DELETE, GROW, ALTER } what;
    struct topic *topic;
    struct partition **partitions; /* GROW: all of them, the new ones last */
    int32_t npartitions;
    struct configs configs; /* ALTER */
};

struct catalog {
    pthread_mutex_t lock;
    pthread_cond_t news;   /* something was committed, or a wait was stopped; monotonic clock */
    struct map topics;     /* lock to read; the writer changes it under the lock. name -> struct topic */
    struct topic *pending; /* writer, as all below */
    struct partition *touched;
    struct change change;
    int64_t next_partition_id;
};

/* ---- topics ------------------------------------------------------------------------------------------------------- */

static void topic_free(struct topic *t)
{
    for (int32_t i = 0; i < t->npartitions; i++)
        free(t->partitions[i]);
    free(t->partitions);
    configs_clear(&t->configs);
    free((char *)t->name.p);
    free(t);
}

static struct topic *topic_new(struct str name, int64_t id, struct err *err)
{
    struct topic *t = calloc(1, sizeof *t);
    char *copy = str_dup(name);
    if (t == NULL || copy == NULL) {
        free(t);
        free(copy);
        err_nomem(err);
        return NULL;
    }
    t->name = str_n(copy, name.n);
    t->id = id;
    t->policy = configs_policy(&t->configs);
    atomic_init(&t->refs, 1);
    return t;
}

struct topic *topic_ref(struct topic *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void topic_unref(struct topic *t)
{
    if (t != NULL && atomic_fetch_sub(&t->refs, 1) == 1)
        topic_free(t);
}

static struct partition *partition_new(struct topic *t, int32_t number, int64_t id)
{
    struct partition *p = calloc(1, sizeof *p);
    if (p != NULL)
        *p = (struct partition){.topic = t, .number = number, .id = id};
    return p;
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static int load_topics(struct catalog *c, struct conn *conn, struct err *err)
{
    sqlite3_stmt *s = conn_bind(conn, SQL_ALL_TOPICS, err, "");
    int row;
    if (s == NULL)
        return -1;
    while ((row = conn_step(conn, s, err)) == 1) {
        struct topic *t = topic_new(conn_column(s, 1), sqlite3_column_int64(s, 0), err);
        if (t == NULL || map_set(&c->topics, t->name, t) < 0) {
            topic_unref(t);
            sqlite3_reset(s);
            return err_nomem(err);
        }
    }
    return row;
}

/* A value that this version no longer accepts falls back to the default. */
static int load_configs(struct topic *t, struct conn *conn, struct err *err)
{
    sqlite3_stmt *s = conn_bind(conn, SQL_ALL_CONFIGS, err, "i", t->id);
    int row;
    if (s == NULL)
        return -1;
    while ((row = conn_step(conn, s, err)) == 1) {
        const struct topic_config one = {.name = conn_column(s, 0), .value = conn_column(s, 1)};
        configs_change(&t->configs, &one, 1, NULL);
    }
    t->policy = configs_policy(&t->configs);
    return row;
}

static int damaged(struct conn *conn, int64_t id, const char *what, struct err *err)
{
    return err_set(err, ERR_IO, "%s: the file is damaged (partition id %lld %s): restore it from a copy", file_path(conn->file),
                   (long long)id, what);
}

static int load_partition(struct topic *t, struct conn *conn, sqlite3_stmt *s, struct err *err)
{
    int64_t id = sqlite3_column_int64(s, 0), number = sqlite3_column_int64(s, 2);
    if (number != t->npartitions)
        return damaged(conn, id, "is out of order", err);
    if (id < 1 || id >= PARTITION_ID_END)
        return damaged(conn, id, "is none", err);
    struct partition **more = realloc(t->partitions, ((size_t)t->npartitions + 1) * sizeof *more);
    if (more == NULL)
        return err_nomem(err);
    t->partitions = more;
    struct partition *p = partition_new(t, (int32_t)number, id);
    if (p == NULL)
        return err_nomem(err);
    t->partitions[t->npartitions++] = p;
    p->kept = p->now = (struct partition_state){.low = sqlite3_column_int64(s, 3),
                                                .high = sqlite3_column_int64(s, 4),
                                                .clean = sqlite3_column_int64(s, 5),
                                                .bytes = sqlite3_column_int64(s, 6),
                                                .dirty_bytes = sqlite3_column_int64(s, 7)};
    if (p->kept.low < 0 || p->kept.high < p->kept.low || p->kept.high >= (int64_t)1 << OFFSET_BITS)
        return damaged(conn, id, "has impossible bounds", err);
    sqlite3_stmt *last = conn_bind(conn, SQL_LAST_RECORD, err, "ii", record_id(id, 0), record_id(id + 1, 0));
    if (last == NULL || conn_step(conn, last, err) < 0)
        return -1;
    bool past_end = sqlite3_column_type(last, 0) != SQLITE_NULL && record_offset(sqlite3_column_int64(last, 0)) >= p->kept.high;
    sqlite3_reset(last);
    return past_end ? damaged(conn, id, "has a record past its end", err) : 0;
}

static int load_partitions(struct catalog *c, struct conn *conn, struct err *err)
{
    sqlite3_stmt *s = conn_bind(conn, SQL_ALL_PARTITIONS, err, "");
    int row;
    if (s == NULL)
        return -1;
    while ((row = conn_step(conn, s, err)) == 1) {
        int64_t id = sqlite3_column_int64(s, 0);
        if (id >= c->next_partition_id)
            c->next_partition_id = id + 1;
        if (sqlite3_column_type(s, 1) == SQLITE_NULL)
            continue; /* its topic is deleted; the cleaner erases it */
        struct topic *t = map_get(&c->topics, conn_column(s, 8));
        if ((t == NULL && damaged(conn, id, "has no topic", err) < 0) || load_partition(t, conn, s, err) < 0) {
            sqlite3_reset(s);
            return -1;
        }
    }
    return row;
}

struct catalog *catalog_new(struct conn *conn, struct err *err)
{
    struct catalog *c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_nomem(err);
        return NULL;
    }
    clock_cond_init(&c->news);
    pthread_mutex_init(&c->lock, NULL);
    c->next_partition_id = 1;
    int status = load_topics(c, conn, err);
    size_t i = 0;
    for (struct topic *t; status == 0 && (t = map_each(&c->topics, &i)) != NULL;)
        status = load_configs(t, conn, err);
    if (status == 0)
        status = load_partitions(c, conn, err);
    if (status == 0)
        return c;
    catalog_free(c);
    return NULL;
}

void catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    size_t i = 0;
    for (struct topic *t; (t = map_each(&c->topics, &i)) != NULL;)
        topic_unref(t);
    map_clear(&c->topics);
    pthread_cond_destroy(&c->news);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- in the running transaction ------------------------------------------------------------------------------------- */

struct topic *catalog_find(struct catalog *c, struct str name)
{
    return map_get(&c->topics, name);
}

static int unknown_topic(struct str name, struct err *err)
{
    return err_set(err, STORE_UNKNOWN_TOPIC, "Topic '%.*s' does not exist", STR_ARG(name));
}

static int unknown_partition(const struct topic *t, int32_t number, struct err *err)
{
    return err_set(err, STORE_UNKNOWN_PARTITION, "Topic '%.*s' has no partition %d: it has %d", STR_ARG(t->name), number,
                   t->npartitions);
}

struct partition *catalog_partition(struct topic *t, int32_t number, struct err *err)
{
    if (number >= 0 && number < t->npartitions)
        return t->partitions[number];
    unknown_partition(t, number, err);
    return NULL;
}

static int check_ids(const struct catalog *c, int32_t more, struct err *err)
{
    if (c->next_partition_id + more <= PARTITION_ID_END)
        return 0;
    return err_set(err, STORE_INVALID_REQUEST, "The log has no room for %d more partitions: it can hold %d in its life", more,
                   PARTITION_ID_END - 1);
}

/* Rows and structs for partitions from..total-1 of t into list[from..]; on failure those made are freed. */
static int add_partitions(struct catalog *c, struct conn *conn, struct topic *t, struct partition **list, int32_t from,
                          int32_t total, struct err *err)
{
    int32_t n = from;
    int status = 0;
    for (; n < total && status == 0; n++) {
        if ((list[n] = partition_new(t, n, c->next_partition_id)) == NULL)
            status = err_nomem(err);
        else if ((status = conn_run(conn, SQL_ADD_PARTITION, err, "iii", list[n]->id, t->id, (int64_t)n)) < 0)
            free(list[n]);
        if (status < 0)
            break;
        c->next_partition_id++; /* a rollback leaves a gap, which is harmless */
    }
    while (status < 0 && n > from)
        free(list[--n]);
    return status;
}

static int check_assignments(const struct topic_spec *spec, int32_t *partitions, struct err *err)
{
    if (spec->partitions != -1 || spec->replication_factor != -1)
        return err_set(err, STORE_INVALID_REQUEST, "Topic '%.*s': give replica assignments, or counts, but not both",
                       STR_ARG(spec->name));
    bool named[PARTITIONS_MAX] = {false};
    for (size_t i = 0; i < spec->nassignments; i++) {
        const struct replica_list *a = &spec->assignments[i];
        if (a->partition < 0 || (size_t)a->partition >= spec->nassignments || named[a->partition])
            return err_set(err, STORE_INVALID_REQUEST,
                           "Topic '%.*s': replica assignments must name partitions 0 to %zu once each", STR_ARG(spec->name),
                           spec->nassignments - 1);
        named[a->partition] = true;
        if (a->nbrokers != 1 || a->brokers[0] != 0)
            return err_set(err, STORE_INVALID_REQUEST,
                           "Topic '%.*s': partition %d must be assigned to broker 0 only: there is no other", STR_ARG(spec->name),
                           a->partition);
    }
    *partitions = (int32_t)spec->nassignments;
    return 0;
}

static int check_spec(const struct topic_spec *spec, int32_t *partitions, struct err *err)
{
    if (spec->nassignments > PARTITIONS_MAX)
        return err_set(err, STORE_INVALID_REQUEST, "Topic '%.*s': at most %d partitions", STR_ARG(spec->name), PARTITIONS_MAX);
    if (spec->nassignments > 0 && check_assignments(spec, partitions, err) < 0)
        return -1;
    if (*partitions < 1 || *partitions > PARTITIONS_MAX)
        return err_set(err, STORE_INVALID_REQUEST, "Topic '%.*s': %d partitions asked for: expected 1 to %d", STR_ARG(spec->name),
                       *partitions, PARTITIONS_MAX);
    if (spec->replication_factor != -1 && spec->replication_factor != 1)
        return err_set(err, STORE_INVALID_REQUEST,
                       "Topic '%.*s': replication factor %d asked for: the embedded log is one broker, so 1 (or none given)",
                       STR_ARG(spec->name), spec->replication_factor);
    return 0;
}

static int put_configs(struct conn *conn, int64_t topic, const struct configs *configs, struct err *err)
{
    for (int i = 0; i < CONFIGS_COUNT; i++)
        if (configs->set[i] != NULL &&
            conn_run(conn, SQL_PUT_CONFIG, err, "itt", topic, str_of(configs_name(i)), str_of(configs->set[i])) < 0)
            return -1;
    return 0;
}

static int put_topic(struct catalog *c, struct conn *conn, struct topic *t, int32_t partitions, struct err *err)
{
    if (conn_run(conn, SQL_ADD_TOPIC, err, "t", t->name) < 0)
        return -1;
    t->id = sqlite3_last_insert_rowid(conn->db);
    t->partitions = calloc((size_t)partitions, sizeof *t->partitions);
    if (t->partitions == NULL)
        return err_nomem(err);
    if (put_configs(conn, t->id, &t->configs, err) < 0 || add_partitions(c, conn, t, t->partitions, 0, partitions, err) < 0)
        return -1;
    t->npartitions = partitions;
    return 0;
}

int catalog_create(struct catalog *c, struct conn *conn, const struct topic_spec *spec, int32_t default_partitions,
                   struct err *err)
{
    int32_t partitions = spec->partitions == -1 ? default_partitions : spec->partitions;
    if (catalog_find(c, spec->name) != NULL)
        return err_set(err, STORE_TOPIC_EXISTS, "Topic '%.*s' already exists.", STR_ARG(spec->name));
    if (check_spec(spec, &partitions, err) < 0 || check_ids(c, partitions, err) < 0)
        return -1;
    struct topic *t = topic_new(spec->name, 0, err);
    if (t == NULL)
        return -1;
    if (configs_change(&t->configs, spec->configs, spec->nconfigs, err) < 0 || spec->validate_only) {
        topic_unref(t);
        return spec->validate_only && (err == NULL || err->code == 0) ? 0 : -1;
    }
    t->policy = configs_policy(&t->configs);
    if (put_topic(c, conn, t, partitions, err) < 0) {
        topic_unref(t);
        return -1;
    }
    t->pending = true;
    pthread_mutex_lock(&c->lock);
    int status = map_set(&c->topics, t->name, t); /* now, when it may still fail; hidden until the commit */
    pthread_mutex_unlock(&c->lock);
    if (status < 0) {
        topic_unref(t);
        return err_nomem(err);
    }
    t->next_pending = c->pending;
    c->pending = t;
    return 0;
}

int catalog_delete(struct catalog *c, struct conn *conn, struct str name, struct err *err)
{
    struct topic *t = catalog_find(c, name);
    if (t == NULL)
        return unknown_topic(name, err);
    if (conn_run(conn, SQL_ORPHAN_PARTITIONS, err, "i", t->id) < 0 || conn_run(conn, SQL_DROP_CONFIGS, err, "i", t->id) < 0 ||
        conn_run(conn, SQL_DROP_TOPIC, err, "i", t->id) < 0 || conn_run(conn, SQL_DROP_OFFSETS, err, "t", name) < 0)
        return -1;
    c->change = (struct change){.what = DELETE, .topic = t};
    return 0;
}

int catalog_grow(struct catalog *c, struct conn *conn, struct str name, int32_t total, struct err *err)
{
    struct topic *t = catalog_find(c, name);
    if (t == NULL)
        return unknown_topic(name, err);
    if (total <= t->npartitions || total > PARTITIONS_MAX)
        return err_set(err, STORE_INVALID_REQUEST, "Topic '%.*s' has %d partitions: it can be given more, up to %d, but not %d",
                       STR_ARG(name), t->npartitions, PARTITIONS_MAX, total);
    if (check_ids(c, total - t->npartitions, err) < 0)
        return -1;
    struct partition **list = calloc((size_t)total, sizeof(struct partition *));
    if (list == NULL)
        return err_nomem(err);
    memcpy(list, t->partitions, (size_t)t->npartitions * sizeof *list);
    if (add_partitions(c, conn, t, list, t->npartitions, total, err) < 0) {
        free(list);
        return -1;
    }
    c->change = (struct change){.what = GROW, .topic = t, .partitions = list, .npartitions = total};
    return 0;
}

int catalog_alter(struct catalog *c, struct conn *conn, struct str name, const struct topic_config *changes, size_t n,
                  struct err *err)
{
    struct topic *t = catalog_find(c, name);
    struct configs configs;
    if (t == NULL)
        return unknown_topic(name, err);
    if (configs_copy(&configs, &t->configs, err) < 0)
        return -1;
    if (configs_change(&configs, changes, n, err) < 0 || conn_run(conn, SQL_DROP_CONFIGS, err, "i", t->id) < 0 ||
        put_configs(conn, t->id, &configs, err) < 0) {
        configs_clear(&configs);
        return -1;
    }
    c->change = (struct change){.what = ALTER, .topic = t, .configs = configs};
    return 0;
}

void catalog_touch(struct catalog *c, struct partition *p)
{
    if (p->touched)
        return;
    p->touched = true;
    p->next_touched = c->touched;
    c->touched = p;
}

/* Every run of 2^TIME_BITS offsets that this transaction finished gets its largest timestamp noted. */
static int put_times(struct conn *conn, const struct partition *p, struct err *err)
{
    for (int64_t run = p->kept.high >> TIME_BITS; run < p->now.high >> TIME_BITS; run++) {
        int64_t from = record_id(p->id, run << TIME_BITS);
        if (conn_run(conn, SQL_PUT_TIME, err, "iii", from >> TIME_BITS, from, from + ((int64_t)1 << TIME_BITS)) < 0)
            return -1;
    }
    return 0;
}

int catalog_flush(struct catalog *c, struct conn *conn, struct err *err)
{
    for (struct partition *p = c->touched; p != NULL; p = p->next_touched) {
        if (put_times(conn, p, err) < 0 || conn_run(conn, SQL_PUT_PARTITION, err, "iiiiii", p->id, p->now.low, p->now.high,
                                                    p->now.clean, p->now.bytes, p->now.dirty_bytes) < 0)
            return -1;
    }
    return 0;
}

/* ---- its end -------------------------------------------------------------------------------------------------------- */

/* Under the lock. What must be freed outside comes back in ch. */
static void apply_change(struct catalog *c, struct change *ch)
{
    struct topic *t = ch->topic;
    if (ch->what == DELETE) {
        t->gone = true;
        map_remove(&c->topics, t->name);
    } else if (ch->what == GROW) {
        struct partition **old = t->partitions;
        t->partitions = ch->partitions;
        t->npartitions = ch->npartitions;
        ch->partitions = old;
    } else if (ch->what == ALTER) {
        struct configs old = t->configs;
        t->configs = ch->configs;
        t->policy = configs_policy(&t->configs);
        ch->configs = old;
    }
}

bool catalog_commit(struct catalog *c)
{
    struct change ch = c->change;
    bool came_or_went = ch.what == DELETE || ch.what == GROW;
    pthread_mutex_lock(&c->lock);
    while (c->pending != NULL) {
        struct topic *t = c->pending;
        c->pending = t->next_pending;
        t->pending = false;
        came_or_went = true;
    }
    for (struct partition *p; (p = c->touched) != NULL;) {
        c->touched = p->next_touched;
        p->touched = false;
        p->kept = p->now;
    }
    apply_change(c, &ch);
    pthread_cond_broadcast(&c->news);
    pthread_mutex_unlock(&c->lock);
    if (ch.what == DELETE)
        topic_unref(ch.topic);
    free(ch.partitions);
    configs_clear(&ch.configs);
    c->change = (struct change){0};
    return came_or_went;
}

void catalog_rollback(struct catalog *c)
{
    for (struct partition *p; (p = c->touched) != NULL;) {
        c->touched = p->next_touched;
        p->touched = false;
        p->now = p->kept;
    }
    while (c->pending != NULL) {
        struct topic *t = c->pending;
        c->pending = t->next_pending;
        pthread_mutex_lock(&c->lock);
        map_remove(&c->topics, t->name);
        pthread_mutex_unlock(&c->lock);
        topic_unref(t);
    }
    for (int32_t i = c->change.what == GROW ? c->change.topic->npartitions : 0; i < c->change.npartitions; i++)
        free(c->change.partitions[i]);
    free(c->change.partitions);
    configs_clear(&c->change.configs);
    c->change = (struct change){0};
}

/* ---- any thread ----------------------------------------------------------------------------------------------------- */

/* Under the lock. */
static struct topic *visible(struct catalog *c, struct str name)
{
    struct topic *t = map_get(&c->topics, name);
    return t != NULL && !t->pending ? t : NULL;
}

struct topic *catalog_ref(struct catalog *c, struct str name, struct err *err)
{
    pthread_mutex_lock(&c->lock);
    struct topic *t = visible(c, name);
    if (t != NULL)
        topic_ref(t);
    pthread_mutex_unlock(&c->lock);
    if (t == NULL)
        unknown_topic(name, err);
    return t;
}

struct partition *catalog_ref_partition(struct catalog *c, struct str topic, int32_t number, struct err *err)
{
    struct partition *p = NULL;
    pthread_mutex_lock(&c->lock);
    struct topic *t = visible(c, topic);
    if (t == NULL)
        unknown_topic(topic, err);
    else if ((p = catalog_partition(t, number, err)) != NULL)
        topic_ref(t);
    pthread_mutex_unlock(&c->lock);
    return p;
}

bool catalog_state(struct catalog *c, const struct partition *p, struct partition_state *state)
{
    pthread_mutex_lock(&c->lock);
    bool there = !p->topic->gone;
    *state = p->kept;
    pthread_mutex_unlock(&c->lock);
    return there;
}

struct policy catalog_policy(struct catalog *c, const struct topic *t)
{
    pthread_mutex_lock(&c->lock);
    struct policy policy = t->policy;
    pthread_mutex_unlock(&c->lock);
    return policy;
}

int32_t catalog_count(struct catalog *c, const struct topic *t)
{
    pthread_mutex_lock(&c->lock);
    int32_t n = t->npartitions;
    pthread_mutex_unlock(&c->lock);
    return n;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp((*(struct topic *const *)a)->name, (*(struct topic *const *)b)->name);
}

int catalog_ref_all(struct catalog *c, struct topic ***out, size_t *n, struct err *err)
{
    pthread_mutex_lock(&c->lock);
    struct topic **all = malloc((c->topics.count + 1) * sizeof(struct topic *));
    size_t i = 0;
    *n = 0;
    for (struct topic *t; all != NULL && (t = map_each(&c->topics, &i)) != NULL;)
        if (!t->pending)
            all[(*n)++] = topic_ref(t);
    pthread_mutex_unlock(&c->lock);
    if (all == NULL)
        return err_nomem(err);
    qsort(all, *n, sizeof *all, by_name);
    *out = all;
    return 0;
}

int catalog_configs(struct catalog *c, struct str topic, struct arena *a, struct topic_config **out, size_t *n, struct err *err)
{
    pthread_mutex_lock(&c->lock);
    struct topic *t = visible(c, topic);
    int status = t != NULL ? configs_list(&t->configs, a, out, n, err) : unknown_topic(topic, err);
    pthread_mutex_unlock(&c->lock);
    return status;
}

void catalog_wait(struct catalog *c, const struct partition *p, int64_t offset, int64_t deadline_ms, const bool *stop)
{
    pthread_mutex_lock(&c->lock);
    while (!*stop && !p->topic->gone && p->kept.high <= offset && clock_cond_wait(&c->news, &c->lock, deadline_ms))
        ;
    pthread_mutex_unlock(&c->lock);
}

void catalog_stop_wait(struct catalog *c, bool *stop)
{
    pthread_mutex_lock(&c->lock);
    *stop = true;
    pthread_cond_broadcast(&c->news);
    pthread_mutex_unlock(&c->lock);
}

bool catalog_clear_stop(struct catalog *c, bool *stop)
{
    pthread_mutex_lock(&c->lock);
    bool was = *stop;
    *stop = false;
    pthread_mutex_unlock(&c->lock);
    return was;
}
