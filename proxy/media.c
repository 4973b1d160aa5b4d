/* proxy/media.c - which media types the routes take and give. */
#include "proxy/internal.h"

static const struct media_type v2_out[] = {{MEDIA_V2, 1000}, {NULL, 0}};
static const struct media_type v3_out[] = {{MEDIA_V3, 1000}, {NULL, 0}};
static const struct media_type health_out[] = {{MEDIA_V3, 1000}, {MEDIA_V2, 900}, {NULL, 0}};
static const char *const v2_in[] = {MEDIA_V2, NULL};
static const char *const embedded_in[] = {MEDIA_BINARY, MEDIA_JSON, MEDIA_AVRO, NULL};
static const char *const v3_in[] = {MEDIA_V3, NULL};

const char *const media_unsupported[] = {MEDIA_V3, MEDIA_V2, NULL};

const struct media media_v2 = {.produces = v2_out, .consumes = v2_in, .consumes_on_get = true, .unsupported = media_unsupported};
const struct media media_brokers = {.produces = v2_out};
const struct media media_produce = {.produces = v2_out, .consumes = embedded_in, .unsupported = media_unsupported};
const struct media media_v3 = {.produces = v3_out, .consumes = v3_in};
const struct media media_health = {.produces = health_out};

const char *const embedded_names[] = {[EMBEDDED_BINARY] = "binary", [EMBEDDED_JSON] = "json", [EMBEDDED_AVRO] = "avro", NULL};

enum embedded embedded_of_media(struct str type)
{
    return str_is(type, MEDIA_JSON) ? EMBEDDED_JSON : str_is(type, MEDIA_AVRO) ? EMBEDDED_AVRO : EMBEDDED_BINARY;
}
