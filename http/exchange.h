/* http/exchange.h - what a connection, its request and its reply are made of.  Private to http/.
 *
 * One struct request serves a connection for its whole life, one request after another, so that a request allocates nothing. Who owns it:
 *   reading, in a handler, sending: the connection's loop thread;
 *   between REPLY_LATER and reply_finish: whoever finishes the reply (only phase and the fields of struct waiting are shared).
 * The walk of a request: receive.c reads it whole -> libmicrohttpd calls dispatch.c -> handler -> answer.c sends the reply.
 * The short cut: receive.c reads it whole -> express.c calls the handler and sends the reply, when both are quick. */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <microhttpd.h>
#include <pthread.h>

#include "http/intake.h"
#include "http/router.h"
#include "http/server.h"
#include "http/lookout.h"

enum { REQUEST_ID_MAX = 128, REPLY_FIELDS_MAX = 12, REPLY_FIELDS_BYTES = 1280 };

struct reply_field {
    const char *name, *value;
};
enum reply_kind { REPLY_BYTES, REPLY_BORROWED, REPLY_STREAM };
struct reply {
    struct request *request; /* fixed */
    int status;
    const char *type; /* NULL: the negotiated one */
    enum reply_kind kind;
    struct buf body;          /* REPLY_BYTES */
    struct str borrowed;      /* REPLY_BORROWED */
    ptrdiff_t (*read)(void *ctx, char *to, size_t max); /* REPLY_STREAM */
    void (*release)(void *ctx);                         /* the last two; NULL when there is nothing to release (any more) */
    void *ctx;
    struct reply_field fields[REPLY_FIELDS_MAX];
    size_t nfields, field_bytes;
};

/* What became of the request's handler. LATER: it said REPLY_LATER, but the connection is not suspended yet. */
enum request_handled { HANDLED_NOT, HANDLED_READY, HANDLED_LATER, HANDLED_WAITS };

/* RUNNING: the handler has not returned, or its answer goes out. WAITING: the connection is suspended. FINISHED: reply_finish was called. */
enum request_phase { PHASE_RUNNING, PHASE_WAITING, PHASE_FINISHED };

struct request {
    /* of the connection */
    struct loop *loop;
    struct MHD_Connection *connection;
    int fd;
    struct buf held;    /* bytes that came and are not used yet */
    size_t beat_at;     /* body.n when libmicrohttpd was last told of progress */
    bool told;          /* libmicrohttpd knows of the request that is done */
    bool more;          /* bytes behind this request are here already, or may be in the socket */
    bool linger;        /* closed gently: the client may still be sending what we do not read */
    bool active;        /* counted in loop->active */
    bool looked_for_end; /* receive.c */
    int64_t touched_ms; /* express.c */
    /* of the request */
    struct intake in;
    struct str path;    /* as routed */
    struct route_match match;
    const struct route_entry *entry;  /* NULL until routed */
    const char *accepts;
    enum request_handled handled;
    struct str content_type; /* lower case, set when first asked for */
    char id[REQUEST_ID_MAX + 1];
    size_t id_n;
    _Atomic int phase;
    struct waiting waiting;
    struct reply reply;
};

/* An event loop: one libmicrohttpd daemon with its thread, which owns all but the atomics. */
struct loop {
    struct server *server;
    struct MHD_Daemon *daemon;
    int listen_fd;          /* of a daemon that was told to stop accepting; else -1 */
    struct request **by_fd; /* connections by descriptor */
    size_t nby_fd;
    char *scratch;          /* where requests are read before it is known how long they are */
    unsigned char random[4096];
    size_t nrandom;         /* bytes of random that are unused, at its end */
    char date[40];          /* the value of the Date field, made at date_ms (monotonic) */
    int64_t date_ms;
    _Atomic long active;    /* requests whose head has come and whose reply was not sent */
    _Atomic int in_handler; /* server_stop: see there */
};

enum { SERVER_RUNS, SERVER_DRAINS, SERVER_CLOSES };

struct server {
    const struct service *service; /* fixed, like all but the atomics */
    struct server_options options;
    char *address;
    int listen_fd, port;
    unsigned idle_s;
    struct router *router;
    struct intake_limits limits;
    struct lookout *lookout;
    struct loop *loops;
    int nloops;
    _Atomic int state;
};

/* request.c */
struct request *request_new(struct loop *loop, struct MHD_Connection *connection, int fd);
void request_free(struct request *req);
void request_reset(struct request *req); /* between two requests: it is not counted as active any more */
void request_count(struct request *req, bool active); /* in loop->active */
void request_set_id(struct request *req);

/* reply.c */
void reply_reset(struct reply *reply); /* releases what was not sent */

/* receive.c: the calling loop thread's connections are read through it from now on. */
int receive_attach(struct loop *loop, struct request *req);
void receive_detach(struct request *req);
/* What libmicrohttpd gets when it reads the connection: 0, -1 and errno as recv(2), else how many bytes were put. */
ssize_t receive_from(struct request *req, char *to, size_t n);
void receive_touch(struct request *req); /* the connection's timeout starts anew */

/* express.c: handles the request that has come whole (nothing is behind it) and, if the reply is there and small, sends it. 1: sent, 0: libmicrohttpd
 * has to go on with it, -1: the connection is over. */
int express_try(struct request *req);

/* dispatch.c: calls the handler. */
void dispatch_handle(struct request *req);
/* The connection is gone before it could be suspended, and the handler has said REPLY_LATER: req is freed when its reply is finished. */
void dispatch_abandon(struct request *req);
/* The handler of libmicrohttpd, and what its reply is resumed with. */
enum MHD_Result dispatch_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                 const char *upload, size_t *nupload, void **ctx);
void dispatch_resume(struct waiting *x);

/* answer.c: gives the reply to libmicrohttpd. */
enum MHD_Result answer_send(struct request *req);

#endif
