/* The Avro codec on a set of schemas: bytes that are read give JSON that is well-formed and, written again, reads as the same
 * JSON; JSON that is written reads back and is written the same.  The first byte chooses schema and direction. */
#include "serde/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const schemas[] = {
    ("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"i\",\"type\":\"int\"},{\"name\":\"l\",\"type\":\"long\"},{"
     "\"name\":\"f\",\"type\":\"float\"},"
     "{\"name\":\"d\",\"type\":\"double\"},{\"name\":\"b\",\"type\":\"boolean\"},{\"name\":\"s\",\"type\":\"string\"},{\"name\":"
     "\"y\",\"type\":\"bytes\"},{\"name\":\"n\",\"type\":\"null\"}]}"),
    ("{\"type\":\"record\",\"name\":\"n.Node\",\"fields\":[{\"name\":\"v\",\"type\":\"int\"},{\"name\":\"next\",\"type\":["
     "\"null\",\"Node\"]},"
     "{\"name\":\"all\",\"type\":{\"type\":\"array\",\"items\":\"Node\"}},{\"name\":\"by\",\"type\":{\"type\":\"map\",\"values\":"
     "\"Node\"}}]}"),
    ("{\"type\":\"array\",\"items\":[\"null\",\"string\",\"double\",{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\","
     "\"C\"]},{\"type\":\"fixed\",\"name\":\"F\",\"size\":2},"
     "{\"type\":\"map\",\"values\":\"long\"}]}"),
    "\"bytes\"",
    "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"null\"}}",
    ("{\"type\":\"record\",\"name\":\"W\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":\"int\"},{"
     "\"name\":\"c\",\"type\":\"int\"},{\"name\":\"d\",\"type\":\"int\"},"
     "{\"name\":\"e\",\"type\":\"int\"},{\"name\":\"f\",\"type\":\"int\"},{\"name\":\"g\",\"type\":\"string\"},{\"name\":\"h\","
     "\"type\":\"string\"},{\"name\":\"i\",\"type\":\"string\"}]}"),
    "[\"null\",\"string\",\"bytes\",{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"self\",\"type\":\"R\"}]}]",
};
/* Read as the schema of the same place: order, defaults, promotion, what is skipped. */
static const char *const readers[] = {
    ("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"s\",\"type\":\"bytes\"},{\"name\":\"new\",\"type\":[\"int\","
     "\"null\"],\"default\":1},{\"name\":\"i\",\"type\":\"double\"},"
     "{\"name\":\"f\",\"type\":\"double\"},{\"name\":\"y\",\"type\":\"string\"}]}"),
    "{\"type\":\"record\",\"name\":\"n.Node\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"Node\"]},{\"name\":\"v\","
    "\"type\":\"float\"}]}",
    "{\"type\":\"array\",\"items\":[{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"U\"],\"default\":\"U\"},\"bytes\","
    "\"null\",\"double\"]}",
    "[\"null\",\"string\"]",
    "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":[\"null\",\"int\"]}}",
    "{\"type\":\"record\",\"name\":\"W\",\"fields\":[{\"name\":\"i\",\"type\":\"string\"}]}",
    "[\"string\",\"null\"]",
};
enum { N = sizeof schemas / sizeof *schemas, TEXT_MAX = 1 << 16 };

static struct codec *plain[N], *resolving[N];

static struct schema *parse(const char *text)
{
    const struct schema_source src = {.type = SCHEMA_AVRO, .text = str_of(text)};
    struct schema *s = schema_parse(&src, NULL);
    if (s == NULL)
        abort();
    return s;
}

static void setup(void)
{
    for (size_t i = 0; i < N; i++) {
        struct schema *w = parse(schemas[i]), *r = parse(readers[i]);
        plain[i] = codec_new(w, NULL);
        resolving[i] = codec_new_resolving(w, r, NULL);
        if (plain[i] == NULL || resolving[i] == NULL)
            abort();
        schema_unref(w);
        schema_unref(r);
    }
}

/* 0, or -1 with err; the value is the whole text. */
static int encode(const struct codec *c, struct str json, bool message, struct buf *out, struct err *err)
{
    struct json_reader r;
    json_reader_init(&r, json, 0);
    enum json_token tok = json_next(&r);
    if (tok == JSON_ERROR)
        return -1;
    int rc = message ? codec_encode_json(c, &r, tok, out, err) : codec_encode_plain(c, &r, tok, out, err);
    return rc == 0 && json_next(&r) != JSON_END ? -1 : rc;
}

static void must_be_json(struct str text)
{
    struct json_reader r;
    enum json_token tok;
    json_reader_init(&r, text, 0);
    while ((tok = json_next(&r)) != JSON_END)
        if (tok == JSON_ERROR && r.err.code != ERR_TOO_BIG)
            abort();
        else if (tok == JSON_ERROR)
            return;
}

/* Maps may say a key twice in their bytes, and text may not be UTF-8: then the second text differs from the first, but not the
 * third from the second. */
static void read_bytes(const struct codec *c, struct str bytes)
{
    struct buf text = {.max = TEXT_MAX}, again = {0}, second = {.max = TEXT_MAX}, third = {.max = TEXT_MAX};
    struct err err = {0};
    if (codec_decode_plain(c, bytes, &text, &err) == 0) {
        must_be_json(buf_str(&text));
        if (encode(c, buf_str(&text), false, &again, &err) < 0 || codec_decode_plain(c, buf_str(&again), &second, &err) < 0)
            abort();
        buf_reset(&again);
        if (encode(c, buf_str(&second), false, &again, &err) < 0 || codec_decode_plain(c, buf_str(&again), &third, &err) < 0 ||
            !str_eq(buf_str(&second), buf_str(&third)))
            abort();
    } else if (err.code == 0 || err.text[0] == '\0') {
        abort();
    }
    buf_clear(&text);
    buf_clear(&again);
    buf_clear(&second);
    buf_clear(&third);
}

static void read_message(const struct codec *c, struct str bytes)
{
    struct buf text = {.max = TEXT_MAX};
    if (codec_decode_json(c, bytes, &text, NULL) == 0)
        must_be_json(buf_str(&text));
    buf_clear(&text);
}

static void write_json(const struct codec *c, struct str json, bool message)
{
    struct buf bytes = {0}, text = {.max = TEXT_MAX}, again = {0};
    struct err err = {0};
    if (encode(c, json, message, &bytes, &err) == 0 && !message) {
        if (codec_decode_plain(c, buf_str(&bytes), &text, &err) == 0) {
            if (encode(c, buf_str(&text), false, &again, &err) < 0 || !str_eq(buf_str(&bytes), buf_str(&again)))
                abort();
        } else if (err.code != ERR_TOO_BIG) {
            abort();
        }
    }
    buf_clear(&bytes);
    buf_clear(&text);
    buf_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (plain[0] == NULL)
        setup();
    if (n == 0)
        return 0;
    const size_t i = data[0] % N;
    const struct str rest = str_n(data + 1, n - 1);
    switch (data[0] / N % 4) {
    case 0:
        read_bytes(plain[i], rest);
        break;
    case 1:
        read_message(resolving[i], rest);
        break;
    case 2:
        write_json(plain[i], rest, false);
        break;
    default:
        write_json(plain[i], rest, true);
        read_message(plain[i], rest);
    }
    return 0;
}
