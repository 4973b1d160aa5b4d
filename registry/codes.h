/* registry/codes.h - the error codes that the registry promises, with their texts, in one place (registry-api.md 1.4).
 * REG_FAIL(err, REG_SUBJECT_NOT_FOUND, STR_ARG(subject)) sets both and is -1. */
#ifndef REGISTRY_CODES_H
#define REGISTRY_CODES_H

#include "base/err.h"

#define REG_FAIL(err, code, ...) err_set(err, code, code##_TEXT, __VA_ARGS__)

/* Codes that carry a text of their own making are used with err_set. */
enum {
    REG_BAD_REQUEST = 400,
    REG_NO_ROUTE = 404,
    REG_BAD_BODY = 422,
    REG_SUBJECT_NOT_FOUND = 40401,
    REG_VERSION_NOT_FOUND = 40402,
    REG_SCHEMA_NOT_FOUND = 40403,
    REG_ID_NOT_FOUND = 40403,
    REG_GUID_NOT_FOUND = 40403,
    REG_SUBJECT_SOFT_DELETED = 40404,
    REG_SUBJECT_NOT_SOFT_DELETED = 40405,
    REG_VERSION_SOFT_DELETED = 40406,
    REG_VERSION_NOT_SOFT_DELETED = 40407,
    REG_NO_SUBJECT_CONFIG = 40408,
    REG_NO_SUBJECT_MODE = 40409,
    REG_INCOMPATIBLE = 40901,
    REG_INVALID_SCHEMA = 42201,
    REG_INVALID_VERSION = 42202,
    REG_INVALID_LEVEL = 42203,
    REG_INVALID_MODE = 42204,
    REG_NOT_PERMITTED = 42205,
    REG_REFERENCED = 42206,
    REG_INVALID_SUBJECT = 42208,
    REG_TOO_LARGE = 42209,
    REG_STORE_FAILED = 50001,
    REG_STORE_TIMEOUT = 50002
};

#define REG_NO_ROUTE_TEXT "HTTP 404 Not Found%s"
#define REG_SUBJECT_NOT_FOUND_TEXT "Subject '%.*s' not found."
#define REG_VERSION_NOT_FOUND_TEXT "Version %d not found."
#define REG_SCHEMA_NOT_FOUND_TEXT "Schema not found%s"
#define REG_ID_NOT_FOUND_TEXT "Schema %d not found"
#define REG_GUID_NOT_FOUND_TEXT "Schema %.*s not found"
#define REG_SUBJECT_SOFT_DELETED_TEXT "Subject '%.*s' was soft deleted.Set permanent=true to delete permanently"
#define REG_SUBJECT_NOT_SOFT_DELETED_TEXT "Subject '%.*s' was not deleted first before being permanently deleted"
#define REG_VERSION_SOFT_DELETED_TEXT "Subject '%.*s' Version %d was soft deleted.Set permanent=true to delete permanently"
#define REG_VERSION_NOT_SOFT_DELETED_TEXT "Subject '%.*s' Version %d was not deleted first before being permanently deleted"
#define REG_NO_SUBJECT_CONFIG_TEXT "Subject '%.*s' does not have subject-level compatibility configured"
#define REG_NO_SUBJECT_MODE_TEXT "Subject '%.*s' does not have subject-level mode configured"
#define REG_INVALID_VERSION_TEXT \
    "The specified version '%.*s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
#define REG_INVALID_LEVEL_TEXT \
    "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and " \
    "full_transitive%s"
#define REG_INVALID_MODE_TEXT "Invalid mode '%.*s'. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT and FORWARD"
#define REG_REFERENCED_TEXT "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=%.*s,version=%d}."
#define REG_INVALID_SUBJECT_TEXT "The specified subject '%.*s' is not a valid subject name: %s"

#endif
