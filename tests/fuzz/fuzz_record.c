/* Records of _schemas: lines of key, tab, value (no tab: a tombstone). Whatever is read is folded, and the state keeps its invariants. */
#include <assert.h>

#include "base/own.h"
#include "registry/names.h"
#include "registry/settings.h"
#include "registry/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state *s = state_new();
    struct str rest = str_n(data, size);
    size_t ignored = 0;
    bool more = true;
    while (more) {
        OWN_BY(arena_clear) struct arena a = {0};
        struct change c;
        bool has_value;
        struct str value = str_split(&rest, '\n', &more), key = str_split(&value, '\t', &has_value);
        const struct record rec = {.key = key, .value = has_value ? str_n(value.p != NULL ? value.p : "", value.n) : STR_NULL, .timestamp_ms = 1};
        if (change_read(&rec, &a, &c, NULL) < 0)
            continue;
        int rc = state_apply(s, &c, 1, &ignored, NULL);
        assert(rc == 0);
        (void)rc;
        /* What was read can be written, and reads as the same kind. */
        if (c.kind != CHANGE_OTHER && c.kind != CHANGE_NOOP && c.kind != CHANGE_CONTEXT) {
            OWN_BY(buf_clear) struct buf again = {0}, body = {0};
            struct change back;
            change_put_key(&again, &c);
            if (!c.tombstone)
                change_put_value(&body, &c);
            const struct record second = {.key = buf_str(&again), .value = body.n != 0 ? buf_str(&body) : STR_NULL};
            if (change_read(&second, &a, &back, NULL) == 0)
                assert(back.kind == c.kind && str_eq(back.subject, c.subject));
        }
    }
    state_check(s);
    state_free(s);
    return 0;
}
