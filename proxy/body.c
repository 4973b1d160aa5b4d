#include "proxy/body.h"

#include <math.h>
#include <time.h>

#include "proxy/codes.h"

int body_object(struct request *req, struct json **root, struct err *err)
{
    struct str text = request_body(req);
    struct err why = {0};
    *root = NULL;
    if (str_trim(text).n == 0)
        return 0;
    struct json *v = json_parse(text, JSON_DUP_LAST, 0, request_arena(req), &why);
    if (v == NULL)
        return why.code == ERR_NOMEM ? err_nomem(err) : err_set(err, PROXY_BAD_REQUEST, "%s", why.text);
    if (v->type == JSON_T_NULL)
        return 0;
    if (v->type != JSON_T_OBJECT)
        return err_set(err, PROXY_BAD_REQUEST, "Cannot deserialize the body: expected an object");
    *root = v;
    return 0;
}

int body_unknown(struct str name, struct err *err)
{
    return err_set(err, PROXY_UNPROCESSABLE, "Unrecognized field: %.*s", STR_ARG(name));
}

int body_check_names(const struct json *object, const char *const *names, struct err *err)
{
    for (const struct json *m = object != NULL ? object->first : NULL; m != NULL; m = m->next) {
        size_t i = 0;
        while (names[i] != NULL && !str_is(m->key, names[i]))
            i++;
        if (names[i] == NULL)
            return body_unknown(m->key, err);
    }
    return 0;
}

int body_text(const struct json *v, const char *name, struct str *out, struct err *err)
{
    *out = STR_NULL;
    if (v == NULL || v->type == JSON_T_NULL)
        return 0;
    if (v->type == JSON_T_TRUE)
        *out = STR("true");
    else if (v->type == JSON_T_FALSE)
        *out = STR("false");
    else if (v->type == JSON_T_STRING || v->type == JSON_T_NUMBER)
        *out = v->text;
    else
        return err_set(err, PROXY_BAD_REQUEST, "Cannot deserialize value of type `String` for %s: got an %s", name,
                       v->type == JSON_T_ARRAY ? "array" : "object");
    return 0;
}

bool body_whole(struct str number, int64_t *out)
{
    if (json_number_i64(number, out))
        return true;
    double d = trunc(json_number_double(number));
    if (!(d > -0x1p63 && d < 0x1p63))
        return false;
    *out = (int64_t)d;
    return true;
}

int body_int(const struct json *v, const char *name, int64_t min, int64_t max, int64_t *out, bool *given, struct err *err)
{
    *given = false;
    if (v == NULL || v->type == JSON_T_NULL)
        return 0;
    struct str text = str_trim(v->text);
    bool ok = false;
    if (v->type == JSON_T_STRING) {
        if (text.n == 0)
            return 0;
        ok = str_to_i64(text, out);
    } else if (v->type == JSON_T_NUMBER) {
        ok = body_whole(text, out);
    }
    if (!ok)
        return err_set(err, PROXY_BAD_REQUEST, "Cannot deserialize value of type `integer` for %s: got %s%.*s", name,
                       v->type == JSON_T_STRING ? "the string " : v->type == JSON_T_NUMBER ? "" : "another type", STR_ARG(v->text));
    if (*out < min || *out > max)
        return err_set(err, PROXY_BAD_REQUEST, "Numeric value (%lld) of %s out of range (%lld to %lld)", (long long)*out, name, (long long)min,
                       (long long)max);
    *given = true;
    return 0;
}

/* n digits at *p, moved past. */
static bool digits(const char **p, const char *end, int n, int *out)
{
    *out = 0;
    for (; n > 0; n--, ++*p) {
        if (*p == end || **p < '0' || **p > '9')
            return false;
        *out = *out * 10 + (**p - '0');
    }
    return true;
}

static bool literal(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    ++*p;
    return true;
}

static int fraction_ms(const char **p, const char *end)
{
    int ms = 0, weight = 100;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p, weight /= 10)
        ms += (**p - '0') * weight;
    return ms;
}

bool body_instant(struct str text, int64_t *ms)
{
    const char *p = text.p, *end = p + text.n;
    struct tm tm = {0};
    int year, month, day, fraction = 0, zone_h = 0, zone_m = 0, sign = 1;
    if (!digits(&p, end, 4, &year) || !literal(&p, end, '-') || !digits(&p, end, 2, &month) || !literal(&p, end, '-') ||
        !digits(&p, end, 2, &day) || (!literal(&p, end, 'T') && !literal(&p, end, 't')) || !digits(&p, end, 2, &tm.tm_hour) ||
        !literal(&p, end, ':') || !digits(&p, end, 2, &tm.tm_min))
        return false;
    if (literal(&p, end, ':')) {
        if (!digits(&p, end, 2, &tm.tm_sec))
            return false;
        if (literal(&p, end, '.'))
            fraction = fraction_ms(&p, end);
    }
    if (!literal(&p, end, 'Z') && !literal(&p, end, 'z')) {
        if (literal(&p, end, '-'))
            sign = -1;
        else if (!literal(&p, end, '+'))
            return false;
        if (!digits(&p, end, 2, &zone_h) || (literal(&p, end, ':'), !digits(&p, end, 2, &zone_m)))
            return false;
    }
    if (p != end || month < 1 || month > 12 || day < 1 || day > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60 || zone_h > 18 ||
        zone_m > 59)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;
    time_t seconds = timegm(&tm);
    if (tm.tm_mday != day) /* the 30th of February moved on */
        return false;
    *ms = ((int64_t)seconds - sign * (zone_h * 3600 + zone_m * 60)) * 1000 + fraction;
    return true;
}

static int read_timestamp(const struct json *v, int64_t *ms, struct err *err)
{
    if (v == NULL || v->type == JSON_T_NULL)
        return err_set(err, PROXY_BAD_REQUEST, "timestamp must not be null");
    double seconds = NAN;
    if (v->type == JSON_T_NUMBER)
        seconds = json_number_double(v->text);
    else if (v->type == JSON_T_STRING && body_instant(str_trim(v->text), ms))
        return 0;
    else if (v->type == JSON_T_STRING && str_to_i64(str_trim(v->text), ms))
        seconds = (double)*ms;
    if (!(seconds > -1e15 && seconds < 1e15))
        return err_set(err, PROXY_BAD_REQUEST,
                       "Cannot deserialize timestamp '%.*s': expected ISO-8601 (2020-01-02T03:04:05Z) or seconds since 1970", STR_ARG(v->text));
    *ms = (int64_t)llround(seconds * 1000);
    return 0;
}

static const char *const names_plain[] = {"topic", "partition", NULL};
static const char *const names_offset[] = {"topic", "partition", "offset", "metadata", NULL};
static const char *const names_timestamp[] = {"topic", "partition", "timestamp", "metadata", NULL};

static int read_entry(const struct json *v, int what, struct tp *out, struct err *err)
{
    bool given;
    int64_t partition;
    if (body_check_names(v, what == TP_OFFSET ? names_offset : what == TP_TIMESTAMP ? names_timestamp : names_plain, err) < 0 ||
        body_text(json_get(v, "topic"), "topic", &out->topic, err) < 0 ||
        body_int(json_get(v, "partition"), "partition", INT32_MIN, INT32_MAX, &partition, &given, err) < 0)
        return -1;
    if (out->topic.n == 0)
        return err_set(err, PROXY_UNPROCESSABLE, "topic must not be empty");
    if (!given)
        return err_set(err, PROXY_BAD_REQUEST, "partition must not be null");
    if (partition < 0)
        return err_set(err, PROXY_UNPROCESSABLE, "partition must be greater than or equal to 0 (was %lld)", (long long)partition);
    out->partition = (int32_t)partition;
    out->offset = OFFSET_INVALID;
    if (what == 0)
        return 0;
    if (body_text(json_get(v, "metadata"), "metadata", &out->metadata, err) < 0)
        return -1;
    if (what == TP_TIMESTAMP)
        return read_timestamp(json_get(v, "timestamp"), &out->offset, err);
    if (body_int(json_get(v, "offset"), "offset", INT64_MIN, INT64_MAX, &out->offset, &given, err) < 0)
        return -1;
    if (!given)
        return err_set(err, PROXY_BAD_REQUEST, "offset must not be null");
    if (out->offset < 0)
        return err_set(err, PROXY_UNPROCESSABLE, "offset must be greater than or equal to 0 (was %lld)", (long long)out->offset);
    return 0;
}

int body_check_length(const struct json *v, const char *name, struct err *err)
{
    return v->count <= BODY_LIST_MAX
               ? 0
               : err_set(err, PROXY_UNPROCESSABLE, "%s must not have more than %d entries (it has %zu)", name, BODY_LIST_MAX, (size_t)v->count);
}

int body_partitions(const struct json *v, const char *name, int what, struct arena *a, struct tp **out, size_t *n, struct err *err)
{
    *n = 0;
    *out = NULL;
    if (v == NULL || v->type == JSON_T_NULL)
        return err_set(err, PROXY_UNPROCESSABLE, "%s must not be null (was null)", name);
    if (v->type != JSON_T_ARRAY)
        return err_set(err, PROXY_BAD_REQUEST, "Cannot deserialize value of type `array` for %s", name);
    if (body_check_length(v, name, err) < 0)
        return -1;
    struct tp *tps = arena_calloc(a, v->count + 1, sizeof *tps);
    if (tps == NULL)
        return err_nomem(err);
    for (const struct json *e = v->first; e != NULL; e = e->next) {
        if (e->type == JSON_T_NULL)
            return err_set(err, PROXY_UNPROCESSABLE, "%s[%zu] must not be null", name, *n);
        if (e->type != JSON_T_OBJECT)
            return err_set(err, PROXY_BAD_REQUEST, "Cannot deserialize value of type `object` for %s[%zu]", name, *n);
        if (read_entry(e, what, &tps[*n], err) < 0)
            return -1;
        ++*n;
    }
    *out = tps;
    return 0;
}
