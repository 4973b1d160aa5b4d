/* The path of a request from its bytes to its route: intake, head, path, query, negotiation.  The input's first byte cuts the rest into pieces;
 * what comes out must not depend on the cut. */
#include "http/intake.h"
#include "http/negotiate.h"
#include "http/router.h"
#include "http/uri.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int handle(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return 0;
}

static const struct media_type produces[] = {{"application/vnd.x.v1+json", 1000}, {"application/json", 500}, {NULL, 0}};
static const char *const consumes[] = {"application/json", "application/octet-stream", NULL};
static const struct media media = {.produces = produces, .consumes = consumes};
static const struct route routes[] = {{"GET", "/a/{x}", handle, &media},   {"POST", "/a/{x}/b/{y}", handle, &media}, {"GET", "/a/b", handle, &media},
                                      {"GET", "/", handle, &media},        {"GET", "/a/b/b/{y}", handle, &media},    {"PUT", "/{x}/{y}", handle, &media}};
static const struct service service = {"fuzz", routes, sizeof routes / sizeof *routes, &media, NULL, NULL, NULL};

#define MUST(x)                                                                                                                            \
    do {                                                                                                                                   \
        if (!(x))                                                                                                                          \
            abort();                                                                                                                       \
    } while (0)

static struct router *router(void)
{
    static struct router *r;
    if (r == NULL)
        r = router_new(&service, NULL);
    return r;
}

static void check_head(struct intake *in)
{
    const struct head *h = &in->head;
    struct str segments[URI_SEGMENTS_MAX];
    struct err err = {0};
    struct route_match m;
    MUST(head_is_token(h->method) && h->path.n != 0);
    MUST(h->minor == 0 || h->host.p != NULL);
    MUST(!(h->chunked && h->body_bytes != 0));
    for (size_t i = 0; i < h->nfields; i++)
        MUST(head_is_token(h->fields[i].name) && head_is_value(h->fields[i].value));
    int count = uri_segments(h->path, segments, &in->arena, &err);
    MUST((count < 0) == (err.code != 0));
    for (int i = 0; i < count && count <= URI_SEGMENTS_MAX; i++)
        MUST(segments[i].n != 0 && str_utf8_ok(segments[i]));
    if (count >= 0) {
        router_match(router(), segments, count, &m);
        if (m.place != NULL)
            router_entry(m.place, h->method);
    }
    if (uri_check_query(h->query, &in->arena, NULL) == 0)
        for (size_t i = 0; i < 3; i++) {
            struct str v = uri_query_value(h->query, STR("q"), i, &in->arena);
            MUST(v.p == NULL || str_utf8_ok(v));
        }
    const char *type = negotiate_accept(head_value(h, STR("Accept")), produces);
    MUST(type == NULL || type == produces[0].name || type == produces[1].name);
    negotiate_content_type(head_value(h, STR("Content-Type")), consumes);
}

/* All requests of the bytes as text: what was read, in pieces of at most step. */
static void read_all(const uint8_t *data, size_t n, size_t step, struct buf *log)
{
    struct intake_limits limits = {.max_head_bytes = 512, .max_body_bytes = 4096, .max_total_bytes = 1 << 20};
    struct intake in;
    struct buf held = {0};
    intake_init(&in, &limits);
    for (size_t at = 0; at < n && in.state != INTAKE_REFUSED;) {
        size_t piece = n - at < step ? n - at : step, room;
        char *to = held.n == 0 && step > 1 ? intake_room(&in, &room) : NULL; /* as receive.c does */
        if (to != NULL) {
            piece = piece < room ? piece : room;
            memcpy(to, data + at, piece);
            intake_filled(&in, piece);
        } else if (in.state != INTAKE_REFUSED) {
            buf_put(&held, data + at, piece);
        }
        at += piece;
        for (bool again = true; again && in.state != INTAKE_REFUSED;) {
            size_t used = intake_put(&in, buf_str(&held));
            MUST(used <= held.n);
            memmove(held.p, held.p + used, held.n - used);
            held.n -= used;
            again = in.state == INTAKE_WHOLE;
            if (again) {
                check_head(&in);
                MUST(in.body.n <= limits.max_body_bytes);
                buf_printf(log, "[%.*s %.*s %zu %zu]", STR_ARG(in.head.method), STR_ARG(in.head.target), in.head.nfields, in.body.n);
                buf_put_str(log, buf_str(&in.body));
                intake_next(&in);
                MUST(limits.total == 0);
            }
        }
    }
    if (in.state == INTAKE_REFUSED) {
        MUST(in.refusal.code >= 400 && in.refusal.code < 600 && in.refusal.text[0] != '\0');
        buf_printf(log, "refused");
    }
    buf_clear(&held);
    intake_clear(&in);
    MUST(limits.total == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf whole = {0}, pieces = {0};
    if (n < 2)
        return 0;
    read_all(data + 1, n - 1, n, &whole);
    read_all(data + 1, n - 1, data[0] % 64 + 1u, &pieces);
    MUST(str_eq(buf_str(&whole), buf_str(&pieces)));
    buf_clear(&whole);
    buf_clear(&pieces);
    return 0;
}
