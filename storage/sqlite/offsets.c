/* storage/sqlite/offsets.c - committed offsets: written by the writer together with everything else, then put into memory. */
#include "storage/sqlite/offsets.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

enum { KEY_MAX = 264 }; /* topic, slash, number */

struct committed {
    struct str key, metadata; /* in memory behind the struct; metadata.p NULL: none */
    int64_t offset;
};

struct commit {
    struct op op;
    struct groups *groups;
    struct sqlite *s;
    struct str group;
    struct tp *tps;
    size_t n;
    bool lenient; /* partitions that are gone are skipped */
};

static struct str key_of(char buf[KEY_MAX], struct str topic, int32_t number)
{
    int n = snprintf(buf, KEY_MAX, "%.*s/%d", (int)(topic.n < 249 ? topic.n : 249), topic.p, number);
    return str_n(buf, (size_t)n);
}

int64_t group_committed(struct group *group, struct str topic, int32_t number, struct str *metadata)
{
    char buf[KEY_MAX];
    const struct committed *c = map_get(&group->committed, key_of(buf, topic, number));
    if (metadata != NULL)
        *metadata = c != NULL ? c->metadata : STR_NULL;
    return c != NULL ? c->offset : OFFSET_INVALID;
}

int offsets_put(struct group *group, struct str topic, int32_t number, int64_t offset, struct str metadata)
{
    char buf[KEY_MAX];
    struct str key = key_of(buf, topic, number);
    struct committed *old = map_get(&group->committed, key), *c = malloc(sizeof *c + key.n + metadata.n);
    if (c == NULL)
        return -1;
    char *bytes = (char *)(c + 1);
    memcpy(bytes, key.p, key.n);
    if (metadata.n > 0)
        memcpy(bytes + key.n, metadata.p, metadata.n);
    *c = (struct committed){.key = str_n(bytes, key.n), .offset = offset, .metadata = STR_NULL};
    if (metadata.p != NULL)
        c->metadata = str_n(bytes + key.n, metadata.n);
    if (map_set(&group->committed, c->key, c) < 0) {
        free(c);
        return -1;
    }
    free(old);
    return 0;
}

void offsets_forget_topic(struct group *group, struct str topic)
{
    char buf[KEY_MAX];
    for (bool again = true; again;) {
        size_t i = 0;
        again = false;
        for (struct committed *c; !again && (c = map_each(&group->committed, &i)) != NULL;) {
            if (c->key.n <= topic.n || c->key.p[topic.n] != '/' || memcmp(c->key.p, topic.p, topic.n) != 0)
                continue;
            memcpy(buf, c->key.p, c->key.n);
            free(map_remove(&group->committed, str_n(buf, c->key.n)));
            again = true; /* the table has moved */
        }
    }
}

void offsets_clear(struct group *group)
{
    size_t i = 0;
    for (struct committed *c; (c = map_each(&group->committed, &i)) != NULL;)
        free(c);
    map_clear(&group->committed);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static int check_partition(struct sqlite *s, const struct tp *tp, struct err *err)
{
    struct topic *t = catalog_find(s->catalog, tp->topic);
    if (t == NULL)
        return err_set(err, STORE_UNKNOWN_TOPIC, "Topic '%.*s' does not exist", STR_ARG(tp->topic));
    return catalog_partition(t, tp->partition, err) != NULL ? 0 : -1;
}

static int write_offsets(struct op *op, struct conn *conn, struct err *err)
{
    struct commit *c = (struct commit *)op;
    for (size_t i = 0; i < c->n && !c->lenient; i++)
        if (check_partition(c->s, &c->tps[i], err) < 0)
            return -1;
    for (size_t i = 0; i < c->n; i++) {
        const struct tp *tp = &c->tps[i];
        if (c->lenient && check_partition(c->s, tp, NULL) < 0)
            continue;
        if (conn_run(conn, SQL_PUT_OFFSET, err, "ttiit", c->group, tp->topic, (int64_t)tp->partition, tp->offset, tp->metadata) <
            0)
            return -1;
    }
    return 0;
}

static void settle_offsets(struct op *op)
{
    struct commit *c = (struct commit *)op;
    groups_lock(c->groups);
    struct group *group = groups_get(c->groups, c->group, NULL);
    for (size_t i = 0; i < c->n; i++) {
        const struct tp *tp = &c->tps[i];
        bool skipped = c->lenient && check_partition(c->s, tp, NULL) < 0;
        if (!skipped && (group == NULL || offsets_put(group, tp->topic, tp->partition, tp->offset, tp->metadata) < 0))
            log_error("group.offset_not_remembered", "group=%.*s topic=%.*s partition=%d", STR_ARG(c->group), STR_ARG(tp->topic),
                      tp->partition);
    }
    groups_unlock(c->groups);
}

static void finish_offsets(struct op *op)
{
    struct commit *c = (struct commit *)op;
    if (op->err.code != 0)
        log_warn("group.commit_failed", "group=%.*s reason=%s", STR_ARG(c->group), op->err.text);
    free(c);
}

/* One block of memory with copies of all of it. */
static struct commit *commit_copy(struct str group, const struct tp *tps, size_t n)
{
    size_t bytes = group.n;
    for (size_t i = 0; i < n; i++)
        bytes += tps[i].topic.n + tps[i].metadata.n;
    struct commit *c = malloc(sizeof *c + n * sizeof *tps + bytes);
    if (c == NULL)
        return NULL;
    struct tp *copy = (struct tp *)(c + 1);
    char *at = (char *)(copy + n);
    *c = (struct commit){.group = str_n(at, group.n), .tps = copy, .n = n, .lenient = true};
    memcpy(at, group.p, group.n);
    at += group.n;
    for (size_t i = 0; i < n; i++) {
        copy[i] = tps[i];
        copy[i].topic.p = memcpy(at, tps[i].topic.p, tps[i].topic.n);
        at += tps[i].topic.n;
        if (tps[i].metadata.p != NULL) {
            copy[i].metadata.p = tps[i].metadata.n > 0 ? memcpy(at, tps[i].metadata.p, tps[i].metadata.n) : "";
            at += tps[i].metadata.n;
        }
    }
    return c;
}

int offsets_commit_later(struct groups *g, struct sqlite *s, struct str group, const struct tp *tps, size_t n, struct err *err)
{
    struct commit *c = commit_copy(group, tps, n);
    if (c == NULL)
        return err_nomem(err);
    c->groups = g;
    c->s = s;
    c->op.write = write_offsets;
    c->op.settle = settle_offsets;
    c->op.finish = finish_offsets;
    if (writer_add(s->writer, &c->op, err) == 0)
        return 0;
    free(c);
    return -1;
}

int offsets_commit(struct groups *g, struct sqlite *s, struct str group, const struct tp *tps, size_t n, int timeout_ms,
                   struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (tps[i].offset < 0)
            return err_set(err, STORE_INVALID_REQUEST, "Offset %lld of %.*s-%d cannot be committed: expected one from 0",
                           (long long)tps[i].offset, STR_ARG(tps[i].topic), tps[i].partition);
        if (tps[i].metadata.n > METADATA_MAX)
            return err_set(err, STORE_INVALID_REQUEST, "The metadata of %.*s-%d is %zu bytes: at most %d", STR_ARG(tps[i].topic),
                           tps[i].partition, tps[i].metadata.n, METADATA_MAX);
    }
    struct commit c = {.op.write = write_offsets,
                       .op.settle = settle_offsets,
                       .groups = g,
                       .s = s,
                       .group = group,
                       .tps = (struct tp *)tps,
                       .n = n};
    return n == 0 ? 0 : writer_run(s->writer, &c.op, timeout_ms, err);
}
