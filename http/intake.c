#include "http/intake.h"

#include <stdio.h>

/* The body's memory grows by doubling from the first of these on, the whole Content-Length at once up to it; what is kept for the next
 * request is at most the second. */
enum { GROW_BYTES = 64 * 1024, KEEP_BYTES = 16 * 1024, KEEP_ARENA_BYTES = 8 * 1024, CHUNK_LINE_MAX = 1024 };

void intake_init(struct intake *in, struct intake_limits *limits)
{
    *in = (struct intake){.limits = limits, .state = INTAKE_HEAD};
}

static void give_back_budget(struct intake *in)
{
    if (in->reserved != 0)
        atomic_fetch_sub(&in->limits->total, in->reserved);
    in->reserved = 0;
}

void intake_clear(struct intake *in)
{
    give_back_budget(in);
    buf_clear(&in->body);
    arena_clear(&in->arena);
}

void intake_next(struct intake *in)
{
    give_back_budget(in);
    if (in->body.cap > KEEP_BYTES)
        buf_clear(&in->body);
    else
        buf_reset(&in->body);
    if (in->arena.used > KEEP_ARENA_BYTES)
        arena_clear(&in->arena);
    else
        arena_reset(&in->arena);
    in->state = INTAKE_HEAD;
    in->seen = in->trailer_bytes = 0;
    in->begun = false;
}

void intake_refuse(struct intake *in, int status, const char *text)
{
    if (in->state == INTAKE_REFUSED)
        return;
    in->state = INTAKE_REFUSED;
    err_clear(&in->refusal);
    err_set(&in->refusal, status, "%s", text);
}

static void refuse_too_large(struct intake *in)
{
    char text[100];
    snprintf(text, sizeof text, "Payload Too Large: the body of the request is over %zu bytes", in->limits->max_body_bytes);
    intake_refuse(in, 413, text);
}

/* Room for n more bytes of body, out of the budget. False: refused. */
static bool reserve(struct intake *in, size_t n)
{
    struct buf *b = &in->body;
    if (n > in->limits->max_body_bytes || b->n > in->limits->max_body_bytes - n) {
        refuse_too_large(in);
        return false;
    }
    if (b->cap - b->n >= n && in->reserved >= (int64_t)b->cap)
        return true;
    char *p = b->cap - b->n >= n ? b->p : buf_reserve(b, n);
    int64_t more = (int64_t)b->cap - in->reserved;
    in->reserved += more;
    if (atomic_fetch_add(&in->limits->total, more) + more > in->limits->max_total_bytes) {
        intake_refuse(in, 503, "Service Unavailable: the bodies of the requests now being read fill the memory set aside for them; try again later");
        return false;
    }
    if (p == NULL) {
        intake_refuse(in, 503, "Service Unavailable: out of memory");
        return false;
    }
    return true;
}

/* ---- head -------------------------------------------------------------------------------------------------------- */

static void begin_body(struct intake *in)
{
    const struct head *h = &in->head;
    in->begun = true;
    if (h->chunked) {
        in->state = INTAKE_CHUNK_SIZE;
    } else if (h->body_bytes != 0) {
        in->left = (uint64_t)h->body_bytes;
        in->state = INTAKE_BODY;
        if (in->left > in->limits->max_body_bytes)
            refuse_too_large(in);
        else
            reserve(in, in->left < GROW_BYTES ? (size_t)in->left : GROW_BYTES);
    } else {
        in->state = INTAKE_WHOLE;
    }
}

static size_t put_head(struct intake *in, struct str bytes)
{
    struct err err = {0};
    ptrdiff_t n = head_find_end(bytes, &in->seen, in->limits->max_head_bytes, &err);
    if (n == 0)
        return 0;
    struct str head = n > 0 ? arena_str(&in->arena, str_n(bytes.p, (size_t)n)) : STR_NULL;
    if (n > 0 && head.p == NULL)
        err_set(&err, 503, "Service Unavailable: out of memory");
    if (n < 0 || head.p == NULL || head_read(&in->head, head, &in->arena, &err) < 0) {
        in->head = (struct head){0}; /* half read is not read */
        intake_refuse(in, err.code, err.text);
        return 0;
    }
    begin_body(in);
    return (size_t)n;
}

/* ---- body -------------------------------------------------------------------------------------------------------- */

static void body_grew(struct intake *in, size_t n)
{
    in->body.n += n;
    in->left -= n;
    if (in->left == 0)
        in->state = in->state == INTAKE_BODY ? INTAKE_WHOLE : INTAKE_CHUNK_END;
}

static size_t put_body(struct intake *in, struct str bytes)
{
    size_t n = in->left < bytes.n ? (size_t)in->left : bytes.n;
    if (!reserve(in, n))
        return 0;
    memcpy(in->body.p + in->body.n, bytes.p, n);
    body_grew(in, n);
    return n;
}

char *intake_room(struct intake *in, size_t *n)
{
    *n = 0;
    if (in->state != INTAKE_BODY && in->state != INTAKE_CHUNK_DATA)
        return NULL;
    size_t room = in->left < GROW_BYTES ? (size_t)in->left : GROW_BYTES;
    if (in->body.cap - in->body.n >= room && in->left > room) /* use up what is there anyway */
        room = in->left < in->body.cap - in->body.n ? (size_t)in->left : in->body.cap - in->body.n;
    if (!reserve(in, room))
        return NULL;
    *n = room;
    return in->body.p + in->body.n;
}

void intake_filled(struct intake *in, size_t n)
{
    body_grew(in, n);
}

/* ---- chunks (RFC 9112 7.1) --------------------------------------------------------------------------------------- */

/* The line at the start of bytes without CR LF; false: it has not come whole, or is refused. */
static bool take_line(struct intake *in, struct str bytes, struct str *line)
{
    const char *lf = memchr(bytes.p, '\n', bytes.n < CHUNK_LINE_MAX ? bytes.n : CHUNK_LINE_MAX);
    if (lf == NULL) {
        if (bytes.n >= CHUNK_LINE_MAX)
            intake_refuse(in, 400, "Bad Request: a line between the chunks of the body is over 1024 bytes");
        return false;
    }
    if (lf == bytes.p || lf[-1] != '\r') {
        intake_refuse(in, 400, "Bad Request: a line between the chunks of the body ends in a bare line feed");
        return false;
    }
    *line = str_n(bytes.p, (size_t)(lf - bytes.p) - 1);
    if (!head_is_value(*line)) {
        intake_refuse(in, 400, "Bad Request: a line between the chunks of the body holds a control character");
        return false;
    }
    return true;
}

static bool read_size(struct str line, uint64_t *size)
{
    size_t i = 0;
    int digit;
    *size = 0;
    for (; i < line.n && (digit = str_hex_digit(line.p[i])) >= 0; i++)
        *size = *size << 4 | (unsigned)digit;
    if (i == 0 || i > 15)
        return false;
    while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
        i++;
    return i == line.n || line.p[i] == ';';
}

static size_t put_chunk_size(struct intake *in, struct str bytes)
{
    struct str line;
    if (!take_line(in, bytes, &line))
        return 0;
    if (!read_size(line, &in->left)) {
        intake_refuse(in, 400, "Bad Request: the size of a chunk is not a hexadecimal number");
        return 0;
    }
    in->state = in->left != 0 ? INTAKE_CHUNK_DATA : INTAKE_TRAILER;
    if (in->left > in->limits->max_body_bytes - in->body.n)
        refuse_too_large(in);
    return line.n + 2;
}

static size_t put_chunk_end(struct intake *in, struct str bytes)
{
    if (bytes.p[0] != '\r' || (bytes.n >= 2 && bytes.p[1] != '\n')) {
        intake_refuse(in, 400, "Bad Request: a chunk of the body is longer than its size says");
        return 0;
    }
    if (bytes.n < 2)
        return 0;
    in->state = INTAKE_CHUNK_SIZE;
    return 2;
}

/* Fields behind the last chunk mean nothing to us, but must be fields. */
static size_t put_trailer(struct intake *in, struct str bytes)
{
    struct str line;
    if (!take_line(in, bytes, &line))
        return 0;
    in->trailer_bytes += line.n + 2;
    if (line.n == 0) {
        in->state = INTAKE_WHOLE;
    } else if (in->trailer_bytes > in->limits->max_head_bytes) {
        intake_refuse(in, 431, "Request Header Fields Too Large: the fields behind the body");
    } else {
        ptrdiff_t colon = str_find(line, ':');
        if (colon < 0 || !head_is_token(str_n(line.p, (size_t)colon)))
            intake_refuse(in, 400, "Bad Request: a line behind the last chunk of the body is not a field");
    }
    return line.n + 2;
}

size_t intake_put(struct intake *in, struct str bytes)
{
    size_t at = 0;
    while (at < bytes.n && !intake_done(in)) {
        struct str rest = {bytes.p + at, bytes.n - at};
        enum intake_state was = in->state;
        size_t n = was == INTAKE_HEAD         ? put_head(in, rest)
                   : was == INTAKE_CHUNK_SIZE ? put_chunk_size(in, rest)
                   : was == INTAKE_CHUNK_END  ? put_chunk_end(in, rest)
                   : was == INTAKE_TRAILER    ? put_trailer(in, rest)
                                              : put_body(in, rest);
        at += n;
        if (n == 0)
            break;
    }
    return at;
}
