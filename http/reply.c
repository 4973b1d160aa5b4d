#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "http/exchange.h"

enum { KEEP_BYTES = 16 * 1024 };

static void drop_content(struct reply *reply)
{
    if (reply->release != NULL)
        reply->release(reply->ctx);
    reply->release = NULL;
    reply->kind = REPLY_BYTES;
    if (reply->body.cap > KEEP_BYTES)
        buf_clear(&reply->body);
    else
        buf_reset(&reply->body);
}

void reply_reset(struct reply *reply)
{
    drop_content(reply);
    reply->status = 200;
    reply->type = NULL;
    reply->nfields = reply->field_bytes = 0;
}

struct buf *reply_body(struct reply *reply)
{
    return &reply->body;
}

void reply_status(struct reply *reply, int status)
{
    reply->status = status;
}

void reply_type(struct reply *reply, const char *content_type)
{
    reply->type = content_type;
}

void reply_header(struct reply *reply, const char *name, struct str value)
{
    size_t bytes = strlen(name) + value.n + 4;
    if (!head_is_value(value) || str_find(value, '\t') >= 0 || value.n == 0) /* (libmicrohttpd takes no tab) */
        return;
    if (reply->nfields == REPLY_FIELDS_MAX || reply->field_bytes + bytes > REPLY_FIELDS_BYTES) {
        log_warn("http.header_dropped", "name=%s bytes=%zu request=%.*s", name, value.n, STR_ARG(request_id(reply->request)));
        return;
    }
    struct str copy = arena_str(request_arena(reply->request), value);
    if (copy.p == NULL)
        return;
    reply->fields[reply->nfields++] = (struct reply_field){name, copy.p};
    reply->field_bytes += bytes;
}

void reply_borrow(struct reply *reply, struct str bytes, void (*release)(void *ctx), void *ctx)
{
    drop_content(reply);
    reply->kind = REPLY_BORROWED;
    reply->borrowed = bytes;
    reply->release = release;
    reply->ctx = ctx;
}

void reply_stream(struct reply *reply, ptrdiff_t (*read)(void *ctx, char *to, size_t max), void (*release)(void *ctx), void *ctx)
{
    drop_content(reply);
    reply->kind = REPLY_STREAM;
    reply->read = read;
    reply->release = release;
    reply->ctx = ctx;
}

void reply_error(struct reply *reply, int status, int code, struct str text)
{
    drop_content(reply);
    reply->status = status;
    struct json_writer w = json_writer_on(&reply->body);
    jw_object(&w);
    jw_key(&w, "error_code");
    jw_i64(&w, code);
    jw_key(&w, "message");
    jw_str(&w, text);
    jw_object_end(&w);
}

/* The status of our own codes; 0: not for the client's eyes. */
static int status_of_own(int code)
{
    switch (code) {
    case ERR_TOO_BIG:
        return 413;
    case ERR_FULL:
        return 503;
    case ERR_TIMEOUT:
        return 504;
    default:
        return 0;
    }
}

void reply_err(struct reply *reply, const struct err *err)
{
    int code = err->code > 0 ? err->code : status_of_own(err->code);
    int status = code >= 10000 ? code / 100 : code;
    if (status < 100 || status > 599) {
        log_error("http.failed", "request=%.*s code=%d text=%s", STR_ARG(request_id(reply->request)), err->code, err->text);
        reply_error(reply, 500, 500, STR("Internal Server Error"));
        return;
    }
    reply_error(reply, status, code, str_of(err->text));
    if (err->code == ERR_FULL)
        reply_header(reply, "Retry-After", STR("1"));
}

void reply_finish(struct reply *reply)
{
    struct request *req = reply->request;
    /* While the handler runs, its thread sees FINISHED and goes on; once it has suspended the connection, we resume it. */
    if (atomic_exchange(&req->phase, PHASE_FINISHED) == PHASE_WAITING)
        lookout_end(req->loop->server->lookout, &req->waiting);
}
