/* http/negotiate.h - Accept and Content-Type against what a route gives and takes (RFC 9110 12.5.1).  Private to http/.  Pure functions. */
#ifndef HTTP_NEGOTIATE_H
#define HTTP_NEGOTIATE_H

#include "http/server.h"

/* The type to answer with, one of produces[].name; NULL when the client accepts none. accept is all Accept fields joined by commas, STR_NULL when absent.
 * The client's weight decides, then ours, then the order of produces. Each of ours gets its weight from the most precise range that
 * fits it. Seen in the wild and taken: a bare * for any type, any subtype of type * likewise, weights like .2. */
const char *negotiate_accept(struct str accept, const struct media_type *produces);
/* The first item of accept that is one of types (ends with NULL), whatever its weight; types[0] if there is none. */
const char *negotiate_named(struct str accept, const char *const *types);
/* The type without parameters and white space around it, as sent. */
struct str negotiate_plain_type(struct str content_type);
/* May a body of that type (STR_NULL: none said) be sent to a route that consumes these? */
bool negotiate_content_type(struct str content_type, const char *const *consumes);

#endif
