/* registry/registry.h - the schema registry over one storage: the fold of _schemas, the pen, and the HTTP routes.
 * Contract: registry-api.md (the core routes, AVRO). design.md 4-6. */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "base/conf.h"
#include "http/server.h"
#include "storage/storage.h"

/* Values of -o; the table names, defaults and explains them (operations.md 1.5). */
struct registry_conf;
extern const struct conf_table registry_conf_table;
struct registry_conf *registry_conf_new(void); /* with defaults; NULL on no memory */
void registry_conf_free(struct registry_conf *c);
/* What no single key can tell: -1 with err naming the key and what would be right. */
int registry_conf_check(const struct registry_conf *c, struct err *err);

struct registry;
/* Starts the fold and pen threads and returns at once: until the log was read to its end, answers are 503 with Retry-After (registry_ready says so).
 * Creates the topic when it can be reached and is not there. s, conf must outlive it. NULL with err. */
struct registry *registry_new(struct storage *s, const struct registry_conf *conf, struct err *err);
/* Routes and handlers; valid until registry_free. */
const struct service *registry_service(struct registry *r);
/* Has the fold reached the end of the log, and can the log be reached? 0, or -1 with what is missing. Any thread. */
int registry_ready(struct registry *r, struct err *err);
/* Stops the threads; waiting writes are answered with an error first. Stop the server before. [blocks] */
void registry_free(struct registry *r);

#endif
