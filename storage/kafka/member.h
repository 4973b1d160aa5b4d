/* storage/kafka/member.h - inside a member: shared by member.c (life, subscription, poll) and offsets.c (seek, store, commit). */
#ifndef STORAGE_KAFKA_MEMBER_H
#define STORAGE_KAFKA_MEMBER_H

#include <pthread.h>

#include "storage/kafka/handle.h"
#include "storage/kafka/watch.h"

enum member_mode { MEMBER_FREE, MEMBER_SUBSCRIBED, MEMBER_PATTERN, MEMBER_ASSIGNED };

/* The highest position stored so far of a partition, see member_store in offsets.c. */
struct stored {
    char *topic;
    int32_t partition;
    int64_t offset;
    bool rewound; /* offset is lower than an earlier one and not committed yet */
};

struct pattern;
struct kafka_member {
    struct member base;
    struct kafka *k;         /* fixed */
    rd_kafka_t *rk;          /* fixed */
    rd_kafka_queue_t *queue; /* fixed */
    char *group;             /* fixed */
    bool auto_commit;        /* fixed */
    bool reset_none;         /* fixed: a position that is not in the log stops its partition */
    void (*wake)(void *ctx); /* fixed */
    void *wake_ctx;          /* fixed */
    struct nudge nudge;
    enum member_mode mode;
    struct pattern *pattern; /* while MEMBER_PATTERN */
    struct str *names;       /* while MEMBER_SUBSCRIBED: sorted, on the heap */
    size_t nnames;
    struct err pending; /* an error met behind good records: for the next poll */
    struct err refused; /* the group is not allowed: the reason why its coordinator does not answer */
    struct stored *stored;
    size_t nstored, capstored;
};

/* A list as librdkafka wants it; NULL with err when a topic's name is illegal or there is no memory. */
rd_kafka_topic_partition_list_t *member_list(const struct tp *tps, size_t n, struct err *err);
void member_list_free(rd_kafka_topic_partition_list_t **list);
/* Of a partition named twice, which librdkafka refuses, the last one counts. */
void member_list_drop_repeated(rd_kafka_topic_partition_list_t *list);
/* What is assigned now, or NULL with err. */
rd_kafka_topic_partition_list_t *member_assigned(struct kafka_member *m, struct err *err);

/* pattern.c - a subscription by regular expression (PCRE2), kept up as topics come and go.  librdkafka has its own, but it knows
 * only POSIX expressions that match somewhere, and Java's match the whole name. */
struct pattern *pattern_new(struct kafka *k, rd_kafka_t *rk, struct str expression, struct err *err);
/* Subscribes rk to what matches now, in place of what it was subscribed to, and from now on whenever that changes. [blocks] */
void pattern_follow(struct pattern *p);
void pattern_free(struct pattern *p);
/* The names that match now, in the arena. */
int pattern_names(struct pattern *p, struct arena *a, struct str **names, size_t *n, struct err *err);
/* Subscribes rk to names; none: unsubscribes. Used by member.c as well. */
rd_kafka_resp_err_t pattern_subscribe(rd_kafka_t *rk, const struct str *names, size_t n);

#endif
