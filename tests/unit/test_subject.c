#include "serde/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof(*(a)))

static void strategies(void **state)
{
    static const struct { const char *name; int strategy; } cases[] = {
        {"TopicNameStrategy", SUBJECT_TOPIC_NAME},
        {"io.confluent.kafka.serializers.subject.RecordNameStrategy", SUBJECT_RECORD_NAME},
        {"TopicRecordNameStrategy", SUBJECT_TOPIC_RECORD_NAME},
        {"topic_name", SUBJECT_TOPIC_NAME}, {"RECORD_NAME", SUBJECT_RECORD_NAME}, {"Topic_Record_Name", SUBJECT_TOPIC_RECORD_NAME},
        {"topicnamestrategy", -1}, {"", -1}, {"TopicNameStrategy.", -1}, {"x.topic_name", -1}, {"TopicNameStrategyX", -1},
    };
    for (size_t i = 0; i < N(cases); i++) {
        enum subject_strategy s = SUBJECT_TOPIC_NAME;
        struct err err = {0};
        int rc = subject_strategy_parse(str_of(cases[i].name), &s, &err);
        assert_int_equal(rc, cases[i].strategy < 0 ? -1 : 0);
        if (rc == 0) {
            assert_int_equal(s, cases[i].strategy);
        } else {
            assert_int_equal(err.code, ERR_INVALID);
            assert_non_null(strstr(err.text, cases[i].name));
        }
    }
}

static void subjects(void **state)
{
    static const struct { enum subject_strategy strategy; bool key; const char *name, *subject; } cases[] = {
        {SUBJECT_TOPIC_NAME, false, NULL, "t-value"},        {SUBJECT_TOPIC_NAME, true, NULL, "t-key"},
        {SUBJECT_TOPIC_NAME, false, "a.B", "t-value"},       {SUBJECT_RECORD_NAME, true, "a.B", "a.B"},
        {SUBJECT_TOPIC_RECORD_NAME, true, "a.B", "t-a.B"},   {SUBJECT_TOPIC_RECORD_NAME, false, "a.B", "t-a.B"},
        {SUBJECT_RECORD_NAME, true, NULL, NULL},             {SUBJECT_TOPIC_RECORD_NAME, false, NULL, NULL},
    };
    struct arena a = {0};
    for (size_t i = 0; i < N(cases); i++) {
        struct err err = {0};
        struct str s = subject_for(cases[i].strategy, STR("t"), cases[i].key, str_of(cases[i].name), &a, &err);
        if (cases[i].subject == NULL) {
            assert_null(s.p);
            assert_int_equal(err.code, ERR_INVALID);
            assert_non_null(strstr(err.text, cases[i].key ? "the key of topic 't'" : "the value of topic 't'"));
        } else {
            assert_true(str_is(s, cases[i].subject));
        }
    }
    arena_clear(&a);
}

static void no_memory(void **state)
{
    struct arena a;
    struct err err = {0};
    arena_init(&a, 4);
    assert_null(subject_for(SUBJECT_TOPIC_NAME, STR("topic"), true, STR_NULL, &a, &err).p);
    assert_int_equal(err.code, ERR_NOMEM);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(strategies), cmocka_unit_test(subjects), cmocka_unit_test(no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
