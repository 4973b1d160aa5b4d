/* proxy/consumer_render.c - a record as one element of the answer of a read: {"topic","key","value","partition","offset"} (proxy-api.md 1.8, 3.2, 3.4).
 *
 * Bytes go straight into the reply: base64 for binary, the text itself (checked) for json, the codec of the schema that the frame names for avro.
 * Costs: no allocation for a record beyond the reply's growth; a schema is looked up once in a slot of the instance. */
#include <stdio.h>

#include "base/json.h"
#include "proxy/base64.h"
#include "proxy/consumer.h"
#include "serde/wire.h"

static char *put_bytes(struct str data, char *to)
{
    if (data.p == NULL) {
        memcpy(to, "null", 4);
        return to + 4;
    }
    *to++ = '"';
    to = base64_encode(data, to);
    *to++ = '"';
    return to;
}

/* ---- what all formats share --------------------------------------------------------------------------------------------------- */

static void put_start(struct buf *out, struct str topic, bool first)
{
    buf_put_str(out, first ? STR("[{\"topic\":") : STR(",{\"topic\":"));
    json_put_string(out, topic);
    buf_put_str(out, STR(",\"key\":"));
}

static char *put_digits(char *to, int64_t v)
{
    char text[24], *p = text + sizeof text;
    uint64_t u = (uint64_t)v;
    do
        *--p = (char)('0' + u % 10);
    while ((u /= 10) != 0);
    size_t n = (size_t)(text + sizeof text - p);
    memcpy(to, p, n);
    return to + n;
}

#define PUT_LITERAL(to, lit) (memcpy(to, lit, sizeof(lit) - 1), (to) + sizeof(lit) - 1)
enum { END_ROOM = 64 }; /* of ,"partition":N,"offset":N} */

static char *put_end(char *to, const struct record *r)
{
    to = PUT_LITERAL(to, ",\"partition\":");
    to = put_digits(to, r->partition);
    to = PUT_LITERAL(to, ",\"offset\":");
    to = put_digits(to, r->offset);
    *to++ = '}';
    return to;
}

static void put_end_buf(struct buf *out, const struct record *r)
{
    char *to = buf_reserve(out, END_ROOM);
    if (to != NULL)
        out->n += (size_t)(put_end(to, r) - to);
}

static void render_binary(const struct record *r, struct str topic, struct buf *out, bool first)
{
    put_start(out, topic, first);
    char *from = buf_reserve(out, BASE64_LENGTH(r->key.n) + BASE64_LENGTH(r->value.n) + 16 + END_ROOM), *to = from;
    if (from == NULL)
        return;
    to = put_bytes(r->key, to);
    to = PUT_LITERAL(to, ",\"value\":");
    to = put_bytes(r->value, to);
    to = put_end(to, r);
    out->n += (size_t)(to - from);
}

static int poison(const struct record *r, struct str topic, const char *part, const char *why, struct err *err)
{
    return err_set(err, PROXY_SERIALIZATION, "Error deserializing the %s of %.*s-%d at offset %lld: %s", part, STR_ARG(topic), r->partition,
                   (long long)r->offset, why);
}

/* ---- json ------------------------------------------------------------------------------------------------------------------------ */

static int put_json(const struct record *r, struct str topic, const char *part, struct str data, struct buf *out, struct err *err)
{
    if (data.p == NULL) {
        buf_put_str(out, STR("null"));
        return 0;
    }
    struct json_reader reader;
    struct str text;
    json_reader_init(&reader, data, 0);
    if (json_skip(&reader, json_next(&reader), &text) < 0 || json_next(&reader) != JSON_END)
        return poison(r, topic, part, reader.err.text, err);
    buf_put_str(out, text);
    return 0;
}

static int render_json(const struct record *r, struct str topic, struct buf *out, bool first, struct err *err)
{
    put_start(out, topic, first);
    if (put_json(r, topic, "key", r->key, out, err) < 0)
        return -1;
    buf_put_str(out, STR(",\"value\":"));
    if (put_json(r, topic, "value", r->value, out, err) < 0)
        return -1;
    put_end_buf(out, r);
    return 0;
}

/* ---- avro ------------------------------------------------------------------------------------------------------------------------- */

static const struct codec *codec_of(struct consumer *c, int32_t id, bool *missing)
{
    struct client_schema **slot = &c->schemas[(uint32_t)id % RENDER_SCHEMAS];
    if (*slot == NULL || client_schema_id(*slot) != id) {
        struct client_schema *got = client_peek_id(c->all->proxy->registry, id);
        *missing = got == NULL;
        if (got == NULL)
            return NULL;
        if (*slot != NULL)
            client_schema_unref(*slot);
        *slot = got;
    }
    return client_schema_codec(*slot);
}

/* Appends the value of data. 0, -1 with err, or 1: the schema *missing is not here. */
static int put_framed(struct consumer *c, const struct record *r, struct str topic, const char *part, struct str data, struct buf *out,
                      int32_t *missing_id, struct err *err)
{
    struct wire_frame frame;
    struct err why = {0};
    bool missing = false;
    if (data.p == NULL) {
        buf_put_str(out, STR("null"));
        return 0;
    }
    if (wire_read_prefix(data, &frame, &why) < 0)
        return poison(r, topic, part, why.text, err);
    if (frame.has_guid)
        return poison(r, topic, part, "it names its schema by a GUID, and only ids can be looked up", err);
    if (c->all->proxy->registry == NULL)
        return poison(r, topic, part, "schemas are off (schema.registry.url is empty)", err);
    const struct codec *codec = codec_of(c, frame.id, &missing);
    if (missing) {
        *missing_id = frame.id;
        return 1;
    }
    if (codec == NULL) {
        char text[100];
        snprintf(text, sizeof text, "schema %d is of a type that an avro instance cannot show", frame.id);
        return poison(r, topic, part, text, err);
    }
    if (codec_decode_json(codec, frame.payload, out, &why) == 0)
        return 0;
    char text[sizeof why.text + 40];
    snprintf(text, sizeof text, "schema %d does not fit: %s", frame.id, why.text);
    return poison(r, topic, part, text, err);
}

static int render_avro(struct consumer *c, const struct record *r, struct str topic, struct buf *out, bool first, size_t *size,
                       int32_t *missing_id, struct err *err)
{
    put_start(out, topic, first);
    size_t begin = out->n;
    int rc = put_framed(c, r, topic, "key", r->key, out, missing_id, err);
    if (rc != 0)
        return rc;
    *size = out->n - begin;
    buf_put_str(out, STR(",\"value\":"));
    begin = out->n;
    if ((rc = put_framed(c, r, topic, "value", r->value, out, missing_id, err)) != 0)
        return rc;
    *size += out->n - begin;
    put_end_buf(out, r);
    return 0;
}

enum render consumer_render(struct consumer *c, const struct record *r, struct str topic, struct buf *out, bool first, size_t *taken, size_t max,
                            int32_t *missing, struct err *err)
{
    const size_t before = out->n;
    size_t size = r->key.n + r->value.n;
    int rc = 0;
    if (c->format != EMBEDDED_AVRO && *taken + size >= max)
        return RENDER_OVER;
    if (c->format == EMBEDDED_BINARY)
        render_binary(r, topic, out, first);
    else if (c->format == EMBEDDED_JSON)
        rc = render_json(r, topic, out, first, err);
    else
        rc = render_avro(c, r, topic, out, first, &size, missing, err);
    bool over = rc == 0 && *taken + size >= max;
    if (rc != 0 || over) {
        out->n = before;
        return over ? RENDER_OVER : rc < 0 ? RENDER_POISON : RENDER_WAIT;
    }
    *taken += size;
    return RENDER_DONE;
}
