/* storage/sqlite/group.h - groups inside this process: who is in them, who reads what, what they have committed.
 *
 *  (1) One lock (groups_lock) covers all groups and all members; it is held shortly and never across I/O or a callback.
 *  (2) An assignment changes at once, for all members of the group together: no partition is ever held by two.
 *  (3) What a member loses in a rebalance is committed for it (auto commit) before another gets its starting position.
 *  (4) Committed offsets in memory are those of the file; only (3) may run ahead of it, and a crash then repeats records, never
 * skips any. Two threads of its own kind call in: the one that answers produces tells of news, the writer of topics that came or
 * went.  One thread here does what is due by time: auto commits, and members that have not polled for POLL_INTERVAL_MS. */
#ifndef STORAGE_SQLITE_GROUP_H
#define STORAGE_SQLITE_GROUP_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/map.h"
#include "storage/sqlite/sqlite.h"

enum { POLL_INTERVAL_MS = 300000, METADATA_MAX = 4096 };

/* A partition that a member reads. */
struct held {
    char *topic; /* its own copy: the topic may be gone */
    int32_t number;
    struct partition *partition; /* its topic is referenced; NULL: not there now */
    int64_t position;            /* of the next record to read; OFFSET_INVALID: not known */
    int64_t asked;               /* member_assign's offset, until there is a position */
    int64_t stored;              /* OFFSET_INVALID: none */
    bool dirty;                  /* stored is not committed */
    uint64_t claim;              /* new whenever position is set from outside: a poll under way then drops what it read */
};

struct consumer {
    struct member base;
    struct sqlite *s; /* fixed, as all down to wake_ctx */
    struct group *group;
    char *id; /* client id and a number; the order within the group */
    enum { RESET_EARLIEST, RESET_LATEST, RESET_NONE } reset;
    bool auto_commit;
    int32_t auto_commit_ms;
    void (*wake)(void *ctx);
    void *wake_ctx;
    enum { IDLE, SUBSCRIBED, ASSIGNED } mode; /* groups_lock, as all below */
    char **topics;                            /* subscribed by name */
    size_t ntopics;
    pcre2_code *pattern; /* subscribed by pattern */
    struct held *held;
    size_t nheld, turn;   /* turn: where the next poll begins, so that all get theirs */
    struct held *planned; /* during a rebalance only */
    size_t nplanned;
    struct err trouble;    /* for the next poll */
    bool evicted;          /* polled too rarely: out of the group until the next poll */
    bool woken;            /* told already, has not polled since */
    bool wake_due;         /* to be told as soon as the lock is free */
    int waking;            /* callbacks running now */
    int64_t last_poll_ms;  /* monotonic, as is commit_due_ms */
    int64_t commit_due_ms; /* 0: nothing stored that is not committed */
    struct consumer *next; /* in the group, by id */
};

struct group {
    struct str name;
    struct map committed; /* "topic/number" -> struct committed */
    struct consumer *members;
    int64_t generation;
};

struct groups;
/* Reads all committed offsets from the file, starts the thread. */
struct groups *groups_new(struct sqlite *s, struct conn *conn, struct err *err);
void groups_stop(struct groups *g); /* ends the thread, while the writer still runs */
void groups_free(struct groups *g);
void groups_lock(struct groups *g);
void groups_unlock(struct groups *g); /* and calls the wakes that have become due */
/* Records were committed: wakes members that can read some. */
void groups_news(struct groups *g);
/* Topics or partitions came or went. */
void groups_topics_changed(struct groups *g);
/* A topic was deleted: so is what was committed for it. */
void groups_forget_topic(struct groups *g, struct str topic);

/* Under the lock, all of these. */
struct group *groups_get(struct groups *g, struct str name, struct err *err); /* makes it if need be */
void group_add(struct group *group, struct consumer *c);
void groups_remove(struct groups *g, struct consumer *c); /* waits for its callbacks; c's group may be gone then */
/* Gives the group's subscribed members their partitions anew. -1 on no memory: nothing has changed. */
int groups_rebalance(struct groups *g, struct group *group, struct err *err);
/* Takes away all that c holds, committing what is due. */
void groups_drop_held(struct groups *g, struct consumer *c);
/* Sets h's partition and, if it has none, its position. */
void groups_settle_held(struct groups *g, struct consumer *c, struct held *h);
void held_clear(struct held *h);
uint64_t groups_claim(struct groups *g);
void groups_due(struct groups *g, int64_t at_ms); /* the thread must look by then */
/* Sets the positions that the log no longer has as auto.offset.reset says. False: the member cannot read h. */
bool groups_fit_position(struct groups *g, struct consumer *c, struct held *h, const struct partition_state *state);

/* ---- member.c: storage/engine.h's ---- */

struct member *sqlite_member_open(struct storage *s, const struct member_options *o, struct err *err);
void sqlite_member_free(struct member *m);
int sqlite_member_subscribe(struct member *m, const struct str *topics, size_t n, struct err *err);
int sqlite_member_subscribe_pattern(struct member *m, struct str pattern, struct err *err);
int sqlite_member_unsubscribe(struct member *m, struct err *err);
int sqlite_member_assign(struct member *m, const struct tp *tps, size_t n, struct err *err);
int sqlite_member_subscription(struct member *m, struct arena *a, struct str **topics, size_t *n, struct err *err);
int sqlite_member_assignment(struct member *m, struct arena *a, struct tp **tps, size_t *n, struct err *err);
int sqlite_member_poll(struct member *m, struct batch *b, size_t max_records, struct err *err);
int sqlite_member_seek(struct member *m, const struct tp *tps, size_t n, struct err *err);
int sqlite_member_store(struct member *m, const struct tp *tps, size_t n, struct err *err);
int sqlite_member_commit(struct member *m, const struct tp *tps, size_t n, struct err *err);
int sqlite_member_committed(struct member *m, struct arena *a, struct tp *tps, size_t n, struct err *err);
/* Is c subscribed to that topic? Under the lock. */
bool consumer_wants(const struct consumer *c, struct str topic);

#endif
