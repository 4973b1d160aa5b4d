/* What stands between bytes and a route, one by one and without sockets. */
#include "http/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/negotiate.h"
#include "http/router.h"
#include "http/uri.h"

static bool is_in(int c, const char *set)
{
    return c != 0 && c < 128 && (strchr(set, c) != NULL || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
}

static int read_head(struct arena *a, struct head *h, const char *text, size_t n, struct err *err)
{
    size_t seen = 0;
    ptrdiff_t end = head_find_end(str_n(text, n), &seen, 4096, err);
    if (end < 0)
        return -1;
    assert_int_equal(end, n);
    return head_read(h, str_n(text, n), a, err);
}

/* Each byte, in each place of a head. */
static void knows_what_each_byte_may_be_part_of(void **state)
{
    struct arena a = {0};
    for (int c = 0; c < 256; c++) {
        char byte = (char)c, text[200];
        struct head h;
        struct err err = {0};
        bool token = is_in(c, "!#$%&'*+-.^_`|~"), value = c == '\t' || (c >= 32 && c != 127);
        assert_int_equal(head_is_token(str_n(&byte, 1)), token);
        assert_int_equal(head_is_value(str_n(&byte, 1)), value);
        if (c == '\n')
            continue; /* ends a line */
        int n = snprintf(text, sizeof text, "GET /a?b HTTP/1.1\r\nHost: ab\r\n\r\n");
        text[6] = byte == '?' ? 'x' : byte; /* the ? */
        bool target = c > 32 && c != 127 && c != '#';
        int rc = read_head(&a, &h, text, (size_t)n, &err);
        assert_int_equal(rc == 0, target);
        n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
        text[23] = byte;
        err_clear(&err);
        rc = read_head(&a, &h, text, (size_t)n, &err);
        assert_int_equal(rc == 0, is_in(c, "-._~%!$&'()*+,;=:[]"));
        n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nXx: yzy\r\n\r\n");
        text[26] = byte;
        err_clear(&err);
        rc = read_head(&a, &h, text, (size_t)n, &err);
        assert_int_equal(rc == 0, token || c == ':');
        text[26] = 'x';
        text[30] = byte;
        err_clear(&err);
        rc = read_head(&a, &h, text, (size_t)n, &err);
        assert_int_equal(rc == 0, value);
        if (rc == 0)
            assert_int_equal(head_value(&h, STR("xX")).n, 3);
    }
    arena_clear(&a);
}

static void reads_what_the_connection_shall_do(void **state)
{
    static const struct {
        const char *head;
        bool close, chunked, expects;
        int64_t body;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", false, false, false, 0},
        {"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", false, false, false, 0},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", false, false, false, 0},
        {"GET / HTTP/1.9\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", false, false, false, 0},
        {"GET / HTTP/1.1\r\nHost: h\r\nconnection: Upgrade , CLOSE\r\n\r\n", true, false, false, 0},
        {"GET / HTTP/1.0\r\n\r\n", true, false, false, 0},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", false, false, false, 0},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n", true, false, false, 0},
        {"POST / HTTP/1.0\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n", true, false, false, 7},
        {"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\ncontent-LENGTH:\t007 \r\n\r\n", false, false, true, 7},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999999999\r\n\r\n", false, false, false, 999999999999999999},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n", false, true, false, 0},
    };
    struct arena a = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct head h;
        struct err err = {0};
        if (read_head(&a, &h, cases[i].head, strlen(cases[i].head), &err) < 0)
            fail_msg("%s: %s", cases[i].head, err.text);
        assert_int_equal(h.close, cases[i].close);
        assert_int_equal(h.chunked, cases[i].chunked);
        assert_int_equal(h.expects, cases[i].expects);
        assert_int_equal(h.body_bytes, cases[i].body);
    }
    arena_clear(&a);
}

static void finds_the_end_of_a_head_in_any_pieces(void **state)
{
    static const char text[] = "\r\nGET / HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\nrest";
    const size_t whole = sizeof text - 1 - 4;
    for (size_t step = 1; step < sizeof text; step++) {
        size_t seen = 0, n = 0;
        ptrdiff_t end = 0;
        struct err err = {0};
        while (end == 0 && n < sizeof text - 1) {
            n = n + step < sizeof text - 1 ? n + step : sizeof text - 1;
            end = head_find_end(str_n(text, n), &seen, whole, &err);
        }
        assert_int_equal(end, whole);
        seen = 0;
        assert_int_equal(head_find_end(str_of(text), &seen, whole - 1, &err), -1);
        assert_int_equal(err.code, 431);
    }
}

static void budgets_are_given_back(void **state)
{
    struct intake_limits limits = {.max_head_bytes = 1000, .max_body_bytes = 1 << 20, .max_total_bytes = 100000};
    struct intake a, b;
    static const char post[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n";
    intake_init(&a, &limits);
    intake_init(&b, &limits);
    intake_put(&a, str_of(post));
    assert_int_equal(a.state, INTAKE_BODY);
    assert_true(limits.total >= 60000);
    intake_put(&b, str_of(post));
    assert_int_equal(b.state, INTAKE_REFUSED);
    assert_int_equal(b.refusal.code, 503);
    intake_next(&a);
    intake_next(&b);
    assert_int_equal(limits.total, 0);
    intake_put(&b, str_of(post));
    assert_int_equal(b.state, INTAKE_BODY);
    assert_int_equal(intake_put(&b, STR("abc")), 3);
    size_t n;
    char *room = intake_room(&b, &n);
    assert_non_null(room);
    assert_int_equal(n, 59997);
    memset(room, 'x', n);
    intake_filled(&b, n);
    assert_int_equal(b.state, INTAKE_WHOLE);
    assert_int_equal(b.body.n, 60000);
    assert_int_equal(intake_put(&b, STR("more")), 0);
    intake_clear(&a);
    intake_clear(&b);
    assert_int_equal(limits.total, 0);
}

static int handle(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    return 0;
}

static void literals_go_before_names(void **state)
{
    static const struct route routes[] = {
        {"GET", "/{a}/x", handle, NULL}, {"GET", "/lit/{b}", handle, NULL}, {"GET", "/{a}/{b}/c", handle, NULL}, {"GET", "/lit/x/d", handle, NULL},
    };
    const struct service service = {"t", routes, 4, NULL, NULL, NULL, NULL};
    static const struct {
        const char *path, *route, *first;
    } cases[] = {
        {"/lit/x", "/lit/{b}", "x"}, {"/other/x", "/{a}/x", "other"}, {"/lit/x/c", "/{a}/{b}/c", "lit"}, {"/lit/x/d", "/lit/x/d", NULL},
        {"/lit/y/c", "/{a}/{b}/c", "lit"}, {"/lit", NULL, NULL}, {"/", NULL, NULL}, {"/a/b/d", NULL, NULL},
    };
    struct router *r = router_new(&service, NULL);
    struct arena a = {0};
    assert_non_null(r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str segments[URI_SEGMENTS_MAX];
        struct route_match m;
        int n = uri_segments(str_of(cases[i].path), segments, &a, NULL);
        router_match(r, segments, n, &m);
        assert_int_equal(m.place != NULL, cases[i].route != NULL);
        if (m.place == NULL)
            continue;
        assert_string_equal(router_entry(m.place, STR("HEAD"))->route->path, cases[i].route);
        assert_null(router_entry(m.place, STR("POST")));
        if (cases[i].first != NULL)
            assert_true(str_is(m.params[0], cases[i].first));
    }
    arena_clear(&a);
    router_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_each_byte_may_be_part_of), cmocka_unit_test(reads_what_the_connection_shall_do),
        cmocka_unit_test(finds_the_end_of_a_head_in_any_pieces), cmocka_unit_test(budgets_are_given_back),
        cmocka_unit_test(literals_go_before_names),
    };
    return cmocka_run_group_tests_name("http_parts", tests, NULL, NULL);
}
