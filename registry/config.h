/* registry/config.h - the fields of a config entry (registry-api.md 1.5, 2.7), each kept as the JSON text of its value.  Pure functions. */
#ifndef REGISTRY_CONFIG_H
#define REGISTRY_CONFIG_H

#include "base/json.h"
#include "serde/compat.h"

enum config_field { /* in wire order */
    CONFIG_ALIAS, CONFIG_ALIAS_FOR_DEKS, CONFIG_NORMALIZE, CONFIG_VALIDATE_FIELDS, CONFIG_VALIDATE_NEW, CONFIG_VALIDATE_RULES, CONFIG_LEVEL,
    CONFIG_POLICY, CONFIG_GROUP, CONFIG_DEFAULT_METADATA, CONFIG_OVERRIDE_METADATA, CONFIG_DEFAULT_RULES, CONFIG_OVERRIDE_RULES, CONFIG_FIELDS
};
struct config {
    struct str v[CONFIG_FIELDS]; /* JSON text ("\"FULL\"", "true", "{...}"); p NULL: not set */
};

/* Lays a PUT body over into: null clears a field, an absent one stays. Texts go to the arena. -1 with 400, 42203. */
int config_update(struct config *into, const struct json *body, struct arena *a, struct err *err);
/* The fields of a stored record; unusable ones are left out. -1 on no memory only. */
int config_read_stored(struct config *into, const struct json *value, struct arena *a);
/* The members, within an object that is open; level_name is "compatibility" or "compatibilityLevel". */
void config_put(struct json_writer *w, const struct config *c, const char *level_name);
bool config_level(const struct config *c, enum compat_level *out); /* false: not set */
/* A text field without its quotes, STR_NULL when not set or no memory. */
struct str config_text(const struct config *c, enum config_field field, struct arena *a);

#endif
