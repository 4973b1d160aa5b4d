#include "storage/sqlite/shelf.h"

#include <pthread.h>
#include <stdlib.h>

enum { SPARE_MAX = 4 };

struct shelf {
    struct file *file; /* fixed */
    int busy_ms;       /* fixed */
    pthread_mutex_t lock;
    struct conn *spare; /* lock */
    int nspare;         /* lock */
};

struct shelf *shelf_new(struct file *file, int busy_ms, struct err *err)
{
    struct shelf *s = calloc(1, sizeof *s);
    if (s == NULL) {
        err_nomem(err);
        return NULL;
    }
    s->file = file;
    s->busy_ms = busy_ms;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void shelf_free(struct shelf *s)
{
    if (s == NULL)
        return;
    for (struct conn *c; (c = s->spare) != NULL;) {
        s->spare = c->next;
        conn_free(c);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct conn *shelf_take(struct shelf *s, struct err *err)
{
    pthread_mutex_lock(&s->lock);
    struct conn *c = s->spare;
    if (c != NULL) {
        s->spare = c->next;
        s->nspare--;
    }
    pthread_mutex_unlock(&s->lock);
    return c != NULL ? c : conn_open(s->file, false, s->busy_ms, err);
}

void shelf_give(struct shelf *s, struct conn *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    bool keep = s->nspare < SPARE_MAX;
    if (keep) {
        c->next = s->spare;
        s->spare = c;
        s->nspare++;
    }
    pthread_mutex_unlock(&s->lock);
    if (!keep)
        conn_free(c);
}
