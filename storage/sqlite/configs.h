/* storage/sqlite/configs.h - a topic's configuration: Kafka's names, types and defaults, in one table.
 *
 * Names that only concern replication across brokers or tiers are not there.  Those about segments, flushing and compression are
 * checked, kept and listed, so that what creates topics elsewhere creates them here, and have no effect: one file has neither.
 * Pure functions. */
#ifndef STORAGE_SQLITE_CONFIGS_H
#define STORAGE_SQLITE_CONFIGS_H

#include "base/arena.h"
#include "base/err.h"
#include "storage/storage.h"

enum { CONFIGS_COUNT = 26 };

/* What was set, by place in the table; NULL: the default counts. Strings are the struct's own. */
struct configs {
    char *set[CONFIGS_COUNT];
};

/* The values that have an effect. */
struct policy {
    bool compacts, deletes, stamps_on_append;
    double dirty_ratio;
    int64_t delete_retention_ms, max_message_bytes, retention_ms, retention_bytes; /* retention -1: no limit */
    int64_t min_lag_ms, max_lag_ms, before_max_ms, after_max_ms;
};

void configs_clear(struct configs *c);
int configs_copy(struct configs *to, const struct configs *from, struct err *err);
/* Applies the changes (value STR_NULL: back to the default). STORE_INVALID_CONFIG, with c partly changed: work on a copy. */
int configs_change(struct configs *c, const struct topic_config *changes, size_t n, struct err *err);
struct policy configs_policy(const struct configs *c);
/* All of them, sorted by name, in the arena. */
int configs_list(const struct configs *c, struct arena *a, struct topic_config **out, size_t *n, struct err *err);
const char *configs_name(int place);

#endif
