#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>

#include "base/own.h"
#include "storage/kafka/errors.h"
#include "storage/kafka/member.h"

enum { MATCH_LIMIT = 100000 /* steps a name: an expression that explodes matches nothing instead of burning a core */ };

struct pattern {
    struct kafka *k;             /* fixed */
    rd_kafka_t *rk;              /* fixed; the member's */
    pcre2_code *code;            /* fixed */
    pcre2_match_data *match;     /* the watch's thread, and pattern_follow before it */
    pcre2_match_context *limits; /* fixed */
    struct looker looker;
    pthread_mutex_t lock;
    struct arena arena; /* lock */
    struct str *names;  /* lock; sorted, in the arena; NULL before the first look */
    size_t nnames;      /* lock */
};

rd_kafka_resp_err_t pattern_subscribe(rd_kafka_t *rk, const struct str *names, size_t n)
{
    char z[TOPIC_NAME_MAX + 1];
    if (n == 0)
        return rd_kafka_unsubscribe(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        if (kafka_topic_z(names[i], z, NULL) == 0)
            rd_kafka_topic_partition_list_add(list, z, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t e = rd_kafka_subscribe(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return e;
}

static bool matches(const struct pattern *p, struct str name)
{
    return pcre2_match(p->code, (PCRE2_SPTR)name.p, name.n, 0, 0, p->match, p->limits) >= 0;
}

static bool same(const struct str *a, size_t na, const struct str *b, size_t nb)
{
    for (size_t i = 0; na == nb && i < na; i++)
        if (!str_eq(a[i], b[i]))
            return false;
    return na == nb;
}

/* The watch saw these topics. */
static void look(void *ctx, const struct str *names, size_t n)
{
    struct pattern *p = ctx;
    OWN_BY(arena_clear) struct arena arena = {0};
    struct str *found = arena_alloc(&arena, (n + 1) * sizeof *found);
    size_t nfound = 0;
    if (found == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        if (!matches(p, names[i]))
            continue;
        if ((found[nfound] = arena_str(&arena, names[i])).p == NULL)
            return;
        nfound++;
    }
    pthread_mutex_lock(&p->lock);
    bool changed = p->names == NULL || !same(found, nfound, p->names, p->nnames);
    if (changed) {
        struct arena old = p->arena;
        p->arena = arena;
        arena = old;
        p->names = found;
        p->nnames = nfound;
    }
    pthread_mutex_unlock(&p->lock);
    if (changed)
        pattern_subscribe(p->rk, found, nfound); /* only this thread, and pattern_follow before it, change names */
}

static int compile(struct pattern *p, struct str expression, struct err *err)
{
    int code;
    size_t at;
    PCRE2_SPTR text = (PCRE2_SPTR)(expression.p != NULL ? expression.p : "");
    p->code = pcre2_compile(text, expression.n, PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (p->code == NULL) {
        unsigned char why[128] = "";
        pcre2_get_error_message(code, why, sizeof why);
        return err_set(err, ERR_INVALID, "Topic pattern '%.*s' is not a regular expression: %s at character %zu",
                       expression.n > PATTERN_SHOWN ? PATTERN_SHOWN : (int)expression.n, expression.p, (const char *)why, at);
    }
    p->match = pcre2_match_data_create_from_pattern(p->code, NULL);
    p->limits = pcre2_match_context_create(NULL);
    if (p->match == NULL || p->limits == NULL)
        return err_nomem(err);
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    return 0;
}

struct pattern *pattern_new(struct kafka *k, rd_kafka_t *rk, struct str expression, struct err *err)
{
    struct pattern *p = calloc(1, sizeof *p);
    if (p == NULL) {
        err_nomem(err);
        return NULL;
    }
    p->k = k;
    p->rk = rk;
    pthread_mutex_init(&p->lock, NULL);
    p->looker = (struct looker){.look = look, .ctx = p};
    if (compile(p, expression, err) < 0) {
        pattern_free(p);
        return NULL;
    }
    return p;
}

void pattern_follow(struct pattern *p)
{
    kafka_watch_look(p->k, &p->looker); /* while the cluster is away: the watch does as soon as it is back */
    kafka_watch_add(p->k->watch, &p->looker);
}

void pattern_free(struct pattern *p)
{
    if (p == NULL)
        return;
    kafka_watch_remove(p->k->watch, &p->looker);
    pcre2_match_context_free(p->limits);
    pcre2_match_data_free(p->match);
    pcre2_code_free(p->code);
    arena_clear(&p->arena);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int pattern_names(struct pattern *p, struct arena *a, struct str **names, size_t *n, struct err *err)
{
    int status = 0;
    pthread_mutex_lock(&p->lock);
    *n = p->nnames;
    *names = arena_calloc(a, p->nnames + 1, sizeof **names);
    for (size_t i = 0; *names != NULL && i < p->nnames; i++)
        if (((*names)[i] = arena_str(a, p->names[i])).p == NULL)
            *names = NULL;
    if (*names == NULL)
        status = err_nomem(err);
    pthread_mutex_unlock(&p->lock);
    return status;
}
