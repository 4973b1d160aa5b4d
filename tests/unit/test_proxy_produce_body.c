/* Bodies of v2 produce requests: what becomes of their records, and what refuses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/own.h"
#include "proxy/produce_body.h"

static int read_as(struct produce_body *b, enum embedded format, const char *text, struct err *err)
{
    *b = (struct produce_body){.format = format, .partition = -1, .max_records = 1000, .arena = calloc(1, sizeof *b->arena)};
    int got = produce_body_read(b, str_of(text), err);
    if (got == 0 && b->encoded)
        produce_body_seal(b);
    return got;
}

static void drop(struct produce_body *b)
{
    produce_body_clear(b);
    arena_clear(b->arena);
    free(b->arena);
}

static void same(struct str got, const char *expected)
{
    if (expected == NULL) {
        assert_null(got.p);
        return;
    }
    assert_non_null(got.p);
    if (!str_is(got, expected))
        fail_msg("got %.*s, expected %s", STR_ARG(got), expected);
}

static void records_of_bytes(void **state)
{
    struct err err = {0};
    OWN_BY(drop) struct produce_body b;
    int got = read_as(&b, EMBEDDED_BINARY,
                      "{\"value_schema\":\"ignored\",\"key_schema_id\":\"7\",\"records\":[{\"key\":\"a2V5\",\"value\":\"dmFs\"},{\"value\":null,"
                      "\"partition\":\"2\"},{\"partition\":1.7,\"value\":\"\",\"key\":\"\\/\\/\\u002b\\/\"},{}, {\"value\":\"Zg\",\"value\":\"Zm8\"}]} ",
                      &err);
    if (got < 0)
        fail_msg("%s", err.text);
    assert_true(b.encoded);
    assert_int_equal(b.n, 5);
    same(b.records[0].key, "key");
    same(b.records[0].value, "val");
    assert_int_equal(b.records[0].partition, -1);
    same(b.records[1].key, NULL);
    same(b.records[1].value, NULL);
    assert_int_equal(b.records[1].partition, 2);
    same(b.records[2].key, "\xff\xff\xbf");
    same(b.records[2].value, "");
    assert_int_equal(b.records[2].partition, 1);
    same(b.records[3].value, NULL);
    same(b.records[4].value, "fo"); /* the last of two wins */
}

static void json_is_stored_compact(void **state)
{
    static const struct {
        const char *why, *value, *stored;
    } cases[] = {
        {"order and digits are kept", "{ \"b\" : 1 , \"a\" : [ 12345678901234567890123 , -7 ] }", "{\"b\":1,\"a\":[12345678901234567890123,-7]}"},
        {"numbers with a point pass through double", "[1.10, 1e2, 1.0, 0.1, -0.0]", "[1.1,100.0,1.0,0.1,-0.0]"},
        {"too large a number is a string", "[1E400]", "[\"Infinity\"]"},
        {"a negative zero", "-0", "0"},
        {"escapes", "\"a\\/b\\u00e9\\u0001\\ud83d\\ude00\\\"\"", "\"a/b\xC3\xA9\\u0001\xF0\x9F\x98\x80\\\"\""},
        {"an escaped name", "{\"\\u0061\":{}}", "{\"a\":{}}"},
        {"empty things", "[ [ ] , { } , \"\" , null , true , false ]", "[[],{},\"\",null,true,false]"},
        {"a scalar", " 5 ", "5"},
        {"null is no text", "null", NULL},
        {"nesting", "[[[{\"x\":[[]]}]],1]", "[[[{\"x\":[[]]}]],1]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        char text[400];
        snprintf(text, sizeof text, "{\"records\":[{\"value\":%s,\"partition\":3},{\"key\":%s}]}", cases[i].value, cases[i].value);
        OWN_BY(drop) struct produce_body b;
        if (read_as(&b, EMBEDDED_JSON, text, &err) < 0)
            fail_msg("%s: %s", cases[i].why, err.text);
        assert_int_equal(b.n, 2);
        same(b.records[0].value, cases[i].stored);
        assert_int_equal(b.records[0].partition, 3);
        same(b.records[1].key, cases[i].stored);
        same(b.records[1].value, NULL);
    }
}

static void refusals(void **state)
{
    static const struct {
        const char *body;
        int code;
        const char *text;
    } cases[] = {
        {"", 422, "produceBinary.request must not be null (was null)"},
        {" null ", 422, "produceBinary.request must not be null (was null)"},
        {"{}", 422, "produceBinary.request.records must not be empty (was null)"},
        {"{\"records\":null}", 422, "produceBinary.request.records must not be empty (was null)"},
        {"{\"records\":[ ]}", 422, "produceBinary.request.records must not be empty (was [])"},
        {"{\"records\":[{},null]}", 422, "produceBinary.request.records[1] must not be null (was null)"},
        {"{\"records\":[{\"valeu\":\"\"}]}", 422, "Unrecognized field: valeu"},
        {"{\"recrods\":[]}", 422, "Unrecognized field: recrods"},
        {"[]", 400, "Cannot deserialize value of type produce request from a array at the root"},
        {"{\"records\":{}}", 400, "Cannot deserialize value of type list of records from a object at records"},
        {"{\"records\":[1]}", 400, "Cannot deserialize value of type record from a number at records[0]"},
        {"{\"records\":[{\"partition\":\"x\"}]}", 400,
         "Cannot deserialize value of type int from \"x\" at records[0].partition: not a whole number of 32 bits"},
        {"{\"records\":[{\"partition\":3000000000}]}", 400,
         "Cannot deserialize value of type int from \"3000000000\" at records[0].partition: not a whole number of 32 bits"},
        {"{\"records\":[{\"partition\":true}]}", 400, "Cannot deserialize value of type int from a boolean at records[0].partition"},
        {"{\"records\":[{\"partition\":-1}]}", 40402, "Partition not found."},
        {"{\"key_schema\":[],\"records\":[{}]}", 400, "Cannot deserialize value of type string from a array at key_schema"},
        {"{\"records\":[{\"value\":\"Zg\"},{\"value\":\"not base64!\"}]}", 400,
         "Bad Request: records[1].value: data=\"not base64!\" is not base64, see character 4"},
        {"{\"records\":[{\"value\":\"Zm9vY\"}]}", 400, "Bad Request: records[0].value: data=\"Zm9vY\" is not base64: 5 characters cannot be"},
        {"{\"records\":[{\"key\":7}]}", 400, "Bad Request: records[0].key: expected a base64 string, got number"},
        {"{\"records\":[{\"value\":{}}]}", 400, "Bad Request: records[0].value: expected a base64 string, got object"},
        {"{\"records\":[{\"value\":\"Zg\"}]}}}", 400, "expected the end of the text but got '}' at line 1 column 29"},
        {"{\"records\":[{\"value\":\"Zg\"}", 400, "expected ',' or ']' but the text ends at line 1 column 27"},
        {"{\"records\":[{\"partition\":}]}", 400, "expected a JSON value but got '}' at line 1 column 26"},
        {"{\"records\":[{\"value\":", 400, "expected a JSON value but the text ends at line 1 column 22"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        OWN_BY(drop) struct produce_body b;
        if (read_as(&b, EMBEDDED_BINARY, cases[i].body, &err) == 0)
            fail_msg("accepted: %s", cases[i].body);
        if (err.code != cases[i].code || strcmp(err.text, cases[i].text) != 0)
            fail_msg("%s: got %d %s", cases[i].body, err.code, err.text);
    }
}

static void too_many_records(void **state)
{
    struct err err = {0};
    OWN_BY(buf_clear) struct buf text = {0};
    buf_put_str(&text, STR("{\"records\":["));
    for (int i = 0; i < 1001; i++)
        buf_put_str(&text, i == 0 ? STR("{}") : STR(",{}"));
    buf_put_str(&text, STR("]}"));
    OWN_BY(drop) struct produce_body b;
    assert_int_equal(read_as(&b, EMBEDDED_JSON, buf_cstr(&text), &err), -1);
    assert_int_equal(err.code, PROXY_RECORD_TOO_LARGE);
}

/* ---- Avro ------------------------------------------------------------------------------------------------------------------- */

struct at_hand {
    const struct codec *key, *value;
    int looked;
};

static int find(void *arg, struct produce_body *b, struct err *err)
{
    struct at_hand *h = arg;
    h->looked++;
    if (b->key.has_id || b->key.text.p != NULL)
        b->key.codec = h->key;
    if (b->value.has_id || b->value.text.p != NULL)
        b->value.codec = h->value;
    return 1;
}

static struct codec *codec_of(const char *schema)
{
    struct err err = {0};
    const struct schema_source source = {.type = SCHEMA_AVRO, .text = str_of(schema)};
    OWN_BY(schema_unrefp) struct schema *s = schema_parse(&source, &err);
    struct codec *c = s != NULL ? codec_new(s, &err) : NULL;
    if (c == NULL)
        fail_msg("%s", err.text);
    return c;
}

static int read_avro(struct produce_body *b, struct at_hand *h, const char *text, struct err *err)
{
    *b = (struct produce_body){.format = EMBEDDED_AVRO, .partition = -1, .max_records = 1000, .arena = calloc(1, sizeof *b->arena),
                               .find = find, .find_arg = h};
    if (produce_body_read(b, str_of(text), err) < 0)
        return -1;
    if (!b->encoded && (find(h, b, err) < 0 || produce_body_encode(b, err) < 0))
        return -1;
    produce_body_seal(b);
    return 0;
}

static void schemas_in_any_order(void **state)
{
    static const struct {
        const char *body;
        int looked;
    } cases[] = {
        {"{\"key_schema_id\":1,\"value_schema_id\":2,\"records\":[{\"key\":\"k\",\"value\":5}]}", 1},
        {"{\"value_schema_id\":2,\"records\":[{\"key\":\"k\",\"value\":5}],\"key_schema_id\":1}", 2},
        {"{\"records\":[{\"value\":5,\"key\":\"k\"}],\"value_schema_id\":2,\"key_schema_id\":\"1\"}", 1},
        {"{\"key_schema_id\":1,\"records\":[{\"key\":\"k\",\"value\":5}],\"value_schema_id\":2}", 2},
    };
    struct codec *string = codec_of("\"string\""), *integer = codec_of("\"int\"");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct at_hand h = {.key = string, .value = integer};
        OWN_BY(drop) struct produce_body b;
        if (read_avro(&b, &h, cases[i].body, &err) < 0)
            fail_msg("%s: %s", cases[i].body, err.text);
        assert_int_equal(b.n, 1);
        assert_int_equal(h.looked, cases[i].looked);
        assert_int_equal(b.records[0].key.n, 7);
        assert_memory_equal(b.records[0].key.p, "\0\0\0\0\1\2k", 7);
        assert_int_equal(b.records[0].value.n, 6);
        assert_memory_equal(b.records[0].value.p, "\0\0\0\0\2\x0a", 6);
    }
    codec_unref(string);
    codec_unref(integer);
}

static void avro_refusals(void **state)
{
    static const struct {
        const char *value_schema, *body;
        int code;
        const char *text; /* how it begins */
    } cases[] = {
        {"\"int\"", "{\"records\":[{\"value\":1}]}", 42202, PROXY_TEXT_VALUE_SCHEMA_MISSING},
        {"\"int\"", "{\"value_schema_id\":2,\"records\":[{\"key\":1,\"value\":1}]}", 42201, PROXY_TEXT_KEY_SCHEMA_MISSING},
        {"\"int\"", "{\"value_schema_id\":2,\"records\":[{\"value\":1},{\"value\":\"x\"}]}", 400, "Bad Request: records[1].value: expected int, got string"},
        {"\"int\"", "{\"value_schema_id\":2,\"records\":[{}]}", 400, "Bad Request: records[0].value: "},
        {"\"int\"", "{\"value_schema_id\":2,\"value_schema\":\"int\",\"records\":[{\"value\":1}]}", 400,
         "Bad Request: value_schema and value_schema_id exclude each other"},
        {"\"int\"", "{\"value_schema_id\":2,\"records\":[{\"value\":]}", 400, "expected a JSON value but got ']' at line 1 column"},
        {"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"address\",\"type\":{\"type\":\"record\",\"name\":\"B\",\"fields\":[{\"name\":\"zip\",\"type\":"
         "\"int\"}]}}]}",
         "{\"value_schema_id\":2,\"records\":[{\"value\":{\"address\":{\"zip\":1}}},{\"value\":{\"address\":{\"zip\":\"1\"}}}]}", 400,
         "Bad Request: records[1].value/address/zip: expected int, got string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct codec *value = codec_of(cases[i].value_schema);
        struct at_hand h = {.value = value};
        OWN_BY(drop) struct produce_body b;
        if (read_avro(&b, &h, cases[i].body, &err) == 0)
            fail_msg("accepted: %s", cases[i].body);
        if (err.code != cases[i].code || strncmp(err.text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%s: got %d %s", cases[i].body, err.code, err.text);
        codec_unref(value);
    }
}

static void nulls_with_schemas(void **state)
{
    struct err err = {0};
    struct codec *nullable = codec_of("[\"null\",\"int\"]"), *null = codec_of("\"null\"");
    struct at_hand h = {.key = null, .value = nullable};
    OWN_BY(drop) struct produce_body b;
    if (read_avro(&b, &h, "{\"value_schema_id\":2,\"key_schema_id\":1,\"records\":[{\"value\":null},{},{\"value\":{\"int\":1}}]}", &err) < 0)
        fail_msg("%s", err.text);
    assert_null(b.records[0].value.p); /* a tombstone */
    assert_null(b.records[1].value.p);
    assert_int_equal(b.records[2].value.n, 7);
    assert_int_equal(b.records[0].key.n, 5); /* the encoding of null is empty, its frame is not */
    struct at_hand none = {0};
    OWN_BY(drop) struct produce_body tombstones;
    assert_int_equal(read_avro(&tombstones, &none, "{\"records\":[{\"value\":null},{\"key\":null}]}", &err), 0);
    assert_int_equal(tombstones.n, 2);
    assert_null(tombstones.records[1].key.p);
    codec_unref(nullable);
    codec_unref(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_bytes),     cmocka_unit_test(json_is_stored_compact), cmocka_unit_test(refusals),
        cmocka_unit_test(too_many_records),     cmocka_unit_test(schemas_in_any_order),   cmocka_unit_test(avro_refusals),
        cmocka_unit_test(nulls_with_schemas),
    };
    return cmocka_run_group_tests_name("proxy_produce_body", tests, NULL, NULL);
}
