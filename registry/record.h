/* registry/record.h - the records of _schemas, read and written (registry-api.md 4.2, 4.3).  Pure functions; any thread. */
#ifndef REGISTRY_RECORD_H
#define REGISTRY_RECORD_H

#include "registry/config.h"
#include "serde/schema.h"
#include "storage/storage.h"

enum change_kind {
    CHANGE_OTHER, /* a keytype that we do not know, or no key: only its offset counts */
    CHANGE_NOOP,
    CHANGE_SCHEMA,
    CHANGE_CONFIG,
    CHANGE_MODE,
    CHANGE_DELETE_SUBJECT,
    CHANGE_CLEAR_SUBJECT,
    CHANGE_CONTEXT
};

enum mode { MODE_READWRITE, MODE_READONLY, MODE_READONLY_OVERRIDE, MODE_IMPORT, MODE_FORWARD };
const char *mode_name(enum mode m);
bool mode_parse(struct str name, enum mode *out); /* any letter case */

/* What one record says. Texts are borrowed: from the record and the arena it was read with, or from whoever fills it to be written. */
struct change {
    enum change_kind kind;
    bool tombstone;    /* the value is null */
    bool null_subject; /* the key has "subject":null: older writers' form of the global config and mode */
    struct str subject; /* normal form; "" for the global config and mode */
    int32_t version;
    int32_t id;
    enum schema_type type;
    const struct schema_ref *refs;
    size_t nrefs;
    struct str metadata, rule_set; /* JSON text, STR_NULL when absent */
    struct str text;               /* the canonical schema */
    unsigned char md5[16];         /* identity; filled by change_read, not written */
    bool deleted;
    struct config config;
    enum mode mode;
    bool no_mode; /* CHANGE_MODE whose mode is null */
    struct str context;
    int64_t ts_ms; /* the record's timestamp */
};

/* -1 with err for a record that makes no sense (bad JSON, wrong magic, members of the wrong kind): it is to be skipped. */
int change_read(const struct record *rec, struct arena *a, struct change *out, struct err *err);
void change_put_key(struct buf *out, const struct change *c);
void change_put_value(struct buf *out, const struct change *c); /* not for a tombstone */

#endif
