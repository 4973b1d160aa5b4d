#include "registry/core.h"

struct json *body_read(struct str body, struct arena *a, struct err *err)
{
    struct err why = {0};
    struct json *v = str_trim(body).n != 0 ? json_parse(body, JSON_DUP_LAST, 0, a, &why) : NULL;
    if (why.code == ERR_NOMEM) {
        err_nomem(err);
        return NULL;
    }
    if (why.code != 0) {
        err_set(err, REG_BAD_REQUEST, "%s", why.text);
        return NULL;
    }
    if (v == NULL || v->type == JSON_T_NULL) {
        err_set(err, REG_BAD_BODY, "the request body must be a JSON object, not %s", v == NULL ? "empty" : "null");
        return NULL;
    }
    return v;
}

/* A string, or a scalar as the reference's mapper takes it: its text. STR_NULL: absent. */
static int text_member(const struct json *o, const char *name, struct str *out, struct err *err)
{
    const struct json *v = json_get(o, name);
    *out = STR_NULL;
    if (v == NULL || v->type == JSON_T_NULL)
        return 0;
    if (v->type == JSON_T_STRING || v->type == JSON_T_NUMBER)
        *out = v->text;
    else if (v->type == JSON_T_TRUE || v->type == JSON_T_FALSE)
        *out = v->type == JSON_T_TRUE ? STR("true") : STR("false");
    else
        return err_set(err, REG_BAD_REQUEST, "%s: expected a string, got an %s", name, v->type == JSON_T_OBJECT ? "object" : "array");
    return 0;
}

/* A number (cut to an integer) or a text that is one. */
static int number_member(const struct json *o, const char *name, bool required, int32_t *out, struct err *err)
{
    const struct json *v = json_get(o, name);
    int64_t n = 0;
    *out = 0;
    if (v == NULL || v->type == JSON_T_NULL)
        return required ? err_set(err, REG_INVALID_SCHEMA, "Invalid schema: a reference has no %s", name) : 0;
    bool ok = false;
    if (v->type == JSON_T_NUMBER) {
        double d = json_number_double(v->text);
        ok = d > -2147483649.0 && d < 2147483648.0;
        n = ok ? (int64_t)d : 0;
    } else if (v->type == JSON_T_STRING) {
        ok = str_to_i64(str_trim(v->text), &n) && n >= INT32_MIN && n <= INT32_MAX;
    }
    if (!ok)
        return err_set(err, REG_BAD_REQUEST, "%s: expected a 32-bit integer", name);
    *out = (int32_t)n;
    return 0;
}

static int read_refs(const struct json *v, struct arena *a, struct posted *out, struct err *err)
{
    if (v == NULL || v->type == JSON_T_NULL)
        return 0;
    if (v->type != JSON_T_ARRAY)
        return err_set(err, REG_BAD_REQUEST, "references: expected an array of {\"name\", \"subject\", \"version\"}");
    if ((out->refs = arena_calloc(a, v->count + 1, sizeof *out->refs)) == NULL)
        return err_nomem(err);
    for (const struct json *e = v->first; e != NULL; e = e->next) {
        struct schema_ref *ref = &out->refs[out->nrefs];
        if (e->type != JSON_T_OBJECT)
            return err_set(err, REG_BAD_REQUEST, "references[%zu]: expected {\"name\", \"subject\", \"version\"}", out->nrefs);
        if (text_member(e, "name", &ref->name, err) < 0 || text_member(e, "subject", &ref->subject, err) < 0 ||
            number_member(e, "version", true, &ref->version, err) < 0)
            return -1;
        if (ref->name.n == 0 || ref->subject.n == 0)
            return err_set(err, REG_INVALID_SCHEMA, "Invalid schema: references[%zu] has no %s", out->nrefs, ref->name.n == 0 ? "name" : "subject");
        out->nrefs++;
    }
    return 0;
}

int posted_read(struct str body, struct arena *a, struct posted *out, struct err *err)
{
    struct str type;
    struct err why = {0};
    *out = (struct posted){0};
    const struct json *v = body_read(body, a, err);
    if (v == NULL)
        return -1;
    if (v->type != JSON_T_OBJECT)
        return err_set(err, REG_BAD_REQUEST, "expected an object such as {\"schema\":\"...\"}");
    if (text_member(v, "schema", &out->text, err) < 0 || text_member(v, "schemaType", &type, err) < 0 ||
        number_member(v, "version", false, &out->version, err) < 0 || number_member(v, "id", false, &out->id, err) < 0 ||
        metadata_read(json_get(v, "metadata"), a, &out->metadata, err) < 0 || read_refs(json_get(v, "references"), a, out, err) < 0)
        return -1;
    if (out->id < 0)
        out->id = 0;
    if (out->version < -1)
        return err_set(err, REG_INVALID_SCHEMA, "Invalid schema: version %d; give -1, the next version, or none", out->version);
    if (type.n != 0 && schema_type_parse(type, &out->type, &why) < 0)
        return err_set(err, REG_INVALID_SCHEMA, "%s", why.text);
    out->text = str_trim(out->text).n != 0 ? out->text : STR("");
    return 0;
}
