#include "registry/config.h"

#include "base/own.h"
#include "registry/codes.h"

enum kind { TEXT, FLAG, OBJECT, LEVEL, POLICY };
static const struct {
    const char *name;
    enum kind kind;
} fields[CONFIG_FIELDS] = {
    [CONFIG_ALIAS] = {"alias", TEXT},
    [CONFIG_ALIAS_FOR_DEKS] = {"aliasForDeks", TEXT},
    [CONFIG_NORMALIZE] = {"normalize", FLAG},
    [CONFIG_VALIDATE_FIELDS] = {"validateFields", FLAG},
    [CONFIG_VALIDATE_NEW] = {"validateNewSchemas", FLAG},
    [CONFIG_VALIDATE_RULES] = {"validateRules", FLAG},
    [CONFIG_LEVEL] = {"compatibilityLevel", LEVEL},
    [CONFIG_POLICY] = {"compatibilityPolicy", POLICY},
    [CONFIG_GROUP] = {"compatibilityGroup", TEXT},
    [CONFIG_DEFAULT_METADATA] = {"defaultMetadata", OBJECT},
    [CONFIG_OVERRIDE_METADATA] = {"overrideMetadata", OBJECT},
    [CONFIG_DEFAULT_RULES] = {"defaultRuleSet", OBJECT},
    [CONFIG_OVERRIDE_RULES] = {"overrideRuleSet", OBJECT},
};

static struct str quoted(struct str text, struct arena *a)
{
    OWN_BY(buf_clear) struct buf out = {0};
    json_put_string(&out, text);
    return out.failed ? STR_NULL : arena_str(a, buf_str(&out));
}

/* The scalar as text: the reference's mapper takes numbers and booleans for strings, and strings for booleans. */
static struct str scalar(const struct json *v)
{
    if (v->type == JSON_T_TRUE || v->type == JSON_T_FALSE)
        return v->type == JSON_T_TRUE ? STR("true") : STR("false");
    return v->type == JSON_T_STRING || v->type == JSON_T_NUMBER ? v->text : STR_NULL;
}

/* Sets *out to the JSON text to keep; STR_NULL clears the field. */
static int read_field(enum config_field f, const struct json *v, struct arena *a, struct str *out, struct err *err)
{
    struct str text = scalar(v);
    enum compat_level level;
    *out = STR_NULL;
    if (v->type == JSON_T_NULL)
        return 0;
    switch (fields[f].kind) {
    case TEXT:
        if (text.p == NULL)
            return err_set(err, REG_BAD_REQUEST, "%s: expected a string", fields[f].name);
        *out = quoted(text, a);
        break;
    case FLAG:
        if (!str_eq_nocase(text, STR("true")) && !str_eq_nocase(text, STR("false")))
            return err_set(err, REG_BAD_REQUEST, "%s: expected true or false", fields[f].name);
        *out = str_eq_nocase(text, STR("true")) ? STR("true") : STR("false");
        break;
    case LEVEL:
        if (text.p == NULL || compat_level_parse(text, &level, NULL) < 0)
            return REG_FAIL(err, REG_INVALID_LEVEL, "");
        *out = quoted(str_of(compat_level_name(level)), a);
        break;
    case POLICY: /* an unknown policy is stored as none */
        for (size_t i = 0; i < 3; i++) {
            static const char *const names[] = {"STRICT", "LENIENT", "LOGICAL"};
            if (str_eq_nocase(text, str_of(names[i])))
                *out = quoted(str_of(names[i]), a);
        }
        return 0;
    case OBJECT:
        if (v->type != JSON_T_OBJECT)
            return err_set(err, REG_BAD_REQUEST, "%s: expected an object", fields[f].name);
        OWN_BY(buf_clear) struct buf tree = {0};
        json_put_tree(&tree, v);
        *out = tree.failed ? STR_NULL : arena_str(a, buf_str(&tree));
        break;
    }
    return out->p != NULL ? 0 : err_nomem(err);
}

int config_update(struct config *into, const struct json *body, struct arena *a, struct err *err)
{
    if (!json_is(body, JSON_T_OBJECT))
        return err_set(err, REG_BAD_REQUEST, "expected an object such as {\"compatibility\":\"BACKWARD\"}");
    for (int f = 0; f < CONFIG_FIELDS; f++) {
        const struct json *v = json_get(body, f == CONFIG_LEVEL ? "compatibility" : fields[f].name);
        if (v != NULL && read_field((enum config_field)f, v, a, &into->v[f], err) < 0)
            return -1;
    }
    return 0;
}

int config_read_stored(struct config *into, const struct json *value, struct arena *a)
{
    *into = (struct config){0};
    for (int f = 0; f < CONFIG_FIELDS; f++) {
        struct err err = {0};
        const struct json *v = json_get(value, fields[f].name);
        if (v != NULL && read_field((enum config_field)f, v, a, &into->v[f], &err) < 0 && err.code == ERR_NOMEM)
            return -1;
    }
    return 0;
}

void config_put(struct json_writer *w, const struct config *c, const char *level_name)
{
    for (int f = 0; f < CONFIG_FIELDS; f++) {
        if (c->v[f].p == NULL)
            continue;
        jw_key(w, f == CONFIG_LEVEL ? level_name : fields[f].name);
        jw_raw(w, c->v[f]);
    }
}

bool config_level(const struct config *c, enum compat_level *out)
{
    struct str v = c->v[CONFIG_LEVEL];
    return v.n > 2 && compat_level_parse(str_n(v.p + 1, v.n - 2), out, NULL) == 0;
}

struct str config_text(const struct config *c, enum config_field field, struct arena *a)
{
    if (c->v[field].p == NULL)
        return STR_NULL;
    const struct json *v = json_parse(c->v[field], JSON_DUP_LAST, 0, a, NULL);
    return json_is(v, JSON_T_STRING) ? v->text : STR_NULL;
}
