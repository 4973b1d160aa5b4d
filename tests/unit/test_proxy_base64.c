/* base64 as the API takes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/own.h"
#include "proxy/base64.h"

static void known_texts(void **state)
{
    static const struct {
        const char *why, *text, *bytes;
        ptrdiff_t n;
    } cases[] = {
        {"nothing", "", "", 0},
        {"one byte", "Zg==", "f", 1},
        {"two bytes", "Zm8=", "fo", 2},
        {"three bytes", "Zm9v", "foo", 3},
        {"padding left out, one byte", "Zg", "f", 1},
        {"padding left out, two bytes", "Zm8", "fo", 2},
        {"four and two", "Zm9vYg", "foob", 4},
        {"one stride", "Zm9vYmFy", "foobar", 6},
        {"a stride and a group", "Zm9vYmFyYmF6", "foobarbaz", 9},
        {"two strides and padding", "Zm9vYmFyYmF6IHF1eHg=", "foobarbaz quxx", 14},
        {"plus and slash", "+/+/", "\xfb\xff\xbf", 3},
        {"zeros", "AAAA", "\0\0\0", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        ptrdiff_t n = base64_decode(str_of(cases[i].text), out, NULL);
        if (n != cases[i].n || memcmp(out, cases[i].bytes, (size_t)n) != 0)
            fail_msg("%s: got %td bytes", cases[i].why, n);
    }
}

static void wrong_texts(void **state)
{
    static const struct {
        const char *why, *text;
        size_t at;
    } cases[] = {
        {"a character of no alphabet", "not base64!", 3},
        {"white space", "Zm9v\nYmFy", 4},
        {"the URL alphabet", "-_-_", 0},
        {"wrong in the second stride", "Zm9vYmFyZm9v*mFy", 12},
        {"wrong in the last group", "Zm9vYmFyZ*9v", 9},
        {"wrong behind the last group", "Zm9v?g", 4},
        {"one character too many", "Zm9vY", 5},
        {"padding in front", "=Zm9", 0},
        {"padding in the middle", "Zg==Zg==", 2},
        {"padding alone", "====", 0},
        {"too much padding", "Zm9v=", 5},
        {"half of the padding", "Zg=", 2},
        {"not ASCII", "Z\xC3\xA9vv", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        size_t at = 99;
        ptrdiff_t n = base64_decode(str_of(cases[i].text), out, &at);
        if (n != -1 || at != cases[i].at)
            fail_msg("%s: got %td, at %zu instead of %zu", cases[i].why, n, at, cases[i].at);
    }
}

static size_t encode(const unsigned char *p, size_t n, char *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t m = 0;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        out[m++] = alphabet[v >> 18];
        out[m++] = alphabet[v >> 12 & 63];
        out[m++] = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
        out[m++] = i + 2 < n ? alphabet[v & 63] : '=';
    }
    return m;
}

/* Every length up to 200, in buffers of exactly the promised room, and over itself. */
static void round_trips(void **state)
{
    for (size_t n = 0; n <= 200; n++) {
        unsigned char bytes[200];
        char text[280];
        for (size_t i = 0; i < n; i++)
            bytes[i] = (unsigned char)(rand() >> 4);
        size_t m = encode(bytes, n, text);
        OWN_BY(own_free) char *out = malloc(BASE64_DECODE_ROOM(m)), *over = malloc(m + 1);
        assert_int_equal(base64_decode(str_n(text, m), out, NULL), (ptrdiff_t)n);
        assert_memory_equal(out, bytes, n);
        memcpy(over, text, m);
        assert_int_equal(base64_decode(str_n(over, m), over, NULL), (ptrdiff_t)n);
        assert_memory_equal(over, bytes, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_texts), cmocka_unit_test(wrong_texts), cmocka_unit_test(round_trips)};
    return cmocka_run_group_tests_name("proxy_base64", tests, NULL, NULL);
}
