/* serde/hash.c - the content hash of a schema, which is also its GUID (contracts serde.md 8). */
#include "serde/schema.h"

#include "base/json.h"
#include "base/own.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct hashing {
    EVP_MD_CTX *md;
    struct arena arena;
    bool nomem;
};

static void put(struct hashing *h, struct str s)
{
    if (s.n > 0)
        EVP_DigestUpdate(h->md, s.p, s.n);
}

/* A value where the API has text: a scalar counts as its text, null and the rest as nothing. */
static struct str scalar(const struct json *v)
{
    if (v == NULL)
        return STR_NULL;
    switch (v->type) {
    case JSON_T_STRING:
    case JSON_T_NUMBER: return v->text;
    case JSON_T_TRUE: return STR("true");
    case JSON_T_FALSE: return STR("false");
    default: return STR_NULL;
    }
}

static int text_order(const void *a, const void *b)
{
    return str_cmp_utf16(scalar(*(const struct json *const *)a), scalar(*(const struct json *const *)b));
}

static int key_order(const void *a, const void *b)
{
    return str_cmp_utf16((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

/* The children of v in the given order; *n is 0 when v is not of that type. */
static const struct json **sorted(struct hashing *h, const struct json *v, enum json_type type, int (*order)(const void *, const void *),
                                  size_t *n)
{
    *n = 0;
    if (!json_is(v, type) || v->count == 0)
        return NULL;
    const struct json **list = arena_calloc(&h->arena, v->count, sizeof *list);
    if (list == NULL) {
        h->nomem = true;
        return NULL;
    }
    for (const struct json *m = v->first; m != NULL; m = m->next)
        list[(*n)++] = m;
    qsort(list, *n, sizeof *list, order);
    return list;
}

/* An array of texts that means a set: sorted, each once. */
static void put_set(struct hashing *h, const struct json *v)
{
    size_t n;
    const struct json **list = sorted(h, v, JSON_T_ARRAY, text_order, &n);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_eq(scalar(list[i]), scalar(list[i - 1])))
            put(h, scalar(list[i]));
}

/* Key and value of each member, sorted by key; a value is a text, or a set of them. */
static void put_members(struct hashing *h, const struct json *v)
{
    size_t n;
    const struct json **list = sorted(h, v, JSON_T_OBJECT, key_order, &n);
    for (size_t i = 0; i < n; i++) {
        put(h, list[i]->key);
        if (list[i]->type == JSON_T_ARRAY)
            put_set(h, list[i]);
        else
            put(h, scalar(list[i]));
    }
}

static void put_metadata(struct hashing *h, const struct json *v)
{
    put(h, STR("\x01"));
    put_members(h, json_get(v, "tags"));
    put_members(h, json_get(v, "properties"));
    put_set(h, json_get(v, "sensitive"));
}

static void put_or(struct hashing *h, const struct json *v, struct str otherwise)
{
    struct str s = scalar(v);
    put(h, s.p != NULL ? s : otherwise);
}

static void put_rules(struct hashing *h, const struct json *list)
{
    if (!json_is(list, JSON_T_ARRAY))
        return;
    for (const struct json *r = list->first; r != NULL; r = r->next) {
        put(h, scalar(json_get(r, "name")));
        put(h, scalar(json_get(r, "doc")));
        put_or(h, json_get(r, "kind"), STR("TRANSFORM"));
        put_or(h, json_get(r, "mode"), STR("WRITEREAD"));
        put(h, scalar(json_get(r, "type")));
        put_set(h, json_get(r, "tags"));
        put_members(h, json_get(r, "params"));
        put(h, scalar(json_get(r, "expr")));
        put(h, scalar(json_get(r, "onSuccess")));
        put(h, scalar(json_get(r, "onFailure")));
        if (json_is(json_get(r, "disabled"), JSON_T_TRUE))
            put(h, STR("\x01"));
    }
}

static void put_rule_set(struct hashing *h, const struct json *v)
{
    put(h, STR("\x01"));
    put_rules(h, json_get(v, "migrationRules"));
    put_rules(h, json_get(v, "domainRules"));
    put_rules(h, json_get(v, "encodingRules"));
    put(h, scalar(json_get(v, "enableAt")));
}

/* An entity that is there must be an object; null is as good as absent. */
static int read_entity(struct hashing *h, const char *what, struct str text, const struct json **out, struct err *err)
{
    *out = NULL;
    if (text.p == NULL)
        return 0;
    const struct json *v = json_parse(text, JSON_DUP_LAST, 0, &h->arena, err);
    if (v == NULL)
        return -1;
    if (v->type == JSON_T_OBJECT)
        *out = v;
    else if (v->type != JSON_T_NULL)
        return err_set(err, ERR_INVALID, "%s must be a JSON object", what);
    return 0;
}

static int hash_all(struct hashing *h, struct str canonical, const struct schema_ref *refs, size_t nrefs, struct str metadata,
                    struct str rule_set, unsigned char md5[16], struct err *err)
{
    const struct json *meta, *rules;
    if (read_entity(h, "metadata", metadata, &meta, err) < 0 || read_entity(h, "ruleSet", rule_set, &rules, err) < 0)
        return -1;
    if (h->md == NULL || EVP_DigestInit_ex(h->md, EVP_md5(), NULL) != 1)
        return err_set(err, ERR_IO, "libcrypto has no MD5, which schema ids are made with; is it in FIPS mode?");
    put(h, canonical);
    for (size_t i = 0; i < nrefs; i++) {
        uint32_t v = (uint32_t)refs[i].version;
        const char be[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
        put(h, refs[i].name);
        put(h, refs[i].subject);
        put(h, str_n(be, sizeof be));
    }
    if (meta != NULL)
        put_metadata(h, meta);
    if (rules != NULL)
        put_rule_set(h, rules);
    if (h->nomem || EVP_DigestFinal_ex(h->md, md5, NULL) != 1)
        return err_nomem(err);
    return 0;
}

int schema_hash(struct str canonical, const struct schema_ref *refs, size_t nrefs, struct str metadata, struct str rule_set,
                unsigned char md5[16], struct err *err)
{
    struct hashing h = {.md = EVP_MD_CTX_new()};
    int status = hash_all(&h, canonical, refs, nrefs, metadata, rule_set, md5, err);
    EVP_MD_CTX_free(h.md);
    arena_clear(&h.arena);
    return status;
}

void schema_guid_text(const unsigned char md5[16], char out[37])
{
    static const char hex[] = "0123456789abcdef";
    char *to = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[md5[i] >> 4];
        *to++ = hex[md5[i] & 15];
    }
    *to = '\0';
}

bool schema_guid_parse(struct str text, unsigned char md5[16])
{
    bool dashes = text.n == 36;
    size_t at = 0;
    if (!dashes && text.n != 32)
        return false;
    for (int i = 0; i < 16; i++) {
        if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) && text.p[at++] != '-')
            return false;
        int high = str_hex_digit(text.p[at]), low = str_hex_digit(text.p[at + 1]);
        if (high < 0 || low < 0)
            return false;
        md5[i] = (unsigned char)(high << 4 | low);
        at += 2;
    }
    return true;
}
