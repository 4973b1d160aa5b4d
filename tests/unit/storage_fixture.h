/* tests/unit/storage_fixture.h - what the storage tests share: a storage of either engine for each test, and calls that wait.
 *
 * The suite runs on a fresh embedded log, and on the cluster that MUIR_TEST_KAFKA=HOST:PORT names; without it each Kafka test
 * counts as skipped. Topics and groups get random names, so a shared broker is fine. Whatever takes time on a cluster is waited
 * for, up to WAIT_MS. */
#ifndef TESTS_UNIT_STORAGE_FIXTURE_H
#define TESTS_UNIT_STORAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "storage/storage.h"

enum { WAIT_MS = 30000 };

struct fixture {
    bool kafka;
    struct storage *storage;
    struct arena arena; /* cleared after the test */
    char folder[40];    /* of the embedded log */
    char path[60];
};

int fixture_sqlite(void **state);
int fixture_kafka(void **state);
int fixture_end(void **state);

/* Both rows of a test: TEST(f) in the list of tests becomes "f on sqlite" and "f on kafka". */
#define TEST(f)                                                                                                                  \
    {#f " on sqlite", f, fixture_sqlite, fixture_end, NULL},                                                                     \
    {                                                                                                                            \
#f " on kafka", f, fixture_kafka, fixture_end, NULL                                                                      \
    }

/* First line of every test: skips it when there is no cluster. */
struct fixture *fixture(void **state);
/* Another storage on the same log: Kafka only opens a second client; the embedded engine closes and opens the file. */
void fixture_reopen(struct fixture *f, const struct storage_option *options, size_t n);
/* A name nobody has: prefix and random letters, in the arena. */
struct str fixture_name(struct fixture *f, const char *prefix);
/* A new topic with that many partitions, and one config unless name is NULL. */
struct str fixture_topic(struct fixture *f, int32_t partitions, const char *config, const char *value);

/* Produces and waits for the completion; results[i].text is copied to the arena. */
void produce(struct fixture *f, struct str topic, const struct record *records, size_t n, struct produced *results);
/* Same, and every record must have been taken; returns the first offset. */
int64_t produce_ok(struct fixture *f, struct str topic, const struct record *records, size_t n);
/* n records "PREFIX0", "PREFIX1", ... without key for one partition. */
void produce_numbered(struct fixture *f, struct str topic, int32_t partition, const char *prefix, size_t n);
/* Reads from `from` until n records are there (all of them in *b, copied in the arena) or the time is over. */
void read_records(struct fixture *f, struct str topic, int32_t partition, int64_t from, size_t n, struct batch *b);
/* Polls until n records are there. Returns how many came, with value texts in the arena. */
size_t poll_records(struct fixture *f, struct member *m, struct record *out, size_t n);

/* status is that of call; the test fails with err's text when it is negative. */
void fixture_ok(int status, const char *call, const struct err *err, const char *file, int line);
#define assert_ok(call, err) fixture_ok((call), #call, &(err), __FILE__, __LINE__)
#define assert_str(s, text) assert_true(str_is((s), (text)))
/* Waits until the expression is true; a statement that follows is done before each look but the first. */
#define WAIT_FOR(expression)                                                                                                     \
    for (int64_t until_ = clock_mono_ms() + WAIT_MS; !(expression) && fixture_wait(until_, #expression, __FILE__, __LINE__);)
bool fixture_wait(int64_t until_ms, const char *what, const char *file, int line);

#endif
