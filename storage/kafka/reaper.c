#include "storage/kafka/reaper.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct reaper {
    pthread_mutex_t lock;
    int dying; /* lock */
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

static void add(struct reaper *r, int n)
{
    pthread_mutex_lock(&r->lock);
    r->dying += n;
    pthread_mutex_unlock(&r->lock);
}

static void *reap(void *arg)
{
    struct patient *p = arg;
    rd_kafka_destroy_flags(p->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    struct reaper *r = p->reaper;
    free(p);
    add(r, -1);
    return NULL;
}

void reaper_take(struct reaper *r, rd_kafka_t *rk)
{
    pthread_t thread;
    pthread_attr_t detached;
    struct patient *p = malloc(sizeof *p);
    add(r, 1);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (p != NULL)
        *p = (struct patient){r, rk};
    if (p == NULL || pthread_create(&thread, &detached, reap, p) != 0) {
        rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        add(r, -1);
        free(p);
    }
    pthread_attr_destroy(&detached);
}

bool reaper_free(struct reaper *r, int wait_ms)
{
    if (r == NULL)
        return true;
    for (int64_t until_ms = clock_mono_ms() + wait_ms;; clock_sleep_ms(2)) {
        pthread_mutex_lock(&r->lock);
        int dying = r->dying;
        pthread_mutex_unlock(&r->lock);
        if (dying == 0)
            break;
        if (clock_mono_ms() >= until_ms)
            return false;
    }
    pthread_mutex_destroy(&r->lock);
    free(r);
    return true;
}
