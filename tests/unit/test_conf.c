#include "base/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"

struct conf {
    char *listeners, *password;
    int64_t timeout_ms, size;
    bool on;
};
#define AT(f) offsetof(struct conf, f)
static const struct conf_key keys[] = {
    {"auth.password", CONF_STR, AT(password), NULL, NULL, "Secret.", 0, 0, CONF_SECRET},
    {"listeners", CONF_STR, AT(listeners), "127.0.0.1:8081", NULL, "Where to listen.", 0, 0, 0},
    {"max.size", CONF_BYTES, AT(size), "64k", "bytes", "Largest.", 0, 1 << 20, 0},
    {"on", CONF_BOOL, AT(on), "true", NULL, "Switch.", 0, 0, 0},
    {"timeout.ms", CONF_INT, AT(timeout_ms), "500", "ms", "How long.", 1, 1000, 0},
};
static const struct conf_table table = {keys, 5};

static void sets_and_refuses(void **state)
{
    static const struct { const char *key, *value; const char *says; } cases[] = {
        {"timeout.ms", "7", NULL}, {"max.size", "1m", NULL}, {"on", "FALSE", NULL}, {"listeners", "", NULL},
        {"timeout.ms", "soon", "file: timeout.ms=soon: expected a whole number of ms from 1 to 1000"}, {"timeout.ms", "0", "from 1 to 1000"},
        {"max.size", "2m", "k, m, g"}, {"on", "yes", "true or false"}, {"timeout", "1", "unknown key 'timeout'"}, {"timeout.m", "1", "did you mean 'timeout.ms'?"},
    };
    struct conf c;
    struct err err = {0};
    assert_int_equal(conf_defaults(&table, &c, &err), 0);
    assert_string_equal(c.listeners, "127.0.0.1:8081");
    assert_int_equal(c.size, 65536);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err_clear(&err);
        int status = conf_set(&table, &c, str_of(cases[i].key), str_of(cases[i].value), "file", &err);
        assert_int_equal(status, cases[i].says == NULL ? 0 : -1);
        if (cases[i].says != NULL && strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].key, err.text);
    }
    assert_int_equal(c.timeout_ms, 7);
    assert_int_equal(c.size, 1 << 20);
    assert_false(c.on);
    assert_null(c.listeners);
    assert_int_equal(conf_set(&table, &c, STR("auth.password"), STR("hush"), "file", &err), 0);
    struct buf out = {0};
    conf_print(&table, &c, &out);
    assert_string_equal(buf_cstr(&out), "auth.password=[hidden]\nlisteners=\nmax.size=1048576\non=false\ntimeout.ms=7\n");
    buf_reset(&out);
    conf_help(&table, &out);
    assert_non_null(strstr(buf_cstr(&out), "timeout.ms = 500 ms\n    How long."));
    buf_clear(&out);
    conf_clear(&table, &c);
}

static int collect(void *arg, struct str key, struct str value, int line, struct err *err)
{
    if (str_is(key, "stop"))
        return err_set(err, ERR_INVALID, "line %d", line);
    buf_printf(arg, "[%.*s|%.*s|%d]", STR_ARG(key), STR_ARG(value), line);
    return 0;
}

static void properties(void **state)
{
    static const struct { const char *why, *text, *gives; } cases[] = {
        {"separators", "a=1\nb: 2\nc 3\nd\n", "[a|1|1][b|2|2][c|3|3][d||4]"},
        {"comments and blanks", "# x\n  ! y\n\n \t a = 1 \r\n", "[a|1 |4]"},
        {"continuation", "a=1,\\\n   2,\\\n 3\nb=4", "[a|1,2,3|1][b|4|4]"},
        {"escaped backslash at the end", "a=x\\\\\nb=y", "[a|x\\|1][b|y|2]"},
        {"escapes", "a\\ b\\=c=\\u00e9\\t\\:", "[a b=c|\xC3\xA9\t:|1]"},
        {"colon in a value", "url=http://h:1", "[url|http://h:1|1]"},
        {"continuation at the end of the file", "a=1\\", "[a|1|1]"},
    };
    char path[] = "/tmp/muir-test-XXXXXX";
    close(mkstemp(path));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *f = fopen(path, "wb");
        fputs(cases[i].text, f);
        fclose(f);
        struct buf got = {0};
        struct err err = {0};
        assert_int_equal(conf_read_properties(path, collect, &got, &err), 0);
        assert_string_equal(buf_cstr(&got), cases[i].gives);
        buf_clear(&got);
    }
    FILE *f = fopen(path, "wb");
    fputs("a=1\nb=\\u12", f);
    fclose(f);
    struct buf got = {0};
    struct err err = {0};
    assert_int_equal(conf_read_properties(path, collect, &got, &err), -1);
    assert_non_null(strstr(err.text, ":2: \\u needs four hex digits"));
    unlink(path);
    err_clear(&err);
    assert_int_equal(conf_read_properties(path, collect, &got, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    buf_clear(&got);
}

static void keep_line(void *arg, enum log_level level, const char *line)
{
    snprintf(arg, 3000, "%d %s", (int)level, line);
}

static void log_lines_cannot_be_forged(void **state)
{
    char got[3000] = "";
    log_set_sink(keep_line, got);
    log_info("schema.added", "subject=%s id=%d", "a\nb", 7);
    assert_non_null(strstr(got, "Z INFO schema.added subject=a\\x0ab id=7"));
    log_set_level(LOG_ERROR);
    got[0] = '\0';
    log_warn("x", "y");
    log_debug("x", "y");
    assert_string_equal(got, "");
    log_set_level(LOG_INFO);
    char big[5000];
    memset(big, '\n', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    log_info("big", "%s", big);
    assert_true(strlen(got) > 1000);
    log_set_sink(NULL, NULL);
}

static _Atomic int ran;
static void job(void *arg)
{
    clock_sleep_ms(1);
    atomic_fetch_add(&ran, 1);
}

static void pool_runs_what_it_took(void **state)
{
    struct err err = {0};
    struct pool *p = pool_new("test", 3, 16, &err);
    assert_non_null(p);
    int taken = 0;
    for (int i = 0; i < 200; i++) {
        err_clear(&err);
        if (pool_add(p, job, NULL, &err) == 0)
            taken++;
        else
            assert_int_equal(err.code, ERR_FULL);
    }
    assert_true(taken >= 16 && taken < 200);
    pool_free(p);
    assert_int_equal(atomic_load(&ran), taken);
    pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sets_and_refuses), cmocka_unit_test(properties),
                                       cmocka_unit_test(log_lines_cannot_be_forged), cmocka_unit_test(pool_runs_what_it_took)};
    return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
