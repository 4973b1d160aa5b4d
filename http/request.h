/* http/request.h - what the client asked.  Valid from the handler's call until reply_finish (or the handler's return); everything got from
 * it likewise.  Used by one thread at a time: the loop thread until REPLY_LATER is returned, then whoever finishes the reply. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/arena.h"
#include "base/str.h"

struct request;

struct str request_method(const struct request *req); /* as sent; HEAD stays HEAD */
struct str request_path(const struct request *req);   /* raw, as routed: not decoded, without query */
/* The decoded segment that matched {name}; a name that the route does not have is a bug (assert). */
struct str request_param(const struct request *req, const char *name);
/* The decoded value (+ is a space; well-formed UTF-8) of the first query parameter of that name; STR_NULL when absent; p != NULL, n 0 when empty. */
struct str request_query(const struct request *req, const char *name);
/* The i-th of the parameters of that name, STR_NULL past the last. */
struct str request_query_nth(const struct request *req, const char *name, size_t i);
/* "true" in any letter case (registry-api.md 1.2). */
bool request_query_bool(const struct request *req, const char *name);
/* Integer parameter: 1 present and in int32, 0 absent (out untouched), -1 present but not an int32. */
int request_query_i32(const struct request *req, const char *name, int32_t *out);
struct str request_header(const struct request *req, const char *name); /* any letter case; STR_NULL when absent */
struct str request_body(const struct request *req);                     /* whole, n 0 when none */
const char *request_accepts(const struct request *req);                 /* the negotiated answer type */
/* The Content-Type without parameters, lower case; STR_NULL when absent. */
struct str request_content_type(const struct request *req);
struct str request_id(const struct request *req);
/* http://HOST as the client called us (Host header; the listen address when absent), without a trailing slash. */
struct str request_base_url(const struct request *req);
struct arena *request_arena(struct request *req); /* dropped when the reply was sent */
/* After REPLY_LATER: fn(ctx) is called at most once, from a server thread, if the client goes away (or only closes its sending half: it then still
 * gets the answer) or the server stops before the reply is finished. fn must not block; it is for hurrying, the reply must still be finished,
 * which fn may do itself. It may still run when reply_finish returns in another thread, so ctx must live as long as the request: take it
 * from request_arena. No lock of the server is held. Set it before returning REPLY_LATER. */
void request_on_gone(struct request *req, void (*fn)(void *ctx), void *ctx);

#endif
