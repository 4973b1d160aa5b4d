#include "registry/record.h"

#include <openssl/evp.h>

#include "base/own.h"
#include "registry/metadata.h"
#include "registry/names.h"

static const char *const keytypes[] = {
    [CHANGE_NOOP] = "NOOP",
    [CHANGE_SCHEMA] = "SCHEMA",
    [CHANGE_CONFIG] = "CONFIG",
    [CHANGE_MODE] = "MODE",
    [CHANGE_DELETE_SUBJECT] = "DELETE_SUBJECT",
    [CHANGE_CLEAR_SUBJECT] = "CLEAR_SUBJECT",
    [CHANGE_CONTEXT] = "CONTEXT",
};

static const char *const mode_names[] = {"READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD"};

const char *mode_name(enum mode m)
{
    return mode_names[m];
}

bool mode_parse(struct str name, enum mode *out)
{
    for (int m = 0; m < (int)(sizeof mode_names / sizeof *mode_names); m++) {
        if (str_eq_nocase(name, str_of(mode_names[m]))) {
            *out = (enum mode)m;
            return true;
        }
    }
    return false;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static struct str text_of(const struct json *o, const char *member)
{
    const struct json *v = json_get(o, member);
    return json_is(v, JSON_T_STRING) ? v->text : STR_NULL;
}

static int number_of(const struct json *o, const char *member, int32_t *out, struct err *err)
{
    int64_t n = 0;
    const struct json *v = json_get(o, member);
    if (!json_is(v, JSON_T_NUMBER) || !json_number_i64(v->text, &n) || n < INT32_MIN || n > INT32_MAX)
        return err_set(err, ERR_INVALID, "%s is missing or no 32-bit integer", member);
    *out = (int32_t)n;
    return 0;
}

static int read_refs(const struct json *v, struct arena *a, struct change *c, struct err *err)
{
    if (v == NULL || v->type == JSON_T_NULL)
        return 0;
    if (v->type != JSON_T_ARRAY)
        return err_set(err, ERR_INVALID, "references is no array");
    struct schema_ref *refs = arena_calloc(a, v->count + 1, sizeof *refs);
    if (refs == NULL)
        return err_nomem(err);
    for (const struct json *e = v->first; e != NULL; e = e->next) {
        struct schema_ref *ref = &refs[c->nrefs++];
        ref->name = text_of(e, "name");
        ref->subject = text_of(e, "subject");
        if (ref->name.p == NULL || ref->subject.p == NULL)
            return err_set(err, ERR_INVALID, "a reference without name or subject");
        if (number_of(e, "version", &ref->version, err) < 0)
            return -1;
    }
    c->refs = refs;
    return 0;
}

static struct str object_text(const struct json *o, const char *member, struct arena *a)
{
    const struct json *v = json_get(o, member);
    OWN_BY(buf_clear) struct buf out = {0};
    if (!json_is(v, JSON_T_OBJECT))
        return STR_NULL;
    json_put_tree(&out, v);
    return out.failed ? STR_NULL : arena_str(a, buf_str(&out));
}

static int read_identity(const struct json *value, struct change *c, struct err *err)
{
    /* Kept beside encrypted metadata, whose clear form the identity was made of. */
    struct str given = text_of(value, "md5");
    unsigned char raw[18];
    if (given.n == 24 && EVP_DecodeBlock(raw, (const unsigned char *)given.p, 24) == 18) {
        memcpy(c->md5, raw, 16);
        return 0;
    }
    return schema_hash(c->text, c->refs, c->nrefs, c->metadata, c->rule_set, c->md5, err);
}

static int read_schema(const struct json *value, struct arena *a, struct change *c, struct err *err)
{
    struct metadata m;
    bool failed = false;
    c->text = text_of(value, "schema");
    if (c->text.p == NULL)
        return err_set(err, ERR_INVALID, "schema is missing or no string");
    if (number_of(value, "id", &c->id, err) < 0 || schema_type_parse(text_of(value, "schemaType"), &c->type, err) < 0 ||
        read_refs(json_get(value, "references"), a, c, err) < 0 || metadata_read(json_get(value, "metadata"), a, &m, err) < 0)
        return -1;
    c->metadata = metadata_text(&m, a, &failed);
    c->rule_set = object_text(value, "ruleSet", a);
    c->deleted = json_is(json_get(value, "deleted"), JSON_T_TRUE);
    return failed ? err_nomem(err) : read_identity(value, c, err);
}

static int read_key(const struct json *key, struct arena *a, struct change *c, struct err *err)
{
    struct str type = text_of(key, "keytype");
    int32_t magic;
    for (int k = CHANGE_NOOP; k <= CHANGE_CONTEXT; k++)
        if (type.p != NULL && str_is(type, keytypes[k]))
            c->kind = (enum change_kind)k;
    c->null_subject = json_is(json_get(key, "subject"), JSON_T_NULL);
    struct str subject = text_of(key, "subject");
    c->subject = subject_normal(subject.p != NULL ? subject : STR(""), a);
    if (c->subject.p == NULL)
        return err_nomem(err);
    if (c->kind == CHANGE_CONTEXT)
        c->context = text_of(key, "context");
    if (c->kind != CHANGE_SCHEMA)
        return 0;
    if (number_of(key, "version", &c->version, err) < 0 || number_of(key, "magic", &magic, err) < 0)
        return -1;
    if (magic != 0 && magic != 1)
        return err_set(err, ERR_INVALID, "magic %d in a SCHEMA key, expected 0 or 1", magic);
    return c->version >= 1 ? 0 : err_set(err, ERR_INVALID, "version %d in a SCHEMA key", c->version);
}

static int read_value(const struct json *v, struct arena *a, struct change *c, struct err *err)
{
    switch (c->kind) {
    case CHANGE_SCHEMA:
        return read_schema(v, a, c, err);
    case CHANGE_CONFIG:
        return config_read_stored(&c->config, v, a) < 0 ? err_nomem(err) : 0;
    case CHANGE_MODE:
        c->no_mode = text_of(v, "mode").p == NULL;
        if (!c->no_mode && !mode_parse(text_of(v, "mode"), &c->mode))
            return err_set(err, ERR_INVALID, "unknown mode '%.*s'", STR_ARG(text_of(v, "mode")));
        return 0;
    case CHANGE_DELETE_SUBJECT:
        return number_of(v, "version", &c->version, err);
    default:
        return 0;
    }
}

int change_read(const struct record *rec, struct arena *a, struct change *c, struct err *err)
{
    *c = (struct change){.ts_ms = rec->timestamp_ms, .tombstone = rec->value.p == NULL};
    if (rec->key.p == NULL)
        return 0;
    const struct json *key = json_parse(rec->key, JSON_DUP_LAST, 0, a, err);
    if (key == NULL)
        return -1;
    if (key->type != JSON_T_OBJECT)
        return err_set(err, ERR_INVALID, "the key is no JSON object");
    if (read_key(key, a, c, err) < 0)
        return -1;
    if (c->tombstone || c->kind == CHANGE_OTHER || c->kind == CHANGE_NOOP)
        return 0;
    const struct json *value = json_parse(rec->value, JSON_DUP_LAST, 0, a, err);
    if (value == NULL)
        return -1;
    if (value->type != JSON_T_OBJECT)
        return err_set(err, ERR_INVALID, "the value is no JSON object");
    return read_value(value, a, c, err);
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static void put_text(struct json_writer *w, const char *name, struct str text)
{
    if (text.n == 0)
        return;
    jw_key(w, name);
    jw_str(w, text);
}

static void put_raw(struct json_writer *w, const char *name, struct str json)
{
    if (json.p == NULL)
        return;
    jw_key(w, name);
    jw_raw(w, json);
}

static void put_number(struct json_writer *w, const char *name, int32_t n)
{
    jw_key(w, name);
    jw_i64(w, n);
}

void change_put_key(struct buf *out, const struct change *c)
{
    struct json_writer w = json_writer_on(out);
    jw_object(&w);
    put_text(&w, "keytype", str_of(keytypes[c->kind]));
    if (c->kind == CHANGE_CONTEXT) {
        put_text(&w, "tenant", STR("default"));
        put_text(&w, "context", c->context);
    } else if (c->null_subject) {
        put_raw(&w, "subject", STR("null"));
    } else if (c->kind != CHANGE_NOOP) {
        put_text(&w, "subject", c->subject);
    }
    if (c->kind == CHANGE_SCHEMA)
        put_number(&w, "version", c->version);
    put_number(&w, "magic", c->kind == CHANGE_SCHEMA ? 1 : 0);
    jw_object_end(&w);
}

static void put_refs(struct json_writer *w, const struct change *c)
{
    if (c->nrefs == 0)
        return;
    jw_key(w, "references");
    jw_array(w);
    for (size_t i = 0; i < c->nrefs; i++) {
        jw_object(w);
        put_text(w, "name", c->refs[i].name);
        put_text(w, "subject", c->refs[i].subject);
        put_number(w, "version", c->refs[i].version);
        jw_object_end(w);
    }
    jw_array_end(w);
}

void change_put_value(struct buf *out, const struct change *c)
{
    struct json_writer w = json_writer_on(out);
    jw_object(&w);
    if (c->kind == CHANGE_CONTEXT) {
        put_text(&w, "tenant", STR("default"));
        put_text(&w, "context", c->context);
    } else {
        put_text(&w, "subject", c->subject);
    }
    if (c->kind == CHANGE_SCHEMA || c->kind == CHANGE_DELETE_SUBJECT)
        put_number(&w, "version", c->version);
    if (c->kind == CHANGE_SCHEMA) {
        put_number(&w, "id", c->id);
        put_text(&w, "schemaType", str_of(schema_type_name(c->type)));
        put_refs(&w, c);
        put_raw(&w, "metadata", c->metadata);
        put_raw(&w, "ruleSet", c->rule_set);
        put_text(&w, "schema", c->text);
        jw_key(&w, "deleted");
        jw_bool(&w, c->deleted);
    }
    if (c->kind == CHANGE_CONFIG)
        config_put(&w, &c->config, "compatibilityLevel");
    if (c->kind == CHANGE_MODE && !c->no_mode)
        put_text(&w, "mode", str_of(mode_name(c->mode)));
    jw_object_end(&w);
}
