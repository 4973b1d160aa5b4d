#include "serde/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof(*(a)))
#define ADDRESS "{\"type\":\"record\",\"name\":\"Address\",\"namespace\":\"com.ex\",\"fields\":[{\"name\":\"street\",\"type\":\"string\"}]}"
#define CUSTOMER(type) "{\"type\":\"record\",\"name\":\"Customer\",\"namespace\":\"com.ex\",\"fields\":[{\"name\":\"home\",\"type\":" type "}]}"

static void assert_str(struct str got, const char *expected)
{
    if (!str_is(got, expected))
        fail_msg("got      %.*s\nexpected %s", STR_ARG(got), expected);
}

static struct schema *parse(const char *text)
{
    struct err err = {0};
    const struct schema_source src = {.text = str_of(text)};
    struct schema *s = schema_parse(&src, &err);
    if (s == NULL)
        fail_msg("%s: %s", text, err.text);
    return s;
}

static void types(void **state)
{
    enum schema_type t;
    struct err err = {0};
    assert_int_equal(schema_type_parse(STR_NULL, &t, &err), 0);
    assert_int_equal(t, SCHEMA_AVRO);
    assert_int_equal(schema_type_parse(STR("PROTOBUF"), &t, &err), 0);
    assert_string_equal(schema_type_name(t), "PROTOBUF");
    assert_int_equal(schema_type_parse(STR("avro"), &t, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "Invalid schema type avro"));
}

static void types_without_a_wing(void **state)
{
    for (int t = SCHEMA_JSON; t <= SCHEMA_PROTOBUF; t++) {
        struct err err = {0};
        const struct schema_source src = {.type = (enum schema_type)t, .text = STR("{\"type\": \"object\"}")};
        assert_null(schema_parse(&src, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.text, "not supported yet"));
        struct schema *s = schema_keep(&src, &err), *same = schema_keep(&src, &err);
        size_t n;
        assert_str(schema_canonical(s), "{\"type\": \"object\"}");
        assert_null(schema_name(s).p);
        schema_field_names(s, &n);
        assert_int_equal(n, 0);
        assert_true(schema_equivalent(s, same));
        struct schema *normal = schema_normalize(s, &err);
        assert_ptr_equal(normal, s);
        schema_unref(normal);
        schema_unref(same);
        schema_unref(s);
    }
}

static void what_it_says(void **state)
{
    struct schema *s = parse("{\"name\":\"com.acme.Pay\",\"type\":\"record\",\"fields\":[{\"type\":\"int\",\"name\":\"a\"},{\"name\":\"b\",\"type\":\"long\"}]}");
    size_t n;
    assert_int_equal(schema_type_of(s), SCHEMA_AVRO);
    assert_str(schema_name(s), "com.acme.Pay");
    const struct str *fields = schema_field_names(s, &n);
    assert_int_equal(n, 2);
    assert_str(fields[0], "a");
    assert_str(fields[1], "b");
    assert_true(schema_size(s) > 100);
    struct schema *other = schema_ref(s);
    schema_unref(s);
    assert_str(schema_name(other), "com.acme.Pay");
    schema_unrefp(&other);
    s = parse("[\"null\", \"int\"]");
    assert_null(schema_name(s).p);
    schema_field_names(s, &n);
    assert_int_equal(n, 0);
    schema_unref(s);
    schema_unref(NULL);
}

static struct schema *with_address(const char *text, const struct schema_ref *refs, size_t nrefs)
{
    struct err err = {0};
    const struct str texts[] = {STR(ADDRESS)};
    const struct schema_source src = {.text = str_of(text), .refs = refs, .nrefs = nrefs, .ref_texts = texts, .nref_texts = 1, .flags = SCHEMA_NEW};
    struct schema *s = schema_parse(&src, &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

static void references(void **state)
{
    const struct schema_ref refs[] = {{STR("com.ex.Address"), STR("z"), 1}, {STR("B"), STR("a"), 2}, {STR("A"), STR("a"), 2},
                                      {STR("B"), STR("a"), 2}, {STR("C"), STR("a"), 1}};
    struct err err = {0};
    size_t n;
    struct schema *s = with_address(CUSTOMER("\"com.ex.Address\""), refs, N(refs));
    assert_str(schema_canonical(s), CUSTOMER("\"Address\""));
    const struct schema_ref *kept = schema_refs(s, &n);
    assert_int_equal(n, N(refs));
    assert_str(kept[0].name, "com.ex.Address");
    assert_str(kept[0].subject, "z");

    struct schema *normal = schema_normalize(s, &err);
    assert_non_null(normal);
    assert_str(schema_canonical(normal), CUSTOMER("\"Address\""));
    kept = schema_refs(normal, &n);
    assert_int_equal(n, 4); /* sorted by subject and version; as given where those are equal */
    assert_str(kept[0].name, "C");
    assert_str(kept[1].name, "B");
    assert_str(kept[2].name, "A");
    assert_str(kept[3].name, "com.ex.Address");

    struct buf out = {0};
    assert_int_equal(schema_put_resolved(s, &out, &err), 0);
    struct schema *inlined = parse(CUSTOMER("{\"type\":\"record\",\"name\":\"Address\",\"fields\":[{\"name\":\"street\",\"type\":\"string\"}]}"));
    assert_true(str_eq(buf_str(&out), schema_canonical(inlined)));
    assert_true(schema_equivalent(inlined, s));
    buf_clear(&out);
    schema_unref(inlined);
    schema_unref(normal);
    schema_unref(s);
}

static void equivalence(void **state)
{
    static const struct { const char *why, *a, *b; bool same; } cases[] = {
        {"blanks and the order of attributes", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", "{ \"size\": 3, \"name\":\"F\", \"type\":\"fixed\" }", true},
        {"a spelled out namespace", "{\"type\":\"fixed\",\"name\":\"n.F\",\"size\":3}", "{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"n\",\"size\":3}", true},
        {"properties in another order", "{\"type\":\"int\",\"a\":{\"x\":1,\"y\":2},\"b\":2}", "{\"type\":\"int\",\"b\":2,\"a\":{\"y\":2,\"x\":1}}", true},
        {"numbers by value", "{\"type\":\"int\",\"a\":1.50}", "{\"type\":\"int\",\"a\":15e-1}", true},
        {"a property's value", "{\"type\":\"int\",\"a\":1}", "{\"type\":\"int\",\"a\":1.0}", false},
        {"a property more", "{\"type\":\"int\",\"a\":1}", "\"int\"", false},
        {"doc", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3,\"doc\":\"\"}", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", false},
        {"aliases in another order", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3,\"aliases\":[\"A\",\"B\"]}", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3,\"aliases\":[\"B\",\"A\"]}", true},
        {"an alias", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3,\"aliases\":[\"A\",\"B\"]}", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3,\"aliases\":[\"B\",\"C\"]}", false},
        {"order of symbols", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"B\",\"A\"]}", false},
        {"enum default", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":\"A\"}", false},
        {"a field's default", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\",\"default\":1}]}", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\",\"default\":2}]}", false},
        {"error and record", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}", "{\"type\":\"error\",\"name\":\"R\",\"fields\":[]}", false},
        {"recursion", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\",\"R\"]}]}", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"type\":[\"null\",\"R\"],\"name\":\"a\"}]}", true},
        {"branches in another order", "[\"null\",\"int\"]", "[\"int\",\"null\"]", false},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct schema *a = parse(cases[i].a), *b = parse(cases[i].b);
        if (schema_equivalent(a, b) != cases[i].same || schema_equivalent(b, a) != cases[i].same)
            fail_msg("%s", cases[i].why);
        assert_true(schema_equivalent(a, a));
        schema_unref(a);
        schema_unref(b);
    }
}

static void guids(void **state)
{
    static const char *const bad[] = {"", "427bf3a4-9425-a5e5-72ea-9b264f947ac", "427bf3a4-9425-a5e5-72ea-9b264f947acg",
                                      "427bf3a49425-a5e5-72ea-9b264f947ac1-", "427bf3a4_9425_a5e5_72ea_9b264f947ac1", "427bf3a49425a5e572ea9b264f947ac"};
    unsigned char md5[16], again[16];
    char text[37];
    assert_true(schema_guid_parse(STR("427BF3A4-9425-A5E5-72EA-9b264f947ac1"), md5));
    assert_int_equal(md5[0], 0x42);
    assert_int_equal(md5[15], 0xc1);
    schema_guid_text(md5, text);
    assert_string_equal(text, "427bf3a4-9425-a5e5-72ea-9b264f947ac1");
    assert_true(schema_guid_parse(STR("427bf3a49425a5e572ea9b264f947ac1"), again));
    assert_memory_equal(md5, again, 16);
    for (size_t i = 0; i < N(bad); i++)
        assert_false(schema_guid_parse(str_of(bad[i]), again));
}

/* What is hashed, beyond the vectors. */
static void hashes(void **state)
{
    unsigned char a[16], b[16];
    struct err err = {0};
    char text[37];
    assert_int_equal(schema_hash(STR("abc"), NULL, 0, STR_NULL, STR_NULL, a, &err), 0);
    schema_guid_text(a, text);
    assert_string_equal(text, "90015098-3cd2-4fb0-d696-3f7d28e17f72"); /* MD5("abc"), RFC 1321 */
    assert_int_equal(schema_hash(STR("abc"), NULL, 0, STR("{}"), STR_NULL, b, &err), 0);
    assert_memory_not_equal(a, b, 16); /* empty is not absent */
    assert_int_equal(schema_hash(STR("abc"), NULL, 0, STR("null"), STR("null"), b, &err), 0);
    assert_memory_equal(a, b, 16);
    assert_int_equal(schema_hash(STR("x"), NULL, 0, STR("{\"properties\":{\"b\":\"1\",\"a\":\"2\"}}"), STR_NULL, a, &err), 0);
    assert_int_equal(schema_hash(STR("x"), NULL, 0, STR("{\"properties\":{\"a\":\"2\",\"b\":\"1\"}}"), STR_NULL, b, &err), 0);
    assert_memory_equal(a, b, 16);
    assert_int_equal(schema_hash(STR("x"), NULL, 0, STR_NULL, STR("{\"domainRules\":[{\"name\":\"r\"}]}"), a, &err), 0);
    assert_int_equal(schema_hash(STR("x"), NULL, 0, STR_NULL, STR("{\"domainRules\":[{\"name\":\"r\",\"kind\":\"TRANSFORM\",\"mode\":\"WRITEREAD\"}]}"), b, &err), 0);
    assert_memory_equal(a, b, 16); /* the defaults are hashed */
    assert_int_equal(schema_hash(STR("x"), NULL, 0, STR("[]"), STR_NULL, a, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    err_clear(&err);
    assert_int_equal(schema_hash(STR("x"), NULL, 0, STR_NULL, STR("{"), a, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),      cmocka_unit_test(types_without_a_wing), cmocka_unit_test(what_it_says),
        cmocka_unit_test(references), cmocka_unit_test(equivalence),          cmocka_unit_test(guids),
        cmocka_unit_test(hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
