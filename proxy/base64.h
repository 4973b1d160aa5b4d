/* proxy/base64.h - base64 as the API takes it (proxy-api.md 0.5): standard alphabet, padding optional, no white space; and as it gives it: with padding.
 * Pure functions; any thread. */
#ifndef PROXY_BASE64_H
#define PROXY_BASE64_H

#include "base/str.h"

/* Room that base64_decode needs at out for n characters: it writes in strides. */
#define BASE64_DECODE_ROOM(n) ((n) / 4 * 3 + 8)
/* Decodes text to out (which may be text.p itself) and returns how many bytes, or -1: a character outside the alphabet, or a length that cannot be. *at (may be
 * NULL) is then the index of the first wrong character, text.n for a wrong length. */
ptrdiff_t base64_decode(struct str text, char *out, size_t *at);

#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)
/* Writes the BASE64_LENGTH(data.n) characters of data to to; returns the place behind them. */
char *base64_encode(struct str data, char *to);

#endif
