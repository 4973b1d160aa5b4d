#include "serde/avro/model.h"
#include "serde/avro/names.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof(*(a)))
#define FIELD(f) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\"," f "}]}"

static struct schema *parse(struct str text, unsigned flags, struct err *err)
{
    const struct schema_source src = {.text = text, .flags = flags};
    return schema_parse(&src, err);
}

enum { NEITHER = 0, NEW = 1, OLD = 2, BOTH = 3 };

static const struct { const char *why, *text; int valid; const char *error; } cases[] = {
    {"a name", "\"int\"", BOTH, NULL},
    {"blanks around", " \n[ ] ", BOTH, NULL},
    {"nothing", "", NEITHER, "empty"},
    {"blanks only", " \t\n", NEITHER, "empty"},
    {"no JSON", "{\"type\":", NEITHER, "line 1 column"},
    {"two values", "\"int\" \"int\"", NEITHER, "line 1 column 7"},
    {"a number", "7", NEITHER, "not a number at line 1 column 1"},
    {"null", "null", NEITHER, "not null"},
    {"an unknown word", "\"strng\"", NEITHER, "\"strng\" is no type of Avro and is defined neither here nor in a reference at line 1 column 1"},
    {"a kind is no name", "\"record\"", NEITHER, "\"record\" is no type"},
    {"union is no type", "{\"type\":\"union\"}", NEITHER, "\"union\" is no type"},
    {"an object without a type", "{\"name\":\"a\"}", NEITHER, "without a \"type\""},
    {"a type that is no text", "{\"type\":[\"int\"]}", NEITHER, "must be a text at line 1 column 9"},
    {"a union inside a union", "[\"int\",[\"null\"]]", NEITHER, "directly inside a union at line 1 column 8"},
    {"an error", "{\"type\":\"error\",\"name\":\"E\",\"fields\":[]}", BOTH, NULL},

    {"record without a name", "{\"type\":\"record\",\"fields\":[]}", NEITHER, "record without a \"name\""},
    {"a name that is no text", "{\"type\":\"record\",\"name\":7,\"fields\":[]}", NEITHER, "record without a \"name\": a text is needed at line 1 column 25"},
    {"record without fields", "{\"type\":\"record\",\"name\":\"R\"}", NEITHER, "record R without \"fields\""},
    {"fields that are no array", "{\"type\":\"record\",\"name\":\"R\",\"fields\":{}}", NEITHER, "an array is needed"},
    {"a field that is no object", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[\"a\"]}", NEITHER, "must be an object, not a string"},
    {"a field without a name", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"type\":\"int\"}]}", NEITHER, "a field of record R without a \"name\""},
    {"a field with dots", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a.b\",\"type\":\"int\"}]}", NEITHER, "\"a.b\" is no field name"},
    {"a field's type as an object in an object", FIELD("\"type\":{\"type\":{\"type\":\"int\"}}"), NEITHER, "must be a text"},
    {"a field's type null", FIELD("\"type\":null"), NEITHER, "not null"},
    {"a field named twice", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},\n{\"name\":\"a\",\"type\":\"int\"}]}", NEITHER, "field \"a\" stands twice in record R at line 2 column 1"},
    {"order", FIELD("\"type\":\"int\",\"order\":\"ignore\""), BOTH, NULL},
    {"order in capitals, as stored by others", FIELD("\"type\":\"int\",\"order\":\"IGNORE\""), OLD, "\"order\" must be"},
    {"order of another type", FIELD("\"type\":\"int\",\"order\":1"), NEITHER, "\"order\" must be"},
    {"a member given twice: the last counts", FIELD("\"type\":\"nonsense\",\"type\":\"int\""), BOTH, NULL},
    {"doc that is no text is dropped", FIELD("\"type\":\"int\",\"doc\":7"), BOTH, NULL},
    {"aliases null", FIELD("\"type\":\"int\",\"aliases\":null"), NEITHER, "\"aliases\" must be an array of strings, not null"},
    {"aliases are not checked", FIELD("\"type\":\"int\",\"aliases\":[\"not a name\",\"\"]"), BOTH, NULL},

    {"letters of all scripts", "{\"type\":\"fixed\",\"name\":\"Gr\xC3\xB6\xC3\x9F" "e\xE4\xB8\xAD\xD9\xA1\",\"size\":1}", OLD, "is no name"},
    {"a digit of any script first", "{\"type\":\"fixed\",\"name\":\"\xD9\xA1\",\"size\":1}", NEITHER, "is no name"},
    {"a sign", "{\"type\":\"fixed\",\"name\":\"a\xE2\x82\xAC\",\"size\":1}", NEITHER, "is no name"},
    {"a letter beyond the basic plane", "{\"type\":\"fixed\",\"name\":\"\xF0\x90\x8C\xB0\",\"size\":1}", NEITHER, "is no name"},
    {"digits first", "{\"type\":\"fixed\",\"name\":\"1a\",\"size\":1}", NEITHER, "\"1a\" is no name"},
    {"a namespace with a dash", "{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"a-b\",\"size\":1}", OLD, "\"a-b\" is no namespace"},
    {"a namespace with a gap", "{\"type\":\"fixed\",\"name\":\"a..F\",\"size\":1}", OLD, "\"a.\" is no namespace"},
    {"a namespace beside a dotted name does not count", "{\"type\":\"fixed\",\"name\":\"a.F\",\"namespace\":\"-\",\"size\":1}", BOTH, NULL},
    {"a namespace that is no text does not count", "{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":3,\"size\":1}", BOTH, NULL},
    {"named after a type of Avro", "{\"type\":\"fixed\",\"name\":\"int\",\"size\":1}", NEITHER, "\"int\" is a type of Avro"},
    {"but in a namespace", "{\"type\":\"fixed\",\"name\":\"n.int\",\"size\":1}", BOTH, NULL},
    {"a trailing dot", "{\"type\":\"fixed\",\"name\":\"n.\",\"size\":1}", NEITHER, "\"\" is no name"},

    {"enum without symbols", "{\"type\":\"enum\",\"name\":\"E\"}", NEITHER, "enum E without \"symbols\""},
    {"no symbols", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[]}", BOTH, NULL},
    {"a symbol that is no text", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",1]}", NEITHER, "must be a text, not a number"},
    {"default among the symbols", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"],\"default\":\"B\"}", BOTH, NULL},
    {"default not among them", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":\"B\"}", NEITHER, "the default \"B\" of enum E is none of its symbols"},
    {"default null is none", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":null}", BOTH, NULL},

    {"size 0", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":0}", BOTH, NULL},
    {"size as text", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":\"3\"}", NEITHER, "needs a \"size\""},
    {"size with a fraction", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":1.0}", NEITHER, "needs a \"size\""},
    {"size over 31 bits", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2147483648}", NEITHER, "needs a \"size\""},
    {"map without values", "{\"type\":\"map\",\"items\":\"int\"}", NEITHER, "map without \"values\""},

    {"two of a kind", "[\"int\",{\"type\":\"int\",\"p\":1}]", NEITHER, "a second int in one union"},
    {"two maps", "[{\"type\":\"map\",\"values\":\"int\"},{\"type\":\"map\",\"values\":\"long\"}]", NEITHER, "a second map in one union"},
    {"two names", "[{\"type\":\"fixed\",\"name\":\"a.F\",\"size\":1},{\"type\":\"fixed\",\"name\":\"b.F\",\"size\":1}]", BOTH, NULL},
    {"one name twice", "[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},\"null\",\"F\"]", NEITHER, "F stands twice in one union at line 1 column 46"},

    {"use before definition", "{\"type\":\"record\",\"name\":\"n.R\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\",\"F\"]},{\"name\":\"b\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}}]}", BOTH, NULL},
    {"a name in an object", "[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"array\",\"items\":{\"type\":\"F\"}}]", BOTH, NULL},
    {"a short name of another namespace", "[{\"type\":\"fixed\",\"name\":\"n.F\",\"size\":1},{\"type\":\"array\",\"items\":\"F\"}]", NEITHER, "\"F\" is no type"},
    {"the same again", "[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"array\",\"items\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":1,\"doc\":\"d\"}}]", BOTH, NULL},
    {"a recursive one again", "[{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\",\"A\"]}]},{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\",\"A\"]}]}}]", BOTH, NULL},
    {"another one again", "[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"array\",\"items\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}}]", NEITHER, "F is defined a second time, and differently"},
    {"a property more", "[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"array\",\"items\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":1,\"p\":0}}]", NEITHER, "differently"},
    {"another kind again", "[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"array\",\"items\":{\"type\":\"enum\",\"name\":\"F\",\"symbols\":[]}}]", NEITHER, "differently"},

    {"default null of a null", FIELD("\"type\":\"null\",\"default\":null"), BOTH, NULL},
    {"default of a boolean", FIELD("\"type\":\"boolean\",\"default\":0"), OLD, "the default of field \"x\" of record R does not fit its type, boolean"},
    {"int -2^31", FIELD("\"type\":\"int\",\"default\":-2147483648"), BOTH, NULL},
    {"int 2^31", FIELD("\"type\":\"int\",\"default\":2147483648"), OLD, "does not fit its type, int"},
    {"int with an exponent", FIELD("\"type\":\"int\",\"default\":1e1"), OLD, "does not fit"},
    {"int as text", FIELD("\"type\":\"int\",\"default\":\"1\""), OLD, "does not fit"},
    {"long 2^63", FIELD("\"type\":\"long\",\"default\":9223372036854775808"), OLD, "does not fit"},
    {"float as hex text", FIELD("\"type\":\"float\",\"default\":\"0x1p3\""), OLD, "does not fit"},
    {"float as text", FIELD("\"type\":\"float\",\"default\":\" -1.5e3f \""), BOTH, NULL},
    {"double as any text", FIELD("\"type\":\"double\",\"default\":\"much\""), OLD, "does not fit its type, double"},
    {"bytes as a number", FIELD("\"type\":\"bytes\",\"default\":1"), OLD, "does not fit"},
    {"array of unions", FIELD("\"type\":{\"type\":\"array\",\"items\":[\"null\",\"int\"]},\"default\":[1,null]"), BOTH, NULL},
    {"map with a wrong value", FIELD("\"type\":{\"type\":\"map\",\"values\":\"int\"},\"default\":{\"a\":1,\"b\":\"\"}"), OLD, "does not fit its type, map"},
    {"map as an array", FIELD("\"type\":{\"type\":\"map\",\"values\":\"int\"},\"default\":[]"), OLD, "does not fit"},
    {"no branch of the union", FIELD("\"type\":[\"null\",\"int\"],\"default\":\"a\""), OLD, "does not fit its type, union"},
    {"no branch at all", FIELD("\"type\":[],\"default\":null"), OLD, "does not fit"},
    {"a record by its fields' defaults", FIELD("\"type\":{\"type\":\"record\",\"name\":\"B\",\"fields\":[{\"name\":\"y\",\"type\":\"int\",\"default\":7}]},\"default\":{}"), BOTH, NULL},
    {"a record with more members", FIELD("\"type\":{\"type\":\"record\",\"name\":\"B\",\"fields\":[{\"name\":\"y\",\"type\":\"int\"}]},\"default\":{\"z\":1,\"y\":2}"), BOTH, NULL},
    {"a record with a wrong member", FIELD("\"type\":{\"type\":\"record\",\"name\":\"n.B\",\"fields\":[{\"name\":\"y\",\"type\":\"int\",\"default\":7}]},\"default\":{\"y\":null}"), OLD, "does not fit its type, n.B"},
    {"a default that needs itself", FIELD("\"type\":\"R\",\"default\":{}"), OLD, "too intricate to check"},
    {"a default of a type defined later", "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"E\",\"default\":1},{\"name\":\"b\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[]}}]}", OLD, "does not fit its type, E"},

    {"logical types that do not fit are only properties", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2,\"logicalType\":\"decimal\",\"precision\":5}", BOTH, NULL},
};

static void texts(void **state)
{
    for (size_t i = 0; i < N(cases); i++)
        for (int strict = 0; strict < 2; strict++) {
            struct err err = {0};
            struct schema *s = parse(str_of(cases[i].text), strict ? SCHEMA_NEW : 0, &err);
            bool expected = cases[i].valid & (strict ? NEW : OLD);
            if ((s != NULL) != expected)
                fail_msg("%s (%s): %s", cases[i].why, strict ? "new" : "stored", s != NULL ? "accepted" : err.text);
            if (s == NULL && (err.code != ERR_INVALID || strstr(err.text, cases[i].error) == NULL))
                fail_msg("%s: %d %s", cases[i].why, err.code, err.text);
            schema_unref(s);
        }
}

static struct schema *must(const char *text)
{
    struct err err = {0};
    struct schema *s = parse(str_of(text), SCHEMA_NEW, &err);
    if (s == NULL)
        fail_msg("%s: %s", text, err.text);
    return s;
}

static void model(void **state)
{
    struct schema *s = must("{\"type\":\"record\",\"name\":\"com.acme.Pay\",\"doc\":\"a \\u00e9\",\"aliases\":[\"Old\",\"x.Y\",\"Old\"],\"fields\":["
                            "{\"name\":\"id\",\"type\":\"long\",\"order\":\"descending\",\"aliases\":[\"key\"],\"p\":[1.50]},"
                            "{\"name\":\"kind\",\"type\":{\"type\":\"enum\",\"name\":\"Kind\",\"symbols\":[\"A\",\"B\"],\"default\":\"B\"},\"default\":\"A\"},"
                            "{\"name\":\"amount\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}},"
                            "{\"name\":\"next\",\"type\":[\"null\",\"Pay\"],\"default\":null},"
                            "{\"name\":\"d\",\"type\":\"double\",\"default\":\"1.5\"}]}");
    const struct avro_model *m = avro_model(s);
    const struct avro_node *r = avro_root(s);
    assert_int_equal(m->nnamed, 2);
    assert_ptr_equal(m->named[0], r);
    assert_int_equal(r->kind, AVRO_T_RECORD);
    assert_true(str_is(r->name->full, "com.acme.Pay") && str_is(r->name->simple, "Pay") && str_is(r->name->space, "com.acme"));
    assert_true(str_is(r->name->doc, "a \xC3\xA9"));
    assert_int_equal(r->name->naliases, 2);
    assert_true(str_is(r->name->aliases[0], "com.acme.Old") && str_is(r->name->aliases[1], "x.Y"));
    assert_int_equal(r->n, 5);
    assert_int_equal(r->fields[0].order, AVRO_DESCENDING);
    assert_true(str_is(r->fields[0].aliases[0], "key"));
    assert_null(r->fields[0].def);
    assert_true(str_is(r->fields[0].props.list[0].value->first->text, "1.50"));
    const struct avro_node *kind = r->fields[1].type;
    assert_true(kind == m->named[1] && kind->named == 1 && str_is(kind->name->full, "com.acme.Kind"));
    assert_true(str_is(kind->name->symbol_default, "B"));
    assert_int_equal(avro_find_symbol(kind, STR("B")), 1);
    assert_int_equal(avro_find_symbol(kind, STR("C")), -1);
    assert_int_equal(r->fields[2].type->logical, AVRO_L_DECIMAL);
    assert_int_equal(r->fields[2].type->precision, 9);
    assert_int_equal(r->fields[2].type->scale, 2);
    assert_ptr_equal(r->fields[3].type->branches[1], r);
    assert_true(json_is(r->fields[3].def, JSON_T_NULL));
    assert_true(json_is(r->fields[4].def, JSON_T_NUMBER) && str_is(r->fields[4].def->text, "1.5"));
    assert_int_equal(avro_find_field(r, STR("next")), 3);
    assert_int_equal(avro_find_field(r, STR("none")), -1);
    schema_unref(s);
}

static void logical_types(void **state)
{
    static const struct { const char *text; enum avro_logical logical; } list[] = {
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", AVRO_L_DATE},
        {"{\"type\":\"long\",\"logicalType\":\"date\"}", AVRO_L_NONE},
        {"{\"type\":\"int\",\"logicalType\":\"time-millis\"}", AVRO_L_TIME_MILLIS},
        {"{\"type\":\"long\",\"logicalType\":\"time-micros\"}", AVRO_L_TIME_MICROS},
        {"{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", AVRO_L_TIMESTAMP_MILLIS},
        {"{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}", AVRO_L_TIMESTAMP_MICROS},
        {"{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}", AVRO_L_TIMESTAMP_NANOS},
        {"{\"type\":\"long\",\"logicalType\":\"local-timestamp-millis\"}", AVRO_L_LOCAL_TIMESTAMP_MILLIS},
        {"{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}", AVRO_L_LOCAL_TIMESTAMP_MICROS},
        {"{\"type\":\"long\",\"logicalType\":\"local-timestamp-nanos\"}", AVRO_L_LOCAL_TIMESTAMP_NANOS},
        {"{\"type\":\"string\",\"logicalType\":\"uuid\"}", AVRO_L_UUID},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":16,\"logicalType\":\"uuid\"}", AVRO_L_UUID},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":15,\"logicalType\":\"uuid\"}", AVRO_L_NONE},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":12,\"logicalType\":\"duration\"}", AVRO_L_DURATION},
        {"{\"type\":\"bytes\",\"logicalType\":\"duration\"}", AVRO_L_NONE},
        {"{\"type\":\"bytes\",\"logicalType\":\"big-decimal\"}", AVRO_L_BIG_DECIMAL},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":1}", AVRO_L_DECIMAL},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\"}", AVRO_L_NONE},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":0}", AVRO_L_NONE},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":\"4\"}", AVRO_L_NONE},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":2,\"scale\":3}", AVRO_L_NONE},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":2,\"scale\":-1}", AVRO_L_NONE},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2,\"logicalType\":\"decimal\",\"precision\":4}", AVRO_L_DECIMAL},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2,\"logicalType\":\"decimal\",\"precision\":5}", AVRO_L_NONE},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":0,\"logicalType\":\"decimal\",\"precision\":1}", AVRO_L_NONE},
        {"{\"type\":\"int\",\"logicalType\":7}", AVRO_L_NONE},
        {"{\"type\":\"int\",\"logicalType\":\"nonsense\"}", AVRO_L_NONE},
    };
    for (size_t i = 0; i < N(list); i++) {
        struct schema *s = must(list[i].text);
        if (avro_root(s)->logical != list[i].logical)
            fail_msg("%s: %d", list[i].text, avro_root(s)->logical);
        schema_unref(s);
    }
}

/* before, times over; middle; after, times over. */
static struct str repeat(const char *before, size_t times, const char *middle, const char *after)
{
    struct buf b = {0};
    for (size_t i = 0; i < times; i++)
        buf_put_str(&b, str_of(before));
    buf_put_str(&b, str_of(middle));
    for (size_t i = 0; i < times; i++)
        buf_put_str(&b, str_of(after));
    size_t n;
    char *p = buf_take(&b, &n);
    assert_non_null(p);
    return str_n(p, n);
}

static void deep(void **state)
{
    static const struct { const char *before, *middle, *after; size_t times; bool valid; } list[] = {
        {"[", "", "]", 100000, false},
        {"[", "", "", 100000, false},
        {"{\"type\":\"array\",\"items\":", "\"int\"", "}", 100000, false},
        {"{\"type\":\"map\",\"values\":", "\"int\"", "}", 999, true},
        {"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"f\",\"type\":", "\"int\"", "}]}", 100000, false},
        {"{\"type\":\"int\",\"p\":", "1", "}", 900, true},
    };
    for (size_t i = 0; i < N(list); i++) {
        struct str text = repeat(list[i].before, list[i].times, list[i].middle, list[i].after);
        struct err err = {0};
        struct schema *s = parse(text, SCHEMA_NEW, &err);
        assert_int_equal(s != NULL, list[i].valid);
        if (s != NULL)
            assert_true(str_eq(schema_canonical(s), text));
        else
            assert_non_null(strstr(err.text, "nested too deeply at line 1 column"));
        schema_unref(s);
        free((void *)(uintptr_t)text.p);
    }
}

/* Written where they are first used, these 20,000 records nest; they do not as given. */
static void chain_of_later_types(void **state)
{
    struct buf b = {0};
    struct err err = {0};
    for (int i = 0; i < 20000; i++)
        buf_printf(&b, "%s{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"f\",\"type\":\"R%d\"}]}", i == 0 ? "[" : ",", i, i + 1);
    buf_put_str(&b, STR(",{\"type\":\"record\",\"name\":\"R20000\",\"fields\":[]}]"));
    assert_null(parse(buf_str(&b), 0, &err));
    assert_non_null(strstr(err.text, "nests over 1000 levels"));
    buf_clear(&b);
}

/* A value for which every union tries both branches at each level. */
static void default_with_many_ways(void **state)
{
    struct str value = repeat("{\"f\":", 300, "1", "}");
    struct buf b = {0};
    struct err err = {0};
    buf_put_str(&b, STR("{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"u\",\"type\":[{\"type\":\"record\",\"name\":\"A\",\"fields\":["
                        "{\"name\":\"f\",\"type\":[\"A\",\"B\"]}]},{\"type\":\"record\",\"name\":\"B\",\"fields\":[{\"name\":\"f\",\"type\":[\"A\",\"B\"]}]}],"
                        "\"default\":"));
    buf_put_str(&b, value);
    buf_put_str(&b, STR("}]}"));
    assert_null(parse(buf_str(&b), SCHEMA_NEW, &err));
    assert_non_null(strstr(err.text, "too intricate"));
    struct schema *s = parse(buf_str(&b), 0, NULL);
    assert_non_null(s);
    schema_unref(s);
    buf_clear(&b);
    free((void *)(uintptr_t)value.p);
}

static void many_fields(void **state)
{
    enum { MANY = 5000 };
    struct buf b = {0};
    struct err err = {0};
    buf_put_str(&b, STR("{\"type\":\"record\",\"name\":\"R\",\"fields\":["));
    for (int i = 0; i < MANY; i++)
        buf_printf(&b, "%s{\"name\":\"f%d\",\"type\":\"int\"}", i == 0 ? "" : ",", (i * 7919) % 5003);
    size_t end = b.n;
    buf_put_str(&b, STR("]}"));
    struct schema *s = parse(buf_str(&b), SCHEMA_NEW, &err);
    assert_non_null(s);
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", (i * 7919) % 5003);
        assert_int_equal(avro_find_field(avro_root(s), str_of(name)), i);
    }
    schema_unref(s);
    b.n = end;
    buf_put_str(&b, STR(",\n{\"name\":\"f0\",\"type\":\"int\"}]}"));
    assert_null(parse(buf_str(&b), SCHEMA_NEW, &err));
    assert_non_null(strstr(err.text, "field \"f0\" stands twice in record R at line 2 column 1"));
    buf_clear(&b);
}

static void errors_of_references(void **state)
{
    const struct str bad_json[] = {STR("\"int\""), STR("{")}, bad_schema[] = {STR("\"int\""), STR("{\"type\":\"nope\"}")};
    struct schema_source src = {.text = STR("\"int\""), .ref_texts = bad_json, .nref_texts = 2};
    struct err err = {0};
    assert_null(schema_parse(&src, &err));
    assert_non_null(strstr(err.text, "of referenced schema 2 of 2"));
    err_clear(&err);
    src.ref_texts = bad_schema;
    assert_null(schema_parse(&src, &err));
    assert_non_null(strstr(err.text, "\"nope\" is no type of Avro and is defined neither here nor in a reference at line 1 column 9 of referenced schema 2 of 2"));
}

static void long_names_leave_room_for_the_place(void **state)
{
    struct str name = repeat("\xC3\xA9", 2000, "", "");
    struct buf b = {0};
    struct err err = {0};
    buf_printf(&b, "\"%.*s\"", STR_ARG(name));
    assert_null(parse(buf_str(&b), 0, &err));
    assert_non_null(strstr(err.text, "at line 1 column 1"));
    assert_true(str_utf8_ok(str_of(err.text)));
    buf_clear(&b);
    free((void *)(uintptr_t)name.p);
}

static void numbers_in_texts(void **state)
{
    static const struct { const char *text; double value; } good[] = {{"1", 1}, {" 1.5 ", 1.5}, {"+.5", 0.5}, {"-2.", -2}, {"1e3", 1000}, {"1E-3", 0.001},
        {"7f", 7}, {"7D", 7}, {"-Infinity", -INFINITY}, {"0.1", 0.1}, {"123456789012345678901234567890", 123456789012345678901234567890.0}};
    static const char *const bad[] = {"", " ", ".", "-", "e3", "1e", "1e+", "1 2", "0x10", "nan", "infinity", "1ff", "f", "--1", "1.5.2"};
    double v;
    for (size_t i = 0; i < N(good); i++) {
        assert_true(avro_text_is_double(str_of(good[i].text), &v));
        assert_true(v == good[i].value);
    }
    assert_true(avro_text_is_double(STR("NaN"), &v) && isnan(v));
    for (size_t i = 0; i < N(bad); i++)
        if (avro_text_is_double(str_of(bad[i]), &v))
            fail_msg("\"%s\" is %g", bad[i], v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(model),
        cmocka_unit_test(logical_types),
        cmocka_unit_test(deep),
        cmocka_unit_test(chain_of_later_types),
        cmocka_unit_test(default_with_many_ways),
        cmocka_unit_test(many_fields),
        cmocka_unit_test(errors_of_references),
        cmocka_unit_test(long_names_leave_room_for_the_place),
        cmocka_unit_test(numbers_in_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
