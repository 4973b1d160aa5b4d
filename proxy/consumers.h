/* proxy/consumers.h - the consumer instances of this node, as the routes see them (proxy-api.md 1.5-1.8, 4).
 *
 * An instance lives in the memory of one node, by (group, name); it ends by DELETE, by idling longer than consumer.instance.timeout.ms, or with the
 * program.  Its calls run one after the other; a read that waits lets the others go between its looks for records. */
#ifndef PROXY_CONSUMERS_H
#define PROXY_CONSUMERS_H

#include "http/server.h"

struct proxy;
struct consumers;
/* Starts the threads. p must outlive it. NULL with err. */
struct consumers *consumers_new(struct proxy *p, struct err *err);
/* Closes every instance (each leaves its group, with a last commit where it commits by itself), stops the threads. No request may be under way. NULL is
 * fine. [blocks] */
void consumers_free(struct consumers *all);

extern const struct media media_consumer; /* every call but the reads */
extern const struct media media_records;  /* the reads: Accept decides the format */

/* Handlers; arg is the struct proxy. */
http_handler consumers_post, consumers_delete;
http_handler consumers_post_subscription, consumers_get_subscription, consumers_delete_subscription;
http_handler consumers_post_assignments, consumers_get_assignments;
http_handler consumers_post_positions, consumers_post_beginning, consumers_post_end;
http_handler consumers_post_offsets, consumers_get_offsets;
http_handler consumers_get_records;

#endif
