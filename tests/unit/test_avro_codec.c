/* Avro values between JSON and bytes: what is taken, what is refused and with which place. */
#include "serde/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/own.h"

static struct codec *make(const char *schema)
{
    struct err err = {0};
    const struct schema_source src = {.type = SCHEMA_AVRO, .text = str_of(schema)};
    struct schema *s = schema_parse(&src, &err);
    if (s == NULL)
        fail_msg("%s: %s", schema, err.text);
    struct codec *c = codec_new(s, &err);
    if (c == NULL)
        fail_msg("%s: %s", schema, err.text);
    schema_unref(s);
    return c;
}

static void put_hex(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        buf_printf(out, "%02x", (unsigned char)bytes.p[i]);
}

static void from_hex(struct buf *out, const char *hex)
{
    for (; *hex != '\0'; hex += 2) {
        unsigned v;
        assert_int_equal(sscanf(hex, "%2x", &v), 1);
        buf_put_u8(out, (unsigned char)v);
    }
}

static int encode(const struct codec *c, const char *json, bool plain, struct buf *out, struct err *err)
{
    struct json_reader r;
    json_reader_init(&r, str_of(json), 0);
    enum json_token tok = json_next(&r);
    int rc = plain ? codec_encode_plain(c, &r, tok, out, err) : codec_encode_json(c, &r, tok, out, err);
    if (rc == 0 && json_next(&r) != JSON_END)
        fail_msg("%s: the reader is not at the end: %s", json, r.err.text);
    return rc;
}

static bool same_json(struct str a, const char *b)
{
    struct arena arena = {0};
    struct json *x = json_parse(a, JSON_DUP_ERROR, 0, &arena, NULL), *y = json_parse(str_of(b), JSON_DUP_ERROR, 0, &arena, NULL);
    bool same = x != NULL && y != NULL && json_equal(x, y);
    arena_clear(&arena);
    return same;
}

#define RECORD_R "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
#define AB                                                                                                                       \
    RECORD_R "{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":\"string\"},{\"name\":\"c\",\"type\":{\"type\":"        \
             "\"array\",\"items\":\"long\"}}]}"
#define NODE                                                                                                                     \
    "{\"type\":\"record\",\"name\":\"n.Node\",\"fields\":[{\"name\":\"v\",\"type\":\"int\"},{\"name\":\"next\",\"type\":["       \
    "\"null\",\"Node\"]}]}"

static void values(void **state)
{
    static const struct {
        const char *why, *schema, *json, *hex, *out; /* out NULL: json itself */
    } cases[] = {
        {"null", "\"null\"", "null", "", NULL},
        {"boolean", "\"boolean\"", "true", "01", NULL},
        {"int", "\"int\"", "-1", "01", NULL},
        {"int at its ends", "\"int\"", "2147483647", "feffffff0f", NULL},
        {"int at its ends", "\"int\"", "-2147483648", "ffffffff0f", NULL},
        {"long at its ends", "\"long\"", "9223372036854775807", "feffffffffffffffff01", NULL},
        {"long at its ends", "\"long\"", "-9223372036854775808", "ffffffffffffffffff01", NULL},
        {"a fraction of zeros", "\"int\"", "1.0", "02", "1"},
        {"an exponent", "\"long\"", "1e3", "d00f", "1000"},
        {"an exponent", "\"long\"", "12.5e1", "fa01", "125"},
        {"minus zero", "\"int\"", "-0", "00", "0"},
        {"float", "\"float\"", "0.1", "cdcccc3d", "0.10000000149011612"},
        {"float of an integer", "\"float\"", "3", "00004040", "3.0"},
        {"float out of range", "\"float\"", "1e39", "0000807f", "\"Infinity\""},
        {"double", "\"double\"", "-0.25", "000000000000d0bf", NULL},
        {"double", "\"double\"", "123456789.125", "00008054346f9d41", "1.23456789125E8"},
        {"double", "\"double\"", "1e10", "000000205fa00242", "1.0E10"},
        {"double", "\"double\"", "\"NaN\"", "000000000000f87f", NULL},
        {"double", "\"double\"", "\"Infinity\"", "000000000000f07f", NULL},
        {"double", "\"double\"", "\"-Infinity\"", "000000000000f0ff", NULL},
        {"double out of range", "\"double\"", "1e400", "000000000000f07f", "\"Infinity\""},
        {"string", "\"string\"", "\"\\u00e9\\n\\\"\"", "08c3a90a22", NULL},
        {"string with NUL", "\"string\"", "\"a\\u0000b\"", "06610062", NULL},
        {"string of over 16 bytes", "\"string\"", "\"0123456789abcdefghij\"", "28303132333435363738396162636465666768696a", NULL},
        {"fixed", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", "\"a\\u00ff\\\"\"", "61ff22", NULL},
        {"empty fixed", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":0}", "\"\"", "", NULL},
        {"enum", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "\"\\u0042\"", "02", "\"B\""},
        {"array", "{\"type\":\"array\",\"items\":\"int\"}", "[]", "00", NULL},
        {"array", "{\"type\":\"array\",\"items\":\"int\"}", "[1,-1]", "04020100", NULL},
        {"map", "{\"type\":\"map\",\"values\":\"int\"}", "{}", "00", NULL},
        {"map", "{\"type\":\"map\",\"values\":\"int\"}", "{\"x\":1,\"y\\u0041\":2}", "040278020479410400", "{\"x\":1,\"yA\":2}"},
        {"map with a key twice: the last counts", "{\"type\":\"map\",\"values\":\"int\"}", "{\"x\":1,\"y\":5,\"x\":2}",
         "04027804027"
         "90a00",
         "{\"x\":2,\"y\":5}"},
        {"map with a key twice, written differently", "{\"type\":\"map\",\"values\":\"int\"}", "{\"x\":1,\"\\u0078\":2}",
         "0202780400", "{\"x\":2}"},
        {"union", "[\"null\",\"string\"]", "{\"string\":\"x\"}", "020278", "{\"string\":\"x\"}"},
        {"union, null by name", "[\"null\",\"string\"]", "{\"null\":null}", "00", "null"},
        {"union with its branch twice", "[\"null\",\"string\"]", "{\"string\":\"x\",\"string\":\"y\"}", "020279",
         "{\"string\":\"y\"}"},
        {"record in order", AB, "{\"a\":1,\"b\":\"x\",\"c\":[2]}", "020278020400", NULL},
        {"record in another order", AB, "{\"c\":[2],\"a\":1,\"b\":\"x\"}", "020278020400", "{\"a\":1,\"b\":\"x\",\"c\":[2]}"},
        {"record in reverse", AB, "{\"c\":[2],\"b\":\"x\",\"a\":1}", "020278020400", "{\"a\":1,\"b\":\"x\",\"c\":[2]}"},
        {"first in order, then not", AB, "{\"a\":1,\"c\":[2],\"b\":\"x\"}", "020278020400", "{\"a\":1,\"b\":\"x\",\"c\":[2]}"},
        {"unknown members between", AB, "{\"z\":{\"a\":[9]},\"a\":1,\"y\":[],\"b\":\"x\",\"c\":[2],\"w\":\"\"}", "020278020400",
         "{\"a\":1,\"b\":\"x\",\"c\":[2]}"},
        {"unknown members between, other order", AB, "{\"c\":[2],\"z\":{\"a\":[9]},\"a\":1,\"y\":[],\"b\":\"x\",\"w\":0}",
         "020278020400", "{\"a\":1,\"b\":\"x\",\"c\":[2]}"},
        {"a member twice: the last counts", AB, "{\"a\":7,\"b\":\"long one\",\"c\":[2],\"a\":1,\"b\":\"x\"}", "020278020400",
         "{\"a\":1,\"b\":\"x\",\"c\":[2]}"},
        {"a member twice, the first wrong", AB, "{\"a\":\"7\",\"b\":\"x\",\"c\":[2],\"a\":1}", "020278020400",
         "{\"a\":1,\"b\":\"x\",\"c\":[2]}"},
        {"escaped member names", AB, "{\"\\u0061\":1,\"b\":\"x\",\"\\u0063\":[2]}", "020278020400",
         "{\"a\":1,\"b\":\"x\",\"c\":[2]}"},
        {"recursion", NODE, "{\"v\":1,\"next\":{\"n.Node\":{\"v\":2,\"next\":null}}}", "02020400", NULL},
        {"other order, nested", NODE, "{\"next\":{\"n.Node\":{\"next\":null,\"v\":2}},\"v\":1}", "02020400",
         "{\"v\":1,\"next\":{\"n.Node\":{\"v\":2,\"next\":null}}}"},
        {"record without fields", RECORD_R "]}", "{\"x\":[{}]}", "", "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        OWN_BY(buf_clear) struct buf out = {0}, hex = {0}, text = {0};
        struct codec *c = make(cases[i].schema);
        if (encode(c, cases[i].json, true, &out, &err) < 0)
            fail_msg("%s: %s -> %s", cases[i].why, cases[i].json, err.text);
        put_hex(&hex, buf_str(&out));
        if (strcmp(buf_cstr(&hex), cases[i].hex) != 0)
            fail_msg("%s: %s -> %s, not %s", cases[i].why, cases[i].json, buf_cstr(&hex), cases[i].hex);
        const char *want = cases[i].out != NULL ? cases[i].out : cases[i].json;
        if (codec_decode_plain(c, buf_str(&out), &text, &err) < 0 || !same_json(buf_str(&text), want))
            fail_msg("%s: %s -> '%s' %s, not %s", cases[i].why, cases[i].hex, buf_cstr(&text), err.text, want);
        codec_unref(c);
    }
}

static void refusals(void **state)
{
    static const struct {
        const char *why, *schema, *json, *says;
    } cases[] = {
        {"string for int", "\"int\"", "\"5\"", ": expected int, got string"},
        {"fraction", "\"int\"", "1.5", ": expected int, got 1.5"},
        {"over 32 bits", "\"int\"", "3000000000", ": expected int, got 3000000000, which does not fit"},
        {"over 64 bits", "\"long\"", "9223372036854775808", ": expected long, got 9223372036854775808"},
        {"boolean for long", "\"long\"", "true", ": expected long, got boolean"},
        {"number for string", "\"string\"", "1", ": expected string, got number"},
        {"string for double", "\"double\"", "\"1\"", ": expected double, got string"},
        {"null for string", "\"string\"", "null", ": expected string, got null"},
        {"number for boolean", "\"boolean\"", "1", ": expected boolean, got number"},
        {"no byte", "\"bytes\"", "\"a\\u0100\"", "U+0100"},
        {"no byte", "\"bytes\"", "\"\xE2\x82\xAC\"", "U+20AC"},
        {"no byte", "\"bytes\"", "\"\xF0\x9F\x98\x80\"", "U+1F600"},
        {"short fixed", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", "\"ab\"", ": expected fixed of 3 bytes, got 2"},
        {"unknown symbol", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "\"Z\"", ": enum E has no symbol \"Z\""},
        {"object for array", "{\"type\":\"array\",\"items\":\"int\"}", "{}", ": expected array, got object"},
        {"item", "{\"type\":\"array\",\"items\":\"int\"}", "[1,2,\"x\"]", "/2: expected int, got string"},
        {"map value", "{\"type\":\"map\",\"values\":\"int\"}", "{\"a/b\":null}", "/a~1b: expected int, got null"},
        {"bare union", "[\"null\",\"string\"]", "\"x\"", ": expected null or {\"string\": ...}, got string"},
        {"unknown branch", "[\"null\",\"string\"]", "{\"int\":1}", ": unknown union branch \"int\""},
        {"empty union object", "[\"null\",\"string\"]", "{}", ": unknown union branch"},
        {"two members", "[\"null\",\"string\"]", "{\"string\":\"x\",\"int\":1}", "a union is an object with one member"},
        {"short branch name", "[\"null\",{\"type\":\"record\",\"name\":\"n.R\",\"fields\":[]}]", "{\"R\":{}}",
         "unknown union branch \"R\""},
        {"null is no branch", "[\"string\",\"int\"]", "null", ": expected {\"string\": ...} or {\"int\": ...}, got null"},
        {"missing", AB, "{\"a\":1,\"b\":\"x\"}", ": field \"c\" is missing"},
        {"missing in another order", AB, "{\"c\":[],\"b\":\"x\"}", ": field \"a\" is missing"},
        {"place in a record", AB, "{\"a\":1,\"b\":\"x\",\"c\":[1,false]}", "/c/1: expected long, got boolean"},
        {"place in another order", AB, "{\"c\":[1,false],\"b\":\"x\",\"a\":1}", "/c/1: expected long, got boolean"},
        {"place in a union", NODE, "{\"v\":1,\"next\":{\"n.Node\":{\"v\":\"2\",\"next\":null}}}",
         "/next/n.Node/v: expected int, got string"},
        {"not JSON", AB, "{\"a\":1,\"b\":}", "expected a JSON value but got '}' at line 1 column 12"},
        {"not JSON in what is ignored", AB, "{\"z\":[1,]}", "at line 1 column 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        OWN_BY(buf_clear) struct buf out = {0};
        struct codec *c = make(cases[i].schema);
        if (encode(c, cases[i].json, true, &out, &err) == 0)
            fail_msg("%s: %s is taken", cases[i].why, cases[i].json);
        assert_int_equal(err.code, ERR_INVALID);
        if (strstr(err.text, cases[i].says) == NULL || (cases[i].says[0] == ':' && err.text[0] != ':') ||
            (cases[i].says[0] == '/' && err.text[0] != '/'))
            fail_msg("%s: %s -> %s", cases[i].why, cases[i].json, err.text);
        codec_unref(c);
    }
}

#define EMPTY_ARRAY "{\"type\":\"array\",\"items\":\"null\"}"

static void bad_bytes(void **state)
{
    static const struct {
        const char *why, *schema, *hex, *says;
    } cases[] = {
        {"nothing", "\"int\"", "", "ends inside a number"},
        {"open varint", "\"long\"", "ffff", "ends inside a number"},
        {"too long varint", "\"long\"",
         "80808080808080808080"
         "01",
         "more than 64 bits"},
        {"tenth byte over 1", "\"long\"", "ffffffffffffffffff02", "more than 64 bits"},
        {"int over 32 bits", "\"int\"", "ffffffff1f", "does not fit 32 bits"},
        {"boolean 2", "\"boolean\"", "02", "0x02"},
        {"short float", "\"float\"", "000000", "ends inside a float"},
        {"short double", "\"double\"", "00000000000000", "ends inside a double"},
        {"short string", "\"string\"", "0861", "its length is 4, 1 bytes are left"},
        {"negative string", "\"string\"", "01", "of -1 bytes"},
        {"huge string", "\"string\"", "feffffffffffffffff01", "its length is"},
        {"short fixed", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", "6161", "ends inside a fixed"},
        {"symbol over the end", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "02", "symbol number 1"},
        {"negative symbol", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "01", "symbol number -1"},
        {"branch over the end", "[\"null\",\"int\"]", "04", "branch number 2"},
        {"negative branch", "[\"null\",\"int\"]", "01", "branch number -1"},
        {"trailing", "\"int\"", "0200", "1 bytes follow"},
        {"array without end", "{\"type\":\"array\",\"items\":\"int\"}", "0202", "ends inside a number"},
        {"item", "{\"type\":\"array\",\"items\":\"string\"}",
         "0400"
         "08",
         "/1: the data ends inside a string"},
        {"block of -2^63", EMPTY_ARRAY, "ffffffffffffffffff01", "a block of 2^63"},
        {"2^60 nulls", EMPTY_ARRAY, "808080808080808020", "over its limit"},
        {"block longer than the data", "{\"type\":\"array\",\"items\":\"int\"}",
         "01"
         "08"
         "0200",
         "a block of 4 bytes"},
        {"block that lies", "{\"type\":\"array\",\"items\":\"int\"}",
         "01"
         "04"
         "020000",
         "do not take the bytes"},
        {"record of itself", RECORD_R "{\"name\":\"r\",\"type\":\"R\"}]}", "", "nested more than"},
        {"record of itself twice", RECORD_R "{\"name\":\"r\",\"type\":\"R\"},{\"name\":\"s\",\"type\":\"R\"}]}", "",
         "nested more than"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        OWN_BY(buf_clear) struct buf in = {0}, out = {0};
        struct codec *c = make(cases[i].schema);
        from_hex(&in, cases[i].hex);
        if (codec_decode_plain(c, buf_str(&in), &out, &err) == 0)
            fail_msg("%s: %s is taken as %s", cases[i].why, cases[i].hex, buf_cstr(&out));
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: %s -> %s", cases[i].why, cases[i].hex, err.text);
        codec_unref(c);
    }
}

/* Zero bytes, and a text that doubles with each of 40 levels. */
static void values_of_no_bytes_do_not_explode(void **state)
{
    struct err err = {0};
    OWN_BY(buf_clear) struct buf schema = {0}, out = {0};
    buf_put_str(&schema, STR("["));
    buf_put_str(&schema, STR("{\"type\":\"record\",\"name\":\"R0\",\"fields\":[]}"));
    for (int i = 1; i <= 40; i++)
        buf_printf(&schema,
                   ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\",\"type\":\"R%d\"},{\"name\":\"b\","
                   "\"type\":\"R%d\"}]}",
                   i, i - 1, i - 1);
    buf_put_str(&schema, STR("]"));
    struct codec *c = make(buf_cstr(&schema));
    assert_int_equal(codec_decode_plain(c, STR("\x50"), &out, &err), -1);
    assert_non_null(strstr(err.text, "over its limit"));
    assert_true(out.n < 64 << 20);
    codec_unref(c);
}

static void blocks(void **state)
{
    static const struct {
        const char *why, *schema, *hex, *json;
    } cases[] = {
        {"several blocks", "{\"type\":\"array\",\"items\":\"int\"}",
         "0202"
         "040406"
         "00",
         "[1,2,3]"},
        {"a block with its bytes", "{\"type\":\"array\",\"items\":\"int\"}",
         "03040406"
         "0202"
         "00",
         "[2,3,1]"},
        {"a map in blocks", "{\"type\":\"map\",\"values\":\"int\"}",
         "0202"
         "6102"
         "0106026204"
         "00",
         "{\"a\":1,\"b\":2}"},
        {"1,000 nulls", EMPTY_ARRAY, "d00f00", NULL},
        {"a longer varint than need be", "\"int\"", "828000", "1"},
        {"not UTF-8", "\"string\"", "0861ff62c3",
         "\"a\xEF\xBF\xBD"
         "b\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        OWN_BY(buf_clear) struct buf in = {0}, out = {0};
        struct codec *c = make(cases[i].schema);
        from_hex(&in, cases[i].hex);
        if (codec_decode_plain(c, buf_str(&in), &out, &err) < 0)
            fail_msg("%s: %s", cases[i].why, err.text);
        if (cases[i].json != NULL && !same_json(buf_str(&out), cases[i].json))
            fail_msg("%s: %s", cases[i].why, buf_cstr(&out));
        codec_unref(c);
    }
}

/* Counts of one, two and three bytes. */
static void long_arrays_and_maps(void **state)
{
    static const int counts[] = {1, 63, 64, 65, 8191, 8192, 100000};
    struct codec *array = make("{\"type\":\"array\",\"items\":\"int\"}"), *map = make("{\"type\":\"map\",\"values\":\"int\"}");
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        struct err err = {0};
        OWN_BY(buf_clear) struct buf a = {0}, m = {0}, out = {0}, back = {0};
        for (int i = 0; i < counts[k]; i++) {
            buf_printf(&a, "%c%d", i == 0 ? '[' : ',', i % 100);
            buf_printf(&m, "%c\"k%d\":%d", i == 0 ? '{' : ',', i, i % 100);
        }
        buf_put_str(&a, STR("]"));
        buf_put_str(&m, STR("}"));
        assert_int_equal(encode(array, buf_cstr(&a), true, &out, &err), 0);
        assert_int_equal(codec_decode_plain(array, buf_str(&out), &back, &err), 0);
        assert_true(str_eq(buf_str(&a), buf_str(&back)));
        buf_reset(&out);
        buf_reset(&back);
        assert_int_equal(encode(map, buf_cstr(&m), true, &out, &err), 0);
        assert_int_equal(codec_decode_plain(map, buf_str(&out), &back, &err), 0);
        assert_true(str_eq(buf_str(&m), buf_str(&back)));
    }
    codec_unref(array);
    codec_unref(map);
}

static void message_form(void **state)
{
    struct err err = {0};
    OWN_BY(buf_clear) struct buf out = {0};
    struct codec *bytes = make("{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4}"),
                 *u = make("[\"null\",\"string\",\"bytes\"]"), *i = make("\"int\"");
    assert_int_equal(encode(bytes, "\"\\u0004\\u00d2\"", false, &out, &err), 0);
    assert_true(str_eq(buf_str(&out), STR("\x04\xD2")));
    buf_reset(&out);
    assert_int_equal(codec_decode_json(bytes, STR("\x04\xD2"), &out, &err), 0);
    assert_true(str_eq(buf_str(&out), STR("\"\\u0004\xC3\x92\"")));
    buf_reset(&out);
    assert_int_equal(codec_decode_json(bytes, STR("\x1F\n\"~"), &out, &err), 0);
    assert_true(str_eq(buf_str(&out), STR("\"\\u001F\\n\\\"~\""))); /* escapes as in texts */
    buf_reset(&out);
    assert_int_equal(encode(bytes, "\"\\u0004\\u00d2\"", true, &out, &err), 0);
    assert_true(str_eq(buf_str(&out), STR("\x04\x04\xD2")));
    buf_reset(&out);
    assert_int_equal(encode(u, "{\"bytes\":\"ab\"}", false, &out, &err), 0); /* only bytes at the very top are raw */
    assert_true(str_eq(buf_str(&out), STR("\x04\x04"
                                          "ab")));
    buf_reset(&out);
    assert_int_equal(codec_decode_json(u, STR("\x02\x02x"), &out, &err), 0);
    assert_true(str_eq(buf_str(&out), STR("\"x\"")));
    buf_reset(&out);
    assert_int_equal(codec_decode_json(u, STR("\x00"), &out, &err), 0);
    assert_true(str_eq(buf_str(&out), STR("null")));
    assert_true(codec_nullable(u));
    assert_false(codec_nullable(i));
    buf_reset(&out);
    assert_int_equal(codec_encode_null(u, &out, &err), 0);
    assert_int_equal(out.n, 1);
    assert_int_equal(codec_encode_null(i, &out, &err), -1);
    assert_string_equal(err.text, ": expected int, got null");
    codec_unref(bytes);
    codec_unref(u);
    codec_unref(i);
}

/* Inside a larger text: the reader ends behind the value, also where the value needed a second try. */
static void inside_a_text(void **state)
{
    struct err err = {0};
    struct json_reader r;
    OWN_BY(buf_clear) struct buf out = {0};
    struct codec *c = make("{\"type\":\"map\",\"values\":\"int\"}");
    json_reader_init(&r, STR("[{\"a\":1,\"a\":2},{\"b\":3},7]"), 0);
    assert_int_equal(json_next(&r), JSON_ARRAY);
    assert_int_equal(codec_encode_plain(c, &r, json_next(&r), &out, &err), 0);
    assert_int_equal(codec_encode_plain(c, &r, json_next(&r), &out, &err), 0);
    assert_int_equal(json_next(&r), JSON_NUMBER);
    assert_int_equal(json_next(&r), JSON_ARRAY_END);
    assert_true(str_eq(buf_str(&out), STR("\x02\x02"
                                          "a\x04\x00\x02\x02"
                                          "b\x06\x00")));
    codec_unref(c);
}

static void ceilings(void **state)
{
    struct codec *c = make(AB);
    const char *json = "{\"c\":[1,2,3,4,5,6,7,8,9],\"b\":\"abcdefghij\",\"a\":123456}";
    OWN_BY(buf_clear) struct buf whole = {0};
    assert_int_equal(encode(c, json, true, &whole, NULL), 0);
    for (size_t max = 1; max <= whole.n + 40; max++) {
        struct err err = {0};
        OWN_BY(buf_clear) struct buf out = {0}, text = {0};
        buf_init(&out, max);
        buf_init(&text, max);
        int rc = encode(c, json, true, &out, &err);
        if (rc < 0 && (err.code != ERR_TOO_BIG || strstr(err.text, "over") == NULL))
            fail_msg("%zu: %d %s", max, err.code, err.text);
        assert_true(rc == 0 || max < whole.n + 10); /* room for a whole member out of order */
        rc = codec_decode_plain(c, buf_str(&whole), &text, &err);
        assert_int_equal(rc == 0, max >= strlen(json));
    }
    codec_unref(c);
}

static void depth(void **state)
{
    struct err err = {0};
    struct codec *c = make(NODE);
    for (int deep = 400; deep <= 1400; deep += 1000) {
        OWN_BY(buf_clear) struct buf json = {0}, out = {0}, text = {0};
        err_clear(&err);
        for (int i = 0; i < deep; i++)
            buf_put_str(&json, STR("{\"v\":1,\"next\":{\"n.Node\":"));
        buf_put_str(&json, STR("{\"v\":1,\"next\":null}"));
        for (int i = 0; i < deep; i++)
            buf_put_str(&json, STR("}}"));
        int rc = encode(c, buf_cstr(&json), true, &out, &err);
        assert_int_equal(rc, deep == 400 ? 0 : -1);
        if (rc < 0)
            assert_non_null(strstr(err.text, "nested too deeply"));
        buf_reset(&out);
        for (int i = 0; i < deep; i++)
            buf_put(&out, "\x02\x02", 2);
        buf_put(&out, "\x02\x00", 2);
        err_clear(&err);
        rc = codec_decode_plain(c, buf_str(&out), &text, &err);
        assert_int_equal(rc, deep == 400 ? 0 : -1);
        if (rc < 0)
            assert_non_null(strstr(err.text, "nested more than"));
        else
            assert_true(str_eq(buf_str(&text), buf_str(&json)));
    }
    codec_unref(c);
}

/* Over 8 names, so that they are hashed; over 128 fields, so that the marks grow. */
static void wide_records(void **state)
{
    struct err err = {0};
    OWN_BY(buf_clear) struct buf schema = {0}, json = {0}, mixed = {0}, out = {0}, again = {0}, text = {0};
    enum { N = 400 };
    buf_put_str(&schema, STR(RECORD_R));
    for (int i = 0; i < N; i++) {
        buf_printf(&schema, "%s{\"name\":\"field_%d\",\"type\":%s}", i > 0 ? "," : "", i,
                   i % 2 ? "\"string\"" : "[\"null\",\"long\"]");
        buf_printf(&json, i % 2 ? "%c\"field_%d\":\"%d\"" : "%c\"field_%d\":{\"long\":%d}", i > 0 ? ',' : '{', i, i * i);
        int k = i * 7 % N; /* every one once */
        buf_printf(&mixed, k % 2 ? "%c\"field_%d\":\"%d\"" : "%c\"field_%d\":{\"long\":%d}", i > 0 ? ',' : '{', k, k * k);
    }
    buf_put_str(&schema, STR("]}"));
    buf_put_str(&json, STR("}"));
    buf_put_str(&mixed, STR("}"));
    struct codec *c = make(buf_cstr(&schema));
    assert_int_equal(encode(c, buf_cstr(&json), true, &out, &err), 0);
    assert_int_equal(encode(c, buf_cstr(&mixed), true, &again, &err), 0);
    assert_true(str_eq(buf_str(&out), buf_str(&again)));
    assert_int_equal(codec_decode_plain(c, buf_str(&out), &text, &err), 0);
    assert_true(str_eq(buf_str(&text), buf_str(&json)));
    codec_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),       cmocka_unit_test(refusals),
        cmocka_unit_test(bad_bytes),    cmocka_unit_test(values_of_no_bytes_do_not_explode),
        cmocka_unit_test(blocks),       cmocka_unit_test(long_arrays_and_maps),
        cmocka_unit_test(message_form), cmocka_unit_test(inside_a_text),
        cmocka_unit_test(ceilings),     cmocka_unit_test(depth),
        cmocka_unit_test(wide_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
