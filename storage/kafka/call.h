/* storage/kafka/call.h - one admin call: its options, its queue, its result. */
#ifndef STORAGE_KAFKA_CALL_H
#define STORAGE_KAFKA_CALL_H

#include "storage/kafka/kafka.h"

struct call {
    struct kafka *k;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    int timeout_ms;
};

/* c must be given to call_end also when this fails. */
int call_begin(struct call *c, struct kafka *k, rd_kafka_admin_op_t op, int timeout_ms, struct err *err);
/* The result event (call_end frees it), or NULL when none came or the call as a whole failed; what names the call in the text.
 * [blocks] */
rd_kafka_event_t *call_wait(struct call *c, const char *what, struct err *err);
void call_end(struct call *c);

#endif
