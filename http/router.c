#include "http/router.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"

struct router {
    struct route_place root;
};

static void clear_place(struct route_place *p)
{
    for (size_t i = 0; i < p->nliterals; i++)
        clear_place(&p->literals[i]);
    free(p->literals);
    if (p->any != NULL)
        clear_place(p->any);
    free(p->any);
}

void router_free(struct router *r)
{
    if (r == NULL)
        return;
    clear_place(&r->root);
    free(r);
}

static struct route_place *place_for(struct route_place *p, struct str segment)
{
    if (segment.p[0] == '{') {
        if (p->any == NULL)
            p->any = calloc(1, sizeof *p->any);
        return p->any;
    }
    for (size_t i = 0; i < p->nliterals; i++)
        if (str_eq(p->literals[i].segment, segment))
            return &p->literals[i];
    struct route_place *grown = realloc(p->literals, (p->nliterals + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    p->literals = grown;
    grown[p->nliterals] = (struct route_place){.segment = segment};
    return &grown[p->nliterals++];
}

static int add_route(struct router *r, const struct route *route, struct err *err)
{
    struct route_entry entry = {.route = route};
    struct route_place *p = &r->root;
    struct str path = str_of(route->path);
    size_t nnames = 0;
    bool more = true;
    if (path.n == 0 || path.p[0] != '/')
        return err_set(err, ERR_INVALID, "route %s: a path begins with /", route->path);
    while (more) {
        struct str segment = str_split(&path, '/', &more);
        if (segment.n == 0)
            continue;
        if (segment.p[0] == '{') {
            if (segment.n < 3 || segment.p[segment.n - 1] != '}' || nnames == ROUTE_PARAMS_MAX)
                return err_set(err, ERR_INVALID, "route %s: {name} is a whole segment, and there are at most %d", route->path, ROUTE_PARAMS_MAX);
            entry.names[nnames++] = str_n(segment.p + 1, segment.n - 2);
        }
        if ((p = place_for(p, segment)) == NULL)
            return err_nomem(err);
    }
    for (size_t i = 0; i < p->nentries; i++)
        if (strcmp(p->entries[i].route->method, route->method) == 0)
            return err_set(err, ERR_INVALID, "route %s %s stands twice", route->method, route->path);
    if (p->nentries == ROUTE_METHODS_MAX)
        return err_set(err, ERR_INVALID, "route %s: more than %d methods", route->path, ROUTE_METHODS_MAX);
    p->entries[p->nentries++] = entry;
    return 0;
}

static void set_allow(struct route_place *p)
{
    bool get = false, head = false, options = false;
    size_t n = 0;
    for (size_t i = 0; i < p->nentries; i++) {
        const char *method = p->entries[i].route->method;
        get = get || strcmp(method, "GET") == 0;
        head = head || strcmp(method, "HEAD") == 0;
        options = options || strcmp(method, "OPTIONS") == 0;
        n += (size_t)snprintf(p->allow + n, sizeof p->allow - n, "%s%s", n != 0 ? ", " : "", method);
    }
    if (p->nentries != 0)
        snprintf(p->allow + n, sizeof p->allow - n, "%s%s", get && !head ? ", HEAD" : "", options ? "" : ", OPTIONS");
    for (size_t i = 0; i < p->nliterals; i++)
        set_allow(&p->literals[i]);
    if (p->any != NULL)
        set_allow(p->any);
}

struct router *router_new(const struct service *service, struct err *err)
{
    struct router *r = calloc(1, sizeof *r);
    if (r == NULL) {
        err_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < service->nroutes; i++) {
        if (add_route(r, &service->routes[i], err) < 0) {
            router_free(r);
            return NULL;
        }
    }
    set_allow(&r->root);
    return r;
}

static bool match(const struct route_place *p, const struct str *segments, int n, struct route_match *m, int nparams)
{
    if (n == 0) {
        m->place = p->nentries != 0 ? p : NULL;
        return m->place != NULL;
    }
    for (size_t i = 0; i < p->nliterals; i++) {
        if (str_eq(p->literals[i].segment, segments[0])) {
            if (match(&p->literals[i], segments + 1, n - 1, m, nparams))
                return true;
            break;
        }
    }
    if (p->any == NULL || nparams == ROUTE_PARAMS_MAX)
        return false;
    m->params[nparams] = segments[0];
    return match(p->any, segments + 1, n - 1, m, nparams + 1);
}

void router_match(const struct router *r, const struct str *segments, int nsegments, struct route_match *m)
{
    m->place = NULL;
    if (nsegments <= URI_SEGMENTS_MAX)
        match(&r->root, segments, nsegments, m, 0);
}

const struct route_entry *router_entry(const struct route_place *place, struct str method)
{
    const struct route_entry *get = NULL;
    for (size_t i = 0; i < place->nentries; i++) {
        const struct route_entry *e = &place->entries[i];
        if (str_is(method, e->route->method))
            return e;
        if (strcmp(e->route->method, "GET") == 0)
            get = e;
    }
    return str_is(method, "HEAD") ? get : NULL;
}
