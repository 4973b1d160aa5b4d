/* storage/kafka/producer.h - all plain produce: from storage_produce's call to its one completion.
 *
 *   kafka_produce --> topic known? --yes--> sender (librdkafka) --> delivery reports --> last one: done()
 *                          | no                    ^
 *                          v                       |
 *                     waits; the loader asks the cluster (topics.c), creates the topic if allowed, hands over in order
 *
 *  (1) done is called exactly once for each accepted call, when each of its records has a result.
 *  (2) No record is copied: payloads are the caller's until done.
 *  (3) Calls for one topic reach librdkafka in the order of kafka_produce, whether they had to wait or not.
 *  (4) What is accepted and not yet done stays under max_messages and max_bytes, which is less than librdkafka takes.
 * Two senders: bulk batches as it likes; singles sends one record a request, for topics whose max.message.bytes is smaller than a
 * batch (a batch that is too large would be refused with all its records, and librdkafka does not split). A sender dies of a
 * fatal error (rights taken away); the loader makes a new one when there is something to send. */
#ifndef STORAGE_KAFKA_PRODUCER_H
#define STORAGE_KAFKA_PRODUCER_H

#include <pthread.h>

#include "base/map.h"
#include "storage/kafka/kafka.h"

enum {
    BATCH_BYTES = 1000000, /* librdkafka's batch.size */
    REBIRTH_MS = 1000      /* a new sender for a dead one, at most that often */
};

struct delivery;
struct slot { /* what a message carries through librdkafka */
    struct delivery *delivery;
};
/* One call of storage_produce on its way. */
struct delivery {
    struct delivery *next; /* producer->lock: in a topic's waiting list */
    struct producer *producer;
    const struct record *records; /* the caller's until done */
    size_t n, bytes;
    storage_produced_fn *done;
    void *ctx;
    int64_t deadline_ms;   /* for the waiting part; librdkafka keeps its own from then on */
    int32_t max_partition; /* largest asked for, -1: none */
    size_t max_size;       /* of the largest record, as it is on the wire, not compressed */
    _Atomic size_t left;   /* results not known yet, plus 1 while records are being handed over */
    size_t gone;           /* the thread that takes reports: records refused because the topic is not there (any more) */
    bool is_second;        /* all were, once: it was looked up again */
    struct produced *results;
    char topic[TOPIC_NAME_MAX + 1];
    char text[512], late_text[512]; /* for results: of the one who hands over; of the thread that takes reports */
    struct slot slots[];
};

enum topic_state { TOPIC_NEW, TOPIC_LOADING, TOPIC_READY };
struct topic {  /* all fields: producer->lock, except where said */
    char *name; /* fixed */
    enum topic_state state;
    struct sender *sender; /* NULL until READY */
    rd_kafka_topic_t *rkt; /* the sender's */
    int32_t partitions;
    int64_t max_message_bytes; /* 0: not known */
    int64_t loaded_ms;
    struct delivery *first, *last; /* waiting */
    struct topic *next_load;       /* in producer->to_load while LOADING */
    int64_t next_try_ms, created_ms;
    int misses;
};

struct sender {
    struct sender *next;       /* producer->lock: in producer->retired */
    struct producer *producer; /* fixed */
    rd_kafka_t *rk;            /* fixed */
    rd_kafka_queue_t *queue;   /* fixed */
    pthread_t reports;         /* fixed */
    _Atomic int64_t born_ms;   /* or when the last try to replace it failed */
    _Atomic int users;         /* raised under producer->lock only: handing over in progress */
    _Atomic bool dead, stop;
    rd_kafka_topic_t **topics; /* producer->lock; references to drop at the end */
    size_t ntopics, captopics;
};

struct producer {
    struct kafka *k; /* fixed */
    pthread_mutex_t lock;
    pthread_cond_t work;            /* for the loader */
    struct map topics;              /* lock */
    struct topic *to_load;          /* lock */
    struct sender *bulk;            /* lock; changed by the loader only */
    struct sender *singles;         /* lock; NULL until a topic needs it; changed by the loader only */
    struct sender *retired;         /* lock; changed by the loader only */
    bool closing, give_up;          /* lock; no new calls; what waits is failed */
    bool is_compressed;             /* fixed */
    _Atomic size_t messages, bytes; /* accepted, not done */
    size_t max_messages, max_bytes; /* fixed */
    pthread_t loader;
};

struct producer *producer_new(struct kafka *k, struct err *err);
/* Waits for what is outstanding, at most produce.timeout.ms; what is still there then fails. [blocks] */
void producer_free(struct producer *p);
/* What is known of topic may be wrong: ask again before the next produce. */
void producer_forget(struct producer *p, struct str topic);

/* Lets d, whose records were all refused because the topic went away, wait for the topic once more, as if it had just come. */
void producer_again(struct producer *p, struct delivery *d);

/* sender.c */
struct sender *sender_new(struct producer *p, bool singles, struct err *err);
/* Drops what it still has (with reports), joins, frees. */
void sender_free(struct sender *s);
/* Hands d to librdkafka; max_message_bytes 0: any.  d may be done and gone when this returns. */
void sender_send(struct sender *s, rd_kafka_topic_t *rkt, int32_t partitions, int64_t max_message_bytes, struct delivery *d);

/* delivery.c */
struct delivery *delivery_new(struct producer *p, struct str topic, const struct record *records, size_t n,
                              storage_produced_fn *done, void *ctx);
/* count results more are known; calls done (or, when the topic went away under it, tries d again) and frees d when they were the
 * last. */
void delivery_settle(struct delivery *d, size_t count);
/* Exactly what the broker compares with max.message.bytes when the record is alone in its batch (format 2, not compressed). */
size_t delivery_record_size(const struct record *r);
/* All records fail alike. */
void delivery_fail(struct delivery *d, int code, const char *text);

/* topics.c: the loader's thread */
void *topics_load(void *producer);

#endif
