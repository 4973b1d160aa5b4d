/* serde/rest.h - calls to one of several equal registries over HTTP (contracts serde.md 7); the one door to libcurl.
 *
 * Connections are kept and used again.  A call starts with the server that answered last; transport errors and the statuses 408
 * 429 500 502 503 504 go on to the next one, and after a full round wait a random time and try all again.  Any thread, several
 * calls at once; no lock is held while one waits. */
#ifndef SERDE_REST_H
#define SERDE_REST_H

#include "base/buf.h"
#include "base/err.h"

struct rest_options {
    const char *urls;                     /* comma list; user:password@ inside is Basic authentication */
    const char *basic_user_info;          /* user:password for URLs without their own, or NULL */
    int connect_timeout_ms, timeout_ms;   /* of one HTTP request */
    int retries;                          /* rounds after the first */
    int retry_wait_ms, retry_max_wait_ms; /* before round n: random between 0 and min(max, wait * 2^n) */
};

struct rest;
/* NULL with err (a URL that cannot be used). No network yet. */
struct rest *rest_new(const struct rest_options *o, struct err *err);
void rest_free(struct rest *r); /* no call may be in flight; NULL is fine */

/* method on path (with its query, already percent-encoded), with a JSON body unless body.p is NULL. 0: a 2xx status, answer holds
 * the body. -1 with err: the error_code and message of the answer, the bare status where the answer has none; ERR_IO or
 * ERR_TIMEOUT when no server answered. [blocks] */
int rest_call(struct rest *r, const char *method, struct str path, struct str body, struct buf *answer, struct err *err);

/* Appends s as one path segment or query value: everything but letters, digits and - . _ ~ as %XX. */
void rest_put_segment(struct buf *out, struct str s);

#endif
