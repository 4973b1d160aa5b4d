/* proxy/produce.h - POST /topics/{topic} and /topics/{topic}/partitions/{partition} (proxy-api.md 1.4). */
#ifndef PROXY_PRODUCE_H
#define PROXY_PRODUCE_H

#include "proxy/internal.h"
#include "storage/storage.h"

/* Handlers; arg is the struct proxy. */
int produce_post_topic(void *arg, struct request *req, struct reply *reply, struct err *err);
int produce_post_partition(void *arg, struct request *req, struct reply *reply, struct err *err);

/* The body of the answer: one entry for each result, then the schema ids (has_* false: null). Returns the status: 200, or 401 or 403 when an entry says so. */
int produce_put_answer(struct buf *out, const struct produced *results, size_t n, bool has_key_id, int32_t key_id, bool has_value_id,
                       int32_t value_id);

#endif
