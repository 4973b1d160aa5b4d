#include "serde/avro/place.h"

#include <stdarg.h>
#include <stdio.h>

int place_fail(struct place *p, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->text, sizeof p->text, fmt, ap);
    va_end(ap);
    p->code = code;
    return -1;
}

/* c in front; '/' and '~' inside a step are written as JSON pointers write them. */
static void push(struct place *p, const char *c, size_t n)
{
    p->at -= n;
    memcpy(p->path + p->at, c, n);
}

int place_step(struct place *p, struct str name)
{
    size_t need = name.n + 1;
    for (size_t i = 0; i < name.n; i++)
        need += name.p[i] == '/' || name.p[i] == '~';
    if (p->cut || need > p->at) {
        p->cut = true;
        return -1;
    }
    for (size_t i = name.n; i-- > 0;) {
        if (name.p[i] == '/')
            push(p, "~1", 2);
        else if (name.p[i] == '~')
            push(p, "~0", 2);
        else
            push(p, name.p + i, 1);
    }
    push(p, "/", 1);
    return -1;
}

int place_index(struct place *p, uint64_t index)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)index);
    return place_step(p, str_n(text, (size_t)n));
}

int place_report(const struct place *p, struct err *err)
{
    return err_set(err, p->code, "%s%.*s: %s", p->cut ? "/..." : "", (int)(sizeof p->path - p->at), p->path + p->at, p->text);
}
