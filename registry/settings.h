/* registry/settings.h - which configuration and mode govern a subject (registry-api.md 2.7, 2.9).  Under the state's read lock. */
#ifndef REGISTRY_SETTINGS_H
#define REGISTRY_SETTINGS_H

#include "registry/conf.h"
#include "registry/metadata.h"
#include "registry/state.h"

/* The first entry that governs the subject (its own, its context's, the global one) and, where it is its own, the bare one that fills some
 * of its gaps. NULL where there is none. */
struct scope {
    const struct config *entry, *fill;
};
struct scope scope_of(const struct state *s, struct str subject);
bool scope_flag(const struct scope *scope, enum config_field field, bool otherwise);
enum compat_level scope_level(const struct scope *scope, enum compat_level otherwise);
/* CONFIG_GROUP, in the arena; STR_NULL when there is none. */
struct str scope_group(const struct scope *scope, struct arena *a);
/* defaultMetadata or overrideMetadata; absent when there is none. */
int scope_metadata(const struct scope *scope, enum config_field field, struct arena *a, struct metadata *out, struct err *err);
bool scope_adds_metadata(const struct scope *scope); /* has it either of the two? */

enum mode mode_of(const struct state *s, struct str subject);
bool mode_is_readonly(enum mode m);
bool mode_is_import(enum mode m); /* IMPORT or FORWARD */

/* The subject that an alias in its own config names, else subject itself. In the arena or subject. */
struct str alias_of(const struct state *s, struct str subject, struct arena *a);

#endif
