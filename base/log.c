#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static _Atomic int least = LOG_INFO;
static void (*sink)(void *arg, enum log_level level, const char *line);
static void *sink_arg;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&least, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&least, memory_order_relaxed);
}

void log_set_sink(void (*to)(void *arg, enum log_level level, const char *line), void *arg)
{
    sink = to;
    sink_arg = arg;
}

/* Copies text with control characters as \xNN; returns how many bytes it took. */
static size_t put_clean(char *to, size_t room, const char *text)
{
    size_t n = 0;
    for (; *text != '\0' && room - n > 5; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != 0x7F)
            to[n++] = (char)c;
        else
            n += (size_t)snprintf(to + n, room - n, "\\x%02x", c);
    }
    return n;
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    char text[2048], line[2600];
    if (level >= LOG_OFF || level < log_get_level())
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int64_t ms = clock_unix_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03dZ %s %s ", (int)(ms % 1000), names[level], event);
    n += put_clean(line + n, sizeof line - n - 1, text);
    if (sink != NULL) {
        line[n] = '\0';
        sink(sink_arg, level, line);
        return;
    }
    line[n++] = '\n';
    ssize_t done = write(STDERR_FILENO, line, n); /* one write, so lines of several threads do not mix; nobody to tell if it fails */
    (void)done;
}
