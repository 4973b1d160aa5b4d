/* base/own.h - ownership that ends with the scope. */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include <stdlib.h>

/* OWN_BY(buf_clear) struct buf b = {0};  - clear(&b) runs when b leaves its scope. */
#define OWN_BY(clear) __attribute__((cleanup(clear)))

/* The value of p; p is NULL afterwards. */
#define TAKE(p) (__extension__({ __typeof__(p) t_ = (p); (p) = NULL; t_; }))

/* OWN_BY(own_free) char *p = ...; */
static inline void own_free(void *p)
{
    free(*(void **)p);
}

#endif
