/* The server over real sockets: requests answered at once, later, as a stream; what it refuses; how it stops. */
#include "http/server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "http_client.h"

/* ---- a service to talk to ---------------------------------------------------------------------------------------- */

static _Atomic int handled, gone, released;

static int get_echo(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    atomic_fetch_add(&handled, 1);
    struct str q = request_query(req, "q"), q1 = request_query_nth(req, "q", 1);
    buf_printf(reply_body(reply), "%.*s|a=%.*s|q=%.*s%s|q1=%.*s|body=%.*s|type=%.*s|base=%.*s|bool=%d", STR_ARG(request_method(req)),
               STR_ARG(request_param(req, "a")), STR_ARG(q), q.p == NULL ? "(none)" : "", STR_ARG(q1), STR_ARG(request_body(req)),
               STR_ARG(request_content_type(req)), STR_ARG(request_base_url(req)), request_query_bool(req, "b"));
    return 0;
}

static int get_two(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    buf_printf(reply_body(reply), "%.*s,%.*s", STR_ARG(request_param(req, "a")), STR_ARG(request_param(req, "b")));
    return 0;
}

static int get_literal(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    buf_put_str(reply_body(reply), STR("literal"));
    return 0;
}

static int get_number(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    int32_t n = 77;
    int rc = request_query_i32(req, "n", &n);
    buf_printf(reply_body(reply), "%d %d", rc, n);
    return 0;
}

static int get_fail(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    int64_t code = 0;
    str_to_i64(request_param(req, "code"), &code);
    buf_put_str(reply_body(reply), STR("half an answer"));
    return err_set(err, (int)code, "why %s", "\"it\" failed");
}

static int get_headers(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    reply_status(reply, 201);
    reply_type(reply, "text/plain");
    reply_header(reply, "X-Sent", request_query(req, "v"));
    reply_header(reply, "X-Copied", request_header(req, "x-SomeThing"));
    buf_put_str(reply_body(reply), request_id(req));
    return 0;
}

static int post_nothing(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    atomic_fetch_add(&handled, 1);
    buf_printf(reply_body(reply), "%zu", request_body(req).n);
    return 0;
}

static void release(void *ctx)
{
    atomic_fetch_add(&released, 1);
}

enum { BIG = 5 << 20 };
static char big[BIG];

static int get_big(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    reply_borrow(reply, str_n(big, BIG), release, NULL);
    return 0;
}

static int get_replaced(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    reply_borrow(reply, str_n(big, BIG), release, NULL);
    return err_set(err, 40401, "not that one");
}

struct counter {
    int at, end;
};

static ptrdiff_t read_numbers(void *ctx, char *to, size_t max)
{
    struct counter *c = ctx;
    if (c->at == -c->end)
        return -1;
    if (c->at == c->end)
        return 0;
    return snprintf(to, max, "%d\n", c->at++);
}

static void free_counter(void *ctx)
{
    free(ctx);
    atomic_fetch_add(&released, 1);
}

static int get_stream(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct counter *c = calloc(1, sizeof *c);
    c->end = 10000;
    if (request_query_bool(req, "cut")) { /* fails at 3 */
        c->end = -3;
    }
    reply_stream(reply, read_numbers, free_counter, c);
    return 0;
}

/* Finished by another thread after some milliseconds, or when the client is gone. */
struct later {
    struct reply *reply;
    int64_t wait_ms;
    _Atomic bool hurry;
};

static void on_gone(void *ctx)
{
    atomic_fetch_add(&gone, 1);
    ((struct later *)ctx)->hurry = true;
}

static _Atomic int finishers;

static void *finish_later(void *arg)
{
    struct later *l = arg;
    const int64_t until = clock_mono_ms() + l->wait_ms;
    while (clock_mono_ms() < until && !l->hurry)
        clock_sleep_ms(1);
    buf_put_str(reply_body(l->reply), l->hurry ? STR("hurried") : STR("later"));
    reply_finish(l->reply);
    atomic_fetch_sub(&finishers, 1);
    return NULL;
}

static int get_later(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct later *l = arena_calloc(request_arena(req), 1, sizeof *l);
    int64_t ms = 0;
    pthread_t t;
    str_to_i64(request_param(req, "ms"), &ms);
    l->reply = reply;
    l->wait_ms = ms < 0 ? 0 : ms;
    request_on_gone(req, on_gone, l);
    atomic_fetch_add(&finishers, 1);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 * 1024);
    assert_int_equal(pthread_create(&t, &attr, finish_later, l), 0);
    pthread_attr_destroy(&attr);
    if (ms < 0)
        pthread_join(t, NULL); /* finished before we return */
    else
        pthread_detach(t);
    return REPLY_LATER;
}

static int get_hidden(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    buf_put_str(reply_body(reply), request_path(req));
    return 0;
}

static int rewrite(void *arg, struct request *req, struct str *path, struct err *err)
{
    if (str_starts(*path, STR("/old/")))
        *path = arena_printf(request_arena(req), "/echo/%.*s", (int)path->n - 5, path->p + 5);
    if (str_is(*path, "/refused"))
        return err_set(err, 42205, "not here");
    return 0;
}

static int admit(void *arg, struct request *req, struct err *err)
{
    if (str_is(request_header(req, "X-Deny"), "1"))
        return err_set(err, 40301, "denied");
    return 0;
}

static const struct media_type plain_out[] = {{"application/json", 1000}, {NULL, 0}};
static const struct media_type types_out[] = {{"application/vnd.x.v1+json", 1000}, {"application/vnd.x+json", 900}, {"application/json", 500}, {NULL, 0}};
static const char *const types_in[] = {"application/vnd.x.v1+json", "application/json", "application/octet-stream", NULL};
static const struct media plain = {.produces = plain_out};
static const struct media typed = {.produces = types_out, .consumes = types_in};
static const char *const unsupported[] = {"application/x-unsupported", "application/json", NULL};
static const struct media strict = {.produces = types_out, .consumes = types_in, .consumes_on_get = true, .unsupported = unsupported};

static const struct route routes[] = {
    {"GET", "/", get_literal, &plain},
    {"GET", "/echo/{a}", get_echo, &plain},
    {"POST", "/echo/{a}", get_echo, &typed},
    {"DELETE", "/echo/{a}", get_echo, &typed},
    {"GET", "/two/{a}/sub/{b}", get_two, &plain},
    {"GET", "/two/lit/sub/{a}", get_echo, &plain},
    {"GET", "/two/lit", get_literal, &plain},
    {"GET", "/two/{a}", get_echo, &plain},
    {"GET", "/typed/{a}", get_echo, &typed},
    {"GET", "/strict/{a}", get_echo, &strict},
    {"POST", "/strict/{a}", get_echo, &strict},
    {"GET", "/number", get_number, &plain},
    {"GET", "/fail/{code}", get_fail, &plain},
    {"GET", "/headers", get_headers, &plain},
    {"POST", "/nothing", post_nothing, &plain},
    {"GET", "/big", get_big, &plain},
    {"GET", "/replaced", get_replaced, &plain},
    {"GET", "/stream", get_stream, &plain},
    {"GET", "/later/{ms}", get_later, &plain},
    {"GET", "/hidden", get_hidden, &plain},
};
static const struct service service = {"test", routes, sizeof routes / sizeof *routes, &plain, NULL, rewrite, admit};

static struct server *server;
static int port;

static struct server *start(const struct server_options *o)
{
    struct err err = {0};
    struct server_options with = *o;
    with.listen = "127.0.0.1:0";
    struct server *s = server_new(&with, &service, &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

static int set_up(void **state)
{
    log_set_level(LOG_OFF);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i % 23);
    server = start(&(struct server_options){.max_body_bytes = 1 << 20, .max_header_bytes = 4096});
    port = server_port(server);
    return 0;
}

static int tear_down(void **state)
{
    server_stop(server, 1000);
    return 0;
}

static bool has(struct str s, const char *what)
{
    return s.n != 0 && memmem(s.p, s.n, what, strlen(what)) != NULL;
}

#define assert_has(s, what)                                                                                                                \
    do {                                                                                                                                   \
        if (!has(s, what))                                                                                                                 \
            fail_msg("'%s' is not in: %.*s", what, STR_ARG(s));                                                                            \
    } while (0)
#define assert_field(a, name, value)                                                                                                       \
    do {                                                                                                                                   \
        struct str v_ = answer_field(a, name);                                                                                             \
        if (!str_is(v_, value))                                                                                                            \
            fail_msg("%s is '%.*s', not '%s'", name, STR_ARG(v_), value);                                                                  \
    } while (0)

/* The JSON error body with code; text may be NULL. */
static void assert_error(const struct answer *a, int status, int code, const char *text)
{
    char start_of[40];
    if (a->status != status)
        fail_msg("status %d, not %d: %.*s", a->status, status, STR_ARG(a->body));
    snprintf(start_of, sizeof start_of, "{\"error_code\":%d,\"message\":\"", code);
    assert_true(str_starts(a->body, str_of(start_of)));
    assert_true(str_ends(a->body, STR("\"}")));
    assert_true(answer_field(a, "X-Request-ID").n > 0);
    assert_has(answer_field(a, "Content-Type"), "json");
    if (text != NULL)
        assert_has(a->body, text);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* ---- paths, parameters, negotiation ------------------------------------------------------------------------------ */

static void answers_at_once(void **state)
{
    struct answer a = client_ask(port, "GET /echo/x?q=1&q=2 HTTP/1.1\r\nHost: example.org:99\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_true(str_is(a.body, "GET|a=x|q=1|q1=2|body=|type=|base=http://example.org:99|bool=0"));
    assert_field(&a, "Content-Type", "application/json");
    assert_true(answer_field(&a, "Date").n == 29);
    assert_true(answer_field(&a, "Connection").p == NULL);
}

static void cuts_paths_before_it_decodes_them(void **state)
{
    static const struct {
        const char *path, *has;
        int status;
    } cases[] = {
        {"/echo/a%2Fb", "|a=a/b|", 200},          {"/echo/a%252Fb", "|a=a%2Fb|", 200},
        {"/echo/a+b", "|a=a+b|", 200},            {"/echo/%C3%A9", "|a=\xC3\xA9|", 200},
        {"/echo/x/", "|a=x|", 200},               {"//echo///x//", "|a=x|", 200},
        {"/%65cho/x", "|a=x|", 200},              {"/echo/%2E%2e", "|a=..|", 200},
        {"/", "literal", 200},                    {"", "literal", 400},
        {"/two/lit", "literal", 200},             {"/two/other", "|a=other|", 200},
        {"/two/lit/sub/1", "|a=1|", 200},         {"/two/lit2/sub/1", "lit2,1", 200},
        {"/two/a%2Fb/sub/c%20d", "a/b,c d", 200}, {"/echo", "HTTP 404 Not Found", 404},
        {"/Echo/x", "HTTP 404", 404},             {"/echo/x/y", "HTTP 404", 404},
        {"/echo/%", "two hexadecimal", 400},      {"/echo/%4", "two hexadecimal", 400},
        {"/echo/%zz", "two hexadecimal", 400},    {"/echo/%00", "NUL", 400},
        {"/echo/%ff", "UTF-8", 400},
        {"/echo/%C0%AF", "UTF-8", 400},           {"/echo/x?q=%zz", "two hexadecimal", 400},
        {"/old/moved", "|a=moved|", 200},         {"http://other/echo/x?q=5", "|q=5|", 200},
        {"/refused", "not here", 422},            {"/echo/a;b=c", "|a=a;b=c|", 200},
        {"/echo/:.sub:x", "|a=:.sub:x|", 200},    {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33", "404", 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", cases[i].path);
        struct answer a = client_ask(port, text);
        if (a.status != cases[i].status || (a.status != 400 && !has(a.body, cases[i].has)))
            fail_msg("%s: %d %.*s", cases[i].path, a.status, STR_ARG(a.body));
    }
}

static void reads_queries(void **state)
{
    static const struct {
        const char *query, *has;
    } cases[] = {
        {"", "|q=(none)|q1=|"},           {"?", "|q=(none)|"},         {"?q", "|q=|q1=|"},          {"?q=", "|q=|q1=|"},
        {"?q=a+b%2Bc", "|q=a b+c|"},      {"?%71=x", "|q=x|"},         {"?x=1&&q=2&q=%33", "|q=2|q1=3|"}, {"?q=a=b", "|q=a=b|"},
        {"?q=%C3%A9", "|q=\xC3\xA9|"},    {"?b=TRUE", "|bool=1"},      {"?b=1", "|bool=0"},         {"?b", "|bool=0"},
        {"?q=a;b&Q=c", "|q=a;b|q1=|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET /echo/x%s HTTP/1.1\r\nHost: h\r\n\r\n", cases[i].query);
        struct answer a = client_ask(port, text);
        assert_has(a.body, cases[i].has);
    }
    assert_true(str_is(client_ask(port, GET("/number?n=-5")).body, "1 -5"));
    assert_true(str_is(client_ask(port, GET("/number?n=2147483648")).body, "-1 77"));
    assert_true(str_is(client_ask(port, GET("/number?n=x")).body, "-1 77"));
    assert_true(str_is(client_ask(port, GET("/number")).body, "0 77"));
}

static void negotiates(void **state)
{
    static const struct {
        const char *accept, *type;
    } cases[] = {
        {"", "application/vnd.x.v1+json"},
        {"Accept: */*\r\n", "application/vnd.x.v1+json"},
        {"Accept: *\r\n", "application/vnd.x.v1+json"},
        {"Accept: application/*\r\n", "application/vnd.x.v1+json"},
        {"Accept: */x\r\n", "application/vnd.x.v1+json"},
        {"Accept: \r\n", "application/vnd.x.v1+json"},
        {"Accept: application/json\r\n", "application/json"},
        {"Accept: APPLICATION/JSON; charset=utf-8\r\n", "application/json"},
        {"Accept: application/json;q=0.5, application/vnd.x+json;q=0.9\r\n", "application/vnd.x+json"},
        {"Accept: application/json, application/vnd.x+json\r\n", "application/vnd.x+json"},
        {"Accept: application/json, */*;q=0.1\r\n", "application/json"},
        {"Accept: application/vnd.x.v1+json;q=0, */*\r\n", "application/vnd.x+json"},
        {"Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\n", "application/vnd.x.v1+json"},
        {"Accept: text/html;a=\"b,application/json\", application/vnd.x+json\r\n", "application/vnd.x+json"},
        {"Accept: text/html\r\nAccept: application/json\r\n", "application/json"},
        {"Accept: text/*\r\n", NULL},
        {"Accept: application/vnd.x.v2+json\r\n", NULL},
        {"Accept: */*;q=0\r\n", NULL},
        {"Accept: nonsense\r\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET /typed/x HTTP/1.1\r\nHost: h\r\n%s\r\n", cases[i].accept);
        struct answer a = client_ask(port, text);
        if (cases[i].type == NULL) {
            assert_error(&a, 406, 406, "HTTP 406 Not Acceptable");
            assert_field(&a, "Content-Type", "application/json");
        } else if (a.status != 200 || !str_is(answer_field(&a, "Content-Type"), cases[i].type)) {
            fail_msg("%s: %d %.*s", cases[i].accept, a.status, STR_ARG(answer_field(&a, "Content-Type")));
        }
    }
}

static void takes_the_types_a_route_consumes(void **state)
{
    static const struct {
        const char *method, *path, *type;
        int status;
        const char *answer_type;
    } cases[] = {
        {"POST", "/echo/x", "", 200, NULL},
        {"POST", "/echo/x", "Content-Type: application/json\r\n", 200, NULL},
        {"POST", "/echo/x", "Content-Type: Application/JSON ; charset=utf-8\r\n", 200, NULL},
        {"POST", "/echo/x", "Content-Type: */*\r\n", 200, NULL},
        {"POST", "/echo/x", "Content-Type: application/*\r\n", 200, NULL},
        {"POST", "/echo/x", "Content-Type: text/html\r\n", 415, "application/vnd.x.v1+json"},
        {"POST", "/echo/x", "Content-Type: text/html\r\nAccept: application/json\r\n", 415, "application/json"},
        {"DELETE", "/echo/x", "Content-Type: text/html\r\n", 200, NULL},
        {"GET", "/typed/x", "Content-Type: text/html\r\n", 200, NULL},
        {"GET", "/strict/x", "Content-Type: text/html\r\nAccept: text/plain, application/json;q=0.1\r\n", 415, "application/json"},
        {"GET", "/strict/x", "Content-Type: text/html\r\n", 415, "application/x-unsupported"},
        {"GET", "/strict/x", "Content-Type: application/json\r\n", 200, NULL},
        {"GET", "/strict/x", "", 200, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n", cases[i].method, cases[i].path, cases[i].type);
        struct answer a = client_ask(port, text);
        assert_int_equal(a.status, cases[i].status);
        if (a.status == 415) {
            assert_has(a.body, "{\"error_code\":415,\"message\":\"HTTP 415 Unsupported Media Type\"}");
            assert_field(&a, "Content-Type", cases[i].answer_type);
        }
    }
    struct answer a = client_ask(port, "POST /echo/x HTTP/1.1\r\nHost: h\r\nContent-Type: Application/JSON ;x=1\r\nContent-Length: 2\r\n\r\n{}");
    assert_has(a.body, "POST|a=x|q=(none)|q1=|body={}|type=application/json|");
}

static void answers_wrong_methods(void **state)
{
    struct answer a = client_ask(port, "PUT /echo/x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_error(&a, 405, 405, "HTTP 405 Method Not Allowed");
    assert_field(&a, "Allow", "GET, POST, DELETE, HEAD, OPTIONS");
    assert_field(&a, "Content-Type", "application/json");
    a = client_ask(port, "get /echo/x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(a.status, 405);
    a = client_ask(port, "OPTIONS /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_field(&a, "Allow", "POST, OPTIONS");
    assert_int_equal(a.body.n, 0);
    assert_int_equal(client_ask(port, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
    assert_int_equal(client_ask(port, "OPTIONS /unknown HTTP/1.1\r\nHost: h\r\n\r\n").status, 404);
    a = client_ask(port, GET("/unknown"));
    assert_error(&a, 404, 404, "{\"error_code\":404,\"message\":\"HTTP 404 Not Found\"}");
    assert_int_equal(client_ask(port, "GET /echo/x HTTP/1.1\r\nHost: h\r\nX-Deny: 1\r\n\r\n").status, 403);
}

static void answers_head_without_body(void **state)
{
    struct client c;
    client_open(&c, port);
    client_send(&c, STR("HEAD /echo/x HTTP/1.1\r\nHost: h\r\n\r\nHEAD /unknown HTTP/1.1\r\nHost: h\r\n\r\nHEAD /big HTTP/1.1\r\nHost: h\r\n\r\n"));
    struct answer a = client_read(&c, true, 5000);
    assert_int_equal(a.status, 200);
    assert_field(&a, "Content-Length", "54");
    a = client_read(&c, true, 5000);
    assert_int_equal(a.status, 404);
    assert_field(&a, "Content-Length", "49");
    a = client_read(&c, true, 5000);
    assert_field(&a, "Content-Length", "5242880");
    client_send(&c, STR(GET("/echo/y")));
    assert_int_equal(client_read(&c, false, 5000).status, 200);
    client_close(&c);
}

static void turns_errors_into_bodies(void **state)
{
    static const struct {
        const char *path;
        int status, code;
        const char *text;
    } cases[] = {
        {"/fail/40401", 404, 40401, "why \\\"it\\\" failed"}, {"/fail/42201", 422, 42201, "why"}, {"/fail/409", 409, 409, "why"},
        {"/fail/-4", 413, 413, "why"},                        {"/fail/-6", 503, 503, "why"},      {"/fail/-5", 504, 504, "why"},
        {"/fail/-1", 500, 500, "Internal Server Error"},      {"/fail/-2", 500, 500, "Internal Server Error"},
        {"/replaced", 404, 40401, "not that one"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", cases[i].path);
        struct answer a = client_ask(port, text);
        assert_error(&a, cases[i].status, cases[i].code, cases[i].text);
        if (cases[i].status == 503)
            assert_field(&a, "Retry-After", "1");
    }
}

static void identifies_requests(void **state)
{
    struct answer a = client_ask(port, "GET /headers HTTP/1.1\r\nHost: h\r\nX-Request-ID: mine 1\r\n\r\n");
    assert_field(&a, "X-Request-ID", "mine 1");
    assert_true(str_is(a.body, "mine 1"));
    static const char *const made[] = {"", "X-Request-ID: \r\n", "X-Request-ID: a\r\nx-request-id: b\r\n", "X-Request-ID: \xC3\xA9\r\n"};
    char last[64] = "";
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET /headers HTTP/1.1\r\nHost: h\r\n%s\r\n", made[i]);
        a = client_ask(port, text);
        struct str id = answer_field(&a, "X-Request-ID");
        assert_int_equal(id.n, 36);
        assert_int_equal(id.p[14], '4');
        assert_true(strchr("89ab", id.p[19]) != NULL);
        assert_false(str_is(id, last));
        snprintf(last, sizeof last, "%.*s", STR_ARG(id));
    }
    char text[300];
    snprintf(text, sizeof text, "GET /headers HTTP/1.1\r\nHost: h\r\nX-Request-ID: %0129d\r\n\r\n", 1);
    assert_int_equal(client_ask(port, text).body.n, 36);
}

static void sends_headers_that_are_safe(void **state)
{
    struct answer a = client_ask(port, "GET /headers?v=a%0d%0aX-Evil:1 HTTP/1.1\r\nHost: h\r\nX-Something: copied\r\n\r\n");
    assert_int_equal(a.status, 201);
    assert_field(&a, "Content-Type", "text/plain");
    assert_true(answer_field(&a, "X-Sent").p == NULL);
    assert_true(answer_field(&a, "X-Evil").p == NULL);
    assert_field(&a, "X-Copied", "copied");
    static const char *const methods[] = {"GET", "HEAD"}; /* the two ways of answering */
    for (size_t i = 0; i < 2; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s /headers HTTP/1.1\r\nHost: h\r\nX-Something: a\tb\r\n\r\n", methods[i]);
        a = client_ask(port, text);
        assert_int_equal(a.status, 201);
        assert_true(answer_field(&a, "X-Copied").p == NULL);
    }
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

static void sends_large_answers(void **state)
{
    int before = released;
    struct client c;
    client_open(&c, port);
    for (int i = 0; i < 3; i++) {
        client_send(&c, STR(GET("/big")));
        struct answer a = client_read(&c, false, 20000);
        assert_int_equal(a.body.n, BIG);
        assert_memory_equal(a.body.p, big, BIG);
    }
    client_send(&c, STR("HEAD /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    client_read(&c, true, 5000);
    assert_true(client_ended(&c, 5000));
    client_close(&c);
    client_open(&c, port); /* and one who leaves in the middle */
    client_send(&c, STR(GET("/big")));
    client_close(&c);
    for (int i = 0; i < 2000 && released < before + 5; i++)
        clock_sleep_ms(1);
    assert_int_equal(released, before + 5);
}

static void streams(void **state)
{
    int before = released;
    struct answer a = client_ask(port, GET("/stream"));
    assert_int_equal(a.status, 200);
    assert_field(&a, "Transfer-Encoding", "chunked");
    assert_int_equal(a.body.n, 48890);
    assert_true(str_ends(a.body, STR("9998\n9999\n")));
    a = client_ask(port, "GET /stream HTTP/1.0\r\n\r\n");
    assert_true(answer_field(&a, "Transfer-Encoding").p == NULL);
    assert_int_equal(a.body.n, 48890);
    a = client_ask(port, GET("/stream?cut=true"));
    assert_true(a.cut);
    for (int i = 0; i < 2000 && released < before + 3; i++)
        clock_sleep_ms(1);
    assert_int_equal(released, before + 3);
}

static void reads_bodies_in_any_pieces(void **state)
{
    static const char whole[] = "POST /echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                                "POST /echo/y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "3\r\nabc\r\n0a;x=\"y\"\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
                                "GET /echo/z HTTP/1.1\r\nHost: h\r\n\r\n";
    for (size_t step = 1; step < sizeof whole; step += step < 8 ? 1 : 13) {
        struct client c;
        client_open(&c, port);
        for (size_t at = 0; at < sizeof whole - 1; at += step) {
            size_t n = sizeof whole - 1 - at;
            client_send(&c, str_n(whole + at, n < step ? n : step));
            if (step < 4 && at % 16 == 0)
                clock_sleep_ms(1);
        }
        assert_has(client_read(&c, false, 5000).body, "POST|a=x|q=(none)|q1=|body=hello|");
        assert_has(client_read(&c, false, 5000).body, "POST|a=y|q=(none)|q1=|body=abc0123456789|");
        assert_has(client_read(&c, false, 5000).body, "GET|a=z|q=(none)|q1=|body=|");
        client_close(&c);
    }
}

static void pipelines(void **state)
{
    enum { N = 5000 };
    struct client c;
    struct buf all = {0};
    client_open(&c, port);
    for (int i = 0; i < N; i++)
        buf_printf(&all, i % 3 == 0 ? "POST /echo/%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" : "GET /echo/%d HTTP/1.1\r\nHost: h\r\n\r\n", i);
    client_send(&c, buf_str(&all));
    for (int i = 0; i < N; i++) {
        char expected[40];
        struct answer a = client_read(&c, false, 10000);
        snprintf(expected, sizeof expected, "|a=%d|", i);
        assert_has(a.body, expected);
    }
    client_close(&c);
    buf_clear(&all);
}

static void limits_bodies(void **state)
{
    struct answer a = client_ask(port, "POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n");
    assert_error(&a, 413, 413, "over 1048576 bytes");
    assert_field(&a, "Connection", "close");
    a = client_ask(port, "POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n");
    assert_error(&a, 413, 413, NULL);
    a = client_ask(port, "POST /nothing HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n");
    assert_error(&a, 413, 413, NULL);
    /* Many small chunks add up, and the client that still sends gets to read the answer. */
    struct client c;
    struct buf chunk = {0};
    client_open(&c, port);
    client_send(&c, STR("POST /nothing HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
    buf_printf(&chunk, "8000\r\n%032768d\r\n", 1);
    for (int i = 0; i < 64; i++)
        client_send(&c, buf_str(&chunk));
    a = client_read(&c, false, 5000);
    assert_error(&a, 413, 413, NULL);
    client_close(&c);
    /* Exactly the limit is fine. */
    client_open(&c, port);
    client_send(&c, STR("POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n"));
    client_send(&c, str_n(big, 1 << 20));
    assert_true(str_is(client_read(&c, false, 5000).body, "1048576"));
    client_close(&c);
    buf_clear(&chunk);
}

static void continues_on_request(void **state)
{
    struct client c;
    client_open(&c, port);
    client_send(&c, STR("POST /echo/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    assert_int_equal(client_read(&c, false, 5000).status, 100);
    client_send(&c, STR("ok"));
    assert_has(client_read(&c, false, 5000).body, "|body=ok|");
    client_send(&c, STR("POST /echo/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n"));
    assert_int_equal(client_read(&c, false, 5000).status, 413);
    client_close(&c);
    assert_int_equal(client_ask(port, "POST /echo/x HTTP/1.1\r\nHost: h\r\nExpect: wonders\r\n\r\n").status, 417);
}

static void keeps_and_ends_connections(void **state)
{
    struct client c;
    client_open(&c, port);
    client_send(&c, STR("GET /echo/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    struct answer a = client_read(&c, false, 5000);
    assert_field(&a, "Connection", "Keep-Alive");
    assert_has(a.body, "base=http://127.0.0.1:");
    client_send(&c, STR("GET /echo/x HTTP/1.0\r\n\r\n"));
    a = client_read(&c, false, 5000);
    assert_field(&a, "Connection", "close");
    assert_true(client_ended(&c, 5000));
    client_close(&c);
    client_open(&c, port);
    client_send(&c, STR("GET /echo/x HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n" GET("/echo/never")));
    assert_int_equal(client_read(&c, false, 5000).status, 200);
    assert_true(client_ended(&c, 5000));
    client_close(&c);
    client_open(&c, port); /* who closes his half after asking gets his answer and then the end */
    client_send(&c, STR(GET("/echo/x")));
    shutdown(c.fd, SHUT_WR);
    assert_int_equal(client_read(&c, false, 5000).status, 200);
    assert_true(client_ended(&c, 5000));
    client_close(&c);
    client_open(&c, port); /* a 404 is no reason to end */
    client_send(&c, STR(GET("/unknown") GET("/echo/x")));
    assert_int_equal(client_read(&c, false, 5000).status, 404);
    assert_int_equal(client_read(&c, false, 5000).status, 200);
    client_close(&c);
}

/* ---- later ------------------------------------------------------------------------------------------------------- */

static void answers_later(void **state)
{
    struct client c;
    client_open(&c, port);
    for (int i = 0; i < 200; i++) {
        client_send(&c, i % 2 == 0 ? STR(GET("/later/-1")) : STR(GET("/later/0")));
        assert_true(str_is(client_read(&c, false, 5000).body, "later"));
    }
    client_send(&c, STR(GET("/later/20") GET("/later/20") GET("/echo/x")));
    assert_true(str_is(client_read(&c, false, 5000).body, "later"));
    assert_true(str_is(client_read(&c, false, 5000).body, "later"));
    assert_has(client_read(&c, false, 5000).body, "|a=x|");
    client_close(&c);
}

static void answers_many_later(void **state)
{
    enum { N = 300 };
    static struct client c[N];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            if (round == 0)
                client_open(&c[i], port);
            char text[100];
            snprintf(text, sizeof text, "GET /later/%d HTTP/1.1\r\nHost: h\r\n\r\n", (i * 7) % 200);
            client_send(&c[i], str_of(text));
        }
        for (int i = 0; i < N; i++)
            assert_true(str_is(client_read(&c[i], false, 20000).body, "later"));
    }
    for (int i = 0; i < N; i++)
        client_close(&c[i]);
}

static void notices_who_has_gone(void **state)
{
    struct client c;
    for (int kind = 0; kind < 3; kind++) {
        int before = gone;
        client_open(&c, port);
        client_send(&c, STR(GET("/later/60000")));
        if (kind == 1) /* bytes of a next request are no sign of leaving */
            client_send(&c, STR(GET("/echo/x")));
        clock_sleep_ms(300);
        assert_int_equal(gone, before);
        int64_t at = clock_mono_ms();
        if (kind == 2)
            shutdown(c.fd, SHUT_WR);
        else
            client_close(&c);
        while (gone == before && clock_mono_ms() - at < 5000)
            clock_sleep_ms(1);
        assert_int_equal(gone, before + 1);
        assert_true(clock_mono_ms() - at < 1000);
        if (kind == 2) { /* who only closed one half gets an answer */
            assert_true(str_is(client_read(&c, false, 5000).body, "hurried"));
            client_close(&c);
        }
    }
    while (finishers != 0)
        clock_sleep_ms(1);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void refuses(struct str bytes, int status, const char *text)
{
    struct client c;
    int before = handled;
    client_open(&c, port);
    client_send(&c, bytes);
    client_send(&c, STR(GET("/echo/smuggled")));
    struct answer a = client_read(&c, false, 5000);
    if (a.status != status)
        fail_msg("%.*s\n-> %d %.*s, not %d", STR_ARG(bytes), a.status, STR_ARG(a.body), status);
    assert_error(&a, status, status, text);
    assert_field(&a, "Connection", "close");
    assert_true(client_ended(&c, 5000));
    assert_int_equal(handled, before);
    client_close(&c);
}

static void refuses_ambiguous_requests(void **state)
{
#define H "Host: h\r\n"
    static const struct {
        struct str bytes;
        int status;
        const char *text;
    } cases[] = {
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, "beside"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"), 400, "beside"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), 400, "more than one Content-Length"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"), 400, "more than one Content-Length"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc"), 400, "Content-Length"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nabcde"), 400, "Content-Length"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n"), 400, "Content-Length"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length: 1e3\r\n\r\n"), 400, "Content-Length"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\nabcde"), 400, "Content-Length"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"), 400, "Content-Length"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\nabcde"), 400, "Content-Length"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400, "Transfer-Encoding"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"), 400, "Transfer-Encoding"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 400, "Transfer-Encoding"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, "Transfer-Encoding"},
        {STR("POST /nothing HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, "HTTP/1.0"},
        {STR("GET /echo/x HTTP/1.1\r\n" H H "\r\n"), 400, "more than one Host"},
        {STR("GET /echo/x HTTP/1.1\r\n" H "Host: i\r\n\r\n"), 400, "more than one Host"},
        {STR("GET /echo/x HTTP/1.1\r\n\r\n"), 400, "needs a Host"},
        {STR("GET /echo/x HTTP/1.1\r\nHost: a b\r\n\r\n"), 400, "Host"},
        {STR("GET /echo/x HTTP/1.1\r\nHost: h/evil\"\r\n\r\n"), 400, "Host"},
        {STR("GET /echo/x HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"), 400, "control character"},
        {STR("GET /echo/x HTTP/1.1\r\n" H "X\0: a\r\n\r\n"), 400, "name"},
        {STR("GET /echo/x\0y HTTP/1.1\r\n" H "\r\n"), 400, "target"},
        {STR("GET /echo/x HTTP/1.1\n" H "\r\n"), 400, "bare line feed"},
        {STR("GET /echo/x HTTP/1.1\r\nHost: h\nX: y\r\n\r\n"), 400, "bare line feed"},
        {STR("GET /echo/x HTTP/1.1\r\n" H "\n"), 400, "bare line feed"},
        {STR("\nGET /echo/x HTTP/1.1\r\n" H "\r\n"), 400, "bare line feed"},
        {STR("GET /echo/x HTTP/1.1\r\n" H "X: a\rb\r\n\r\n"), 400, "control character"},
        {STR("GET /echo/x HTTP/1.1\r\n" H "X: a\r\n folded\r\n\r\n"), 400, "folded"},
        {STR("GET /echo/x HTTP/1.1\r\n " H "\r\n"), 400, "folded"},
        {STR("GET /echo/x HTTP/1.1\r\n" H "X : a\r\n\r\n"), 400, "name"},
        {STR("GET /echo/x HTTP/1.1\r\n" H "no colon here\r\n\r\n"), 400, "no colon"},
        {STR("GET /echo/x HTTP/1.1\r\n" H ": nameless\r\n\r\n"), 400, "name"},
        {STR("GET  /echo/x HTTP/1.1\r\n" H "\r\n"), 400, NULL},
        {STR("GET /echo/x y HTTP/1.1\r\n" H "\r\n"), 400, "target"},
        {STR("GET /echo/x  HTTP/1.1\r\n" H "\r\n"), 400, NULL},
        {STR("GET /echo/x#f HTTP/1.1\r\n" H "\r\n"), 400, "target"},
        {STR("GET echo/x HTTP/1.1\r\n" H "\r\n"), 400, "neither"},
        {STR("GET /echo/x\r\n\r\n"), 400, NULL},
        {STR("GET /echo/x HTTP/1.1x\r\n" H "\r\n"), 400, NULL},
        {STR("GET /echo/x http/1.1\r\n" H "\r\n"), 400, NULL},
        {STR("GET /echo/x HTTP/2.0\r\n" H "\r\n"), 505, NULL},
        {STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, NULL},
        {STR("G@T /echo/x HTTP/1.1\r\n" H "\r\n"), 400, "method"},
        {STR("\x16\x03\x01\x02\n"), 400, NULL},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"), 400, "bare line feed"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n"), 400, "longer"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"), 400, "longer"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n"), 400, "size"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"), 400, "size"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n\r\n"), 400, "size"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"), 400, "size"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;a\0b\r\nx\r\n0\r\n\r\n"), 400, "control"},
        {STR("POST /nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\nno field\r\n\r\n"), 400, "not a field"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuses(cases[i].bytes, cases[i].status, cases[i].text);
}

static void answers_what_came_before_a_refusal(void **state)
{
    struct client c;
    client_open(&c, port);
    client_send(&c, STR(GET("/echo/1") GET("/echo/2") "GET /echo/3 HTTP/1.1\r\n\r\n" GET("/echo/4")));
    assert_has(client_read(&c, false, 5000).body, "|a=1|");
    assert_has(client_read(&c, false, 5000).body, "|a=2|");
    struct answer a = client_read(&c, false, 5000);
    assert_error(&a, 400, 400, "needs a Host");
    assert_true(client_ended(&c, 5000));
    client_close(&c);
}

static void limits_heads(void **state)
{
    struct buf b = {0};
    buf_printf(&b, "GET /echo/x HTTP/1.1\r\nHost: h\r\nX: %04000d\r\n\r\n", 1);
    assert_int_equal(client_ask(port, buf_cstr(&b)).status, 200);
    buf_reset(&b);
    buf_printf(&b, "GET /echo/x HTTP/1.1\r\nHost: h\r\nX: %05000d\r\n\r\n", 1);
    refuses(buf_str(&b), 431, "4096 bytes");
    buf_reset(&b);
    buf_printf(&b, "GET /echo/x HTTP/1.1\r\nHost: h\r\nX: %0500000d", 1); /* without an end */
    refuses(buf_str(&b), 431, "4096 bytes");
    buf_reset(&b);
    buf_printf(&b, "GET /%05000d HTTP/1.1\r\nHost: h\r\n\r\n", 1);
    refuses(buf_str(&b), 431, NULL);
    buf_reset(&b);
    buf_printf(&b, "GET /%070000d", 1);
    refuses(buf_str(&b), 414, "URI Too Long");
    buf_reset(&b);
    buf_printf(&b, "GET /echo/x HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 99; i++)
        buf_printf(&b, "X%d: y\r\n", i);
    struct buf full = {0};
    buf_put_str(&full, buf_str(&b));
    buf_printf(&full, "\r\n");
    assert_int_equal(client_ask(port, buf_cstr(&full)).status, 200);
    buf_printf(&b, "One: more\r\n\r\n");
    refuses(buf_str(&b), 431, "100 fields");
    buf_clear(&b);
    buf_clear(&full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_at_once),
        cmocka_unit_test(cuts_paths_before_it_decodes_them),
        cmocka_unit_test(reads_queries),
        cmocka_unit_test(negotiates),
        cmocka_unit_test(takes_the_types_a_route_consumes),
        cmocka_unit_test(answers_wrong_methods),
        cmocka_unit_test(answers_head_without_body),
        cmocka_unit_test(turns_errors_into_bodies),
        cmocka_unit_test(identifies_requests),
        cmocka_unit_test(sends_headers_that_are_safe),
        cmocka_unit_test(sends_large_answers),
        cmocka_unit_test(streams),
        cmocka_unit_test(reads_bodies_in_any_pieces),
        cmocka_unit_test(pipelines),
        cmocka_unit_test(limits_bodies),
        cmocka_unit_test(continues_on_request),
        cmocka_unit_test(keeps_and_ends_connections),
        cmocka_unit_test(answers_later),
        cmocka_unit_test(answers_many_later),
        cmocka_unit_test(notices_who_has_gone),
        cmocka_unit_test(refuses_ambiguous_requests),
        cmocka_unit_test(answers_what_came_before_a_refusal),
        cmocka_unit_test(limits_heads),
    };
    return cmocka_run_group_tests_name("http", tests, set_up, tear_down);
}
