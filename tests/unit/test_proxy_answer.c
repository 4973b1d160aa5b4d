/* What a v2 produce answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/own.h"
#include "proxy/produce.h"

static void answers(void **state)
{
    static const struct {
        const char *why;
        struct produced results[2];
        size_t n;
        bool has_id;
        int status;
        const char *body;
    } cases[] = {
        {"two offsets", {{0, 100, 0, NULL}, {7, 9007199254740993, 0, NULL}}, 2, true, 200,
         "{\"offsets\":[{\"partition\":0,\"offset\":100,\"error_code\":null,\"error\":null},{\"partition\":7,\"offset\":9007199254740993,"
         "\"error_code\":null,\"error\":null}],\"key_schema_id\":null,\"value_schema_id\":5}"},
        {"one of two fails", {{0, 1, 0, NULL}, {0, 0, STORE_RETRIABLE, "no \"leader\""}}, 2, false, 200,
         "{\"offsets\":[{\"partition\":0,\"offset\":1,\"error_code\":null,\"error\":null},{\"partition\":null,\"offset\":null,"
         "\"error_code\":50003,\"error\":\"no \\\"leader\\\"\"}],\"key_schema_id\":null,\"value_schema_id\":null}"},
        {"too large", {{0, 0, STORE_TOO_LARGE, "big"}}, 1, false, 200,
         "{\"offsets\":[{\"partition\":null,\"offset\":null,\"error_code\":50002,\"error\":\"big\"}],\"key_schema_id\":null,\"value_schema_id\":null}"},
        {"the first refusal names the status", {{0, 0, STORE_UNAUTHORIZED, "no"}, {0, 0, STORE_UNAUTHENTICATED, "who"}}, 2, false, 403,
         "{\"offsets\":[{\"partition\":null,\"offset\":null,\"error_code\":40301,\"error\":\"no\"},{\"partition\":null,\"offset\":null,"
         "\"error_code\":40101,\"error\":\"who\"}],\"key_schema_id\":null,\"value_schema_id\":null}"},
        {"unknown topic", {{0, 0, STORE_UNKNOWN_TOPIC, "gone"}, {0, 0, STORE_UNAUTHENTICATED, NULL}}, 2, false, 401,
         "{\"offsets\":[{\"partition\":null,\"offset\":null,\"error_code\":50003,\"error\":\"gone\"},{\"partition\":null,\"offset\":null,"
         "\"error_code\":40101,\"error\":\"\"}],\"key_schema_id\":null,\"value_schema_id\":null}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        OWN_BY(buf_clear) struct buf out = {0};
        int status = produce_put_answer(&out, cases[i].results, cases[i].n, false, 3, cases[i].has_id, 5);
        if (status != cases[i].status || !str_is(buf_str(&out), cases[i].body))
            fail_msg("%s: got %d %s", cases[i].why, status, buf_cstr(&out));
    }
}

static void storage_errors(void **state)
{
    static const struct {
        int storage, api;
        const char *text;
    } cases[] = {
        {STORE_UNKNOWN_TOPIC, 40403, "This server does not host this topic-partition."},
        {STORE_UNKNOWN_PARTITION, 40402, "Partition not found."},
        {STORE_TOPIC_EXISTS, 40002, "said"},
        {STORE_INVALID_CONFIG, 40002, "said"},
        {STORE_UNAUTHORIZED, 40301, "said"},
        {STORE_ILLEGAL_STATE, 40903, "said"},
        {STORE_TOO_LARGE, 413, "said"},
        {STORE_RETRIABLE, 50003, "said"},
        {ERR_TIMEOUT, 50003, "said"},
        {STORE_FAILED, 50002, "said"},
        {-4711, 50002, "said"},
        {ERR_FULL, ERR_FULL, "said"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        err_set(&err, cases[i].storage, "said");
        assert_int_equal(proxy_storage_err(&err), -1);
        assert_int_equal(err.code, cases[i].api);
        assert_string_equal(err.text, cases[i].text);
        assert_int_equal(proxy_storage_err(&err), -1); /* once the API's, it stays so */
        if (cases[i].api > 0)
            assert_int_equal(err.code, cases[i].api);
    }
}

static void registry_errors(void **state)
{
    static const struct {
        int registry, api;
        const char *text;
    } cases[] = {
        {40403, 42207, "Error serializing message. Doing.\nsaid"},
        {409, 42207, "Error serializing message. Doing.\nsaid"},
        {42201, 42207, "Error serializing message. Doing.\nsaid"},
        {40301, 40301, "said"},
        {401, 40101, "said"},
        {50002, 50003, "Doing. said"},
        {ERR_TIMEOUT, 50003, "Doing. The schema registry cannot be reached: said"},
        {ERR_NOMEM, ERR_NOMEM, "said"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        err_set(&err, cases[i].registry, "said");
        assert_int_equal(proxy_registry_err(&err, "Doing."), -1);
        assert_int_equal(err.code, cases[i].api);
        assert_string_equal(err.text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(storage_errors), cmocka_unit_test(registry_errors)};
    return cmocka_run_group_tests_name("proxy_answer", tests, NULL, NULL);
}
