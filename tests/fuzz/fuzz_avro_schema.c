/* Avro schemas: what is accepted as new is accepted as stored; canonical and normalised texts are fixed points and mean the same; a schema reads its
 * own data; comparing any two schemas ends.  A NUL byte parts a referenced text (before it) from the schema. */
#include "serde/compat.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define MUST(c)                                                                                                                   \
    do {                                                                                                                          \
        if (!(c)) {                                                                                                               \
            fprintf(stderr, "broken: %s\n", #c);                                                                                  \
            abort();                                                                                                              \
        }                                                                                                                         \
    } while (0)

static struct schema *parse(struct str text, const struct str *ref, unsigned flags, struct err *err)
{
    const struct schema_source src = {.text = text, .ref_texts = ref, .nref_texts = ref != NULL, .flags = flags};
    return schema_parse(&src, err);
}

/* Texts that nest too deeply once types are written where they are first used are refused: no other text of an accepted schema is. */
static void check_texts(struct schema *s, const struct str *ref)
{
    struct err err = {0};
    struct schema *again = parse(schema_canonical(s), ref, 0, &err);
    if (again == NULL)
        fprintf(stderr, "%.*s\n%s\n", STR_ARG(schema_canonical(s)), err.text);
    MUST(again != NULL);
    MUST(str_eq(schema_canonical(again), schema_canonical(s)));
    schema_unref(again);
    struct schema *normal = schema_normalize(s, &err);
    if (normal != NULL) {
        struct schema *twice = schema_normalize(normal, &err);
        MUST(twice != NULL && str_eq(schema_canonical(normal), schema_canonical(twice)));
        schema_unref(twice);
        schema_unref(normal);
    }
    struct buf out = {0};
    err_clear(&err);
    if (schema_put_resolved(s, &out, &err) == 0)
        schema_unref(parse(buf_str(&out), NULL, 0, &err));
    buf_clear(&out);
}

static void check_self(const struct schema *s)
{
    struct findings f = {0};
    struct err err = {0};
    MUST(schema_equivalent(s, s));
    if (compat_check_schema(s, s, &f, &err) == 0)
        MUST(f.n == 0 || f.list[0].type.p == NULL); /* a field that matches two of its own record is only a text */
    else
        MUST(err.code == ERR_TOO_BIG);
    findings_clear(&f);
}

static void check_pair(const struct schema *old, const struct schema *new)
{
    const struct compat_version history[] = {{1, old}};
    struct arena a = {0};
    struct str *messages;
    size_t n;
    bool yes, silent;
    MUST(compat_check_history(new, history, 1, COMPAT_FULL, false, &yes, &a, &messages, &n, NULL) == 0);
    MUST(yes == (n == 0));
    MUST(compat_check_history(new, history, 1, COMPAT_FULL, false, &silent, &a, NULL, NULL, NULL) == 0);
    MUST(yes == silent);
    arena_clear(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_n(data, n), ref = STR_NULL;
    ptrdiff_t cut = str_find(text, '\0');
    struct err err = {0};
    if (cut >= 0) {
        ref = str_n(text.p, (size_t)cut);
        text = str_n(text.p + cut + 1, text.n - (size_t)cut - 1);
    }
    const struct str *refs = ref.p != NULL ? &ref : NULL;
    struct schema *strict = parse(text, refs, SCHEMA_NEW, &err);
    MUST((strict == NULL) == (err.code != 0));
    MUST(strict != NULL || err.code == ERR_INVALID || err.code == ERR_TOO_BIG);
    struct schema *s = parse(text, refs, 0, NULL);
    MUST(strict == NULL || s != NULL);
    if (s != NULL) {
        check_texts(s, refs);
        check_self(s);
        struct schema *old = refs != NULL ? parse(ref, NULL, 0, NULL) : NULL;
        if (old != NULL)
            check_pair(old, s);
        schema_unref(old);
    }
    if (strict != NULL) {
        MUST(schema_equivalent(s, strict));
        check_self(strict);
    }
    schema_unref(strict);
    schema_unref(s);
    return 0;
}
