/* serde/avro/codec_default.c - a field's default (its JSON in the schema) as the JSON text of a value.
 *
 * The two differ: in a schema the value of a union stands without its tag and for the first branch that it fits, and a record may
 * leave fields to their own defaults. Steps, depth and length are limited, since defaults may call for each other without end. */
#include "serde/avro/codec.h"
#include "serde/avro/names.h"

enum { STEPS_MAX = 100000, DEPTH_MAX = 200 };

struct printing {
    struct buf *out;
    int steps, depth;
    struct err *err;
};

static int put(struct printing *p, const struct avro_node *type, const struct json *v);

static int unfit(struct printing *p, const struct avro_node *type, const struct json *v)
{
    return err_set(p->err, ERR_INVALID, "%s is no %.*s", avro_json_word(v), STR_ARG(avro_kind_name(type->kind)));
}

static int put_integer(struct printing *p, const struct avro_node *type, const struct json *v)
{
    int64_t i;
    if (v->type != JSON_T_NUMBER || !json_number_i64(v->text, &i) ||
        (type->kind == AVRO_T_INT && (i < INT32_MIN || i > INT32_MAX)))
        return unfit(p, type, v);
    json_put_i64(p->out, i);
    return 0;
}

static int put_real(struct printing *p, const struct avro_node *type, const struct json *v)
{
    double d;
    if (v->type == JSON_T_NUMBER)
        d = json_number_double(v->text);
    else if (v->type != JSON_T_STRING || !avro_text_is_double(v->text, &d))
        return unfit(p, type, v);
    json_put_double(p->out, type->kind == AVRO_T_FLOAT ? (double)(float)d : d);
    return 0;
}

/* Text whose characters are bytes. */
static int put_bytes(struct printing *p, const struct avro_node *type, const struct json *v)
{
    int64_t n = 0;
    if (v->type != JSON_T_STRING)
        return unfit(p, type, v);
    for (size_t i = 0; i < v->text.n; i++) {
        unsigned char c = (unsigned char)v->text.p[i];
        if (c > 0xC3)
            return err_set(p->err, ERR_INVALID, "a character over U+00FF is no byte");
        n += (c & 0xC0) != 0x80;
    }
    if (type->kind == AVRO_T_FIXED && n != type->size)
        return err_set(p->err, ERR_INVALID, "%lld characters are no fixed of %lld bytes", (long long)n, (long long)type->size);
    json_put_string(p->out, v->text);
    return 0;
}

static int put_items(struct printing *p, const struct avro_node *type, const struct json *v)
{
    const bool is_map = type->kind == AVRO_T_MAP;
    if (v->type != (is_map ? JSON_T_OBJECT : JSON_T_ARRAY))
        return unfit(p, type, v);
    buf_put_u8(p->out, is_map ? '{' : '[');
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        if (m != v->first)
            buf_put_u8(p->out, ',');
        if (is_map) {
            json_put_string(p->out, m->key);
            buf_put_u8(p->out, ':');
        }
        if (put(p, type->items, m) < 0)
            return -1;
    }
    buf_put_u8(p->out, is_map ? '}' : ']');
    return 0;
}

static int put_record(struct printing *p, const struct avro_node *type, const struct json *v)
{
    if (v->type != JSON_T_OBJECT)
        return unfit(p, type, v);
    buf_put_u8(p->out, '{');
    for (uint32_t i = 0; i < type->n; i++) {
        const struct avro_field *f = &type->fields[i];
        const struct json *m = json_get_str(v, f->name);
        if (m == NULL)
            m = f->def;
        if (m == NULL)
            return err_set(p->err, ERR_INVALID, "field \"%.*s\" is missing", STR_ARG(f->name));
        if (i > 0)
            buf_put_u8(p->out, ',');
        json_put_string(p->out, f->name);
        buf_put_u8(p->out, ':');
        if (put(p, f->type, m) < 0)
            return -1;
    }
    buf_put_u8(p->out, '}');
    return 0;
}

static int put_union(struct printing *p, const struct avro_node *type, const struct json *v)
{
    const size_t old_length = p->out->n;
    for (uint32_t i = 0; i < type->n; i++) {
        const bool tagged = type->branches[i]->kind != AVRO_T_NULL;
        struct err why = {0}, *err = p->err;
        if (tagged) {
            buf_put_u8(p->out, '{');
            json_put_string(p->out, avro_type_name(type->branches[i]));
            buf_put_u8(p->out, ':');
        }
        p->err = &why;
        int rc = put(p, type->branches[i], v);
        p->err = err;
        if (rc == 0) {
            if (tagged)
                buf_put_u8(p->out, '}');
            return 0;
        }
        if (why.code != ERR_INVALID)
            return err_set(err, why.code, "%s", why.text);
        p->out->n = old_length;
    }
    return unfit(p, type, v);
}

static int put(struct printing *p, const struct avro_node *type, const struct json *v)
{
    int rc;
    if (++p->steps > STEPS_MAX || p->depth >= DEPTH_MAX || p->out->failed)
        return err_set(p->err, ERR_TOO_BIG, "it is too large");
    p->depth++;
    switch (type->kind) {
    case AVRO_T_NULL:
        rc = v->type == JSON_T_NULL ? (buf_put_str(p->out, STR("null")), 0) : unfit(p, type, v);
        break;
    case AVRO_T_BOOLEAN:
        rc = v->type == JSON_T_TRUE || v->type == JSON_T_FALSE
                 ? (buf_put_str(p->out, v->type == JSON_T_TRUE ? STR("true") : STR("false")), 0)
                 : unfit(p, type, v);
        break;
    case AVRO_T_INT:
    case AVRO_T_LONG:
        rc = put_integer(p, type, v);
        break;
    case AVRO_T_FLOAT:
    case AVRO_T_DOUBLE:
        rc = put_real(p, type, v);
        break;
    case AVRO_T_BYTES:
    case AVRO_T_FIXED:
        rc = put_bytes(p, type, v);
        break;
    case AVRO_T_STRING:
        rc = v->type == JSON_T_STRING ? (json_put_string(p->out, v->text), 0) : unfit(p, type, v);
        break;
    case AVRO_T_ENUM:
        rc = v->type == JSON_T_STRING && avro_find_symbol(type, v->text) >= 0 ? (json_put_string(p->out, v->text), 0)
                                                                              : unfit(p, type, v);
        break;
    case AVRO_T_RECORD:
        rc = put_record(p, type, v);
        break;
    case AVRO_T_UNION:
        rc = put_union(p, type, v);
        break;
    default:
        rc = put_items(p, type, v);
    }
    p->depth--;
    return rc;
}

int code_put_default(struct buf *out, const struct avro_node *type, const struct json *def, struct err *err)
{
    struct printing p = {.out = out, .err = err};
    if (put(&p, type, def) < 0)
        return -1;
    return out->failed ? err_set(err, ERR_TOO_BIG, "it is too large") : 0;
}
