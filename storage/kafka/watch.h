/* storage/kafka/watch.h - one thread that asks the cluster now and then: is it there, which brokers, which topics.
 *
 * It keeps health true, logs brokers that leave and return, and tells members with a pattern when topics appear or go. */
#ifndef STORAGE_KAFKA_WATCH_H
#define STORAGE_KAFKA_WATCH_H

#include "storage/kafka/kafka.h"

struct watch;

/* k->admin and k->health must be there already: kafka_watch_kick is health's kick. */
struct watch *kafka_watch_new(struct kafka *k, struct err *err);
void kafka_watch_free(struct watch *w);
/* Ask now.  ctx is a struct kafka whose watch may still be NULL. Any thread, returns at once. */
void kafka_watch_kick(void *ctx);

/* Topic names that somebody wants to hear about: look(ctx, names, n) is called with all of them (not the internal ones, sorted)
 * every two seconds, by the watch's thread, no two at once.  After kafka_watch_remove returns it is not called any more. */
struct looker {
    void (*look)(void *ctx, const struct str *names, size_t n);
    void *ctx;
    struct looker *next; /* the watch's */
};
/* Lets l, which is not added yet, look once, now; it does not when the cluster cannot tell. [blocks] */
void kafka_watch_look(struct kafka *k, struct looker *l);
void kafka_watch_add(struct watch *w, struct looker *l);
void kafka_watch_remove(struct watch *w, struct looker *l);

#endif
