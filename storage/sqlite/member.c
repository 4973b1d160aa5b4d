/* storage/sqlite/member.c - what a member does: subscribe or assign, poll, seek, store, commit. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/own.h"
#include "storage/sqlite/group.h"
#include "storage/sqlite/offsets.h"
#include "storage/sqlite/rows.h"
#include "storage/sqlite/shelf.h"

enum { POLL_BYTES = 50 << 20, AUTO_COMMIT_MS = 5000, MATCH_LIMIT = 10000 };

static struct consumer *consumer_of(struct member *m)
{
    return (struct consumer *)m;
}

static struct groups *groups_of(const struct consumer *c)
{
    return c->s->groups;
}

static int read_reset(struct consumer *c, const char *reset, struct err *err)
{
    struct str word = str_of(reset != NULL ? reset : "latest");
    if (str_is(word, "earliest"))
        c->reset = RESET_EARLIEST;
    else if (str_is(word, "latest"))
        c->reset = RESET_LATEST;
    else if (str_is(word, "none"))
        c->reset = RESET_NONE;
    else
        return err_set(err, ERR_INVALID, "auto.offset.reset '%s': expected earliest, latest or none", reset);
    return 0;
}

struct member *sqlite_member_open(struct storage *st, const struct member_options *o, struct err *err)
{
    struct sqlite *s = sqlite_of(st);
    struct consumer *c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_nomem(err);
        return NULL;
    }
    c->base.engine = s->base.engine;
    c->s = s;
    c->auto_commit = o->auto_commit;
    c->auto_commit_ms = o->auto_commit_ms > 0 ? o->auto_commit_ms : AUTO_COMMIT_MS;
    c->wake = o->wake;
    c->wake_ctx = o->wake_ctx;
    if (read_reset(c, o->auto_offset_reset, err) < 0) {
        free(c);
        return NULL;
    }
    groups_lock(s->groups);
    if (asprintf(&c->id, "%.*s-%016llx", STR_ARG(o->client_id), (unsigned long long)groups_claim(s->groups)) < 0) {
        c->id = NULL;
        err_nomem(err);
    } else if ((c->group = groups_get(s->groups, o->group, err)) != NULL) {
        c->last_poll_ms = clock_mono_ms();
        group_add(c->group, c);
    }
    groups_unlock(s->groups);
    if (c->group != NULL)
        return &c->base;
    free(c->id);
    free(c);
    return NULL;
}

/* ---- subscription ------------------------------------------------------------------------------------------------------ */

static bool is_among(struct str topic, char *const *topics, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(topic, topics[i]))
            return true;
    return false;
}

bool consumer_wants(const struct consumer *c, struct str topic)
{
    if (c->pattern == NULL)
        return is_among(topic, c->topics, c->ntopics);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    bool matches = false;
    if (data != NULL && limits != NULL) {
        pcre2_set_match_limit(limits, MATCH_LIMIT);
        matches = pcre2_match(c->pattern, (PCRE2_SPTR)topic.p, topic.n, 0, 0, data, limits) >= 0;
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return matches;
}

static void drop_topics(char **topics, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(topics[i]);
    free(topics);
}

/* Replaces what c is subscribed to (it takes all three over), under the lock. */
static void set_subscription(struct consumer *c, char **topics, size_t n, pcre2_code *pattern)
{
    drop_topics(c->topics, c->ntopics);
    pcre2_code_free(c->pattern);
    c->topics = topics;
    c->ntopics = n;
    c->pattern = pattern;
}

static int begin_subscribe(struct consumer *c, struct err *err)
{
    groups_lock(groups_of(c));
    if (c->mode != ASSIGNED)
        return 0;
    groups_unlock(groups_of(c));
    return err_set(err, STORE_ILLEGAL_STATE, "The member has partitions assigned by hand: it cannot subscribe too");
}

static int subscribe(struct consumer *c, char **topics, size_t n, pcre2_code *pattern, struct err *err)
{
    if (begin_subscribe(c, err) < 0) {
        drop_topics(topics, n);
        pcre2_code_free(pattern);
        return -1;
    }
    set_subscription(c, topics, n, pattern);
    c->mode = SUBSCRIBED;
    c->evicted = false;
    c->last_poll_ms = clock_mono_ms();
    int status = groups_rebalance(groups_of(c), c->group, err);
    groups_unlock(groups_of(c));
    return status;
}

int sqlite_member_subscribe(struct member *m, const struct str *topics, size_t n, struct err *err)
{
    if (n == 0)
        return sqlite_member_unsubscribe(m, err);
    char **copy = calloc(n, sizeof *copy);
    size_t kept = 0;
    for (size_t i = 0; copy != NULL && i < n; i++) {
        if (is_among(topics[i], copy, kept)) /* named twice */
            continue;
        if ((copy[kept] = str_dup(topics[i])) == NULL) {
            drop_topics(copy, kept);
            copy = NULL;
        }
        kept++;
    }
    return copy != NULL ? subscribe(consumer_of(m), copy, kept, NULL, err) : err_nomem(err);
}

int sqlite_member_subscribe_pattern(struct member *m, struct str pattern, struct err *err)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)(pattern.p != NULL ? pattern.p : ""), pattern.n,
                                         PCRE2_ANCHORED | PCRE2_ENDANCHORED, &code, &at, NULL);
    if (compiled != NULL)
        return subscribe(consumer_of(m), NULL, 0, compiled, err);
    PCRE2_UCHAR text[120];
    pcre2_get_error_message(code, text, sizeof text);
    return err_set(err, ERR_INVALID, "Topic pattern '%.*s' is not a regular expression: %s at character %zu",
                   pattern.n > PATTERN_SHOWN ? PATTERN_SHOWN : (int)pattern.n, pattern.p, (char *)text, at);
}

/* Under the lock: as it was after opening. */
static int leave(struct consumer *c, struct err *err)
{
    bool subscribed = c->mode == SUBSCRIBED;
    groups_drop_held(groups_of(c), c);
    set_subscription(c, NULL, 0, NULL);
    c->mode = IDLE;
    c->evicted = false;
    err_clear(&c->trouble);
    return subscribed ? groups_rebalance(groups_of(c), c->group, err) : 0;
}

int sqlite_member_unsubscribe(struct member *m, struct err *err)
{
    struct consumer *c = consumer_of(m);
    groups_lock(groups_of(c));
    int status = leave(c, err);
    groups_unlock(groups_of(c));
    return status;
}

static struct held *find(struct consumer *c, struct str topic, int32_t number)
{
    for (size_t i = 0; i < c->nheld; i++)
        if (c->held[i].number == number && str_is(topic, c->held[i].topic))
            return &c->held[i];
    return NULL;
}

int sqlite_member_assign(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    struct consumer *c = consumer_of(m);
    struct groups *g = groups_of(c);
    struct held *held = calloc(n + 1, sizeof *held);
    bool ok = held != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        held[i] = (struct held){.topic = str_dup(tps[i].topic),
                                .number = tps[i].partition,
                                .asked = tps[i].offset,
                                .position = OFFSET_INVALID,
                                .stored = OFFSET_INVALID};
        ok = held[i].topic != NULL;
    }
    groups_lock(g);
    int status = !ok                     ? err_nomem(err)
                 : c->mode == SUBSCRIBED ? err_set(err, STORE_ILLEGAL_STATE,
                                                   "The member is subscribed: it cannot have partitions assigned by hand too")
                                         : 0;
    if (status == 0) {
        leave(c, NULL); /* it was not subscribed, so this cannot fail */
        c->mode = n > 0 ? ASSIGNED : IDLE;
        c->held = held;
        for (size_t i = 0; i < n; i++) {
            struct held *same = find(c, str_of(held[i].topic), held[i].number);
            if (same != NULL) { /* named twice: the last one counts */
                same->asked = held[i].asked;
                held_clear(&held[i]);
            } else {
                held[c->nheld++] = held[i];
            }
        }
        for (size_t i = 0; i < c->nheld; i++)
            groups_settle_held(g, c, &c->held[i]);
        c->wake_due = false; /* whoever calls this looks by itself */
    }
    groups_unlock(g);
    for (size_t i = 0; status < 0 && held != NULL && i < n; i++)
        held_clear(&held[i]);
    if (status < 0)
        free(held);
    return status;
}

static int matching_topics(struct consumer *c, struct arena *a, struct str **out, size_t *n, struct err *err)
{
    struct topic **all;
    size_t count;
    if (catalog_ref_all(c->s->catalog, &all, &count, err) < 0)
        return -1;
    *out = arena_calloc(a, count + 1, sizeof **out);
    bool failed = *out == NULL;
    for (size_t i = 0; i < count; i++) {
        if (!failed && consumer_wants(c, all[i]->name)) {
            (*out)[*n] = arena_str(a, all[i]->name);
            failed = (*out)[(*n)++].p == NULL;
        }
        topic_unref(all[i]);
    }
    free(all);
    return failed ? err_nomem(err) : 0;
}

int sqlite_member_subscription(struct member *m, struct arena *a, struct str **topics, size_t *n, struct err *err)
{
    struct consumer *c = consumer_of(m);
    int status = 0;
    *n = 0;
    groups_lock(groups_of(c));
    if (c->pattern != NULL) {
        status = matching_topics(c, a, topics, n, err);
    } else {
        *topics = arena_calloc(a, c->ntopics + 1, sizeof **topics);
        bool failed = *topics == NULL;
        for (; !failed && *n < c->ntopics; (*n)++)
            failed = ((*topics)[*n] = arena_str(a, str_of(c->topics[*n]))).p == NULL;
        if (failed)
            status = err_nomem(err);
    }
    groups_unlock(groups_of(c));
    return status;
}

int sqlite_member_assignment(struct member *m, struct arena *a, struct tp **tps, size_t *n, struct err *err)
{
    struct consumer *c = consumer_of(m);
    groups_lock(groups_of(c));
    *n = c->nheld;
    *tps = arena_calloc(a, c->nheld + 1, sizeof **tps);
    bool failed = *tps == NULL;
    for (size_t i = 0; !failed && i < c->nheld; i++) {
        const struct held *h = &c->held[i];
        (*tps)[i] = (struct tp){.topic = arena_str(a, str_of(h->topic)), .partition = h->number, .offset = h->position};
        failed = (*tps)[i].topic.p == NULL;
    }
    groups_unlock(groups_of(c));
    return failed ? err_nomem(err) : 0;
}

/* ---- poll ---------------------------------------------------------------------------------------------------------------- */

/* One partition that this poll reads. */
struct part {
    struct partition *partition; /* its topic is referenced */
    int64_t from, to, next;      /* next: where to go on */
    uint64_t claim;
    size_t first, n; /* its records in the batch */
};

/* Under the lock: which partitions have something, beginning with another one each time. */
static int choose_parts(struct consumer *c, struct part *parts, size_t *n, struct err *err)
{
    struct groups *g = groups_of(c);
    *n = 0;
    for (size_t i = 0; i < c->nheld; i++) {
        struct held *h = &c->held[(c->turn + i) % c->nheld];
        struct partition_state state;
        if (h->partition == NULL || !catalog_state(c->s->catalog, h->partition, &state) || !groups_fit_position(g, c, h, &state))
            continue;
        if (h->position < state.high) {
            topic_ref(h->partition->topic);
            parts[(*n)++] = (struct part){
                .partition = h->partition, .from = h->position, .to = state.high, .next = h->position, .claim = h->claim};
        }
    }
    c->turn++;
    c->wake_due = false;
    if (c->trouble.code == 0)
        return 0;
    err_set(err, c->trouble.code, "%s", c->trouble.text);
    err_clear(&c->trouble);
    return -1;
}

static int read_part(struct conn *conn, struct part *p, struct batch *b, size_t max_records, struct err *err)
{
    uint32_t topic = 0;
    while (topic < b->ntopics && !str_eq(b->topics[topic], p->partition->topic->name))
        topic++;
    if (topic == b->ntopics && rows_add_topic(b, p->partition->topic->name, &topic, err) < 0)
        return -1;
    p->first = b->n;
    if (rows_add_records(b, conn, p->partition, p->from, p->to, max_records - b->n, POLL_BYTES, topic, &p->next, err) < 0)
        return -1;
    p->n = b->n - p->first;
    return 0;
}

/* Under the lock: what was read of partitions that are still ours, and were not moved meanwhile, counts; the rest is taken out
 * again. */
static void keep_parts(struct consumer *c, const struct part *parts, size_t n, struct batch *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct part *p = &parts[i];
        for (size_t k = 0; k < c->nheld; k++) {
            struct held *h = &c->held[k];
            if (h->partition != p->partition || h->claim != p->claim)
                continue;
            h->position = p->next;
            memmove(b->records + kept, b->records + p->first, p->n * sizeof *b->records);
            kept += p->n;
            break;
        }
    }
    b->n = kept;
}

/* Under the lock: a member that was out of its group for not polling is in again. */
static int begin_poll(struct consumer *c, struct err *err)
{
    c->woken = false;
    c->last_poll_ms = clock_mono_ms();
    if (!c->evicted)
        return 0;
    c->evicted = false;
    return groups_rebalance(groups_of(c), c->group, err);
}

int sqlite_member_poll(struct member *m, struct batch *b, size_t max_records, struct err *err)
{
    struct consumer *c = consumer_of(m);
    struct groups *g = groups_of(c);
    struct part *parts = NULL;
    size_t n = 0;
    if (rows_begin(b, err) < 0)
        return -1;
    groups_lock(g);
    int status = begin_poll(c, err);
    if (status == 0 && (parts = malloc((c->nheld + 1) * sizeof *parts)) == NULL)
        status = err_nomem(err);
    if (status == 0)
        status = choose_parts(c, parts, &n, err);
    groups_unlock(g);
    struct conn *conn = NULL;
    if (status == 0 && n > 0) {
        conn = shelf_take(c->s->shelf, err);
        status = conn != NULL ? 0 : -1;
    }
    for (size_t i = 0; status == 0 && i < n && b->n < max_records && rows_bytes(b) < POLL_BYTES; i++)
        status = read_part(conn, &parts[i], b, max_records, err);
    shelf_give(c->s->shelf, conn);
    groups_lock(g);
    if (status == 0)
        keep_parts(c, parts, n, b);
    groups_unlock(g);
    for (size_t i = 0; i < n; i++)
        topic_unref(parts[i].partition->topic);
    free(parts);
    if (status < 0)
        b->n = 0;
    return status;
}

/* ---- positions ------------------------------------------------------------------------------------------------------------- */

int sqlite_member_seek(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    struct consumer *c = consumer_of(m);
    struct groups *g = groups_of(c);
    int status = 0;
    groups_lock(g);
    for (size_t i = 0; status == 0 && i < n; i++) {
        if (find(c, tps[i].topic, tps[i].partition) == NULL)
            status = err_set(err, STORE_ILLEGAL_STATE, "No current assignment for partition %.*s-%d", STR_ARG(tps[i].topic),
                             tps[i].partition);
        else if (tps[i].offset < 0 && tps[i].offset != OFFSET_BEGINNING && tps[i].offset != OFFSET_END)
            status = err_set(err, ERR_INVALID, "seek to offset %lld of %.*s-%d: expected one from 0, or the beginning or the end",
                             (long long)tps[i].offset, STR_ARG(tps[i].topic), tps[i].partition);
    }
    for (size_t i = 0; status == 0 && i < n; i++) {
        struct held *h = find(c, tps[i].topic, tps[i].partition);
        struct partition_state state;
        int64_t to = tps[i].offset;
        if (h->partition == NULL) {
            h->asked = to; /* when it appears */
            continue;
        }
        catalog_state(c->s->catalog, h->partition, &state);
        h->position = to == OFFSET_BEGINNING ? state.low : to == OFFSET_END ? state.high : to;
        h->claim = groups_claim(g);
    }
    groups_unlock(g);
    return status;
}

int sqlite_member_store(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    struct consumer *c = consumer_of(m);
    groups_lock(groups_of(c));
    for (size_t i = 0; i < n; i++) {
        struct held *h = find(c, tps[i].topic, tps[i].partition);
        if (h == NULL || tps[i].offset < 0)
            continue;
        h->dirty = h->dirty || h->stored != tps[i].offset;
        h->stored = tps[i].offset;
        if (c->auto_commit && h->dirty && c->commit_due_ms == 0) {
            c->commit_due_ms = clock_mono_ms() + c->auto_commit_ms;
            groups_due(groups_of(c), c->commit_due_ms);
        }
    }
    groups_unlock(groups_of(c));
    return 0;
}

/* Commits what is stored and has not been. */
static int commit_stored(struct consumer *c, struct err *err)
{
    OWN_BY(arena_clear) struct arena a = {0};
    struct groups *g = groups_of(c);
    size_t n = 0;
    groups_lock(g);
    struct tp *tps = arena_calloc(&a, c->nheld + 1, sizeof *tps);
    bool failed = tps == NULL;
    for (size_t i = 0; !failed && i < c->nheld; i++) {
        if (!c->held[i].dirty)
            continue;
        tps[n] = (struct tp){
            .topic = arena_str(&a, str_of(c->held[i].topic)), .partition = c->held[i].number, .offset = c->held[i].stored};
        failed = tps[n++].topic.p == NULL;
    }
    groups_unlock(g);
    if (failed)
        return err_nomem(err);
    if (offsets_commit(g, c->s, c->group->name, tps, n, (int)c->s->options.timeout_ms, err) < 0)
        return -1;
    groups_lock(g);
    for (size_t i = 0; i < n; i++) {
        struct held *h = find(c, tps[i].topic, tps[i].partition);
        if (h != NULL && h->stored == tps[i].offset)
            h->dirty = false;
    }
    groups_unlock(g);
    return 0;
}

int sqlite_member_commit(struct member *m, const struct tp *tps, size_t n, struct err *err)
{
    struct consumer *c = consumer_of(m);
    groups_lock(groups_of(c));
    bool evicted = c->evicted;
    groups_unlock(groups_of(c));
    if (evicted)
        return err_set(err, STORE_REBALANCE,
                       "The member was taken out of group '%.*s' because it had not polled for %d ms: poll again",
                       STR_ARG(c->group->name), POLL_INTERVAL_MS);
    if (tps == NULL)
        return commit_stored(c, err);
    return offsets_commit(groups_of(c), c->s, c->group->name, tps, n, (int)c->s->options.timeout_ms, err);
}

int sqlite_member_committed(struct member *m, struct arena *a, struct tp *tps, size_t n, struct err *err)
{
    struct consumer *c = consumer_of(m);
    bool failed = false;
    groups_lock(groups_of(c));
    for (size_t i = 0; i < n; i++) {
        struct str metadata;
        tps[i].offset = group_committed(c->group, tps[i].topic, tps[i].partition, &metadata);
        tps[i].metadata = arena_str(a, metadata);
        failed = failed || (metadata.p != NULL && tps[i].metadata.p == NULL);
    }
    groups_unlock(groups_of(c));
    return failed ? err_nomem(err) : 0;
}

void sqlite_member_free(struct member *m)
{
    struct consumer *c = consumer_of(m);
    struct groups *g = groups_of(c);
    struct err why = {.code = 0};
    if (c->auto_commit)
        commit_stored(c, &why); /* what fails here is tried again, without waiting, when c lets go below */
    groups_lock(g);
    leave(c, NULL);
    groups_remove(g, c);
    groups_unlock(g);
    free(c->id);
    free(c);
}
