#include "proxy/codes.h"

#include <stdio.h>

#include "storage/storage.h"

static const struct {
    int storage, api, record;
} codes[] = {
    {STORE_UNKNOWN_TOPIC, PROXY_UNKNOWN_TOPIC, PROXY_KAFKA_RETRIABLE},
    {STORE_UNKNOWN_PARTITION, PROXY_PARTITION_NOT_FOUND, PROXY_KAFKA_RETRIABLE},
    {STORE_TOPIC_EXISTS, PROXY_KAFKA_INVALID, PROXY_KAFKA_FAILED},
    {STORE_INVALID_TOPIC, PROXY_KAFKA_INVALID, PROXY_KAFKA_FAILED},
    {STORE_INVALID_CONFIG, PROXY_KAFKA_INVALID, PROXY_KAFKA_FAILED},
    {STORE_INVALID_REQUEST, PROXY_KAFKA_INVALID, PROXY_KAFKA_FAILED},
    {STORE_TOO_LARGE, PROXY_RECORD_TOO_LARGE, PROXY_KAFKA_FAILED},
    {STORE_UNAUTHENTICATED, PROXY_UNAUTHENTICATED, PROXY_UNAUTHENTICATED},
    {STORE_UNAUTHORIZED, PROXY_UNAUTHORIZED, PROXY_UNAUTHORIZED},
    {STORE_FENCED, PROXY_KAFKA_FAILED, PROXY_KAFKA_FAILED},
    {STORE_UNKNOWN_OUTCOME, PROXY_KAFKA_RETRIABLE, PROXY_KAFKA_RETRIABLE},
    {STORE_ILLEGAL_STATE, PROXY_ILLEGAL_STATE, PROXY_KAFKA_FAILED},
    {STORE_OUT_OF_RANGE, PROXY_KAFKA_FAILED, PROXY_KAFKA_FAILED},
    {STORE_RETRIABLE, PROXY_KAFKA_RETRIABLE, PROXY_KAFKA_RETRIABLE},
    {STORE_FAILED, PROXY_KAFKA_FAILED, PROXY_KAFKA_FAILED},
    {STORE_REBALANCE, PROXY_KAFKA_RETRIABLE, PROXY_KAFKA_RETRIABLE},
    {ERR_TIMEOUT, PROXY_KAFKA_RETRIABLE, PROXY_KAFKA_RETRIABLE},
    {ERR_INVALID, PROXY_KAFKA_INVALID, PROXY_KAFKA_FAILED},
    {ERR_TOO_BIG, PROXY_RECORD_TOO_LARGE, PROXY_KAFKA_FAILED},
    {ERR_FULL, ERR_FULL, PROXY_KAFKA_RETRIABLE},
    {ERR_CLOSED, ERR_CLOSED, PROXY_KAFKA_RETRIABLE},
    {ERR_NOMEM, ERR_NOMEM, PROXY_KAFKA_RETRIABLE},
};

int proxy_code_of_storage(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].storage == code)
            return codes[i].api;
    return PROXY_KAFKA_FAILED;
}

int proxy_code_of_record(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].storage == code)
            return codes[i].record;
    return PROXY_KAFKA_FAILED;
}

int proxy_storage_err(struct err *err)
{
    if (err == NULL || err->code >= 0)
        return -1;
    if (err->code == STORE_UNKNOWN_TOPIC)
        snprintf(err->text, sizeof err->text, "%s", PROXY_TEXT_UNKNOWN_TOPIC);
    else if (err->code == STORE_UNKNOWN_PARTITION)
        snprintf(err->text, sizeof err->text, "%s", PROXY_TEXT_PARTITION_NOT_FOUND);
    err->code = proxy_code_of_storage(err->code);
    return -1;
}

int proxy_registry_err(struct err *err, const char *doing)
{
    struct err was = *err;
    err_clear(err);
    if (was.code == ERR_NOMEM || was.code == ERR_CLOSED || was.code == ERR_FULL)
        return err_set(err, was.code, "%s", was.text);
    if (was.code == ERR_IO || was.code == ERR_TIMEOUT)
        return err_set(err, PROXY_KAFKA_RETRIABLE, "%s The schema registry cannot be reached: %s", doing, was.text);
    int status = was.code >= 10000 ? was.code / 100 : was.code;
    switch (status) {
    case 401:
        return err_set(err, PROXY_UNAUTHENTICATED, "%s", was.text);
    case 403:
        return err_set(err, PROXY_UNAUTHORIZED, "%s", was.text);
    case 429:
        return err_set(err, PROXY_THROTTLED, "%s", was.text);
    case 408: case 500: case 502: case 503: case 504:
        return err_set(err, PROXY_KAFKA_RETRIABLE, "%s %s", doing, was.text);
    default:
        return err_set(err, PROXY_SCHEMA_REFUSED, "Error serializing message. %s\n%s", doing, was.text);
    }
}
