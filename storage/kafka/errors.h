/* storage/kafka/errors.h - librdkafka's errors in the words of storage.h.  Pure, any thread. */
#ifndef STORAGE_KAFKA_ERRORS_H
#define STORAGE_KAFKA_ERRORS_H

#include <librdkafka/rdkafka.h>

#include "storage/storage.h"

struct health;

/* The code of storage.h for e; 0 for NO_ERROR. */
int errors_code(rd_kafka_resp_err_t e);
/* Local errors that only say "nobody answered": the reason, if any is known, is what health heard last. */
bool errors_is_silence(rd_kafka_resp_err_t e);
/* Sets err to "<text of fmt>: <Kafka's text of e>"; for silence the code and text are what h knows instead (h may be NULL).  -1.
 */
int errors_set(struct err *err, struct health *h, rd_kafka_resp_err_t e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with the broker's own text instead of the usual one of e; said may be NULL or "". */
int errors_set_said(struct err *err, struct health *h, rd_kafka_resp_err_t e, const char *said);

#endif
