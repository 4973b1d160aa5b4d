/* storage/kafka/reaper.h - consumer handles that take long to die.
 *
 * A commit that librdkafka could not send (the group's coordinator is away, or the group is not allowed) is kept for
 * session.timeout.ms, 45 s, and the handle cannot be destroyed before.  Nobody shall wait for that: the reaper's threads do. */
#ifndef STORAGE_KAFKA_REAPER_H
#define STORAGE_KAFKA_REAPER_H

#include <librdkafka/rdkafka.h>

#include <stdbool.h>

struct reaper;

struct reaper *reaper_new(void);
/* Destroys rk in a thread of its own (here and now if there is none to be had). Any thread. */
void reaper_take(struct reaper *r, rd_kafka_t *rk);
/* Ends r when the last of those that still die is dead, and calls last(ctx) then: in this call if that is within wait_ms (true), else in the
 * thread of the one that dies last (false). What the handles refer to must live until then. */
bool reaper_free(struct reaper *r, int wait_ms, void (*last)(void *ctx), void *ctx);

#endif
