#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/map.h"

static bool reads(struct str text, struct err *err)
{
    struct json_reader r;
    json_reader_init(&r, text, 0);
    for (;;) {
        enum json_token t = json_next(&r);
        if (t == JSON_ERROR) {
            *err = r.err;
            assert_int_equal(json_next(&r), JSON_ERROR);
            return false;
        }
        if (t == JSON_END)
            return true;
    }
}

static void grammar(void **state)
{
    static const struct { const char *why, *text; bool ok; const char *says; } cases[] = {
        {"scalars", "null", true, NULL}, {"scalars", " true ", true, NULL}, {"scalars", "-0.5e+10", true, NULL}, {"scalars", "\"\"", true, NULL},
        {"empty things", "[]", true, NULL}, {"empty things", "{}", true, NULL}, {"nested", "{\"a\":[1,{\"b\":null}],\"c\":\"d\"}", true, NULL},
        {"two values", "1 2", false, "expected the end of the text but got '2' at line 1 column 3"},
        {"nothing", "", false, "the text ends"}, {"comma at the end", "[1,]", false, "expected a JSON value but got ']'"},
        {"comma at the end", "{\"a\":1,}", false, "a member name"}, {"no colon", "{\"a\" 1}", false, "':'"},
        {"wrong bracket", "[1}", false, "',' or ']'"}, {"open", "{\"a\":1", false, "',' or '}'"}, {"leading zero", "01", false, "the end"},
        {"bare point", "1.", false, "a digit"}, {"plus", "+1", false, "a JSON value"}, {"word", "nul", false, "a JSON value"}, {"NaN", "NaN", false, ""},
        {"single quotes", "'a'", false, ""}, {"control in a string", "\"a\nb\"", false, "control character"}, {"open string", "\"abc", false, "without end"},
        {"bad escape", "\"\\x\"", false, "unknown escape"}, {"short \\u", "\"\\u12\"", false, "four hex digits"},
        {"pair", "\"\\ud83d\\ude00\"", true, NULL}, {"lone high", "\"\\ud83d\"", false, "surrogate"}, {"lone low", "\"\\ude00\"", false, "surrogate"},
        {"not UTF-8", "\"\xC3\x28\"", false, "UTF-8"}, {"overlong", "\"\xC0\xAF\"", false, "UTF-8"}, {"UTF-8", "\"\xE2\x82\xAC and more than sixteen bytes\"", true, NULL},
        {"line and column", "{\n \"a\": 1\n \"b\": 2}", false, "expected ',' or '}' but got '\"' at line 3 column 2"},
        {"byte order mark", "\xEF\xBB\xBF{}", false, "0xef"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct arena a = {0};
        bool ok = reads(str_of(cases[i].text), &err);
        if (ok != cases[i].ok || (!ok && strstr(err.text, cases[i].says) == NULL))
            fail_msg("%s: %s -> %d %s", cases[i].why, cases[i].text, ok, err.text);
        assert_int_equal(json_parse(str_of(cases[i].text), JSON_DUP_LAST, 0, &a, NULL) != NULL, ok);
        arena_clear(&a);
    }
}

static void every_cut_of_a_valid_text_is_an_error(void **state)
{
    const char *text = "{\"key\\u00e9\":[true,false,null,-12.5e3,\"\xF0\x9F\x98\x80\\\"\"],\"o\":{\"x\":{}}}";
    struct err err = {0};
    assert_true(reads(str_of(text), &err));
    for (size_t n = 0; n < strlen(text); n++) {
        char *cut = malloc(n + 1); /* exactly n bytes, so that ASan sees one too far */
        memcpy(cut, text, n);
        char *exact = realloc(cut, n != 0 ? n : 1);
        err_clear(&err);
        assert_false(reads(str_n(exact, n), &err));
        free(exact);
    }
}

static void depth_is_limited_at_once(void **state)
{
    enum { N = 100000 };
    char *text = malloc(N);
    memset(text, '[', N);
    struct err err = {0};
    struct arena a = {0};
    assert_false(reads(str_n(text, N), &err));
    assert_int_equal(err.code, ERR_TOO_BIG);
    err_clear(&err);
    assert_null(json_parse(str_n(text, N), JSON_DUP_LAST, 0, &a, &err));
    assert_int_equal(err.code, ERR_TOO_BIG);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    err_clear(&err);
    assert_true(reads(str_n(text, 2 * JSON_DEPTH_MAX), &err));
    struct buf out = {0};
    json_put_tree(&out, json_parse(str_n(text, 2 * JSON_DEPTH_MAX), JSON_DUP_LAST, 0, &a, &err));
    assert_memory_equal(out.p, text, 2 * JSON_DEPTH_MAX);
    buf_clear(&out);
    arena_clear(&a);
    free(text);
}

static void tokens_slices_and_streams(void **state)
{
    struct json_reader r;
    struct arena a = {0};
    struct str raw;
    json_reader_init(&r, STR(" {\"a\\n\": [1, [2]], \"b\": \"x\"} "), 0);
    assert_int_equal(json_next(&r), JSON_OBJECT);
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_true(r.escaped && json_string_is(&r, STR("a\n")) && str_is(json_string(&r, &a), "a\n"));
    enum json_token t = json_next(&r);
    assert_int_equal(t, JSON_ARRAY);
    assert_int_equal(json_offset(&r), 9);
    assert_int_equal(json_skip(&r, t, &raw), 0);
    assert_true(str_is(raw, "[1, [2]]"));
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_int_equal(json_next(&r), JSON_STRING);
    assert_true(str_is(r.text, "x"));
    assert_int_equal(json_next(&r), JSON_OBJECT_END);
    assert_int_equal(json_next(&r), JSON_END);
    json_reader_init_stream(&r, STR("1 \"a\"\n{} "), 0);
    assert_int_equal(json_next(&r), JSON_NUMBER);
    assert_int_equal(json_next(&r), JSON_STRING);
    assert_int_equal(json_next(&r), JSON_OBJECT);
    assert_int_equal(json_next(&r), JSON_OBJECT_END);
    assert_int_equal(json_next(&r), JSON_END);
    arena_clear(&a);
}

static void escapes(void **state)
{
    struct buf out = {0};
    json_unescape(STR("\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00"), &out);
    assert_string_equal(buf_cstr(&out), "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    buf_reset(&out);
    json_put_string(&out, str_n("q\" b\\ \1\b\f\n\r\t\0\x1f \x7f \xC3\xA9 \xFF", 21));
    assert_string_equal(buf_cstr(&out), "\"q\\\" b\\\\ \\u0001\\b\\f\\n\\r\\t\\u0000\\u001F \x7f \xC3\xA9 \xEF\xBF\xBD\"");
    buf_clear(&out);
}

static void integers(void **state)
{
    static const struct { const char *text; bool ok; int64_t v; } cases[] = {
        {"0", true, 0}, {"-0", true, 0}, {"-0.0", true, 0}, {"12", true, 12}, {"1.0", true, 1}, {"1e2", true, 100}, {"1.5e1", true, 15}, {"150e-1", true, 15},
        {"1.5", false, 0}, {"1e-1", false, 0}, {"9223372036854775807", true, INT64_MAX}, {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0}, {"1e18", true, 1000000000000000000}, {"1e19", false, 0}, {"1e999999999999", false, 0}, {"0e999999999999", true, 0},
        {"100000000000000000000000000000000e-30", true, 100}, {"123456789012345678901234567890", false, 0}, {"0.00000000000000000000000001e26", true, 1},
        {"1000000000000000000000000000001e-30", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 0;
        if (json_number_i64(str_of(cases[i].text), &v) != cases[i].ok || (cases[i].ok && v != cases[i].v))
            fail_msg("%s -> %lld", cases[i].text, (long long)v);
    }
}

static void doubles(void **state)
{
    static const struct { double v; const char *text; } cases[] = {
        {0, "0.0"}, {-0.0, "-0.0"}, {1, "1.0"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {0.001, "0.001"}, {0.0001, "1.0E-4"}, {9999999, "9999999.0"}, {1e7, "1.0E7"},
        {123456789.5, "1.234567895E8"}, {0.1f, "0.10000000149011612"}, {1e21, "1.0E21"}, {5e-324, "4.9E-324"}, {1e-320, "1.0E-320"}, {1.7976931348623157e308, "1.7976931348623157E308"},
        {1.0 / 3, "0.3333333333333333"}, {100.25, "100.25"}, {0.012345, "0.012345"}, {2e-3, "0.002"}, {9007199254740993.0, "9.007199254740992E15"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = {0};
        json_put_double(&out, cases[i].v);
        assert_string_equal(buf_cstr(&out), cases[i].text);
        buf_clear(&out);
    }
    struct buf out = {0};
    json_put_double(&out, NAN);
    json_put_double(&out, -INFINITY);
    assert_string_equal(buf_cstr(&out), "\"NaN\"\"-Infinity\"");
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 20000; i++) { /* any double reads back as itself */
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double v, again;
        memcpy(&v, &x, sizeof v);
        if (!isfinite(v))
            continue;
        buf_reset(&out);
        json_put_double(&out, v);
        again = json_number_double(buf_str(&out));
        assert_true(again == v && signbit(again) == signbit(v));
        char text[40];
        int n = snprintf(text, sizeof text, "%.17g", v);
        assert_true(json_number_double(str_n(text, (size_t)n)) == v);
    }
    buf_clear(&out);
    assert_true(isinf(json_number_double(STR("1e400"))));
}

/* Of all texts that read back as v, the shortest, and of those the nearest: what printf says with one digit less does not read back. */
static void doubles_are_short(void **state)
{
    uint64_t x = 88172645463325252u;
    struct buf out = {0};
    for (int i = 0; i < 40000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double v = ldexp((double)(x >> 11), -53) * pow(10, (int)(x % 21) - 5);
        if (i % 4 == 1)
            v = (double)(float)v;
        if (i % 4 == 2)
            v = (double)(x % 1000000000) / pow(10, (double)(1 + x % 6));
        if (i % 4 == 3)
            v = nextafter(ldexp(1, (int)(x % 66) - 16), x & 64 ? 0 : x & 128 ? 1e300 : ldexp(1, (int)(x % 66) - 16));
        buf_reset(&out);
        json_put_double(&out, v);
        assert_true(json_number_double(buf_str(&out)) == v);
        int digits = 0, zeros = 0;
        for (size_t k = 0; k < out.n && out.p[k] != 'E'; k++) {
            zeros = out.p[k] == '0' ? zeros + (digits > 0) : out.p[k] == '.' ? zeros : 0;
            digits += (out.p[k] >= '1' && out.p[k] <= '9') || (out.p[k] == '0' && digits > 0);
        }
        digits -= zeros;
        char text[40];
        if (digits > 1) {
            snprintf(text, sizeof text, "%.*e", digits - 2, v);
            assert_true(strtod(text, NULL) != v);
        }
        snprintf(text, sizeof text, "%.*e", digits - 1, v);
        assert_true(digits == 17 || strtod(text, NULL) == json_number_double(buf_str(&out)));
    }
    buf_clear(&out);
}

static void trees_and_duplicates(void **state)
{
    struct arena a = {0};
    struct buf out = {0}, many = {0};
    struct err err = {0};
    json_put_tree(&out, json_parse(STR("{\"a\":1,\"b\":2,\"a\":[3],\"a\":4.50}"), JSON_DUP_LAST, 0, &a, NULL));
    assert_string_equal(buf_cstr(&out), "{\"a\":4.50,\"b\":2}");
    buf_reset(&out);
    json_put_tree(&out, json_parse(STR("{\"a\":1,\"b\":2,\"a\":3}"), JSON_DUP_FIRST, 0, &a, NULL));
    assert_string_equal(buf_cstr(&out), "{\"a\":1,\"b\":2}");
    assert_null(json_parse(STR("[{\"a\":1,\"\\u0061\":3}]"), JSON_DUP_ERROR, 0, &a, &err));
    assert_non_null(strstr(err.text, "\"a\""));
    buf_put_u8(&many, '{');
    for (int i = 0; i < 5000; i++)
        buf_printf(&many, "%s\"k%d\":%d", i != 0 ? "," : "", i % 2500, i);
    buf_put_u8(&many, '}');
    struct json *o = json_parse(buf_str(&many), JSON_DUP_LAST, 0, &a, NULL);
    assert_int_equal(o->count, 2500);
    assert_true(str_is(json_get(o, "k7")->text, "2507"));
    assert_true(str_is(o->last->key, "k2499"));
    assert_true(json_equal(json_parse(STR("{\"x\":1,\"y\":[true]}"), 0, 0, &a, NULL), json_parse(STR("{\"y\":[true], \"x\":1}"), 0, 0, &a, NULL)));
    assert_false(json_equal(json_parse(STR("{\"x\":1}"), 0, 0, &a, NULL), json_parse(STR("{\"x\":1.0}"), 0, 0, &a, NULL)));
    buf_clear(&many);
    buf_clear(&out);
    arena_clear(&a);
}

static void writer(void **state)
{
    struct buf out = {0};
    struct json_writer w = json_writer_on(&out);
    jw_object(&w);
    jw_key(&w, "id");
    jw_i64(&w, INT64_MIN);
    jw_key_str(&w, STR("l\"ist"));
    jw_array(&w);
    jw_str(&w, STR("x"));
    jw_str(&w, STR_NULL);
    jw_bool(&w, true);
    jw_object(&w);
    jw_object_end(&w);
    jw_array_end(&w);
    jw_key(&w, "raw");
    jw_raw(&w, STR("[0]"));
    jw_object_end(&w);
    assert_string_equal(buf_cstr(&out), "{\"id\":-9223372036854775808,\"l\\\"ist\":[\"x\",null,true,{}],\"raw\":[0]}");
    buf_clear(&out);
}

static void maps(void **state)
{
    enum { N = 3000 };
    struct map m = {0};
    static char keys[N][8];
    assert_null(map_get(&m, STR("x")));
    for (int i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        assert_int_equal(map_set(&m, str_of(keys[i]), keys[i]), 0);
    }
    for (int i = 0; i < N; i += 3)
        assert_ptr_equal(map_remove(&m, str_of(keys[i])), keys[i]);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(map_get(&m, str_of(keys[i])), i % 3 == 0 ? NULL : keys[i]);
    size_t at = 0, n = 0;
    while (map_each(&m, &at) != NULL)
        n++;
    assert_int_equal(n, m.count);
    assert_int_equal(n, N - N / 3);
    assert_null(map_remove(&m, STR("k0")));
    assert_int_equal(map_set(&m, STR("k1"), keys[2]), 0);
    assert_ptr_equal(map_get(&m, STR("k1")), keys[2]);
    assert_int_equal(m.count, n);
    map_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar), cmocka_unit_test(every_cut_of_a_valid_text_is_an_error), cmocka_unit_test(depth_is_limited_at_once),
        cmocka_unit_test(tokens_slices_and_streams), cmocka_unit_test(escapes), cmocka_unit_test(integers), cmocka_unit_test(doubles), cmocka_unit_test(doubles_are_short),
        cmocka_unit_test(trees_and_duplicates), cmocka_unit_test(writer), cmocka_unit_test(maps)};
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
