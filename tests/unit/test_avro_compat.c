#include "serde/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof(*(a)))
#define REC(name, fields) "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"
#define F(name, type) "{\"name\":\"" name "\",\"type\":" type "}"

static struct schema *parse(struct str text)
{
    struct err err = {0};
    const struct schema_source src = {.text = text};
    struct schema *s = schema_parse(&src, &err);
    if (s == NULL)
        fail_msg("%.*s: %s", STR_ARG(text), err.text);
    return s;
}

/* The findings as lines "TYPE path text". */
static const struct { const char *why, *reader, *writer, *findings; } cases[] = {
    {"a union of one", "\"long\"", "[\"int\"]", ""},
    {"nothing was written", "\"long\"", "[]", ""},
    {"nothing can be read", "[]", "\"long\"", "MISSING_UNION_BRANCH / reader union lacking writer type: LONG\n"},
    {"string and bytes", "\"bytes\"", "\"string\"", ""},
    {"error is a record", "{\"type\":\"error\",\"name\":\"R\",\"fields\":[]}", REC("R", ""), ""},
    {"name and size at once", "{\"type\":\"fixed\",\"name\":\"A\",\"size\":1}", "{\"type\":\"fixed\",\"name\":\"n.B\",\"size\":2}",
     "NAME_MISMATCH /name expected: n.B\nFIXED_SIZE_MISMATCH /size expected: 2, found: 1\n"},
    {"symbols sorted", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"M\"]}", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"Z\",\"M\",\"B\",\"A\"]}",
     "MISSING_ENUM_SYMBOLS /symbols [A, B, Z]\n"},
    {"the writer's enum default does not help", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"M\"]}", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"Z\"],\"default\":\"Z\"}",
     "MISSING_ENUM_SYMBOLS /symbols [Z]\n"},
    {"another name does not end the comparison", REC("A", F("a", "\"int\"")), REC("B", F("a", "\"string\"")),
     "NAME_MISMATCH /name expected: B\nTYPE_MISMATCH /fields/0/type reader type: INT not compatible with writer type: STRING\n"},
    {"an alias of the writer does not count", REC("A", ""), "{\"type\":\"record\",\"name\":\"B\",\"aliases\":[\"A\"],\"fields\":[]}", "NAME_MISMATCH /name expected: B\n"},
    {"the place of a field is the reader's", REC("R", F("n", "\"int\"") "," F("a", "\"int\"")), REC("R", F("a", "\"string\"")),
     "READER_FIELD_MISSING_DEFAULT_VALUE /fields/0 n\nTYPE_MISMATCH /fields/1/type reader type: INT not compatible with writer type: STRING\n"},
    {"a default does not excuse a type", REC("R", "{\"name\":\"a\",\"type\":\"int\",\"default\":1}"), REC("R", F("a", "\"string\"")),
     "TYPE_MISMATCH /fields/0/type reader type: INT not compatible with writer type: STRING\n"},
    {"a new field with an enum that has a default", REC("R", F("e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":\"A\"}")), REC("R", ""),
     "TYPE_MISMATCH /fields/0/type reader type: ENUM not compatible with writer type: RECORD\n"},
    {"but a union around it is a missing default", REC("R", F("e", "[{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":\"A\"}]")), REC("R", ""),
     "READER_FIELD_MISSING_DEFAULT_VALUE /fields/0 e\n"},
    {"two fields at once", REC("R", "{\"name\":\"a\",\"type\":\"int\",\"aliases\":[\"b\",\"c\"]}"), REC("R", F("b", "\"int\"") "," F("c", "\"int\"")),
     "  Unexpected exception during compatibility check: reader field a matches more than one field of writer record R, by its name and its aliases\n"},
    {"one field by name and by alias", REC("R", "{\"name\":\"a\",\"type\":\"int\",\"aliases\":[\"a\"]}"), REC("R", F("a", "\"int\"")),
     "  Unexpected exception during compatibility check: reader field a matches more than one field of writer record R, by its name and its aliases\n"},
    {"in a branch of another name too", "[" REC("S", "{\"name\":\"a\",\"type\":\"int\",\"aliases\":[\"b\"]}") "," REC("R", F("a", "\"int\"")) "]", REC("R", F("a", "\"int\"") "," F("b", "\"int\"")),
     "  Unexpected exception during compatibility check: reader field a matches more than one field of writer record R, by its name and its aliases\n"},
    {"a written union, branch by branch", REC("R", F("a", "{\"type\":\"map\",\"values\":\"long\"}")), REC("R", F("a", "[{\"type\":\"map\",\"values\":\"string\"},\"null\",\"long\"]")),
     "TYPE_MISMATCH /fields/0/type/0/values reader type: LONG not compatible with writer type: STRING\n"
     "TYPE_MISMATCH /fields/0/type/1 reader type: MAP not compatible with writer type: NULL\n"
     "TYPE_MISMATCH /fields/0/type/2 reader type: MAP not compatible with writer type: LONG\n"},
    {"union and union: one finding a branch", "[\"null\",\"string\"]", "[\"int\",\"null\",\"boolean\"]",
     "MISSING_UNION_BRANCH /0 reader union lacking writer type: INT\nMISSING_UNION_BRANCH /2 reader union lacking writer type: BOOLEAN\n"},
    {"a shared type is told once a use, with the path of the first", REC("R", F("a", REC("I", F("x", "\"int\""))) "," F("b", "\"I\"")), REC("R", F("a", REC("I", F("x", "\"string\""))) "," F("b", "\"I\"")),
     "TYPE_MISMATCH /fields/0/type/fields/0/type reader type: INT not compatible with writer type: STRING\n"
     "TYPE_MISMATCH /fields/0/type/fields/0/type reader type: INT not compatible with writer type: STRING\n"},
    {"a primitive in two places has two paths", REC("R", F("a", "\"int\"") "," F("b", "\"int\"")), REC("R", F("a", "\"string\"") "," F("b", "[\"int\",\"null\"]")),
     "TYPE_MISMATCH /fields/0/type reader type: INT not compatible with writer type: STRING\n"
     "TYPE_MISMATCH /fields/1/type/1 reader type: INT not compatible with writer type: NULL\n"},
    {"a pair first met in a union keeps the path it had there", REC("R", F("a", "[\"null\"," REC("I", F("x", "\"int\"")) "]") "," F("b", "\"I\"")),
     REC("R", F("a", "[\"null\"," REC("I", F("x", "\"string\"")) "]") "," F("b", "\"I\"")),
     "MISSING_UNION_BRANCH /fields/0/type/1 reader union lacking writer type: RECORD\n"
     "TYPE_MISMATCH /fields/0/type reader type: INT not compatible with writer type: STRING\n"},
    {"one of other names too", REC("R", F("a", "[\"null\"," REC("I", F("x", "\"int\"")) "]") "," F("b", "\"I\"")),
     REC("R", F("a", "[\"null\"," REC("J", F("x", "\"string\"")) "]") "," F("b", "\"J\"")),
     "MISSING_UNION_BRANCH /fields/0/type/1 reader union lacking writer type: RECORD\n"
     "NAME_MISMATCH /name expected: J\nTYPE_MISMATCH /fields/0/type reader type: INT not compatible with writer type: STRING\n"},
    {"recursion ends", REC("R", F("a", "{\"type\":\"array\",\"items\":\"R\"}") "," F("b", "\"int\"")), REC("R", F("a", "{\"type\":\"array\",\"items\":\"R\"}") "," F("b", "\"null\"")),
     "TYPE_MISMATCH /fields/1/type reader type: INT not compatible with writer type: NULL\n"},
};

static void findings(void **state)
{
    for (size_t i = 0; i < N(cases); i++) {
        struct schema *r = parse(str_of(cases[i].reader)), *w = parse(str_of(cases[i].writer));
        struct findings f = {0};
        struct err err = {0};
        struct buf got = {0};
        assert_int_equal(compat_check_schema(r, w, &f, &err), 0);
        for (size_t k = 0; k < f.n; k++)
            buf_printf(&got, "%.*s %.*s %.*s\n", STR_ARG(f.list[k].type), STR_ARG(f.list[k].path), STR_ARG(f.list[k].text));
        if (!str_is(buf_str(&got), cases[i].findings))
            fail_msg("%s:\n%s", cases[i].why, buf_cstr(&got));
        buf_clear(&got);
        findings_clear(&f);
        schema_unref(r);
        schema_unref(w);
    }
}

static void levels(void **state)
{
    enum compat_level l;
    struct err err = {0};
    for (int i = COMPAT_NONE; i <= COMPAT_FULL_TRANSITIVE; i++) {
        assert_int_equal(compat_level_parse(str_of(compat_level_name((enum compat_level)i)), &l, &err), 0);
        assert_int_equal(l, i);
    }
    assert_int_equal(compat_level_parse(STR("full_Transitive"), &l, &err), 0);
    assert_int_equal(l, COMPAT_FULL_TRANSITIVE);
    assert_int_equal(compat_level_parse(STR("BACKWARDS"), &l, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(compat_level_parse(STR_NULL, &l, NULL), -1);
}

#define OLD1 REC("R", F("a", "\"int\""))
#define OLD2 REC("R", F("a", "\"int\"") ",{\"name\":\"b\",\"type\":\"string\",\"default\":\"q\"}")
#define NEW REC("R", F("a", "\"int\"") "," F("b", "\"string\""))

/* Checks candidate against versions 3, 4, ... and gives the messages, each with a line end, in a buf. */
static bool check(const char *candidate, const char *const *old, size_t n, enum compat_level level, struct buf *got)
{
    struct compat_version history[4];
    struct arena a = {0};
    struct str *messages;
    struct err err = {0};
    size_t nmessages;
    bool yes, silent;
    struct schema *s = parse(str_of(candidate)), *owned[4];
    for (size_t i = 0; i < n; i++)
        history[i] = (struct compat_version){(int32_t)i + 3, owned[i] = parse(str_of(old[i]))};
    assert_int_equal(compat_check_history(s, history, n, level, false, &yes, &a, &messages, &nmessages, &err), 0);
    assert_int_equal(compat_check_history(s, history, n, level, false, &silent, NULL, NULL, NULL, &err), 0);
    assert_int_equal(yes, silent);
    assert_int_equal(yes, nmessages == 0);
    buf_reset(got);
    for (size_t i = 0; i < nmessages; i++)
        buf_printf(got, "%.*s\n", STR_ARG(messages[i]));
    arena_clear(&a);
    schema_unref(s);
    for (size_t i = 0; i < n; i++)
        schema_unref(owned[i]);
    return yes;
}

#define NO_DEFAULT(path, reader, writer) "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'the field at path '" path "' of the " reader \
    " schema has no default and is missing in the " writer " schema', additionalInfo:'b'}\n"
#define TYPE(path, reader, writer, rk, wk) "{errorType:'TYPE_MISMATCH', description:'the type at path '" path "' of the " reader \
    " schema cannot read the type of the " writer " schema', additionalInfo:'reader type: " rk " not compatible with writer type: " wk "'}\n"
#define LAST(level) "{validateFields: 'false', compatibility: '" level "'}\n"

static void histories(void **state)
{
    static const char *const both[] = {OLD1, OLD2}, *const one[] = {OLD1}, *const long_a[] = {REC("R", F("a", "\"long\""))};
    struct buf got = {0};
    assert_true(check(NEW, both, 2, COMPAT_NONE, &got));
    assert_true(check(NEW, NULL, 0, COMPAT_FULL_TRANSITIVE, &got));
    assert_true(check(NEW, both, 2, COMPAT_BACKWARD, &got));
    assert_string_equal(buf_cstr(&got), "");
    assert_false(check(NEW, both, 2, COMPAT_BACKWARD_TRANSITIVE, &got)); /* fails at the older one, and only that is told */
    assert_string_equal(buf_cstr(&got), NO_DEFAULT("/fields/1", "new", "old") "{oldSchemaVersion: 3}\n{oldSchema: '" OLD1 "'}\n" LAST("BACKWARD_TRANSITIVE"));
    assert_true(check(NEW, one, 1, COMPAT_FORWARD, &got));
    assert_false(check(NEW, one, 1, COMPAT_FULL, &got));
    assert_string_equal(buf_cstr(&got), NO_DEFAULT("/fields/1", "new", "old") "{oldSchemaVersion: 3}\n{oldSchema: '" OLD1 "'}\n" LAST("FULL"));
    assert_false(check(REC("R", F("a", "\"long\"")), one, 1, COMPAT_FULL, &got)); /* only the first half fails: no old schema is told */
    assert_string_equal(buf_cstr(&got), TYPE("/fields/0/type", "old", "new", "INT", "LONG") LAST("FULL"));
    assert_false(check(REC("R", F("a", "\"string\"")), one, 1, COMPAT_FULL, &got)); /* old reads new first, then new reads old */
    assert_string_equal(buf_cstr(&got), TYPE("/fields/0/type", "old", "new", "INT", "STRING") TYPE("/fields/0/type", "new", "old", "STRING", "INT")
                                        "{oldSchemaVersion: 3}\n{oldSchema: '" OLD1 "'}\n" LAST("FULL"));
    assert_false(check(OLD1, long_a, 1, COMPAT_BACKWARD, &got));
    assert_true(check(OLD1, long_a, 1, COMPAT_FORWARD, &got));
    buf_clear(&got);
}

static void other_types(void **state)
{
    const struct schema_source proto = {.type = SCHEMA_PROTOBUF, .text = STR("message M {}")};
    struct schema *s = parse(STR("\"int\"")), *old = schema_keep(&proto, NULL), *same = parse(STR("\"int\""));
    const struct compat_version history[] = {{1, old}, {2, same}};
    struct arena a = {0};
    struct str *messages;
    struct err err = {0};
    size_t n;
    bool yes;
    assert_int_equal(compat_check_history(s, history, 1, COMPAT_NONE, false, &yes, &a, &messages, &n, &err), 0);
    assert_true(yes);
    assert_int_equal(compat_check_history(s, history, 2, COMPAT_FULL, false, &yes, &a, &messages, &n, &err), 0);
    assert_true(yes); /* the newest is of the same type */
    assert_int_equal(compat_check_history(s, history, 2, COMPAT_FULL_TRANSITIVE, true, &yes, &a, &messages, &n, &err), 0);
    assert_false(yes);
    assert_int_equal(n, 2);
    assert_true(str_starts(messages[0], STR("Incompatible because of different schema type")));
    assert_true(str_is(messages[1], "{validateFields: 'true', compatibility: 'FULL_TRANSITIVE'}"));
    struct findings f = {0};
    assert_int_equal(compat_check_schema(s, old, &f, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    arena_clear(&a);
    schema_unref(s);
    schema_unref(old);
    schema_unref(same);
}

/* An old schema of more than 10,240 characters (UTF-16 units) is cut; an unknown version number is left out. */
static void long_old_schemas(void **state)
{
    for (size_t pad = 0; pad < 2; pad++) {
        struct buf text = {0};
        buf_put_str(&text, STR("{\"type\":\"int\",\"p\":\""));
        for (size_t i = 0; i < 10; i++)
            buf_put_str(&text, STR("\xF0\x9F\x98\x80"));
        while (text.n < 10240 + 20 + pad - 2) /* 10 characters are 40 bytes and 20 units */
            buf_put_str(&text, STR("x"));
        buf_put_str(&text, STR("\"}"));
        struct schema *old = parse(buf_str(&text)), *s = parse(STR("\"string\""));
        const struct compat_version history[] = {{0, old}};
        struct arena a = {0};
        struct str *messages;
        size_t n;
        bool yes;
        assert_int_equal(compat_check_history(s, history, 1, COMPAT_BACKWARD, false, &yes, &a, &messages, &n, NULL), 0);
        assert_int_equal(n, 3);
        struct buf expected = {0};
        if (pad == 0)
            buf_printf(&expected, "{oldSchema: '%.*s'}", (int)text.n, text.p);
        else
            buf_printf(&expected, "{oldSchema: '<truncated> %.*s...'}", (int)text.n - 1, text.p);
        assert_true(str_eq(messages[1], buf_str(&expected)));
        buf_clear(&expected);
        arena_clear(&a);
        schema_unref(old);
        schema_unref(s);
        buf_clear(&text);
    }
}

/* ---- much work ---- */

static void expect(const struct buf *reader, const struct buf *writer, int status, size_t findings_expected)
{
    struct schema *r = parse(buf_str(reader)), *w = parse(buf_str(writer));
    struct findings f = {0};
    struct err err = {0};
    assert_int_equal(compat_check_schema(r, w, &f, &err), status);
    assert_int_equal(f.n, findings_expected);
    if (status < 0)
        assert_int_equal(err.code, ERR_TOO_BIG);
    findings_clear(&f);
    schema_unref(r);
    schema_unref(w);
}

/* Each record uses the next one twice: 2^60 paths, most of them never written. */
static void doubling(struct buf *b, const char *leaf)
{
    for (int i = 0; i < 60; i++)
        buf_printf(b, "{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\",\"type\":", i);
    buf_printf(b, "{\"type\":\"record\",\"name\":\"R60\",\"fields\":[{\"name\":\"x\",\"type\":\"%s\"}]}", leaf);
    for (int i = 60; i > 0; i--)
        buf_printf(b, "},{\"name\":\"b\",\"type\":\"R%d\"}]}", i);
}

static void exponential_paths(void **state)
{
    struct buf a = {0}, b = {0};
    doubling(&a, "int");
    doubling(&b, "string");
    expect(&a, &a, 0, 0);
    struct schema *r = parse(buf_str(&a)), *w = parse(buf_str(&b));
    struct findings f = {0};
    assert_int_equal(compat_check_schema(r, w, &f, NULL), 0);
    assert_true(f.n > 1000 && f.n <= 10001);
    assert_null(f.list[f.n - 1].type.p); /* there are more */
    findings_clear(&f);
    schema_unref(r);
    schema_unref(w);
    buf_clear(&a);
    buf_clear(&b);
}

/* n records, defined one after the other, each with the one before as field; the last is the schema's root, by its first use. */
static void chain(struct buf *b, int n, const char *leaf)
{
    buf_printf(b, "[{\"type\":\"record\",\"name\":\"R0\",\"fields\":[{\"name\":\"x\",\"type\":\"%s\"}]}", leaf);
    for (int i = 1; i < n; i++)
        buf_printf(b, ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"f\",\"type\":\"R%d\"}]}", i, i - 1);
    buf_put_u8(b, ']');
}

/* Depth comes from names, not from nesting: the walk must not recurse on the stack. */
static void deep_pairs(void **state)
{
    enum { DEEP = 50000 };
    struct buf refs = {0}, a = {0};
    struct err err = {0};
    chain(&refs, DEEP, "int");
    struct buf other = {0};
    chain(&other, DEEP, "string");
    const struct str texts[2] = {buf_str(&refs), buf_str(&other)};
    buf_printf(&a, "\"R%d\"", DEEP - 1);
    struct schema *s[2];
    for (int i = 0; i < 2; i++) {
        const struct schema_source src = {.text = buf_str(&a), .ref_texts = &texts[i], .nref_texts = 1};
        s[i] = schema_parse(&src, &err);
        assert_non_null(s[i]);
    }
    struct findings f = {0};
    assert_int_equal(compat_check_schema(s[0], s[1], &f, &err), 0);
    assert_int_equal(f.n, 1);
    assert_true(str_ends(f.list[0].path, STR("/fields/0/type/fields/0/type")) && f.list[0].path.n > 10 * (DEEP - 1));
    assert_false(schema_equivalent(s[0], s[1]));
    struct buf out = {0};
    assert_int_equal(schema_put_resolved(s[0], &out, &err), -1); /* no reader would take that text */
    assert_non_null(strstr(err.text, "nests over 1000 levels"));
    buf_clear(&out);
    findings_clear(&f);
    schema_unref(s[0]);
    schema_unref(s[1]);
    buf_clear(&refs);
    buf_clear(&other);
    buf_clear(&a);
}

static void wide_union(struct buf *b, const char *name, int n)
{
    for (int i = 0; i < n; i++)
        buf_printf(b, "%s{\"type\":\"record\",\"name\":\"%s%d\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":\"int\"}]}",
                   i == 0 ? "[" : ",", name, i);
    buf_put_u8(b, ']');
}

static void wide_unions(void **state)
{
    struct buf a = {0}, b = {0}, big = {0}, big2 = {0};
    wide_union(&a, "A", 300);
    wide_union(&b, "B", 300);
    expect(&a, &a, 0, 0);
    expect(&a, &b, 0, 300);
    wide_union(&big, "A", 5000);
    wide_union(&big2, "B", 5000);
    expect(&big, &big2, -1, 0); /* 25 million pairs: given up */
    struct schema *s = parse(buf_str(&big)), *t = parse(buf_str(&big2));
    const struct compat_version history[] = {{1, s}};
    struct arena arena = {0};
    struct str *messages;
    size_t n;
    bool yes;
    assert_int_equal(compat_check_history(t, history, 1, COMPAT_BACKWARD, false, &yes, &arena, &messages, &n, NULL), 0);
    assert_false(yes); /* what cannot be found out is refused, and says so */
    assert_true(str_starts(messages[0], STR("Unexpected exception during compatibility check: comparing the two schemas ")));
    arena_clear(&arena);
    schema_unref(s);
    schema_unref(t);
    buf_clear(&a);
    buf_clear(&b);
    buf_clear(&big);
    buf_clear(&big2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings),         cmocka_unit_test(levels),     cmocka_unit_test(histories),         cmocka_unit_test(other_types),
        cmocka_unit_test(long_old_schemas), cmocka_unit_test(deep_pairs), cmocka_unit_test(exponential_paths), cmocka_unit_test(wide_unions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
