#include "storage/kafka/health.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/kafka/errors.h"

enum { LOG_TOPICS = 16, LOG_EVERY_MS = 10000 };

struct health {
    void (*kick)(void *ctx); /* fixed */
    void *ctx;               /* fixed */
    pthread_mutex_t lock;
    bool up, was_said; /* lock; as last logged: nothing yet, up or away */
    bool is_reason;    /* lock; why is a refusal (login, TLS), not just a broken connection: keep it */
    struct err why;    /* lock; code 0: nothing known */
    struct {
        char topic[24];
        int64_t last_ms;
        int skipped;
    } said[LOG_TOPICS]; /* lock */
};

struct health *health_new(void (*kick)(void *ctx), void *ctx)
{
    struct health *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->kick = kick;
    h->ctx = ctx;
    pthread_mutex_init(&h->lock, NULL);
    return h;
}

void health_free(struct health *h)
{
    if (h == NULL)
        return;
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static bool is_refusal(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
           code == RD_KAFKA_RESP_ERR__SSL;
}

void health_note_error(struct health *h, rd_kafka_resp_err_t code, const char *text)
{
    if (!is_refusal(code) && !errors_is_silence(code))
        return;
    pthread_mutex_lock(&h->lock);
    bool summary = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN; /* says less than the error that led to it */
    if (is_refusal(code) || (!h->is_reason && !(summary && h->why.code != 0))) {
        h->is_reason = is_refusal(code);
        err_clear(&h->why);
        err_set(&h->why, errors_code(code), "%s", text != NULL && *text != '\0' ? text : rd_kafka_err2str(code));
    }
    pthread_mutex_unlock(&h->lock);
    h->kick(h->ctx);
}

void health_set_up(struct health *h)
{
    pthread_mutex_lock(&h->lock);
    bool news = !h->up;
    h->up = h->was_said = true;
    h->is_reason = false;
    err_clear(&h->why);
    pthread_mutex_unlock(&h->lock);
    if (news)
        log_info("kafka.up", "the cluster answers");
}

void health_set_away(struct health *h, rd_kafka_resp_err_t code)
{
    pthread_mutex_lock(&h->lock);
    bool news = h->up || !h->was_said;
    h->up = false;
    h->was_said = true;
    if (h->why.code == 0)
        err_set(&h->why, errors_code(code), "no broker answers: %s", rd_kafka_err2str(code));
    struct err why = h->why;
    pthread_mutex_unlock(&h->lock);
    if (news)
        log_warn("kafka.away", "error=%s", why.text);
}

int health_check(struct health *h, struct err *err)
{
    pthread_mutex_lock(&h->lock);
    int status = h->up ? 0 : -1;
    struct err why = h->why;
    pthread_mutex_unlock(&h->lock);
    if (status == 0)
        return 0;
    return why.code != 0 ? err_set(err, why.code, "%s", why.text)
                         : err_set(err, STORE_RETRIABLE, "no Kafka broker has answered yet");
}

bool health_why(struct health *h, struct err *why)
{
    pthread_mutex_lock(&h->lock);
    bool known = h->why.code != 0;
    if (known)
        *why = h->why;
    pthread_mutex_unlock(&h->lock);
    return known;
}

bool health_may_log(struct health *h, const char *topic, int *skipped)
{
    int64_t now = clock_mono_ms();
    bool may = false;
    pthread_mutex_lock(&h->lock);
    int slot = 0; /* that of the topic, else the one said longest ago */
    for (int i = 0; i < LOG_TOPICS; i++) {
        if (strncmp(h->said[i].topic, topic, sizeof h->said[i].topic - 1) == 0) {
            slot = i;
            break;
        }
        if (h->said[i].last_ms < h->said[slot].last_ms)
            slot = i;
    }
    if (strncmp(h->said[slot].topic, topic, sizeof h->said[slot].topic - 1) != 0) {
        snprintf(h->said[slot].topic, sizeof h->said[slot].topic, "%s", topic);
        h->said[slot].last_ms = 0;
        h->said[slot].skipped = 0;
    }
    if (h->said[slot].last_ms == 0 || now - h->said[slot].last_ms >= LOG_EVERY_MS) {
        *skipped = h->said[slot].skipped;
        h->said[slot].skipped = 0;
        h->said[slot].last_ms = now;
        may = true;
    } else {
        h->said[slot].skipped++;
    }
    pthread_mutex_unlock(&h->lock);
    return may;
}
