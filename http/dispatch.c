/* http/dispatch.c - from a request that has come whole to its handler, and on to the reply. */
#include "base/log.h"
#include "http/exchange.h"
#include "http/negotiate.h"

/* All Accept fields as one list. */
static struct str accept_of(struct request *req)
{
    const struct head *h = &req->in.head;
    struct str all = STR_NULL;
    for (size_t i = 0; i < h->nfields; i++) {
        const struct head_field *f = &h->fields[i];
        if (f->name.n == 6 && str_eq_nocase(f->name, STR("Accept")))
            all = all.p == NULL ? f->value : arena_printf(&req->in.arena, "%.*s,%.*s", STR_ARG(all), STR_ARG(f->value));
    }
    return all;
}

/* Where no route says what to answer with, the service's own types count. */
static void accept_for_service(struct request *req)
{
    const struct media_type *produces = req->loop->server->service->media->produces;
    const char *type = negotiate_accept(accept_of(req), produces);
    req->accepts = type != NULL ? type : "application/json"; /* none is what the client asked for: the plainest */
}

static void refuse(struct request *req, int status, const char *text)
{
    reply_error(&req->reply, status, status, str_of(text));
}

static void answer_refusal(struct request *req)
{
    struct err *err = &req->in.refusal;
    req->linger = true;
    log_debug("http.refused", "status=%d text=%s", err->code, err->text);
    refuse(req, err->code, err->text);
    if (err->code == 503)
        reply_header(&req->reply, "Retry-After", STR("1"));
}

static bool checks_content_type(const struct request *req, const struct media *media)
{
    if (media->consumes == NULL)
        return false;
    struct str method = req->in.head.method;
    return media->consumes_on_get || !(str_is(method, "GET") || str_is(method, "HEAD") || str_is(method, "DELETE") || str_is(method, "OPTIONS"));
}

/* False: answered with 415 or 406. */
static bool negotiate(struct request *req, const struct media *media)
{
    struct str accept = accept_of(req);
    const char *type = negotiate_accept(accept, media->produces);
    if (checks_content_type(req, media) && !negotiate_content_type(head_value(&req->in.head, STR("Content-Type")), media->consumes)) {
        req->accepts = media->unsupported != NULL ? negotiate_named(accept, media->unsupported) : type != NULL ? type : media->produces[0].name;
        refuse(req, 415, "HTTP 415 Unsupported Media Type");
        return false;
    }
    if (type == NULL) {
        accept_for_service(req);
        refuse(req, 406, "HTTP 406 Not Acceptable");
        return false;
    }
    req->accepts = type;
    return true;
}

static int find_place(struct request *req, struct err *err)
{
    struct str segments[URI_SEGMENTS_MAX];
    int n = -1;
    if (uri_check_query(req->in.head.query, &req->in.arena, err) == 0)
        n = uri_segments(req->path, segments, &req->in.arena, err);
    if (n >= 0)
        router_match(req->loop->server->router, segments, n, &req->match);
    return n < 0 ? -1 : 0;
}

/* Finds the handler. False: answered, or err says why not. */
static bool route(struct request *req, struct err *err)
{
    if (str_is(req->path, "*")) { /* OPTIONS * asks for the server as a whole */
        reply_header(&req->reply, "Allow", STR("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        return false;
    }
    int rc = find_place(req, err);
    if (rc == 0 && req->match.place != NULL && (req->entry = router_entry(req->match.place, req->in.head.method)) != NULL)
        return true;
    accept_for_service(req);
    if (rc == 0 && req->match.place == NULL) {
        refuse(req, 404, "HTTP 404 Not Found");
    } else if (rc == 0) {
        reply_header(&req->reply, "Allow", str_of(req->match.place->allow));
        if (!str_is(req->in.head.method, "OPTIONS"))
            refuse(req, 405, "HTTP 405 Method Not Allowed");
    }
    return false;
}

/* Fills the reply, or returns REPLY_LATER; errors are in the reply when it returns. */
static int handle(struct request *req)
{
    struct server *s = req->loop->server;
    const struct service *service = s->service;
    struct err err;
    err.code = 0;
    req->path = req->in.head.path;
    req->accepts = service->media->produces[0].name;
    if (req->in.state == INTAKE_REFUSED) {
        answer_refusal(req);
        return 0;
    }
    if (atomic_load(&s->state) == SERVER_CLOSES) {
        refuse(req, 503, "Service Unavailable: the server is shutting down");
        return 0;
    }
    int rc = 0;
    if (service->rewrite != NULL && service->rewrite(service->arg, req, &req->path, &err) < 0)
        rc = -1;
    else if (route(req, &err) && negotiate(req, req->entry->route->media != NULL ? req->entry->route->media : service->media)) {
        if (service->admit != NULL && service->admit(service->arg, req, &err) < 0)
            rc = -1;
        else
            rc = req->entry->route->handle(service->arg, req, &req->reply, &err);
    }
    if (rc == REPLY_LATER)
        return REPLY_LATER;
    if (rc < 0 || err.code != 0)
        reply_err(&req->reply, &err);
    return 0;
}

/* in_handler is up before the server's state is looked at, and down when the request is either ready or counted as waiting: see server_stop. */
void dispatch_handle(struct request *req)
{
    request_set_id(req);
    atomic_store(&req->loop->in_handler, 1);
    req->handled = handle(req) == REPLY_LATER ? HANDLED_LATER : HANDLED_READY;
    if (req->handled == HANDLED_READY)
        atomic_store_explicit(&req->loop->in_handler, 0, memory_order_release);
}

/* From a successful exchange on the request is the finisher's; if it was faster, resuming is left to us. */
static void begin_waiting(struct request *req, bool gone)
{
    struct loop *loop = req->loop;
    int running = PHASE_RUNNING;
    req->handled = HANDLED_WAITS;
    req->waiting.fd = req->fd;
    lookout_begin(loop->server->lookout, &req->waiting, gone);
    if (!atomic_compare_exchange_strong(&req->phase, &running, PHASE_WAITING))
        lookout_end(loop->server->lookout, &req->waiting);
    atomic_store(&loop->in_handler, 0);
}

void dispatch_abandon(struct request *req)
{
    req->connection = NULL;
    request_count(req, false);
    begin_waiting(req, true);
}

void dispatch_resume(struct waiting *x)
{
    struct request *req = (struct request *)((char *)x - offsetof(struct request, waiting));
    if (req->connection != NULL)
        MHD_resume_connection(req->connection);
    else
        request_free(req);
}

enum MHD_Result dispatch_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                 const char *upload, size_t *nupload, void **ctx)
{
    struct request *req = *ctx;
    if (req == NULL) { /* the head only: an answer now would close the connection */
        *ctx = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
        return *ctx != NULL ? MHD_YES : MHD_NO;
    }
    if (!intake_done(&req->in)) {
        log_error("http.intake", "text=libmicrohttpd does not read its sockets through recv()");
        return MHD_NO;
    }
    if (req->more) { /* receive.c (1) */
        req->more = false;
        MHD_suspend_connection(connection);
        MHD_resume_connection(connection);
        return MHD_YES;
    }
    if (req->handled == HANDLED_NOT)
        dispatch_handle(req);
    if (req->handled == HANDLED_LATER && atomic_load(&req->phase) != PHASE_FINISHED) {
        MHD_suspend_connection(connection);
        begin_waiting(req, false);
        return MHD_YES;
    }
    atomic_store(&req->loop->in_handler, 0);
    return answer_send(req);
}
