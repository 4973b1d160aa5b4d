/* proxy/embedded.h - keys and values from their JSON to the bytes on the log (proxy-api.md 1.4, 3.2, 3.4).  Pure functions; any thread. */
#ifndef PROXY_EMBEDDED_H
#define PROXY_EMBEDDED_H

#include "base/json.h"
#include "proxy/internal.h"

/* A JSON value, re-written compact, appended to out: integers keep their digits, other numbers pass through double (0.4). 0, or -1 with r->err. */
int embedded_put_json(struct json_reader *r, enum json_token tok, struct buf *out);
/* A base64 string's bytes appended to out. -1 with err: its text says what is wrong, beginning with ": ". */
int embedded_put_binary(struct json_reader *r, enum json_token tok, struct buf *out, struct err *err);
/* For messages: "string", "number", ... */
const char *embedded_token_name(enum json_token tok);

#endif
