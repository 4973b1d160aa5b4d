/* storage/kafka/options.h - what storage_open was given, checked: ready-made librdkafka configurations for three kinds of
 * handles. */
#ifndef STORAGE_KAFKA_OPTIONS_H
#define STORAGE_KAFKA_OPTIONS_H

#include <librdkafka/rdkafka.h>

#include "storage/storage.h"

enum handle_kind { HANDLE_PRODUCER, HANDLE_CONSUMER, HANDLE_ADMIN, HANDLE_KINDS };

struct options {
    rd_kafka_conf_t *conf[HANDLE_KINDS]; /* our defaults, then the user's properties; handle_new copies */
    bool auto_create;                    /* produce to a missing topic creates it */
    int32_t num_partitions;              /* of those; -1: the brokers' default */
    int timeout_ms, produce_timeout_ms;
};

/* where: the bootstrap list.  Refuses by name what librdkafka does not know, and SCRAM where it cannot work. 0, or -1 with
 * ERR_INVALID. */
int options_read(struct options *o, const char *where, const struct storage_option *given, size_t n, struct err *err);
void options_clear(struct options *o);
/* Sets one property; ERR_INVALID with librdkafka's text, which names it. */
int options_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err);
/* The whole number that property name has in conf, or fallback. */
int64_t options_number(const rd_kafka_conf_t *conf, const char *name, int64_t fallback);

#endif
