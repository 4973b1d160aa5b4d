/* The registry client against a small HTTP server in this process, which plays a registry, slow, broken or refusing as each test
 * wants. */
#include "serde/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/own.h"

/* ---- the server ---------------------------------------------------------------------------------------------------- */

/* What is answered: the first row that fits; a row with times > 0 is used so often only. */
struct row {
    const char *method, *path; /* the whole target */
    int status;
    const char *body;
    int delay_ms, times;
    const char *body_has; /* the request's body must contain it; NULL: any */
};

struct server {
    int fd, port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct row *rows; /* lock: times */
    size_t nrows;
    char log[16384];                               /* lock: "METHOD target\n" each */
    char last_authorization[256], last_body[4096]; /* lock */
    atomic_int connections, at_once, most_at_once, open;
};

struct connection {
    struct server *server;
    int fd;
};

static void send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        p += k;
        n -= (size_t)k;
    }
}

static void copy_header(const char *head, const char *name, char *to, size_t size)
{
    const char *at = strcasestr(head, name);
    *to = '\0';
    if (at != NULL)
        snprintf(to, size, "%.*s", (int)strcspn(at + strlen(name), "\r"), at + strlen(name));
}

static void answer(struct server *s, int fd, const char *method, const char *target, const char *head, const char *body)
{
    static const struct row none = {.status = 404, .body = "not JSON at all"};
    struct row row = none;
    pthread_mutex_lock(&s->lock);
    size_t n = strlen(s->log);
    snprintf(s->log + n, sizeof s->log - n, "%s %s\n", method, target);
    copy_header(head, "\r\nAuthorization: ", s->last_authorization, sizeof s->last_authorization);
    snprintf(s->last_body, sizeof s->last_body, "%s", body);
    for (size_t i = 0; i < s->nrows; i++) {
        struct row *r = &s->rows[i];
        if (r->times < 0 || strcmp(r->method, method) != 0 || strcmp(r->path, target) != 0 ||
            (r->body_has != NULL && strstr(body, r->body_has) == NULL))
            continue;
        if (r->times > 0 && --r->times == 0)
            r->times = -1;
        row = *r;
        break;
    }
    pthread_mutex_unlock(&s->lock);
    int now = atomic_fetch_add(&s->at_once, 1) + 1;
    if (now > atomic_load(&s->most_at_once))
        atomic_store(&s->most_at_once, now);
    clock_sleep_ms(row.delay_ms);
    atomic_fetch_sub(&s->at_once, 1);
    struct buf out = {0};
    buf_printf(&out, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", row.status,
               strlen(row.body), row.body);
    send_all(fd, out.p, out.n);
    buf_clear(&out);
}

static void *serve_connection(void *arg)
{
    struct connection c = *(struct connection *)arg;
    free(arg);
    char text[65536];
    size_t n = 0;
    for (;;) {
        text[n] = '\0';
        char *end = strstr(text, "\r\n\r\n"), length[32];
        if (end != NULL) {
            *end = '\0';
            copy_header(text, "\r\nContent-Length: ", length, sizeof length);
            *end = '\r';
            size_t head = (size_t)(end + 4 - text), body = (size_t)atoi(length);
            if (n >= head + body) {
                char method[16], target[1024];
                assert_int_equal(sscanf(text, "%15s %1023s", method, target), 2);
                answer(c.server, c.fd, method, target, text, end + 4);
                n = 0;
                continue;
            }
        }
        ssize_t k = recv(c.fd, text + n, sizeof text - 1 - n, 0);
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    close(c.fd);
    atomic_fetch_sub(&c.server->open, 1);
    return NULL;
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        struct connection *c = malloc(sizeof *c);
        pthread_t t;
        *c = (struct connection){s, fd};
        atomic_fetch_add(&s->connections, 1);
        atomic_fetch_add(&s->open, 1);
        assert_int_equal(pthread_create(&t, NULL, serve_connection, c), 0);
        pthread_detach(t);
    }
    return NULL;
}

static void server_start(struct server *s, struct row *rows, size_t nrows)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    memset(s, 0, sizeof *s);
    s->rows = rows;
    s->nrows = nrows;
    pthread_mutex_init(&s->lock, NULL);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

/* After the client is gone. */
static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    while (atomic_load(&s->open) > 0)
        clock_sleep_ms(1);
    pthread_mutex_destroy(&s->lock);
}

static int count_log(struct server *s, const char *line)
{
    int n = 0;
    pthread_mutex_lock(&s->lock);
    for (const char *p = s->log; (p = strstr(p, line)) != NULL; p++)
        n++;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static struct client *connect_to(const char *fmt, int port, int retries)
{
    struct err err = {0};
    char url[256];
    snprintf(url, sizeof url, fmt, port);
    const struct client_options o = {
        .urls = url, .retries = retries, .retry_wait_ms = 1, .retry_max_wait_ms = 2, .timeout_ms = 5000};
    struct client *c = client_new(&o, &err);
    if (c == NULL)
        fail_msg("%s", err.text);
    return c;
}

#define ROWS(name, ...) static struct row name[] = {__VA_ARGS__}
#define N(a) (sizeof(a) / sizeof *(a))
#define POINT                                                                                                                    \
    "{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"n.Point\\\",\\\"fields\\\":[{\\\"name\\\":\\\"x\\\",\\\"type\\\":"            \
    "\\\"int\\\"}]}"

/* ---- by id --------------------------------------------------------------------------------------------------------- */

static void ids(void **state)
{
    ROWS(rows, {"GET", "/schemas/ids/7", 200, "{\"schema\":\"\\\"int\\\"\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/8", 404, "{\"error_code\":40403,\"message\":\"Schema 8 not found\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/10", 200, "{\"schema\":\"\\\"what\\\"\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/11", 200, "[]", 0, 0, NULL},
         {"GET", "/schemas/ids/12", 200, "{\"schema\":\"{}\",\"schemaType\":\"XML\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/13", 200, "{}", 0, 0, NULL},
         {"GET", "/schemas/ids/14", 200,
          "{\"schema\":\"\\\"int\\\"\",\"ruleSet\":{\"domainRules\":[{\"name\":\"a\",\"disabled\":true},{\"name\":\"b\"}]}}", 0,
          0, NULL},
         {"GET", "/schemas/ids/15", 200,
          "{\"schema\":\"\\\"int\\\"\",\"ruleSet\":{\"domainRules\":[{\"name\":\"a\",\"disabled\":true}],\"migrationRules\":[{}]}"
          "}",
          0, 0, NULL});
    struct server s;
    struct err err = {0};
    server_start(&s, rows, N(rows));
    struct client *c = connect_to("http://127.0.0.1:%d/", s.port, -1);
    assert_null(client_peek_id(c, 7));
    struct client_schema *e = client_get_id(c, 7, &err), *again = client_get_id(c, 7, &err), *peeked = client_peek_id(c, 7);
    assert_non_null(e);
    assert_ptr_equal(e, again);
    assert_ptr_equal(e, peeked);
    assert_int_equal(client_schema_id(e), 7);
    assert_true(str_eq(schema_canonical(client_schema_schema(e)), STR("\"int\"")));
    assert_non_null(client_schema_codec(e));
    assert_int_equal(count_log(&s, "GET /schemas/ids/7\n"), 1);
    assert_int_equal(atomic_load(&s.connections), 1);
    static const struct {
        int id, code;
        const char *says;
    } bad[] = {{8, 40403, "Schema 8 not found"},  {9, 404, "with status 404"}, {10, ERR_INVALID, "what"},
               {11, ERR_IO, "not a JSON object"}, {12, ERR_INVALID, "XML"},    {13, ERR_IO, "has no schema"},
               {14, ERR_INVALID, "rules"}};
    for (size_t i = 0; i < N(bad); i++) {
        err_clear(&err);
        assert_null(client_get_id(c, bad[i].id, &err));
        if (err.code != bad[i].code || strstr(err.text, bad[i].says) == NULL)
            fail_msg("%d: %d %s", bad[i].id, err.code, err.text);
        assert_null(client_peek_id(c, bad[i].id));
    }
    struct client_schema *tame = client_get_id(c, 15, &err);
    assert_non_null(tame);
    client_schema_unref(tame);
    client_free(c);
    assert_int_equal(client_schema_id(peeked), 7); /* entries outlive the client */
    client_schema_unref(e);
    client_schema_unref(again);
    client_schema_unref(peeked);
    server_stop(&s);
}

static void references(void **state)
{
    ROWS(rows,
         {"GET", "/schemas/ids/3", 200,
          "{\"schema\":\"{\\\"type\\\":\\\"array\\\",\\\"items\\\":\\\"n.Line\\\"}\",\"references\":[{\"name\":\"n.Line\","
          "\"subject\":\"a/line\",\"version\":2},"
          "{\"name\":\"n.Point\",\"subject\":\":.c:point\",\"version\":1}]}",
          0, 0, NULL},
         {"GET", "/subjects/a%2Fline/versions/2?deleted=true", 200,
          "{\"schema\":\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"n.Line\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\","
          "\\\"type\\\":\\\"n.Point\\\"}]}\","
          "\"references\":[{\"name\":\"n.Point\",\"subject\":\":.c:point\",\"version\":1}]}",
          0, 0, NULL},
         {"GET", "/subjects/%3A.c%3Apoint/versions/1?deleted=true", 200, "{\"schema\":\"" POINT "\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/4", 200,
          "{\"schema\":\"\\\"n.A\\\"\",\"references\":[{\"name\":\"n.A\",\"subject\":\"loop\",\"version\":1}]}", 0, 0, NULL},
         {"GET", "/subjects/loop/versions/1?deleted=true", 200,
          "{\"schema\":\"" POINT "\",\"references\":[{\"name\":\"x\",\"subject\":\"loop\",\"version\":1}]}", 0, 0, NULL},
         {"GET", "/schemas/ids/5", 200,
          "{\"schema\":\"\\\"n.A\\\"\",\"references\":[{\"name\":\"n.A\",\"subject\":\"gone\",\"version\":1}]}", 0, 0, NULL},
         {"GET", "/subjects/gone/versions/1?deleted=true", 404,
          "{\"error_code\":40401,\"message\":\"Subject 'gone' not found.\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/6", 200, "{\"schema\":\"\\\"int\\\"\",\"references\":[{\"name\":\"n.A\"}]}", 0, 0, NULL},
         {"POST", "/subjects/lines", 200, "{\"subject\":\"lines\",\"id\":3,\"version\":1}", 0, 0,
          "\"references\":[{\"name\":\"n.Line\",\"subject\":\"a/line\",\"version\":2},{"});
    struct server s;
    struct err err = {0};
    OWN_BY(buf_clear) struct buf out = {0};
    server_start(&s, rows, N(rows));
    struct client *c = connect_to("http://127.0.0.1:%d", s.port, -1);
    struct client_schema *e = client_get_id(c, 3, &err);
    if (e == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(count_log(&s, "point"), 1);
    assert_int_equal(codec_decode_json(client_schema_codec(e), STR("\x04\x02\x04\x00"), &out, &err), 0);
    assert_true(str_eq(buf_str(&out), STR("[{\"a\":{\"x\":1}},{\"a\":{\"x\":2}}]")));
    assert_int_equal(client_check_registered(c, STR("lines"), 3, &err), 0);
    client_schema_unref(e);
    assert_null(client_get_id(c, 4, &err)); /* a circle ends; n.A is nowhere */
    assert_int_equal(err.code, ERR_INVALID);
    err_clear(&err);
    assert_null(client_get_id(c, 5, &err));
    assert_int_equal(err.code, 40401);
    err_clear(&err);
    assert_null(client_get_id(c, 6, &err));
    assert_non_null(strstr(err.text, "reference without name"));
    client_free(c);
    server_stop(&s);
}

/* ---- by subject and text --------------------------------------------------------------------------------------------- */

static void registrations(void **state)
{
    ROWS(rows, {"GET", "/schemas/ids/7", 200, "{\"schema\":\"\\\"int\\\"\"}", 0, 0, NULL},
         {"POST", "/subjects/a%20b%2Fc%25-value", 200, "{\"subject\":\"x\",\"id\":7,\"version\":1,\"schema\":\"\\\"int\\\"\"}", 0,
          0, "{\"schema\":\"\\\"int\\\"\"}"},
         {"POST", "/subjects/none-value", 404, "{\"error_code\":40401,\"message\":\"Subject 'none-value' not found.\"}", 0, 0,
          NULL});
    struct server s;
    struct err err = {0};
    server_start(&s, rows, N(rows));
    struct client *c = connect_to("http://127.0.0.1:%d", s.port, -1);
    struct str subject = STR("a b/c%-value");
    assert_false(client_peek_registered(c, subject, 7));
    assert_int_equal(client_check_registered(c, subject, 7, &err), 0);
    assert_int_equal(client_check_registered(c, subject, 7, &err), 0);
    assert_true(client_peek_registered(c, subject, 7));
    assert_false(client_peek_registered(c, subject, 8));
    assert_int_equal(count_log(&s, "POST"), 1);
    assert_int_equal(client_check_registered(c, STR("none-value"), 7, &err), -1);
    assert_int_equal(err.code, 40401);
    assert_string_equal(err.text, "Subject 'none-value' not found.");
    err_clear(&err);
    assert_int_equal(client_check_registered(c, STR(""), 7, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    client_free(c);
    server_stop(&s);
}

static void texts(void **state)
{
    ROWS(rows, {"POST", "/subjects/there", 200, "{\"id\":7,\"version\":1,\"schema\":\"\\\"int\\\"\"}", 0, 0, NULL},
         {"POST", "/subjects/new", 404, "{\"error_code\":40401,\"message\":\"Subject 'new' not found.\"}", 0, 0, NULL},
         {"POST", "/subjects/new/versions", 200, "{\"id\":7}", 0, 0,
          "\"{\\\"type\\\":\\\"int\\\"}\""}, /* never: canonical text is sent */
         {"POST", "/subjects/new/versions", 200, "{\"id\":7}", 0, 0, "{\"schema\":\"\\\"int\\\"\"}"},
         {"POST", "/subjects/strict", 404, "{\"error_code\":40403,\"message\":\"Schema not found\"}", 0, 0, NULL},
         {"POST", "/subjects/strict/versions", 409,
          "{\"error_code\":40901,\"message\":\"Schema being registered is incompatible\"}", 0, 0, NULL},
         {"POST", "/subjects/other", 200, "{\"id\":9,\"version\":1,\"schema\":\"{\\\"type\\\":\\\"int\\\",\\\"x\\\":1}\"}", 0, 0,
          NULL},
         {"GET", "/schemas/ids/9", 200, "{\"schema\":\"{\\\"type\\\":\\\"int\\\",\\\"x\\\":1}\"}", 0, 0, NULL});
    struct server s;
    struct err err = {0};
    server_start(&s, rows, N(rows));
    struct client *c = connect_to("http://127.0.0.1:%d", s.port, -1);
    assert_null(client_peek_text(c, STR("there"), SCHEMA_AVRO, STR("\"int\"")));
    struct client_schema *a = client_register(c, STR("there"), SCHEMA_AVRO, STR("\"int\""), &err);
    assert_non_null(a);
    assert_int_equal(client_schema_id(a), 7);
    assert_true(client_peek_registered(c, STR("there"), 7));
    struct client_schema *b = client_register(c, STR("new"), SCHEMA_AVRO, STR(" {\"type\": \"int\"}"), &err);
    assert_ptr_equal(a, b); /* one entry an id */
    struct client_schema *p = client_peek_text(c, STR("new"), SCHEMA_AVRO, STR(" {\"type\": \"int\"}")),
                         *q = client_peek_id(c, 7);
    assert_ptr_equal(a, p);
    assert_ptr_equal(a, q);
    assert_null(client_peek_text(c, STR("new"), SCHEMA_AVRO, STR("{\"type\": \"int\"}")));
    assert_null(client_peek_text(c, STR("ne"), SCHEMA_AVRO, STR("w {\"type\": \"int\"}")));
    assert_int_equal(count_log(&s, "POST"), 3);
    struct client_schema *other = client_register(c, STR("other"), SCHEMA_AVRO, STR("\"int\""), &err);
    assert_non_null(other);
    assert_int_equal(client_schema_id(other), 9);
    assert_true(str_eq(schema_canonical(client_schema_schema(other)), STR("{\"type\":\"int\",\"x\":1}")));
    assert_null(client_register(c, STR("strict"), SCHEMA_AVRO, STR("\"int\""), &err));
    assert_int_equal(err.code, 40901);
    err_clear(&err);
    int before = count_log(&s, "\n");
    assert_null(client_register(c, STR("bad"), SCHEMA_AVRO, STR("\"whatever\""), &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(count_log(&s, "\n"), before);
    client_schema_unref(a);
    client_schema_unref(b);
    client_schema_unref(p);
    client_schema_unref(q);
    client_schema_unref(other);
    client_free(c);
    server_stop(&s);
}

/* ---- failures, several servers -------------------------------------------------------------------------------------- */

static void retries(void **state)
{
    ROWS(rows, {"GET", "/schemas/ids/1", 503, "{\"error_code\":50302,\"message\":\"busy\"}", 0, 2, NULL},
         {"GET", "/schemas/ids/1", 200, "{\"schema\":\"\\\"int\\\"\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/2", 500, "{\"error_code\":50001,\"message\":\"store\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/3", 401, "", 0, 0, NULL});
    struct server s;
    struct err err = {0};
    server_start(&s, rows, N(rows));
    struct client *c = connect_to("http://127.0.0.1:%d", s.port, 3);
    struct client_schema *e = client_get_id(c, 1, &err);
    assert_non_null(e);
    client_schema_unref(e);
    assert_int_equal(count_log(&s, "/1\n"), 3);
    assert_null(client_get_id(c, 2, &err));
    assert_int_equal(err.code, 50001);
    assert_int_equal(count_log(&s, "/2\n"), 4);
    err_clear(&err);
    assert_null(client_get_id(c, 3, &err));
    assert_int_equal(err.code, 401);
    assert_int_equal(count_log(&s, "/3\n"), 1);
    client_free(c);
    server_stop(&s);
}

static int closed_port(void)
{
    struct server s;
    server_start(&s, NULL, 0);
    server_stop(&s);
    return s.port;
}

static void several_servers(void **state)
{
    ROWS(rows, {"GET", "/base/schemas/ids/1", 200, "{\"schema\":\"\\\"int\\\"\"}", 0, 0, NULL},
         {"GET", "/base/schemas/ids/2", 200, "{\"schema\":\"\\\"long\\\"\"}", 0, 0, NULL});
    ROWS(busy, {"GET", "/schemas/ids/1", 503, "", 0, 0, NULL});
    struct server s, b;
    struct err err = {0};
    char urls[256];
    server_start(&s, rows, N(rows));
    server_start(&b, busy, N(busy));
    snprintf(urls, sizeof urls, "http://127.0.0.1:%d , http://127.0.0.1:%d,http://me%%40home:s%%3Acret@127.0.0.1:%d/base/",
             closed_port(), b.port, s.port);
    const struct client_options o = {.urls = urls, .basic_user_info = "you:pw", .retries = -1};
    struct client *c = client_new(&o, &err);
    struct client_schema *e = client_get_id(c, 1, &err), *f = client_get_id(c, 2, &err);
    if (e == NULL || f == NULL)
        fail_msg("%s", err.text);
    assert_string_equal(s.last_authorization, "Basic bWVAaG9tZTpzOmNyZXQ="); /* me@home:s:cret */
    assert_string_equal(b.last_authorization, "Basic eW91OnB3");
    assert_int_equal(count_log(&b, "\n"), 1); /* the one that worked is asked first */
    client_schema_unref(e);
    client_schema_unref(f);
    client_free(c);
    server_stop(&s);
    server_stop(&b);
}

static void nobody_there(void **state)
{
    ROWS(rows, {"GET", "/schemas/ids/1", 200, "{}", 600, 0, NULL});
    struct server s;
    struct err err = {0};
    struct client *c = connect_to("http://me:secret@127.0.0.1:%d", closed_port(), 1);
    assert_null(client_get_id(c, 1, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(strstr(err.text, "secret"));
    assert_non_null(strstr(err.text, "127.0.0.1"));
    client_free(c);
    server_start(&s, rows, N(rows));
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", s.port);
    const struct client_options o = {.urls = url, .retries = -1, .timeout_ms = 100};
    c = client_new(&o, &err);
    err_clear(&err);
    assert_null(client_get_id(c, 1, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    client_free(c);
    server_stop(&s);
}

static void bad_urls(void **state)
{
    static const char *const urls[] = {
        "", " , ", "127.0.0.1:8081", "ftp://host", "http://", "http://host:99999", "http://a:b@[", "file:///etc/passwd"};
    for (size_t i = 0; i < N(urls); i++) {
        struct err err = {0};
        const struct client_options o = {.urls = urls[i]};
        assert_null(client_new(&o, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(strstr(err.text, "a:b"));
    }
    struct err err = {0};
    const struct client_options o = {.urls = "http://h", .basic_user_info = "nocolon"};
    assert_null(client_new(&o, &err));
}

/* ---- many at once --------------------------------------------------------------------------------------------------- */

struct asker {
    pthread_t thread;
    struct client *client;
    int32_t id;
    bool text;
    struct client_schema *got;
    struct err err;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    a->got = a->text ? client_register(a->client, STR("s"), SCHEMA_AVRO, STR("\"int\""), &a->err)
                     : client_get_id(a->client, a->id, &a->err);
    return NULL;
}

static void one_fetch_a_key(void **state)
{
    ROWS(rows, {"GET", "/schemas/ids/1", 200, "{\"schema\":\"\\\"int\\\"\"}", 200, 0, NULL},
         {"GET", "/schemas/ids/2", 200, "{\"schema\":\"\\\"long\\\"\"}", 200, 0, NULL},
         {"GET", "/schemas/ids/3", 404, "{\"error_code\":40403,\"message\":\"Schema 3 not found\"}", 200, 0, NULL},
         {"POST", "/subjects/s", 200, "{\"id\":4}", 200, 0, NULL});
    struct server s;
    struct asker askers[24] = {0};
    server_start(&s, rows, N(rows));
    struct client *c = connect_to("http://127.0.0.1:%d", s.port, -1);
    for (size_t i = 0; i < N(askers); i++) {
        askers[i].client = c;
        askers[i].id = 1 + (int32_t)i % 4;
        askers[i].text = askers[i].id == 4;
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    clock_sleep_ms(50);
    int64_t begin = clock_mono_ms();
    assert_null(client_peek_id(c, 1)); /* looks only, whoever is on the way */
    assert_true(clock_mono_ms() - begin < 100);
    for (size_t i = 0; i < N(askers); i++)
        pthread_join(askers[i].thread, NULL);
    for (size_t i = 0; i < N(askers); i++) {
        if (askers[i].id == 3) {
            assert_null(askers[i].got);
            assert_int_equal(askers[i].err.code, 40403);
        } else {
            assert_non_null(askers[i].got);
            assert_ptr_equal(askers[i].got, askers[askers[i].id - 1].got);
        }
    }
    assert_int_equal(count_log(&s, "\n"), 4);
    assert_int_equal(atomic_load(&s.most_at_once), 4); /* different keys do not wait for each other */
    for (size_t i = 0; i < N(askers); i++)
        client_schema_unref(askers[i].got);
    client_free(c);
    server_stop(&s);
}

static void the_cache_is_bounded(void **state)
{
    ROWS(rows, {"GET", "/schemas/ids/1", 200, "{\"schema\":\"\\\"int\\\"\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/2", 200, "{\"schema\":\"\\\"long\\\"\"}", 0, 0, NULL},
         {"GET", "/schemas/ids/3", 200, "{\"schema\":\"\\\"string\\\"\"}", 0, 0, NULL});
    struct server s;
    struct err err = {0};
    server_start(&s, rows, N(rows));
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", s.port);
    const struct client_options o = {.urls = url, .max_schemas = 2};
    struct client *c = client_new(&o, &err);
    static const int order[] = {1, 2, 1, 3, 1, 2}; /* 3 pushes 2 out, the last 2 pushes 3 out */
    for (size_t i = 0; i < N(order); i++)
        client_schema_unref(client_get_id(c, order[i], &err));
    assert_int_equal(count_log(&s, "/1\n"), 1);
    assert_int_equal(count_log(&s, "/2\n"), 2);
    assert_null(client_peek_id(c, 3));
    client_free(c);
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),
        cmocka_unit_test(references),
        cmocka_unit_test(registrations),
        cmocka_unit_test(texts),
        cmocka_unit_test(retries),
        cmocka_unit_test(several_servers),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(bad_urls),
        cmocka_unit_test(one_fetch_a_key),
        cmocka_unit_test(the_cache_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
