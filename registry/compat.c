/* registry/compat.c - may a schema follow the versions that are there (compatibility.md 1, 2.6)? */
#include "registry/core.h"

#include "base/own.h"

#define RESERVED_PROPERTY "confluent:reserved"

/* What governs one comparison. */
struct rules {
    enum compat_level level;
    bool validate_fields;
    struct str group; /* STR_NULL: none */
};

static struct rules rules_of(struct registry *r, struct str subject, struct arena *a)
{
    state_read(r->state);
    const struct scope scope = scope_of(r->state, subject);
    const struct rules rules = {.level = scope_level(&scope, r->level),
                                .validate_fields = scope_flag(&scope, CONFIG_VALIDATE_FIELDS, r->conf->validate_fields),
                                .group = scope_group(&scope, a)};
    state_done(r->state);
    return rules;
}

static bool in_group(const struct version *v, const struct rules *rules, struct str mine, struct arena *a)
{
    if (rules->group.p == NULL)
        return true;
    struct metadata m;
    struct str text = arena_str(a, v->content->metadata);
    if (metadata_parse(text, a, &m, NULL) < 0)
        return false;
    struct str theirs = metadata_property(&m, rules->group);
    return (theirs.p == NULL) == (mine.p == NULL) && str_eq(theirs, mine);
}

/* The highest active version below *below that is in the group, copied. 1, 0 when there is none, -1 on no memory. */
static int next_version(struct registry *r, struct str subject, int32_t *below, const struct rules *rules, struct str group_value,
                        struct arena *a, struct change *out)
{
    int rc = 0;
    state_read(r->state);
    const struct subject *s = state_subject(r->state, subject);
    for (size_t i = s != NULL && s->active != 0 ? s->n : 0; i > 0 && rc == 0; i--) {
        const struct version *v = s->versions[i - 1];
        if (v->number >= *below || v->deleted || !in_group(v, rules, group_value, a))
            continue;
        *below = v->number;
        rc = state_copy(v, a, out) < 0 ? -1 : 1;
    }
    state_done(r->state);
    return rc;
}

static int add_message(struct verdict *v, struct arena *a, struct str text)
{
    struct str *messages = arena_grow(a, v->messages, v->n, &v->cap, sizeof *messages);
    if (messages == NULL || text.p == NULL)
        return -1;
    v->messages = messages;
    messages[v->n++] = text;
    return 0;
}

static bool list_has(struct str list, struct str name)
{
    bool more = list.p != NULL;
    while (more)
        if (str_eq(str_trim(str_split(&list, ',', &more)), name))
            return true;
    return false;
}

/* Reserved names stay reserved, and no field takes one. */
static int check_reserved(const struct schema *s, const struct metadata *mine, const struct change *latest, struct arena *a,
                          struct verdict *out)
{
    struct metadata before = {0};
    size_t nfields;
    const struct str *fields = schema_field_names(s, &nfields);
    struct str now = metadata_property(mine, STR(RESERVED_PROPERTY));
    if (latest != NULL && metadata_parse(latest->metadata, a, &before, NULL) < 0)
        return -1;
    struct str old = metadata_property(&before, STR(RESERVED_PROPERTY));
    for (bool more = old.p != NULL; more;) {
        struct str name = str_trim(str_split(&old, ',', &more));
        if (name.n != 0 && !list_has(now, name) &&
            add_message(out, a, arena_printf(a, "The new schema has reserved field %.*s removed from its metadata which is present in the old schema's metadata.",
                                             STR_ARG(name))) < 0)
            return -1;
    }
    for (size_t i = 0; i < nfields; i++)
        if (list_has(now, fields[i]) &&
            add_message(out, a, arena_printf(a, "The new schema has field that conflicts with the reserved field %.*s.", STR_ARG(fields[i]))) < 0)
            return -1;
    return 0;
}

static bool is_transitive(enum compat_level level)
{
    return level == COMPAT_BACKWARD_TRANSITIVE || level == COMPAT_FORWARD_TRANSITIVE || level == COMPAT_FULL_TRANSITIVE;
}

/* The earlier version that s is compared with. One of another type need not be understood: that it is another is all there is to say. */
static struct schema *earlier_schema(struct registry *r, const struct schema *s, const struct change *stored, struct err *err)
{
    const struct schema_source source = {.type = stored->type, .text = stored->text};
    return stored->type == schema_type_of(s) ? registry_parse_stored(r, stored, err) : schema_keep(&source, err);
}

/* Asks about one earlier version; appends what it finds. */
static int compare_one(struct registry *r, const struct schema *s, const struct change *stored, const struct rules *rules, struct arena *a,
                       struct verdict *out, struct err *err)
{
    struct str *messages = NULL;
    size_t n = 0;
    bool compatible = true;
    struct err why = {0};
    struct schema *old = earlier_schema(r, s, stored, &why);
    if (old == NULL)
        return err_set(err, why.code == ERR_NOMEM ? ERR_NOMEM : REG_INVALID_SCHEMA, "version %d of the subject: %s", stored->version, why.text);
    const struct compat_version version = {stored->version, old};
    int rc = compat_check_history(s, &version, 1, rules->level, rules->validate_fields, &compatible, a, &messages, &n, &why);
    for (size_t i = 0; i < n && rc == 0 && !compatible; i++)
        if (add_message(out, a, messages[i]) < 0)
            rc = err_nomem(&why);
    schema_unref(old);
    if (rc < 0)
        return err_set(err, why.code == ERR_NOMEM ? ERR_NOMEM : REG_INVALID_SCHEMA, "%s", why.text);
    out->compatible &= compatible;
    return 0;
}

static int copy_version(struct registry *r, struct str subject, int32_t number, struct arena *a, struct change *out, struct err *err)
{
    state_read(r->state);
    const struct version *v = subject_version(state_subject(r->state, subject), number);
    int rc = v == NULL || v->deleted ? REG_FAIL(err, REG_VERSION_NOT_FOUND, number) : state_copy(v, a, out) < 0 ? err_nomem(err) : 0;
    state_done(r->state);
    return rc;
}

int registry_compare(struct registry *r, struct str subject, const struct schema *s, const struct metadata *metadata, int32_t version,
                     struct arena *a, struct verdict *out, struct err *err)
{
    struct change stored;
    int32_t below = INT32_MAX;
    *out = (struct verdict){.compatible = true};
    const struct rules rules = rules_of(r, subject, a);
    struct str group_value = rules.group.p != NULL ? metadata_property(metadata, rules.group) : STR_NULL;
    int got = version > 0 ? (copy_version(r, subject, version, a, &stored, err) < 0 ? -1 : 1)
                          : next_version(r, subject, &below, &rules, group_value, a, &stored);
    if (got < 0)
        return err_nomem(err);
    if (rules.validate_fields && check_reserved(s, metadata, got > 0 ? &stored : NULL, a, out) < 0)
        return err_nomem(err);
    size_t nreserved = out->n;
    while (got > 0 && rules.level != COMPAT_NONE) {
        if (compare_one(r, s, &stored, &rules, a, out, err) < 0)
            return -1;
        if (!out->compatible || version > 0 || !is_transitive(rules.level))
            break;
        if ((got = next_version(r, subject, &below, &rules, group_value, a, &stored)) < 0)
            return err_nomem(err);
    }
    if (nreserved == 0)
        return 0;
    bool has_settings = !out->compatible; /* the check's own list ends in them */
    out->compatible = false;
    if (!has_settings && add_message(out, a, arena_printf(a, "{validateFields: '%s', compatibility: '%s'}", rules.validate_fields ? "true" : "false",
                                                          compat_level_name(rules.level))) < 0)
        return err_nomem(err);
    return 0;
}
