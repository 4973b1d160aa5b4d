/* Bodies of consumer calls, from bytes to lists of partitions and instants; and base64, which has to read back what it wrote. */
#include "proxy/base64.h"
#include "proxy/consumer.h"

#include <stdlib.h>

#include "base/json.h"

struct request { /* what body.c asks of one */
    struct str body;
    struct arena arena;
};

struct str request_body(const struct request *req)
{
    return req->body;
}

struct arena *request_arena(struct request *req)
{
    return &req->arena;
}

static void read_bodies(struct request *req)
{
    static const char *const lists[] = {"partitions", "offsets", "timestamps"};
    struct json *o;
    struct err err = {0};
    if (body_object(req, &o, &err) < 0 || o == NULL)
        return;
    for (int what = 0; what < 3; what++) {
        struct tp *tps;
        size_t n;
        struct err why = {0};
        if (body_partitions(json_get(o, lists[what]), lists[what], what, &req->arena, &tps, &n, &why) < 0) {
            if (why.code == 0 || why.text[0] == '\0')
                abort();
            continue;
        }
        for (size_t i = 0; i < n; i++)
            if (tps[i].topic.n == 0 || tps[i].partition < 0 || (what == TP_OFFSET && tps[i].offset < 0))
                abort();
    }
}

static void encode(struct str data)
{
    char *text = malloc(BASE64_LENGTH(data.n) + 1), *back = malloc(BASE64_DECODE_ROOM(BASE64_LENGTH(data.n)));
    if (text == NULL || back == NULL)
        abort();
    char *end = base64_encode(data, text);
    if ((size_t)(end - text) != BASE64_LENGTH(data.n))
        abort();
    ptrdiff_t n = base64_decode(str_n(text, (size_t)(end - text)), back, NULL);
    if (n != (ptrdiff_t)data.n || (n != 0 && memcmp(back, data.p, data.n) != 0))
        abort();
    free(text);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request req = {.body = str_n(data, size)};
    int64_t ms;
    read_bodies(&req);
    arena_clear(&req.arena);
    body_instant(req.body, &ms);
    encode(req.body);
    return 0;
}
