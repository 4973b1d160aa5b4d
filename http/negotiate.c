#include "http/negotiate.h"

enum { PRECISE_ANY = 1, PRECISE_TYPE, PRECISE_BOTH };

/* The weight behind q= in thousandths; what is no number counts as 1 (the client asked for the type, after all). */
static int read_weight(struct str q)
{
    int whole = 0, thousandths = 0, digit = 100;
    size_t i = 0;
    for (; i < q.n && q.p[i] >= '0' && q.p[i] <= '9'; i++)
        whole = q.p[i] - '0' != 0 ? 1 : whole;
    if (i < q.n && q.p[i] == '.')
        for (i++; i < q.n && q.p[i] >= '0' && q.p[i] <= '9'; i++, digit /= 10)
            thousandths += digit * (q.p[i] - '0');
    return i != q.n || q.n == 0 || whole != 0 ? 1000 : thousandths;
}

/* Cuts a list item off at the next comma that is not inside a quoted parameter. */
static struct str next_item(struct str *list)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < list->n && (quoted || list->p[i] != ','); i++) {
        if (list->p[i] == '"')
            quoted = !quoted;
        else if (quoted && list->p[i] == '\\' && i + 1 < list->n)
            i++;
    }
    struct str item = str_n(list->p, i);
    size_t used = i < list->n ? i + 1 : i;
    *list = str_n(list->p + used, list->n - used);
    return item;
}

static int weight_of(struct str item)
{
    bool more;
    str_split(&item, ';', &more);
    while (more) {
        struct str value = str_split(&item, ';', &more);
        bool found;
        struct str name = str_trim(str_split(&value, '=', &found));
        if (found && str_eq_nocase(name, STR("q")))
            return read_weight(str_trim(value));
    }
    return 1000;
}

/* How precisely the range fits type; 0: not at all. */
static int fits(struct str range, struct str type)
{
    ptrdiff_t slash = str_find(range, '/'), type_slash = str_find(type, '/');
    if (str_is(range, "*") || (slash == 1 && range.p[0] == '*'))
        return PRECISE_ANY;
    if (slash <= 0 || type_slash < 0)
        return 0;
    if (str_eq_nocase(range, type))
        return PRECISE_BOTH;
    bool same_type = str_eq_nocase(str_n(range.p, (size_t)slash), str_n(type.p, (size_t)type_slash));
    return same_type && (size_t)slash + 2 == range.n && range.p[slash + 1] == '*' ? PRECISE_TYPE : 0;
}

/* The client's weight of one type. */
static int weight_for(struct str accept, struct str type)
{
    int best = 0, weight = 0;
    while (accept.n != 0) {
        struct str item = next_item(&accept);
        int precise = fits(negotiate_plain_type(item), type);
        if (precise == 0 || precise < best)
            continue;
        int w = weight_of(item);
        weight = precise > best || w > weight ? w : weight;
        best = precise;
    }
    return weight;
}

const char *negotiate_accept(struct str accept, const struct media_type *produces)
{
    accept = str_trim(accept);
    if (accept.n == 0)
        return produces[0].name;
    const char *chosen = NULL;
    int weight = 0, own = 0;
    for (const struct media_type *t = produces; t->name != NULL; t++) {
        int w = weight_for(accept, str_of(t->name));
        if (w > weight || (w == weight && w != 0 && t->q > own)) {
            chosen = t->name;
            weight = w;
            own = t->q;
        }
    }
    return chosen;
}

const char *negotiate_named(struct str accept, const char *const *types)
{
    while (accept.n != 0) {
        struct str type = negotiate_plain_type(next_item(&accept));
        for (const char *const *t = types; *t != NULL; t++)
            if (str_eq_nocase(type, str_of(*t)))
                return *t;
    }
    return types[0];
}

struct str negotiate_plain_type(struct str content_type)
{
    bool found;
    return str_trim(str_split(&content_type, ';', &found));
}

bool negotiate_content_type(struct str content_type, const char *const *consumes)
{
    struct str type = negotiate_plain_type(content_type);
    if (consumes == NULL || type.n == 0)
        return true;
    for (; *consumes != NULL; consumes++)
        if (fits(type, str_of(*consumes)) != 0)
            return true;
    return false;
}
