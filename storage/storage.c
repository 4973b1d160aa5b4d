/* storage/storage.c - dispatch to the engine, and what is the same for both. */
#include "storage/storage.h"

#include "storage/engine.h"

static const struct engine *const engines[] = {&sqlite_engine, &kafka_engine};

struct storage *storage_open(const char *engine, const char *where, const struct storage_option *options, size_t n, struct err *err)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (strcmp(engines[i]->name, engine) == 0)
            return engines[i]->open(where, options, n, err);
    err_set(err, ERR_INVALID, "unknown storage engine '%s'; known: sqlite, kafka", engine);
    return NULL;
}

void storage_free(struct storage *s)
{
    if (s != NULL)
        s->engine->free(s);
}

int storage_ready(struct storage *s, struct err *err)
{
    return s->engine->ready(s, err);
}

const char *storage_engine(const struct storage *s)
{
    return s->engine->name;
}

int storage_cluster(struct storage *s, struct arena *a, struct cluster *out, struct err *err)
{
    return s->engine->cluster(s, a, out, err);
}

bool topic_name_ok(struct str t)
{
    if (t.n == 0 || t.n > 249 || str_is(t, ".") || str_is(t, ".."))
        return false;
    for (size_t i = 0; i < t.n; i++) {
        char c = t.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static int check_name(struct str topic, struct err *err)
{
    if (topic_name_ok(topic))
        return 0;
    return err_set(err, STORE_INVALID_TOPIC, "Topic name '%.*s' is illegal: it must be 1 to 249 characters of a-z A-Z 0-9 . _ - and not . or ..",
                   STR_ARG(topic));
}

int storage_create_topic(struct storage *s, const struct topic_spec *spec, struct err *err)
{
    if (check_name(spec->name, err) < 0)
        return -1;
    return s->engine->create_topic(s, spec, err);
}

int storage_delete_topic(struct storage *s, struct str topic, struct err *err)
{
    return s->engine->delete_topic(s, topic, err);
}

int storage_add_partitions(struct storage *s, struct str topic, int32_t total, struct err *err)
{
    return s->engine->add_partitions(s, topic, total, err);
}

int storage_list_topics(struct storage *s, struct arena *a, struct topic_info **out, size_t *n, struct err *err)
{
    return s->engine->list_topics(s, a, out, n, err);
}

int storage_describe_topic(struct storage *s, struct str topic, struct arena *a, struct topic_info *out, struct err *err)
{
    return s->engine->describe_topic(s, topic, a, out, err);
}

int storage_topic_configs(struct storage *s, struct str topic, struct arena *a, struct topic_config **out, size_t *n, struct err *err)
{
    return s->engine->topic_configs(s, topic, a, out, n, err);
}

int storage_alter_configs(struct storage *s, struct str topic, const struct topic_config *changes, size_t n, struct err *err)
{
    return s->engine->alter_configs(s, topic, changes, n, err);
}

int storage_watermarks(struct storage *s, struct str topic, int32_t partition, int64_t *low, int64_t *high, struct err *err)
{
    return s->engine->watermarks(s, topic, partition, low, high, err);
}

int storage_offset_for_time(struct storage *s, struct str topic, int32_t partition, int64_t timestamp_ms, int64_t *offset, struct err *err)
{
    return s->engine->offset_for_time(s, topic, partition, timestamp_ms, offset, err);
}

int storage_produce(struct storage *s, struct str topic, const struct record *records, size_t n, storage_produced_fn *done, void *ctx,
                    struct err *err)
{
    if (n == 0) {
        done(ctx, NULL, 0);
        return 0;
    }
    if (check_name(topic, err) < 0)
        return -1;
    return s->engine->produce(s, topic, records, n, done, ctx, err);
}

void batch_clear(struct batch *b)
{
    if (b->release != NULL)
        b->release(b);
    *b = (struct batch){0};
}

struct reader *reader_open(struct storage *s, struct str topic, int32_t partition, int64_t from, struct err *err)
{
    return s->engine->reader_open(s, topic, partition, from, err);
}

int reader_read(struct reader *r, struct batch *b, size_t max_records, size_t max_bytes, int timeout_ms, bool *end, struct err *err)
{
    return r->engine->reader_read(r, b, max_records, max_bytes, timeout_ms, end, err);
}

int64_t reader_position(const struct reader *r)
{
    return r->engine->reader_position(r);
}

void reader_wake(struct reader *r)
{
    r->engine->reader_wake(r);
}

void reader_free(struct reader *r)
{
    if (r != NULL)
        r->engine->reader_free(r);
}

struct member *member_open(struct storage *s, const struct member_options *o, struct err *err)
{
    return s->engine->member_open(s, o, err);
}

void member_free(struct member *m)
{
    if (m != NULL)
        m->engine->member_free(m);
}

int member_subscribe(struct member *m, const struct str *topics, size_t n, struct err *err)
{
    return m->engine->member_subscribe(m, topics, n, err);
}

int member_subscribe_pattern(struct member *m, struct str pattern, struct err *err)
{
    return m->engine->member_subscribe_pattern(m, pattern, err);
}

int member_unsubscribe(struct member *m, struct err *err)
{
    return m->engine->member_unsubscribe(m, err);
}

int member_assign(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    return m->engine->member_assign(m, tps, n, err);
}

int member_subscription(struct member *m, struct arena *a, struct str **topics, size_t *n, struct err *err)
{
    return m->engine->member_subscription(m, a, topics, n, err);
}

int member_assignment(struct member *m, struct arena *a, struct tp **tps, size_t *n, struct err *err)
{
    return m->engine->member_assignment(m, a, tps, n, err);
}

int member_poll(struct member *m, struct batch *b, size_t max_records, struct err *err)
{
    return m->engine->member_poll(m, b, max_records, err);
}

int member_seek(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    return m->engine->member_seek(m, tps, n, err);
}

int member_store(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    return m->engine->member_store(m, tps, n, err);
}

int member_commit(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    return m->engine->member_commit(m, tps, n, err);
}

int member_committed(struct member *m, struct arena *a, struct tp *tps, size_t n, struct err *err)
{
    return m->engine->member_committed(m, a, tps, n, err);
}

struct pen *pen_take(struct storage *s, struct str name, struct str topic, int timeout_ms, int64_t *end, struct err *err)
{
    return s->engine->pen_take(s, name, topic, timeout_ms, end, err);
}

int pen_write(struct pen *p, const struct record *records, size_t n, int timeout_ms, int64_t *offsets, struct err *err)
{
    return p->engine->pen_write(p, records, n, timeout_ms, offsets, err);
}

void pen_free(struct pen *p)
{
    if (p != NULL)
        p->engine->pen_free(p);
}

/* murmur2 with Kafka's seed (public algorithm, Austin Appleby), bytes read little endian. */
static uint32_t murmur2(const unsigned char *p, size_t n)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28cu ^ (uint32_t)n;
    size_t left = n;
    for (; left >= 4; left -= 4, p += 4) {
        uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        k *= m;
        k ^= k >> 24;
        k *= m;
        h = h * m ^ k;
    }
    if (left == 3)
        h ^= (uint32_t)p[2] << 16;
    if (left >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (left >= 1) {
        h ^= p[0];
        h *= m;
    }
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}

int32_t partition_for_key(struct str key, int32_t partitions)
{
    return (int32_t)((murmur2((const unsigned char *)key.p, key.n) & 0x7fffffff) % (uint32_t)partitions);
}
