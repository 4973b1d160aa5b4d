/* The body of a v2 produce request, in every format: never a crash, and what is accepted can be read record by record. The first byte chooses the format and
 * whether schemas are at hand. */
#include <assert.h>
#include <stdlib.h>

#include "proxy/produce_body.h"

static struct codec *record_codec(void)
{
    static struct codec *codec;
    if (codec == NULL) {
        const struct schema_source source = {
            .type = SCHEMA_AVRO,
            .text = STR("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":[\"null\",\"string\","
                        "{\"type\":\"array\",\"items\":\"R\"}]},{\"name\":\"c\",\"type\":{\"type\":\"map\",\"values\":\"double\"}}]}")};
        struct err err = {0};
        struct schema *s = schema_parse(&source, &err);
        codec = s != NULL ? codec_new(s, &err) : NULL;
        assert(codec != NULL);
        schema_unref(s);
    }
    return codec;
}

static int find(void *arg, struct produce_body *b, struct err *err)
{
    if (b->key.has_id || b->key.text.p != NULL)
        b->key.codec = record_codec();
    if (b->value.has_id || b->value.text.p != NULL)
        b->value.codec = record_codec();
    return 1;
}

/* Reads every byte, so that the sanitizer sees a wrong pointer. */
static unsigned sum(struct str s)
{
    unsigned v = 0;
    for (size_t i = 0; i < s.n; i++)
        v += (unsigned char)s.p[i];
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    char *text = malloc(n); /* exactly as large, so that reading past it shows */
    memcpy(text, data + 1, n - 1);
    struct arena arena = {0};
    struct err err = {0};
    struct produce_body b = {.format = data[0] % 3, .partition = -1, .max_records = 1000, .arena = &arena};
    if (data[0] & 64)
        b.find = find;
    int got = produce_body_read(&b, str_n(text, n - 1), &err);
    if (got == 0 && !b.encoded && find(NULL, &b, &err) == 1)
        got = produce_body_encode(&b, &err);
    if (got == 0) {
        unsigned total = 0;
        assert(b.encoded && b.n > 0 && err.code == 0);
        produce_body_seal(&b);
        for (size_t i = 0; i < b.n; i++)
            total += sum(b.records[i].key) + sum(b.records[i].value);
        *(volatile unsigned *)&total = total;
    } else {
        assert(err.code != 0 && err.text[0] != '\0');
    }
    produce_body_clear(&b);
    arena_clear(&arena);
    free(text);
    return 0;
}
