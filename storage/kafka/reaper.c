#include "storage/kafka/reaper.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct reaper {
    pthread_mutex_t lock;
    int dying; /* lock */
    void (*last)(void *ctx); /* lock; set when the owner has left: whoever dies last calls it and frees the reaper */
    void *ctx;
};

struct patient {
    struct reaper *reaper;
    rd_kafka_t *rk;
};

struct reaper *reaper_new(void)
{
    struct reaper *r = calloc(1, sizeof *r);
    if (r != NULL)
        pthread_mutex_init(&r->lock, NULL);
    return r;
}

static void end(struct reaper *r, void (*last)(void *ctx), void *ctx)
{
    pthread_mutex_destroy(&r->lock);
    free(r);
    last(ctx);
}

static void one_less(struct reaper *r)
{
    pthread_mutex_lock(&r->lock);
    bool left = --r->dying == 0 && r->last != NULL;
    pthread_mutex_unlock(&r->lock);
    if (left)
        end(r, r->last, r->ctx);
}

static void *reap(void *arg)
{
    struct patient *p = arg;
    rd_kafka_destroy_flags(p->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    struct reaper *r = p->reaper;
    free(p);
    one_less(r);
    return NULL;
}

void reaper_take(struct reaper *r, rd_kafka_t *rk)
{
    pthread_t thread;
    pthread_attr_t detached;
    struct patient *p = malloc(sizeof *p);
    pthread_mutex_lock(&r->lock);
    r->dying++;
    pthread_mutex_unlock(&r->lock);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (p != NULL)
        *p = (struct patient){r, rk};
    if (p == NULL || pthread_create(&thread, &detached, reap, p) != 0) {
        rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        free(p);
        one_less(r);
    }
    pthread_attr_destroy(&detached);
}

bool reaper_free(struct reaper *r, int wait_ms, void (*last)(void *ctx), void *ctx)
{
    for (int64_t until_ms = clock_mono_ms() + wait_ms;; clock_sleep_ms(2)) {
        pthread_mutex_lock(&r->lock);
        bool dead = r->dying == 0, late = !dead && clock_mono_ms() >= until_ms;
        if (late) {
            r->last = last;
            r->ctx = ctx;
        }
        pthread_mutex_unlock(&r->lock);
        if (dead)
            end(r, last, ctx);
        if (dead || late)
            return dead;
    }
}
