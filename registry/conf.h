/* registry/conf.h - what can be set about the registry (operations.md 1.5).  Filled before threads start, then only read. */
#ifndef REGISTRY_CONF_H
#define REGISTRY_CONF_H

#include "registry/registry.h"

struct registry_conf {
    char *topic, *group_id, *compatibility_level;
    int64_t replication_factor, timeout_ms;
    int64_t parsed_cache_size;
    int64_t schemas_default, schemas_max, subjects_default, subjects_max, versions_default, versions_max;
    bool skip_validation, mode_mutability, validate_fields, validate_new_schemas, reject_empty_subject;
};

#endif
