/* http/head.h - the head of a request, read strictly.  Private to http/.
 *
 * Everything that two readers of one request could understand differently is refused, so that no proxy in front of us sees another
 * request than we do: lines that do not end in CR LF, folded lines, control characters, white space before a colon, more than one
 * Host or Content-Length, Content-Length beside Transfer-Encoding, any transfer coding but chunked.  Pure functions; any thread. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { HEAD_FIELDS_MAX = 100 };

struct head_field {
    struct str name, value; /* as sent; value without white space around it */
};
struct head {
    struct str method, target; /* as sent */
    struct str path, query;    /* of the target; query is STR_NULL when there is no '?' */
    struct head_field *fields;
    size_t nfields;
    struct str host;    /* STR_NULL when absent (HTTP/1.0 only) */
    int minor;          /* the x of HTTP/1.x */
    bool close;         /* the connection ends with this request */
    bool keep_alive;    /* asked for by name */
    bool chunked;       /* the body comes in chunks */
    bool expects;       /* waits for 100 (Continue) before it sends the body */
    int64_t body_bytes; /* Content-Length; 0 when absent */
};

/* How much of bytes is the head (with the empty line that ends it), 0 when its end has not come yet, or -1 with err, whose code is the
 * HTTP status to refuse it with.  *seen (0 at first) remembers across calls with more and more of the same bytes how far it looked. */
ptrdiff_t head_find_end(struct str bytes, size_t *seen, size_t max_bytes, struct err *err);
/* Reads what head_find_end found. The strings point into bytes, the fields lie in a. 0, or -1 with err as above. */
int head_read(struct head *h, struct str bytes, struct arena *a, struct err *err);
/* The value of the first field of that name in any letter case, STR_NULL when absent. */
struct str head_value(const struct head *h, struct str name);
/* Is s a token (RFC 9110 5.6.2): letters, digits and some signs, at least one? */
bool head_is_token(struct str s);
/* May s stand as a field's value: no control character but a tab? */
bool head_is_value(struct str s);

#endif
