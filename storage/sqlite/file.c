#include "storage/sqlite/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/rand.h>
#include <sqlite3.h>

#include "base/own.h"
#include "base/str.h"

enum { APPLICATION_ID = 0x6d756972 }; /* "muir", bytes 68 to 71 of the file */
enum { HEADER_BYTES = 100, APPLICATION_ID_AT = 68, USER_VERSION_AT = 60 };

/* A record's id is its partition's id in the upper bits and its offset in the lower 40 (catalog.h).  Deleting a topic only takes
 * its partitions away from it (topic NULL); the cleaner erases their records later.  times holds the largest timestamp of every
 * finished run of 1,024 offsets, its id being the records' id without the lower 10 bits.  tombstones: when a pass of the cleaner
 * first met them. */
static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE topics(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE configs(topic INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(topic, name)) WITHOUT "
    "ROWID;"
    "CREATE TABLE partitions(id INTEGER PRIMARY KEY, topic INTEGER, number INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER "
    "NOT NULL,"
    " clean INTEGER NOT NULL, bytes INTEGER NOT NULL, dirty_bytes INTEGER NOT NULL);"
    "CREATE TABLE records(id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, key BLOB, value BLOB, headers BLOB);"
    "CREATE TABLE times(id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL);"
    "CREATE TABLE tombstones(id INTEGER PRIMARY KEY, seen_ms INTEGER NOT NULL);"
    "CREATE TABLE offsets(grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, metadata "
    "TEXT,"
    " PRIMARY KEY(grp, topic, partition)) WITHOUT ROWID;"
    "CREATE TABLE pens(name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;";

struct file {
    char *path, *lock_path; /* fixed */
    int lock_fd;
};

/* path with all links resolved, so that one file has one lock; the file itself need not exist. */
static char *resolve(const char *path, struct err *err)
{
    if (path == NULL || *path == '\0') {
        err_set(err, ERR_INVALID, "the log needs a file's path");
        return NULL;
    }
    char *full = realpath(path, NULL);
    if (full != NULL)
        return full;
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    OWN_BY(own_free)
    char *folder = slash == NULL   ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    OWN_BY(own_free) char *full_folder = folder != NULL && errno == ENOENT && *name != '\0' ? realpath(folder, NULL) : NULL;
    if (full_folder == NULL) {
        err_set(err, ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    if (asprintf(&full, "%s/%s", full_folder, name) < 0) {
        err_nomem(err);
        return NULL;
    }
    return full;
}

/* Takes the lock on the file that lock_path names now: whoever ends cleanly removes it, so it may be another one than was opened.
 */
static int lock(struct file *f, struct err *err)
{
    for (;;) {
        struct stat opened, named;
        int fd = open(f->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            return err_set(err, ERR_IO, "%s: cannot be locked: %s: %s", f->path, f->lock_path, strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            char pid[16] = "";
            ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
            close(fd);
            return err_set(err, ERR_IO, "%s: another process (pid %.*s) holds this log: stop that one, or give another file",
                           f->path, n > 0 ? (int)strcspn(pid, "\n") : 1, n > 0 ? pid : "?");
        }
        if (fstat(fd, &opened) == 0 && stat(f->lock_path, &named) == 0 && opened.st_ino == named.st_ino &&
            opened.st_dev == named.st_dev) {
            f->lock_fd = fd;
            char pid[16];
            int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
            if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) < 0)
                return 0; /* the pid is only for another's message: a full disk must not keep us out */
            return 0;
        }
        close(fd);
    }
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Looks at the first bytes with plain reads, so that a stranger's file is not even opened by SQLite. *missing: there is none, or
 * it is empty. */
static int check_header(const char *path, bool *missing, struct err *err)
{
    unsigned char h[HEADER_BYTES];
    struct stat st;
    *missing = false;
    if (stat(path, &st) < 0) {
        *missing = errno == ENOENT;
        return *missing ? 0 : err_set(err, ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s: is not a plain file", path);
    if (st.st_size == 0) {
        *missing = true;
        return 0;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_IO, "%s: cannot be opened for reading and writing: %s", path, strerror(errno));
    ssize_t n = pread(fd, h, sizeof h, 0);
    close(fd);
    if (n != (ssize_t)sizeof h || memcmp(h, "SQLite format 3", 16) != 0)
        return err_set(err, ERR_INVALID, "%s: is not a muir log (it does not begin as an SQLite file does); nothing was changed",
                       path);
    if (be32(h + APPLICATION_ID_AT) != APPLICATION_ID)
        return err_set(err, ERR_INVALID,
                       "%s: is an SQLite file of another program, not a muir log (application id 0x%08x); nothing was changed",
                       path, be32(h + APPLICATION_ID_AT));
    if (be32(h + USER_VERSION_AT) > FILE_FORMAT)
        return err_set(err, ERR_INVALID,
                       "%s: was written by a newer muir (format %u, this one knows up to %d): run that version or a newer one",
                       path, be32(h + USER_VERSION_AT), FILE_FORMAT);
    return 0;
}

static int sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int status = fsync(fd);
    close(fd);
    return status;
}

/* 16 random bytes as 22 characters of URL-safe base 64, as Kafka's cluster ids are. */
static int random_id(char out[23])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char raw[18] = {0};
    do {
        if (RAND_bytes(raw, 16) != 1)
            return -1;
        for (int i = 0, o = 0; i < 18; i += 3, o += 4) {
            uint32_t v = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];
            for (int k = 0; k < 4 && o + k < 22; k++)
                out[o + k] = digits[v >> (18 - 6 * k) & 63];
        }
    } while (out[0] == '-'); /* would look like an option on a command line */
    out[22] = '\0';
    return 0;
}

/* The schema in one file that is not yet under its name. */
static int make_new(const char *path, struct err *err)
{
    char id[23], sql[200];
    if (random_id(id) < 0)
        return err_set(err, ERR_IO, "%s: no random bytes for the log's id", path);
    snprintf(sql, sizeof sql,
             "PRAGMA application_id=%d; PRAGMA user_version=%d; INSERT INTO meta VALUES('cluster.id', '%s'); COMMIT;",
             APPLICATION_ID, FILE_FORMAT, id);
    sqlite3 *db = NULL;
    int status = 0;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA page_size=4096; BEGIN;", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL) != SQLITE_OK)
        status = err_set(err, ERR_IO, "%s: cannot be created: %s", path, db != NULL ? sqlite3_errmsg(db) : "out of memory");
    if (sqlite3_close(db) != SQLITE_OK && status == 0)
        status = err_set(err, ERR_IO, "%s: cannot be created", path);
    return status;
}

static int create(const char *path, struct err *err)
{
    struct stat st;
    OWN_BY(own_free) char *wal = NULL, *fresh = NULL, *folder = strdup(path);
    if (folder == NULL || asprintf(&wal, "%s-wal", path) < 0 || asprintf(&fresh, "%s-new", path) < 0)
        return err_nomem(err);
    if (stat(wal, &st) == 0 && st.st_size > 0)
        return err_set(err, ERR_INVALID,
                       "%s: is missing or empty, but %s holds records of it: put the file back, or move that one away", path,
                       wal);
    unlink(fresh);
    *strrchr(folder, '/') = '\0';
    if (make_new(fresh, err) < 0) {
        unlink(fresh);
        return -1;
    }
    if (sync_path(fresh) < 0 || rename(fresh, path) < 0 || sync_path(*folder != '\0' ? folder : "/") < 0) {
        err_set(err, ERR_IO, "%s: cannot be created: %s", path, strerror(errno));
        unlink(fresh);
        return -1;
    }
    return 0;
}

struct file *file_open(const char *path, struct err *err)
{
    struct file *f = calloc(1, sizeof *f);
    if (f == NULL) {
        err_nomem(err);
        return NULL;
    }
    f->lock_fd = -1;
    bool missing = false;
    if ((f->path = resolve(path, err)) == NULL) {
        file_close(f);
        return NULL;
    }
    if (asprintf(&f->lock_path, "%s-lock", f->path) < 0) {
        f->lock_path = NULL;
        err_nomem(err);
    } else if (lock(f, err) == 0 && check_header(f->path, &missing, err) == 0 && (!missing || create(f->path, err) == 0)) {
        return f;
    }
    file_close(f);
    return NULL;
}

void file_close(struct file *f)
{
    if (f == NULL)
        return;
    if (f->lock_fd >= 0) {
        unlink(f->lock_path);
        close(f->lock_fd);
    }
    free(f->lock_path);
    free(f->path);
    free(f);
}

const char *file_path(const struct file *f)
{
    return f->path;
}
