#include "registry/conf.h"

#include <stddef.h>
#include <stdlib.h>

#include "serde/compat.h"

#define AT(field) offsetof(struct registry_conf, field)
#define NO_LIMIT "2147483647"
static const struct conf_key keys[] = {
    {"kafkastore.timeout.ms", CONF_INT, AT(timeout_ms), "10000", "ms",
     "How long one write may take, taking the pen from another node included; over it 50002.", 100, 600000, 0},
    {"kafkastore.topic", CONF_STR, AT(topic), "_schemas", NULL, "The topic that holds everything: 1 partition, cleanup.policy=compact.", 0, 0, 0},
    {"kafkastore.topic.replication.factor", CONF_INT, AT(replication_factor), "3", NULL,
     "Replicas of that topic when it is created; at most as many as there are brokers.", 1, 32767, 0},
    {"kafkastore.topic.skip.validation", CONF_BOOL, AT(skip_validation), "false", NULL, "Neither create nor verify the topic.", 0, 0, 0},
    {"mode.mutability", CONF_BOOL, AT(mode_mutability), "true", NULL, "Modes may be changed.", 0, 0, 0},
    {"schema.cache.size", CONF_INT, AT(parsed_cache_size), "1000", NULL, "How many parsed schemas are kept (and at most 4 MB of them).", 1,
     1000000, 0},
    {"schema.compatibility.level", CONF_STR, AT(compatibility_level), "BACKWARD", NULL,
     "Level where none is configured: NONE, BACKWARD, FORWARD, FULL, or one of the last three with _TRANSITIVE.", 0, 0, 0},
    {"schema.registry.group.id", CONF_STR, AT(group_id), "schema-registry", NULL,
     "Name of this registry: all its nodes have the same, another registry on the same cluster a different one.", 0, 0, 0},
    {"schema.reject.empty.subject", CONF_BOOL, AT(reject_empty_subject), "false", NULL, "Refuse the subject '*' too.", 0, 0, 0},
    {"schema.search.default.limit", CONF_INT, AT(schemas_default), "1000", NULL, "Schemas in one list when no limit is asked for.", 1,
     INT32_MAX, 0},
    {"schema.search.max.limit", CONF_INT, AT(schemas_max), "1000", NULL, "Largest limit that is honoured there.", 1, INT32_MAX, 0},
    {"schema.validate.fields", CONF_BOOL, AT(validate_fields), "false", NULL, "Enforce reserved field names where no config says otherwise.",
     0, 0, 0},
    {"schema.validate.new.schemas", CONF_BOOL, AT(validate_new_schemas), "true", NULL, "Check names and defaults of new schemas strictly.", 0,
     0, 0},
    {"subject.search.default.limit", CONF_INT, AT(subjects_default), NO_LIMIT, NULL, "Subjects in one list when no limit is asked for.", 1,
     INT32_MAX, 0},
    {"subject.search.max.limit", CONF_INT, AT(subjects_max), NO_LIMIT, NULL, "Largest limit that is honoured there.", 1, INT32_MAX, 0},
    {"subject.version.search.default.limit", CONF_INT, AT(versions_default), NO_LIMIT, NULL,
     "Versions in one list when no limit is asked for.", 1, INT32_MAX, 0},
    {"subject.version.search.max.limit", CONF_INT, AT(versions_max), NO_LIMIT, NULL, "Largest limit that is honoured there.", 1, INT32_MAX, 0},
};
const struct conf_table registry_conf_table = {keys, sizeof keys / sizeof *keys};

struct registry_conf *registry_conf_new(void)
{
    struct registry_conf *c = calloc(1, sizeof *c);
    if (c != NULL && conf_defaults(&registry_conf_table, c, NULL) < 0) {
        registry_conf_free(c);
        return NULL;
    }
    return c;
}

void registry_conf_free(struct registry_conf *c)
{
    if (c == NULL)
        return;
    conf_clear(&registry_conf_table, c);
    free(c);
}

int registry_conf_check(const struct registry_conf *c, struct err *err)
{
    enum compat_level level;
    const char *name = c->compatibility_level != NULL ? c->compatibility_level : "";
    if (compat_level_parse(str_of(name), &level, NULL) < 0)
        return err_set(err, ERR_INVALID,
                       "schema.compatibility.level '%s': expected NONE, BACKWARD, BACKWARD_TRANSITIVE, FORWARD, FORWARD_TRANSITIVE, FULL or "
                       "FULL_TRANSITIVE",
                       name);
    if (c->topic == NULL)
        return err_set(err, ERR_INVALID, "kafkastore.topic must not be empty");
    if (!topic_name_ok(str_of(c->topic)))
        return err_set(err, ERR_INVALID, "kafkastore.topic '%s': expected 1 to 249 characters of a-z A-Z 0-9 . _ - and not . or ..", c->topic);
    if (c->group_id == NULL)
        return err_set(err, ERR_INVALID, "schema.registry.group.id must not be empty");
    return 0;
}
