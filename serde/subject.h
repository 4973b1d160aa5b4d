/* serde/subject.h - under which subject a topic's schema is registered (contracts serde.md 4).  Pure functions; any thread. */
#ifndef SERDE_SUBJECT_H
#define SERDE_SUBJECT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum subject_strategy { SUBJECT_TOPIC_NAME, SUBJECT_RECORD_NAME, SUBJECT_TOPIC_RECORD_NAME };

/* "TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy", with or without a Java package before it, or topic_name, record_name,
 * topic_record_name in any letter case. */
int subject_strategy_parse(struct str name, enum subject_strategy *out, struct err *err);
/* topic "t": "t-value". record_name STR_NULL where the schema has no name: an error for the strategies that need one. p == NULL in the answer: no memory or err. */
struct str subject_for(enum subject_strategy strategy, struct str topic, bool is_key, struct str record_name, struct arena *a, struct err *err);

#endif
