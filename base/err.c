#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (e == NULL || e->code != 0)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    e->code = code;
    if (n >= (int)sizeof e->text) {
        size_t end = sizeof e->text - 4;
        while (end > 0 && ((unsigned char)e->text[end] & 0xC0) == 0x80)
            end--;
        memcpy(e->text + end, "...", 4);
    }
    return -1;
}

int err_nomem(struct err *e)
{
    return err_set(e, ERR_NOMEM, "out of memory");
}

void err_clear(struct err *e)
{
    if (e != NULL) {
        e->code = 0;
        e->text[0] = '\0';
    }
}
