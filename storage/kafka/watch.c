#include "storage/kafka/watch.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "storage/kafka/health.h"

enum {
    PING_UP_MS = 5000,   /* between two questions while all is well; errors make it ask at once */
    PING_AWAY_MS = 500,  /* .. while nobody answers */
    PING_WAIT_MS = 3000, /* how long an answer may take */
    PING_GAP_MS = 200,   /* at most that often, however many errors there are */
    LOOK_MS = 2000
};

struct watch {
    struct kafka *k; /* fixed */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool stop, kicked; /* lock */
    pthread_mutex_t look_lock;
    struct looker *lookers; /* look_lock, held while they are called */
    _Atomic int nlookers;
    int32_t *brokers; /* the watch's thread: those in the last answer, sorted */
    size_t nbrokers;
};

void kafka_watch_kick(void *ctx)
{
    struct watch *w = ((struct kafka *)ctx)->watch;
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->kicked = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

/* The admin handle has an error event waiting. */
static void on_event(rd_kafka_t *rk, void *ctx)
{
    kafka_watch_kick(ctx);
}

static int by_id(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static bool has(const int32_t *ids, size_t n, int32_t id)
{
    return n != 0 && bsearch(&id, ids, n, sizeof id, by_id) != NULL;
}

/* Brokers that are gone from, or back in, the cluster's own list. */
static void note_brokers(struct watch *w, const struct rd_kafka_metadata *md)
{
    size_t n = (size_t)md->broker_cnt;
    int32_t *now = malloc((n + 1) * sizeof *now);
    if (now == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        now[i] = md->brokers[i].id;
    qsort(now, n, sizeof *now, by_id);
    if (w->brokers != NULL) {
        for (size_t i = 0; i < w->nbrokers; i++)
            if (!has(now, n, w->brokers[i]))
                log_warn("kafka.broker_away", "id=%d", (int)w->brokers[i]);
        for (size_t i = 0; i < n; i++)
            if (!has(w->brokers, w->nbrokers, now[i]))
                log_info("kafka.broker_up", "id=%d", (int)now[i]);
    }
    free(w->brokers);
    w->brokers = now;
    w->nbrokers = n;
}

static bool ping(struct watch *w)
{
    const struct rd_kafka_metadata *md;
    rd_kafka_resp_err_t e = rd_kafka_metadata(w->k->admin, 0, NULL, &md, PING_WAIT_MS);
    rd_kafka_poll(w->k->admin, 0); /* its error events, and those of committed, reach health here */
    rd_kafka_poll(w->k->committed, 0);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        health_set_away(w->k->health, e);
        return false;
    }
    note_brokers(w, md);
    rd_kafka_metadata_destroy(md);
    health_set_up(w->k->health);
    return true;
}

static void look_around(struct watch *w)
{
    OWN_BY(arena_clear) struct arena a = {0};
    struct str *names;
    size_t n;
    if (admin_topic_names(w->k, PING_WAIT_MS, &a, &names, &n, NULL) < 0)
        return;
    pthread_mutex_lock(&w->look_lock);
    for (struct looker *l = w->lookers; l != NULL; l = l->next)
        l->look(l->ctx, names, n);
    pthread_mutex_unlock(&w->look_lock);
}

void kafka_watch_look(struct kafka *k, struct looker *l)
{
    OWN_BY(arena_clear) struct arena a = {0};
    struct str *names;
    size_t n;
    if (admin_topic_names(k, k->options.timeout_ms, &a, &names, &n, NULL) == 0)
        l->look(l->ctx, names, n);
}

/* Sleeps until the given time of the monotonic clock, a kick or the end; false at the end. */
static bool wait_until(struct watch *w, int64_t until_ms, bool *kicked)
{
    pthread_mutex_lock(&w->lock);
    while (!w->stop && !w->kicked && clock_mono_ms() < until_ms)
        clock_cond_wait(&w->work, &w->lock, until_ms);
    *kicked = w->kicked;
    w->kicked = false;
    bool go_on = !w->stop;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static void *watch(void *arg)
{
    struct watch *w = arg;
    bool kicked = true, up = false;
    int64_t pinged_ms = 0, next_look_ms = 0;
    for (;;) {
        int64_t now = clock_mono_ms(), due = pinged_ms + (kicked ? PING_GAP_MS : up ? PING_UP_MS : PING_AWAY_MS);
        if (pinged_ms == 0 || now >= due) {
            up = ping(w);
            kicked = false;
            pinged_ms = clock_mono_ms();
            due = pinged_ms + (up ? PING_UP_MS : PING_AWAY_MS);
        }
        if (up && atomic_load(&w->nlookers) > 0) {
            if (clock_mono_ms() >= next_look_ms) {
                look_around(w);
                next_look_ms = clock_mono_ms() + LOOK_MS;
            }
            due = due < next_look_ms ? due : next_look_ms;
        }
        bool again;
        if (!wait_until(w, due, &again))
            return NULL;
        kicked = kicked || again;
    }
}

struct watch *kafka_watch_new(struct kafka *k, struct err *err)
{
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        err_nomem(err);
        return NULL;
    }
    w->k = k;
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->look_lock, NULL);
    clock_cond_init(&w->work);
    int e = pthread_create(&w->thread, NULL, watch, w);
    if (e != 0) {
        err_set(err, ERR_IO, "cannot start the thread that watches Kafka: %s", strerror(e));
        free(w);
        return NULL;
    }
    pthread_setname_np(w->thread, "kafka-watch");
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(k->admin);
    rd_kafka_queue_cb_event_enable(queue, on_event, k);
    rd_kafka_queue_destroy(queue);
    return w;
}

void kafka_watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(w->k->admin);
    rd_kafka_queue_cb_event_enable(queue, NULL, NULL);
    rd_kafka_queue_destroy(queue);
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->k->watch = NULL;
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->look_lock);
    pthread_mutex_destroy(&w->lock);
    free(w->brokers);
    free(w);
}

void kafka_watch_add(struct watch *w, struct looker *l)
{
    pthread_mutex_lock(&w->look_lock);
    l->next = w->lookers;
    w->lookers = l;
    pthread_mutex_unlock(&w->look_lock);
    atomic_fetch_add(&w->nlookers, 1);
    kafka_watch_kick(w->k);
}

void kafka_watch_remove(struct watch *w, struct looker *l)
{
    pthread_mutex_lock(&w->look_lock);
    for (struct looker **at = &w->lookers; *at != NULL; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            atomic_fetch_sub(&w->nlookers, 1);
            break;
        }
    pthread_mutex_unlock(&w->look_lock);
}
