/* base/buf.h - bytes that grow.
 *
 * A buf has a ceiling given at init and remembers failure: after a put that did not fit (or found no memory) failed is true,
 * every later put does nothing, and a run of puts is checked once.  p[0..n) is valid; any put may move p.  {0} is a valid
 * empty buf without a ceiling.  Not NUL-terminated, except after buf_cstr().  One owner, one thread. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap, max; /* max 0: no ceiling */
    bool failed;
};

void buf_init(struct buf *b, size_t max_bytes);
/* Frees the bytes; b is then as after buf_init with the same ceiling. */
void buf_clear(struct buf *b);
/* Forgets the bytes (and a failure) but keeps the memory. */
static inline void buf_reset(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}
/* Room for at least more bytes behind p[n], and where they go; NULL after failure.  The caller then adds to n itself. */
char *buf_reserve(struct buf *b, size_t more);
void buf_put_slow(struct buf *b, const void *p, size_t n);
static inline void buf_put(struct buf *b, const void *p, size_t n)
{
    if (!b->failed && b->cap - b->n >= n && n != 0) {
        memcpy(b->p + b->n, p, n);
        b->n += n;
    } else {
        buf_put_slow(b, p, n);
    }
}
static inline void buf_put_str(struct buf *b, struct str s)
{
    buf_put(b, s.p, s.n);
}
static inline void buf_put_u8(struct buf *b, unsigned char c)
{
    if (b->n < b->cap && !b->failed)
        b->p[b->n++] = (char)c;
    else
        buf_put_slow(b, &c, 1);
}
void buf_put_be32(struct buf *b, uint32_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The bytes with a NUL behind them (not counted in n), good until the next put; "" after failure. */
const char *buf_cstr(struct buf *b);
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->p != NULL ? b->p : "", b->n};
}
/* Gives the bytes away, NUL-terminated: the caller frees what is returned (NULL after failure); b is empty then. */
char *buf_take(struct buf *b, size_t *n);

#endif
