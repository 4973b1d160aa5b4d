/* serde/varint.h - zig-zag varints, as Avro writes int and long and a frame its message indexes.  Private to serde. */
#ifndef SERDE_VARINT_H
#define SERDE_VARINT_H

#include <stdint.h>

enum { VARINT_MAX = 10 };

/* p has room for VARINT_MAX bytes; returns the place behind what was written. */
static inline char *varint_put(char *p, int64_t v)
{
    uint64_t u = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    while (u >= 0x80) {
        *p++ = (char)(u | 0x80);
        u >>= 7;
    }
    *p++ = (char)u;
    return p;
}

#endif
