#include "storage/sqlite/configs.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"

enum type { INT, LONG, DOUBLE, BOOL, LIST, WORD };
/* In the table, sorted by name. */
enum place {
    CLEANUP_POLICY,
    COMPRESSION_GZIP,
    COMPRESSION_LZ4,
    COMPRESSION_TYPE,
    COMPRESSION_ZSTD,
    DELETE_RETENTION_MS,
    FILE_DELETE_DELAY_MS,
    FLUSH_MESSAGES,
    FLUSH_MS,
    INDEX_INTERVAL_BYTES,
    MAX_COMPACTION_LAG_MS,
    MAX_MESSAGE_BYTES,
    TIMESTAMP_AFTER_MAX_MS,
    TIMESTAMP_BEFORE_MAX_MS,
    TIMESTAMP_TYPE,
    MIN_CLEANABLE_DIRTY_RATIO,
    MIN_COMPACTION_LAG_MS,
    MIN_INSYNC_REPLICAS,
    PREALLOCATE,
    RETENTION_BYTES,
    RETENTION_MS,
    SEGMENT_BYTES,
    SEGMENT_INDEX_BYTES,
    SEGMENT_JITTER_MS,
    SEGMENT_MS,
    UNCLEAN_LEADER_ELECTION
};
_Static_assert(UNCLEAN_LEADER_ELECTION + 1 == CONFIGS_COUNT, "every place is counted");

static const struct key {
    const char *name;
    enum type type;
    const char *def, *words; /* words: what a WORD or the parts of a LIST may be, with a space after each */
    int64_t min, max;
} keys[CONFIGS_COUNT] = {
    [CLEANUP_POLICY] = {"cleanup.policy", LIST, "delete", "compact delete ", 0, 0},
    [COMPRESSION_GZIP] = {"compression.gzip.level", INT, "-1", NULL, -1, 9},
    [COMPRESSION_LZ4] = {"compression.lz4.level", INT, "9", NULL, 1, 17},
    [COMPRESSION_TYPE] = {"compression.type", WORD, "producer", "uncompressed zstd lz4 snappy gzip producer ", 0, 0},
    [COMPRESSION_ZSTD] = {"compression.zstd.level", INT, "3", NULL, -131072, 22},
    [DELETE_RETENTION_MS] = {"delete.retention.ms", LONG, "86400000", NULL, 0, INT64_MAX},
    [FILE_DELETE_DELAY_MS] = {"file.delete.delay.ms", LONG, "60000", NULL, 0, INT64_MAX},
    [FLUSH_MESSAGES] = {"flush.messages", LONG, "9223372036854775807", NULL, 1, INT64_MAX},
    [FLUSH_MS] = {"flush.ms", LONG, "9223372036854775807", NULL, 0, INT64_MAX},
    [INDEX_INTERVAL_BYTES] = {"index.interval.bytes", INT, "4096", NULL, 0, INT32_MAX},
    [MAX_COMPACTION_LAG_MS] = {"max.compaction.lag.ms", LONG, "9223372036854775807", NULL, 1, INT64_MAX},
    [MAX_MESSAGE_BYTES] = {"max.message.bytes", INT, "1048588", NULL, 0, INT32_MAX},
    [TIMESTAMP_AFTER_MAX_MS] = {"message.timestamp.after.max.ms", LONG, "3600000", NULL, 0, INT64_MAX},
    [TIMESTAMP_BEFORE_MAX_MS] = {"message.timestamp.before.max.ms", LONG, "9223372036854775807", NULL, 0, INT64_MAX},
    [TIMESTAMP_TYPE] = {"message.timestamp.type", WORD, "CreateTime", "CreateTime LogAppendTime ", 0, 0},
    [MIN_CLEANABLE_DIRTY_RATIO] = {"min.cleanable.dirty.ratio", DOUBLE, "0.5", NULL, 0, 1},
    [MIN_COMPACTION_LAG_MS] = {"min.compaction.lag.ms", LONG, "0", NULL, 0, INT64_MAX},
    [MIN_INSYNC_REPLICAS] = {"min.insync.replicas", INT, "1", NULL, 1, INT32_MAX},
    [PREALLOCATE] = {"preallocate", BOOL, "false", NULL, 0, 0},
    [RETENTION_BYTES] = {"retention.bytes", LONG, "-1", NULL, INT64_MIN, INT64_MAX},
    [RETENTION_MS] = {"retention.ms", LONG, "604800000", NULL, -1, INT64_MAX},
    [SEGMENT_BYTES] = {"segment.bytes", INT, "1073741824", NULL, 14, INT32_MAX},
    [SEGMENT_INDEX_BYTES] = {"segment.index.bytes", INT, "10485760", NULL, 4, INT32_MAX},
    [SEGMENT_JITTER_MS] = {"segment.jitter.ms", LONG, "0", NULL, 0, INT64_MAX},
    [SEGMENT_MS] = {"segment.ms", LONG, "604800000", NULL, 1, INT64_MAX},
    [UNCLEAN_LEADER_ELECTION] = {"unclean.leader.election.enable", BOOL, "false", NULL, 0, 0},
};

void configs_clear(struct configs *c)
{
    for (int i = 0; i < CONFIGS_COUNT; i++) {
        free(c->set[i]);
        c->set[i] = NULL;
    }
}

int configs_copy(struct configs *to, const struct configs *from, struct err *err)
{
    *to = (struct configs){0};
    for (int i = 0; i < CONFIGS_COUNT; i++) {
        if (from->set[i] != NULL && (to->set[i] = strdup(from->set[i])) == NULL) {
            configs_clear(to);
            return err_nomem(err);
        }
    }
    return 0;
}

static int find(struct str name)
{
    for (int i = 0; i < CONFIGS_COUNT; i++)
        if (str_is(name, keys[i].name))
            return i;
    return -1;
}

static bool is_word(const char *words, struct str word)
{
    for (struct str all = str_of(words); all.n > 0;) {
        bool found;
        if (str_eq(str_split(&all, ' ', &found), word) && word.n > 0)
            return true;
    }
    return false;
}

static bool is_list(const char *words, struct str list)
{
    for (bool more = true; more;) {
        if (!is_word(words, str_trim(str_split(&list, ',', &more))))
            return false;
    }
    return true;
}

static int check(const struct key *k, struct str value, struct err *err)
{
    int64_t i;
    char number[40], *end;
    switch (k->type) {
    case INT:
    case LONG:
        if (str_to_i64(value, &i) && i >= k->min && i <= k->max)
            return 0;
        return err_set(err, STORE_INVALID_CONFIG,
                       "Invalid value '%.*s' for configuration %s: expected a whole number from %lld to %lld", STR_ARG(value),
                       k->name, (long long)k->min, (long long)k->max);
    case DOUBLE:
        snprintf(number, sizeof number, "%.*s", STR_ARG(value));
        if (value.n > 0 && value.n < sizeof number) {
            double d = strtod(number, &end);
            if (*end == '\0' && d >= (double)k->min && d <= (double)k->max)
                return 0;
        }
        return err_set(err, STORE_INVALID_CONFIG,
                       "Invalid value '%.*s' for configuration %s: expected a number from %lld to %lld", STR_ARG(value), k->name,
                       (long long)k->min, (long long)k->max);
    case BOOL:
        if (str_eq_nocase(value, STR("true")) || str_eq_nocase(value, STR("false")))
            return 0;
        return err_set(err, STORE_INVALID_CONFIG, "Invalid value '%.*s' for configuration %s: expected true or false",
                       STR_ARG(value), k->name);
    case LIST:
    case WORD:
        if (k->type == LIST ? is_list(k->words, value) : is_word(k->words, value))
            return 0;
        return err_set(err, STORE_INVALID_CONFIG, "Invalid value '%.*s' for configuration %s: expected %s of: %.*s",
                       STR_ARG(value), k->name, k->type == LIST ? "one or more" : "one", (int)strlen(k->words) - 1, k->words);
    }
    return 0;
}

int configs_change(struct configs *c, const struct topic_config *changes, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        int place = find(changes[i].name);
        if (place < 0)
            return err_set(err, STORE_INVALID_CONFIG, "Unknown topic config name: %.*s", STR_ARG(changes[i].name));
        char *value = NULL;
        if (changes[i].value.p != NULL) {
            if (check(&keys[place], changes[i].value, err) < 0)
                return -1;
            if ((value = str_dup(changes[i].value)) == NULL)
                return err_nomem(err);
        }
        free(c->set[place]);
        c->set[place] = value;
    }
    return 0;
}

static const char *value_of(const struct configs *c, enum place i)
{
    return c->set[i] != NULL ? c->set[i] : keys[i].def;
}

static int64_t number_of(const struct configs *c, enum place i)
{
    int64_t v = 0;
    str_to_i64(str_of(value_of(c, i)), &v);
    return v;
}

struct policy configs_policy(const struct configs *c)
{
    const char *cleanup = value_of(c, CLEANUP_POLICY);
    return (struct policy){
        .compacts = strstr(cleanup, "compact") != NULL,
        .deletes = strstr(cleanup, "delete") != NULL,
        .stamps_on_append = strcmp(value_of(c, TIMESTAMP_TYPE), "LogAppendTime") == 0,
        .dirty_ratio = strtod(value_of(c, MIN_CLEANABLE_DIRTY_RATIO), NULL),
        .delete_retention_ms = number_of(c, DELETE_RETENTION_MS),
        .max_message_bytes = number_of(c, MAX_MESSAGE_BYTES),
        .retention_ms = number_of(c, RETENTION_MS),
        .retention_bytes = number_of(c, RETENTION_BYTES),
        .min_lag_ms = number_of(c, MIN_COMPACTION_LAG_MS),
        .max_lag_ms = number_of(c, MAX_COMPACTION_LAG_MS),
        .before_max_ms = number_of(c, TIMESTAMP_BEFORE_MAX_MS),
        .after_max_ms = number_of(c, TIMESTAMP_AFTER_MAX_MS),
    };
}

int configs_list(const struct configs *c, struct arena *a, struct topic_config **out, size_t *n, struct err *err)
{
    struct topic_config *list = arena_calloc(a, CONFIGS_COUNT, sizeof *list);
    if (list == NULL)
        return err_nomem(err);
    for (int i = 0; i < CONFIGS_COUNT; i++) {
        bool set = c->set[i] != NULL;
        list[i] = (struct topic_config){.name = str_of(keys[i].name),
                                        .value = arena_str(a, str_of(value_of(c, (enum place)i))),
                                        .source = set ? "DYNAMIC_TOPIC_CONFIG" : "DEFAULT_CONFIG",
                                        .is_default = !set};
        if (list[i].value.p == NULL)
            return err_nomem(err);
    }
    *out = list;
    *n = CONFIGS_COUNT;
    return 0;
}

const char *configs_name(int place)
{
    return keys[place].name;
}
