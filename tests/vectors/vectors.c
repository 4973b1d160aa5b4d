/* vectors [--type TYPE] FILE... - runs the cases of JSON-lines files against the library.
 *
 * A file's base name says what its lines are: avro-compat.jsonl, parse-more.jsonl, ... (the longest known beginning counts). Each line is an
 * object with a name; a line that fails is printed with the reason, and so is one that cannot be understood. --type runs only the lines of that
 * schema type (and those of no type). Closes with `N passed, N failed`; the status is 1 if any failed. */
#include "base/json.h"
#include "base/own.h"
#include "serde/codec.h"
#include "serde/compat.h"
#include "serde/schema.h"
#include "serde/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct line {
    struct arena arena;
    const struct json *j;
    enum schema_type type; /* of the file, or of the line's schemaType */
    bool typed;            /* has a type at all */
    struct err why;        /* set: failed */
};

/* Makes the line failed; always -1. */
#define FAIL(line, ...) err_set(&(line)->why, ERR_INVALID, __VA_ARGS__)

/* ---- reading a line ---- */

static struct str text_of(const struct line *l, const char *name)
{
    const struct json *v = json_get(l->j, name);
    return json_is(v, JSON_T_STRING) ? v->text : STR_NULL;
}

/* A member that must be there as text; p NULL: it is not, and the line has failed. */
static struct str need_text(struct line *l, const char *name)
{
    struct str s = text_of(l, name);
    if (s.p == NULL)
        FAIL(l, "the line has no text \"%s\"", name);
    return s;
}

static int need_bool(struct line *l, const char *name, bool *out)
{
    const struct json *v = json_get(l->j, name);
    if (!json_is(v, JSON_T_TRUE) && !json_is(v, JSON_T_FALSE))
        return FAIL(l, "the line has no true or false \"%s\"", name);
    *out = v->type == JSON_T_TRUE;
    return 0;
}

static int int_of(struct line *l, const struct json *v, const char *what, int64_t low, int64_t high, int32_t *out)
{
    int64_t i;
    if (!json_is(v, JSON_T_NUMBER) || !json_number_i64(v->text, &i) || i < low || i > high)
        return FAIL(l, "\"%s\" must be an integer from %lld to %lld", what, (long long)low, (long long)high);
    *out = (int32_t)i;
    return 0;
}

/* Hex digits to bytes in the line's arena; p NULL: failed. */
static struct str bytes_of(struct line *l, struct str hex)
{
    char *out = arena_alloc(&l->arena, hex.n / 2 + 1);
    unsigned v;
    if (out == NULL) {
        err_nomem(&l->why);
        return STR_NULL;
    }
    for (size_t i = 0; i + 1 < hex.n; i += 2) {
        const char two[3] = {hex.p[i], hex.p[i + 1], '\0'};
        if (strspn(two, "0123456789abcdefABCDEF") != 2 || sscanf(two, "%2x", &v) != 1) {
            FAIL(l, "\"%.*s\" is no hex text", STR_ARG(hex));
            return STR_NULL;
        }
        out[i / 2] = (char)v;
    }
    if (hex.n % 2 != 0) {
        FAIL(l, "\"%.*s\" is no hex text: its length is odd", STR_ARG(hex));
        return STR_NULL;
    }
    return str_n(out, hex.n / 2);
}

static struct str hex_of(struct line *l, struct str bytes)
{
    OWN_BY(buf_clear) struct buf b = {0};
    for (size_t i = 0; i < bytes.n; i++)
        buf_printf(&b, "%02x", (unsigned)(unsigned char)bytes.p[i]);
    return arena_str(&l->arena, buf_str(&b));
}

static int same_bytes(struct line *l, const char *what, struct str got, struct str expected)
{
    return str_eq(got, expected) ? 0 : FAIL(l, "%s is %.*s, expected %.*s", what, STR_ARG(hex_of(l, got)), STR_ARG(hex_of(l, expected)));
}

/* ---- schemas ---- */

/* The schema text of a member: PROTOBUF is text in a string, the others are JSON values. */
static struct str schema_text(struct line *l, const struct json *v, enum schema_type type)
{
    if (type == SCHEMA_PROTOBUF && v->type == JSON_T_STRING)
        return v->text;
    OWN_BY(buf_clear) struct buf b = {0};
    json_put_tree(&b, v);
    return arena_str(&l->arena, buf_str(&b));
}

/* Fills the references of src from an array of {name, subject, version, schema}; as_text: a schema is text in a string, as in the line itself. */
static int read_refs(struct line *l, const struct json *list, bool as_text, struct schema_source *src)
{
    if (list == NULL)
        return 0;
    if (list->type != JSON_T_ARRAY)
        return FAIL(l, "the references must be an array");
    struct schema_ref *refs = arena_calloc(&l->arena, list->count + 1, sizeof *refs);
    struct str *texts = arena_calloc(&l->arena, list->count + 1, sizeof *texts);
    if (refs == NULL || texts == NULL)
        return err_nomem(&l->why);
    for (const struct json *r = list->first; r != NULL; r = r->next) {
        const struct json *name = json_get(r, "name"), *subject = json_get(r, "subject"), *schema = json_get(r, "schema");
        if (!json_is(name, JSON_T_STRING) || !json_is(subject, JSON_T_STRING))
            return FAIL(l, "a reference needs a name and a subject");
        refs[src->nrefs].name = name->text;
        refs[src->nrefs].subject = subject->text;
        if (int_of(l, json_get(r, "version"), "version", INT32_MIN, INT32_MAX, &refs[src->nrefs].version) < 0)
            return -1;
        src->nrefs++;
        if (schema != NULL)
            texts[src->nref_texts++] = as_text && schema->type == JSON_T_STRING ? schema->text : schema_text(l, schema, src->type);
    }
    src->refs = refs;
    src->ref_texts = texts;
    return 0;
}

/* ---- compat ---- */

static enum schema_type side_type(struct line *l, const char *name)
{
    enum schema_type type = l->type;
    struct str s = text_of(l, name);
    if (s.p != NULL)
        schema_type_parse(s, &type, &l->why);
    return type;
}

/* One side of a comparison. When the types differ a side may be of a type that cannot be parsed yet. */
static struct schema *side(struct line *l, const struct json *v, enum schema_type type, const char *refs, bool types_differ)
{
    struct schema_source src = {.type = type, .text = schema_text(l, v, type)};
    if (l->why.code != 0 || read_refs(l, json_get(l->j, refs), false, &src) < 0)
        return NULL;
    if (types_differ && type != SCHEMA_AVRO)
        return schema_keep(&src, &l->why);
    return schema_parse(&src, &l->why);
}

static int check_diff(struct line *l, const struct json *diff, const struct schema *reader, const struct schema *writer)
{
    OWN_BY(findings_clear) struct findings f = {0};
    if (compat_check_schema(reader, writer, &f, &l->why) < 0)
        return -1;
    size_t i = 0;
    for (const struct json *d = diff->first; d != NULL; d = d->next, i++) {
        if (i >= f.n)
            return FAIL(l, "%zu findings, %u expected", f.n, (unsigned)diff->count);
        const struct { const char *name; struct str got; } parts[] = {
            {"type", f.list[i].type}, {"path", f.list[i].path}, {"message", f.list[i].text}};
        for (size_t k = 0; k < 3; k++) {
            const struct json *want = json_get(d, parts[k].name);
            if (want != NULL && !(json_is(want, JSON_T_STRING) && str_eq(want->text, parts[k].got)))
                return FAIL(l, "finding %zu: %s is \"%.*s\", expected \"%.*s\"", i, parts[k].name, STR_ARG(parts[k].got), STR_ARG(want->text));
        }
    }
    bool aborted = f.n == 1 && f.list[0].type.p == NULL && diff->count == 0; /* a finding that is only a text is in no diff */
    return f.n == i || aborted ? 0 : FAIL(l, "%zu findings, %zu expected; the next is %.*s at %.*s", f.n, i, STR_ARG(f.list[i].type),
                                          STR_ARG(f.list[i].path));
}

static int check_verdict(struct line *l, const struct schema *candidate, const struct compat_version *history, size_t n)
{
    enum compat_level level;
    bool expected, got;
    struct str level_name = need_text(l, "level"), *messages;
    size_t nmessages;
    if (level_name.p == NULL || compat_level_parse(level_name, &level, &l->why) < 0 || need_bool(l, "compatible", &expected) < 0)
        return -1;
    if (compat_check_history(candidate, history, n, level, false, &got, &l->arena, &messages, &nmessages, &l->why) < 0)
        return -1;
    if (got != expected)
        return FAIL(l, "%s%s%.*s", got ? "compatible, expected otherwise" : "incompatible, expected otherwise", nmessages > 0 ? ": " : "",
                    STR_ARG(nmessages > 0 ? messages[0] : STR("")));
    if (got != (nmessages == 0))
        return FAIL(l, "%zu messages", nmessages);
    const struct json *diff = json_get(l->j, "diff");
    if (!json_is(diff, JSON_T_ARRAY) || n == 0)
        return 0;
    bool forward = level == COMPAT_FORWARD || level == COMPAT_FORWARD_TRANSITIVE;
    const struct schema *old = history[n - 1].schema;
    return check_diff(l, diff, forward ? old : candidate, forward ? candidate : old);
}

static int run_compat(struct line *l)
{
    enum schema_type old_type = side_type(l, "old_schema_type"), new_type = side_type(l, "new_schema_type");
    const struct json *newer = json_get(l->j, "new"), *older = json_get(l->j, "old"), *history = json_get(l->j, "history");
    if (newer == NULL || (older == NULL && !json_is(history, JSON_T_ARRAY)))
        return FAIL(l, "the line needs \"new\", and \"old\" or \"history\"");
    size_t n = older != NULL ? 1 : history->count, made = 0;
    struct compat_version *versions = arena_calloc(&l->arena, n + 1, sizeof *versions);
    struct schema **owned = arena_calloc(&l->arena, n + 1, sizeof *owned);
    if (versions == NULL || owned == NULL)
        return err_nomem(&l->why);
    bool differ = old_type != new_type;
    owned[made++] = side(l, newer, new_type, "new_references", differ);
    for (const struct json *v = older != NULL ? older : history->first; v != NULL && l->why.code == 0 && made <= n; v = v->next) {
        owned[made] = side(l, v, old_type, "old_references", differ);
        versions[made - 1] = (struct compat_version){(int32_t)made, owned[made]};
        made++;
    }
    if (l->why.code == 0)
        check_verdict(l, owned[0], versions, n);
    for (size_t i = 0; i < made; i++)
        schema_unref(owned[i]);
    return 0;
}

/* ---- parse, normalize, guid-md5 ---- */

static int run_parse(struct line *l)
{
    static const struct { const char *name; unsigned flags; } ways[] = {{"valid_new", SCHEMA_NEW}, {"valid_existing", 0}};
    struct schema_source src = {.type = l->type, .text = need_text(l, "schema")};
    if (src.text.p == NULL || read_refs(l, json_get(l->j, "references"), true, &src) < 0)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        struct err err = {0};
        bool expected;
        if (need_bool(l, ways[i].name, &expected) < 0)
            return -1;
        src.flags = ways[i].flags;
        OWN_BY(schema_unrefp) struct schema *s = schema_parse(&src, &err);
        if (s == NULL && src.type != SCHEMA_AVRO)
            return FAIL(l, "%s", err.text); /* a refusal of the type is no verdict on the text */
        if ((s != NULL) != expected)
            return FAIL(l, "%s: %s", ways[i].name, s != NULL ? "accepted, expected otherwise" : err.text);
        if (s == NULL && err.code != ERR_INVALID)
            return FAIL(l, "%s: refused for another reason: %s", ways[i].name, err.text);
    }
    return 0;
}

static int same_text(struct line *l, const char *name, struct str got)
{
    struct str expected = need_text(l, name);
    if (expected.p == NULL)
        return -1;
    return str_eq(expected, got) ? 0 : FAIL(l, "%s is %.*s", name, STR_ARG(got));
}

static int run_normalize(struct line *l)
{
    struct schema_source src = {.type = l->type, .text = need_text(l, "schema")};
    if (src.text.p == NULL || read_refs(l, json_get(l->j, "references"), true, &src) < 0)
        return -1;
    OWN_BY(schema_unrefp) struct schema *s = schema_parse(&src, &l->why);
    if (s == NULL || same_text(l, "canonical", schema_canonical(s)) < 0)
        return -1;
    OWN_BY(schema_unrefp) struct schema *normal = schema_normalize(s, &l->why);
    return normal == NULL ? -1 : same_text(l, "normalized", schema_canonical(normal));
}

static struct str entity_text(struct line *l, const char *name)
{
    const struct json *v = json_get(l->j, name);
    return v == NULL || v->type == JSON_T_NULL ? STR_NULL : schema_text(l, v, SCHEMA_JSON);
}

static int run_guid(struct line *l)
{
    struct schema_source src = {.type = l->type};
    struct str text = need_text(l, "schema"), guid = need_text(l, "guid");
    unsigned char md5[16], expected[16];
    char got[37];
    if (text.p == NULL || guid.p == NULL || read_refs(l, json_get(l->j, "references"), true, &src) < 0 ||
        schema_hash(text, src.refs, src.nrefs, entity_text(l, "metadata"), entity_text(l, "ruleSet"), md5, &l->why) < 0)
        return -1;
    schema_guid_text(md5, got);
    if (!str_is(guid, got))
        return FAIL(l, "the GUID is %s", got);
    return schema_guid_parse(guid, expected) && memcmp(md5, expected, 16) == 0 ? 0 : FAIL(l, "the GUID does not read back");
}

/* ---- avro-json ---- */

/* Same value, numbers by value: 3 and 3.0 are one. */
static bool same_value(const struct json *a, const struct json *b)
{
    int64_t i, k;
    if (a->type != b->type || a->count != b->count)
        return false;
    if (a->type == JSON_T_NUMBER) {
        bool whole = json_number_i64(a->text, &i);
        return whole == json_number_i64(b->text, &k) && (whole ? i == k : json_number_double(a->text) == json_number_double(b->text));
    }
    if (a->type != JSON_T_ARRAY && a->type != JSON_T_OBJECT)
        return str_eq(a->text, b->text);
    for (const struct json *x = a->first, *y = b->first; x != NULL; x = x->next, y = y != NULL ? y->next : NULL) {
        const struct json *other = a->type == JSON_T_OBJECT ? json_get_str(b, x->key) : y;
        if (other == NULL || !same_value(x, other))
            return false;
    }
    return true;
}

/* All of text as one value into out. */
static int encode(const struct codec *c, struct str text, struct buf *out, struct err *err)
{
    struct json_reader r;
    json_reader_init(&r, text, 0);
    if (codec_encode_plain(c, &r, json_next(&r), out, err) < 0)
        return -1;
    return json_next(&r) == JSON_END ? 0 : err_set(err, ERR_INVALID, "the encoder left something: %s", r.err.text);
}

static int check_json(struct line *l, const struct codec *c, const struct json *value, bool valid)
{
    OWN_BY(buf_clear) struct buf bytes = {0}, text = {0};
    struct err err = {0};
    int status = encode(c, schema_text(l, value, SCHEMA_JSON), &bytes, &err);
    if (!valid)
        return status < 0 && err.code == ERR_INVALID ? 0 : FAIL(l, "accepted as %.*s", STR_ARG(hex_of(l, buf_str(&bytes))));
    if (status < 0)
        return FAIL(l, "refused: %s", err.text);
    struct str expected = bytes_of(l, need_text(l, "avro_hex"));
    if (l->why.code != 0 || same_bytes(l, "the binary form", buf_str(&bytes), expected) < 0)
        return -1;
    if (codec_decode_plain(c, expected, &text, &l->why) < 0)
        return -1;
    const struct json *back = json_parse(buf_str(&text), JSON_DUP_ERROR, 0, &l->arena, &l->why), *out = json_get(l->j, "json_out");
    return back != NULL && same_value(back, out != NULL ? out : value) ? 0 : FAIL(l, "decoded to %.*s", STR_ARG(buf_str(&text)));
}

static int run_avro_json(struct line *l)
{
    const struct json *schema = json_get(l->j, "schema"), *value = json_get(l->j, "json");
    bool valid;
    if (schema == NULL || value == NULL)
        return FAIL(l, "the line needs a \"schema\" and a \"json\"");
    if (need_bool(l, "valid", &valid) < 0)
        return -1;
    const struct schema_source src = {.text = schema_text(l, schema, SCHEMA_AVRO)};
    OWN_BY(schema_unrefp) struct schema *s = schema_parse(&src, &l->why);
    struct codec *c = s != NULL ? codec_new(s, &l->why) : NULL;
    if (c == NULL)
        return -1;
    int status = check_json(l, c, value, valid);
    codec_unref(c);
    return status;
}

/* ---- wire ---- */

/* Do the members id, guid of j say what is in the frame? */
static int same_frame(struct line *l, const struct json *j, const struct wire_frame *f)
{
    const struct json *guid = json_get(j, "guid"), *id = json_get(j, "id");
    int32_t i;
    if (f->has_guid) {
        char text[37];
        schema_guid_text(f->guid, text);
        return json_is(guid, JSON_T_STRING) && str_is(guid->text, text) ? 0 : FAIL(l, "the guid is %s", text);
    }
    if (int_of(l, id, "id", INT32_MIN, INT32_MAX, &i) < 0)
        return -1;
    return i == f->id ? 0 : FAIL(l, "the id is %d", (int)f->id);
}

/* The line's message_indexes; *n 0 when there are none. */
static int line_indexes(struct line *l, int32_t out[WIRE_MAX_INDEXES], size_t *n)
{
    const struct json *list = json_get(l->j, "message_indexes");
    *n = 0;
    for (const struct json *m = list != NULL ? list->first : NULL; m != NULL; m = m->next)
        if (*n == WIRE_MAX_INDEXES || int_of(l, m, "message_indexes", 0, INT32_MAX, &out[(*n)++]) < 0)
            return FAIL(l, "too many message_indexes");
    return 0;
}

/* Cuts the indexes off *payload and compares them with the line's. */
static int check_indexes(struct line *l, struct str *payload)
{
    int32_t expected[WIRE_MAX_INDEXES], got[WIRE_MAX_INDEXES];
    size_t n, ngot;
    if (line_indexes(l, expected, &n) < 0)
        return -1;
    if (n == 0)
        return 0;
    if (wire_read_indexes(payload, got, &ngot, &l->why) < 0)
        return -1;
    return n == ngot && memcmp(expected, got, n * sizeof *got) == 0 ? 0 : FAIL(l, "the message indexes differ");
}

/* What a writer puts in front: the frame of the line, and its indexes. */
static int put_frame(struct line *l, const struct wire_frame *f, struct buf *out)
{
    int32_t indexes[WIRE_MAX_INDEXES];
    size_t n;
    if (line_indexes(l, indexes, &n) < 0)
        return -1;
    if (f->has_guid)
        wire_put_prefix_guid(out, f->guid);
    else
        wire_put_prefix_id(out, f->id);
    if (n > 0)
        wire_put_indexes(out, indexes, n);
    return 0;
}

static int wire_prefix(struct line *l, struct str message)
{
    struct wire_frame f;
    if (wire_read_prefix(message, &f, &l->why) < 0 || same_frame(l, l->j, &f) < 0)
        return -1;
    struct str payload = f.payload, expected = bytes_of(l, need_text(l, "payload_hex"));
    if (l->why.code != 0 || check_indexes(l, &payload) < 0 || same_bytes(l, "the payload", payload, expected) < 0)
        return -1;
    if (json_is(json_get(l->j, "decode_only"), JSON_T_TRUE))
        return 0;
    OWN_BY(buf_clear) struct buf back = {0};
    if (put_frame(l, &f, &back) < 0)
        return -1;
    buf_put_str(&back, expected);
    return same_bytes(l, "the message written", buf_str(&back), message);
}

static int wire_header(struct line *l, struct str message)
{
    struct wire_frame f;
    bool is_key;
    struct str name = need_text(l, "header_name"), header = bytes_of(l, need_text(l, "header_hex"));
    struct str expected = bytes_of(l, need_text(l, "payload_hex"));
    if (l->why.code != 0 || need_bool(l, "is_key", &is_key) < 0 || wire_read_header(header, &f, &l->why) < 0 || same_frame(l, l->j, &f) < 0)
        return -1;
    if (!str_is(name, is_key ? "__key_schema_id" : "__value_schema_id"))
        return FAIL(l, "the header is not named so");
    struct str rest = f.payload;
    if (check_indexes(l, &rest) < 0 || same_bytes(l, "the rest of the header", rest, STR("")) < 0 ||
        same_bytes(l, "the payload", message, expected) < 0)
        return -1;
    OWN_BY(buf_clear) struct buf back = {0};
    if (put_frame(l, &f, &back) < 0)
        return -1;
    return same_bytes(l, "the header written", buf_str(&back), header);
}

/* A header says which schema, and then the whole message is payload; else its prefix says so. */
static int wire_dual(struct line *l, struct str message)
{
    const struct json *expect = json_get(l->j, "expect"), *headers = json_get(l->j, "headers"), *payload = json_get(expect, "payload_hex");
    struct wire_frame f;
    bool is_key;
    if (!json_is(payload, JSON_T_STRING) || need_bool(l, "is_key", &is_key) < 0)
        return FAIL(l, "the line has no \"expect\" with a payload_hex");
    const struct json *header = json_get(headers, is_key ? "__key_schema_id" : "__value_schema_id");
    struct str expected = bytes_of(l, payload->text);
    if (!json_is(header, JSON_T_STRING)) {
        if (l->why.code != 0 || wire_read_prefix(message, &f, &l->why) < 0)
            return -1;
        message = f.payload;
    } else {
        struct str bytes = bytes_of(l, header->text);
        if (l->why.code != 0 || wire_read_header(bytes, &f, &l->why) < 0)
            return -1;
    }
    return same_frame(l, expect, &f) < 0 ? -1 : same_bytes(l, "the payload", message, expected);
}

static int wire_invalid(struct line *l, struct str message)
{
    struct wire_frame f;
    struct err err = {0};
    int32_t indexes[WIRE_MAX_INDEXES];
    size_t n;
    struct str class = need_text(l, "error");
    int status = wire_read_prefix(message, &f, &err);
    if (status == 0 && l->type == SCHEMA_PROTOBUF)
        status = wire_read_indexes(&f.payload, indexes, &n, &err);
    if (l->why.code != 0)
        return -1;
    if (status == 0)
        return FAIL(l, "accepted");
    return memmem(err.text, strlen(err.text), class.p, class.n) != NULL ? 0 : FAIL(l, "refused for another reason: %s", err.text);
}

static int run_wire(struct line *l)
{
    struct str rule = need_text(l, "rule"), hex = text_of(l, "message_hex");
    if (rule.p == NULL)
        return -1;
    if (hex.p == NULL)
        return FAIL(l, "lines without a message_hex are not supported yet (rule %.*s)", STR_ARG(rule));
    struct str message = bytes_of(l, hex);
    if (l->why.code != 0)
        return -1;
    if (str_starts(rule, STR("invalid")))
        return wire_invalid(l, message);
    if (str_starts(rule, STR("dual")))
        return wire_dual(l, message);
    return text_of(l, "header_hex").p != NULL ? wire_header(l, message) : wire_prefix(l, message);
}

/* ---- files ---- */

static const struct kind {
    const char *prefix;
    int (*run)(struct line *l);
    enum schema_type type; /* of its lines without a schemaType, if typed */
    bool typed;
} kinds[] = {
    {"avro-compat", run_compat, SCHEMA_AVRO, true},
    {"avro-json", run_avro_json, SCHEMA_AVRO, true},
    {"json-compat", run_compat, SCHEMA_JSON, true},
    {"protobuf-compat", run_compat, SCHEMA_PROTOBUF, true},
    {"parse", run_parse, SCHEMA_AVRO, true},
    {"normalize", run_normalize, SCHEMA_AVRO, true},
    {"guid-md5", run_guid, SCHEMA_AVRO, false},
    {"wire", run_wire, SCHEMA_AVRO, false},
};

struct totals {
    long passed, failed;
};

static void read_type(struct line *l)
{
    struct str type = text_of(l, "schemaType");
    if (type.p != NULL)
        schema_type_parse(type, &l->type, &l->why);
    else if (!l->typed && str_starts(text_of(l, "rule"), STR("protobuf")))
        l->type = SCHEMA_PROTOBUF;
    else
        return;
    l->typed = true;
}

static void run_line(const char *file, long number, struct str text, const struct kind *k, const enum schema_type *only, struct totals *t)
{
    struct line l = {.type = k->type, .typed = k->typed};
    struct str name = STR_NULL;
    l.j = json_parse(text, JSON_DUP_ERROR, 0, &l.arena, &l.why);
    if (l.j != NULL && l.j->type != JSON_T_OBJECT)
        FAIL(&l, "the line is no object");
    if (l.why.code == 0)
        name = need_text(&l, "name");
    if (l.why.code == 0)
        read_type(&l);
    bool run = only == NULL || !l.typed || l.type == *only || l.why.code != 0;
    if (run && l.why.code == 0 && k->run(&l) < 0 && l.why.code == 0)
        err_nomem(&l.why);
    if (run && l.why.code != 0)
        printf("%s:%ld: %.*s: %s\n", file, number, STR_ARG(name.p != NULL ? name : STR("(no name)")), l.why.text);
    t->passed += run && l.why.code == 0;
    t->failed += run && l.why.code != 0;
    arena_clear(&l.arena);
}

static const struct kind *kind_of(const char *file)
{
    const char *base = strrchr(file, '/');
    const struct kind *best = NULL;
    base = base != NULL ? base + 1 : file;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(base, kinds[i].prefix, strlen(kinds[i].prefix)) == 0 && (best == NULL || strlen(kinds[i].prefix) > strlen(best->prefix)))
            best = &kinds[i];
    return best;
}

static void run_file(const char *file, const enum schema_type *only, struct totals *t)
{
    const struct kind *k = kind_of(file);
    FILE *in = fopen(file, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (k == NULL || in == NULL) {
        printf("%s: %s\n", file, k == NULL ? "the file's name says no kind of cases that is known" : strerror(errno));
        t->failed++;
    }
    for (long number = 1; k != NULL && in != NULL && (n = getline(&line, &cap, in)) >= 0; number++) {
        struct str text = str_trim(str_n(line, (size_t)n));
        if (text.n > 0)
            run_line(file, number, text, k, only, t);
    }
    free(line);
    if (in != NULL)
        fclose(in);
}

int main(int argc, char **argv)
{
    struct totals t = {0, 0};
    enum schema_type type;
    const enum schema_type *only = NULL;
    struct err err = {0};
    int i = 1;
    if (argc > 2 && strcmp(argv[1], "--type") == 0) {
        if (schema_type_parse(str_of(argv[2]), &type, &err) < 0) {
            fprintf(stderr, "vectors: %s\n", err.text);
            return 2;
        }
        only = &type;
        i = 3;
    }
    if (i >= argc) {
        fprintf(stderr, "usage: vectors [--type AVRO|JSON|PROTOBUF] FILE...\n");
        return 2;
    }
    for (; i < argc; i++)
        run_file(argv[i], only, &t);
    printf("%ld passed, %ld failed\n", t.passed, t.failed);
    return t.failed > 0;
}
