#include "registry/plan.h"

#include "base/own.h"

struct given_id {
    int32_t id;
};
struct last_id {
    int32_t id;
};

void plan_clear(struct plan *p)
{
    map_clear(&p->subjects);
    map_clear(&p->identities);
    map_clear(&p->ids);
    arena_clear(&p->arena);
    *p = (struct plan){0};
}

struct arena *plan_arena(struct plan *p)
{
    return &p->arena;
}

static struct record *next_record(struct plan *p)
{
    struct record *records = arena_grow(&p->arena, p->records, p->n, &p->cap, sizeof *records);
    if (records == NULL)
        return NULL;
    p->records = records;
    return &records[p->n];
}

int plan_add(struct plan *p, const struct change *c, struct err *err)
{
    OWN_BY(buf_clear) struct buf key = {0}, value = {0};
    struct record *rec = next_record(p);
    change_put_key(&key, c);
    if (!c->tombstone && c->kind != CHANGE_NOOP)
        change_put_value(&value, c);
    if (rec == NULL || key.failed || value.failed)
        return err_nomem(err);
    *rec = (struct record){.key = arena_str(&p->arena, buf_str(&key)), .partition = 0};
    if (!c->tombstone && c->kind != CHANGE_NOOP) {
        rec->value = arena_str(&p->arena, buf_str(&value));
        if (rec->value.p == NULL)
            return err_nomem(err);
    }
    struct str subject = arena_str(&p->arena, c->subject.p != NULL ? c->subject : STR(""));
    if (rec->key.p == NULL || subject.p == NULL || map_set(&p->subjects, subject, p) < 0)
        return err_nomem(err);
    p->n++;
    p->bytes += key.n + value.n;
    return 0;
}

int plan_add_setting(struct plan *p, struct registry *r, const struct change *c, struct err *err)
{
    const struct change old = {.kind = c->kind, .tombstone = true, .null_subject = true, .subject = STR("")};
    state_read(r->state);
    bool there = c->subject.n == 0 && state_has_null_key(r->state, c->kind);
    state_done(r->state);
    return there && plan_add(p, &old, err) < 0 ? -1 : plan_add(p, c, err);
}

bool plan_is_empty(const struct plan *p)
{
    return p->n == 0;
}

bool plan_touches(const struct plan *p, struct str subject)
{
    return map_get(&p->subjects, subject) != NULL;
}

static struct last_id *last_id_of(struct plan *p, struct registry *r, struct str context)
{
    struct last_id *last = map_get(&p->ids, context);
    if (last != NULL)
        return last;
    struct str name = arena_str(&p->arena, context);
    last = arena_calloc(&p->arena, 1, sizeof *last);
    if (last == NULL || name.p == NULL || map_set(&p->ids, name, last) < 0)
        return NULL;
    state_read(r->state);
    const struct context *c = state_context(r->state, context);
    last->id = c != NULL ? c->max_id : 0;
    state_done(r->state);
    return last;
}

int32_t plan_next_id(struct plan *p, struct registry *r, struct str context)
{
    struct last_id *last = last_id_of(p, r, context);
    return last != NULL && last->id < INT32_MAX ? ++last->id : 0;
}

int plan_keep_id(struct plan *p, struct registry *r, struct str context, int32_t id, struct err *err)
{
    struct last_id *last = last_id_of(p, r, context);
    if (last == NULL)
        return err_nomem(err);
    if (last->id < id)
        last->id = id;
    return 0;
}

static struct str identity_key(struct arena *a, struct str context, const unsigned char md5[16], enum schema_type type)
{
    char *key = arena_alloc(a, context.n + 17);
    if (key == NULL)
        return STR_NULL;
    memcpy(key, md5, 16);
    key[16] = (char)type;
    memcpy(key + 17, context.p, context.n);
    return str_n(key, context.n + 17);
}

int32_t plan_identity(const struct plan *p, struct str context, const unsigned char md5[16], enum schema_type type)
{
    OWN_BY(arena_clear) struct arena a = {0};
    struct str key = identity_key(&a, context, md5, type);
    const struct given_id *given = key.p != NULL ? map_get(&p->identities, key) : NULL;
    return given != NULL ? given->id : 0;
}

int plan_keep_identity(struct plan *p, struct str context, const struct change *c, struct err *err)
{
    struct given_id *given = arena_calloc(&p->arena, 1, sizeof *given);
    struct str key = identity_key(&p->arena, context, c->md5, c->type);
    if (given == NULL || key.p == NULL || map_set(&p->identities, key, given) < 0)
        return err_nomem(err);
    given->id = c->id;
    return 0;
}
