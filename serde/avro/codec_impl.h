/* serde/avro/codec_impl.h - what codec_compile.c and codec_resolve.c share. */
#ifndef SERDE_AVRO_CODEC_IMPL_H
#define SERDE_AVRO_CODEC_IMPL_H

#include "base/map.h"
#include "serde/avro/codec.h"

struct code_maker {
    struct arena *arena;
    struct map plain;       /* address of a node: its code in itself */
    struct map pairs;       /* addresses of a writer's and a reader's node: their code */
    struct avro_code *todo; /* records without fields yet, through next_todo */
    uint32_t npairs;
};

/* Empty, of a size that varies; NULL on no memory. */
struct avro_code *code_new(struct code_maker *m, enum avro_op op, const struct avro_node *node);

#endif
