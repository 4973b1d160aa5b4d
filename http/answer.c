/* http/answer.c - the reply as a libmicrohttpd response. */
#include <stdlib.h>

#include "base/log.h"
#include "http/exchange.h"

/* What libmicrohttpd reads a streamed body through. */
struct stream {
    ptrdiff_t (*read)(void *ctx, char *to, size_t max);
    void (*release)(void *ctx);
    void *ctx;
};

static ssize_t read_stream(void *cls, uint64_t pos, char *to, size_t max)
{
    struct stream *s = cls;
    ptrdiff_t n = s->read(s->ctx, to, max);
    return n > 0 ? n : n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_stream(void *cls)
{
    struct stream *s = cls;
    if (s->release != NULL)
        s->release(s->ctx);
    free(s);
}

static struct MHD_Response *make_stream(struct reply *reply)
{
    struct stream *s = malloc(sizeof *s);
    if (s == NULL)
        return NULL;
    *s = (struct stream){reply->read, reply->release, reply->ctx};
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32 * 1024, read_stream, s, free_stream);
    if (response == NULL)
        free(s);
    else
        reply->release = NULL; /* the response's now */
    return response;
}

static struct MHD_Response *make_borrowed(struct reply *reply)
{
    if (reply->release == NULL)
        return MHD_create_response_from_buffer(reply->borrowed.n, (void *)reply->borrowed.p, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(reply->borrowed.n, (void *)reply->borrowed.p,
                                                                                          reply->release, reply->ctx);
    if (response != NULL)
        reply->release = NULL; /* the response's now */
    return response;
}

static struct MHD_Response *make_response(struct reply *reply)
{
    if (reply->kind == REPLY_STREAM)
        return make_stream(reply);
    if (reply->kind == REPLY_BORROWED)
        return make_borrowed(reply);
    if (reply->body.failed)
        reply_error(reply, 500, 500, STR("Internal Server Error"));
    /* The bytes stay the request's: it lives until libmicrohttpd says that the reply is sent. */
    return MHD_create_response_from_buffer(reply->body.n, reply->body.p, MHD_RESPMEM_PERSISTENT);
}

static bool has_content(const struct reply *reply)
{
    return reply->kind == REPLY_STREAM || (reply->kind == REPLY_BORROWED ? reply->borrowed.n : reply->body.n) != 0;
}

static bool add_fields(struct MHD_Response *response, const struct request *req)
{
    const struct reply *reply = &req->reply;
    const char *type = reply->type != NULL ? reply->type : req->accepts;
    bool ok = MHD_add_response_header(response, "X-Request-ID", req->id) == MHD_YES;
    if (has_content(reply) || reply->type != NULL)
        ok = ok && MHD_add_response_header(response, "Content-Type", type) == MHD_YES;
    for (size_t i = 0; i < reply->nfields; i++)
        ok = ok && MHD_add_response_header(response, reply->fields[i].name, reply->fields[i].value) == MHD_YES;
    if (atomic_load_explicit(&req->loop->server->state, memory_order_relaxed) != SERVER_RUNS)
        ok = ok && MHD_add_response_header(response, "Connection", "close") == MHD_YES;
    return ok;
}

enum MHD_Result answer_send(struct request *req)
{
    struct MHD_Response *response = make_response(&req->reply);
    enum MHD_Result sent = MHD_NO;
    if (response != NULL && add_fields(response, req))
        sent = MHD_queue_response(req->connection, (unsigned)req->reply.status, response);
    if (response != NULL)
        MHD_destroy_response(response);
    if (sent == MHD_NO)
        log_error("http.not_sent", "request=%.*s status=%d", STR_ARG(request_id(req)), req->reply.status);
    return sent;
}
