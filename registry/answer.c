#include "registry/answer.h"

static void put_key(struct buf *out, const char *name)
{
    if (out->n > 0 && out->p[out->n - 1] != '{')
        buf_put_u8(out, ',');
    buf_put_u8(out, '"');
    buf_put_str(out, str_of(name));
    buf_put(out, "\":", 2);
}

static void put_number(struct buf *out, const char *name, int64_t n)
{
    put_key(out, name);
    json_put_i64(out, n);
}

static void put_text(struct buf *out, const char *name, struct str text)
{
    put_key(out, name);
    json_put_string(out, text);
}

static void put_flag(struct buf *out, const char *name, bool v)
{
    put_key(out, name);
    buf_put_str(out, v ? STR("true") : STR("false"));
}

static void put_raw(struct buf *out, const char *name, struct str json)
{
    if (json.p == NULL)
        return;
    put_key(out, name);
    buf_put_str(out, json);
}

static void put_guid(struct buf *out, const unsigned char md5[16])
{
    char guid[37];
    schema_guid_text(md5, guid);
    put_key(out, "guid");
    buf_put_u8(out, '"');
    buf_put(out, guid, 36);
    buf_put_u8(out, '"');
}

static void put_refs(struct buf *out, const struct schema_ref *refs, size_t n)
{
    if (n == 0)
        return;
    put_key(out, "references");
    buf_put_u8(out, '[');
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, i == 0 ? STR("{") : STR(",{"));
        put_text(out, "name", refs[i].name);
        put_text(out, "subject", refs[i].subject);
        put_number(out, "version", refs[i].version);
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, ']');
}

/* Where the text begins in out. */
static size_t put_schema(struct buf *out, struct str escaped)
{
    put_key(out, "schema");
    buf_put_u8(out, '"');
    size_t at = out->n;
    buf_put_str(out, escaped);
    buf_put_u8(out, '"');
    return at;
}

static void put_times(struct buf *out, const struct version *v)
{
    put_number(out, "ts", v->ts_ms);
    put_flag(out, "deleted", v->deleted);
}

static void put_type(struct buf *out, unsigned type)
{
    put_text(out, "schemaType", str_of(schema_type_name((enum schema_type)type)));
}

size_t answer_put_by_id(struct buf *out, const struct content *c, const struct version *v, struct str escaped, int32_t max_id)
{
    buf_put_u8(out, '{');
    if (v != NULL) {
        put_text(out, "subject", v->subject->name);
        put_number(out, "version", v->number);
        put_number(out, "id", c->id); /* a widely used client needs it where subject is (errata 8) */
    }
    put_guid(out, c->md5);
    put_type(out, c->type);
    size_t at = put_schema(out, escaped);
    put_refs(out, c->refs, c->nrefs);
    put_raw(out, "metadata", c->metadata);
    put_raw(out, "ruleSet", c->rule_set);
    if (max_id != 0)
        put_number(out, "maxId", max_id);
    if (v != NULL)
        put_times(out, v);
    buf_put_u8(out, '}');
    return at;
}

static void put_version(struct buf *out, const struct version *v, struct str text, bool times)
{
    const struct content *c = v->content;
    buf_put_u8(out, '{');
    put_text(out, "subject", v->subject->name);
    put_number(out, "version", v->number);
    put_number(out, "id", c->id);
    put_guid(out, c->md5);
    put_type(out, c->type);
    put_refs(out, c->refs, c->nrefs);
    put_raw(out, "metadata", c->metadata);
    if (text.p != NULL)
        put_text(out, "schema", text);
    else
        put_schema(out, content_text(c));
    if (times)
        put_times(out, v);
    put_raw(out, "ruleSet", c->rule_set);
    buf_put_u8(out, '}');
}

void answer_put_version(struct buf *out, const struct version *v, struct str text)
{
    put_version(out, v, text, true);
}

void answer_put_lookup(struct buf *out, const struct version *v, bool scanned)
{
    put_version(out, v, STR_NULL, scanned);
}

/* What a RegisterSchemaResponse says before the schema. */
static void put_response(struct buf *out, const struct change *c)
{
    buf_put_u8(out, '{');
    put_number(out, "id", c->id);
    put_number(out, "version", c->version);
    put_guid(out, c->md5);
    put_type(out, c->type);
    put_refs(out, c->refs, c->nrefs);
    put_raw(out, "metadata", c->metadata);
    put_raw(out, "ruleSet", c->rule_set);
}

void answer_put_found(struct buf *out, const struct version *v, bool scanned)
{
    const struct change c = state_borrow(v);
    put_response(out, &c);
    put_schema(out, content_text(v->content));
    if (scanned)
        put_times(out, v);
    buf_put_u8(out, '}');
}

void answer_put_registered(struct buf *out, const struct change *c)
{
    put_response(out, c);
    put_text(out, "schema", c->text);
    buf_put_u8(out, '}');
}
