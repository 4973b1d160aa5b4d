/* serde/avro/place.h - where in a value something is wrong, as a JSON pointer.  Private to the Avro wing.
 *
 * Nothing is written down while all is well: whoever fails sets the text, and each level on the way back puts its step in front.
 */
#ifndef SERDE_AVRO_PLACE_H
#define SERDE_AVRO_PLACE_H

#include "base/err.h"
#include "base/str.h"

struct place {
    char path[200];
    size_t at; /* the pointer is path[at..) */
    bool cut;  /* outer steps did not fit */
    int code;
    char text[260];
};

static inline void place_init(struct place *p)
{
    p->at = sizeof p->path;
    p->cut = false;
    p->code = 0;
}
/* Says what is wrong; always -1. */
int place_fail(struct place *p, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts /name or /index in front; always -1. */
int place_step(struct place *p, struct str name);
int place_index(struct place *p, uint64_t index);
/* "/a/b: text" into err; always -1. */
int place_report(const struct place *p, struct err *err);

#endif
