/* proxy/produce_answer.c - what a v2 produce answers, written once into the reply. */
#include "base/json.h"
#include "proxy/produce.h"

static void put_entry(struct buf *out, const struct produced *r)
{
    if (r->code == 0) {
        buf_put_str(out, STR("{\"partition\":"));
        json_put_i64(out, r->partition);
        buf_put_str(out, STR(",\"offset\":"));
        json_put_i64(out, r->offset);
        buf_put_str(out, STR(",\"error_code\":null,\"error\":null}"));
        return;
    }
    buf_put_str(out, STR("{\"partition\":null,\"offset\":null,\"error_code\":"));
    json_put_i64(out, proxy_code_of_record(r->code));
    buf_put_str(out, STR(",\"error\":"));
    json_put_string(out, r->text != NULL ? str_of(r->text) : STR(""));
    buf_put_u8(out, '}');
}

static void put_id(struct buf *out, struct str member, bool has_id, int32_t id)
{
    buf_put_str(out, member);
    if (has_id)
        json_put_i64(out, id);
    else
        buf_put_str(out, STR("null"));
}

int produce_put_answer(struct buf *out, const struct produced *results, size_t n, bool has_key_id, int32_t key_id, bool has_value_id,
                       int32_t value_id)
{
    int status = 200;
    buf_reserve(out, n * 80 + 80); /* the usual case */
    buf_put_str(out, STR("{\"offsets\":["));
    for (size_t i = 0; i < n; i++) {
        if (i != 0)
            buf_put_u8(out, ',');
        put_entry(out, &results[i]);
        int code = results[i].code != 0 && status == 200 ? proxy_code_of_record(results[i].code) : 0;
        if (code == PROXY_UNAUTHENTICATED || code == PROXY_UNAUTHORIZED)
            status = code / 100;
    }
    put_id(out, STR("],\"key_schema_id\":"), has_key_id, key_id);
    put_id(out, STR(",\"value_schema_id\":"), has_value_id, value_id);
    buf_put_u8(out, '}');
    return status;
}
