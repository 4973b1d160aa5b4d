/* http/intake.h - one request after another, made out of the bytes of a connection.  Private to http/.
 *
 * Bytes go in as they come; head and body of one request come out whole, or the refusal of it. It reads no socket, so it can be tested and
 * fuzzed alone. What it promises:
 *  (1) a request is whole only when its head was read by head.h's rules and its body had exactly the length that the head gave;
 *  (2) nothing is taken behind the end of a request before intake_next, and nothing ever after a refusal;
 *  (3) the body never passes max_body_bytes, and what all intakes of a budget hold together never passes that budget.
 * One owner, one thread at a time; only the budget is shared. */
#ifndef HTTP_INTAKE_H
#define HTTP_INTAKE_H

#include <stdatomic.h>

#include "base/buf.h"
#include "http/head.h"

struct intake_limits {
    size_t max_head_bytes, max_body_bytes;
    int64_t max_total_bytes; /* of the bodies in all intakes with this budget */
    _Atomic int64_t total;   /* the budget: bytes reserved for bodies now */
};

enum intake_state { INTAKE_HEAD, INTAKE_BODY, INTAKE_CHUNK_SIZE, INTAKE_CHUNK_DATA, INTAKE_CHUNK_END, INTAKE_TRAILER, INTAKE_WHOLE, INTAKE_REFUSED };

struct intake {
    struct intake_limits *limits;
    struct arena arena; /* of the request: head and whatever else lives as long */
    enum intake_state state;
    struct head head;   /* from the end of INTAKE_HEAD on */
    struct buf body;
    int64_t reserved;   /* what body holds of the budget */
    uint64_t left;      /* of the body or the chunk */
    size_t seen;        /* head_find_end */
    size_t trailer_bytes;
    bool begun;         /* the head has come; the body may be missing yet */
    struct err refusal; /* INTAKE_REFUSED: its code is the HTTP status */
};

void intake_init(struct intake *in, struct intake_limits *limits);
void intake_clear(struct intake *in);
/* Takes what it can use of bytes and returns how much that was. What it leaves must come again in front of later bytes: while the state is
 * neither INTAKE_WHOLE nor INTAKE_REFUSED, that is the beginning of a line. */
size_t intake_put(struct intake *in, struct str bytes);
/* Where bytes of the body may be put directly, and how many (0: nowhere, use intake_put); intake_filled then says how many came. */
char *intake_room(struct intake *in, size_t *n);
void intake_filled(struct intake *in, size_t n);
/* Forgets the request and begins the next one; keeps a little memory for it. */
void intake_next(struct intake *in);
/* Refuses by itself (a limit of the server, ...). Nothing happens when it is refused already. */
void intake_refuse(struct intake *in, int status, const char *text);
static inline bool intake_done(const struct intake *in)
{
    return in->state >= INTAKE_WHOLE;
}

#endif
