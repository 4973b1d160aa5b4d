/* base/json_escape.h - what json.c, json_tree.c and json_write.c share.  Private to base/. */
#ifndef BASE_JSON_ESCAPE_H
#define BASE_JSON_ESCAPE_H

#include "base/str.h"

/* text is the inside of a valid JSON string; to has room for text.n bytes. Returns how many were written. */
size_t json_unescape_to(struct str text, char *to);

#endif
