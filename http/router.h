/* http/router.h - which route a path belongs to.  Private to http/.
 *
 * The routes of a service as a tree over path segments, made once; looking up costs a few comparisons a segment and allocates nothing.
 * Immutable once made: any thread. */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include "http/server.h"
#include "http/uri.h"

enum { ROUTE_PARAMS_MAX = 8, ROUTE_METHODS_MAX = 8 };

/* A route of the table with the names of its path. */
struct route_entry {
    const struct route *route;
    struct str names[ROUTE_PARAMS_MAX];
};
/* A place in the tree: what stands at one path. */
struct route_place {
    struct route_entry entries[ROUTE_METHODS_MAX];
    size_t nentries;
    char allow[96];                /* value of the Allow header */
    struct route_place *literals;  /* next segment is .segment */
    size_t nliterals;
    struct route_place *any;       /* next segment is a name */
    struct str segment;
};
struct route_match {
    const struct route_place *place; /* NULL: nothing at this path */
    struct str params[ROUTE_PARAMS_MAX]; /* values of the names, in the path's order */
};

struct router;
/* A path that is not made of / segment / {name} ..., too many names, or one method twice at one path is an error. */
struct router *router_new(const struct service *service, struct err *err);
void router_free(struct router *r);
/* Literals go before names, segment by segment from the left, and a longer match before a shorter literal one. */
void router_match(const struct router *r, const struct str *segments, int nsegments, struct route_match *m);
/* The entry for method (HEAD finds GET where it has no own), or NULL. */
const struct route_entry *router_entry(const struct route_place *place, struct str method);

#endif
