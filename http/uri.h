/* http/uri.h - percent-escapes, paths cut into segments, query parameters.  Private to http/.  Pure functions; any thread. */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { URI_SEGMENTS_MAX = 32 };

/* s with its escapes decoded, in a where there are any (plus: + is a space). STR_NULL with err (code 400) on an escape that is not % and two hexadecimal
 * digits, on bytes that are not UTF-8, and, unless plus, on a NUL; code ERR_NOMEM on no memory. what names s in the text. */
struct str uri_decode(struct str s, bool plus, const char *what, struct arena *a, struct err *err);
/* Cuts path at each '/', drops empty segments, decodes the others. Their number, URI_SEGMENTS_MAX + 1 when there are more, or -1 as uri_decode. */
int uri_segments(struct str path, struct str segments[static URI_SEGMENTS_MAX], struct arena *a, struct err *err);
/* Can every name and value of the query be decoded? */
int uri_check_query(struct str query, struct arena *a, struct err *err);
/* The decoded value of the i-th parameter of that name, STR_NULL when there is none (or no memory). The query has been checked. */
struct str uri_query_value(struct str query, struct str name, size_t i, struct arena *a);

#endif
