#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "http/exchange.h"

/* libmicrohttpd zeroes this much for each request; a reply's head (REPLY_FIELDS_BYTES and what we and it add) must fit in it beside the head of receive.c. */
enum { CONNECTION_BYTES = 2048 };

/* ---- listening --------------------------------------------------------------------------------------------------- */

/* "HOST:PORT" or "[V6]:PORT"; an empty host or * is any. The host goes to host as text, its beginning in listen as address. */
static int split_listen(const char *listen, struct str *address, char *host, size_t nhost, const char **port, struct err *err)
{
    const char *colon = strrchr(listen, ':');
    size_t n = colon != NULL ? (size_t)(colon - listen) : 0;
    int64_t number;
    if (colon == NULL || n + 1 > nhost || !str_to_i64(str_of(colon + 1), &number) || number < 0 || number > 65535)
        return err_set(err, ERR_INVALID, "cannot listen on '%s': expected HOST:PORT with a port up to 65535", listen);
    *address = str_n(listen, n);
    *port = colon + 1;
    struct str bare = *address;
    if (bare.n >= 2 && bare.p[0] == '[' && bare.p[bare.n - 1] == ']')
        bare = str_n(bare.p + 1, bare.n - 2);
    else if (str_is(bare, "*"))
        bare.n = 0;
    memcpy(host, bare.p, bare.n);
    host[bare.n] = '\0';
    return 0;
}

static int open_listener(const struct addrinfo *ai)
{
    const int on = 1, off = 0;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 1024) < 0) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

int server_check_listen(const char *listen, struct err *err)
{
    char host[256];
    const char *port;
    struct str address;
    return split_listen(listen, &address, host, sizeof host, &port, err);
}

static int read_port(struct server *s, struct err *err)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    if (getsockname(s->listen_fd, (struct sockaddr *)&sa, &n) < 0)
        return err_set(err, ERR_IO, "getsockname: %s", strerror(errno));
    s->port = ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port : ((struct sockaddr_in *)&sa)->sin_port);
    return 0;
}

static int start_listening(struct server *s, struct err *err)
{
    char host[256];
    const char *port = NULL;
    struct str address;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
    if (split_listen(s->options.listen, &address, host, sizeof host, &port, err) < 0)
        return -1;
    if ((s->address = str_dup(address)) == NULL)
        return err_nomem(err);
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &list);
    if (rc != 0)
        return err_set(err, ERR_INVALID, "cannot listen on '%s': %s", s->options.listen, gai_strerror(rc));
    for (struct addrinfo *ai = list; ai != NULL && s->listen_fd < 0; ai = ai->ai_next)
        s->listen_fd = open_listener(ai);
    int e = errno;
    freeaddrinfo(list);
    if (s->listen_fd < 0)
        return err_set(err, e == EADDRINUSE ? ERR_EXISTS : ERR_IO, "cannot listen on %s: %s", s->options.listen, strerror(e));
    return read_port(s, err);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void on_completed(void *cls, struct MHD_Connection *connection, void **ctx, enum MHD_RequestTerminationCode code)
{
    struct request *req = *ctx;
    *ctx = NULL;
    if (req == NULL)
        return;
    request_reset(req);
}

/* The socket is about to be closed. What was refused may still be coming in: closing now would reset the connection under our answer. */
static void close_gently(struct request *req)
{
    struct server *s = req->loop->server;
    int fd = req->linger && atomic_load(&s->state) != SERVER_CLOSES ? fcntl(req->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd >= 0)
        lookout_take_socket(s->lookout, fd, STR_NULL);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_ctx, enum MHD_ConnectionNotificationCode code)
{
    struct loop *loop = cls;
    struct request *req = *socket_ctx;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        req = request_new(loop, connection, fd);
        if (req == NULL || receive_attach(loop, req) < 0) {
            log_error("http.connection", "text=out of memory");
            shutdown(fd, SHUT_RDWR);
            request_free(req);
            req = NULL;
        }
        *socket_ctx = req;
    } else if (req != NULL) {
        close_gently(req);
        receive_detach(req);
        *socket_ctx = NULL;
        if (req->handled == HANDLED_LATER) {
            dispatch_abandon(req);
            return;
        }
        request_reset(req);
        request_free(req);
    }
}

static void on_log(void *cls, const char *format, va_list args)
{
    char text[300];
    if (log_get_level() > LOG_DEBUG)
        return;
    vsnprintf(text, sizeof text, format, args);
    log_debug("http.library", "text=%s", text);
}

/* TURBO: a new connection is read at once, and closing leaves the sending half to us (express.c may have given it to the lookout). */
enum { LOOP_FLAGS = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_TURBO };

static int start_loop(struct loop *loop, struct err *err)
{
    struct server *s = loop->server;
    int fd = fcntl(s->listen_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, ERR_IO, "cannot listen: %s", strerror(errno));
    unsigned connections = (unsigned)((s->options.max_connections + s->options.threads - 1) / s->options.threads);
    loop->daemon = MHD_start_daemon(
        LOOP_FLAGS, 0, NULL, NULL, dispatch_request, loop,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, loop, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT, s->idle_s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, loop, MHD_OPTION_NOTIFY_COMPLETED, on_completed, loop, MHD_OPTION_END);
    if (loop->daemon != NULL)
        return 0; /* the descriptor is its now */
    close(fd);
    return err_set(err, ERR_IO, "cannot start an event loop: %s", strerror(errno));
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : INT_MAX;
}

static void set_options(struct server *s, const struct server_options *o)
{
    s->options = *o;
    if (s->options.threads <= 0)
        s->options.threads = 2;
    if (s->options.threads > processors())
        s->options.threads = processors(); /* loops do not wait, so more of them would only stand in each other's way */
    if (s->options.max_body_bytes <= 0)
        s->options.max_body_bytes = 64 << 20;
    if (s->options.max_header_bytes <= 0)
        s->options.max_header_bytes = 8 << 10;
    if (s->options.idle_ms <= 0)
        s->options.idle_ms = 30000;
    if (s->options.max_connections <= 0)
        s->options.max_connections = 20000;
    if (s->options.max_connections < s->options.threads)
        s->options.threads = s->options.max_connections;
    if (s->options.max_body_total_bytes <= 0)
        s->options.max_body_total_bytes = 512 << 20;
    s->idle_s = (unsigned)((s->options.idle_ms + 999) / 1000); /* libmicrohttpd counts in seconds */
    s->limits = (struct intake_limits){.max_head_bytes = (size_t)s->options.max_header_bytes,
                                       .max_body_bytes = (size_t)s->options.max_body_bytes,
                                       .max_total_bytes = s->options.max_body_total_bytes};
}

/* Frees what there is of s, whose loops handle nothing any more. */
static void free_server(struct server *s)
{
    for (int i = 0; i < s->nloops; i++) {
        struct loop *loop = &s->loops[i];
        if (loop->daemon != NULL)
            MHD_stop_daemon(loop->daemon);
        if (loop->listen_fd >= 0)
            close(loop->listen_fd);
        free(loop->by_fd);
        free(loop->scratch);
    }
    lookout_free(s->lookout);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    router_free(s->router);
    free(s->loops);
    free(s->address);
    free(s);
}

static int start(struct server *s, struct err *err)
{
    if ((s->router = router_new(s->service, err)) == NULL || start_listening(s, err) < 0 ||
        (s->lookout = lookout_new(dispatch_resume, err)) == NULL)
        return -1;
    if ((s->loops = calloc((size_t)s->options.threads, sizeof *s->loops)) == NULL)
        return err_nomem(err);
    for (int i = 0; i < s->options.threads; i++) {
        s->nloops++;
        s->loops[i].server = s;
        s->loops[i].listen_fd = -1;
        if (start_loop(&s->loops[i], err) < 0)
            return -1;
    }
    return 0;
}

struct server *server_new(const struct server_options *o, const struct service *service, struct err *err)
{
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        err_nomem(err);
        return NULL;
    }
    s->service = service;
    s->listen_fd = -1;
    set_options(s, o);
    if (start(s, err) < 0) {
        atomic_store(&s->state, SERVER_CLOSES);
        free_server(s);
        return NULL;
    }
    return s;
}

int server_port(const struct server *s)
{
    return s->port;
}

/* MHD_quiesce_daemon and the loop it speaks to both take the listening socket out of the loop's set, without a lock; libmicrohttpd 0.9.75 aborts the process when the
 * loop comes second (its daemon.c, "Failed to remove listen FD from epoll set"). So, as recv() in receive.c, this stands in for libc's: what is out already is out. */
int epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
    int rc = (int)syscall(SYS_epoll_ctl, set, op, fd, event);
    return rc < 0 && op == EPOLL_CTL_DEL && errno == ENOENT ? 0 : rc;
}

/* The daemons' descriptors are closed only after the daemons: a loop that has not noticed yet would abort on a closed one. */
static void stop_accepting(struct server *s)
{
    for (int i = 0; i < s->nloops; i++)
        s->loops[i].listen_fd = MHD_quiesce_daemon(s->loops[i].daemon);
    shutdown(s->listen_fd, SHUT_RDWR); /* of them all */
}

static long count_active(struct server *s)
{
    long n = 0;
    for (int i = 0; i < s->nloops; i++)
        n += atomic_load(&s->loops[i].active);
    return n;
}

static void wait_idle(struct server *s, int64_t at_most_ms)
{
    const int64_t until_ms = clock_mono_ms() + at_most_ms;
    while (count_active(s) > 0 && clock_mono_ms() < until_ms)
        clock_sleep_ms(2);
}

/* From SERVER_CLOSES on no handler of the service is called. A loop that looked at the state before is in its handler, and when it comes out of it, its
 * request counts as waiting if it is: so after both waits there is no suspended connection, and there will be none. */
static void wait_handlers(struct server *s)
{
    for (int i = 0; i < s->nloops; i++)
        while (atomic_load(&s->loops[i].in_handler) != 0)
            clock_sleep_ms(1);
    while (lookout_count(s->lookout) > 0)
        clock_sleep_ms(1);
}

void server_stop(struct server *s, int64_t drain_ms)
{
    if (s == NULL)
        return;
    enum { SEND_MS = 1000 }; /* for the replies of those who were hurried to leave */
    atomic_store(&s->state, SERVER_DRAINS);
    stop_accepting(s);
    wait_idle(s, drain_ms);
    long left = count_active(s);
    atomic_store(&s->state, SERVER_CLOSES);
    lookout_hurry_all(s->lookout);
    wait_handlers(s);
    if (left > 0) {
        wait_idle(s, SEND_MS);
        log_info("server.unfinished", "service=%s requests=%ld", s->service->name, left);
    }
    free_server(s);
}
