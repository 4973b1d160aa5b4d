#include "serde/subject.h"

static const struct {
    const char *java, *plain;
    enum subject_strategy strategy;
} names[] = {
    { "TopicNameStrategy", "topic_name", SUBJECT_TOPIC_NAME },
    { "RecordNameStrategy", "record_name", SUBJECT_RECORD_NAME },
    { "TopicRecordNameStrategy", "topic_record_name", SUBJECT_TOPIC_RECORD_NAME },
};

int subject_strategy_parse(struct str name, enum subject_strategy *out, struct err *err)
{
    struct str simple = name;
    for (size_t i = name.n; i > 0; i--)
        if (name.p[i - 1] == '.') {
            simple = str_n(name.p + i, name.n - i);
            break;
        }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_is(simple, names[i].java) || str_eq_nocase(name, str_of(names[i].plain))) {
            *out = names[i].strategy;
            return 0;
        }
    return err_set(err, ERR_INVALID,
                   "unknown subject name strategy '%.*s': TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy expected", STR_ARG(name));
}

static struct str made(struct str subject, struct err *err)
{
    if (subject.p == NULL)
        err_nomem(err);
    return subject;
}

struct str subject_for(enum subject_strategy strategy, struct str topic, bool is_key, struct str record_name, struct arena *a, struct err *err)
{
    if (strategy == SUBJECT_TOPIC_NAME)
        return made(arena_printf(a, "%.*s-%s", STR_ARG(topic), is_key ? "key" : "value"), err);
    if (record_name.p == NULL) {
        err_set(err, ERR_INVALID, "the %s of topic '%.*s' has no subject: %s needs a schema with a name, such as a record",
                is_key ? "key" : "value", STR_ARG(topic), names[strategy].java);
        return STR_NULL;
    }
    if (strategy == SUBJECT_RECORD_NAME)
        return made(arena_str(a, record_name), err);
    return made(arena_printf(a, "%.*s-%.*s", STR_ARG(topic), STR_ARG(record_name)), err);
}
