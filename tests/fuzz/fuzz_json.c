/* The JSON reader, tree and writer: what the reader accepts the tree accepts, and a written tree reads back as itself. */
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_n(data, n);
    struct json_reader r, s;
    struct arena a = {0};
    struct buf out = {0};
    enum json_token t;
    json_reader_init(&r, text, 0);
    while ((t = json_next(&r)) != JSON_ERROR && t != JSON_END) {
        if (t == JSON_STRING || t == JSON_KEY) {
            struct str plain = json_string(&r, &a);
            if (!json_string_is(&r, plain) || !str_utf8_ok(plain))
                abort();
        }
        if (t == JSON_NUMBER) {
            int64_t i;
            double d = json_number_double(r.text);
            if (json_number_i64(r.text, &i) && (double)i != d)
                abort();
        }
    }
    struct json *v = json_parse(text, JSON_DUP_LAST, 0, &a, NULL);
    if ((v != NULL) != (t == JSON_END))
        abort();
    if (v != NULL) {
        json_put_tree(&out, v);
        struct json *again = json_parse(buf_str(&out), JSON_DUP_ERROR, 0, &a, NULL);
        if (again == NULL || !json_equal(v, again))
            abort();
        struct str raw;
        json_reader_init(&s, text, 0);
        if (json_skip(&s, json_next(&s), &raw) < 0 || json_parse(raw, JSON_DUP_LAST, 0, &a, NULL) == NULL)
            abort();
    }
    json_reader_init_stream(&r, text, 16);
    while ((t = json_next(&r)) != JSON_ERROR && t != JSON_END)
        ;
    buf_clear(&out);
    arena_clear(&a);
    return 0;
}
