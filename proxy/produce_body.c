#include "proxy/produce_body.h"

#include <stdio.h>

#include "proxy/body.h"
#include "proxy/embedded.h"
#include "serde/wire.h"

static const char *const validation_names[] = {"produceBinary", "produceJson", "produceAvro"};

static int syntax(const struct json_reader *r, struct err *err)
{
    return err_set(err, PROXY_BAD_REQUEST, "%s", r->err.text);
}

/* place: where in the body, "records[3].partition". */
static int wrong_type(struct err *err, const char *type, enum json_token tok, const char *place)
{
    return err_set(err, PROXY_BAD_REQUEST, "Cannot deserialize value of type %s from a %s at %s", type, embedded_token_name(tok), place);
}

/* A whole number, also as text or with a fraction that is cut off: 1 present, 0 null or "". */
static int read_i32(const struct json_reader *r, enum json_token tok, const char *place, int32_t *out, struct err *err)
{
    int64_t v;
    if (tok == JSON_NULL || (tok == JSON_STRING && r->text.n == 0))
        return 0;
    bool ok = tok == JSON_NUMBER ? body_whole(r->text, &v) : tok == JSON_STRING && str_to_i64(str_trim(r->text), &v);
    if (tok != JSON_NUMBER && tok != JSON_STRING)
        return wrong_type(err, "int", tok, place);
    if (!ok || v < INT32_MIN || v > INT32_MAX)
        return err_set(err, PROXY_BAD_REQUEST, "Cannot deserialize value of type int from \"%.*s\" at %s: not a whole number of 32 bits",
                       r->text.n > 40 ? 40 : (int)r->text.n, r->text.p, place);
    *out = (int32_t)v;
    return 1;
}

/* ---- one key or value -------------------------------------------------------------------------------------------- */

/* While bytes grows, p of a key or value holds its offset plus one. */
static inline struct str from_offset(size_t offset, size_t n)
{
    return (struct str){(const char *)(uintptr_t)(offset + 1), n};
}

static int misfit(struct err *err, size_t index, bool is_key, const char *why)
{
    return err_set(err, PROXY_BAD_REQUEST, "Bad Request: records[%zu].%s%s", index, is_key ? "key" : "value", why);
}

/* tok JSON_NULL: null, or not there at all. */
static int encode_avro(struct produce_body *b, bool is_key, struct json_reader *r, enum json_token tok, size_t index, struct str *out,
                       struct err *err)
{
    const struct side *side = is_key ? &b->key : &b->value;
    const size_t begin = b->bytes.n;
    if (side->codec == NULL) {
        if (tok == JSON_NULL)
            return 0;
        return is_key ? err_set(err, PROXY_KEY_SCHEMA_MISSING, PROXY_TEXT_KEY_SCHEMA_MISSING)
                      : err_set(err, PROXY_VALUE_SCHEMA_MISSING, PROXY_TEXT_VALUE_SCHEMA_MISSING);
    }
    if (tok == JSON_NULL && (b->null_is_empty_record || codec_nullable(side->codec)))
        return 0;
    struct err why = {0};
    wire_put_prefix_id(&b->bytes, side->id);
    if ((tok == JSON_NULL ? codec_encode_null(side->codec, &b->bytes, &why) : codec_encode_json(side->codec, r, tok, &b->bytes, &why)) < 0) {
        if (r->err.code != 0)
            return syntax(r, err);
        return why.code == ERR_INVALID ? misfit(err, index, is_key, why.text) : err_set(err, why.code, "%s", why.text);
    }
    *out = from_offset(begin, b->bytes.n - begin);
    return 0;
}

static int encode_value(struct produce_body *b, bool is_key, struct json_reader *r, enum json_token tok, size_t index, struct str *out,
                        struct err *err)
{
    *out = STR_NULL;
    if (b->format == EMBEDDED_AVRO)
        return encode_avro(b, is_key, r, tok, index, out, err);
    if (tok == JSON_NULL)
        return 0;
    const size_t begin = b->bytes.n;
    if (b->format == EMBEDDED_BINARY) {
        struct err why = {0};
        if (embedded_put_binary(r, tok, &b->bytes, &why) < 0)
            return why.code == ERR_INVALID ? misfit(err, index, is_key, why.text) : err_set(err, why.code, "%s", why.text);
    } else if (embedded_put_json(r, tok, &b->bytes) < 0) {
        return syntax(r, err);
    }
    *out = from_offset(begin, b->bytes.n - begin);
    return 0;
}

static int read_value(struct produce_body *b, bool is_key, struct json_reader *r, size_t index, bool encode, struct str *out, struct err *err)
{
    enum json_token tok = json_next(r);
    if (tok == JSON_ERROR)
        return -1; /* the reader knows why */
    return encode ? encode_value(b, is_key, r, tok, index, out, err) : json_skip(r, tok, NULL);
}

/* ---- records ------------------------------------------------------------------------------------------------------- */

static int read_partition(struct produce_body *b, struct json_reader *r, size_t index, int32_t *partition, struct err *err)
{
    char place[48];
    snprintf(place, sizeof place, "records[%zu].partition", index);
    int32_t v;
    int got = read_i32(r, json_next(r), place, &v, err);
    if (r->err.code != 0) {
        err_clear(err);
        return syntax(r, err);
    }
    if (got < 0)
        return -1;
    if (got == 1 && v < 0)
        return err_set(err, PROXY_PARTITION_NOT_FOUND, PROXY_TEXT_PARTITION_NOT_FOUND);
    *partition = got == 1 ? v : b->partition;
    return 0;
}

/* encode false: checked only. */
static int read_record(struct produce_body *b, struct json_reader *r, enum json_token tok, bool encode, struct record *out, struct err *err)
{
    const size_t index = b->n;
    bool has_key = false, has_value = false;
    if (tok == JSON_NULL)
        return err_set(err, PROXY_UNPROCESSABLE, "%s.request.records[%zu] must not be null (was null)", validation_names[b->format], index);
    if (tok != JSON_OBJECT) {
        char place[32];
        snprintf(place, sizeof place, "records[%zu]", index);
        return wrong_type(err, "record", tok, place);
    }
    *out = (struct record){.partition = b->partition};
    while ((tok = json_next(r)) == JSON_KEY) {
        if (json_string_is(r, STR("value"))) {
            has_value = true;
            if (read_value(b, false, r, index, encode, &out->value, err) < 0)
                break;
        } else if (json_string_is(r, STR("key"))) {
            has_key = true;
            if (read_value(b, true, r, index, encode, &out->key, err) < 0)
                break;
        } else if (json_string_is(r, STR("partition"))) {
            if (read_partition(b, r, index, &out->partition, err) < 0)
                break;
        } else {
            return body_unknown(r->text, err);
        }
    }
    if (r->err.code != 0)
        return syntax(r, err);
    if (tok != JSON_OBJECT_END)
        return -1; /* err is set */
    if (!encode)
        return 0;
    if ((!has_key && encode_value(b, true, r, JSON_NULL, index, &out->key, err) < 0) ||
        (!has_value && encode_value(b, false, r, JSON_NULL, index, &out->value, err) < 0))
        return -1;
    return 0;
}

static int grow(struct produce_body *b, struct err *err)
{
    size_t cap = b->cap != 0 ? b->cap * 2 : 16;
    struct record *grown = realloc(b->records, cap * sizeof *grown);
    if (grown == NULL)
        return err_nomem(err);
    b->records = grown;
    b->cap = cap;
    return 0;
}

/* r stands behind the [ of records. encode false: they are checked only, and none is kept. */
static int read_records(struct produce_body *b, struct json_reader *r, bool encode, struct err *err)
{
    enum json_token tok;
    struct record checked;
    b->n = 0;
    buf_reset(&b->bytes);
    while ((tok = json_next(r)) != JSON_ARRAY_END) {
        if (tok == JSON_ERROR)
            return syntax(r, err);
        if (b->n >= b->max_records)
            return err_set(err, PROXY_RECORD_TOO_LARGE, "more than %zu records in one request (produce.request.max.records)", b->max_records);
        if (encode && b->n == b->cap && grow(b, err) < 0)
            return -1;
        if (read_record(b, r, tok, encode, encode ? &b->records[b->n] : &checked, err) < 0)
            return -1;
        b->n++;
    }
    return b->bytes.failed ? err_nomem(err) : 0;
}

/* Records as they are met in the body: encoded now if what they need is known, else only checked. What is wrong with the body is told before what is
 * wrong with its data and its schemas, and before the registry is asked for anything (proxy-api.md 1.4). */
static int meet_records(struct produce_body *b, struct json_reader *r, enum json_token tok, struct err *err)
{
    b->raw = STR_NULL;
    b->encoded = false;
    if (tok == JSON_NULL)
        return 0;
    if (tok != JSON_ARRAY)
        return wrong_type(err, "list of records", tok, "records");
    struct err why = {0};
    bool named = b->value.has_id || b->value.text.p != NULL || b->key.has_id || b->key.text.p != NULL;
    int found = b->format != EMBEDDED_AVRO ? 1 : named && b->find != NULL ? b->find(b->find_arg, b, &why) : 0;
    const char *begin = r->start + json_offset(r);
    const struct json_reader here = *r;
    if (found == 1 && read_records(b, r, true, &why) == 0) {
        b->encoded = true;
    } else {
        *r = here;
        if (read_records(b, r, false, err) < 0)
            return -1;
        bool may_follow = b->format == EMBEDDED_AVRO && (why.code == PROXY_KEY_SCHEMA_MISSING || why.code == PROXY_VALUE_SCHEMA_MISSING);
        if (why.code != 0 && !may_follow)
            return err_set(err, why.code, "%s", why.text);
    }
    b->raw = str_n(begin, (size_t)(r->start + json_offset(r) + 1 - begin)); /* json_offset: of the closing bracket */
    return 0;
}

/* ---- the body ------------------------------------------------------------------------------------------------------- */

static int read_schema_text(struct produce_body *b, struct json_reader *r, enum json_token tok, const char *name, struct side *side,
                            struct err *err)
{
    side->text = STR_NULL;
    switch (tok) {
    case JSON_NULL:
        return 0;
    case JSON_STRING:
        side->text = json_string(r, b->arena);
        return side->text.p != NULL ? 0 : err_nomem(err);
    case JSON_NUMBER:
        side->text = r->text;
        return 0;
    case JSON_TRUE: case JSON_FALSE:
        side->text = tok == JSON_TRUE ? STR("true") : STR("false");
        return 0;
    default:
        return wrong_type(err, "string", tok, name);
    }
}

static void forget_schema(struct side *side)
{
    if (side->schema != NULL)
        client_schema_unref(TAKE(side->schema));
    side->codec = NULL;
}

/* A member that names a schema: what was encoded with the schemas before it no longer counts. */
static int read_side(struct produce_body *b, struct json_reader *r, bool is_key, bool is_id, struct err *err)
{
    static const char *const names[] = {"value_schema", "value_schema_id", "key_schema", "key_schema_id"};
    const char *name = names[2 * is_key + is_id];
    struct side *side = is_key ? &b->key : &b->value;
    enum json_token tok = json_next(r);
    if (tok == JSON_ERROR)
        return syntax(r, err);
    if (b->format == EMBEDDED_AVRO)
        b->encoded = false;
    forget_schema(side);
    if (!is_id)
        return read_schema_text(b, r, tok, name, side, err);
    int got = read_i32(r, tok, name, &side->id, err);
    side->has_id = got == 1;
    return got < 0 ? -1 : 0;
}

static int read_member(struct produce_body *b, struct json_reader *r, struct err *err)
{
    if (json_string_is(r, STR("records"))) {
        enum json_token tok = json_next(r);
        return tok == JSON_ERROR ? syntax(r, err) : meet_records(b, r, tok, err);
    }
    if (json_string_is(r, STR("value_schema_id")))
        return read_side(b, r, false, true, err);
    if (json_string_is(r, STR("key_schema_id")))
        return read_side(b, r, true, true, err);
    if (json_string_is(r, STR("value_schema")))
        return read_side(b, r, false, false, err);
    if (json_string_is(r, STR("key_schema")))
        return read_side(b, r, true, false, err);
    return body_unknown(r->text, err);
}

static int check_body(const struct produce_body *b, struct err *err)
{
    const char *name = validation_names[b->format];
    struct str inside = b->raw.n > 2 ? str_trim(str_n(b->raw.p + 1, b->raw.n - 2)) : STR_NULL;
    if (b->raw.p == NULL)
        return err_set(err, PROXY_UNPROCESSABLE, "%s.request.records must not be empty (was null)", name);
    if (inside.n == 0)
        return err_set(err, PROXY_UNPROCESSABLE, "%s.request.records must not be empty (was [])", name);
    if (b->format != EMBEDDED_AVRO)
        return 0;
    if (b->key.has_id && b->key.text.p != NULL)
        return err_set(err, PROXY_BAD_REQUEST, "Bad Request: key_schema and key_schema_id exclude each other");
    if (b->value.has_id && b->value.text.p != NULL)
        return err_set(err, PROXY_BAD_REQUEST, "Bad Request: value_schema and value_schema_id exclude each other");
    return 0;
}

int produce_body_read(struct produce_body *b, struct str text, struct err *err)
{
    struct json_reader r;
    if (str_trim(text).n == 0)
        return err_set(err, PROXY_UNPROCESSABLE, "%s.request must not be null (was null)", validation_names[b->format]);
    json_reader_init(&r, text, 0);
    enum json_token tok = json_next(&r);
    if (tok == JSON_ERROR)
        return syntax(&r, err);
    if (tok != JSON_OBJECT && tok != JSON_NULL)
        return wrong_type(err, "produce request", tok, "the root");
    if (tok == JSON_OBJECT) {
        if (b->format == EMBEDDED_BINARY && buf_reserve(&b->bytes, text.n / 4 * 3 + 16) == NULL) /* all that can come */
            return err_nomem(err);
        while ((tok = json_next(&r)) == JSON_KEY)
            if (read_member(b, &r, err) < 0)
                return -1;
        if (tok != JSON_OBJECT_END)
            return syntax(&r, err);
    } else {
        return json_next(&r) == JSON_END ? err_set(err, PROXY_UNPROCESSABLE, "%s.request must not be null (was null)", validation_names[b->format])
                                         : syntax(&r, err);
    }
    if (json_next(&r) != JSON_END)
        return syntax(&r, err);
    return check_body(b, err);
}

int produce_body_encode(struct produce_body *b, struct err *err)
{
    struct json_reader r;
    json_reader_init(&r, b->raw, 0);
    json_next(&r); /* the [ */
    if (read_records(b, &r, true, err) < 0)
        return -1;
    b->encoded = true;
    return 0;
}

void produce_body_seal(struct produce_body *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct record *rec = &b->records[i];
        if (rec->key.p != NULL)
            rec->key.p = b->bytes.p + ((uintptr_t)rec->key.p - 1);
        if (rec->value.p != NULL)
            rec->value.p = b->bytes.p + ((uintptr_t)rec->value.p - 1);
    }
}

void produce_body_clear(struct produce_body *b)
{
    free(b->records);
    buf_clear(&b->bytes);
    forget_schema(&b->key);
    forget_schema(&b->value);
    b->records = NULL;
    b->n = b->cap = 0;
    b->key = b->value = (struct side){0};
}
