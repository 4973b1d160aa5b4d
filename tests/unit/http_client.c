#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

void client_open(struct client *c, int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(c->fd >= 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&sa, sizeof sa), 0);
}

void client_send(struct client *c, struct str bytes)
{
    while (bytes.n != 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0)
            return; /* the server has closed: the answer tells why */
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
}

/* More bytes: 1, the end: 0, nothing in time: -1. */
static int more(struct client *c, int64_t until_ms)
{
    int64_t left = until_ms - clock_mono_ms();
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (poll(&p, 1, left > 0 ? (int)left : 0) <= 0)
        return -1;
    char *to = buf_reserve(&c->in, 65536);
    ssize_t n = read(c->fd, to, 65536);
    if (n <= 0)
        return 0;
    c->in.n += (size_t)n;
    return 1;
}

static size_t find(struct str s, const char *what)
{
    const char *at = s.n != 0 ? memmem(s.p, s.n, what, strlen(what)) : NULL;
    return at != NULL ? (size_t)(at - s.p) : SIZE_MAX;
}

static void take(struct client *c, size_t n)
{
    memmove(c->in.p, c->in.p + n, c->in.n - n);
    c->in.n -= n;
}

static bool take_body(struct client *c, size_t n, int64_t until_ms)
{
    while (c->in.n < n)
        if (more(c, until_ms) <= 0)
            return false;
    buf_put(&c->text, c->in.p, n);
    take(c, n);
    return true;
}

static bool take_chunks(struct client *c, int64_t until_ms)
{
    for (;;) {
        size_t line;
        while ((line = find(buf_str(&c->in), "\r\n")) == SIZE_MAX)
            if (more(c, until_ms) <= 0)
                return false;
        size_t size = strtoul(buf_cstr(&c->in), NULL, 16);
        take(c, line + 2);
        if (!take_body(c, size + 2, until_ms))
            return false;
        c->text.n -= 2; /* CR LF behind the chunk */
        if (size == 0)
            return true;
    }
}

struct str answer_field(const struct answer *a, const char *name)
{
    struct str rest = a->head;
    bool found = true;
    while (found) {
        struct str line = str_split(&rest, '\n', &found), key = str_split(&line, ':', &(bool){0});
        if (str_eq_nocase(key, str_of(name)))
            return str_trim(line);
    }
    return STR_NULL;
}

struct answer client_read(struct client *c, bool head, int wait_ms)
{
    struct answer a = {0};
    int64_t until_ms = clock_mono_ms() + wait_ms, length = 0;
    size_t end;
    while ((end = find(buf_str(&c->in), "\r\n\r\n")) == SIZE_MAX)
        if (more(c, until_ms) <= 0)
            return a;
    buf_reset(&c->text);
    buf_put(&c->text, c->in.p, end + 4);
    take(c, end + 4);
    a.head = buf_str(&c->text);
    a.status = atoi(c->text.p + 9);
    bool chunked = str_is(answer_field(&a, "Transfer-Encoding"), "chunked"), none = head || a.status == 204 || a.status == 304 || a.status < 200;
    bool has_length = str_to_i64(answer_field(&a, "Content-Length"), &length);
    if (!none && chunked)
        a.cut = !take_chunks(c, until_ms);
    else if (!none && has_length)
        a.cut = !take_body(c, (size_t)length, until_ms);
    else if (!none) {
        while (more(c, until_ms) > 0)
            ;
        take_body(c, c->in.n, until_ms);
    }
    a.head = str_n(c->text.p, end + 4);
    a.body = str_n(c->text.p + end + 4, c->text.n - end - 4);
    buf_cstr(&c->text);
    a.head.p = c->text.p;
    a.body.p = c->text.p + end + 4;
    return a;
}

bool client_ended(struct client *c, int wait_ms)
{
    return c->in.n == 0 && more(c, clock_mono_ms() + wait_ms) == 0;
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_clear(&c->in);
    buf_clear(&c->text);
}

struct answer client_ask(int port, const char *bytes)
{
    static struct client c = {.fd = -1};
    client_close(&c);
    client_open(&c, port);
    client_send(&c, str_of(bytes));
    return client_read(&c, false, 5000);
}
