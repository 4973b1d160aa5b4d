#include "proxy/embedded.h"

#include "proxy/base64.h"

const char *embedded_token_name(enum json_token tok)
{
    switch (tok) {
    case JSON_NULL: return "null";
    case JSON_FALSE: case JSON_TRUE: return "boolean";
    case JSON_NUMBER: return "number";
    case JSON_STRING: return "string";
    case JSON_ARRAY: return "array";
    case JSON_OBJECT: return "object";
    default: return "something else";
    }
}

/* Integers as written (but for a sign on zero), the rest as Java prints the double. */
static void put_number(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '.' || (text.p[i] | 0x20) == 'e') {
            json_put_double(out, json_number_double(text));
            return;
        }
    }
    buf_put_str(out, str_is(text, "-0") ? STR("0") : text);
}

static void put_string(struct buf *out, const struct json_reader *r)
{
    if (!r->escaped) { /* valid as it stands: control characters and quotes would have been escaped */
        buf_put(out, r->text.p - 1, r->text.n + 2);
        return;
    }
    OWN_BY(buf_clear) struct buf plain = {0};
    json_unescape(r->text, &plain);
    json_put_string(out, buf_str(&plain));
    out->failed |= plain.failed;
}

int embedded_put_json(struct json_reader *r, enum json_token tok, struct buf *out)
{
    const int outside = tok == JSON_OBJECT || tok == JSON_ARRAY ? r->depth - 1 : r->depth;
    bool comma = false; /* due before the next element or key */
    for (;;) {
        if (comma && tok != JSON_OBJECT_END && tok != JSON_ARRAY_END)
            buf_put_u8(out, ',');
        comma = tok != JSON_KEY && tok != JSON_OBJECT && tok != JSON_ARRAY;
        switch (tok) {
        case JSON_ERROR: return -1;
        case JSON_NULL: buf_put_str(out, STR("null")); break;
        case JSON_FALSE: buf_put_str(out, STR("false")); break;
        case JSON_TRUE: buf_put_str(out, STR("true")); break;
        case JSON_NUMBER: put_number(out, r->text); break;
        case JSON_STRING: put_string(out, r); break;
        case JSON_KEY:
            put_string(out, r);
            buf_put_u8(out, ':');
            break;
        case JSON_ARRAY: buf_put_u8(out, '['); break;
        case JSON_ARRAY_END: buf_put_u8(out, ']'); break;
        case JSON_OBJECT: buf_put_u8(out, '{'); break;
        case JSON_OBJECT_END: buf_put_u8(out, '}'); break;
        case JSON_END: return 0;
        }
        if (r->depth == outside)
            return 0;
        tok = json_next(r);
    }
}

int embedded_put_binary(struct json_reader *r, enum json_token tok, struct buf *out, struct err *err)
{
    if (tok != JSON_STRING)
        return err_set(err, ERR_INVALID, ": expected a base64 string, got %s", embedded_token_name(tok));
    struct str text = r->text;
    char *to = buf_reserve(out, (r->escaped ? text.n : 0) + BASE64_DECODE_ROOM(text.n));
    if (to == NULL)
        return err_nomem(err);
    if (r->escaped) { /* "\/" is legal JSON for a slash: unescaped in front, decoded over itself */
        OWN_BY(buf_clear) struct buf plain = {0};
        json_unescape(text, &plain);
        if (plain.failed)
            return err_nomem(err);
        text = str_n(to, plain.n);
        if (plain.n != 0)
            memcpy(to, plain.p, plain.n);
    }
    size_t at = 0;
    ptrdiff_t n = base64_decode(text, to, &at);
    if (n < 0) {
        if (r->escaped) /* decoded over; show it as it was sent */
            text = r->text;
        int shown = text.n > 40 ? 40 : (int)text.n;
        return at < text.n ? err_set(err, ERR_INVALID, ": data=\"%.*s%s\" is not base64, see character %zu", shown, text.p,
                                     text.n > 40 ? "..." : "", at + 1)
                           : err_set(err, ERR_INVALID, ": data=\"%.*s%s\" is not base64: %zu characters cannot be", shown, text.p,
                                     text.n > 40 ? "..." : "", text.n);
    }
    out->n += (size_t)n;
    return 0;
}
