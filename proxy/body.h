/* proxy/body.h - JSON bodies as the contract lets them be written (proxy-api.md 0.4): numbers as strings, strings as numbers, the last of two equal names;
 * unknown names and missing members are refused with the name.  Errors carry the API's codes.  Pure functions over the request's arena; any thread. */
#ifndef PROXY_BODY_H
#define PROXY_BODY_H

#include "base/json.h"
#include "http/request.h"
#include "storage/storage.h"

/* The body as a tree in the request's arena; *root NULL for none and for null. 400 when it is no JSON object. */
int body_object(struct request *req, struct json **root, struct err *err);
/* 422 "Unrecognized field". Returns -1. */
int body_unknown(struct str name, struct err *err);
/* 422 for a member that is not among names (ends with NULL). */
int body_check_names(const struct json *object, const char *const *names, struct err *err);
/* The text of a string, number or boolean; STR_NULL for NULL and null; 400 for others. */
int body_text(const struct json *v, const char *name, struct str *out, struct err *err);
/* A JSON number as an integer, a fraction cut off (1.7 -> 1); false when it has more than 64 bits. */
bool body_whole(struct str number, int64_t *out);
/* An integer in [min, max] as Jackson takes it ("12", 1.7 -> 1). *given false for NULL, null and "". 400 for others. */
int body_int(const struct json *v, const char *name, int64_t min, int64_t max, int64_t *out, bool *given, struct err *err);
enum { BODY_LIST_MAX = 10000 }; /* entries of one list: an engine may look through them for each of them, and keeps something for each */
/* 422 when v, an array, is longer than that. */
int body_check_length(const struct json *v, const char *name, struct err *err);
enum { TP_OFFSET = 1, TP_TIMESTAMP = 2 }; /* what an entry must have beside topic and partition; then it may have metadata too */
/* The array v of entries, in the arena: offset holds what (TP_TIMESTAMP: milliseconds). */
int body_partitions(const struct json *v, const char *name, int what, struct arena *a, struct tp **out, size_t *n, struct err *err);
/* "2020-01-02T03:04:05.678Z", with a zone offset or without seconds, to Unix milliseconds. */
bool body_instant(struct str text, int64_t *ms);

#endif
