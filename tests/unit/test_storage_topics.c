/* Conformance of both engines: topics, their partitions and configs. */
#include "storage_fixture.h"

static const struct topic_config *find(const struct topic_config *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(list[i].name, name))
            return &list[i];
    fail_msg("no config %s among %zu", name, n);
    return NULL;
}

static const struct topic_config *config(struct fixture *f, struct str topic, const char *name)
{
    struct err err = {0};
    struct topic_config *list;
    size_t n;
    assert_ok(storage_topic_configs(f->storage, topic, &f->arena, &list, &n, &err), err);
    return find(list, n, name);
}

static bool is_listed(struct fixture *f, struct str topic)
{
    struct err err = {0};
    struct topic_info *list;
    size_t n, found = 0;
    assert_ok(storage_list_topics(f->storage, &f->arena, &list, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            assert_true(str_cmp(list[i - 1].name, list[i].name) < 0);
        found += str_eq(list[i].name, topic);
    }
    assert_true(found <= 1);
    return found == 1;
}

static void cluster_says_who_it_is(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct cluster c;
    assert_ok(storage_cluster(f->storage, &f->arena, &c, &err), err);
    assert_int_equal(c.id.n, 22);
    assert_true(c.nbrokers >= 1);
    assert_true(c.brokers[0].host.n > 0);
    assert_string_equal(storage_engine(f->storage), f->kafka ? "kafka" : "sqlite");
    if (!f->kafka) {
        struct str id = c.id;
        assert_int_equal(c.nbrokers, 1);
        assert_int_equal(c.brokers[0].id, 0);
        fixture_reopen(f, NULL, 0);
        assert_ok(storage_cluster(f->storage, &f->arena, &c, &err), err);
        assert_true(str_eq(c.id, id));
    }
}

static void topic_is_made_described_listed_deleted(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct topic_info info;
    struct str topic = fixture_topic(f, 3, NULL, NULL);
    assert_ok(storage_describe_topic(f->storage, topic, &f->arena, &info, &err), err);
    assert_true(str_eq(info.name, topic));
    assert_false(info.is_internal);
    assert_int_equal(info.npartitions, 3);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(info.partitions[i].id, i);
        assert_int_equal(info.partitions[i].nreplicas, 1);
        assert_int_equal(info.partitions[i].nisrs, 1);
        assert_true(info.partitions[i].leader >= 0);
    }
    assert_true(is_listed(f, topic));
    assert_ok(storage_delete_topic(f->storage, topic, &err), err);
    WAIT_FOR(!is_listed(f, topic));
    assert_int_equal(storage_describe_topic(f->storage, topic, &f->arena, &info, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
}

static void asking_creates_nothing(void **state)
{
    struct fixture *f = fixture(state);
    struct str topic = fixture_name(f, "never");
    struct topic_info info;
    struct topic_config *configs;
    size_t n;
    int64_t low, high, offset;
    struct err err = {0};
    assert_int_equal(storage_describe_topic(f->storage, topic, &f->arena, &info, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
    err_clear(&err);
    assert_int_equal(storage_topic_configs(f->storage, topic, &f->arena, &configs, &n, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
    err_clear(&err);
    assert_int_equal(storage_watermarks(f->storage, topic, 0, &low, &high, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
    err_clear(&err);
    assert_int_equal(storage_offset_for_time(f->storage, topic, 0, 0, &offset, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
    err_clear(&err);
    assert_int_equal(storage_delete_topic(f->storage, topic, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
    err_clear(&err);
    assert_int_equal(storage_add_partitions(f->storage, topic, 2, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
    err_clear(&err);
    assert_null(reader_open(f->storage, topic, 0, OFFSET_BEGINNING, &err));
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
    assert_false(is_listed(f, topic));
}

static void wrong_topics_are_refused(void **state)
{
    struct fixture *f = fixture(state);
    struct str there = fixture_topic(f, 1, NULL, NULL), fresh = fixture_name(f, "wrong");
    static const struct topic_config unknown = {.name = {"no.such.config", 14}, .value = {"1", 1}};
    static const struct topic_config not_a_number = {.name = {"retention.ms", 12}, .value = {"soon", 4}};
    static const struct topic_config not_a_policy = {.name = {"cleanup.policy", 14}, .value = {"shrink", 6}};
    static const int32_t nobody[] = {987654};
    static const struct replica_list nowhere = {.partition = 0, .brokers = nobody, .nbrokers = 1};
    const struct {
        const char *why;
        struct topic_spec spec;
        int code;
    } cases[] = {
        {"exists", {.name = there, .partitions = 1, .replication_factor = -1}, STORE_TOPIC_EXISTS},
        {"empty name", {.name = STR(""), .partitions = 1, .replication_factor = -1}, STORE_INVALID_TOPIC},
        {"a slash in the name", {.name = STR("a/b"), .partitions = 1, .replication_factor = -1}, STORE_INVALID_TOPIC},
        {"two dots", {.name = STR(".."), .partitions = 1, .replication_factor = -1}, STORE_INVALID_TOPIC},
        {"no partitions", {.name = fresh, .partitions = 0, .replication_factor = -1}, STORE_INVALID_REQUEST},
        {"negative partitions", {.name = fresh, .partitions = -7, .replication_factor = -1}, STORE_INVALID_REQUEST},
        {"more replicas than brokers", {.name = fresh, .partitions = 1, .replication_factor = 99}, STORE_INVALID_REQUEST},
        {"unknown config",
         {.name = fresh, .partitions = 1, .replication_factor = -1, .configs = &unknown, .nconfigs = 1},
         STORE_INVALID_CONFIG},
        {"text for a number",
         {.name = fresh, .partitions = 1, .replication_factor = -1, .configs = &not_a_number, .nconfigs = 1},
         STORE_INVALID_CONFIG},
        {"unknown policy",
         {.name = fresh, .partitions = 1, .replication_factor = -1, .configs = &not_a_policy, .nconfigs = 1},
         STORE_INVALID_CONFIG},
        {"on a broker that is not there",
         {.name = fresh, .partitions = -1, .replication_factor = -1, .assignments = &nowhere, .nassignments = 1},
         STORE_INVALID_REQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        if (storage_create_topic(f->storage, &cases[i].spec, &err) == 0)
            fail_msg("%s: was created", cases[i].why);
        if (err.code != cases[i].code)
            fail_msg("%s: %d %s", cases[i].why, err.code, err.text);
        assert_true(strlen(err.text) > 10);
    }
    assert_false(is_listed(f, fresh));
}

static void validate_only_checks_and_makes_nothing(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct topic_config bad = {.name = STR("retention.ms"), .value = STR("soon")};
    struct topic_spec spec = {.name = fixture_name(f, "trial"), .partitions = 2, .replication_factor = 1, .validate_only = true};
    assert_ok(storage_create_topic(f->storage, &spec, &err), err);
    assert_false(is_listed(f, spec.name));
    spec.configs = &bad;
    spec.nconfigs = 1;
    assert_int_equal(storage_create_topic(f->storage, &spec, &err), -1);
    assert_int_equal(err.code, STORE_INVALID_CONFIG);
}

static void assignments_give_the_partitions(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct cluster c;
    struct topic_info info;
    assert_ok(storage_cluster(f->storage, &f->arena, &c, &err), err);
    const int32_t broker[] = {c.brokers[0].id};
    const struct replica_list lists[] = {{0, broker, 1}, {1, broker, 1}};
    const struct topic_spec spec = {
        .name = fixture_name(f, "assigned"), .partitions = -1, .replication_factor = -1, .assignments = lists, .nassignments = 2};
    assert_ok(storage_create_topic(f->storage, &spec, &err), err);
    assert_ok(storage_describe_topic(f->storage, spec.name, &f->arena, &info, &err), err);
    assert_int_equal(info.npartitions, 2);
    assert_int_equal(info.partitions[1].replicas[0], broker[0]);
}

static size_t partitions_of(struct fixture *f, struct str topic)
{
    struct err err = {0};
    struct topic_info info;
    assert_ok(storage_describe_topic(f->storage, topic, &f->arena, &info, &err), err);
    return info.npartitions;
}

static void partitions_can_only_grow(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct str topic = fixture_topic(f, 2, NULL, NULL);
    assert_int_equal(storage_add_partitions(f->storage, topic, 1, &err), -1);
    assert_int_equal(err.code, STORE_INVALID_REQUEST);
    err_clear(&err);
    assert_int_equal(storage_add_partitions(f->storage, topic, 2, &err), -1);
    assert_int_equal(err.code, STORE_INVALID_REQUEST);
    err_clear(&err);
    assert_ok(storage_add_partitions(f->storage, topic, 4, &err), err);
    WAIT_FOR(partitions_of(f, topic) == 4);
    const struct record r = {.value = STR("in the new one"), .partition = 3};
    WAIT_FOR(({
        struct produced p;
        produce(f, topic, &r, 1, &p);
        p.code == 0;
    }));
}

static void configs_have_defaults_and_change(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct str topic = fixture_topic(f, 1, "retention.ms", "123456");
    const struct topic_config *c = config(f, topic, "retention.ms");
    assert_str(c->value, "123456");
    assert_string_equal(c->source, "DYNAMIC_TOPIC_CONFIG");
    assert_false(c->is_default);
    c = config(f, topic, "cleanup.policy");
    assert_str(c->value, "delete");
    assert_true(c->is_default);
    assert_string_equal(c->source, "DEFAULT_CONFIG");
    assert_false(c->is_sensitive);

    const struct topic_config changes[] = {{.name = STR("cleanup.policy"), .value = STR("compact")},
                                           {.name = STR("max.message.bytes"), .value = STR("2000")}};
    assert_ok(storage_alter_configs(f->storage, topic, changes, 2, &err), err);
    WAIT_FOR(str_is(config(f, topic, "cleanup.policy")->value, "compact"));
    assert_str(config(f, topic, "max.message.bytes")->value, "2000");
    assert_str(config(f, topic, "retention.ms")->value, "123456");

    const struct topic_config back = {.name = STR("retention.ms"), .value = STR_NULL};
    assert_ok(storage_alter_configs(f->storage, topic, &back, 1, &err), err);
    WAIT_FOR(str_is(config(f, topic, "retention.ms")->value, "604800000"));
    assert_true(config(f, topic, "retention.ms")->is_default);
    assert_str(config(f, topic, "cleanup.policy")->value, "compact");
}

static void configs_are_sorted(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct topic_config *list;
    size_t n;
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    assert_ok(storage_topic_configs(f->storage, topic, &f->arena, &list, &n, &err), err);
    for (size_t i = 1; i < n; i++)
        assert_true(str_cmp(list[i - 1].name, list[i].name) < 0);
    static const char *const expected[] = {"cleanup.policy",        "compression.type",       "delete.retention.ms",
                                           "max.message.bytes",     "message.timestamp.type", "min.cleanable.dirty.ratio",
                                           "min.compaction.lag.ms", "min.insync.replicas",    "retention.bytes",
                                           "retention.ms",          "segment.bytes",          "segment.ms"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        find(list, n, expected[i]);
}

static void wrong_config_changes_nothing(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct str topic = fixture_topic(f, 1, NULL, NULL);
    const struct topic_config half[] = {{.name = STR("retention.ms"), .value = STR("5000")},
                                        {.name = STR("min.cleanable.dirty.ratio"), .value = STR("7")}};
    assert_int_equal(storage_alter_configs(f->storage, topic, half, 2, &err), -1);
    assert_int_equal(err.code, STORE_INVALID_CONFIG);
    err_clear(&err);
    assert_str(config(f, topic, "retention.ms")->value, "604800000");
    const struct topic_config unknown = {.name = STR("no.such.config"), .value = STR("1")};
    assert_int_equal(storage_alter_configs(f->storage, topic, &unknown, 1, &err), -1);
    assert_int_equal(err.code, STORE_INVALID_CONFIG);
    err_clear(&err);
    const struct topic_config fine = {.name = STR("retention.ms"), .value = STR("1")};
    assert_int_equal(storage_alter_configs(f->storage, fixture_name(f, "never"), &fine, 1, &err), -1);
    assert_int_equal(err.code, STORE_UNKNOWN_TOPIC);
}

static void deleted_topic_can_be_made_again(void **state)
{
    struct fixture *f = fixture(state);
    struct err err = {0};
    struct str topic = fixture_topic(f, 2, NULL, NULL);
    int64_t low, high = -1;
    produce_numbered(f, topic, 1, "old", 10);
    assert_ok(storage_delete_topic(f->storage, topic, &err), err);
    WAIT_FOR(!is_listed(f, topic));
    const struct topic_spec again = {.name = topic, .partitions = 1, .replication_factor = -1};
    WAIT_FOR((err_clear(&err), storage_create_topic(f->storage, &again, &err) == 0));
    assert_int_equal(partitions_of(f, topic), 1);
    WAIT_FOR((err_clear(&err), storage_watermarks(f->storage, topic, 0, &low, &high, &err) == 0 && high == 0));
    assert_int_equal(low, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cluster_says_who_it_is),       TEST(topic_is_made_described_listed_deleted), TEST(asking_creates_nothing),
        TEST(wrong_topics_are_refused),     TEST(validate_only_checks_and_makes_nothing), TEST(assignments_give_the_partitions),
        TEST(partitions_can_only_grow),     TEST(configs_have_defaults_and_change),       TEST(configs_are_sorted),
        TEST(wrong_config_changes_nothing), TEST(deleted_topic_can_be_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
