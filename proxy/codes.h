/* proxy/codes.h - the error_codes that the proxy promises, and what a storage error is among them (proxy-api.md 0.2, 0.3, 8.2).
 *
 * The status of a code is code / 100, or the code itself below 1000; where the contract wants another, the handler says so with reply_error. */
#ifndef PROXY_CODES_H
#define PROXY_CODES_H

#include "base/err.h"
#include "base/str.h"

enum proxy_code {
    PROXY_BAD_REQUEST = 400,
    PROXY_NOT_FOUND = 404,
    PROXY_RECORD_TOO_LARGE = 413,
    PROXY_UNPROCESSABLE = 422,
    PROXY_CONSUMER_LIMITS = 40001, /* with status 422 */
    PROXY_KAFKA_INVALID = 40002,
    PROXY_UNAUTHENTICATED = 40101,
    PROXY_UNAUTHORIZED = 40301,
    PROXY_TOPIC_NOT_FOUND = 40401,
    PROXY_PARTITION_NOT_FOUND = 40402,
    PROXY_UNKNOWN_TOPIC = 40403,
    PROXY_INSTANCE_NOT_FOUND = 40403, /* one number, two meanings */
    PROXY_FORMAT_MISMATCH = 40601,
    PROXY_SERIALIZATION = 40801,
    PROXY_INSTANCE_EXISTS = 40902,
    PROXY_ILLEGAL_STATE = 40903,
    PROXY_KEY_SCHEMA_MISSING = 42201,
    PROXY_VALUE_SCHEMA_MISSING = 42202,
    PROXY_CONSUMER_CONFIG = 42204,
    PROXY_SCHEMA_INVALID = 42205,
    PROXY_PAYLOAD = 42206,
    PROXY_SCHEMA_REFUSED = 42207,
    PROXY_THROTTLED = 42901,
    PROXY_KAFKA_FAILED = 50002,
    PROXY_KAFKA_RETRIABLE = 50003
};

/* Texts that are always the same. */
#define PROXY_TEXT_NOT_FOUND "HTTP 404 Not Found"
#define PROXY_TEXT_UNKNOWN_TOPIC "This server does not host this topic-partition."
#define PROXY_TEXT_PARTITION_NOT_FOUND "Partition not found."
#define PROXY_TEXT_INSTANCE_NOT_FOUND "Consumer instance not found."
#define PROXY_TEXT_KEY_SCHEMA_MISSING "Request includes keys but does not include key schema."
#define PROXY_TEXT_VALUE_SCHEMA_MISSING "Request includes values but does not include value schema."

/* The error_code of a code of storage.h (or of base/err.h, as storage returns them). ERR_FULL, ERR_CLOSED and ERR_NOMEM stay as they are: reply_err knows
 * them. */
int proxy_code_of_storage(int code);
/* The same for one record of a v2 produce answer: 40101, 40301, 50003 (retriable) or 50002. */
int proxy_code_of_record(int code);
/* Turns err, as storage filled it, into the API's: code as above; the text stays, but for an unknown topic it is Kafka's own. Returns -1. */
int proxy_storage_err(struct err *err);
/* Turns err, as serde/client.h filled it, into the API's (proxy-api.md 3.1): doing says what was tried ("Error when registering schema."). Returns -1. */
int proxy_registry_err(struct err *err, const char *doing);

#endif
