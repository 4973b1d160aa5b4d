/* proxy/proxy.h - Kafka's produce, consume and admin, spoken as HTTP, over one storage and a schema registry.
 * Contract: proxy-api.md 0, 1, 3, 4 and the v3 clusters and topics. */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "base/conf.h"
#include "http/server.h"
#include "storage/storage.h"

/* Values of -o; the table names, defaults and explains them (proxy-api.md 5.2). */
struct proxy_conf;
extern const struct conf_table proxy_conf_table;
struct proxy_conf *proxy_conf_new(void); /* with defaults; NULL on no memory */
void proxy_conf_free(struct proxy_conf *c);
/* What the table cannot tell: -1 with err naming the key and what would be right. */
int proxy_conf_check(const struct proxy_conf *c, struct err *err);

struct proxy;
/* s and conf must outlive it. NULL with err. */
struct proxy *proxy_new(struct storage *s, const struct proxy_conf *conf, struct err *err);
const struct service *proxy_service(struct proxy *p); /* valid until proxy_free */
/* Can records be moved now? 0, or -1 with what is missing. Any thread. */
int proxy_ready(struct proxy *p, struct err *err);
/* Closes all consumer instances (they leave their groups), stops the threads. Stop the server before. [blocks] */
void proxy_free(struct proxy *p);

#endif
