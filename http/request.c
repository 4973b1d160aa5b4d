#include <endian.h>
#include <stdlib.h>
#include <sys/random.h>

#include "http/exchange.h"
#include "http/negotiate.h"
#include "http/uri.h"

struct request *request_new(struct loop *loop, struct MHD_Connection *connection, int fd)
{
    struct request *req = calloc(1, sizeof *req);
    if (req == NULL)
        return NULL;
    req->loop = loop;
    req->connection = connection;
    req->fd = fd;
    intake_init(&req->in, &loop->server->limits);
    req->reply.request = req;
    reply_reset(&req->reply);
    return req;
}

void request_free(struct request *req)
{
    if (req == NULL)
        return;
    reply_reset(&req->reply);
    buf_clear(&req->reply.body);
    intake_clear(&req->in);
    buf_clear(&req->held);
    free(req);
}

void request_count(struct request *req, bool active)
{
    struct loop *loop = req->loop;
    if (req->active != active) /* only the loop's thread writes */
        atomic_store_explicit(&loop->active, atomic_load_explicit(&loop->active, memory_order_relaxed) + (active ? 1 : -1), memory_order_relaxed);
    req->active = active;
}

void request_reset(struct request *req)
{
    request_count(req, false);
    reply_reset(&req->reply);
    intake_next(&req->in);
    req->beat_at = 0;
    req->told = req->more = false;
    req->handled = HANDLED_NOT;
    req->entry = NULL;
    req->match.place = NULL;
    req->content_type = STR_NULL;
    req->waiting.on_gone = NULL;
    atomic_store_explicit(&req->phase, PHASE_RUNNING, memory_order_relaxed);
}

/* ---- X-Request-ID ------------------------------------------------------------------------------------------------ */

/* One that is printable and not too long is echoed; two are none. */
static bool take_sent_id(struct request *req)
{
    static const struct str name = {"X-Request-ID", 12};
    struct str id = head_value(&req->in.head, name);
    if (id.n == 0 || id.n > REQUEST_ID_MAX)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < req->in.head.nfields; i++)
        count += str_eq_nocase(req->in.head.fields[i].name, name);
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] < ' ' || id.p[i] > '~')
            return false;
    if (count != 1)
        return false;
    memcpy(req->id, id.p, id.n);
    req->id[id.n] = '\0';
    req->id_n = id.n;
    return true;
}

static const unsigned char *random_bytes(struct loop *loop, size_t n)
{
    if (loop->nrandom < n) {
        if (getrandom(loop->random, sizeof loop->random, 0) != (ssize_t)sizeof loop->random) {
            for (size_t i = 0; i < sizeof loop->random; i++) /* (cannot happen for so few bytes; ids need only differ) */
                loop->random[i] = (unsigned char)rand();
        }
        loop->nrandom = sizeof loop->random;
    }
    loop->nrandom -= n;
    return loop->random + loop->nrandom;
}

/* 16 digits, eight at a time: each half of v is spread to one nibble a byte, and 39 is added where it is above 9. */
static void put_hex(char *to, uint64_t v)
{
    for (int i = 0; i < 2; i++, v <<= 32, to += 8) {
        uint64_t x = v >> 32;
        x = (x | x << 16) & 0x0000ffff0000ffff;
        x = (x | x << 8) & 0x00ff00ff00ff00ff;
        x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
        uint64_t above9 = ((x + 0x0606060606060606) >> 4) & 0x0101010101010101;
        x += 0x3030303030303030 + above9 * ('a' - '0' - 10);
        x = htobe64(x);
        memcpy(to, &x, 8);
    }
}

/* A UUID of version 4. */
static void make_id(struct request *req)
{
    uint64_t halves[2];
    memcpy(halves, random_bytes(req->loop, sizeof halves), sizeof halves);
    halves[0] = (halves[0] & ~(uint64_t)0xf000) | 0x4000;
    halves[1] = (halves[1] & ~((uint64_t)3 << 62)) | (uint64_t)2 << 62;
    char hex[32];
    put_hex(hex, halves[0]);
    put_hex(hex + 16, halves[1]);
    static const unsigned char part[] = {8, 4, 4, 4, 12};
    char *to = req->id;
    for (size_t i = 0, from = 0; i < 5; from += part[i++]) {
        memcpy(to, hex + from, part[i]);
        to += part[i];
        *to++ = '-';
    }
    to[-1] = '\0';
    req->id_n = 36;
}

void request_set_id(struct request *req)
{
    if (!take_sent_id(req))
        make_id(req);
}

/* ---- what handlers ask ------------------------------------------------------------------------------------------- */

struct str request_method(const struct request *req)
{
    return req->in.head.method;
}

struct str request_path(const struct request *req)
{
    return req->path;
}

struct str request_param(const struct request *req, const char *name)
{
    for (size_t i = 0; req->entry != NULL && i < ROUTE_PARAMS_MAX && req->entry->names[i].p != NULL; i++)
        if (str_is(req->entry->names[i], name))
            return req->match.params[i];
    abort(); /* the route has no such name */
}

/* Handlers see a const request, but what is decoded for them lies in its arena. */
static struct arena *arena_of(const struct request *req)
{
    return &((struct request *)req)->in.arena;
}

struct str request_query_nth(const struct request *req, const char *name, size_t i)
{
    return uri_query_value(req->in.head.query, str_of(name), i, arena_of(req));
}

struct str request_query(const struct request *req, const char *name)
{
    return request_query_nth(req, name, 0);
}

bool request_query_bool(const struct request *req, const char *name)
{
    return str_eq_nocase(request_query(req, name), STR("true"));
}

int request_query_i32(const struct request *req, const char *name, int32_t *out)
{
    struct str text = request_query(req, name);
    int64_t n;
    if (text.p == NULL)
        return 0;
    if (!str_to_i64(text, &n) || n < INT32_MIN || n > INT32_MAX)
        return -1;
    *out = (int32_t)n;
    return 1;
}

struct str request_header(const struct request *req, const char *name)
{
    return head_value(&req->in.head, str_of(name));
}

struct str request_body(const struct request *req)
{
    return buf_str(&req->in.body);
}

const char *request_accepts(const struct request *req)
{
    return req->accepts;
}

struct str request_content_type(const struct request *req)
{
    struct request *r = (struct request *)req; /* a look-up that remembers */
    if (r->content_type.p == NULL) {
        struct str raw = head_value(&req->in.head, STR("Content-Type"));
        struct str type = raw.p != NULL ? arena_str(&r->in.arena, negotiate_plain_type(raw)) : STR_NULL;
        for (size_t i = 0; i < type.n; i++)
            if (type.p[i] >= 'A' && type.p[i] <= 'Z')
                ((char *)type.p)[i] |= 0x20;
        r->content_type = type;
    }
    return r->content_type;
}

struct str request_id(const struct request *req)
{
    return str_n(req->id, req->id_n);
}

struct str request_base_url(const struct request *req)
{
    const struct server *s = req->loop->server;
    if (req->in.head.host.n != 0)
        return arena_printf(arena_of(req), "http://%.*s", STR_ARG(req->in.head.host));
    return arena_printf(arena_of(req), "http://%s:%d", s->address, s->port);
}

struct arena *request_arena(struct request *req)
{
    return &req->in.arena;
}

void request_on_gone(struct request *req, void (*fn)(void *ctx), void *ctx)
{
    req->waiting.on_gone = fn;
    req->waiting.ctx = ctx;
}
