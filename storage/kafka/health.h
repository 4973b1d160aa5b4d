/* storage/kafka/health.h - does the cluster answer, and if not, why not.
 *
 * librdkafka returns refused logins and dead brokers from no call: they only show in error events of whichever handle met them.
 * All handles of a storage tell them here; calls that merely time out answer with what is known here.  The watch (watch.h) asks
 * the cluster now and then and alone decides between up and away.  Any thread. */
#ifndef STORAGE_KAFKA_HEALTH_H
#define STORAGE_KAFKA_HEALTH_H

#include <librdkafka/rdkafka.h>

#include "base/err.h"

struct health;

/* kick is called (from any thread, must return at once) when an error makes it worth asking the cluster now. */
struct health *health_new(void (*kick)(void *ctx), void *ctx);
void health_free(struct health *h);

/* An error event of some handle. */
void health_note_error(struct health *h, rd_kafka_resp_err_t code, const char *text);
/* The cluster answered / did not answer the watch. Logs each change once. */
void health_set_up(struct health *h);
void health_set_away(struct health *h, rd_kafka_resp_err_t code);
/* 0 when the cluster answered last time, else -1 with why. */
int health_check(struct health *h, struct err *err);
/* Fills why and returns true when an error is known that was not followed by a success. */
bool health_why(struct health *h, struct err *why);
/* May a line about topic be logged now?  At most one each 10 s for the same topic; the others are counted into *skipped. */
bool health_may_log(struct health *h, const char *topic, int *skipped);

#endif
