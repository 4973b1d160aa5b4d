/* base/pool.h - a few threads that do what may block, so that event loops do not.
 *
 * A job is a function and its argument; jobs start in the order of pool_add, several run at once.  Any thread may add. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/err.h"

struct pool;
typedef void pool_fn(void *arg);

/* threads started at once, named name; at most max_queued jobs wait. NULL with err. */
struct pool *pool_new(const char *name, int threads, int max_queued, struct err *err);
/* 0, or -1 with ERR_FULL or ERR_CLOSED: then fn will not be called. */
int pool_add(struct pool *p, pool_fn *fn, void *arg, struct err *err);
/* Refuses new jobs, runs those that wait, joins the threads. NULL is fine. */
void pool_free(struct pool *p);

#endif
