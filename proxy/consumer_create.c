/* proxy/consumer_create.c - POST and DELETE of a consumer instance (proxy-api.md 1.5). */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/json.h"
#include "proxy/consumer.h"

/* ---- media of consumer calls (proxy-api.md 1.2) */

static const struct media_type call_out[] = {{MEDIA_V2, 1000},      {MEDIA_BINARY, 100},   {MEDIA_JSON, 100}, {MEDIA_AVRO, 100},
                                             {MEDIA_JSONSCHEMA, 100}, {MEDIA_PROTOBUF, 100}, {NULL, 0}};
static const struct media_type records_out[] = {{MEDIA_BINARY, 1000},    {MEDIA_V2, 900},       {MEDIA_JSON, 100}, {MEDIA_AVRO, 100},
                                                {MEDIA_JSONSCHEMA, 100}, {MEDIA_PROTOBUF, 100}, {NULL, 0}};
static const char *const call_in[] = {MEDIA_V2, MEDIA_BINARY, MEDIA_JSON, MEDIA_AVRO, MEDIA_JSONSCHEMA, MEDIA_PROTOBUF, NULL};

const struct media media_consumer = {.produces = call_out, .consumes = call_in, .consumes_on_get = true, .unsupported = media_unsupported};
const struct media media_records = {.produces = records_out, .consumes = call_in, .consumes_on_get = true, .unsupported = media_unsupported};

/* ---- what the body says */

struct create {
    struct str name;
    int format, reset, auto_commit; /* which of the words of their choices: 0, binary and latest, are defaults */
    int64_t min_bytes, request_timeout_ms;
};

static const char *const create_names[] = {"name", "id", "format", "auto.offset.reset", "auto.commit.enable", "fetch.min.bytes",
                                           "responseMinBytes", "consumer.request.timeout.ms", "requestWaitMs", NULL};

/* A member that is one of a few words, in any letter case. */
struct choice {
    const char *name;
    const char *const *words; /* ends with NULL */
    int code;
    const char *wrong, *expected; /* of the error's text */
};
static const char *const reset_words[] = {"latest", "earliest", "none", NULL};
static const char *const bool_words[] = {"false", "true", NULL};
static const struct choice format_choice = {"format", embedded_names, PROXY_UNPROCESSABLE, "Invalid format type.", "binary, json or avro"};
static const struct choice reset_choice = {"auto.offset.reset", reset_words, PROXY_CONSUMER_CONFIG,
                                           "Invalid consumer configuration: auto.offset.reset", "earliest, latest or none"};
static const struct choice auto_commit_choice = {"auto.commit.enable", bool_words, PROXY_CONSUMER_CONFIG,
                                                 "Invalid consumer configuration: auto.commit.enable", "true or false"};

/* *at: which of the words; it stays for a member that is missing or null. */
static int read_choice(const struct json *o, const struct choice *of, int *at, struct err *err)
{
    struct str text;
    if (body_text(json_get(o, of->name), of->name, &text, err) < 0)
        return -1;
    if (text.p == NULL)
        return 0;
    for (int i = 0; of->words[i] != NULL; i++)
        if (str_eq_nocase(text, str_of(of->words[i]))) {
            *at = i;
            return 0;
        }
    return err_set(err, of->code, "%s '%.*s': expected %s", of->wrong, STR_ARG(text), of->expected);
}

static int read_number(const struct json *o, const char *name, const char *alias, int64_t *out, struct err *err)
{
    const struct json *v = json_get(o, name);
    struct str text;
    if (v == NULL || v->type == JSON_T_NULL)
        v = json_get(o, alias);
    if (body_text(v, name, &text, err) < 0)
        return -1;
    int64_t n;
    if (text.p == NULL || str_trim(text).n == 0)
        return 0;
    if (!str_to_i64(str_trim(text), &n) && (v->type != JSON_T_NUMBER || !json_number_i64(text, &n)))
        return err_set(err, PROXY_CONSUMER_CONFIG, "Invalid consumer configuration: %s '%.*s': expected an integer", name, STR_ARG(text));
    if (n < INT32_MIN || n > INT32_MAX)
        return err_set(err, PROXY_CONSUMER_CONFIG, "Invalid consumer configuration: %s %lld: not a 32 bit integer", name, (long long)n);
    *out = n;
    return 0;
}

static int read_create(const struct proxy *p, struct request *req, struct create *out, struct err *err)
{
    struct json *o;
    struct str id;
    *out = (struct create){.auto_commit = true, .min_bytes = p->conf->fetch_min_bytes,
                           .request_timeout_ms = p->conf->consumer_request_timeout_ms};
    if (body_object(req, &o, err) < 0 || body_check_names(o, create_names, err) < 0 || body_text(json_get(o, "name"), "name", &out->name, err) < 0 ||
        body_text(json_get(o, "id"), "id", &id, err) < 0)
        return -1;
    if (id.p != NULL)
        out->name = id;
    if (out->name.p != NULL && out->name.n == 0)
        return err_set(err, PROXY_UNPROCESSABLE, "name must not be empty");
    if (out->name.n != 0 && memchr(out->name.p, '\0', out->name.n) != NULL) /* no path could name the instance */
        return err_set(err, PROXY_UNPROCESSABLE, "name must not hold a NUL");
    if (out->name.n > 1000)
        return err_set(err, PROXY_UNPROCESSABLE, "name must not be longer than 1000 bytes (it has %zu)", out->name.n);
    return read_choice(o, &format_choice, &out->format, err) < 0 || read_choice(o, &reset_choice, &out->reset, err) < 0 ||
                   read_choice(o, &auto_commit_choice, &out->auto_commit, err) < 0 ||
                   read_number(o, "fetch.min.bytes", "responseMinBytes", &out->min_bytes, err) < 0 ||
                   read_number(o, "consumer.request.timeout.ms", "requestWaitMs", &out->request_timeout_ms, err) < 0
               ? -1
               : 0;
}

/* rest-consumer-[ID-]UUID */
static int make_name(const struct proxy *p, struct arena *a, struct str *out, struct err *err)
{
    unsigned char u[16];
    if (getrandom(u, sizeof u, 0) != sizeof u)
        return err_set(err, ERR_IO, "no random bytes: %s", strerror(errno));
    u[6] = (u[6] & 0x0F) | 0x40;
    u[8] = (u[8] & 0x3F) | 0x80;
    const char *id = p->conf->id;
    *out = arena_printf(a, "rest-consumer-%s%s%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id != NULL ? id : "",
                        id != NULL ? "-" : "", u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
                        u[15]);
    return out->p != NULL ? 0 : err_nomem(err);
}

static struct consumer *consumer_new(struct consumers *all, struct str group, const struct create *from, struct err *err)
{
    struct consumer *c = calloc(1, sizeof *c);
    char *key = malloc(CONSUMER_KEY_ROOM(group, from->name) + 1);
    if (c == NULL || key == NULL) {
        free(c);
        free(key);
        err_nomem(err);
        return NULL;
    }
    c->all = all;
    c->key = consumer_key(group, from->name, key);
    c->group = str_n(key + sizeof(uint32_t), group.n);
    c->name = str_n(c->group.p + group.n, from->name.n);
    c->format = (enum embedded)from->format;
    c->reset = reset_words[from->reset];
    c->auto_commit = from->auto_commit;
    c->min_bytes = from->min_bytes;
    c->request_timeout_ms = from->request_timeout_ms;
    c->calls_end = &c->calls;
    c->reads_end = &c->reads;
    c->polled_end = &c->polled;
    atomic_init(&c->woken, false);
    return c;
}

/* ---- opening, on a pool thread */

/* From any storage thread: records may have come. */
static void wake(void *ctx)
{
    struct consumer *c = ctx;
    if (atomic_exchange(&c->woken, true))
        return;
    pthread_mutex_lock(&c->all->lock);
    if (c->reads != NULL)
        consumer_event(c);
    pthread_mutex_unlock(&c->all->lock);
}

/* base_uri: the group and the name may hold anything, so they are percent-encoded. */
static void put_segment(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || (ch != 0 && strchr("-._~", ch) != NULL);
        if (plain)
            buf_put_u8(out, ch);
        else
            buf_printf(out, "%%%02X", ch);
    }
}

static int put_created(struct consumer *c, struct call *call, struct err *err)
{
    struct str base = proxy_base_url(c->all->proxy, call->req);
    if (base.p == NULL)
        return err_nomem(err);
    OWN_BY(buf_clear) struct buf uri = {0};
    buf_put_str(&uri, base);
    buf_put_str(&uri, STR("/consumers/"));
    put_segment(&uri, c->group);
    buf_put_str(&uri, STR("/instances/"));
    put_segment(&uri, c->name);
    if (uri.failed)
        return err_nomem(err);
    struct json_writer w = json_writer_on(reply_body(call->reply));
    jw_object(&w);
    jw_key(&w, "instance_id");
    jw_str(&w, c->name);
    jw_key(&w, "base_uri");
    jw_str(&w, buf_str(&uri));
    jw_object_end(&w);
    return 0;
}

static int open_member(struct consumer *c, struct call *call, struct err *err)
{
    const struct member_options o = {.group = c->group,
                                     .client_id = c->name,
                                     .auto_offset_reset = c->reset,
                                     .auto_commit = c->auto_commit,
                                     .read_uncommitted = true, /* as Java's default, proxy-api.md 4.6 */
                                     .wake = wake,
                                     .wake_ctx = c};
    c->member = member_open(c->all->proxy->storage, &o, err);
    if (c->member != NULL) {
        log_debug("consumer.opened", "group=%.*s instance=%.*s", STR_ARG(c->group), STR_ARG(c->name));
        return put_created(c, call, err);
    }
    consumer_storage_err(err);
    pthread_mutex_lock(&c->all->lock); /* the name is free again */
    if (!c->closing)
        map_remove(&c->all->by_key, c->key);
    c->closing = true;
    pthread_mutex_unlock(&c->all->lock);
    c->closed = true;
    consumer_end_reads(c); /* of who guessed the name: without a member there is nothing to look at */
    return -1;
}

/* ---- handlers */

int consumers_post(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct proxy *p = arg;
    struct str group = request_param(req, "group");
    struct create create;
    if (read_create(p, req, &create, err) < 0)
        return -1;
    if (create.min_bytes < -1 || create.min_bytes > 10000000) {
        struct str text = arena_printf(request_arena(req),
                                       "Invalid consumer configuration. It does not abide by the constraints: fetch.min.bytes %lld: expected -1 to 10000000",
                                       (long long)create.min_bytes);
        reply_error(reply, 422, PROXY_CONSUMER_LIMITS, text);
        return 0;
    }
    if (create.name.p == NULL && make_name(p, request_arena(req), &create.name, err) < 0)
        return -1;
    struct call *call = arena_alloc(request_arena(req), sizeof *call);
    struct consumer *c = call != NULL ? consumer_new(p->consumers, group, &create, err) : NULL;
    if (c == NULL)
        return err_nomem(err);
    *call = (struct call){.req = req, .reply = reply, .run = open_member};
    return consumers_add(p->consumers, &c, call, err) < 0 ? -1 : REPLY_LATER;
}

int consumers_delete(void *arg, struct request *req, struct reply *reply, struct err *err)
{
    struct consumers *all = ((struct proxy *)arg)->consumers;
    struct consumer *c = consumers_lock_instance(all, req, err);
    if (c == NULL)
        return -1;
    consumer_close(c, reply);
    pthread_mutex_unlock(&all->lock);
    return REPLY_LATER;
}
