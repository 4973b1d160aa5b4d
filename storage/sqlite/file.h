/* storage/sqlite/file.h - the one file: who may open it, whether it is ours, and how it is made.
 *
 *  (1) One process holds the file at a time: a flock on FILE-lock, which the kernel drops with the process.  The lock is not on
 * FILE itself, because closing any descriptor of FILE would drop the locks that SQLite holds on it in this process. (2) A file
 * that is not ours, is damaged or is of a newer format is refused before anything is written to it. (3) A new file appears by
 * rename, complete, or not at all. Threads: open and close by one; the path may be read by any. */
#ifndef STORAGE_SQLITE_FILE_H
#define STORAGE_SQLITE_FILE_H

#include "base/err.h"

enum { FILE_FORMAT = 1 }; /* PRAGMA user_version of what this program writes */

struct file;
/* Locks path, checks it, makes it if it is missing or empty. The error names the file. */
struct file *file_open(const char *path, struct err *err);
void file_close(struct file *f); /* all connections are closed before; NULL is fine */
const char *file_path(const struct file *f);

#endif
