#include "base/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct job {
    pool_fn *fn;
    void *arg;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *ring;  /* lock; jobs [first, first + n) modulo max wait */
    int first, n, max; /* lock; max is fixed */
    bool closing;      /* lock */
    int threads;       /* fixed */
    pthread_t thread[];
};

static void *run(void *arg)
{
    struct pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->n == 0 && !p->closing)
            pthread_cond_wait(&p->work, &p->lock);
        if (p->n == 0)
            break;
        struct job j = p->ring[p->first];
        p->first = (p->first + 1) % p->max;
        p->n--;
        pthread_mutex_unlock(&p->lock);
        j.fn(j.arg);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct pool *pool_new(const char *name, int threads, int max_queued, struct err *err)
{
    struct pool *p = calloc(1, sizeof *p + (size_t)threads * sizeof *p->thread);
    if (p == NULL || (p->ring = calloc((size_t)max_queued, sizeof *p->ring)) == NULL) {
        free(p);
        err_nomem(err);
        return NULL;
    }
    p->max = max_queued;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    for (; p->threads < threads; p->threads++) {
        int e = pthread_create(&p->thread[p->threads], NULL, run, p);
        if (e != 0) {
            err_set(err, ERR_IO, "cannot start thread %d of %s: %s", p->threads + 1, name, strerror(e));
            pool_free(p);
            return NULL;
        }
        char short_name[16];
        strncpy(short_name, name, sizeof short_name - 1);
        short_name[sizeof short_name - 1] = '\0';
        pthread_setname_np(p->thread[p->threads], short_name);
    }
    return p;
}

int pool_add(struct pool *p, pool_fn *fn, void *arg, struct err *err)
{
    int status = 0;
    pthread_mutex_lock(&p->lock);
    if (p->closing) {
        status = err_set(err, ERR_CLOSED, "shutting down");
    } else if (p->n == p->max) {
        status = err_set(err, ERR_FULL, "%d jobs wait already; try again later", p->max);
    } else {
        p->ring[(p->first + p->n++) % p->max] = (struct job){fn, arg};
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->threads; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->ring);
    free(p);
}
