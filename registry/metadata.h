/* registry/metadata.h - the metadata of a schema: tags, properties, sensitive names (registry-api.md 1.5, 2.7).
 *
 * Keys and sets are kept sorted (UTF-16 order), so that equal metadata prints equal.  Everything lives in the arena given, or in what was
 * read.  Absent (present false) and empty are different things.  Pure functions; any thread. */
#ifndef REGISTRY_METADATA_H
#define REGISTRY_METADATA_H

#include "base/json.h"

struct metadata_item {
    struct str key;
    struct str *values; /* tags: a sorted set; properties: exactly one */
    size_t n;
};
struct metadata {
    bool present;
    struct metadata_item *tags, *properties;
    size_t ntags, nproperties;
    struct str *sensitive;
    size_t nsensitive;
};

#define VERSION_PROPERTY "confluent:version" /* names the version that it belongs to */

/* v NULL or JSON null: absent. -1 with 400: wrong shape. */
int metadata_read(const struct json *v, struct arena *a, struct metadata *out, struct err *err);
/* The same from text that was stored; STR_NULL: absent. */
int metadata_parse(struct str text, struct arena *a, struct metadata *out, struct err *err);
/* Its JSON text in the arena, STR_NULL when absent (or no memory: then *failed). */
struct str metadata_text(const struct metadata *m, struct arena *a, bool *failed);
/* base with more laid over it: a tag's whole set and a property are replaced, sensitive is a union. -1 on no memory. */
int metadata_merge(const struct metadata *base, const struct metadata *more, struct arena *a, struct metadata *out);
/* The value of a property, STR_NULL when there is none. */
struct str metadata_property(const struct metadata *m, struct str key);
/* Sets a property; makes absent metadata present. */
int metadata_set_property(struct metadata *m, struct str key, struct str value, struct arena *a);
/* Without that property; metadata that holds nothing else becomes absent. */
struct metadata metadata_without(const struct metadata *m, struct str key, struct arena *a);
bool metadata_equal(const struct metadata *a, const struct metadata *b);

#endif
