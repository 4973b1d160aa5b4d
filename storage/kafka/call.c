#include "storage/kafka/call.h"

#include "storage/kafka/errors.h"

/* The reply to a request that timed out comes a little after its time. */
enum { GRACE_MS = 500 };

int call_begin(struct call *c, struct kafka *k, rd_kafka_admin_op_t op, int timeout_ms, struct err *err)
{
    char text[256] = "";
    *c = (struct call){.k = k, .timeout_ms = timeout_ms};
    c->queue = rd_kafka_queue_new(k->admin);
    c->options = rd_kafka_AdminOptions_new(k->admin, op);
    if (c->queue == NULL || c->options == NULL)
        return err_nomem(err);
    if (rd_kafka_AdminOptions_set_request_timeout(c->options, timeout_ms, text, sizeof text) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, STORE_INVALID_REQUEST, "%s", text);
    /* Only the calls that change topics know it; for them the broker answers when the change has spread. */
    rd_kafka_AdminOptions_set_operation_timeout(c->options, timeout_ms, text, sizeof text);
    return 0;
}

rd_kafka_event_t *call_wait(struct call *c, const char *what, struct err *err)
{
    c->event = rd_kafka_queue_poll(c->queue, c->timeout_ms + GRACE_MS);
    rd_kafka_resp_err_t e = c->event != NULL ? rd_kafka_event_error(c->event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
        return c->event;
    if (errors_is_silence(e) || c->event == NULL)
        errors_set(err, c->k->health, e, "%s", what);
    else
        errors_set_said(err, c->k->health, e, rd_kafka_event_error_string(c->event));
    return NULL;
}

void call_end(struct call *c)
{
    if (c->event != NULL)
        rd_kafka_event_destroy(c->event);
    if (c->options != NULL)
        rd_kafka_AdminOptions_destroy(c->options);
    if (c->queue != NULL)
        rd_kafka_queue_destroy(c->queue);
}
