/* base/json_tree.c - JSON as a tree in an arena. */
#include "base/json.h"
#include "base/map.h"

#include <stdlib.h>

static struct json *new_node(struct json_reader *r, enum json_token tok, struct arena *a)
{
    struct json *v = arena_calloc(a, 1, sizeof *v);
    if (v == NULL)
        return NULL;
    v->offset = (uint32_t)json_offset(r);
    switch (tok) {
    case JSON_NULL: v->type = JSON_T_NULL; break;
    case JSON_FALSE: v->type = JSON_T_FALSE; break;
    case JSON_TRUE: v->type = JSON_T_TRUE; break;
    case JSON_NUMBER:
        v->type = JSON_T_NUMBER;
        v->text = r->text;
        break;
    case JSON_STRING:
        v->type = JSON_T_STRING;
        v->text = json_string(r, a);
        if (v->text.p == NULL)
            return NULL;
        break;
    case JSON_ARRAY: v->type = JSON_T_ARRAY; break;
    default: v->type = JSON_T_OBJECT;
    }
    return v;
}

static void append(struct json *parent, struct json *v)
{
    if (parent->last != NULL)
        parent->last->next = v;
    else
        parent->first = v;
    parent->last = v;
    parent->count++;
}

/* Gives to e the value of the later member m of the same name. */
static void replace_value(struct json *e, const struct json *m)
{
    struct json *next = e->next;
    struct str key = e->key;
    *e = *m;
    e->next = next;
    e->key = key;
}

/* Members of o that repeat a name; called when o is complete. -1: a repeated name under JSON_DUP_ERROR, or no memory. */
static int settle_duplicates(struct json *o, enum json_dup dup, struct json_reader *r)
{
    struct map seen = {0};
    int status = 0;
    const bool hashed = o->count > 16;
    struct json *before = NULL;
    for (struct json *m = o->first; m != NULL && status == 0; m = m->next) {
        struct json *e = NULL;
        if (hashed) {
            e = map_get(&seen, m->key);
        } else {
            for (struct json *c = o->first; c != m; c = c->next)
                if (str_eq(c->key, m->key)) {
                    e = c;
                    break;
                }
        }
        if (e == NULL) {
            if (hashed && map_set(&seen, m->key, m) < 0)
                status = err_nomem(&r->err);
            before = m;
            continue;
        }
        if (dup == JSON_DUP_ERROR) {
            status = err_set(&r->err, ERR_INVALID, "member \"%.*s\" stands twice in one object", STR_ARG(m->key));
            break;
        }
        struct json *next = m->next;
        if (dup == JSON_DUP_LAST)
            replace_value(e, m);
        before->next = next;
        if (o->last == m)
            o->last = before;
        o->count--;
        m = before;
    }
    map_clear(&seen);
    return status;
}

struct json *json_parse(struct str text, enum json_dup dup, int max_depth, struct arena *a, struct err *err)
{
    struct json_reader r;
    struct json *open[JSON_DEPTH_MAX + 1], *root = NULL;
    struct str key = STR_NULL;
    if (text.n > UINT32_MAX) {
        err_set(err, ERR_TOO_BIG, "JSON text of %zu bytes is over 4 GB", text.n);
        return NULL;
    }
    json_reader_init(&r, text, max_depth);
    for (;;) {
        enum json_token tok = json_next(&r);
        if (tok == JSON_END)
            return root;
        if (tok == JSON_ERROR)
            break;
        if (tok == JSON_KEY) {
            key = json_string(&r, a);
            if (key.p == NULL) {
                err_nomem(&r.err);
                break;
            }
            continue;
        }
        if (tok == JSON_ARRAY_END || tok == JSON_OBJECT_END) {
            if (tok == JSON_OBJECT_END && settle_duplicates(open[r.depth + 1], dup, &r) < 0)
                break;
            continue;
        }
        struct json *v = new_node(&r, tok, a);
        if (v == NULL) {
            err_nomem(&r.err);
            break;
        }
        v->key = key;
        key = STR_NULL;
        int depth = r.depth - (tok == JSON_ARRAY || tok == JSON_OBJECT);
        if (depth == 0)
            root = v;
        else
            append(open[depth], v);
        if (tok == JSON_ARRAY || tok == JSON_OBJECT)
            open[r.depth] = v;
    }
    err_set(err, r.err.code, "%s", r.err.text);
    return NULL;
}

struct json *json_get_str(const struct json *o, struct str name)
{
    if (!json_is(o, JSON_T_OBJECT))
        return NULL;
    for (struct json *m = o->first; m != NULL; m = m->next)
        if (str_eq(m->key, name))
            return m;
    return NULL;
}

struct json *json_get(const struct json *o, const char *name)
{
    return json_get_str(o, str_of(name));
}

void json_put_tree(struct buf *out, const struct json *v)
{
    switch (v->type) {
    case JSON_T_NULL: buf_put_str(out, STR("null")); break;
    case JSON_T_FALSE: buf_put_str(out, STR("false")); break;
    case JSON_T_TRUE: buf_put_str(out, STR("true")); break;
    case JSON_T_NUMBER: buf_put_str(out, v->text); break;
    case JSON_T_STRING: json_put_string(out, v->text); break;
    default:
        buf_put_u8(out, v->type == JSON_T_ARRAY ? '[' : '{');
        for (const struct json *c = v->first; c != NULL; c = c->next) {
            if (c != v->first)
                buf_put_u8(out, ',');
            if (v->type == JSON_T_OBJECT) {
                json_put_string(out, c->key);
                buf_put_u8(out, ':');
            }
            json_put_tree(out, c);
        }
        buf_put_u8(out, v->type == JSON_T_ARRAY ? ']' : '}');
    }
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (a->type != b->type || a->count != b->count)
        return false;
    switch (a->type) {
    case JSON_T_NUMBER:
    case JSON_T_STRING:
        return str_eq(a->text, b->text);
    case JSON_T_ARRAY:
        for (const struct json *x = a->first, *y = b->first; x != NULL; x = x->next, y = y->next)
            if (!json_equal(x, y))
                return false;
        return true;
    case JSON_T_OBJECT:
        for (const struct json *x = a->first, *y = b->first; x != NULL; x = x->next, y = y->next) {
            const struct json *same = str_eq(x->key, y->key) ? y : json_get_str(b, x->key); /* the same order is the usual case */
            if (same == NULL || !json_equal(x, same))
                return false;
        }
        return true;
    default:
        return true;
    }
}
