/* registry/scribe.h - the one thread of this process that writes _schemas, holding the pen (design.md 5).
 *
 *  (1) A request that writes is a job. The thread takes all waiting jobs, lets each decide on the state, writes what they decided in one
 *      transaction, waits until the fold has applied it, and answers.
 *  (2) A refusal counts only when the state held everything ever committed: either the transaction that carries the other jobs was
 *      committed (so nobody else wrote), or the log was read to its end after the job came.
 *  (3) After a fenced transaction everything is decided anew; after one of unknown outcome the fold tells whether it was committed.
 * Any thread may add; decide runs on the writer's thread only. */
#ifndef REGISTRY_SCRIBE_H
#define REGISTRY_SCRIBE_H

#include "registry/core.h"

struct plan;
struct job;
enum { DECIDE_LATER = 1 };
/* Fills job->body (a 200) or job->status with it, or returns -1 with err; adds records to the plan. DECIDE_LATER: depends on what the plan holds
 * already and must wait for the next one; it has added nothing. Must not wait for anything. May run several times. */
typedef int job_decide(struct registry *r, struct plan *plan, struct job *job, struct err *err);

/* Lives in the request's arena; begins zeroed. */
struct job {
    struct request *req;
    struct reply *reply;
    job_decide *decide;
    void *input;
    void (*clear)(void *input); /* may be NULL */
    bool alone;                 /* must be the only one in its transaction */
    const atomic_bool *gone;    /* request_watch: nobody waits for the answer any more */
    /* the writer's */
    struct job *next;
    int64_t deadline_ms;
    size_t nrecords;
    /* the outcome */
    int rc, status;
    struct err err;
    struct buf body;
};

struct scribe *scribe_new(struct registry *r, struct err *err);
/* Answers what waits with an error, ends the thread, gives the pen back. NULL is fine. [blocks] */
void scribe_free(struct scribe *w);
/* Takes the job; REPLY_LATER, or -1 with err (too many wait): then it is still the caller's. */
int scribe_add(struct scribe *w, struct job *job, struct err *err);
/* Makes a job of the request, alone in its transaction, and adds it; input lives in the request's arena. REPLY_LATER, or -1 with err. Call it in
 * the handler, on the loop thread. */
int scribe_ask(struct scribe *w, struct request *req, struct reply *reply, job_decide *decide, void *input, struct err *err);

/* ---- for decide ----------------------------------------------------------------------------------------------------- */

struct arena *plan_arena(struct plan *p);
/* Adds a record (its texts are copied). -1 on no memory. */
int plan_add(struct plan *p, const struct change *c, struct err *err);
/* The same for a config or mode: the old form of the global key would survive compaction and win when the log is read again, so it goes first. */
int plan_add_setting(struct plan *p, struct registry *r, const struct change *c, struct err *err);
bool plan_touches(const struct plan *p, struct str subject); /* does it change this subject already? */
/* The id that a new schema gets in this context; 0: no memory, or all are used up. */
int32_t plan_next_id(struct plan *p, struct registry *r, struct str context);
/* An id that was given by the client: later ones of this plan are above it. */
int plan_keep_id(struct plan *p, struct registry *r, struct str context, int32_t id, struct err *err);
bool plan_is_empty(const struct plan *p);
/* The id that this plan gives to an identity, 0: none; and remembering one. */
int32_t plan_identity(const struct plan *p, struct str context, const unsigned char md5[16], enum schema_type type);
int plan_keep_identity(struct plan *p, struct str context, const struct change *c, struct err *err);

#endif
