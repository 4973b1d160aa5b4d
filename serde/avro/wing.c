/* serde/avro/wing.c - the Avro row of the table of wings. */
#include "base/own.h"
#include "serde/avro/canonical.h"
#include "serde/avro/parse.h"
#include "serde/avro/compat.h"
#include "serde/schema_impl.h"

static int put_text(struct schema *s, struct str given, struct err *err)
{
    OWN_BY(buf_clear) struct buf text = {0};
    if (buf_reserve(&text, given.n + 64) == NULL)
        return err_nomem(err);
    if (avro_put_text(s->model, 0, &text, err) < 0)
        return -1;
    s->canonical = str_eq(buf_str(&text), given) ? given : arena_str(&s->arena, buf_str(&text));
    return s->canonical.p != NULL ? 0 : err_nomem(err);
}

static int parse(struct schema *s, const struct schema_source *src, struct err *err)
{
    struct str given;
    if (src->nref_texts > 0) {
        s->ref_texts = arena_calloc(&s->arena, src->nref_texts, sizeof *s->ref_texts);
        if (s->ref_texts == NULL)
            return err_nomem(err);
        s->nref_texts = src->nref_texts;
    }
    const struct avro_model *m = avro_parse(src, &s->arena, &given, s->ref_texts, err);
    if (m == NULL)
        return -1;
    s->model = m;
    if (m->root->name != NULL)
        s->name = m->root->name->full;
    if (m->root->kind == AVRO_T_RECORD && m->root->n > 0) {
        s->fields = arena_calloc(&s->arena, m->root->n, sizeof *s->fields);
        if (s->fields == NULL)
            return err_nomem(err);
        s->nfields = m->root->n;
        for (size_t i = 0; i < s->nfields; i++)
            s->fields[i] = m->root->fields[i].name;
    }
    return put_text(s, given, err);
}

static int put_normalized(const struct schema *s, struct buf *out, struct err *err)
{
    return avro_put_text(s->model, AVRO_TEXT_NORMAL, out, err);
}

static int put_resolved(const struct schema *s, struct buf *out, struct err *err)
{
    return avro_put_text(s->model, AVRO_TEXT_INLINE, out, err);
}

static bool equivalent(const struct schema *a, const struct schema *b)
{
    return avro_equal(avro_root(a), avro_root(b), AVRO_EQUAL_DOCS) == 1;
}

static int reads(const struct schema *reader, const struct schema *writer, struct findings *findings, struct err *err)
{
    return avro_reads(reader->model, writer->model, findings, err);
}

const struct schema_wing avro_wing = {parse, put_normalized, put_resolved, equivalent, reads, avro_put_message};
