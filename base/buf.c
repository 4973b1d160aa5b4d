#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_clear(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

char *buf_reserve(struct buf *b, size_t more)
{
    size_t need;
    if (b->failed)
        return NULL;
    if (__builtin_add_overflow(b->n, more, &need) || (b->max != 0 && need > b->max)) {
        b->failed = true;
        return NULL;
    }
    if (need <= b->cap && b->p != NULL)
        return b->p + b->n;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need)
        cap += cap / 2 + 64;
    if (b->max != 0 && cap > b->max)
        cap = b->max;
    char *p = realloc(b->p, cap + 1); /* one more for buf_cstr's NUL; cap itself never passes the ceiling */
    if (p == NULL) {
        b->failed = true;
        return NULL;
    }
    b->p = p;
    b->cap = cap;
    return p + b->n;
}

void buf_put_slow(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    char *to = buf_reserve(b, n);
    if (to != NULL) {
        memcpy(to, p, n);
        b->n += n;
    }
}

void buf_put_be32(struct buf *b, uint32_t v)
{
    unsigned char c[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
    buf_put(b, c, sizeof c);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    char small[256];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < sizeof small) {
        buf_put(b, small, (size_t)n);
    } else {
        char *big = malloc((size_t)n + 1);
        if (big == NULL) {
            b->failed = true;
        } else {
            vsnprintf(big, (size_t)n + 1, fmt, again);
            buf_put(b, big, (size_t)n);
            free(big);
        }
    }
    va_end(again);
}

const char *buf_cstr(struct buf *b)
{
    if (b->failed || (b->p == NULL && buf_reserve(b, 0) == NULL))
        return "";
    b->p[b->n] = '\0';
    return b->p;
}

char *buf_take(struct buf *b, size_t *n)
{
    buf_cstr(b);
    if (b->failed)
        return NULL;
    char *p = b->p;
    *n = b->n;
    *b = (struct buf){.max = b->max};
    return p;
}
