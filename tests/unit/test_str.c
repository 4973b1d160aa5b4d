#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void numbers(void **state)
{
    static const struct { const char *text; bool ok; int64_t v; } cases[] = {
        {"0", true, 0}, {"-1", true, -1}, {"+7", true, 7}, {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN}, {"9223372036854775808", false, 0}, {"", false, 0}, {"-", false, 0},
        {"1a", false, 0}, {" 1", false, 0}, {"99999999999999999999", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 0;
        assert_int_equal(str_to_i64(str_of(cases[i].text), &v), cases[i].ok);
        if (cases[i].ok)
            assert_true(v == cases[i].v);
    }
}

static void utf8(void **state)
{
    static const struct { const char *why; const char *text; bool ok; } cases[] = {
        {"ascii", "abc", true}, {"two bytes", "\xC3\xA9", true}, {"four bytes", "\xF0\x9F\x98\x80", true},
        {"overlong slash", "\xC0\xAF", false}, {"surrogate", "\xED\xA0\x80", false}, {"cut", "\xE2\x82", false},
        {"over U+10FFFF", "\xF4\x90\x80\x80", false}, {"lone continuation", "\x80", false}, {"overlong three", "\xE0\x80\x80", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(str_utf8_ok(str_of(cases[i].text)), cases[i].ok);
}

static void order(void **state)
{
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR(""), STR_NULL) == 0);
    /* U+FFFD is after the surrogates of U+1F600 in UTF-16, before it in bytes */
    assert_true(str_cmp(STR("\xEF\xBF\xBD"), STR("\xF0\x9F\x98\x80")) < 0);
    assert_true(str_cmp_utf16(STR("\xEF\xBF\xBD"), STR("\xF0\x9F\x98\x80")) > 0);
    assert_true(str_cmp_utf16(STR("\xF0\x9F\x98\x80"), STR("z")) > 0);
}

static void splitting(void **state)
{
    struct str s = STR("a=b=c");
    bool found;
    assert_true(str_is(str_split(&s, '=', &found), "a") && found);
    assert_true(str_is(str_split(&s, '=', &found), "b") && found);
    assert_true(str_is(str_split(&s, '=', &found), "c") && !found);
    assert_int_equal(s.n, 0);
    assert_true(str_is(str_trim(STR(" \t x y \r\n")), "x y"));
    assert_true(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")) && str_ends(STR("abc"), STR("bc")));
    assert_true(str_eq_nocase(STR("Latest"), STR("lATEST")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers), cmocka_unit_test(utf8), cmocka_unit_test(order), cmocka_unit_test(splitting)};
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
