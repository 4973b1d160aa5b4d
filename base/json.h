/* base/json.h - JSON (RFC 8259): one validating reader, a tree for those who need one, and a writer.
 *
 * The reader is a pull parser over text that stays the caller's: json_next() gives one token at a time, checks grammar, UTF-8,
 * escapes, surrogates and depth as it goes, allocates nothing, and keeps numbers as text.  The tree (json_parse) is built with
 * it, in an arena.  The writer appends to a buf.  Any thread; no shared state.  Cost: one pass, O(n). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { JSON_DEPTH_MAX = 1000 }; /* default and largest nesting */

/* ---- reader ------------------------------------------------------------------------------------------------------ */

enum json_token {
    JSON_ERROR = -1, /* reader.err says what and where; every later call returns it again */
    JSON_END,        /* the one value is complete and only white space is left */
    JSON_NULL, JSON_FALSE, JSON_TRUE,
    JSON_NUMBER, /* text: as written, valid by the grammar */
    JSON_STRING, /* text: between the quotes, as written; escaped tells whether json_unescape is needed */
    JSON_KEY,    /* the name of a member, like JSON_STRING; its value's token comes next */
    JSON_ARRAY, JSON_ARRAY_END, JSON_OBJECT, JSON_OBJECT_END
};

struct json_reader {
    struct str text;   /* of the current token: JSON_NUMBER, JSON_STRING, JSON_KEY; points into the input */
    bool escaped;      /* JSON_STRING, JSON_KEY: holds at least one backslash */
    int depth;         /* open arrays and objects */
    struct err err;    /* code ERR_INVALID or ERR_TOO_BIG (depth); the text ends in " at line L column C" */
    /* private */
    const char *start, *at, *end, *token;
    int max_depth;
    unsigned char expect; /* what may come next */
    bool stream;          /* see json_reader_init_stream */
    uint64_t is_object[(JSON_DEPTH_MAX + 64) / 64];
};

/* Reads exactly one JSON value from text, which must outlive the reader.  max_depth 0 means JSON_DEPTH_MAX. */
void json_reader_init(struct json_reader *r, struct str text, int max_depth);
/* Same, but several values may follow each other, with white space between: after a complete top-level value the next call
 * starts another, and JSON_END comes when only white space is left. */
void json_reader_init_stream(struct json_reader *r, struct str text, int max_depth);
enum json_token json_next(struct json_reader *r);
/* Where the current token begins, as a byte offset into the text (for slices and messages). */
size_t json_offset(const struct json_reader *r);
/* The text from offset begin to the end of the current token. */
static inline struct str json_text_from(const struct json_reader *r, size_t begin)
{
    return (struct str){r->start + begin, (size_t)(r->at - r->start) - begin};
}
/* With tok the current token: reads on to the end of that value and sets raw (may be NULL) to its whole text, still valid JSON.
 * 0, or -1 with r->err. */
int json_skip(struct json_reader *r, enum json_token tok, struct str *raw);
/* The plain UTF-8 bytes of the current JSON_STRING or JSON_KEY: the text itself when nothing is escaped, else unescaped into the
 * arena.  STR_NULL on no memory (only then). A \u0000 becomes a NUL byte.  Lone surrogates are refused by json_next. */
struct str json_string(const struct json_reader *r, struct arena *a);
/* Same, appended to a buf. */
void json_unescape(struct str text, struct buf *out);
/* Is the current (possibly escaped) string equal to s? */
bool json_string_is(const struct json_reader *r, struct str s);
/* Number text as int64: true if it is an integer by value that fits ("1", "1.0", "1e2"; not "1.5"). */
bool json_number_i64(struct str text, int64_t *out);
/* Number text as double, correctly rounded whatever the locale; infinite if out of range. */
double json_number_double(struct str text);
/* Line and column (1-based, column in bytes) of offset in text. */
void json_line_column(struct str text, size_t offset, int *line, int *column);

/* ---- tree -------------------------------------------------------------------------------------------------------- */

enum json_type { JSON_T_NULL, JSON_T_FALSE, JSON_T_TRUE, JSON_T_NUMBER, JSON_T_STRING, JSON_T_ARRAY, JSON_T_OBJECT };

/* One value.  All of it, strings included, lives in the arena given to json_parse (or in the input text). */
struct json {
    enum json_type type;
    uint32_t offset;            /* of its first byte in the text, for messages */
    struct str text;            /* JSON_T_NUMBER: as written.  JSON_T_STRING: unescaped. */
    struct str key;             /* in an object: its name, unescaped */
    struct json *next;          /* the following element or member */
    struct json *first, *last;  /* JSON_T_ARRAY, JSON_T_OBJECT */
    uint32_t count;
};

enum json_dup { JSON_DUP_LAST, JSON_DUP_FIRST, JSON_DUP_ERROR }; /* which of two members of the same name counts */

/* The tree of text (exactly one value; trailing bytes are an error), or NULL with err. JSON_DUP_LAST keeps the first place in
 * order with the last value.  Costs O(n) (objects of over 16 members are checked for duplicates by hashing). */
struct json *json_parse(struct str text, enum json_dup dup, int max_depth, struct arena *a, struct err *err);
/* The member of that name, or NULL (also if o is NULL or no object). O(members). */
struct json *json_get(const struct json *o, const char *name);
struct json *json_get_str(const struct json *o, struct str name);
static inline bool json_is(const struct json *v, enum json_type t)
{
    return v != NULL && v->type == t;
}
/* Compact text of v appended to out, numbers as written. */
void json_put_tree(struct buf *out, const struct json *v);
/* Same value?  Objects: same members in any order. Numbers: same text. */
bool json_equal(const struct json *a, const struct json *b);

/* ---- writer ------------------------------------------------------------------------------------------------------ */

/* s as a JSON string with quotes.  Escapes only quote, backslash and control characters (\b \f \n \r \t, else \u00XX); the rest is
 * written as it is, with bytes that are not UTF-8 as U+FFFD. */
void json_put_string(struct buf *out, struct str s);
/* One such escape: c is a quote, a backslash or a control character. */
void json_put_escape(struct buf *out, unsigned char c);
void json_put_i64(struct buf *out, int64_t v);
/* Shortest text that reads back as the same double, in Java's form (Double.toString: 1.0, 0.001, 1.0E7); NaN and infinities as
 * the strings "NaN", "Infinity", "-Infinity". */
void json_put_double(struct buf *out, double v);

/* Objects and arrays with commas in the right places:
 *     struct json_writer w = json_writer_on(&out);
 *     jw_object(&w); jw_key(&w, "id"); jw_i64(&w, 1); jw_object_end(&w);
 * Failure is the buf's. */
struct json_writer {
    struct buf *out;
    bool comma; /* a comma is due before the next element or key */
};
static inline struct json_writer json_writer_on(struct buf *out)
{
    return (struct json_writer){.out = out};
}
void jw_object(struct json_writer *w);
void jw_object_end(struct json_writer *w);
void jw_array(struct json_writer *w);
void jw_array_end(struct json_writer *w);
void jw_key(struct json_writer *w, const char *name); /* a literal that needs no escaping */
void jw_key_str(struct json_writer *w, struct str name);
void jw_str(struct json_writer *w, struct str s); /* STR_NULL is written as null */
void jw_i64(struct json_writer *w, int64_t v);
void jw_bool(struct json_writer *w, bool v);
void jw_null(struct json_writer *w);
void jw_raw(struct json_writer *w, struct str json); /* text that is JSON already */

#endif
