/* http/server.h - listens, reads requests, finds their route, calls its handler, sends its reply.  libmicrohttpd lives behind this room.
 *
 * A handler runs on an event-loop thread and must not wait (no disk, no network, no lock that is held over either).  It either fills the
 * reply and returns 0, or returns -1 with err (turned into an error body, reply_err), or arranges for somebody else to fill the reply and
 * returns REPLY_LATER; then reply_finish() must be called exactly once, from any thread, also when the client has gone.
 * The server answers by itself: unknown path 404, wrong method 405 with Allow, OPTIONS 200 with Allow, HEAD like GET without the body, body
 * over the limit 413, headers over the limit 431, Content-Type that a route does not take 415, Accept that it cannot meet 406, malformed or
 * smuggling request shapes 400 and the connection closed; all with the JSON error body. X-Request-ID is on every answer (registry-api.md 1.1). */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/err.h"
#include "http/reply.h"
#include "http/request.h"

enum { REPLY_LATER = 1 };
typedef int http_handler(void *arg, struct request *req, struct reply *reply, struct err *err);

/* Media types of a route. types[0] is the answer when the client does not care; q is the server's own preference in thousandths and
 * breaks ties between the client's (registry-api.md 1.1, proxy-api.md 1.2). */
struct media_type {
    const char *name;
    int q;
};
struct media {
    const struct media_type *produces; /* ends with {NULL} */
    const char *const *consumes;       /* ends with NULL; NULL: anything. No Content-Type, or a wildcard one, is always taken. */
    bool consumes_on_get;              /* check Content-Type on GET and DELETE too, where one is present */
    const char *const *unsupported;    /* Content-Type of the 415 answer: the first that Accept names word for word, else [0]; NULL: the negotiated one */
};

/* {name} in path takes one whole segment, percent-decoded after splitting, so %2F stays inside it.  A trailing slash does not matter.
 * Routes are tried by specificity (literals before names), not by order. */
struct route {
    const char *method;
    const char *path;
    http_handler *handle;
    const struct media *media;
};

struct service {
    const char *name; /* for the log: "registry", "proxy" */
    const struct route *routes;
    size_t nroutes;
    const struct media *media; /* of answers that match no route */
    void *arg;                 /* for handlers */
    /* Before routing, may be NULL: may replace the path (memory from request_arena), -1 refuses the request. */
    int (*rewrite)(void *arg, struct request *req, struct str *path, struct err *err);
    /* After routing and negotiation, before the handler, may be NULL: -1 refuses the request. */
    int (*admit)(void *arg, struct request *req, struct err *err);
};

struct server_options {
    const char *listen;        /* HOST:PORT, [V6]:PORT; port 0: a free one */
    int threads;               /* event loops; 0: 2; never more than processors that this process may use */
    int64_t max_body_bytes;    /* 0: 64 MB */
    int64_t max_header_bytes;  /* 0: 8 KB */
    int64_t idle_ms;           /* rounded up to seconds; 0: 30000. A connection without traffic for so long is closed; the head of a request must come whole
                                  in this time, and so must its body, unless it brings 1 KB a second on average */
    int max_connections;       /* 0: 20000; more wait to be accepted */
    int64_t max_body_total_bytes; /* bodies of all requests being read at once; over it 503 with Retry-After; 0: 512 MB */
};

/* Can listen be an address to listen on, as server_new() wants it? 0, or -1 with what would be right. */
int server_check_listen(const char *listen, struct err *err);

struct server;
/* Listens and serves at once.  service and what it points to must outlive the server. NULL with err (address in use, ...). */
struct server *server_new(const struct server_options *o, const struct service *service, struct err *err);
int server_port(const struct server *s);
/* Stops accepting and lets requests in flight finish, at most drain_ms; then waits for every handler that said REPLY_LATER to finish its reply
 * (on_gone is called for each, so that they hurry), closes, frees. [blocks] */
void server_stop(struct server *s, int64_t drain_ms);

#endif
