/* http/reply.h - what we answer.  Filled by one thread at a time; sent when the handler returns 0 or reply_finish is called.
 * The content type is the negotiated one unless reply_type says otherwise. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct reply;

/* The body to append to; empty at first. */
struct buf *reply_body(struct reply *reply);
void reply_status(struct reply *reply, int status); /* 200 unless set */
void reply_type(struct reply *reply, const char *content_type); /* a literal */
/* An extra header; name is a literal, value is copied (left out when empty or with a control character in it). At most 12 with 1280 bytes in all: more are
 * left out and logged. Not for Connection, Content-Length, Content-Type, Date, Transfer-Encoding and X-Request-ID, which the server sends. */
void reply_header(struct reply *reply, const char *name, struct str value);
/* Bytes that are not copied: release(ctx) is called, from any thread, when they were sent or dropped; release may be NULL. Replaces the body. */
void reply_borrow(struct reply *reply, struct str bytes, void (*release)(void *ctx), void *ctx);
/* A body that is made while it is sent: read fills up to max bytes and returns how many, 0 at the end, -1 to cut the connection; called on a
 * loop thread, must not wait; release is called once at the end. Sent in chunks of under 2 KB: what is there as a whole is better borrowed. */
void reply_stream(struct reply *reply, ptrdiff_t (*read)(void *ctx, char *to, size_t max), void (*release)(void *ctx), void *ctx);
/* {"error_code":code,"message":text}; drops what the body held. */
void reply_error(struct reply *reply, int status, int code, struct str text);
/* reply_error for err: code 10000 and up gives status code / 100; 100..599 gives that status; ERR_TOO_BIG 413, ERR_FULL 503 with Retry-After, ERR_TIMEOUT
 * 504; any other negative one is logged and gives 500 "Internal Server Error". */
void reply_err(struct reply *reply, const struct err *err);
/* Sends it. Only after REPLY_LATER; any thread; may come before the handler has returned. The request is gone afterwards. */
void reply_finish(struct reply *reply);

#endif
