#include "storage/sqlite/headers.h"

enum { NULL_VALUE = -1 };

void headers_put(struct buf *out, const struct header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_put_be32(out, (uint32_t)headers[i].name.n);
        buf_put_str(out, headers[i].name);
        buf_put_be32(out, headers[i].value.p != NULL ? (uint32_t)headers[i].value.n : (uint32_t)NULL_VALUE);
        buf_put_str(out, headers[i].value);
    }
}

/* Takes a length and that many bytes off rest. */
static bool take(struct str *rest, struct str *out)
{
    if (rest->n < 4)
        return false;
    const unsigned char *p = (const unsigned char *)rest->p;
    uint32_t n = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    *rest = str_n(rest->p + 4, rest->n - 4);
    *out = STR_NULL;
    if (n == (uint32_t)NULL_VALUE)
        return true;
    if (rest->n < n)
        return false;
    *out = str_n(rest->p, n);
    *rest = str_n(rest->p + n, rest->n - n);
    return true;
}

int headers_get(struct str blob, struct arena *a, const struct header **headers, size_t *n)
{
    size_t count = 0;
    struct header one;
    for (struct str rest = blob; rest.n > 0; count++)
        if (!take(&rest, &one.name) || one.name.p == NULL || !take(&rest, &one.value))
            return -1;
    struct header *list = arena_calloc(a, count, sizeof *list);
    if (list == NULL)
        return -1;
    struct str rest = blob;
    for (size_t i = 0; i < count; i++) {
        take(&rest, &list[i].name);
        take(&rest, &list[i].value);
    }
    *headers = list;
    *n = count;
    return 0;
}
