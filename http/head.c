#include "http/head.h"

/* What each byte may be part of: 1 a token, 2 a field's value, 4 a request target, 8 a Host (RFC 9110 5.5, 5.6.2; RFC 3986 3.2, 3.3; bytes
 * from 0x80 on are left to the UTF-8 check of the decoded path). A test compares the table with these sentences. */
enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8 };
/* clang-format off */
static const unsigned char kinds[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 15, 6, 3, 15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15, 6, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 14, 6, 14, 6, 6,
    6, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 6, 14, 7, 15,
    7, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6, 7, 6, 15, 0,
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
};
/* clang-format on */

static bool all_are(struct str s, int kind)
{
    int common = kind;
    for (size_t i = 0; i < s.n; i++)
        common &= kinds[(unsigned char)s.p[i]];
    return common == kind;
}

bool head_is_token(struct str s)
{
    return s.n != 0 && all_are(s, TOKEN);
}

bool head_is_value(struct str s)
{
    return all_are(s, VALUE);
}

/* Empty lines in front of a request (RFC 9112 2.2 asks to forgive them). */
static size_t leading_empty_lines(struct str bytes)
{
    size_t i = 0;
    while (bytes.n - i >= 2 && bytes.p[i] == '\r' && bytes.p[i + 1] == '\n')
        i += 2;
    return i;
}

static int too_long(struct str bytes, size_t start, size_t max_bytes, struct err *err)
{
    if (memchr(bytes.p + start, '\n', bytes.n - start) == NULL)
        return err_set(err, 414, "URI Too Long: the request line is over %zu bytes", max_bytes);
    return err_set(err, 431, "Request Header Fields Too Large: the head of the request is over %zu bytes", max_bytes);
}

ptrdiff_t head_find_end(struct str bytes, size_t *seen, size_t max_bytes, struct err *err)
{
    const size_t start = leading_empty_lines(bytes);
    size_t at = *seen > start ? *seen : start; /* of a line's first byte, or anywhere in it */
    const char *lf;
    while (at < bytes.n && (lf = memchr(bytes.p + at, '\n', bytes.n - at)) != NULL) {
        size_t end = (size_t)(lf - bytes.p);
        if (end == start || bytes.p[end - 1] != '\r')
            return err_set(err, 400, "Bad Request: a line of the head ends in a bare line feed; lines end in CR LF");
        bool empty = end >= start + 3 && bytes.p[end - 2] == '\n';
        at = end + 1;
        if (empty && at <= max_bytes)
            return (ptrdiff_t)at;
        if (at > max_bytes)
            break;
    }
    if (bytes.n > max_bytes)
        return too_long(bytes, start, max_bytes, err);
    *seen = bytes.n > start ? bytes.n : start;
    return 0;
}

/* The next line without its CR LF; there is one, as head_find_end has seen. */
static struct str next_line(struct str *rest)
{
    const char *lf = memchr(rest->p, '\n', rest->n);
    struct str line = str_n(rest->p, (size_t)(lf - rest->p) - 1);
    rest->n -= line.n + 2;
    rest->p = lf + 1;
    return line;
}

static int read_version(struct head *h, struct str version, struct err *err)
{
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || version.p[5] < '0' || version.p[5] > '9' || version.p[6] != '.' ||
        version.p[7] < '0' || version.p[7] > '9')
        return err_set(err, 400, "Bad Request: the request line does not end in HTTP/1.1");
    if (version.p[5] != '1')
        return err_set(err, 505, "HTTP Version Not Supported: %.3s; this server speaks HTTP/1.1", version.p + 5);
    h->minor = version.p[7] == '0' ? 0 : 1;
    return 0;
}

/* The target is a path with a query, or a whole URL whose path counts (RFC 9112 3.2), or * with OPTIONS. */
static int read_target(struct head *h, struct err *err)
{
    struct str t = h->target;
    bool found;
    if (t.n == 0 || !all_are(t, TARGET))
        return err_set(err, 400, "Bad Request: the request target holds a space, a control character or '#'");
    if (str_is(t, "*") && str_is(h->method, "OPTIONS")) {
        h->path = t;
        return 0;
    }
    if (t.p[0] != '/') {
        struct str scheme = {t.p, t.n < 7 ? t.n : 7};
        if (!str_eq_nocase(scheme, STR("http://")))
            return err_set(err, 400, "Bad Request: the request target is neither a path nor an http URL");
        t = str_n(t.p + 7, t.n - 7);
        size_t authority = 0;
        while (authority < t.n && t.p[authority] != '/' && t.p[authority] != '?')
            authority++;
        if (authority == 0)
            return err_set(err, 400, "Bad Request: the URL in the request line has no host");
        t = str_n(t.p + authority, t.n - authority);
    }
    h->path = str_split(&t, '?', &found);
    h->query = found ? t : STR_NULL;
    if (h->path.n == 0)
        h->path = STR("/");
    return 0;
}

static int read_request_line(struct head *h, struct str line, struct err *err)
{
    const char *first = memchr(line.p, ' ', line.n), *last = first != NULL ? memrchr(line.p, ' ', line.n) : NULL;
    if (last == first)
        return err_set(err, 400, "Bad Request: the request line is not METHOD TARGET HTTP/1.1");
    h->method = str_n(line.p, (size_t)(first - line.p));
    h->target = str_n(first + 1, (size_t)(last - first) - 1);
    if (!head_is_token(h->method))
        return err_set(err, 400, "Bad Request: the method is not a token");
    if (read_version(h, str_n(last + 1, line.n - (size_t)(last - line.p) - 1), err) < 0)
        return -1;
    return read_target(h, err);
}

static int read_length(struct head *h, struct str value, struct err *err)
{
    int64_t n = 0;
    if (value.n == 0 || value.n > 18)
        return value.n == 0 || !all_are(value, TOKEN) ? err_set(err, 400, "Bad Request: Content-Length is not a number")
                                                       : err_set(err, 413, "Payload Too Large: Content-Length has %zu digits", value.n);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return err_set(err, 400, "Bad Request: Content-Length is not a number of decimal digits alone");
        n = n * 10 + (value.p[i] - '0');
    }
    h->body_bytes = n;
    return 0;
}

static void read_connection(struct head *h, struct str value)
{
    bool more = true;
    while (more) {
        struct str option = str_trim(str_split(&value, ',', &more));
        if (str_eq_nocase(option, STR("close")))
            h->close = true;
        else if (str_eq_nocase(option, STR("keep-alive")))
            h->keep_alive = true;
    }
}

/* Which of the fields that the server itself obeys have been met. */
struct met {
    bool host, length, coding;
};

static int read_known_field(struct head *h, const struct head_field *f, struct met *met, struct err *err)
{
    switch (f->name.n) {
    case 4:
        if (!str_eq_nocase(f->name, STR("Host")))
            return 0;
        if (met->host)
            return err_set(err, 400, "Bad Request: more than one Host");
        if (!all_are(f->value, HOST))
            return err_set(err, 400, "Bad Request: Host is not a host name with an optional port");
        met->host = true;
        h->host = f->value;
        return 0;
    case 6:
        if (!str_eq_nocase(f->name, STR("Expect")))
            return 0;
        if (!str_eq_nocase(f->value, STR("100-continue")))
            return err_set(err, 417, "Expectation Failed: the only expectation that can be met is 100-continue");
        h->expects = true;
        return 0;
    case 10:
        if (str_eq_nocase(f->name, STR("Connection")))
            read_connection(h, f->value);
        return 0;
    case 14:
        if (!str_eq_nocase(f->name, STR("Content-Length")))
            return 0;
        if (met->length)
            return err_set(err, 400, "Bad Request: more than one Content-Length");
        met->length = true;
        return read_length(h, f->value, err);
    case 17:
        if (!str_eq_nocase(f->name, STR("Transfer-Encoding")))
            return 0;
        if (met->coding || !str_eq_nocase(f->value, STR("chunked")))
            return err_set(err, 400, "Bad Request: the only Transfer-Encoding that is understood is one chunked");
        met->coding = h->chunked = true;
        return 0;
    default:
        return 0;
    }
}

static int read_field(struct head_field *f, struct str line, size_t number, struct err *err)
{
    const char *colon = memchr(line.p, ':', line.n);
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return err_set(err, 400, "Bad Request: line %zu of the head is folded (it begins with white space)", number);
    if (colon == NULL)
        return err_set(err, 400, "Bad Request: line %zu of the head has no colon", number);
    f->name = str_n(line.p, (size_t)(colon - line.p));
    f->value = str_trim(str_n(colon + 1, line.n - f->name.n - 1));
    if (!head_is_token(f->name))
        return err_set(err, 400, "Bad Request: the name in line %zu of the head holds a space or another character that no name may hold", number);
    if (!head_is_value(str_n(colon + 1, line.n - f->name.n - 1)))
        return err_set(err, 400, "Bad Request: line %zu of the head holds a control character", number);
    return 0;
}

static int check_together(const struct head *h, const struct met *met, struct err *err)
{
    if (met->length && met->coding)
        return err_set(err, 400, "Bad Request: Content-Length beside Transfer-Encoding");
    if (met->coding && h->minor == 0)
        return err_set(err, 400, "Bad Request: Transfer-Encoding in an HTTP/1.0 request");
    if (!met->host && h->minor != 0)
        return err_set(err, 400, "Bad Request: an HTTP/1.1 request needs a Host");
    return 0;
}

int head_read(struct head *h, struct str bytes, struct arena *a, struct err *err)
{
    struct head_field fields[HEAD_FIELDS_MAX];
    struct met met = {0};
    *h = (struct head){.host = STR_NULL};
    size_t skip = leading_empty_lines(bytes);
    struct str rest = {bytes.p + skip, bytes.n - skip}, line;
    if (read_request_line(h, next_line(&rest), err) < 0)
        return -1;
    while ((line = next_line(&rest)).n != 0) {
        if (h->nfields == HEAD_FIELDS_MAX)
            return err_set(err, 431, "Request Header Fields Too Large: more than %d fields", HEAD_FIELDS_MAX);
        struct head_field *f = &fields[h->nfields++];
        if (read_field(f, line, h->nfields + 1, err) < 0 || read_known_field(h, f, &met, err) < 0)
            return -1;
    }
    if (check_together(h, &met, err) < 0)
        return -1;
    if (h->minor == 0) {
        h->close = h->close || !h->keep_alive;
        h->expects = false;
    }
    if ((h->fields = arena_alloc(a, h->nfields * sizeof *fields)) == NULL)
        return err_set(err, 503, "Service Unavailable: out of memory");
    if (h->nfields != 0)
        memcpy(h->fields, fields, h->nfields * sizeof *fields);
    return 0;
}

struct str head_value(const struct head *h, struct str name)
{
    for (size_t i = 0; i < h->nfields; i++)
        if (h->fields[i].name.n == name.n && str_eq_nocase(h->fields[i].name, name))
            return h->fields[i].value;
    return STR_NULL;
}
