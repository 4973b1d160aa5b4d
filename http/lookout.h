/* http/lookout.h - one thread for what no event loop sees: clients that go away while their request waits, and sockets that are closed
 * gently.  Private to http/.
 *
 * libmicrohttpd does not look at a suspended connection, so the lookout polls the sockets of requests that have waited for a while.
 * Bytes of a next request are no sign; the end of the stream is, even if the client only closed its sending half: it then gets its answer early,
 * but it gets it.  Any thread may call; nothing here blocks but lookout_free. */
#ifndef HTTP_LOOKOUT_H
#define HTTP_LOOKOUT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct lookout;

/* A request that waits. Embedded in it; all fields but fd, on_gone and ctx are the lookout's. */
struct waiting {
    struct waiting *prev, *next;
    int fd;
    void (*on_gone)(void *ctx); /* may be NULL */
    void *ctx;
    int64_t since_ms;
    int slot;           /* in the poll under way; -1: none */
    bool telling, ended; /* on_gone runs now; lookout_end was called meanwhile */
};

/* resume(x) is called once for each x, by whoever of lookout_end and the lookout's thread is last to use it. */
struct lookout *lookout_new(void (*resume)(struct waiting *x), struct err *err);
/* gone: the client has left already. */
void lookout_begin(struct lookout *w, struct waiting *x, bool gone);
void lookout_end(struct lookout *w, struct waiting *x);
/* How many began and were not yet resumed. When it falls to 0 nothing of them is used any more. */
long lookout_count(struct lookout *w);
/* From now on every waiting request is told at once that its client is gone. */
void lookout_hurry_all(struct lookout *w);
/* Takes over fd: sends rest (copied; may be empty), shuts the sending half, and then reads and drops what still comes, so that the client can read
 * the answer before the connection is reset. Closes it when the client has closed, or when nothing of this went on for two seconds. */
void lookout_take_socket(struct lookout *w, int fd, struct str rest);
void lookout_free(struct lookout *w); /* NULL is fine. [blocks] until its thread has ended */

#endif
