/* tests/unit/http_client.h - raw bytes to a server on loopback and what comes back.  Fails the test when a socket fails. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/str.h"

struct answer {
    int status;       /* 0: the connection ended (or nothing came in time) before a whole head */
    struct str head;  /* with the status line */
    struct str body;  /* chunks joined */
    bool cut;         /* the body ended early */
};
struct client {
    int fd;
    struct buf in;   /* came and not yet taken by client_read */
    struct buf text; /* what the last answer points into */
};

void client_open(struct client *c, int port);
void client_send(struct client *c, struct str bytes);
/* The next answer, waited for wait_ms; head says it answers a HEAD request. The strings live until the next call. */
struct answer client_read(struct client *c, bool head, int wait_ms);
/* Has the server ended the connection within wait_ms, with nothing more sent? */
bool client_ended(struct client *c, int wait_ms);
void client_close(struct client *c);
/* open, send, read, close; the answer lives until the next call of client_ask. */
struct answer client_ask(int port, const char *bytes);
/* The value of a field of the answer; STR_NULL when absent. */
struct str answer_field(const struct answer *a, const char *name);

#endif
