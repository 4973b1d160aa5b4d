/* serde/compat.c - levels, the walk through history, and the list of messages (contracts compatibility.md 1). */
#include "serde/compat.h"

#include "base/own.h"
#include "serde/schema_impl.h"

enum { OLD_SCHEMA_MAX = 10240 }; /* UTF-16 units of the old schema that a message shows */

static const char *const level_names[] = {"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"};

const char *compat_level_name(enum compat_level level)
{
    return level_names[level];
}

int compat_level_parse(struct str name, enum compat_level *out, struct err *err)
{
    for (int l = COMPAT_NONE; l <= COMPAT_FULL_TRANSITIVE; l++)
        if (str_eq_nocase(name, str_of(level_names[l]))) {
            *out = (enum compat_level)l;
            return 0;
        }
    return err_set(err, ERR_INVALID, "\"%.*s\" is no compatibility level: it must be NONE, BACKWARD, BACKWARD_TRANSITIVE, FORWARD, "
                   "FORWARD_TRANSITIVE, FULL or FULL_TRANSITIVE", (int)(name.n < 80 ? name.n : 80), name.p != NULL ? name.p : "");
}

/* ---- findings ---- */

void findings_clear(struct findings *f)
{
    arena_clear(&f->arena);
    f->list = NULL;
    f->n = f->cap = 0;
}

int findings_add(struct findings *f, struct str type, struct str path, struct str text)
{
    if (f->n == f->cap) {
        size_t cap = f->cap != 0 ? 2 * f->cap : 8;
        struct finding *list = arena_calloc(&f->arena, cap, sizeof *list);
        if (list == NULL)
            return -1;
        if (f->n > 0)
            memcpy(list, f->list, f->n * sizeof *list);
        f->list = list;
        f->cap = cap;
    }
    f->list[f->n++] = (struct finding){type, path, text};
    return 0;
}

int compat_check_schema(const struct schema *reader, const struct schema *writer, struct findings *findings, struct err *err)
{
    if (reader->type != writer->type)
        return err_set(err, ERR_INVALID, "the schema types differ: %s cannot be compared with %s", schema_type_name(reader->type),
                       schema_type_name(writer->type));
    if (reader->model == NULL || writer->model == NULL)
        return err_set(err, ERR_INVALID, "schemas of type %s cannot be compared yet", schema_type_name(reader->type));
    return schema_wing_of(reader->type)->reads(reader, writer, findings, err);
}

/* ---- history ---- */

struct message {
    struct message *next;
    struct str text;
};
struct history_check {
    const struct schema *candidate;
    struct arena *arena; /* of the messages */
    bool wanted;         /* are messages asked for? */
    struct message *first, **end;
    size_t n;
};

static int add_message(struct history_check *c, struct str text)
{
    c->n++;
    if (!c->wanted)
        return 0;
    struct message *m = arena_alloc(c->arena, sizeof *m);
    if (m == NULL)
        return -1;
    *m = (struct message){NULL, arena_str(c->arena, text)};
    *c->end = m;
    c->end = &m->next;
    return m->text.p != NULL ? 0 : -1;
}

/* The findings of one directed question, as messages; *found says whether there were any. A comparison that is given up is a finding too. */
static int ask(struct history_check *c, const struct schema *reader, const struct schema *writer, bool *found, struct err *err)
{
    OWN_BY(findings_clear) struct findings f = {0};
    OWN_BY(buf_clear) struct buf text = {0};
    struct err mine = {0};
    const char *newer = "new", *older = "old";
    *found = false;
    if (compat_check_schema(reader, writer, &f, &mine) < 0) {
        if (mine.code == ERR_NOMEM)
            return err_nomem(err);
        *found = true;
        buf_printf(&text, "Unexpected exception during compatibility check: %s", mine.text);
        return add_message(c, buf_str(&text)) < 0 ? err_nomem(err) : 0;
    }
    *found = f.n > 0;
    for (size_t i = 0; i < f.n && c->wanted; i++) {
        buf_reset(&text);
        schema_wing_of(reader->type)->put_message(&text, &f.list[i], reader == c->candidate ? newer : older,
                                                  reader == c->candidate ? older : newer);
        if (text.failed || add_message(c, buf_str(&text)) < 0)
            return err_nomem(err);
    }
    if (!c->wanted)
        c->n += f.n;
    return 0;
}

/* The length in bytes of the longest piece of s with at most max UTF-16 units; whole: that is all of s. */
static size_t utf16_prefix(struct str s, size_t max, bool *whole)
{
    size_t i = 0, units = 0;
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4, more = len == 4 ? 2 : 1;
        if (units + more > max)
            break;
        units += more;
        i += len < s.n - i ? len : s.n - i;
    }
    *whole = i == s.n;
    return i;
}

/* What was compared: {oldSchemaVersion: ...} and {oldSchema: ...}. */
static int add_old_schema(struct history_check *c, const struct compat_version *v)
{
    OWN_BY(buf_clear) struct buf text = {0};
    if (v->version > 0) {
        buf_printf(&text, "{oldSchemaVersion: %d}", (int)v->version);
        if (text.failed || add_message(c, buf_str(&text)) < 0)
            return -1;
        buf_reset(&text);
    }
    struct str old = v->schema->canonical;
    bool whole;
    size_t n = utf16_prefix(old, OLD_SCHEMA_MAX, &whole);
    buf_put_str(&text, whole ? STR("{oldSchema: '") : STR("{oldSchema: '<truncated> "));
    buf_put(&text, old.p, n);
    buf_put_str(&text, whole ? STR("'}") : STR("...'}"));
    return text.failed ? -1 : add_message(c, buf_str(&text));
}

static int check_version(struct history_check *c, const struct compat_version *v, enum compat_level level, struct err *err)
{
    bool forward = level >= COMPAT_FORWARD, backward = level < COMPAT_FORWARD || level >= COMPAT_FULL, found = false;
    if (v->schema->type != c->candidate->type) {
        OWN_BY(buf_clear) struct buf text = {0};
        buf_printf(&text, "Incompatible because of different schema type: the new schema is %s, the old one %s",
                   schema_type_name(c->candidate->type), schema_type_name(v->schema->type));
        return text.failed || add_message(c, buf_str(&text)) < 0 ? err_nomem(err) : 0;
    }
    if (forward && ask(c, v->schema, c->candidate, &found, err) < 0)
        return -1;
    if (backward && ask(c, c->candidate, v->schema, &found, err) < 0)
        return -1;
    return found && add_old_schema(c, v) < 0 ? err_nomem(err) : 0; /* FULL: only if the second half found something */
}

static int give_messages(struct history_check *c, bool validate_fields, enum compat_level level, struct str **messages, size_t *nmessages)
{
    struct str last = arena_printf(c->arena, "{validateFields: '%s', compatibility: '%s'}", validate_fields ? "true" : "false",
                                   compat_level_name(level));
    if (last.p == NULL || (*messages = arena_calloc(c->arena, c->n + 1, sizeof **messages)) == NULL)
        return -1;
    for (const struct message *m = c->first; m != NULL; m = m->next)
        (*messages)[(*nmessages)++] = m->text;
    (*messages)[(*nmessages)++] = last;
    return 0;
}

int compat_check_history(const struct schema *candidate, const struct compat_version *history, size_t nhistory, enum compat_level level,
                         bool validate_fields, bool *compatible, struct arena *arena, struct str **messages, size_t *nmessages,
                         struct err *err)
{
    struct history_check c = {.candidate = candidate, .arena = arena, .wanted = messages != NULL};
    bool transitive = level == COMPAT_BACKWARD_TRANSITIVE || level == COMPAT_FORWARD_TRANSITIVE || level == COMPAT_FULL_TRANSITIVE;
    c.end = &c.first;
    *compatible = true;
    if (messages != NULL) {
        *messages = NULL;
        *nmessages = 0;
    }
    if (level == COMPAT_NONE || nhistory == 0)
        return 0;
    for (size_t i = nhistory; i-- > 0 && c.n == 0;) {
        if (check_version(&c, &history[i], level, err) < 0)
            return -1;
        if (!transitive)
            break;
    }
    *compatible = c.n == 0;
    if (!*compatible && messages != NULL && give_messages(&c, validate_fields, level, messages, nmessages) < 0)
        return err_nomem(err);
    return 0;
}
