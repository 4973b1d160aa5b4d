/* base/log.h - one event, one line, a stable name, then key=value.
 *
 *     log_info("schema.added", "subject=%.*s version=%d id=%d", STR_ARG(subject), version, id);
 *     2026-11-24T15:40:00.123Z INFO schema.added subject=s version=1 id=1
 *
 * Goes to stderr (or the sink) in one write; any thread. Control characters in the text are printed as \xNN, so that a value from
 * the network cannot forge a line. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

void log_set_level(enum log_level least);
enum log_level log_get_level(void);
/* Every line goes to sink instead of stderr; NULL: stderr again. Call before threads start. */
void log_set_sink(void (*sink)(void *arg, enum log_level level, const char *line), void *arg);
void log_event(enum log_level level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(...) (log_get_level() <= LOG_DEBUG ? log_event(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...) log_event(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_event(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)

#endif
