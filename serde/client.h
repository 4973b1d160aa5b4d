/* serde/client.h - a caching client of a schema registry (contracts serde.md 5-7).
 *
 * Answers about ids and registrations never change, so they are kept (bounded); calls marked [blocks] use the network (libcurl), one fetch per missing key at a
 * time, never with a lock held; the peek calls only look into the cache and may be used on event-loop threads.  Any thread.
 * A schema whose ruleSet has rules for values is refused (ERR_INVALID): they cannot be run here.
 * Errors: code is the registry's error_code where it gave one (40403, 42201, 40901, 40301, ...), else ERR_IO / ERR_TIMEOUT; text is the registry's message. */
#ifndef SERDE_CLIENT_H
#define SERDE_CLIENT_H

#include "serde/codec.h"
#include "serde/schema.h"

struct client_options {
    const char *urls;            /* comma list: http://127.0.0.1:8081; user:password@ inside is Basic authentication */
    const char *basic_user_info; /* user:password, or NULL */
    int connect_timeout_ms;      /* 0: 10000 */
    int timeout_ms;              /* one call; 0: 30000 */
    int retries;                 /* more rounds over the URLs after transport errors and 408 429 500 502 503 504; 0: 3, -1: none */
    size_t max_schemas;          /* cache bound; 0: 10000 */
    int retry_wait_ms;           /* before round n: random between 0 and this * 2^n; 0: 1000 */
    int retry_max_wait_ms;       /* and at most this; 0: 20000 */
};

/* What the registry says of one id: immutable, counted; schema and codec live as long as the entry. */
struct client_schema;
int32_t client_schema_id(const struct client_schema *e);
struct schema *client_schema_schema(const struct client_schema *e);      /* borrowed */
const struct codec *client_schema_codec(const struct client_schema *e);  /* borrowed; NULL for a type without codec */
struct client_schema *client_schema_ref(struct client_schema *e);
void client_schema_unref(struct client_schema *e);

struct client;
/* NULL with err (bad URL). No network yet. */
struct client *client_new(const struct client_options *o, struct err *err);
void client_free(struct client *c); /* no call may be in flight */

/* The schema of an id, from the cache only: a new reference, or NULL. */
struct client_schema *client_peek_id(struct client *c, int32_t id);
/* The same, asked for when missing; its references are resolved. [blocks] */
struct client_schema *client_get_id(struct client *c, int32_t id, struct err *err);
/* Does subject hold this id (any undeleted version)? From the cache; false: not known. */
bool client_peek_registered(struct client *c, struct str subject, int32_t id);
/* Makes sure of it by a look-up under subject; -1 with the registry's error (40401, 40403) when it does not. [blocks] */
int client_check_registered(struct client *c, struct str subject, int32_t id, struct err *err);
/* The id of text under subject, from the cache only (by the client's bytes): a new reference or NULL. */
struct client_schema *client_peek_text(struct client *c, struct str subject, enum schema_type type, struct str text);
/* Looks text up under subject and registers it if it is not there; a text that does not parse fails with ERR_INVALID before any call. [blocks] */
struct client_schema *client_register(struct client *c, struct str subject, enum schema_type type, struct str text, struct err *err);

#endif
