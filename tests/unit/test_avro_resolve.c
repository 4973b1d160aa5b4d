/* Bytes of one Avro schema read as another. */
#include "serde/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/own.h"

static struct schema *parse(const char *text)
{
    struct err err = {0};
    const struct schema_source src = {.type = SCHEMA_AVRO, .text = str_of(text)};
    struct schema *s = schema_parse(&src, &err);
    if (s == NULL)
        fail_msg("%s: %s", text, err.text);
    return s;
}

static struct codec *resolving(const char *writer, const char *reader, struct err *err)
{
    OWN_BY(schema_unrefp) struct schema *w = parse(writer), *r = parse(reader);
    return codec_new_resolving(w, r, err);
}

/* value, written with writer, as reader sees it; NULL with err. */
static int convert(const char *writer, const char *reader, const char *value, bool message, struct buf *out, struct err *err)
{
    OWN_BY(schema_unrefp) struct schema *w = parse(writer);
    OWN_BY(buf_clear) struct buf bytes = {0};
    struct json_reader r;
    struct codec *plain = codec_new(w, err), *c;
    assert_non_null(plain);
    json_reader_init(&r, str_of(value), 0);
    int rc = message ? codec_encode_json(plain, &r, json_next(&r), &bytes, err)
                     : codec_encode_plain(plain, &r, json_next(&r), &bytes, err);
    if (rc < 0)
        fail_msg("%s: %s", value, err->text);
    c = resolving(writer, reader, err);
    if (c == NULL)
        rc = -1;
    else
        rc = message ? codec_decode_json(c, buf_str(&bytes), out, err) : codec_decode_plain(c, buf_str(&bytes), out, err);
    codec_unref(c);
    codec_unref(plain);
    return rc;
}

#define REC(name, fields) "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"
#define F(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define FD(name, type, def) "{\"name\":\"" name "\",\"type\":" type ",\"default\":" def "}"
#define FA(name, type, aliases) "{\"name\":\"" name "\",\"type\":" type ",\"aliases\":" aliases "}"
#define ENUM(symbols, more) "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":" symbols more "}"
#define INT "\"int\""
#define STRING "\"string\""
#define AB REC("R", F("a", INT) "," F("b", STRING))
#define LIST(item) REC("n.L", F("v", item) "," F("next", "[\"null\",\"L\"]"))

static void reads(void **state)
{
    static const struct {
        const char *why, *writer, *reader, *value, *out;
    } cases[] = {
        {"int as long", INT, "\"long\"", "-7", "-7"},
        {"int as float", INT, "\"float\"", "16777217", "1.6777216E7"},
        {"int as double", INT, "\"double\"", "16777217", "1.6777217E7"},
        {"long as float", "\"long\"", "\"float\"", "5", "5.0"},
        {"long as double", "\"long\"", "\"double\"", "5", "5.0"},
        {"float as double", "\"float\"", "\"double\"", "0.1", "0.10000000149011612"},
        {"string as bytes", STRING, "\"bytes\"", "\"\\u00e9\"", "\"\xC3\x83\xC2\xA9\""},
        {"bytes as string", "\"bytes\"", STRING, "\"\\u00c3\\u00a9\"", "\"\xC3\xA9\""},
        {"array", "{\"type\":\"array\",\"items\":\"int\"}", "{\"type\":\"array\",\"items\":\"double\"}", "[1,2]", "[1.0,2.0]"},
        {"map", "{\"type\":\"map\",\"values\":\"int\"}", "{\"type\":\"map\",\"values\":\"double\"}", "{\"k\":1}", "{\"k\":1.0}"},
        {"an empty array of what cannot be read", "{\"type\":\"array\",\"items\":\"int\"}",
         "{\"type\":\"array\",\"items\":\"string\"}", "[]", "[]"},
        {"other order", AB, REC("R", F("b", STRING) "," F("a", "\"long\"")), "{\"a\":1,\"b\":\"x\"}", "{\"b\":\"x\",\"a\":1}"},
        {"writer's field skipped", AB, REC("R", F("b", STRING)), "{\"a\":1,\"b\":\"x\"}", "{\"b\":\"x\"}"},
        {"all skipped", AB, REC("R", ""), "{\"a\":1,\"b\":\"x\"}", "{}"},
        {"default first", AB, REC("R", FD("z", INT, "5") "," F("a", INT) "," F("b", STRING)), "{\"a\":1,\"b\":\"x\"}",
         "{\"z\":5,\"a\":1,\"b\":\"x\"}"},
        {"default last", AB, REC("R", F("a", INT) "," FD("z", "\"float\"", "5")), "{\"a\":1,\"b\":\"x\"}", "{\"a\":1,\"z\":5.0}"},
        {"default between, other order", AB, REC("R", F("b", STRING) "," FD("z", "\"double\"", "0.5") "," F("a", INT)),
         "{\"a\":1,\"b\":\"x\"}", "{\"b\":\"x\",\"z\":0.5,\"a\":1}"},
        {"only a default", REC("R", ""), REC("R", FD("z", "\"boolean\"", "true")), "{}", "{\"z\":true}"},
        {"union default: null", REC("R", ""), REC("R", FD("z", "[\"null\",\"int\"]", "null")), "{}", "{\"z\":null}"},
        {"union default: tagged", REC("R", ""), REC("R", FD("z", "[\"int\",\"null\"]", "3")), "{}", "{\"z\":{\"int\":3}}"},
        {"union default: the first that fits", REC("R", ""), REC("R", FD("z", "[\"int\",\"string\"]", "\"s\"")), "{}",
         "{\"z\":{\"string\":\"s\"}}"},
        {"default of bytes", REC("R", ""), REC("R", FD("z", "\"bytes\"", "\"\\u00ff\"")), "{}", "{\"z\":\"\xC3\xBF\"}"},
        {"default of an enum", REC("R", ""), REC("R", FD("z", ENUM("[\"A\"]", ""), "\"A\"")), "{}", "{\"z\":\"A\"}"},
        {"default of an array", REC("R", ""), REC("R", FD("z", "{\"type\":\"array\",\"items\":[\"null\",\"long\"]}", "[1,null]")),
         "{}", "{\"z\":[{\"long\":1},null]}"},
        {"default of a map", REC("R", ""), REC("R", FD("z", "{\"type\":\"map\",\"values\":\"float\"}", "{\"k\":1}")), "{}",
         "{\"z\":{\"k\":1.0}}"},
        {"default of a record with its own", REC("R", ""),
         REC("R", FD("z", REC("S", F("p", INT) "," FD("q", "[\"string\",\"null\"]", "\"d\"")), "{\"p\":1}")), "{}",
         "{\"z\":{\"p\":1,\"q\":{\"string\":\"d\"}}}"},
        {"default NaN", REC("R", ""), REC("R", FD("z", "\"double\"", "\"NaN\"")), "{}", "{\"z\":\"NaN\"}"},
        {"field alias", AB, REC("R", FA("c", INT, "[\"a\"]")), "{\"a\":1,\"b\":\"x\"}", "{\"c\":1}"},
        {"the name goes before an alias", AB,
         REC("R", "{\"name\":\"c\",\"type\":\"int\",\"default\":9,\"aliases\":[\"a\"]}," F("a", INT)), "{\"a\":1,\"b\":\"x\"}",
         "{\"c\":9,\"a\":1}"},
        {"record alias", AB, "{\"type\":\"record\",\"name\":\"Q\",\"aliases\":[\"R\"],\"fields\":[" F("a", INT) "]}",
         "{\"a\":1,\"b\":\"x\"}", "{\"a\":1}"},
        {"other name space", REC("n.R", F("a", INT)), REC("m.R", F("a", INT)), "{\"a\":1}", "{\"a\":1}"},
        {"enum symbols", ENUM("[\"A\",\"B\"]", ""), ENUM("[\"B\",\"A\",\"C\"]", ""), "\"B\"", "\"B\""},
        {"enum default", ENUM("[\"A\",\"B\"]", ""), ENUM("[\"A\",\"U\"]", ",\"default\":\"U\""), "\"B\"", "\"U\""},
        {"enum, the symbol that is known", ENUM("[\"A\",\"B\"]", ""), ENUM("[\"A\"]", ""), "\"A\"", "\"A\""},
        {"fixed", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"ab\"",
         "\"ab\""},
        {"into a union", INT, "[\"null\",\"int\"]", "1", "{\"int\":1}"},
        {"into a union, promoted", INT, "[\"null\",\"string\",\"double\"]", "1", "{\"double\":1.0}"},
        {"into a union, the same type before a promotion", INT, "[\"double\",\"int\"]", "1", "{\"int\":1}"},
        {"out of a union", "[\"null\",\"int\"]", "\"long\"", "{\"int\":1}", "1"},
        {"union to union", "[\"null\",\"int\",\"string\"]", "[\"string\",\"long\",\"null\"]", "{\"int\":1}", "{\"long\":1}"},
        {"union to union, null", "[\"null\",\"int\"]", "[\"int\",\"null\"]", "null", "null"},
        {"union of records by name", "[" REC("A", F("a", INT)) "," REC("B", F("a", INT)) "]",
         "[" REC("x.B", F("a", INT)) "," REC("B", F("a", "\"long\"")) "]", "{\"B\":{\"a\":1}}", "{\"B\":{\"a\":1}}"},
        {"union of records by simple name", REC("A", F("a", INT)), "[\"null\"," REC("x.A", F("a", INT)) "]", "{\"a\":1}",
         "{\"x.A\":{\"a\":1}}"},
        {"recursion", LIST(INT), LIST("\"double\""), "{\"v\":1,\"next\":{\"n.L\":{\"v\":2,\"next\":null}}}",
         "{\"v\":1.0,\"next\":{\"n.L\":{\"v\":2.0,\"next\":null}}}"},
        {"recursion skipped", REC("R", F("l", LIST(INT)) "," F("a", INT)), REC("R", F("a", INT)),
         "{\"l\":{\"v\":1,\"next\":{\"n.L\":{\"v\":2,\"next\":null}}},\"a\":5}", "{\"a\":5}"},
        {"every kind skipped",
         REC("R",
             F("s", STRING) "," F("b", "\"bytes\"") "," F("l", "\"long\"") "," F("f", "\"float\"") "," F(
                 "e",
                 ENUM(
                     "[\"A\"]",
                     "")) "," F("x",
                                "{\"type\":\"fixed\",\"name\":\"X\",\"size\":3}") "," F("m",
                                                                                        "{\"type\":\"map\",\"values\":"
                                                                                        "\"string\"}") "," F("n",
                                                                                                             "{\"type\":"
                                                                                                             "\"array\","
                                                                                                             "\"items\":"
                                                                                                             "\"null\"}") "," F("u",
                                                                                                                                "[\"null\",\"double\"]") "," F("a",
                                                                                                                                                               INT)),
         REC("R", F("a", INT)),
         "{\"s\":\"x\",\"b\":\"y\",\"l\":1,\"f\":1,\"e\":\"A\",\"x\":\"abc\",\"m\":{\"k\":\"v\",\"l\":\"w\"},\"n\":[null,null],"
         "\"u\":{\"double\":1},\"a\":5}",
         "{\"a\":5}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        OWN_BY(buf_clear) struct buf out = {0};
        if (convert(cases[i].writer, cases[i].reader, cases[i].value, false, &out, &err) < 0)
            fail_msg("%s: %s", cases[i].why, err.text);
        if (strcmp(buf_cstr(&out), cases[i].out) != 0)
            fail_msg("%s: %s, not %s", cases[i].why, buf_cstr(&out), cases[i].out);
    }
}

static void refusals(void **state)
{
    static const struct {
        const char *why, *writer, *reader, *value, *says; /* value NULL: not even a codec */
    } cases[] = {
        {"string as int", STRING, INT, NULL, "the writer's string cannot be read as the reader's int"},
        {"long as int", "\"long\"", INT, NULL, "long cannot be read"},
        {"no default", AB, REC("R", F("z", INT)), NULL, "field \"z\" of R is not in the writer's schema and has no default"},
        {"a field that does not fit", AB, REC("R", F("a", STRING)), NULL, "field \"a\": the writer's int cannot be read"},
        {"other name", AB, REC("Q", F("a", INT)), NULL, "the writer's R cannot be read as the reader's Q"},
        {"several aliases", AB, REC("R", FA("c", "[\"int\",\"string\"]", "[\"a\",\"b\"]")), NULL, "matches several fields"},
        {"name and alias", AB, REC("R", FA("a", INT, "[\"b\"]")), NULL, "matches several fields"},
        {"fixed size", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", NULL,
         "has 2 bytes, the reader's 3"},
        {"no branch", STRING, "[\"null\",\"int\"]", NULL, "no branch for the writer's string"},
        {"no branch at all", "[\"null\",\"string\"]", INT, NULL, "cannot be read"},
        {"a default that does not fit", REC("R", ""), REC("R", FD("z", INT, "\"x\"")), NULL,
         "default of the reader's field \"z\""},
        {"this branch", "[\"null\",\"int\"]", INT, "null", ": the writer's null cannot be read as the reader's int"},
        {"this item", "{\"type\":\"array\",\"items\":\"int\"}", "{\"type\":\"array\",\"items\":\"string\"}", "[1]",
         "/0: the writer's int"},
        {"this symbol", ENUM("[\"A\",\"B\"]", ""), ENUM("[\"A\"]", ""), "\"B\"", "no symbol \"B\" and no default"},
        {"deep inside", REC("R", F("a", "[\"int\",\"string\"]")), REC("R", F("a", "[\"string\",\"null\"]")),
         "{\"a\":{\"int\":1}}", "/a: the reader's union has no branch for the writer's int"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        OWN_BY(buf_clear) struct buf out = {0};
        if (cases[i].value == NULL)
            assert_null(resolving(cases[i].writer, cases[i].reader, &err));
        else
            assert_int_equal(convert(cases[i].writer, cases[i].reader, cases[i].value, false, &out, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].why, err.text);
    }
}

static void messages(void **state)
{
    struct err err = {0};
    OWN_BY(buf_clear) struct buf out = {0};
    assert_int_equal(convert("\"bytes\"", "[\"null\",\"string\"]", "\"abc\"", true, &out, &err), 0);
    assert_string_equal(buf_cstr(&out), "\"abc\""); /* raw bytes, and no tag at the top */
    buf_reset(&out);
    assert_int_equal(convert("[\"null\",\"bytes\"]", "\"bytes\"", "{\"bytes\":\"abc\"}", true, &out, &err), 0);
    assert_string_equal(buf_cstr(&out), "\"abc\"");
    struct codec *c = resolving(INT, "[\"null\",\"int\"]", &err);
    assert_true(codec_nullable(c));
    assert_int_equal(codec_encode_null(c, &out, &err), -1);
    codec_unref(c);
}

/* 2^60 nulls, in a field that the reader skips, take no time. */
static void skipping_what_takes_no_bytes(void **state)
{
    struct err err = {0};
    OWN_BY(buf_clear) struct buf out = {0};
    OWN_BY(buf_clear) struct buf deep = {0};
    struct codec *c =
        resolving(REC("R", F("n", "{\"type\":\"array\",\"items\":\"null\"}") "," F("a", INT)), REC("R", F("a", INT)), &err);
    assert_int_equal(codec_decode_plain(c, STR("\x80\x80\x80\x80\x80\x80\x80\x80\x20\x00\x02"), &out, &err), 0);
    assert_string_equal(buf_cstr(&out), "{\"a\":1}");
    codec_unref(c);
    /* a record whose empty leaves double with each of 600 levels */
    buf_put_str(&deep, STR("[" REC("R0", "")));
    for (int i = 1; i <= 600; i++)
        buf_printf(&deep, "," REC("R%d", F("a", "\"R%d\"") "," F("b", "\"R%d\"")), i, i - 1, i - 1);
    buf_put_str(&deep, STR("," REC("W", F("x", "\"R600\"") "," F("a", INT)) "]"));
    c = resolving(buf_cstr(&deep), REC("W", F("a", INT)), &err);
    if (c == NULL)
        fail_msg("%s", err.text);
    buf_reset(&out);
    if (codec_decode_plain(c, STR("\xB2\x09\x02"), &out, &err) < 0) /* branch 601 */
        fail_msg("%s", err.text);
    assert_string_equal(buf_cstr(&out), "{\"a\":1}");
    codec_unref(c);
}

/* Defaults that call for each other double with each level: refused, in no time. */
static void defaults_do_not_explode(void **state)
{
    struct err err = {0};
    OWN_BY(buf_clear) struct buf text = {0};
    buf_put_str(&text, STR("[" REC("R0", "")));
    for (int i = 1; i <= 60; i++)
        buf_printf(&text, "," REC("R%d", FD("a", "\"R%d\"", "{}") "," FD("b", "\"R%d\"", "{}")), i, i - 1, i - 1);
    buf_put_str(&text, STR("," REC("W", FD("x", "\"R60\"", "{}")) "]"));
    assert_null(resolving(REC("W", ""), buf_cstr(&text), &err));
    assert_int_equal(err.code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refusals),
        cmocka_unit_test(messages),
        cmocka_unit_test(skipping_what_takes_no_bytes),
        cmocka_unit_test(defaults_do_not_explode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
