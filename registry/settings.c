#include "registry/settings.h"

#include "registry/names.h"

struct scope scope_of(const struct state *s, struct str subject)
{
    struct str context_entry = subject_context_entry(subject);
    struct scope scope = {.entry = state_config(s, subject)};
    if (scope.entry != NULL) {
        scope.fill = state_config(s, STR(""));
        return scope;
    }
    if ((scope.entry = state_config(s, context_entry)) == NULL)
        scope.entry = state_config(s, STR(GLOBAL_CONTEXT));
    return scope;
}

static struct str value_of(const struct scope *scope, enum config_field field)
{
    if (scope->entry != NULL && scope->entry->v[field].p != NULL)
        return scope->entry->v[field];
    return scope->fill != NULL ? scope->fill->v[field] : STR_NULL;
}

bool scope_flag(const struct scope *scope, enum config_field field, bool otherwise)
{
    struct str v = value_of(scope, field);
    return v.p != NULL ? str_is(v, "true") : otherwise;
}

enum compat_level scope_level(const struct scope *scope, enum compat_level otherwise)
{
    enum compat_level level;
    return scope->entry != NULL && config_level(scope->entry, &level) ? level : otherwise;
}

struct str scope_group(const struct scope *scope, struct arena *a)
{
    struct config c = {0};
    c.v[CONFIG_GROUP] = arena_str(a, value_of(scope, CONFIG_GROUP));
    return config_text(&c, CONFIG_GROUP, a);
}

int scope_metadata(const struct scope *scope, enum config_field field, struct arena *a, struct metadata *out, struct err *err)
{
    *out = (struct metadata){0};
    if (scope->entry == NULL || scope->entry->v[field].p == NULL)
        return 0;
    struct str text = arena_str(a, scope->entry->v[field]); /* what is parsed out of it must outlive the lock */
    return text.p != NULL ? metadata_parse(text, a, out, err) : err_nomem(err);
}

bool scope_adds_metadata(const struct scope *scope)
{
    return scope->entry != NULL && (scope->entry->v[CONFIG_DEFAULT_METADATA].p != NULL || scope->entry->v[CONFIG_OVERRIDE_METADATA].p != NULL);
}

enum mode mode_of(const struct state *s, struct str subject)
{
    enum mode m = MODE_READWRITE;
    if (!state_mode(s, subject, &m) && !state_mode(s, subject_context_entry(subject), &m))
        state_mode(s, STR(GLOBAL_CONTEXT), &m);
    return m;
}

bool mode_is_readonly(enum mode m)
{
    return m == MODE_READONLY || m == MODE_READONLY_OVERRIDE;
}

bool mode_is_import(enum mode m)
{
    return m == MODE_IMPORT || m == MODE_FORWARD;
}

struct str alias_of(const struct state *s, struct str subject, struct arena *a)
{
    const struct config *own = subject.n != 0 ? state_config(s, subject) : NULL;
    if (own == NULL || own->v[CONFIG_ALIAS].p == NULL)
        return subject;
    struct str alias = config_text(own, CONFIG_ALIAS, a);
    if (alias.n == 0)
        return subject;
    alias = arena_str(a, alias);
    return alias.p != NULL ? subject_qualify(alias, subject, a) : STR_NULL;
}
