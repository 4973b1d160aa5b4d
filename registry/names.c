#include "registry/names.h"

#include "registry/codes.h"

/* Where the name begins: behind ":.ctx:", or 0; s.n for ":.ctx" without a second colon. */
static size_t name_at(struct str s)
{
    if (!str_starts(s, STR(":.")))
        return 0;
    for (size_t i = 2; i < s.n; i++)
        if (s.p[i] == ':')
            return i + 1;
    return s.n;
}

struct str subject_context(struct str s)
{
    size_t at = name_at(s);
    if (at == 0)
        return STR(".");
    return str_n(s.p + 1, s.p[at - 1] == ':' ? at - 2 : at - 1);
}

struct str subject_name(struct str s)
{
    size_t at = name_at(s);
    return str_n(s.p + at, s.n - at);
}

struct str subject_context_entry(struct str s)
{
    return str_n(s.p != NULL ? s.p : "", name_at(s));
}

bool subject_is_global(struct str entry)
{
    return entry.n == 0 || str_is(entry, GLOBAL_CONTEXT);
}

struct str subject_normal(struct str s, struct arena *a)
{
    if (!str_starts(s, STR(":.")))
        return s;
    struct str name = subject_name(s);
    if (str_is(subject_context(s), "."))
        return name;
    if (name.n == 0 && s.p[s.n - 1] != ':')
        return arena_printf(a, "%.*s:", STR_ARG(s));
    return s;
}

struct str subject_qualify(struct str subject, struct str referrer, struct arena *a)
{
    struct str context = subject_context(referrer);
    if (str_starts(subject, STR(":.")))
        return subject_normal(subject, a);
    if (str_is(context, "."))
        return subject;
    return arena_printf(a, ":%.*s:%.*s", STR_ARG(context), STR_ARG(subject));
}

static const char *flaw_of(struct str s)
{
    if (!str_utf8_ok(s))
        return "it is not UTF-8";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0))
            return "it holds a control character";
    }
    return NULL;
}

int subject_check_entry(struct str s, struct err *err)
{
    const char *why = flaw_of(s);
    return why == NULL ? 0 : REG_FAIL(err, REG_INVALID_SUBJECT, STR_ARG(s), why);
}

int subject_check(struct str s, bool reject_star, struct err *err)
{
    struct str name = subject_name(s);
    const char *why = flaw_of(s);
    if (why == NULL && name.n == 0)
        why = "its name is empty";
    if (str_is(name, "__GLOBAL") || str_is(name, "__EMPTY") || str_is(subject_context(s), ".__GLOBAL"))
        why = "__GLOBAL and __EMPTY are reserved";
    if (reject_star && str_is(name, "*"))
        why = "schema.reject.empty.subject refuses it";
    return why == NULL ? 0 : REG_FAIL(err, REG_INVALID_SUBJECT, STR_ARG(s), why);
}

struct subject_filter subject_filter_of(struct str p)
{
    if (str_starts(p, STR(":*:")))
        return (struct subject_filter){.all_contexts = true, .context = STR("."), .prefix = str_n(p.p + 3, p.n - 3)};
    return (struct subject_filter){.context = subject_context(p), .prefix = subject_name(p)};
}

bool subject_filter_takes(const struct subject_filter *f, struct str subject)
{
    return (f->all_contexts || str_eq(f->context, subject_context(subject))) && str_starts(subject_name(subject), f->prefix);
}
