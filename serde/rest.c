#include "serde/rest.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/own.h"

enum { IDLE_MAX = 16, ANSWER_MAX = 64 << 20 };

struct server {
    char *base;            /* scheme://host:port/path, without user info and without a slash at the end */
    char *user, *password; /* Basic authentication, or NULL */
};

struct rest {
    struct server *servers; /* fixed at creation, like all but the next three */
    int nservers;
    int connect_timeout_ms, timeout_ms, retries, retry_wait_ms, retry_max_wait_ms;
    struct curl_slist *headers;
    atomic_int current; /* the server that answered last */
    pthread_mutex_t lock;
    CURL *idle[IDLE_MAX]; /* lock */
    int nidle;            /* lock */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *url_part(CURLU *u, CURLUPart part, unsigned flags)
{
    char *from = NULL;
    if (curl_url_get(u, part, &from, flags) != CURLUE_OK)
        return NULL;
    char *copy = str_dup(str_of(from));
    curl_free(from);
    return copy;
}

/* "user:password" apart. */
static int split_user_info(struct server *s, struct str info, struct err *err)
{
    bool found;
    struct str user = str_split(&info, ':', &found);
    if (!found || user.n == 0)
        return err_set(err, ERR_INVALID, "basic authentication to the registry must be given as user:password");
    s->user = str_dup(user);
    s->password = str_dup(info);
    return s->user != NULL && s->password != NULL ? 0 : err_nomem(err);
}

static int parse_server(struct server *s, struct str text, const char *basic_user_info, struct err *err)
{
    OWN_BY(own_free) char *url = str_dup(text);
    CURLU *u = curl_url();
    if (url == NULL || u == NULL) {
        curl_url_cleanup(u);
        return err_nomem(err);
    }
    const char *at = strrchr(url, '@'); /* what is before it is not for messages */
    const char *shown = at != NULL ? at + 1 : url;
    CURLUcode rc = curl_url_set(u, CURLUPART_URL, url, 0);
    OWN_BY(own_free) char *scheme = rc == CURLUE_OK ? url_part(u, CURLUPART_SCHEME, 0) : NULL;
    if (rc != CURLUE_OK || scheme == NULL || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        err_set(err, ERR_INVALID, "registry URL '%s' cannot be used: it must look like http://host:8081 or https://host:8081",
                shown);
        curl_url_cleanup(u);
        return -1;
    }
    s->user = url_part(u, CURLUPART_USER, CURLU_URLDECODE);
    s->password = url_part(u, CURLUPART_PASSWORD, CURLU_URLDECODE);
    curl_url_set(u, CURLUPART_USER, NULL, 0);
    curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(u, CURLUPART_QUERY, NULL, 0);
    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    s->base = url_part(u, CURLUPART_URL, 0);
    curl_url_cleanup(u);
    if (s->base == NULL || (s->user != NULL && s->password == NULL && (s->password = str_dup(STR(""))) == NULL))
        return err_nomem(err);
    for (size_t n = strlen(s->base); n > 0 && s->base[n - 1] == '/'; n--)
        s->base[n - 1] = '\0';
    if (s->user == NULL && basic_user_info != NULL && *basic_user_info != '\0')
        return split_user_info(s, str_of(basic_user_info), err);
    return 0;
}

static int parse_servers(struct rest *r, const struct rest_options *o, struct err *err)
{
    struct str list = str_of(o->urls);
    int max = 1;
    for (size_t i = 0; i < list.n; i++)
        max += list.p[i] == ',';
    r->servers = calloc((size_t)max, sizeof *r->servers);
    if (r->servers == NULL)
        return err_nomem(err);
    for (bool more = true; more;) {
        struct str one = str_trim(str_split(&list, ',', &more));
        if (one.n == 0)
            continue;
        if (parse_server(&r->servers[r->nservers++], one, o->basic_user_info, err) < 0)
            return -1;
    }
    if (r->nservers == 0)
        return err_set(err, ERR_INVALID, "no registry URL is given");
    return 0;
}

static int add_header(struct rest *r, const char *line, struct err *err)
{
    struct curl_slist *more = curl_slist_append(r->headers, line);
    if (more == NULL)
        return err_nomem(err);
    r->headers = more;
    return 0;
}

struct rest *rest_new(const struct rest_options *o, struct err *err)
{
    pthread_once(&curl_once, start_curl);
    struct rest *r = calloc(1, sizeof *r);
    if (r == NULL) {
        err_nomem(err);
        return NULL;
    }
    pthread_mutex_init(&r->lock, NULL);
    r->connect_timeout_ms = o->connect_timeout_ms;
    r->timeout_ms = o->timeout_ms;
    r->retries = o->retries;
    r->retry_wait_ms = o->retry_wait_ms;
    r->retry_max_wait_ms = o->retry_max_wait_ms;
    if (parse_servers(r, o, err) < 0 ||
        add_header(r, "Accept: application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json",
                   err) < 0 ||
        add_header(r, "Content-Type: application/vnd.schemaregistry.v1+json", err) < 0 || add_header(r, "Expect:", err) < 0) {
        rest_free(r);
        return NULL;
    }
    return r;
}

void rest_free(struct rest *r)
{
    if (r == NULL)
        return;
    for (int i = 0; i < r->nidle; i++)
        curl_easy_cleanup(r->idle[i]);
    for (int i = 0; i < r->nservers; i++) {
        free(r->servers[i].base);
        free(r->servers[i].user);
        free(r->servers[i].password);
    }
    free(r->servers);
    curl_slist_free_all(r->headers);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void rest_put_segment(struct buf *out, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' ||
            c == '~')
            buf_put_u8(out, c);
        else
            buf_put(out, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
}

static CURL *take_handle(struct rest *r)
{
    CURL *h = NULL;
    pthread_mutex_lock(&r->lock);
    if (r->nidle > 0)
        h = r->idle[--r->nidle];
    pthread_mutex_unlock(&r->lock);
    return h != NULL ? h : curl_easy_init();
}

static void give_back_handle(struct rest *r, CURL *h)
{
    curl_easy_reset(h); /* keeps the connections */
    pthread_mutex_lock(&r->lock);
    if (r->nidle < IDLE_MAX) {
        r->idle[r->nidle++] = h;
        h = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    if (h != NULL)
        curl_easy_cleanup(h);
}

static size_t receive(char *p, size_t size, size_t n, void *arg)
{
    struct buf *answer = arg;
    buf_put(answer, p, size * n);
    return answer->failed ? 0 : size * n;
}

/* One HTTP request to one server; *status 0 when it did not answer (then err says why). */
static int call_once(struct rest *r, CURL *h, const struct server *s, const char *method, struct str path, struct str body,
                     struct buf *answer, long *status, struct err *err)
{
    OWN_BY(buf_clear) struct buf url = {0};
    char why[CURL_ERROR_SIZE] = "";
    *status = 0;
    buf_put_str(&url, str_of(s->base));
    buf_put_str(&url, path);
    const char *text = buf_cstr(&url);
    if (url.failed)
        return err_nomem(err);
    buf_reset(answer);
    curl_easy_reset(h);
    curl_easy_setopt(h, CURLOPT_URL, text);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_PROXY, ""); /* the environment's proxy is not for us */
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "muir/" MUIR_VERSION);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_timeout_ms);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
    if (body.p != NULL) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.p);
    }
    if (s->user != NULL) {
        curl_easy_setopt(h, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(h, CURLOPT_USERNAME, s->user);
        curl_easy_setopt(h, CURLOPT_PASSWORD, s->password);
    }
    CURLcode rc = curl_easy_perform(h);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, NULL);
    if (answer->failed)
        return err_set(err, ERR_TOO_BIG, "the answer of the registry to %s %.*s is over %d bytes", method, STR_ARG(path),
                       ANSWER_MAX);
    if (rc != CURLE_OK)
        return err_set(err, rc == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO, "registry %s: %s", s->base,
                       *why != '\0' ? why : curl_easy_strerror(rc));
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, status);
    return 0;
}

static bool is_retriable(long status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

/* The error of an answer that is not 2xx. */
static int answer_error(const struct server *s, const char *method, struct str path, long status, struct str body,
                        struct err *err)
{
    OWN_BY(arena_clear) struct arena a = {0};
    struct json *v = json_parse(body, JSON_DUP_LAST, 0, &a, NULL);
    struct json *code = json_get(v, "error_code"), *message = json_get(v, "message");
    int64_t n = 0;
    if (!json_is(code, JSON_T_NUMBER) || !json_number_i64(code->text, &n) || n <= 0 || n > INT32_MAX)
        n = status;
    if (json_is(message, JSON_T_STRING))
        return err_set(err, (int)n, "%.*s", STR_ARG(message->text));
    return err_set(err, (int)n, "registry %s answered %s %.*s with status %ld", s->base, method, STR_ARG(path), status);
}

static void wait_before_round(const struct rest *r, int round)
{
    uint64_t most = (uint64_t)r->retry_wait_ms << (round < 20 ? round : 20), dice = 0;
    if (most > (uint64_t)r->retry_max_wait_ms)
        most = (uint64_t)r->retry_max_wait_ms;
    if (getrandom(&dice, sizeof dice, 0) != sizeof dice)
        dice = (uint64_t)clock_mono_us();
    clock_sleep_ms((int64_t)(dice % (most + 1)));
}

int rest_call(struct rest *r, const char *method, struct str path, struct str body, struct buf *answer, struct err *err)
{
    struct err last = {0};
    CURL *h = take_handle(r);
    if (h == NULL)
        return err_nomem(err);
    buf_clear(answer);
    buf_init(answer, ANSWER_MAX);
    for (int round = 0; round <= r->retries; round++) {
        if (round > 0)
            wait_before_round(r, round);
        int first = atomic_load(&r->current);
        for (int i = 0; i < r->nservers; i++) {
            int at = (first + i) % r->nservers;
            const struct server *s = &r->servers[at];
            long status;
            err_clear(&last);
            int rc = call_once(r, h, s, method, path, body, answer, &status, &last);
            if (rc < 0 && (last.code == ERR_TOO_BIG || last.code == ERR_NOMEM))
                goto out;
            if (rc == 0 && (status < 200 || status > 299))
                answer_error(s, method, path, status, buf_str(answer), &last);
            if (rc == 0 && !is_retriable(status)) {
                atomic_store(&r->current, at);
                goto out;
            }
        }
    }
out:
    give_back_handle(r, h);
    return last.code == 0 ? 0 : err_set(err, last.code, "%s", last.text);
}
