/* proxy/consumer.h - one consumer instance, and who may touch what of it.  Private to consumer*.c and consumers.c.
 *
 * An instance has at most one owner at a time: a pool thread that runs its calls (which may wait for the storage), or a poller thread that serves its
 * reads (which never waits).  Only the owner touches the member and what was polled.  Everything that happens (a call or a read comes, the storage
 * wakes, a time is reached, a client goes away) is noted under consumers->lock and handed to the next owner:
 *
 *     handler, wake, timer --consumer_event--> ready queue --poller--> consumer_serve_reads
 *     handler --consumers_call--> calls --pool--> call->run, one after the other
 *
 *  (1) A record is in exactly one of: the log, a polled batch, an answer.  It leaves its batch only when the answer that holds it was handed to
 *      the server; a read whose client went away leaves its records where they were, for the next one.
 *  (2) Positions are stored (member_store) for what was answered, never for what was only polled or made ahead.
 *  (3) An instance is freed when it is closed, has no owner, no call, no read, no fetch and no place in queue or heap.
 * Lock order: consumers->lock alone, held for a few instructions, never across a call into storage, http, serde or pool_free. */
#ifndef PROXY_CONSUMER_H
#define PROXY_CONSUMER_H

#include <stdatomic.h>

#include "base/map.h"
#include "proxy/body.h"
#include "proxy/consumers.h"
#include "proxy/internal.h"

#define MEDIA_JSONSCHEMA "application/vnd.kafka.jsonschema.v2+json"
#define MEDIA_PROTOBUF "application/vnd.kafka.protobuf.v2+json"

enum { CALL_REPLIED = 1, RENDER_SCHEMAS = 8 };

struct consumer;

/* One request that wants the member. In the request's arena (but for the one that closes). */
struct call {
    struct call *next;
    struct request *req; /* NULL for the one that closes */
    struct reply *reply; /* NULL: the instance expired or the program ends; nobody waits for an answer */
    /* On a pool thread, owning c. 0, -1 with err, or CALL_REPLIED when it has finished the reply itself (then call is gone). */
    int (*run)(struct consumer *c, struct call *call, struct err *err);
    const void *body; /* what the handler read from the request */
};

/* What an answer holds so far. */
struct answer {
    size_t taken, count; /* bytes and records */
};

/* One GET records. In the request's arena. */
struct read {
    struct read *next;         /* lock */
    struct consumer *consumer; /* lock: while it is in the list */
    struct consumers *all;
    struct request *req;
    struct reply *reply;
    int64_t deadline_ms; /* fixed */
    size_t max_bytes;    /* fixed */
    bool gone;           /* lock: the client went away, or the server stops */
    /* the owner's, for the first read of the list; 0 for the others */
    struct answer answer; /* in the reply */
    bool looked;          /* at least one round was made */
};

/* An answer made before it is asked for, while the client is busy with the one before: the next read takes it as it is, or it is undone. */
struct ahead {
    struct buf body;
    struct answer answer; /* count 0: there is none */
    size_t only_for;      /* whole for a read with just this max_bytes; 0: for any that has room; SIZE_MAX: a read would go on */
    int64_t made_ms;
};

/* One batch of the member's records. kept <= at <= batch.n: before kept answered, [kept, at) in the first read's reply or in the one made ahead, the rest
 * waits. */
struct polled {
    struct polled *next;
    struct batch batch;
    size_t kept, at;
};

enum owner { OWNER_NONE, OWNER_POOL, OWNER_POLLER };

struct consumer {
    struct consumers *all;
    /* fixed at creation */
    struct str key, group, name; /* key, owned: see consumer_key; the others lie in it */
    enum embedded format;
    const char *reset; /* auto.offset.reset */
    bool auto_commit;
    int64_t min_bytes, request_timeout_ms;
    /* all->lock */
    enum owner owner;
    bool again;    /* something happened since the last owner began to look */
    bool queued;   /* in all->ready */
    bool fetching; /* a pool thread asks the registry for schema fetch_id */
    bool closing;  /* out of the map: takes no more calls */
    bool put_back; /* a read that held records was ended without its owner: the next owner puts them back */
    bool given;    /* the answer made ahead was given without an owner: the next owner stores its positions */
    struct call *calls, **calls_end;
    struct read *reads, **reads_end;
    struct consumer *next; /* in all->ready */
    size_t heap_at;        /* place in all->heap + 1; 0: none */
    int64_t timer_ms;      /* when in the heap */
    int64_t last_used_ms;
    int32_t fetch_id;
    struct client_schema *fetched; /* of fetch_id; NULL with fetch_err */
    struct err fetch_err;
    /* any thread */
    atomic_bool woken; /* the storage has woken since the last poll */
    /* the owner */
    struct member *member;
    bool closed;
    struct polled *polled, **polled_end;
    struct ahead ahead;    /* with the lock held, also whoever finds no owner */
    size_t ahead_bytes;    /* of the answer to make ahead (as the last read's max_bytes); 0: none.  Touched like ahead */
    bool more;             /* the last poll gave all that was asked for */
    size_t mean_bytes;     /* of a record, as last polled; 0: not known */
    int64_t not_before_ms; /* no poll before (reads that last their whole time-out do not hurry) */
    struct err poll_err;   /* came with records in the reply: for the next read */
    struct client_schema *schemas[RENDER_SCHEMAS]; /* by the low bits of the id */
    struct call closer;
};

struct consumers {
    struct proxy *proxy;
    const struct proxy_conf *conf;
    struct pool *pool; /* calls */
    pthread_t *pollers;
    int npollers;
    pthread_mutex_t lock;
    pthread_cond_t work, empty; /* monotonic */
    /* lock */
    struct map by_key;
    size_t count; /* instances not yet freed, of the map or not */
    struct consumer *ready, **ready_end;
    struct consumer **heap; /* those with a timer, earliest first */
    size_t heap_n, heap_cap;
    int64_t next_sweep_ms;
    bool stopping;
};

/* ---- consumers.c: finding, owning, timing */

#define CONSUMER_KEY_ROOM(group, name) (sizeof(uint32_t) + (group).n + (name).n)
/* The key in to: the group's length, group, name. */
struct str consumer_key(struct str group, struct str name, char *to);

/* The instance of the path's {group} and {instance}, with all->lock held; NULL with err (40403) and without the lock. */
struct consumer *consumers_lock_instance(struct consumers *all, struct request *req, struct err *err);
/* Puts a new instance under its key and hands call to it (run opens the member). -1 with err: the name is taken, too many. c is taken then too. */
int consumers_add(struct consumers *all, struct consumer **c, struct call *call, struct err *err);
/* Finds the instance and queues a call for it. REPLY_LATER, or -1 with err. */
int consumers_call(struct consumers *all, struct request *req, struct reply *reply,
                   int (*run)(struct consumer *c, struct call *call, struct err *err), const void *body, struct err *err);
/* With the lock held: takes the instance out of the map and queues its closing; reply may be NULL. */
void consumer_close(struct consumer *c, struct reply *reply);
/* With the lock held: somebody should look at the reads of c. */
void consumer_event(struct consumer *c);
/* With the lock held: consumer_event at ms (monotonic) at the latest; replaces an earlier time. INT64_MAX: never. */
void consumer_set_timer(struct consumer *c, int64_t ms);
/* With the lock held, after an asynchronous part ended: frees c if nothing is left of it. */
void consumer_settle(struct consumer *c);
/* Frees c: no member, nothing polled. NULL is fine. */
void consumer_free(struct consumer *c);

/* ---- consumer_read.c: reads and what was polled */

/* As owner (poller): makes rounds for the reads of c until all must wait, and sets the timer. */
void consumer_serve_reads(struct consumer *c);
/* As a new owner, before anything else: makes up for what happened while there was none. */
void consumer_begin_owning(struct consumer *c);
/* With the lock held and no owner: is there something for a poller to do? */
bool consumer_has_work(const struct consumer *c);
/* With the lock held, while a pool thread owns c: ends the reads that need no owner (client gone, time over with nothing in hand). Unlocks meanwhile. */
void consumer_reap_reads(struct consumer *c);
/* As owner: ends all reads with what they hold, or with 40403. */
void consumer_end_reads(struct consumer *c);
/* As owner, after the member was given other partitions: the next answer is not made ahead of them. */
void consumer_undo_ahead(struct consumer *c);
/* As owner: what is polled and unanswered of these partitions (n 0: of all) will not be delivered. */
void consumer_drop_polled(struct consumer *c, const struct tp *tps, size_t n);

/* ---- consumer_render.c: a record as JSON */

enum render { RENDER_DONE, RENDER_OVER, RENDER_POISON, RENDER_WAIT };
/* Appends r ("," before it unless it is the first) and adds its size to *taken. RENDER_OVER: taken + its size would reach max, nothing appended.
 * RENDER_POISON: cannot be shown, err says why (40801). RENDER_WAIT: schema *missing has to be fetched. As owner. */
enum render consumer_render(struct consumer *c, const struct record *r, struct str topic, struct buf *out, bool first, size_t *taken, size_t max,
                            int32_t *missing, struct err *err);

/* proxy_storage_err, with the API's "Illegal state: " where it belongs. Returns -1. */
int consumer_storage_err(struct err *err);

#endif
