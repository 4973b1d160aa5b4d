/* Every allocation of the codec fails in turn: an error comes, nothing breaks, and the next try without failure is right. */
#include "serde/codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static long fail_at; /* the how manyth allocation from now fails; 0: none; one thread */

#ifndef SANITIZED /* those have their own malloc */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static bool fails(void)
{
    if (fail_at == 0 || --fail_at > 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}
#endif

#define ENUM_E "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\",\"C\",\"D\",\"F\",\"G\",\"H\",\"I\",\"J\",\"K\"]}"
static const char writer_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"string\"},{\"name\":\"e\",\"type\":" ENUM_E
    "},{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"int\"}},{\"name\":\"next\",\"type\":[\"null\",\"R\"]}]}";
static const char reader_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"double\"}},"
    "{\"name\":\"z\",\"type\":[\"null\",\"int\"],\"default\":null},{\"name\":\"a\",\"type\":\"string\"},"
    "{\"name\":\"next\",\"type\":[\"null\",\"R\"]}]}";
static const char value[] =
    "{\"next\":{\"R\":{\"a\":\"\\u00e9\",\"e\":\"\\u0042\",\"m\":{},\"next\":null}},\"m\":{\"k\":1,\"k\":2,"
    "\"b\":1,\"c\":1,\"d\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"l\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"r\":1},"
    "\"a\":\"x\",\"e\":\"J\"}";
static const char as_reader[] =
    "{\"m\":{\"k\":2.0,\"b\":1.0,\"c\":1.0,\"d\":1.0,\"f\":1.0,\"g\":1.0,\"h\":1.0,\"i\":1.0,\"j\":1.0,\"l\":1.0,\"n\":1.0,"
    "\"o\":1.0,\"p\":1.0,\"q\":1.0,\"r\":1.0},\"z\":null,\"a\":\"x\",\"next\":{\"R\":{\"m\":{},\"z\":null,\"a\":\"\xC3\xA9\","
    "\"next\":null}}}";

static int convert(struct schema *w, struct schema *r, struct buf *bytes, struct buf *text, struct err *err)
{
    struct json_reader in;
    struct codec *plain = codec_new(w, err), *resolving = plain != NULL ? codec_new_resolving(w, r, err) : NULL;
    int rc = resolving != NULL ? 0 : -1;
    json_reader_init(&in, str_of(value), 0);
    if (rc == 0)
        rc = codec_encode_json(plain, &in, json_next(&in), bytes, err);
    if (rc == 0)
        rc = codec_decode_json(resolving, buf_str(bytes), text, err);
    codec_unref(plain);
    codec_unref(resolving);
    return rc;
}

static void each_allocation_fails(void **state)
{
#ifdef SANITIZED
    print_message("SKIPPED: the sanitizer's allocator cannot be made to fail\n");
    skip();
#endif
    const struct schema_source ws = {.type = SCHEMA_AVRO, .text = STR_NULL};
    struct schema_source a = ws, b = ws;
    a.text = str_of(writer_text);
    b.text = str_of(reader_text);
    struct schema *w = schema_parse(&a, NULL), *r = schema_parse(&b, NULL);
    assert_true(w != NULL && r != NULL);
    int failed = 0;
    for (long k = 1;; k++) {
        struct buf bytes = {0}, text = {0};
        struct err err = {0};
        fail_at = k;
        int rc = convert(w, r, &bytes, &text, &err);
        const bool reached = fail_at == 0; /* the failure came */
        fail_at = 0;
        if (rc == 0)
            assert_string_equal(buf_cstr(&text), as_reader); /* also where it could do without */
        else
            assert_true(err.code != 0 && err.text[0] != '\0');
        failed += rc != 0;
        buf_clear(&bytes);
        buf_clear(&text);
        if (!reached)
            break;
    }
    assert_true(failed > 10);
    schema_unref(w);
    schema_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
