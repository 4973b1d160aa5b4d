/* base/err.h - what went wrong, said once, where it happened.
 *
 * Law: whoever notices writes the text, with the values in it; whoever passes it up adds nothing.
 * Negative codes are ours.  Positive codes are the HTTP API's promised error_code (40401, 42201, 409): a room that
 * speaks HTTP names its own in its codes.h.  Threads: an err belongs to its caller; no state is shared. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

enum {
    ERR_NOMEM = -1,      /* an allocation failed */
    ERR_IO = -2,         /* file, socket or engine failed */
    ERR_INVALID = -3,    /* the input is wrong */
    ERR_TOO_BIG = -4,    /* over a configured limit */
    ERR_TIMEOUT = -5,    /* the deadline passed */
    ERR_FULL = -6,       /* a queue has no room now; try again later */
    ERR_NOT_FOUND = -7,
    ERR_EXISTS = -8,
    ERR_CLOSED = -9      /* the thing is being shut down */
    /* -100 and below: storage/storage.h */
};

struct err {
    int code; /* 0: no error */
    char text[512];
};

/* Sets e unless it already holds an error: the first error wins.  e may be NULL.  Always returns -1, so that callers can
 * `return err_set(...)`.  A text that does not fit is cut at a UTF-8 boundary and ends in "...". */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err_set(e, ERR_NOMEM, ...) with the usual text. */
int err_nomem(struct err *e);

/* Makes e empty again. */
void err_clear(struct err *e);

#endif
