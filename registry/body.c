/* registry/body.c - the ready-made answer for an id. */
#include <stdlib.h>

#include "base/own.h"
#include "registry/answer.h"
#include "registry/state_parts.h"

struct body *body_ref(struct body *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void body_unref(void *body)
{
    struct body *b = body;
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}

struct body *body_new(const struct content *c, const struct version *v, struct str text)
{
    OWN_BY(buf_clear) struct buf inside = {0}, whole = {0};
    struct str escaped;
    if (c->body != NULL) {
        escaped = content_text(c);
    } else {
        json_put_string(&inside, text);
        if (inside.failed)
            return NULL;
        escaped = str_n(inside.p + 1, inside.n - 2);
    }
    size_t text_at = answer_put_by_id(&whole, c, v, escaped, 0);
    struct body *b = whole.failed || whole.n > UINT32_MAX ? NULL : malloc(sizeof *b + whole.n);
    if (b == NULL)
        return NULL;
    atomic_init(&b->refs, 1);
    b->n = (uint32_t)whole.n;
    b->text_at = (uint32_t)text_at;
    b->text_n = (uint32_t)escaped.n;
    memcpy(b->bytes, whole.p, whole.n);
    return b;
}
