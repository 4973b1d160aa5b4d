/* storage/kafka/offsets.c - a member's positions: seek, store, commit, committed. */
#include "storage/kafka/member.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/grow.h"
#include "base/own.h"
#include "storage/kafka/errors.h"

enum { SEEK_TRY_MS = 2000, SEEK_STEP_MS = 10, STOPPED_MS = 300, REFUSED_WAIT_MS = 1000 };

rd_kafka_topic_partition_list_t *member_list(const struct tp *tps, size_t n, struct err *err)
{
    char z[TOPIC_NAME_MAX + 1];
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++) {
        int bad = kafka_topic_z(tps[i].topic, z, err);
        if (bad == 0 && tps[i].metadata.n > INT16_MAX) /* (librdkafka would send its length modulo 65536) */
            bad = err_set(err, STORE_INVALID_REQUEST, "The metadata of %s-%d is %zu bytes: at most %d", z, (int)tps[i].partition, tps[i].metadata.n,
                          INT16_MAX);
        if (bad < 0) {
            rd_kafka_topic_partition_list_destroy(list);
            return NULL;
        }
        rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, z, tps[i].partition);
        p->offset = tps[i].offset;
        if (tps[i].metadata.n != 0 && (p->metadata = rd_kafka_mem_malloc(NULL, tps[i].metadata.n)) != NULL) {
            memcpy(p->metadata, tps[i].metadata.p, tps[i].metadata.n);
            p->metadata_size = tps[i].metadata.n;
        }
    }
    return list;
}

void member_list_drop_repeated(rd_kafka_topic_partition_list_t *list)
{
    for (int i = 1; i < list->cnt;) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        rd_kafka_topic_partition_t *first = rd_kafka_topic_partition_list_find(list, p->topic, p->partition);
        if (first == p) {
            i++;
        } else {
            first->offset = p->offset;
            rd_kafka_topic_partition_list_del_by_idx(list, i);
        }
    }
}

void member_list_free(rd_kafka_topic_partition_list_t **list)
{
    if (*list != NULL)
        rd_kafka_topic_partition_list_destroy(*list);
}

rd_kafka_topic_partition_list_t *member_assigned(struct kafka_member *m, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_resp_err_t e = rd_kafka_assignment(m->rk, &list);
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
        return list;
    errors_set(err, m->k->health, e, "assignment of group '%s'", m->group);
    return NULL;
}

/* How long to wait for the coordinator: of a group that was refused nothing is expected, but the right may have been given
 * meanwhile. */
static int wait_ms(const struct kafka_member *m)
{
    int most = m->k->options.timeout_ms;
    return m->refused.code != 0 && most > REFUSED_WAIT_MS ? REFUSED_WAIT_MS : most;
}

static int group_error(struct kafka_member *m, rd_kafka_resp_err_t e, const char *what, struct err *err)
{
    if (errors_is_silence(e) && m->refused.code != 0)
        return err_set(err, m->refused.code, "%s", m->refused.text);
    return errors_set(err, m->k->health, e, "%s of group '%s'", what, m->group);
}

/* The first error of a list, after the call's own. */
static int list_error(struct kafka_member *m, rd_kafka_resp_err_t e, const rd_kafka_topic_partition_list_t *list,
                      const char *what, struct err *err)
{
    for (int i = 0; list != NULL && i < list->cnt; i++)
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return errors_set(err, m->k->health, list->elems[i].err, "%s of group '%s' for %s-%d", what, m->group,
                              list->elems[i].topic, (int)list->elems[i].partition);
    return e == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : group_error(m, e, what, err);
}

/* ---- seek ---- */

/* True when some partition of the list is assigned but its fetcher does not run, has not taken the seek up, or was assigned anew meanwhile (outdated): ask again. */
static bool not_running(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        switch (list->elems[i].err) {
        case RD_KAFKA_RESP_ERR__STATE:
        case RD_KAFKA_RESP_ERR__IN_PROGRESS:
        case RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS:
        case RD_KAFKA_RESP_ERR__OUTDATED:
            return true;
        default:
            break;
        }
    return false;
}

static rd_kafka_resp_err_t seek_list(struct kafka_member *m, rd_kafka_topic_partition_list_t *list, int64_t deadline_ms)
{
    int64_t left = deadline_ms - clock_mono_ms();
    if (left > SEEK_TRY_MS)
        left = SEEK_TRY_MS;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(m->rk, list, left > 1 ? (int)left : 1);
    rd_kafka_resp_err_t e = error != NULL ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error != NULL)
        rd_kafka_error_destroy(error);
    return e;
}

/* A partition that stopped because its position is not in the log cannot be sought, only assigned anew: all of them are, each at
 * the position it has, those of list at the offset asked for. */
static rd_kafka_resp_err_t assign_again(struct kafka_member *m, rd_kafka_topic_partition_list_t *assigned,
                                        const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_position(m->rk, assigned);
    for (int i = 0; i < assigned->cnt; i++) {
        rd_kafka_topic_partition_t *p = &assigned->elems[i];
        for (int j = 0; j < list->cnt; j++)
            if (list->elems[j].partition == p->partition && strcmp(list->elems[j].topic, p->topic) == 0)
                p->offset = list->elems[j].offset;
    }
    return rd_kafka_assign(m->rk, assigned);
}

int kafka_member_seek(struct member *member, const struct tp *tps, size_t n, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *assigned = member_assigned(m, err);
    OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *list = assigned != NULL ? member_list(tps, n, err) : NULL;
    if (list == NULL)
        return -1;
    member_list_drop_repeated(list);
    for (int i = 0; i < list->cnt; i++)
        if (rd_kafka_topic_partition_list_find(assigned, list->elems[i].topic, list->elems[i].partition) == NULL)
            return err_set(err, STORE_ILLEGAL_STATE, "No current assignment for partition %s-%d", list->elems[i].topic,
                           (int)list->elems[i].partition);
    /* A fetcher begins a short while after the assignment; until then wait, but not for one that has stopped. */
    int64_t began_ms = clock_mono_ms(), deadline_ms = began_ms + m->k->options.timeout_ms;
    for (;;) {
        rd_kafka_resp_err_t e = seek_list(m, list, deadline_ms);
        if (!not_running(list) || clock_mono_ms() >= deadline_ms)
            return list_error(m, e, list, "seek", err);
        if (m->reset_none && clock_mono_ms() - began_ms >= STOPPED_MS)
            return list_error(m, assign_again(m, assigned, list), NULL, "seek", err);
        clock_sleep_ms(SEEK_STEP_MS);
    }
}

/* ---- commit ---- */

/* Commits exactly list, or with NULL what was stored.  rd_kafka_commit would wait as long as the session timeout for a
 * coordinator that is away, so the result is awaited on a queue of our own. */
static int commit(struct kafka_member *m, const rd_kafka_topic_partition_list_t *list, struct err *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(m->rk);
    rd_kafka_resp_err_t e = rd_kafka_commit_queue(m->rk, list, queue, NULL, NULL);
    rd_kafka_event_t *ev = e == RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_queue_poll(queue, wait_ms(m)) : NULL;
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
        e = ev != NULL ? rd_kafka_event_error(ev) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    int status = 0;
    if (e != RD_KAFKA_RESP_ERR__NO_OFFSET) /* nothing was stored */
        status = list_error(m, e, ev != NULL ? rd_kafka_event_topic_partition_list(ev) : NULL, "commit", err);
    if (status == 0)
        err_clear(&m->refused);
    if (ev != NULL)
        rd_kafka_event_destroy(ev);
    rd_kafka_queue_destroy(queue);
    return status;
}

static struct stored *find_stored(struct kafka_member *m, struct str topic, int32_t partition)
{
    for (size_t i = 0; i < m->nstored; i++)
        if (m->stored[i].partition == partition && str_is(topic, m->stored[i].topic))
            return &m->stored[i];
    if (m->nstored == m->capstored && !grow_array(&m->stored, &m->capstored, sizeof *m->stored))
        return NULL;
    char *copy = str_dup(topic);
    if (copy == NULL)
        return NULL;
    m->stored[m->nstored] = (struct stored){.topic = copy, .partition = partition, .offset = OFFSET_INVALID};
    return &m->stored[m->nstored++];
}

/* librdkafka commits a stored offset only if it is higher than what was committed.  After a seek back the lower one is what the
 * caller wants: those are committed by an explicit list (which librdkafka takes as it is), of partitions that are still assigned.
 * NULL: there are none. */
static rd_kafka_topic_partition_list_t *take_rewound(struct kafka_member *m)
{
    rd_kafka_topic_partition_list_t *list = NULL, *assigned = NULL;
    for (size_t i = 0; i < m->nstored; i++) {
        struct stored *s = &m->stored[i];
        if (!s->rewound)
            continue;
        s->rewound = false;
        if (assigned == NULL && (assigned = member_assigned(m, NULL)) == NULL)
            return NULL;
        if (rd_kafka_topic_partition_list_find(assigned, s->topic, s->partition) == NULL)
            continue;
        if (list == NULL)
            list = rd_kafka_topic_partition_list_new(4);
        rd_kafka_topic_partition_list_add(list, s->topic, s->partition)->offset = s->offset;
    }
    member_list_free(&assigned);
    return list;
}

int kafka_member_store(struct member *member, const struct tp *tps, size_t n, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *list = member_list(tps, n, err);
    if (list == NULL)
        return -1;
    rd_kafka_offsets_store(m->rk, list);
    bool back = false;
    for (size_t i = 0; i < n; i++) {
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) /* not assigned: ignored */
            continue;
        struct stored *s = find_stored(m, tps[i].topic, tps[i].partition);
        if (s == NULL)
            return err_nomem(err);
        s->rewound = s->offset != OFFSET_INVALID && (s->rewound || tps[i].offset < s->offset);
        s->offset = tps[i].offset;
        back = back || s->rewound;
    }
    if (!back || !m->auto_commit)
        return 0;
    OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *rewound = take_rewound(m);
    if (rewound != NULL)
        rd_kafka_commit(m->rk, rewound, 1);
    return 0;
}

int kafka_member_commit(struct member *member, const struct tp *tps, size_t n, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    if (tps == NULL) {
        OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *rewound = take_rewound(m);
        if (rewound != NULL && commit(m, rewound, err) < 0)
            return -1;
        return commit(m, NULL, err);
    }
    if (n == 0)
        return 0;
    OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *list = member_list(tps, n, err);
    return list == NULL ? -1 : commit(m, list, err);
}

int kafka_member_committed(struct member *member, struct arena *a, struct tp *tps, size_t n, struct err *err)
{
    struct kafka_member *m = (struct kafka_member *)member;
    OWN_BY(member_list_free) rd_kafka_topic_partition_list_t *list = member_list(tps, n, err);
    if (list == NULL)
        return -1;
    rd_kafka_resp_err_t e = rd_kafka_committed(m->rk, list, wait_ms(m));
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return group_error(m, e, "committed offsets", err);
    err_clear(&m->refused);
    for (size_t i = 0; i < n; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        bool unknown = p->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART; /* then nothing is committed either */
        if (p->err != RD_KAFKA_RESP_ERR_NO_ERROR && !unknown)
            return errors_set(err, m->k->health, p->err, "committed offset of group '%s' for %s-%d", m->group, p->topic,
                              (int)p->partition);
        tps[i].offset = p->offset >= 0 && !unknown ? p->offset : OFFSET_INVALID;
        tps[i].metadata = p->metadata_size != 0 ? arena_str(a, str_n(p->metadata, p->metadata_size)) : STR_NULL;
    }
    return 0;
}
