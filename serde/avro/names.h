/* serde/avro/names.h - what a name may look like (compatibility.md 3.2).  Pure functions; any thread. */
#ifndef SERDE_AVRO_NAMES_H
#define SERDE_AVRO_NAMES_H

#include "base/str.h"

/* A simple name: [A-Za-z_][A-Za-z0-9_]*; unless strict, letters and digits of any script count too. */
bool avro_name_ok(struct str name, bool strict);
/* Dotted parts, each a strict simple name. "" is fine: no namespace. */
bool avro_space_ok(struct str space);
/* "a.b.C" is "a.b" and "C"; a name without dots has the space "". */
void avro_name_split(struct str full, struct str *space, struct str *simple);
/* Is this, written as a type, always a type of the language ("int", "record", ...)? A named type of such a simple name is written in full. */
bool avro_name_is_kind(struct str name);
/* Does text (blanks around it allowed) read as a floating point number, NaN or infinity; *out is its value then. */
bool avro_text_is_double(struct str text, double *out);

#endif
