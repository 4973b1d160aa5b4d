#include "serde/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof(*(a)))
#define FIELD(f) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\"," f "}]}"

/* normal NULL: the same as canonical. */
static const struct { const char *why, *text, *canonical, *normal; } cases[] = {
    {"a primitive", "{ \"type\" : \"int\" }", "\"int\"", NULL},
    {"reserved attributes of a primitive are dropped", "{\"type\":\"int\",\"doc\":\"d\",\"namespace\":\"n\",\"size\":3,\"aliases\":[]}", "\"int\"", NULL},
    {"order, default and logicalType are properties of a primitive", "{\"order\":1,\"default\":2,\"type\":\"int\",\"logicalType\":\"x\"}",
     "{\"type\":\"int\",\"order\":1,\"default\":2,\"logicalType\":\"x\"}", "{\"type\":\"int\",\"default\":2,\"logicalType\":\"x\",\"order\":1}"},
    {"all of a record", "{\"aliases\":[\"n.B\",\"m.C\"],\"p\":1,\"fields\":[],\"doc\":\"d\",\"namespace\":\"n\",\"name\":\"A\",\"type\":\"error\"}",
     "{\"type\":\"error\",\"name\":\"A\",\"namespace\":\"n\",\"doc\":\"d\",\"fields\":[],\"p\":1,\"aliases\":[\"B\",\"m.C\"]}",
     "{\"type\":\"record\",\"name\":\"A\",\"namespace\":\"n\",\"doc\":\"d\",\"fields\":[],\"p\":1,\"aliases\":[\"m.C\",\"B\"]}"},
    {"all of a field", FIELD("\"z\":{\"b\":1,\"a\":[{\"d\":0,\"c\":0}]},\"aliases\":[\"q\",\"b\"],\"order\":\"ignore\",\"default\":7,\"doc\":\"\",\"y\":null,\"type\":\"int\""),
     FIELD("\"type\":\"int\",\"doc\":\"\",\"default\":7,\"order\":\"ignore\",\"aliases\":[\"q\",\"b\"],\"z\":{\"b\":1,\"a\":[{\"d\":0,\"c\":0}]},\"y\":null"),
     FIELD("\"type\":\"int\",\"doc\":\"\",\"default\":7,\"order\":\"ignore\",\"aliases\":[\"b\",\"q\"],\"y\":null,\"z\":{\"a\":[{\"c\":0,\"d\":0}],\"b\":1}")},
    {"ascending is not written", FIELD("\"type\":\"int\",\"order\":\"ascending\""), FIELD("\"type\":\"int\""), NULL},
    {"all of an enum", "{\"aliases\":[\"B\"],\"p\":1,\"default\":\"X\",\"symbols\":[\"Y\",\"X\"],\"doc\":\"\",\"name\":\"n.E\",\"type\":\"enum\"}",
     "{\"type\":\"enum\",\"name\":\"E\",\"namespace\":\"n\",\"doc\":\"\",\"symbols\":[\"Y\",\"X\"],\"default\":\"X\",\"p\":1,\"aliases\":[\"B\"]}",
     "{\"type\":\"enum\",\"name\":\"E\",\"namespace\":\"n\",\"symbols\":[\"Y\",\"X\"],\"default\":\"X\",\"p\":1,\"aliases\":[\"B\"]}"},
    {"array and map keep properties", "{\"p\":1,\"items\":{\"q\":2,\"values\":\"int\",\"type\":\"map\"},\"type\":\"array\"}",
     "{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":\"int\",\"q\":2},\"p\":1}", NULL},
    {"an object around a name is not written", "[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"array\",\"items\":{\"type\":\"F\",\"p\":1}}]",
     "[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"array\",\"items\":\"F\"}]", NULL},

    {"names are short in their namespace", "{\"type\":\"record\",\"name\":\"n.A\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":\"fixed\",\"name\":\"n.F\",\"size\":1}},{\"name\":\"b\",\"type\":\"n.F\"},{\"name\":\"c\",\"type\":{\"type\":\"record\",\"name\":\"m.C\",\"fields\":[{\"name\":\"d\",\"type\":\"n.F\"}]}}]}",
     "{\"type\":\"record\",\"name\":\"A\",\"namespace\":\"n\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}},{\"name\":\"b\",\"type\":\"F\"},{\"name\":\"c\",\"type\":{\"type\":\"record\",\"name\":\"C\",\"namespace\":\"m\",\"fields\":[{\"name\":\"d\",\"type\":\"n.F\"}]}}]}", NULL},
    {"no namespace inside one; normalised it falls into it", "{\"type\":\"record\",\"name\":\"n.A\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"\",\"size\":1}}]}",
     "{\"type\":\"record\",\"name\":\"A\",\"namespace\":\"n\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"\",\"size\":1}}]}",
     "{\"type\":\"record\",\"name\":\"A\",\"namespace\":\"n\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}}]}"},
    {"a name that would be read as a type is written in full", "{\"type\":\"record\",\"name\":\"n.A\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":\"fixed\",\"name\":\"int\",\"size\":1}},{\"name\":\"b\",\"type\":\"n.int\"},{\"name\":\"c\",\"type\":\"int\"}]}",
     "{\"type\":\"record\",\"name\":\"A\",\"namespace\":\"n\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":\"fixed\",\"name\":\"int\",\"size\":1}},{\"name\":\"b\",\"type\":\"n.int\"},{\"name\":\"c\",\"type\":\"int\"}]}", NULL},
    {"a later type is written where it is first used", "[{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"f\",\"type\":{\"type\":\"array\",\"items\":\"F\"}}]},{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}]",
     "[{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"f\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}}}]},\"F\"]", NULL},
    {"an alias without a namespace", "{\"type\":\"fixed\",\"name\":\"n.F\",\"size\":1,\"aliases\":[\".G\",\"H\"]}",
     "{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"n\",\"size\":1,\"aliases\":[\".G\",\"H\"]}", NULL},

    {"numbers", FIELD("\"type\":\"int\",\"p\":[-0,1.0,0.10,1e2,1E-7,12345678.5,123456789012345678901234567890,1e400,-0.0]"),
     FIELD("\"type\":\"int\",\"p\":[0,1.0,0.1,100.0,1.0E-7,1.23456785E7,123456789012345678901234567890,\"Infinity\",-0.0]"), NULL},
    {"texts given for floating point numbers", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"double\",\"default\":\"1.50\"},{\"name\":\"b\",\"type\":\"float\",\"default\":\"-Infinity\"},{\"name\":\"c\",\"type\":[\"double\",\"null\"],\"default\":\"2\"},{\"name\":\"d\",\"type\":\"float\",\"default\":1}]}",
     "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"double\",\"default\":1.5},{\"name\":\"b\",\"type\":\"float\",\"default\":\"-Infinity\"},{\"name\":\"c\",\"type\":[\"double\",\"null\"],\"default\":\"2\"},{\"name\":\"d\",\"type\":\"float\",\"default\":1}]}", NULL},
    {"escapes", FIELD("\"type\":\"int\",\"doc\":\"\\u00e9\\/\\u001f\\u007f\\u2028\\ud83d\\ude00\\t\""),
     FIELD("\"type\":\"int\",\"doc\":\"\xC3\xA9/\\u001F\x7f\xE2\x80\xA8\xF0\x9F\x98\x80\\t\""), NULL},
    {"an escaped name", "{\"type\":\"fixed\",\"name\":\"\\u0041\",\"size\":1,\"\\u0070\":1}", "{\"type\":\"fixed\",\"name\":\"A\",\"size\":1,\"p\":1}", NULL},

    {"a valid logical type leads", "{\"type\":\"bytes\",\"a\":1,\"scale\":2,\"precision\":9,\"logicalType\":\"decimal\"}",
     "{\"type\":\"bytes\",\"a\":1,\"scale\":2,\"precision\":9,\"logicalType\":\"decimal\"}", "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2,\"a\":1}"},
    {"scale 0 does not", "{\"type\":\"bytes\",\"b\":1,\"scale\":0,\"precision\":9,\"logicalType\":\"decimal\"}",
     "{\"type\":\"bytes\",\"b\":1,\"scale\":0,\"precision\":9,\"logicalType\":\"decimal\"}", "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"b\":1,\"scale\":0}"},
    {"an invalid one does not", "{\"type\":\"string\",\"precision\":9,\"logicalType\":\"decimal\",\"a\":0}",
     "{\"type\":\"string\",\"precision\":9,\"logicalType\":\"decimal\",\"a\":0}", "{\"type\":\"string\",\"a\":0,\"logicalType\":\"decimal\",\"precision\":9}"},
    {"a date", "{\"type\":\"int\",\"a\":1,\"logicalType\":\"date\"}", "{\"type\":\"int\",\"a\":1,\"logicalType\":\"date\"}", "{\"type\":\"int\",\"logicalType\":\"date\",\"a\":1}"},
    {"keys are sorted by UTF-16", "{\"type\":\"int\",\"\xF0\x9F\x98\x80\":1,\"\xEF\xBF\xBD\":2}", "{\"type\":\"int\",\"\xF0\x9F\x98\x80\":1,\"\xEF\xBF\xBD\":2}", NULL},
    {"defaults are sorted inside", FIELD("\"type\":{\"type\":\"map\",\"values\":\"int\"},\"default\":{\"b\":1,\"a\":2}"),
     FIELD("\"type\":{\"type\":\"map\",\"values\":\"int\"},\"default\":{\"b\":1,\"a\":2}"), FIELD("\"type\":{\"type\":\"map\",\"values\":\"int\"},\"default\":{\"a\":2,\"b\":1}")},
};

static void texts(void **state)
{
    for (size_t i = 0; i < N(cases); i++) {
        struct err err = {0};
        struct schema_source src = {.text = str_of(cases[i].text), .flags = SCHEMA_NEW};
        struct schema *s = schema_parse(&src, &err);
        if (s == NULL)
            fail_msg("%s: %s", cases[i].why, err.text);
        if (!str_is(schema_canonical(s), cases[i].canonical))
            fail_msg("%s:\ngot      %.*s\nexpected %s", cases[i].why, STR_ARG(schema_canonical(s)), cases[i].canonical);
        struct schema *normal = schema_normalize(s, &err);
        assert_non_null(normal);
        const char *expected = cases[i].normal != NULL ? cases[i].normal : cases[i].canonical;
        if (!str_is(schema_canonical(normal), expected))
            fail_msg("%s, normalised:\ngot      %.*s\nexpected %s", cases[i].why, STR_ARG(schema_canonical(normal)), expected);
        src.text = schema_canonical(s);
        struct schema *again = schema_parse(&src, &err);
        if (again == NULL)
            fail_msg("%s: %s", cases[i].why, err.text);
        assert_true(str_eq(schema_canonical(again), schema_canonical(s)));
        schema_unref(again);
        schema_unref(normal);
        schema_unref(s);
    }
}

/* What is the whole of a referenced schema is written by name, what is inside it where it is first used. */
static void referenced(void **state)
{
    const struct str texts[] = {STR("{\"type\":\"record\",\"name\":\"a.Outer\",\"fields\":[{\"name\":\"k\",\"type\":{\"type\":\"enum\",\"name\":\"Kind\",\"symbols\":[\"A\"]}}]}"),
                                STR("[{\"type\":\"fixed\",\"name\":\"b.F\",\"size\":2},\"null\"]")};
    struct schema_source src = {.ref_texts = texts, .nref_texts = 2, .flags = SCHEMA_NEW,
        .text = STR("{\"type\":\"record\",\"name\":\"a.Main\",\"fields\":[{\"name\":\"o\",\"type\":\"Outer\"},{\"name\":\"k\",\"type\":\"Kind\"},{\"name\":\"k2\",\"type\":\"a.Kind\"},{\"name\":\"f\",\"type\":\"b.F\"}]}")};
    const char *canonical = "{\"type\":\"record\",\"name\":\"Main\",\"namespace\":\"a\",\"fields\":[{\"name\":\"o\",\"type\":\"Outer\"},{\"name\":\"k\",\"type\":{\"type\":\"enum\",\"name\":\"Kind\",\"symbols\":[\"A\"]}},{\"name\":\"k2\",\"type\":\"Kind\"},{\"name\":\"f\",\"type\":\"b.F\"}]}";
    const char *resolved = "{\"type\":\"record\",\"name\":\"Main\",\"namespace\":\"a\",\"fields\":[{\"name\":\"o\",\"type\":{\"type\":\"record\",\"name\":\"Outer\",\"fields\":[{\"name\":\"k\",\"type\":{\"type\":\"enum\",\"name\":\"Kind\",\"symbols\":[\"A\"]}}]}},{\"name\":\"k\",\"type\":\"Kind\"},{\"name\":\"k2\",\"type\":\"Kind\"},{\"name\":\"f\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"b\",\"size\":2}}]}";
    struct err err = {0};
    struct schema *s = schema_parse(&src, &err);
    assert_non_null(s);
    if (!str_is(schema_canonical(s), canonical))
        fail_msg("%.*s", STR_ARG(schema_canonical(s)));
    struct buf out = {0};
    assert_int_equal(schema_put_resolved(s, &out, &err), 0);
    if (!str_is(buf_str(&out), resolved))
        fail_msg("%.*s", STR_ARG(buf_str(&out)));
    src.text = schema_canonical(s); /* defines a.Kind again, as it was */
    struct schema *again = schema_parse(&src, &err);
    assert_non_null(again);
    assert_true(str_is(schema_canonical(again), canonical));
    schema_unref(again);

    src.text = STR("\"a.Outer\""); /* the schema is what it references */
    again = schema_parse(&src, &err);
    assert_non_null(again);
    assert_true(str_is(schema_canonical(again), "\"a.Outer\""));
    assert_true(str_is(schema_name(again), "a.Outer"));
    schema_unref(again);
    src.text = STR("{\"type\":\"fixed\",\"name\":\"b.F\",\"size\":3}");
    assert_null(schema_parse(&src, &err));
    assert_non_null(strstr(err.text, "b.F is defined a second time, and differently at line 1 column 1"));
    buf_clear(&out);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(referenced)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
