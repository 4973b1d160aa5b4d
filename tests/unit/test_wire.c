#include "serde/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof(*(a)))

/* Hex to bytes, in a static buffer: one at a time. */
static struct str bytes(const char *hex)
{
    static char out[512];
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned v;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        out[i] = (char)v;
    }
    return str_n(out, n);
}

static void frames(void **state)
{
    static const struct { const char *why, *hex; int64_t id; const char *guid, *payload, *error; } cases[] = {
        {"id is big-endian", "000000010000", 256, NULL, "00", NULL},
        {"id 0", "000000000000", 0, NULL, "00", NULL},
        {"empty payload", "00000186a1", 100001, NULL, "", NULL},
        {"guid", "0189791762233641869674299b90a802e202", 0, "89791762233641869674299b90a802e2", "02", NULL},
        {"guid alone", "01000000000000000000000000000000ff", 0, "000000000000000000000000000000ff", "", NULL},
        {"unknown magic", "ff00000001", 0, NULL, NULL, "unknown magic byte 255 in "},
        {"unknown magic, more bytes", "0500000001aa", 0, NULL, NULL, "unknown magic byte 5 in "},
        {"unknown magic wins over truncated", "02", 0, NULL, NULL, "unknown magic byte 2 in "},
        {"truncated id", "000000", 0, NULL, NULL, "truncated: 3 bytes, and magic byte 0 needs 5"},
        {"truncated guid", "01000000000000000000000000000000", 0, NULL, NULL, "truncated: 16 bytes, and magic byte 1 needs 17"},
        {"empty", "", 0, NULL, NULL, "truncated: it is empty"},
    };
    for (size_t i = 0; i < N(cases); i++)
        for (int header = 0; header < 2; header++) {
            struct wire_frame f;
            struct err err = {0};
            int rc = (header ? wire_read_header : wire_read_prefix)(bytes(cases[i].hex), &f, &err);
            if (cases[i].error != NULL) {
                assert_int_equal(rc, -1);
                assert_int_equal(err.code, ERR_INVALID);
                assert_non_null(strstr(err.text, cases[i].error));
                assert_non_null(strstr(err.text, header ? "header" : "message"));
                continue;
            }
            assert_int_equal(rc, 0);
            assert_int_equal(f.has_guid, cases[i].guid != NULL);
            assert_int_equal(f.id, cases[i].id);
            struct buf back = {0};
            if (f.has_guid)
                wire_put_prefix_guid(&back, f.guid);
            else
                wire_put_prefix_id(&back, f.id);
            buf_put(&back, f.payload.p, f.payload.n);
            assert_true(str_eq(buf_str(&back), bytes(cases[i].hex)));
            if (f.has_guid)
                assert_memory_equal(f.guid, bytes(cases[i].guid).p, 16);
            assert_int_equal(f.payload.n, strlen(cases[i].payload) / 2);
            buf_clear(&back);
        }
}

static void indexes(void **state)
{
    static const struct { const char *why, *hex; int32_t idx[4]; size_t n; size_t left; bool decode_only; } cases[] = {
        {"the first message", "000a0161", {0}, 1, 3, false},
        {"nested first", "0400000a0161", {0, 0}, 2, 3, false},
        {"1, 0", "040200", {1, 0}, 2, 0, false},
        {"0, 2", "040004", {0, 2}, 2, 0, false},
        {"300", "02d8040a0161", {300}, 1, 3, false},
        {"64", "02800155", {64}, 1, 1, false},
        {"the long form of [0]", "02000a0161", {0}, 1, 3, true},
        {"largest", "02feffffff0f", {INT32_MAX}, 1, 0, false},
    };
    for (size_t i = 0; i < N(cases); i++) {
        int32_t got[WIRE_MAX_INDEXES];
        size_t n = 99;
        struct err err = {0};
        struct str whole = bytes(cases[i].hex), in = whole;
        assert_int_equal(wire_read_indexes(&in, got, &n, &err), 0);
        assert_int_equal(n, cases[i].n);
        assert_memory_equal(got, cases[i].idx, n * sizeof *got);
        assert_int_equal(in.n, cases[i].left);
        if (cases[i].decode_only)
            continue;
        struct buf back = {0};
        wire_put_indexes(&back, got, n);
        buf_put(&back, in.p, in.n);
        assert_true(str_eq(buf_str(&back), whole));
        buf_clear(&back);
    }
}

static void bad_indexes(void **state)
{
    static const struct { const char *why, *hex, *error; } cases[] = {
        {"nothing", "", "truncated"},
        {"a count without an end", "80", "truncated"},
        {"a count without items", "04", "truncated"},
        {"one of two", "0402", "truncated"},
        {"a negative count", "01", "-1 message indexes"},
        {"too many", "8201", "65 message indexes"},
        {"a negative index", "0203", "message index -2 is negative"},
        {"six bytes", "02808080808000", "over 32 bits"},
        {"33 bits", "02ffffffff1f", "over 32 bits"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        int32_t got[WIRE_MAX_INDEXES];
        size_t n;
        struct err err = {0};
        struct str in = bytes(cases[i].hex);
        assert_int_equal(wire_read_indexes(&in, got, &n, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        if (strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].why, err.text);
        assert_int_equal(in.n, strlen(cases[i].hex) / 2); /* untouched */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(frames), cmocka_unit_test(indexes), cmocka_unit_test(bad_indexes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
