#include "storage/sqlite/conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { CHECKED_BYTES = 32 << 20 };

static const char *const texts[SQL_COUNT] = {
#define CONN_TEXT(name, text) text,
    CONN_STATEMENTS(CONN_TEXT)
#undef CONN_TEXT
};

int conn_fail(struct conn *c, struct err *err)
{
    int code = sqlite3_errcode(c->db), system = sqlite3_system_errno(c->db);
    const char *path = file_path(c->file);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return err_nomem(err);
    case SQLITE_FULL:
        return err_set(err, ERR_IO, "%s: no room left on the disk; nothing of this was written", path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_IO, "%s: the file is damaged (%s): restore it from a copy", path, sqlite3_errmsg(c->db));
    case SQLITE_BUSY:
        return err_set(err, ERR_IO, "%s: another program has locked the file", path);
    default:
        return err_set(err, ERR_IO, "%s: %s%s%s", path, sqlite3_errmsg(c->db), system != 0 ? ": " : "",
                       system != 0 ? strerror(system) : "");
    }
}

int conn_exec(struct conn *c, const char *sql, struct err *err)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : conn_fail(c, err);
}

static sqlite3_stmt *get(struct conn *c, enum sql id, struct err *err)
{
    if (c->stmt[id] == NULL &&
        sqlite3_prepare_v3(c->db, texts[id], -1, SQLITE_PREPARE_PERSISTENT, &c->stmt[id], NULL) != SQLITE_OK) {
        if (sqlite3_errcode(c->db) == SQLITE_ERROR)
            err_set(err, ERR_IO, "%s: the file is damaged (%s): restore it from a copy", file_path(c->file),
                    sqlite3_errmsg(c->db));
        else
            conn_fail(c, err);
    }
    return c->stmt[id];
}

struct conn *conn_open(struct file *f, bool writes, int busy_ms, struct err *err)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_nomem(err);
        return NULL;
    }
    c->file = f;
    c->busy_ms = busy_ms;
    if (sqlite3_open_v2(file_path(f), &c->db, (writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        if (c->db == NULL)
            err_nomem(err);
        else
            conn_fail(c, err);
        conn_free(c);
        return NULL;
    }
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, busy_ms);
    /* Checkpoints are the writer's to time; a WAL that grew under load is cut back when it starts anew. */
    int status = conn_exec(c,
                           writes ? "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=33554432;"
                                    "PRAGMA cache_size=-1000; PRAGMA temp_store=MEMORY"
                                  : "PRAGMA query_only=1; PRAGMA cache_size=-1000",
                           err);
    for (int i = 0; status == 0 && writes && i < SQL_COUNT; i++)
        status = get(c, (enum sql)i, err) != NULL ? 0 : -1;
    if (status < 0) {
        conn_free(c);
        return NULL;
    }
    return c;
}

void conn_free(struct conn *c)
{
    if (c == NULL)
        return;
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(c->stmt[i]);
    sqlite3_close(c->db);
    free(c);
}

/* One number that a pragma answers. */
static int ask(struct conn *c, const char *sql, int64_t *out, struct err *err)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(c->db, sql, -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW)
        conn_fail(c, err);
    else
        *out = sqlite3_column_int64(s, 0);
    return sqlite3_finalize(s) == SQLITE_OK && (err == NULL || err->code == 0) ? 0 : -1;
}

static int check_every_page(struct conn *c, struct err *err)
{
    sqlite3_stmt *s;
    int status = 0;
    if (sqlite3_prepare_v2(c->db, "PRAGMA quick_check(1)", -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW)
        status = conn_fail(c, err);
    else if (!str_is(conn_column(s, 0), "ok"))
        status = err_set(err, ERR_IO, "%s: the file is damaged (%.*s): restore it from a copy", file_path(c->file),
                         STR_ARG(conn_column(s, 0)));
    sqlite3_finalize(s);
    return status;
}

int conn_check(struct conn *c, struct err *err)
{
    int64_t pages = 0, page_bytes = 0;
    struct stat st;
    int moved = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if ((moved & 0xff) == SQLITE_CORRUPT || (moved & 0xff) == SQLITE_NOTADB)
        return conn_fail(c, err);
    if (ask(c, "PRAGMA page_count", &pages, err) < 0 || ask(c, "PRAGMA page_size", &page_bytes, err) < 0)
        return -1;
    if (moved == SQLITE_OK && stat(file_path(c->file), &st) == 0 && st.st_size < pages * page_bytes)
        return err_set(err, ERR_IO, "%s: the file is damaged (%lld bytes are there of %lld): restore it from a copy",
                       file_path(c->file), (long long)st.st_size, (long long)(pages * page_bytes));
    if (pages * page_bytes <= CHECKED_BYTES && check_every_page(c, err) < 0)
        return -1;
    return conn_exec(c, "PRAGMA cache_size=-4000", err); /* not before: what was looked through would stay in it */
}

static sqlite3_stmt *bind(struct conn *c, enum sql id, struct err *err, const char *types, va_list args)
{
    sqlite3_stmt *s = get(c, id, err);
    if (s == NULL)
        return NULL;
    sqlite3_reset(s);
    int status = SQLITE_OK;
    for (int i = 1; types[i - 1] != '\0' && status == SQLITE_OK; i++) {
        if (types[i - 1] == 'i') {
            status = sqlite3_bind_int64(s, i, va_arg(args, int64_t));
            continue;
        }
        struct str v = va_arg(args, struct str);
        if (v.p == NULL)
            status = sqlite3_bind_null(s, i);
        else if (types[i - 1] == 't')
            status = sqlite3_bind_text64(s, i, v.p, v.n, SQLITE_STATIC, SQLITE_UTF8);
        else
            status = sqlite3_bind_blob64(s, i, v.p, v.n, SQLITE_STATIC);
    }
    if (status == SQLITE_OK)
        return s;
    conn_fail(c, err);
    return NULL;
}

sqlite3_stmt *conn_bind(struct conn *c, enum sql id, struct err *err, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *s = bind(c, id, err, types, args);
    va_end(args);
    return s;
}

int conn_step(struct conn *c, sqlite3_stmt *s, struct err *err)
{
    int status = sqlite3_step(s);
    if (status == SQLITE_ROW)
        return 1;
    if (status != SQLITE_DONE)
        conn_fail(c, err);
    sqlite3_reset(s);
    return status == SQLITE_DONE ? 0 : -1;
}

int conn_run(struct conn *c, enum sql id, struct err *err, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *s = bind(c, id, err, types, args);
    va_end(args);
    return s != NULL ? conn_step(c, s, err) : -1;
}

struct str conn_column(sqlite3_stmt *s, int i)
{
    if (sqlite3_column_type(s, i) == SQLITE_NULL)
        return STR_NULL;
    const void *p = sqlite3_column_blob(s, i);
    size_t n = (size_t)sqlite3_column_bytes(s, i);
    return (struct str){p != NULL ? p : "", n};
}
