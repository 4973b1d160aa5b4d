/* http/express.c - small replies that are there at once, without libmicrohttpd.
 *
 * Handing a request to libmicrohttpd and a reply back costs more than all our own work on them. So when a request has come whole with nothing behind it,
 * its handler is called while libmicrohttpd still waits for the bytes, and a small reply that is ready goes straight to the socket:
 * libmicrohttpd hears that there was nothing to read. A client that sends its next request after our last answer has an empty socket buffer, so the
 * reply fits. If it does not (the client does not read), either nothing was sent, and libmicrohttpd sends it like any other, or the lookout
 * sends the rest and ends the connection.
 * All else (later, streamed, large, the last on its connection, HEAD, without a body) takes the long way; what clients see is the same. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"
#include "http/exchange.h"

enum { EXPRESS_BYTES = 8 * 1024, HEAD_BYTES = 512 + REQUEST_ID_MAX + REPLY_FIELDS_BYTES };

static bool request_fits(const struct request *req)
{
    const struct head *h = &req->in.head;
    return req->in.state == INTAKE_WHOLE && h->minor != 0 && !h->close && !str_is(h->method, "HEAD") &&
           atomic_load_explicit(&req->loop->server->state, memory_order_relaxed) == SERVER_RUNS;
}

static struct str content_of(const struct reply *reply)
{
    return reply->kind == REPLY_BORROWED ? reply->borrowed : buf_str(&reply->body);
}

static bool reply_fits(const struct reply *reply)
{
    return reply->kind != REPLY_STREAM && !reply->body.failed && reply->status >= 200 && reply->status != 204 && reply->status != 304 &&
           content_of(reply).n <= EXPRESS_BYTES;
}

static int64_t coarse_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* libmicrohttpd does not see that the connection is in use; telling it now and then is enough. */
static void keep_awake(struct request *req, int64_t now_ms)
{
    if (now_ms - req->touched_ms < (int64_t)req->loop->server->idle_s * 100)
        return;
    req->touched_ms = now_ms;
    receive_touch(req);
}

/* Looks at the calendar ten times a second. */
static void renew_date(struct loop *loop, int64_t now_ms)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (loop->date[0] != '\0' && now_ms - loop->date_ms < 100)
        return;
    time_t t = (time_t)(coarse_ms(CLOCK_REALTIME_COARSE) / 1000);
    struct tm tm;
    gmtime_r(&t, &tm);
    snprintf(loop->date, sizeof loop->date, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday], (unsigned)tm.tm_mday % 100u,
             months[tm.tm_mon], (unsigned)(tm.tm_year + 1900) % 10000u, (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
             (unsigned)tm.tm_sec % 100u);
    loop->date_ms = now_ms;
}

static char *put(char *to, struct str s)
{
    memcpy(to, s.p, s.n);
    return to + s.n;
}

static char *put_field(char *to, struct str name, struct str value)
{
    to = put(to, name);
    to = put(to, STR(": "));
    to = put(to, value);
    return put(to, STR("\r\n"));
}

static char *put_number(char *to, size_t n)
{
    char digits[24], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    return put(to, str_n(at, (size_t)(digits + sizeof digits - at)));
}

/* The same fields in the same order as answer.c and libmicrohttpd send. */
static size_t write_head(struct request *req, char *to)
{
    const struct reply *reply = &req->reply;
    const char *type = reply->type != NULL ? reply->type : req->accepts;
    char *at = put(to, STR("HTTP/1.1 "));
    at = put_number(at, (size_t)reply->status);
    *at++ = ' ';
    at = put(at, reply->status == 200 ? STR("OK") : str_of(MHD_get_reason_phrase_for((unsigned)reply->status)));
    at = put(at, STR("\r\n"));
    at = put_field(at, STR("Date"), str_n(req->loop->date, 29));
    at = put_field(at, STR("X-Request-ID"), request_id(req));
    if (content_of(reply).n != 0 || reply->type != NULL)
        at = put_field(at, STR("Content-Type"), str_of(type));
    for (size_t i = 0; i < reply->nfields; i++)
        at = put_field(at, str_of(reply->fields[i].name), str_of(reply->fields[i].value));
    at = put(at, STR("Content-Length: "));
    at = put_number(at, content_of(reply).n);
    at = put(at, STR("\r\n\r\n"));
    return (size_t)(at - to);
}

/* Part of the reply is out: the lookout sends the rest through a descriptor of its own and ends the connection. */
static void hand_over_rest(struct request *req, struct str head, struct str content, size_t sent)
{
    OWN_BY(buf_clear) struct buf rest = {0};
    int fd = fcntl(req->fd, F_DUPFD_CLOEXEC, 0);
    buf_put_str(&rest, head);
    buf_put_str(&rest, content);
    if (fd >= 0 && !rest.failed)
        lookout_take_socket(req->loop->server->lookout, fd, str_n(rest.p + sent, rest.n - sent));
    else if (fd >= 0)
        close(fd);
}

static int send_reply(struct request *req)
{
    char bytes[HEAD_BYTES];
    struct str head = {bytes, write_head(req, bytes)}, content = content_of(&req->reply);
    struct iovec parts[2] = {{bytes, head.n}, {(void *)content.p, content.n}};
    const struct msghdr msg = {.msg_iov = parts, .msg_iovlen = content.n != 0 ? 2 : 1};
    ssize_t sent = sendmsg(req->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if ((size_t)sent == head.n + content.n)
        return 1;
    hand_over_rest(req, head, content, (size_t)sent);
    return -1;
}

int express_try(struct request *req)
{
    if (!request_fits(req))
        return 0;
    dispatch_handle(req);
    if (req->handled != HANDLED_READY || !reply_fits(&req->reply))
        return 0;
    const int64_t now_ms = coarse_ms(CLOCK_MONOTONIC_COARSE);
    renew_date(req->loop, now_ms);
    int rc = send_reply(req);
    if (rc == 0)
        return 0;
    keep_awake(req, now_ms);
    request_reset(req);
    return rc;
}
