#include "serde/codec.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/own.h"
#include "serde/avro/codec.h"

enum { CODES_MAX = 256 << 20 }; /* bytes of one codec */

struct codec {
    atomic_int refs;
    struct arena arena;             /* of the codes; fixed at creation, like the rest */
    struct schema *writer, *reader; /* counted; reader NULL: the writer itself */
    const struct avro_code *code;
};

static struct codec *make(struct schema *writer, struct schema *reader, struct err *err)
{
    struct schema *both[] = {writer, reader};
    for (int i = 0; i < 2; i++) {
        if (both[i] != NULL && schema_type_of(both[i]) != SCHEMA_AVRO) {
            err_set(err, ERR_INVALID, "values of %s schemas cannot be encoded or decoded yet",
                    schema_type_name(schema_type_of(both[i])));
            return NULL;
        }
    }
    struct codec *c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_nomem(err);
        return NULL;
    }
    atomic_init(&c->refs, 1);
    arena_init(&c->arena, CODES_MAX);
    c->writer = schema_ref(writer);
    c->reader = reader != NULL ? schema_ref(reader) : NULL;
    struct code_maker *m = code_maker_new(&c->arena, err);
    if (m != NULL)
        c->code =
            reader != NULL ? code_resolve(m, avro_root(writer), avro_root(reader), err) : code_make(m, avro_root(writer), err);
    code_maker_clear(m);
    if (c->code == NULL) {
        codec_unref(c);
        return NULL;
    }
    return c;
}

struct codec *codec_new(struct schema *s, struct err *err)
{
    return make(s, NULL, err);
}

struct codec *codec_new_resolving(struct schema *writer, struct schema *reader, struct err *err)
{
    return make(writer, reader, err);
}

struct codec *codec_ref(struct codec *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void codec_unref(struct codec *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    schema_unref(c->writer);
    schema_unref(c->reader);
    arena_clear(&c->arena);
    free(c);
}

static int encode(const struct codec *c, unsigned form, struct json_reader *r, enum json_token tok, struct buf *out,
                  struct err *err)
{
    if (c->reader != NULL)
        return err_set(err, ERR_INVALID, ": this codec was made for reading only");
    return code_encode(c->code, form, r, tok, out, err);
}

int codec_encode_json(const struct codec *c, struct json_reader *r, enum json_token tok, struct buf *out, struct err *err)
{
    return encode(c, AVRO_MESSAGE, r, tok, out, err);
}

int codec_encode_plain(const struct codec *c, struct json_reader *r, enum json_token tok, struct buf *out, struct err *err)
{
    return encode(c, AVRO_PLAIN, r, tok, out, err);
}

int codec_encode_null(const struct codec *c, struct buf *out, struct err *err)
{
    return encode(c, AVRO_MESSAGE, NULL, JSON_NULL, out, err);
}

bool codec_nullable(const struct codec *c)
{
    const struct avro_node *root = avro_root(c->reader != NULL ? c->reader : c->writer);
    if (root->kind == AVRO_T_UNION)
        for (uint32_t i = 0; i < root->n; i++)
            if (root->branches[i]->kind == AVRO_T_NULL)
                return true;
    return false;
}

int codec_decode_json(const struct codec *c, struct str data, struct buf *out, struct err *err)
{
    return code_decode(c->code, AVRO_MESSAGE, data, out, err);
}

int codec_decode_plain(const struct codec *c, struct str data, struct buf *out, struct err *err)
{
    return code_decode(c->code, AVRO_PLAIN, data, out, err);
}
