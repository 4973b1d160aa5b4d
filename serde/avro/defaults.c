/* serde/avro/defaults.c - does a default fit its type (compatibility.md 3.2)? */
#include "serde/avro/names.h"
#include "serde/avro/parse.h"

struct fitting {
    long *steps;
    int depth;
};

static int fits(struct fitting *f, const struct avro_node *type, const struct json *v);

static bool primitive_fits(enum avro_kind kind, const struct json *v)
{
    int64_t i;
    double d;
    switch (kind) {
    case AVRO_T_NULL: return v->type == JSON_T_NULL;
    case AVRO_T_BOOLEAN: return v->type == JSON_T_TRUE || v->type == JSON_T_FALSE;
    case AVRO_T_INT: return avro_integer(v, &i) && i >= INT32_MIN && i <= INT32_MAX;
    case AVRO_T_LONG: return avro_integer(v, &i);
    case AVRO_T_FLOAT:
    case AVRO_T_DOUBLE: return v->type == JSON_T_NUMBER || (v->type == JSON_T_STRING && avro_text_is_double(v->text, &d));
    default: return v->type == JSON_T_STRING; /* bytes, string, and enum and fixed too: neither membership nor length counts */
    }
}

/* Every element of the array, or value of the object, v. */
static int all_fit(struct fitting *f, const struct avro_node *items, const struct json *v)
{
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        int ok = fits(f, items, m);
        if (ok != 1)
            return ok;
    }
    return 1;
}

static int record_fits(struct fitting *f, const struct avro_node *record, const struct json *v)
{
    const struct json *guess = v->first; /* members mostly stand in the order of the fields */
    for (uint32_t i = 0; i < record->n; i++) {
        const struct avro_field *field = &record->fields[i];
        const struct json *m = guess;
        if (m == NULL || !str_eq(m->key, field->name)) {
            *f->steps -= v->count / 8;
            m = json_get_str(v, field->name);
        }
        if (m != NULL)
            guess = m->next;
        else
            m = field->def;
        int ok = m != NULL ? fits(f, field->type, m) : 0;
        if (ok != 1)
            return ok;
    }
    return 1;
}

static int any_branch_fits(struct fitting *f, const struct avro_node *u, const struct json *v)
{
    for (uint32_t i = 0; i < u->n; i++) {
        int ok = fits(f, u->branches[i], v);
        if (ok != 0)
            return ok;
    }
    return 0;
}

/* The depth is bounded because a record may be left to its fields' own defaults, which may need the same record again. */
static int fits(struct fitting *f, const struct avro_node *type, const struct json *v)
{
    int ok;
    if (--*f->steps < 0 || f->depth >= JSON_DEPTH_MAX)
        return -1;
    f->depth++;
    switch (type->kind) {
    case AVRO_T_RECORD: ok = v->type == JSON_T_OBJECT ? record_fits(f, type, v) : 0; break;
    case AVRO_T_ARRAY: ok = v->type == JSON_T_ARRAY ? all_fit(f, type->items, v) : 0; break;
    case AVRO_T_MAP: ok = v->type == JSON_T_OBJECT ? all_fit(f, type->items, v) : 0; break;
    case AVRO_T_UNION: ok = any_branch_fits(f, type, v); break;
    default: ok = primitive_fits((enum avro_kind)type->kind, v);
    }
    f->depth--;
    return ok;
}

int avro_default_fits(const struct avro_node *type, const struct json *value, long *steps)
{
    struct fitting f = {steps, 0};
    return fits(&f, type, value);
}
