#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"

static void grows_and_keeps_what_it_had(void **state)
{
    struct buf b = {0};
    for (int i = 0; i < 10000; i++)
        buf_printf(&b, "%d,", i);
    assert_false(b.failed);
    assert_int_equal(b.n, 48890);
    assert_memory_equal(b.p, "0,1,2,3,", 8);
    assert_string_equal(buf_cstr(&b) + b.n - 5, "9999,");
    buf_clear(&b);
}

static void remembers_that_it_hit_the_ceiling(void **state)
{
    struct buf b;
    buf_init(&b, 8);
    buf_put(&b, "12345678", 8);
    assert_false(b.failed);
    assert_string_equal(buf_cstr(&b), "12345678"); /* the NUL is not counted */
    buf_put_u8(&b, '9');
    assert_true(b.failed);
    buf_put(&b, "x", 1);
    assert_int_equal(b.n, 8);
    buf_reset(&b);
    buf_put_be32(&b, 0x01020304);
    assert_memory_equal(b.p, "\1\2\3\4", 4);
    buf_clear(&b);
}

static void gives_its_bytes_away(void **state)
{
    struct buf b = {0};
    size_t n;
    buf_put_str(&b, STR("abc"));
    char *p = buf_take(&b, &n);
    assert_string_equal(p, "abc");
    assert_int_equal(n, 3);
    assert_null(b.p);
    free(p);
    p = buf_take(&b, &n); /* an empty one is an empty text */
    assert_string_equal(p, "");
    free(p);
}

static void arena_keeps_until_cleared(void **state)
{
    struct arena a;
    arena_init(&a, 0);
    struct str first = arena_str(&a, STR("first"));
    for (int i = 0; i < 1000; i++) {
        char *p = arena_alloc(&a, (size_t)i);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, i, (size_t)i);
    }
    assert_true(str_is(first, "first"));
    assert_true(str_is(arena_printf(&a, "%s-%d", "x", 7), "x-7"));
    assert_null(arena_str(&a, STR_NULL).p);
    assert_null(arena_calloc(&a, SIZE_MAX, 2));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 100000));
    arena_clear(&a);
    arena_init(&a, 100);
    assert_non_null(arena_alloc(&a, 64));
    assert_null(arena_alloc(&a, 64));
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(grows_and_keeps_what_it_had), cmocka_unit_test(remembers_that_it_hit_the_ceiling),
                                       cmocka_unit_test(gives_its_bytes_away), cmocka_unit_test(arena_keeps_until_cleared)};
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
