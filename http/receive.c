/* http/receive.c - how libmicrohttpd reads its sockets: through us.
 *
 * libmicrohttpd 0.9.75 reads heads more kindly than is safe (two Content-Lengths, bare line feeds, NUL, folded lines, ...), decodes paths before
 * anyone can look at them, and answers what it does refuse by itself with HTML. None of that can be set otherwise. So it does not get to see what
 * clients write: this file defines recv(), which the dynamic (or static) linker gives to libmicrohttpd in place of libc's. For a connection of
 * ours it reads the socket, makes whole requests out of the bytes (intake.h), and hands libmicrohttpd one of a few heads of its own making when a
 * request is there, whole or refused; then the handler is called, and libmicrohttpd sends the reply, keeps time, suspends and closes as ever.
 * Every other descriptor of the process is read as always.
 *
 * What libmicrohttpd does with the result, and we rely on:
 *  (1) fewer bytes than it asked for: it believes the socket is empty and waits for an edge. So when more is here already, dispatch.c suspends and
 *      resumes the connection once, after which libmicrohttpd reads without waiting;
 *  (2) EINTR: it asks again in its next round, after other connections had their turn;
 *  (3) the timeout of a connection runs from its last bytes. A head must come whole within it; a body must bring BEAT_BYTES_PER_S each second
 *      on average, or come whole within it too. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "http/exchange.h"

enum { SCRATCH_BYTES = 64 * 1024, TURN_BYTES = 512 * 1024, HELD_STEP = 8 * 1024, KEEP_HELD = 4 * 1024, BEAT_BYTES_PER_S = 1024, LEAST_ASKED = 64 };

/* The loop that this thread runs; NULL in all threads that run none. */
static _Thread_local struct loop *own_loop;

int receive_attach(struct loop *loop, struct request *req)
{
    own_loop = loop;
    if (loop->scratch == NULL && (loop->scratch = malloc(SCRATCH_BYTES)) == NULL)
        return -1;
    size_t need = (size_t)req->fd + 1;
    if (loop->nby_fd < need) {
        need = need < 64 ? 64 : need * 2;
        struct request **grown = realloc(loop->by_fd, need * sizeof(*grown));
        if (grown == NULL)
            return -1;
        memset(grown + loop->nby_fd, 0, (need - loop->nby_fd) * sizeof(*grown));
        loop->by_fd = grown;
        loop->nby_fd = need;
    }
    loop->by_fd[req->fd] = req;
    return 0;
}

void receive_detach(struct request *req)
{
    if ((size_t)req->fd < req->loop->nby_fd && req->loop->by_fd[req->fd] == req)
        req->loop->by_fd[req->fd] = NULL;
}

/* recv(2) itself: without libc's thread cancellation around it, which nothing here uses. */
static ssize_t read_socket(int fd, void *to, size_t n, int flags)
{
    return syscall(SYS_recvfrom, fd, to, n, flags, NULL, NULL);
}

#define TEXT(lit) {lit, sizeof(lit) - 1}

/* ---- what libmicrohttpd is given --------------------------------------------------------------------------------- */

/* The head that stands for req's request: HEAD or not, the version, and how the connection goes on is all that matters for sending. */
static struct str head_for(const struct request *req)
{
    static const struct str heads[2][2][2] = {
        /* [HEAD][HTTP/1.0][close] */
        {{TEXT("GET / HTTP/1.1\r\n\r\n"), TEXT("GET / HTTP/1.1\r\nConnection:close\r\n\r\n")},
         {TEXT("GET / HTTP/1.0\r\nConnection:Keep-Alive\r\n\r\n"), TEXT("GET / HTTP/1.0\r\n\r\n")}},
        {{TEXT("HEAD / HTTP/1.1\r\n\r\n"), TEXT("HEAD / HTTP/1.1\r\nConnection:close\r\n\r\n")},
         {TEXT("HEAD / HTTP/1.0\r\nConnection:Keep-Alive\r\n\r\n"), TEXT("HEAD / HTTP/1.0\r\n\r\n")}}};
    const struct head *h = &req->in.head;
    bool refused = req->in.state == INTAKE_REFUSED;
    return heads[str_is(h->method, "HEAD")][req->in.begun && h->minor == 0][refused || h->close];
}

void receive_touch(struct request *req)
{
    MHD_set_connection_option(req->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    MHD_set_connection_option(req->connection, MHD_CONNECTION_OPTION_TIMEOUT, req->loop->server->idle_s);
}

/* Once a timeout's worth of body has come, the timeout starts anew. */
static void tell_progress(struct request *req)
{
    if (req->in.body.n - req->beat_at < (size_t)req->loop->server->idle_s * BEAT_BYTES_PER_S)
        return;
    req->beat_at = req->in.body.n;
    receive_touch(req);
}

static void head_has_come(struct request *req)
{
    const struct intake *in = &req->in;
    request_count(req, true);
    if (in->head.expects && !intake_done(in) && in->body.n == 0 && req->held.n == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (send(req->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            return; /* (the client sends its body anyway after a while) */
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void use_held(struct request *req)
{
    struct buf *held = &req->held;
    size_t used = intake_put(&req->in, buf_str(held));
    held->n -= used;
    memmove(held->p, held->p + used, held->n);
    if (held->n == 0 && held->cap > KEEP_HELD)
        buf_clear(held);
}

static ssize_t read_body(struct request *req, char *room, size_t n, bool *full)
{
    ssize_t got = read_socket(req->fd, room, n, 0);
    *full = got == (ssize_t)n;
    if (got > 0)
        intake_filled(&req->in, (size_t)got);
    return got;
}

static ssize_t read_bytes(struct request *req, bool *full)
{
    struct buf *held = &req->held;
    bool fresh = held->n == 0;
    size_t n = fresh ? SCRATCH_BYTES : HELD_STEP;
    char *to = fresh ? req->loop->scratch : buf_reserve(held, n);
    if (to == NULL) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t got = read_socket(req->fd, to, n, 0);
    *full = got == (ssize_t)n;
    if (got <= 0)
        return got;
    if (fresh) {
        size_t used = intake_put(&req->in, str_n(to, (size_t)got));
        buf_put(held, to + used, (size_t)got - used);
    } else {
        held->n += (size_t)got;
        use_held(req);
    }
    if (held->failed) {
        errno = ENOMEM;
        return -1;
    }
    return got;
}

/* Reads until a request is done: 1; 0 at the end of the stream, -1 with errno. *full: the last read filled its room, so more may be there. */
static int read_request(struct request *req, bool *full)
{
    struct intake *in = &req->in;
    bool counted = req->active;
    *full = false;
    if (req->held.n != 0)
        use_held(req); /* what came behind the last request */
    for (size_t turn = 0;;) {
        size_t n;
        char *room;
        if (in->begun && !counted) {
            counted = true;
            head_has_come(req);
        }
        if (intake_done(in))
            return 1;
        if (turn >= TURN_BYTES) {
            errno = EINTR;
            return -1;
        }
        room = req->held.n == 0 ? intake_room(in, &n) : NULL;
        if (intake_done(in))
            continue; /* refused: no room for the body */
        ssize_t got = room != NULL ? read_body(req, room, n, full) : read_bytes(req, full);
        if (got <= 0)
            return (int)got;
        turn += (size_t)got;
    }
}

ssize_t receive_from(struct request *req, char *to, size_t n)
{
    bool full = false;
    if (req->in.state >= INTAKE_WHOLE && req->told) { /* asked once more after it was suspended; later there may be more (2) */
        errno = EINTR;
        return -1;
    }
    int rc = read_request(req, &full);
    if (rc <= 0) {
        if (rc < 0 && !intake_done(&req->in))
            tell_progress(req);
        return rc;
    }
    if (!full && req->held.n == 0 && (rc = express_try(req)) != 0) {
        /* Sent, and the socket is empty. But the end of the stream may have come with the bytes and makes no edge of its own: clients that ask once and
         * close their half wait for ours, so after the first request libmicrohttpd asks once more (2). */
        errno = req->looked_for_end ? EAGAIN : EINTR;
        req->looked_for_end = true;
        return rc < 0 ? 0 : -1;
    }
    req->told = true;
    req->more = full || req->held.n != 0;
    struct str head = head_for(req);
    memcpy(to, head.p, head.n);
    return (ssize_t)head.n;
}

ssize_t recv(int fd, void *to, size_t n, int flags)
{
    struct loop *loop = own_loop;
    struct request *req = loop != NULL && fd >= 0 && (size_t)fd < loop->nby_fd ? loop->by_fd[fd] : NULL;
    if (req == NULL)
        return read_socket(fd, to, n, flags);
    if (n < LEAST_ASKED) { /* libmicrohttpd asks like this only for the error of a broken connection */
        errno = ECONNRESET;
        return -1;
    }
    return receive_from(req, to, n);
}
