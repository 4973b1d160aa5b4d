#include "registry/fold.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"

enum { BATCH_RECORDS = 500, BATCH_BYTES = 1 << 20, LIVE_CHUNK = 64, READ_MS = 1000, REPLAY_READ_MS = 20, RETRY_MS = 300 };

struct fold {
    struct storage *storage;
    const struct registry_conf *conf;
    struct state *state;
    pthread_t thread;
    atomic_bool started;
    atomic_bool stopping;
    unsigned char node[8];     /* random; the first half of our marks */
    pthread_mutex_t lock;      /* guards what follows; a leaf */
    pthread_cond_t moved;      /* on the monotonic clock */
    struct reader *reader;     /* used by the thread; set and cleared under the lock, so that fold_free may wake it */
    int64_t position;
    uint64_t marks;            /* given out */
    struct fold_mark met;
    bool hurry;
    struct err trouble;        /* why the log cannot be read now */
    char cluster_id[64];
    size_t skipped, ignored;   /* thread only */
};

/* ---- the topic ---------------------------------------------------------------------------------------------------- */

static int create_topic(struct fold *f, const struct cluster *cluster, struct err *err)
{
    int64_t replicas = f->conf->replication_factor;
    if (cluster->nbrokers != 0 && replicas > (int64_t)cluster->nbrokers)
        replicas = (int64_t)cluster->nbrokers;
    const struct topic_config compact = {.name = STR("cleanup.policy"), .value = STR("compact")};
    const struct topic_spec spec = {.name = str_of(f->conf->topic),
                                    .partitions = 1,
                                    .replication_factor = (int32_t)replicas,
                                    .configs = &compact,
                                    .nconfigs = 1};
    struct err why = {0};
    if (storage_create_topic(f->storage, &spec, &why) < 0)
        return why.code == STORE_TOPIC_EXISTS ? 0 : err_set(err, why.code, "%s", why.text); /* another node was faster */
    if (replicas < f->conf->replication_factor && strcmp(storage_engine(f->storage), "kafka") == 0)
        log_warn("schemas.few_replicas", "topic=%s replicas=%d wanted=%d", f->conf->topic, (int)replicas, (int)f->conf->replication_factor);
    log_info("schemas.created", "topic=%s replicas=%d", f->conf->topic, (int)replicas);
    return 0;
}

static int verify_topic(struct fold *f, const struct topic_info *info, struct arena *a, struct err *err)
{
    struct topic_config *configs;
    size_t n;
    if (info->npartitions != 1)
        return err_set(err, STORE_INVALID_CONFIG, "topic %s has %zu partitions; the registry's topic must have exactly 1", f->conf->topic,
                       info->npartitions);
    if (storage_topic_configs(f->storage, str_of(f->conf->topic), a, &configs, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (str_is(configs[i].name, "cleanup.policy") && !str_is(configs[i].value, "compact"))
            return err_set(err, STORE_INVALID_CONFIG,
                           "topic %s has cleanup.policy=%.*s; it must be compact, or schemas would be lost (kafkastore.topic.skip.validation=true "
                           "skips this check)",
                           f->conf->topic, STR_ARG(configs[i].value));
    return 0;
}

static int prepare_topic(struct fold *f, struct err *err)
{
    OWN_BY(arena_clear) struct arena a = {0};
    struct cluster cluster = {0};
    struct topic_info info;
    struct err why = {0};
    if (storage_cluster(f->storage, &a, &cluster, err) < 0)
        return -1;
    pthread_mutex_lock(&f->lock);
    snprintf(f->cluster_id, sizeof f->cluster_id, "%.*s", STR_ARG(cluster.id));
    pthread_mutex_unlock(&f->lock);
    if (f->conf->skip_validation)
        return 0;
    if (storage_describe_topic(f->storage, str_of(f->conf->topic), &a, &info, &why) == 0)
        return verify_topic(f, &info, &a, err);
    if (why.code != STORE_UNKNOWN_TOPIC)
        return err_set(err, why.code, "%s", why.text);
    return create_topic(f, &cluster, err);
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static void set_reader(struct fold *f, struct reader *r)
{
    pthread_mutex_lock(&f->lock);
    struct reader *old = f->reader;
    f->reader = r;
    pthread_mutex_unlock(&f->lock);
    reader_free(old);
}

static void set_trouble(struct fold *f, const struct err *err)
{
    pthread_mutex_lock(&f->lock);
    bool news = strcmp(f->trouble.text, err->text) != 0;
    f->trouble = *err;
    pthread_mutex_unlock(&f->lock);
    if (news && err->code != 0)
        log_warn("schemas.unreadable", "topic=%s reason=%s", f->conf->topic, err->text);
}

/* Sleeps, but not past fold_free. */
static void pause_ms(struct fold *f, int ms)
{
    for (int64_t end = clock_mono_ms() + ms; !atomic_load(&f->stopping) && clock_mono_ms() < end;)
        clock_sleep_ms(20);
}

static void look_for_mark(const struct record *rec, const unsigned char node[8], struct fold_mark *met)
{
    for (size_t i = 0; i < rec->nheaders; i++)
        if (str_is(rec->headers[i].name, FOLD_MARK_HEADER) && rec->headers[i].value.n == sizeof met->bytes &&
            memcmp(rec->headers[i].value.p, node, 8) == 0)
            memcpy(met->bytes, rec->headers[i].value.p, sizeof met->bytes);
}

/* Parses the batch outside the lock, then applies it, in pieces while others read. */
static int apply_batch(struct fold *f, const struct batch *b, struct arena *a, struct fold_mark *met, struct err *err)
{
    size_t n = 0, ignored = 0;
    struct change *changes = arena_calloc(a, b->n, sizeof *changes);
    if (changes == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < b->n; i++) {
        struct err why = {0};
        look_for_mark(&b->records[i], f->node, met);
        if (change_read(&b->records[i], a, &changes[n], &why) == 0) {
            n++;
        } else if (why.code == ERR_NOMEM) {
            return err_nomem(err);
        } else {
            f->skipped++;
            log_warn("schemas.skipped", "offset=%lld total=%zu reason=%s", (long long)b->records[i].offset, f->skipped, why.text);
        }
    }
    size_t chunk = atomic_load(&f->started) ? LIVE_CHUNK : BATCH_RECORDS;
    for (size_t i = 0; i < n; i += chunk)
        if (state_apply(f->state, changes + i, n - i < chunk ? n - i : chunk, &ignored, err) < 0)
            return -1;
    if (ignored != 0) {
        f->ignored += ignored;
        log_warn("schemas.ignored", "records=%zu total=%zu reason=an id that names another schema", ignored, f->ignored);
    }
    return 0;
}

static void moved_to(struct fold *f, int64_t position, const struct fold_mark *met)
{
    pthread_mutex_lock(&f->lock);
    f->position = position;
    f->met = *met;
    err_clear(&f->trouble);
    pthread_cond_broadcast(&f->moved);
    pthread_mutex_unlock(&f->lock);
}

static void now_started(struct fold *f, int64_t began_ms)
{
    malloc_trim(0); /* what replaying took */
    atomic_store(&f->started, true);
    log_info("schemas.replayed", "topic=%s position=%lld skipped=%zu ms=%lld", f->conf->topic, (long long)fold_position(f), f->skipped,
             (long long)(clock_mono_ms() - began_ms));
}

/* Reads on from the position until something fails. 0 when stopping, -1 with err to be tried again, -2 when memory ran out within a change. */
static int follow(struct fold *f, struct arena *a, struct err *err)
{
    OWN_BY(batch_clear) struct batch b = {0};
    struct fold_mark met = f->met;
    int64_t from = fold_position(f), began_ms = clock_mono_ms();
    struct reader *r = reader_open(f->storage, str_of(f->conf->topic), 0, from == 0 ? OFFSET_BEGINNING : from, err);
    if (r == NULL)
        return -1;
    set_reader(f, r);
    /* Others may write without a pause: having read what was there when we came is enough to start. */
    int64_t low, goal = INT64_MAX;
    if (!atomic_load(&f->started) && storage_watermarks(f->storage, str_of(f->conf->topic), 0, &low, &goal, err) < 0) {
        set_reader(f, NULL);
        return -1;
    }
    int rc = 0;
    while (!atomic_load(&f->stopping)) {
        bool end = false;
        if ((rc = reader_read(r, &b, BATCH_RECORDS, BATCH_BYTES, atomic_load(&f->started) ? READ_MS : REPLAY_READ_MS, &end, err)) < 0)
            break;
        if (b.n != 0 && apply_batch(f, &b, a, &met, err) < 0) {
            rc = -2;
            break;
        }
        arena_reset(a);
        moved_to(f, reader_position(r), &met);
        if (!atomic_load(&f->started) && (end || reader_position(r) >= goal)) {
            arena_clear(a);
            now_started(f, began_ms);
        }
    }
    batch_clear(&b);
    set_reader(f, NULL);
    return rc;
}

static void *run(void *arg)
{
    struct fold *f = arg;
    OWN_BY(arena_clear) struct arena a = {0};
    bool prepared = false;
    while (!atomic_load(&f->stopping)) {
        struct err err = {0};
        if (!prepared && prepare_topic(f, &err) == 0)
            prepared = true;
        int rc = prepared ? follow(f, &a, &err) : -1;
        if (rc == -2) { /* the state lacks something: it must not answer any more */
            atomic_store(&f->started, false);
            log_error("schemas.broken", "reason=%s", err.text);
            set_trouble(f, &err);
            break;
        }
        if (rc < 0) {
            set_trouble(f, &err);
            pause_ms(f, RETRY_MS);
        }
    }
    return NULL;
}

/* ---- what others see ---------------------------------------------------------------------------------------------- */

struct fold *fold_new(struct storage *storage, const struct registry_conf *conf, struct state *state, struct err *err)
{
    struct fold *f = calloc(1, sizeof *f);
    if (f == NULL) {
        err_nomem(err);
        return NULL;
    }
    f->storage = storage;
    f->conf = conf;
    f->state = state;
    err_set(&f->trouble, ERR_FULL, "%s has not been read yet", conf->topic);
    if (getrandom(f->node, sizeof f->node, 0) != sizeof f->node)
        memcpy(f->node, &(int64_t){clock_mono_us() ^ clock_unix_ms() << 20}, sizeof f->node);
    clock_cond_init(&f->moved);
    pthread_mutex_init(&f->lock, NULL);
    if (pthread_create(&f->thread, NULL, run, f) != 0) {
        err_set(err, ERR_IO, "cannot start the thread that reads %s", conf->topic);
        pthread_cond_destroy(&f->moved);
        pthread_mutex_destroy(&f->lock);
        free(f);
        return NULL;
    }
    return f;
}

void fold_free(struct fold *f)
{
    if (f == NULL)
        return;
    atomic_store(&f->stopping, true);
    pthread_mutex_lock(&f->lock);
    if (f->reader != NULL)
        reader_wake(f->reader);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    pthread_cond_destroy(&f->moved);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

bool fold_started(const struct fold *f)
{
    return atomic_load(&f->started);
}

int fold_ready(struct fold *f, struct err *err)
{
    pthread_mutex_lock(&f->lock);
    struct err trouble = f->trouble;
    pthread_mutex_unlock(&f->lock);
    if (trouble.code != 0)
        return err_set(err, trouble.code, "%s", trouble.text);
    if (!fold_started(f))
        return err_set(err, ERR_FULL, "%s is being read", f->conf->topic);
    return storage_ready(f->storage, err);
}

int fold_wait(struct fold *f, int64_t offset, int64_t deadline_mono_ms, struct err *err)
{
    pthread_mutex_lock(&f->lock);
    for (bool woken = false; f->position < offset && !f->hurry;) {
        /* A reader that waits for records does not return for what is none (a transaction's marker): it is woken to tell its position. */
        int64_t now = clock_mono_ms(), slice = now + (woken ? 50 : 5);
        if (now >= deadline_mono_ms)
            break;
        if (slice > deadline_mono_ms)
            slice = deadline_mono_ms;
        if (!clock_cond_wait(&f->moved, &f->lock, slice) && f->reader != NULL) {
            reader_wake(f->reader);
            woken = true;
        }
    }
    int64_t position = f->position;
    bool hurry = f->hurry;
    pthread_mutex_unlock(&f->lock);
    if (position >= offset)
        return 0;
    if (hurry)
        return err_set(err, ERR_CLOSED, "the registry is being shut down");
    return err_set(err, ERR_TIMEOUT, "%s was read up to offset %lld, not to %lld, within the time allowed", f->conf->topic,
                   (long long)position, (long long)offset);
}

void fold_hurry(struct fold *f)
{
    pthread_mutex_lock(&f->lock);
    f->hurry = true;
    pthread_cond_broadcast(&f->moved);
    pthread_mutex_unlock(&f->lock);
}

int64_t fold_position(struct fold *f)
{
    pthread_mutex_lock(&f->lock);
    int64_t position = f->position;
    pthread_mutex_unlock(&f->lock);
    return position;
}

struct fold_mark fold_next_mark(struct fold *f)
{
    struct fold_mark m;
    pthread_mutex_lock(&f->lock);
    uint64_t n = ++f->marks;
    pthread_mutex_unlock(&f->lock);
    memcpy(m.bytes, f->node, 8);
    memcpy(m.bytes + 8, &n, 8);
    return m;
}

bool fold_met_mark(struct fold *f, const struct fold_mark *m)
{
    pthread_mutex_lock(&f->lock);
    bool met = memcmp(f->met.bytes, m->bytes, sizeof m->bytes) == 0;
    pthread_mutex_unlock(&f->lock);
    return met;
}

void fold_cluster_id(struct fold *f, char *out, size_t size)
{
    pthread_mutex_lock(&f->lock);
    snprintf(out, size, "%s", f->cluster_id);
    pthread_mutex_unlock(&f->lock);
}
