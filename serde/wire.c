#include "serde/wire.h"

#include "serde/varint.h"

/* Prefix and header value have one form: a magic byte, then 4 bytes of id or 16 bytes of GUID, most significant first. */
enum { ID_FRAME = 5, GUID_FRAME = 17, VARINT32_MAX = 5 };

void wire_put_prefix_id(struct buf *out, int32_t id)
{
    buf_put_u8(out, WIRE_MAGIC_ID);
    buf_put_be32(out, (uint32_t)id);
}

void wire_put_prefix_guid(struct buf *out, const unsigned char guid[16])
{
    buf_put_u8(out, WIRE_MAGIC_GUID);
    buf_put(out, guid, 16);
}

static int read_frame(struct str in, const char *what, struct wire_frame *out, struct err *err)
{
    const unsigned char *p = (const unsigned char *)in.p;
    *out = (struct wire_frame){0};
    if (in.n == 0)
        return err_set(err, ERR_INVALID, "%s is truncated: it is empty, and a schema id takes %d bytes", what, ID_FRAME);
    if (p[0] != WIRE_MAGIC_ID && p[0] != WIRE_MAGIC_GUID)
        return err_set(err, ERR_INVALID, "unknown magic byte %u in %s: 0 (schema id) or 1 (schema GUID) expected", p[0], what);
    size_t need = p[0] == WIRE_MAGIC_ID ? ID_FRAME : GUID_FRAME;
    if (in.n < need)
        return err_set(err, ERR_INVALID, "%s is truncated: %zu bytes, and magic byte %u needs %zu", what, in.n, p[0], need);
    if (p[0] == WIRE_MAGIC_GUID) {
        out->has_guid = true;
        memcpy(out->guid, p + 1, 16);
    } else {
        out->id = (int32_t)((uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4]);
    }
    out->payload = str_n(in.p + need, in.n - need);
    return 0;
}

int wire_read_prefix(struct str message, struct wire_frame *out, struct err *err)
{
    return read_frame(message, "the message", out, err);
}

int wire_read_header(struct str header, struct wire_frame *out, struct err *err)
{
    return read_frame(header, "the schema id header", out, err);
}

static void put_zigzag(struct buf *out, int32_t v)
{
    char bytes[VARINT_MAX];
    buf_put(out, bytes, (size_t)(varint_put(bytes, v) - bytes));
}

void wire_put_indexes(struct buf *out, const int32_t *indexes, size_t n)
{
    if (n == 0 || (n == 1 && indexes[0] == 0)) {
        buf_put_u8(out, 0);
        return;
    }
    put_zigzag(out, (int32_t)n);
    for (size_t i = 0; i < n; i++)
        put_zigzag(out, indexes[i]);
}

static int read_zigzag(struct str *in, int32_t *v, struct err *err)
{
    uint64_t u = 0;
    for (size_t i = 0; i < VARINT32_MAX; i++) {
        if (i == in->n)
            return err_set(err, ERR_INVALID, "message indexes are truncated");
        unsigned char c = (unsigned char)in->p[i];
        u |= (uint64_t)(c & 0x7f) << 7 * i;
        if (c < 0x80) {
            if (u > UINT32_MAX)
                break;
            *v = (int32_t)(u >> 1) ^ -(int32_t)(u & 1);
            *in = str_n(in->p + i + 1, in->n - i - 1);
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "a message index is over 32 bits");
}

int wire_read_indexes(struct str *payload, int32_t indexes[WIRE_MAX_INDEXES], size_t *n, struct err *err)
{
    struct str in = *payload;
    int32_t count;
    if (read_zigzag(&in, &count, err) < 0)
        return -1;
    if (count < 0 || count > WIRE_MAX_INDEXES)
        return err_set(err, ERR_INVALID, "%d message indexes: 0 to %d expected", count, WIRE_MAX_INDEXES);
    for (int32_t i = 0; i < count; i++) {
        if (read_zigzag(&in, &indexes[i], err) < 0)
            return -1;
        if (indexes[i] < 0)
            return err_set(err, ERR_INVALID, "message index %d is negative", indexes[i]);
    }
    if (count == 0)
        indexes[0] = 0;
    *n = count == 0 ? 1 : (size_t)count;
    *payload = in;
    return 0;
}
