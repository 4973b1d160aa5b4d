/* Records of _schemas read, written, and folded into the state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/own.h"
#include "registry/answer.h"
#include "registry/names.h"
#include "registry/settings.h"
#include "registry/state.h"

#define N(a) (sizeof(a) / sizeof *(a))

/* One record as it may lie in the topic; value NULL: a tombstone. */
struct line {
    const char *key, *value;
};

/* Folds lines, with timestamps 1000, 1001, ...; returns how many were skipped as unreadable. */
static size_t fold(struct state *s, const struct line *lines, size_t n, size_t *ignored)
{
    size_t skipped = 0;
    for (size_t i = 0; i < n; i++) {
        OWN_BY(arena_clear) struct arena a = {0};
        struct err err = {0};
        struct change c;
        const struct record rec = {.key = str_of(lines[i].key), .value = str_of(lines[i].value), .timestamp_ms = 1000 + (int64_t)i};
        if (change_read(&rec, &a, &c, &err) < 0)
            skipped++;
        else
            assert_int_equal(state_apply(s, &c, 1, ignored, &err), 0);
        state_check(s);
    }
    return skipped;
}

static const struct subject *subject_of(struct state *s, const char *name)
{
    return state_subject(s, str_of(name));
}

static void assert_body(const struct content *c, const char *expected)
{
    assert_non_null(c);
    assert_int_equal(c->body->n, strlen(expected));
    assert_memory_equal(c->body->bytes, expected, c->body->n);
}

#define KEY(subject, version) "{\"keytype\":\"SCHEMA\",\"subject\":\"" subject "\",\"version\":" #version ",\"magic\":1}"
#define VALUE(subject, version, id, text, deleted) \
    "{\"subject\":\"" subject "\",\"version\":" #version ",\"id\":" #id ",\"schemaType\":\"AVRO\",\"schema\":\"" text "\",\"deleted\":" #deleted "}"

static void a_schema_is_found_in_every_way(void **state)
{
    const struct line lines[] = {{KEY("s", 1), VALUE("s", 1, 7, "\\\"string\\\"", false)}};
    struct state *s = state_new();
    size_t ignored = 0;
    assert_int_equal(fold(s, lines, N(lines), &ignored), 0);
    state_read(s);
    const struct context *context = state_context(s, STR("."));
    const struct content *c = context_content(context, 7);
    assert_body(c, "{\"subject\":\"s\",\"version\":1,\"id\":7,\"guid\":\"095d71cf-1255-6b9d-5e33-0ad575b3df5d\",\"schemaType\":\"AVRO\","
                   "\"schema\":\"\\\"string\\\"\",\"ts\":1000,\"deleted\":false}");
    assert_ptr_equal(context_identity(context, c->md5), c);
    assert_ptr_equal(subject_latest(subject_of(s, "s"))->content, c);
    assert_ptr_equal(subject_version(subject_of(s, "s"), 1)->content, c);
    assert_int_equal(context->max_id, 7);
    OWN_BY(arena_clear) struct arena a = {0};
    struct change copy;
    assert_int_equal(state_copy(c->shown, &a, &copy), 0);
    assert_true(str_is(copy.text, "\"string\""));
    state_done(s);
    state_free(s);
}

static void one_identity_is_one_content_under_many_subjects(void **state)
{
    const struct line lines[] = {{KEY("a", 1), VALUE("a", 1, 1, "\\\"int\\\"", false)},
                                 {KEY("b", 1), VALUE("b", 1, 1, "\\\"int\\\"", false)},
                                 {KEY("a", 1), NULL}};
    struct state *s = state_new();
    size_t ignored = 0;
    fold(s, lines, N(lines), &ignored);
    state_read(s);
    assert_null(subject_of(s, "a"));
    const struct content *c = context_content(state_context(s, STR(".")), 1);
    assert_non_null(c);
    assert_true(str_is(c->shown->subject->name, "b"));
    state_done(s);
    const struct line last[] = {{KEY("b", 1), NULL}, {KEY("b", 1), NULL}};
    fold(s, last, N(last), &ignored);
    state_read(s);
    assert_null(context_content(state_context(s, STR(".")), 1));
    assert_int_equal(state_context(s, STR("."))->max_id, 1); /* an id that was given is not given again */
    state_done(s);
    state_free(s);
}

static void deleting_a_subject_hides_what_is_there_then(void **state)
{
    const struct line lines[] = {{KEY("s", 1), VALUE("s", 1, 1, "\\\"int\\\"", false)},
                                 {KEY("s", 2), VALUE("s", 2, 2, "\\\"long\\\"", false)},
                                 {"{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"s\",\"magic\":0}", "{\"subject\":\"s\",\"version\":2}"},
                                 {KEY("s", 3), VALUE("s", 3, 1, "\\\"int\\\"", false)}};
    struct state *s = state_new();
    size_t ignored = 0;
    fold(s, lines, 3, &ignored);
    state_read(s);
    assert_int_equal(subject_of(s, "s")->active, 0);
    assert_null(subject_latest(subject_of(s, "s")));
    const struct content *c = context_content(state_context(s, STR(".")), 1);
    assert_true(c->shown->deleted);
    assert_non_null(memmem(c->body->bytes, c->body->n, "\"deleted\":true", 14));
    state_done(s);
    fold(s, lines + 3, 1, &ignored);
    state_read(s);
    assert_int_equal(subject_latest(subject_of(s, "s"))->number, 3);
    assert_int_equal(context_content(state_context(s, STR(".")), 1)->shown->number, 3); /* an active holder is shown */
    state_done(s);
    state_free(s);
}

static void an_id_never_names_a_second_schema(void **state)
{
    const struct line lines[] = {{KEY("s", 1), VALUE("s", 1, 1, "\\\"int\\\"", false)}, {KEY("t", 1), VALUE("t", 1, 1, "\\\"long\\\"", false)}};
    struct state *s = state_new();
    size_t ignored = 0;
    fold(s, lines, N(lines), &ignored);
    assert_int_equal(ignored, 1);
    state_read(s);
    assert_null(subject_of(s, "t"));
    state_done(s);
    state_free(s);
}

static void poison_is_skipped_and_the_rest_applied(void **state)
{
    const struct line lines[] = {
        {"{nonsense", "{}"},
        {"[]", "{}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":2}", VALUE("s", 1, 1, "\\\"int\\\"", false)},
        {KEY("s", 1), "{\"subject\":\"s\",\"version\":1,\"id\":\"x\",\"schema\":\"\"}"},
        {KEY("s", 1), "not json"},
        {KEY("s", 0), VALUE("s", 0, 1, "\\\"int\\\"", false)},
        {"{\"keytype\":\"MODE\",\"magic\":0}", "{\"mode\":\"SOMEHOW\"}"},
        /* not poison: */
        {"{\"keytype\":\"HOLOGRAM\",\"magic\":0}", "{}"},
        {NULL, "{}"},
        {"{\"keytype\":\"NOOP\",\"magic\":0}", NULL},
        {"{\"magic\":1,\"version\":1,\"subject\":\"s\",\"keytype\":\"SCHEMA\",\"seq\":4,\"node\":0}",
         "{\"schema\":\"this is no Avro\",\"id\":5,\"version\":1,\"subject\":\"s\",\"shade\":\"blue\"}"},
    };
    struct state *s = state_new();
    size_t ignored = 0;
    assert_int_equal(fold(s, lines, N(lines), &ignored), 7);
    state_read(s);
    assert_non_null(context_content(state_context(s, STR(".")), 5));
    state_done(s);
    state_free(s);
}

static void both_forms_of_the_global_key_are_one_entry(void **state)
{
    const struct line lines[] = {{"{\"keytype\":\"CONFIG\",\"subject\":null,\"magic\":0}", "{\"compatibilityLevel\":\"FULL\"}"},
                                 {"{\"keytype\":\"CONFIG\",\"magic\":0}", "{\"compatibilityLevel\":\"NONE\"}"},
                                 {"{\"keytype\":\"MODE\",\"subject\":\"s\",\"magic\":0}", "{\"subject\":\"s\",\"mode\":\"READONLY\"}"}};
    struct state *s = state_new();
    size_t ignored = 0;
    fold(s, lines, N(lines), &ignored);
    state_read(s);
    assert_true(str_is(state_config(s, STR(""))->v[CONFIG_LEVEL], "\"NONE\""));
    assert_true(state_has_null_key(s, CHANGE_CONFIG));
    assert_int_equal(mode_of(s, STR("s")), MODE_READONLY);
    assert_int_equal(mode_of(s, STR("t")), MODE_READWRITE);
    const struct scope scope = scope_of(s, STR("t"));
    assert_int_equal(scope_level(&scope, COMPAT_BACKWARD), COMPAT_NONE);
    state_done(s);
    const struct line gone[] = {{"{\"keytype\":\"CONFIG\",\"subject\":null,\"magic\":0}", NULL}};
    fold(s, gone, 1, &ignored);
    state_read(s);
    assert_null(state_config(s, STR("")));
    assert_false(state_has_null_key(s, CHANGE_CONFIG));
    state_done(s);
    state_free(s);
}

static void a_subjects_own_config_is_filled_from_the_global_one(void **state)
{
    const struct line lines[] = {
        {"{\"keytype\":\"CONFIG\",\"magic\":0}", "{\"normalize\":true,\"compatibilityLevel\":\"FULL\"}"},
        {"{\"keytype\":\"CONFIG\",\"subject\":\"s\",\"magic\":0}", "{\"subject\":\"s\",\"alias\":\"t\"}"},
        {"{\"keytype\":\"CONFIG\",\"subject\":\":.__GLOBAL:\",\"magic\":0}", "{\"compatibilityLevel\":\"NONE\"}"},
    };
    struct state *s = state_new();
    size_t ignored = 0;
    OWN_BY(arena_clear) struct arena a = {0};
    fold(s, lines, N(lines), &ignored);
    state_read(s);
    struct scope own = scope_of(s, STR("s")), other = scope_of(s, STR("t")), away = scope_of(s, STR(":.ctx:t"));
    assert_true(scope_flag(&own, CONFIG_NORMALIZE, false));
    assert_int_equal(scope_level(&own, COMPAT_BACKWARD), COMPAT_BACKWARD); /* the server's default, not the global level */
    assert_int_equal(scope_level(&other, COMPAT_BACKWARD), COMPAT_FULL);
    assert_int_equal(scope_level(&away, COMPAT_BACKWARD), COMPAT_NONE);
    assert_false(scope_flag(&away, CONFIG_NORMALIZE, false));
    assert_true(str_is(alias_of(s, STR("s"), &a), "t"));
    state_done(s);
    state_free(s);
}

static void who_refers_to_whom_is_known(void **state)
{
#define REFERRER(subject, version, id, deleted)                                                                                             \
    "{\"subject\":\"" subject "\",\"version\":" #version ",\"id\":" #id                                                                     \
    ",\"references\":[{\"name\":\"N\",\"subject\":\"t\",\"version\":1}],\"schema\":\"\\\"N\\\"\",\"deleted\":" #deleted "}"
    const struct line lines[] = {{KEY("s", 1), REFERRER("s", 1, 2, false)}, /* before its target, as after compaction */
                                 {KEY("t", 1), VALUE("t", 1, 1, "\\\"int\\\"", false)},
                                 {KEY("s", 1), REFERRER("s", 1, 2, true)}};
    struct state *s = state_new();
    size_t ignored = 0, n;
    fold(s, lines, N(lines), &ignored);
    state_read(s);
    struct version *const *list = state_referrers(s, STR("t"), 1, &n);
    assert_int_equal(n, 1);
    assert_true(str_is(list[0]->subject->name, "s") && list[0]->deleted);
    state_referrers(s, STR("t"), 2, &n);
    assert_int_equal(n, 0);
    state_done(s);
    const struct line gone[] = {{KEY("s", 1), NULL}};
    fold(s, gone, 1, &ignored);
    state_read(s);
    state_referrers(s, STR("t"), 1, &n);
    assert_int_equal(n, 0);
    state_done(s);
    state_free(s);
}

static void clearing_forgets_what_is_deleted(void **state)
{
    const struct line lines[] = {{KEY("s", 1), VALUE("s", 1, 1, "\\\"int\\\"", true)},
                                 {KEY("s", 2), VALUE("s", 2, 2, "\\\"long\\\"", false)},
                                 {KEY("t", 1), VALUE("t", 1, 1, "\\\"int\\\"", true)},
                                 {KEY(":.c:u", 1), VALUE(":.c:u", 1, 1, "\\\"int\\\"", true)},
                                 {"{\"keytype\":\"CLEAR_SUBJECT\",\"subject\":\"s\",\"magic\":0}", "{\"subject\":\"s\"}"},
                                 {"{\"keytype\":\"CLEAR_SUBJECT\",\"subject\":\":.c:\",\"magic\":0}", "{\"subject\":\":.c:\"}"},
                                 {"{\"keytype\":\"CLEAR_SUBJECT\",\"magic\":0}", "{}"}};
    struct state *s = state_new();
    size_t ignored = 0;
    fold(s, lines, 5, &ignored);
    state_read(s);
    assert_int_equal(subject_of(s, "s")->n, 1);
    assert_non_null(subject_of(s, "t"));
    state_done(s);
    fold(s, lines + 5, 1, &ignored);
    state_read(s);
    assert_null(subject_of(s, ":.c:u"));
    assert_non_null(subject_of(s, "t"));
    state_done(s);
    fold(s, lines + 6, 1, &ignored);
    state_read(s);
    assert_null(subject_of(s, "t"));
    assert_non_null(subject_of(s, "s"));
    state_done(s);
    state_free(s);
}

/* Random changes of a small world: the invariants hold after each. */
static void random_logs_keep_the_invariants(void **state)
{
    srand(11);
    for (int round = 0; round < 200; round++) {
        struct state *s = state_new();
        size_t ignored = 0;
        for (int i = 0; i < 60; i++) {
            char key[200], value[300];
            int subject = rand() % 4, version = 1 + rand() % 3, text = rand() % 4, kind = rand() % 10;
            const char *name = (const char *[]){"a", "b", ":.c:a", "d"}[subject];
            struct line line = {key, value};
            snprintf(key, sizeof key, "{\"keytype\":\"SCHEMA\",\"subject\":\"%s\",\"version\":%d,\"magic\":1}", name, version);
            snprintf(value, sizeof value,
                     "{\"subject\":\"%s\",\"version\":%d,\"id\":%d,\"references\":[{\"name\":\"x\",\"subject\":\"a\",\"version\":%d}],"
                     "\"schema\":\"%d\",\"deleted\":%s}",
                     name, version, 1 + text + 4 * (rand() % 2), version, text, rand() % 3 == 0 ? "true" : "false");
            if (kind == 0)
                line.value = NULL;
            if (kind == 1)
                snprintf(key, sizeof key, "{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"%s\",\"magic\":0}", name);
            if (kind == 2)
                snprintf(key, sizeof key, "{\"keytype\":\"CLEAR_SUBJECT\",\"subject\":\"%s\",\"magic\":0}", name);
            fold(s, &line, 1, &ignored);
        }
        state_free(s);
    }
}

/* ---- records as they are written --------------------------------------------------------------------------------------- */

static void records_have_the_contracts_bytes(void **state)
{
    const struct schema_ref refs[] = {{STR("n"), STR("t"), 2}};
    struct change config = {.kind = CHANGE_CONFIG, .subject = STR("")};
    config.config.v[CONFIG_LEVEL] = STR("\"FULL\"");
    struct change subject_config = config;
    subject_config.subject = STR("s");
    const struct {
        struct change change;
        const char *key, *value;
    } cases[] = {
        {{.kind = CHANGE_SCHEMA, .subject = STR("s"), .version = 1, .id = 1, .text = STR("\"string\"")},
         "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}",
         "{\"subject\":\"s\",\"version\":1,\"id\":1,\"schemaType\":\"AVRO\",\"schema\":\"\\\"string\\\"\",\"deleted\":false}"},
        {{.kind = CHANGE_SCHEMA, .subject = STR("s"), .version = 1, .id = 1, .text = STR("x"), .refs = refs, .nrefs = 1,
          .metadata = STR("{\"properties\":{\"a\":\"b\"}}"), .deleted = true},
         "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}",
         "{\"subject\":\"s\",\"version\":1,\"id\":1,\"schemaType\":\"AVRO\",\"references\":[{\"name\":\"n\",\"subject\":\"t\",\"version\":2}],"
         "\"metadata\":{\"properties\":{\"a\":\"b\"}},\"schema\":\"x\",\"deleted\":true}"},
        {config, "{\"keytype\":\"CONFIG\",\"magic\":0}", "{\"compatibilityLevel\":\"FULL\"}"},
        {subject_config, "{\"keytype\":\"CONFIG\",\"subject\":\"s\",\"magic\":0}", "{\"subject\":\"s\",\"compatibilityLevel\":\"FULL\"}"},
        {{.kind = CHANGE_MODE, .subject = STR(""), .mode = MODE_READONLY}, "{\"keytype\":\"MODE\",\"magic\":0}", "{\"mode\":\"READONLY\"}"},
        {{.kind = CHANGE_MODE, .subject = STR(""), .null_subject = true}, "{\"keytype\":\"MODE\",\"subject\":null,\"magic\":0}",
         "{\"mode\":\"READWRITE\"}"},
        {{.kind = CHANGE_DELETE_SUBJECT, .subject = STR("s"), .version = 3}, "{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"s\",\"magic\":0}",
         "{\"subject\":\"s\",\"version\":3}"},
        {{.kind = CHANGE_CONTEXT, .context = STR(".ctx"), .subject = STR(":.ctx:s")},
         "{\"keytype\":\"CONTEXT\",\"tenant\":\"default\",\"context\":\".ctx\",\"magic\":0}", "{\"tenant\":\"default\",\"context\":\".ctx\"}"},
        {{.kind = CHANGE_NOOP}, "{\"keytype\":\"NOOP\",\"magic\":0}", NULL},
    };
    for (size_t i = 0; i < N(cases); i++) {
        OWN_BY(buf_clear) struct buf key = {0}, value = {0};
        change_put_key(&key, &cases[i].change);
        assert_string_equal(buf_cstr(&key), cases[i].key);
        if (cases[i].value == NULL)
            continue;
        change_put_value(&value, &cases[i].change);
        assert_string_equal(buf_cstr(&value), cases[i].value);
        OWN_BY(arena_clear) struct arena a = {0};
        struct change back;
        struct err err = {0};
        const struct record rec = {.key = buf_str(&key), .value = buf_str(&value)};
        assert_int_equal(change_read(&rec, &a, &back, &err), 0);
        assert_int_equal(back.kind, cases[i].change.kind);
    }
}

static void subjects_know_their_context(void **state)
{
    static const struct {
        const char *given, *normal, *context, *name;
    } cases[] = {{"foo", "foo", ".", "foo"},       {":.:foo", "foo", ".", "foo"},     {":.ctx", ":.ctx:", ".ctx", ""},
                 {":.ctx:", ":.ctx:", ".ctx", ""}, {":.c:f", ":.c:f", ".c", "f"},     {":.:", "", ".", ""},
                 {"a:b", "a:b", ".", "a:b"},       {":.c:a:b", ":.c:a:b", ".c", "a:b"}, {":x", ":x", ".", ":x"}};
    for (size_t i = 0; i < N(cases); i++) {
        OWN_BY(arena_clear) struct arena a = {0};
        struct str s = subject_normal(str_of(cases[i].given), &a);
        assert_true(str_is(s, cases[i].normal));
        assert_true(str_is(subject_context(s), cases[i].context));
        assert_true(str_is(subject_name(s), cases[i].name));
    }
    OWN_BY(arena_clear) struct arena a = {0};
    assert_true(str_is(subject_qualify(STR("t"), STR(":.c:s"), &a), ":.c:t"));
    assert_true(str_is(subject_qualify(STR(":.d:t"), STR(":.c:s"), &a), ":.d:t"));
    assert_true(str_is(subject_qualify(STR("t"), STR("s"), &a), "t"));
}

static void bad_subjects_are_refused(void **state)
{
    static const struct {
        const char *subject;
        bool ok;
    } cases[] = {{"s", true}, {"*", true}, {"a/b\"{}:'", true}, {"", false}, {"a\nb", false}, {"a\tb", false}, {"a\xc2\x85", false},
                 {"\xff", false}, {"__GLOBAL", false}, {":.c:__EMPTY", false}, {":.__GLOBAL:s", false}, {":.c:", false}, {"\xc3\xa9", true}};
    for (size_t i = 0; i < N(cases); i++) {
        struct err err = {0};
        int rc = subject_check(str_of(cases[i].subject), false, &err);
        assert_int_equal(rc, cases[i].ok ? 0 : -1);
        assert_int_equal(err.code, cases[i].ok ? 0 : 42208);
    }
    assert_int_equal(subject_check(STR("*"), true, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_is_found_in_every_way),
        cmocka_unit_test(one_identity_is_one_content_under_many_subjects),
        cmocka_unit_test(deleting_a_subject_hides_what_is_there_then),
        cmocka_unit_test(an_id_never_names_a_second_schema),
        cmocka_unit_test(poison_is_skipped_and_the_rest_applied),
        cmocka_unit_test(both_forms_of_the_global_key_are_one_entry),
        cmocka_unit_test(a_subjects_own_config_is_filled_from_the_global_one),
        cmocka_unit_test(who_refers_to_whom_is_known),
        cmocka_unit_test(clearing_forgets_what_is_deleted),
        cmocka_unit_test(random_logs_keep_the_invariants),
        cmocka_unit_test(records_have_the_contracts_bytes),
        cmocka_unit_test(subjects_know_their_context),
        cmocka_unit_test(bad_subjects_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
