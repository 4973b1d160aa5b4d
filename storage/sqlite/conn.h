/* storage/sqlite/conn.h - a connection to the file, with every statement this room uses.
 *
 * The writer has one that writes; readers take theirs from a shelf (shelf.h).  One thread at a time. */
#ifndef STORAGE_SQLITE_CONN_H
#define STORAGE_SQLITE_CONN_H

#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"
#include "storage/sqlite/file.h"

#define CONN_STATEMENTS(X)                                                                                                       \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                                  \
    X(COMMIT, "COMMIT")                                                                                                          \
    X(ROLLBACK, "ROLLBACK")                                                                                                      \
    X(GET_META, "SELECT value FROM meta WHERE name=?1")                                                                          \
    X(PUT_META, "INSERT INTO meta VALUES(?1,?2) ON CONFLICT(name) DO UPDATE SET value=excluded.value")                           \
    X(ALL_TOPICS, "SELECT id, name FROM topics")                                                                                 \
    X(ADD_TOPIC, "INSERT INTO topics(name) VALUES(?1)")                                                                          \
    X(DROP_TOPIC, "DELETE FROM topics WHERE id=?1")                                                                              \
    X(ALL_CONFIGS, "SELECT name, value FROM configs WHERE topic=?1")                                                             \
    X(PUT_CONFIG, "INSERT INTO configs VALUES(?1,?2,?3)")                                                                        \
    X(DROP_CONFIGS, "DELETE FROM configs WHERE topic=?1")                                                                        \
    X(ALL_PARTITIONS, "SELECT p.id, topic, number, low, high, clean, bytes, dirty_bytes, t.name"                                 \
                      " FROM partitions p LEFT JOIN topics t ON t.id=topic ORDER BY topic, number")                             \
    X(ADD_PARTITION, "INSERT INTO partitions VALUES(?1,?2,?3,0,0,0,0,0)")                                                        \
    X(PUT_PARTITION, "UPDATE partitions SET low=?2, high=?3, clean=?4, bytes=?5, dirty_bytes=?6 WHERE id=?1")                    \
    X(ORPHAN_PARTITIONS, "UPDATE partitions SET topic=NULL WHERE topic=?1")                                                      \
    X(FIND_ORPHAN, "SELECT id FROM partitions WHERE topic IS NULL LIMIT 1")                                                      \
    X(DROP_PARTITION, "DELETE FROM partitions WHERE id=?1 AND topic IS NULL")                                                    \
    X(PUT_RECORD, "INSERT INTO records VALUES(?1,?2,?3,?4,?5)")                                                                  \
    X(READ_RECORDS, "SELECT id, timestamp, key, value, headers FROM records WHERE id>=?1 AND id<?2 ORDER BY id")                 \
    X(LAST_RECORD, "SELECT max(id) FROM records WHERE id>=?1 AND id<?2")                                                         \
    X(SCAN_RECORDS,                                                                                                              \
      "SELECT id, timestamp, key, value IS NULL, ifnull(length(key),0)+ifnull(length(value),0)+ifnull(length(headers),0)"        \
      " FROM records WHERE id>=?1 AND id<?2 ORDER BY id LIMIT ?3")                                                               \
    X(SCAN_SIZES, "SELECT id, timestamp, ifnull(length(key),0)+ifnull(length(value),0)+ifnull(length(headers),0)"                \
                  " FROM records WHERE id>=?1 AND id<?2 ORDER BY id LIMIT ?3")                                                   \
    X(DROP_RECORD, "DELETE FROM records WHERE id=?1")                                                                            \
    X(DROP_RECORDS, "DELETE FROM records WHERE id>=?1 AND id<?2")                                                                \
    X(NTH_RECORD, "SELECT id FROM records WHERE id>=?1 AND id<?2 ORDER BY id LIMIT 1 OFFSET ?3")                                 \
    X(PUT_TIME, "INSERT OR REPLACE INTO times SELECT ?1, max(timestamp) FROM records WHERE id>=?2 AND id<?3"                     \
                " HAVING max(timestamp) IS NOT NULL")                                                                            \
    X(FIND_TIMES, "SELECT id FROM times WHERE id>=?1 AND id<?2 AND timestamp>=?3 ORDER BY id")                                   \
    X(FIND_TIME, "SELECT id FROM records WHERE id>=?1 AND id<?2 AND timestamp>=?3 ORDER BY id LIMIT 1")                          \
    X(DROP_TIMES, "DELETE FROM times WHERE id>=?1 AND id<?2")                                                                    \
    X(PUT_TOMBSTONE, "INSERT OR IGNORE INTO tombstones VALUES(?1,?2)")                                                           \
    X(FIND_TOMBSTONES,                                                                                                           \
      "SELECT t.id, ifnull(length(r.key),0)+ifnull(length(r.headers),0) FROM tombstones t JOIN records r USING(id)"              \
      " WHERE t.id>=?1 AND t.id<?2 AND t.seen_ms<=?3 ORDER BY t.id LIMIT ?4")                                                    \
    X(DROP_TOMBSTONE, "DELETE FROM tombstones WHERE id=?1")                                                                      \
    X(DROP_TOMBSTONES, "DELETE FROM tombstones WHERE id>=?1 AND id<?2")                                                          \
    X(ALL_OFFSETS, "SELECT grp, topic, partition, offset, metadata FROM offsets")                                                \
    X(PUT_OFFSET, "INSERT INTO offsets VALUES(?1,?2,?3,?4,?5) ON CONFLICT(grp, topic, partition)"                                \
                  " DO UPDATE SET offset=excluded.offset, metadata=excluded.metadata")                                           \
    X(DROP_OFFSETS, "DELETE FROM offsets WHERE topic=?1")                                                                        \
    X(NEXT_EPOCH, "INSERT INTO pens VALUES(?1,1) ON CONFLICT(name) DO UPDATE SET epoch=epoch+1 RETURNING epoch")                 \
    X(GET_EPOCH, "SELECT epoch FROM pens WHERE name=?1")

enum sql {
#define CONN_ENUM(name, text) SQL_##name,
    CONN_STATEMENTS(CONN_ENUM)
#undef CONN_ENUM
        SQL_COUNT
};

struct conn {
    struct file *file;
    sqlite3 *db;
    int busy_ms;
    sqlite3_stmt *stmt[SQL_COUNT];
    struct conn *next; /* on a shelf */
};

/* writes: every statement is prepared at once, so that a file without our tables is noticed. A lock by another program is waited
 * for, busy_ms. */
struct conn *conn_open(struct file *f, bool writes, int busy_ms, struct err *err);
void conn_free(struct conn *c);
/* Is the file whole?  Cuts the WAL back to nothing, compares the file's length with what it says of itself, and looks into every
 * page if it is small. ERR_IO names the damage. */
int conn_check(struct conn *c, struct err *err);
/* Sets err to what the connection's last call met, naming the file; -1. ERR_IO, or ERR_NOMEM. */
int conn_fail(struct conn *c, struct err *err);
int conn_exec(struct conn *c, const char *sql, struct err *err);
/* The statement, reset, with its arguments: a letter of types each, i int64_t, t struct str as text (p NULL: null), b struct str
 * as blob (p NULL: null).  Bytes must stay until the last step. NULL on failure. */
sqlite3_stmt *conn_bind(struct conn *c, enum sql id, struct err *err, const char *types, ...);
/* 1: there is a row. 0: no more, the statement is reset. -1: failed, likewise. */
int conn_step(struct conn *c, sqlite3_stmt *s, struct err *err);
/* One statement without rows. */
int conn_run(struct conn *c, enum sql id, struct err *err, const char *types, ...);
/* Column i as bytes, good until the next step; STR_NULL for null. */
struct str conn_column(sqlite3_stmt *s, int i);

#endif
