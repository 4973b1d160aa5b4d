/* proxy/topics.h - what v2 tells about brokers, topics and partitions (proxy-api.md 1.3).  Handlers; arg is the struct proxy. */
#ifndef PROXY_TOPICS_H
#define PROXY_TOPICS_H

#include "proxy/internal.h"

int topics_get_brokers(void *arg, struct request *req, struct reply *reply, struct err *err);
int topics_get_list(void *arg, struct request *req, struct reply *reply, struct err *err);
int topics_get_topic(void *arg, struct request *req, struct reply *reply, struct err *err);
int topics_get_partitions(void *arg, struct request *req, struct reply *reply, struct err *err);
int topics_get_partition(void *arg, struct request *req, struct reply *reply, struct err *err);
int topics_get_offsets(void *arg, struct request *req, struct reply *reply, struct err *err);

#endif
