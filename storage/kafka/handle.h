/* storage/kafka/handle.h - librdkafka handles: how they are made, what they log, what they tell health. */
#ifndef STORAGE_KAFKA_HANDLE_H
#define STORAGE_KAFKA_HANDLE_H

#include "storage/kafka/kafka.h"

struct property {
    const char *name, *value; /* value NULL: back to librdkafka's default */
};

/* conf of that kind, changed by the properties (later ones win). NULL with ERR_INVALID. */
rd_kafka_conf_t *handle_conf(struct kafka *k, enum handle_kind kind, const struct property *properties, size_t n, struct err *err);
/* Takes *conf.  The handle's errors go to k->health by rd_kafka_poll (or the consumer's queue), its log lines to base/log. */
rd_kafka_t *handle_new(struct kafka *k, enum handle_kind kind, rd_kafka_conf_t **conf, struct err *err);

#endif
