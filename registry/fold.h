/* registry/fold.h - the thread that applies _schemas to the state, from its first record on and for ever.
 *
 * It also makes the topic when it is missing and refuses one that has more than one partition or is not compacted. What it cannot do now it
 * tries again, and says why in fold_ready. Any thread may call the functions below, except new and free. */
#ifndef REGISTRY_FOLD_H
#define REGISTRY_FOLD_H

#include "registry/conf.h"
#include "registry/state.h"

struct fold;
/* storage, conf and state must outlive it. Returns at once. */
struct fold *fold_new(struct storage *storage, const struct registry_conf *conf, struct state *state, struct err *err);
void fold_free(struct fold *f); /* [blocks: shortly] */
/* Was the log's end reached once? */
bool fold_started(const struct fold *f);
/* The same, and can the log be reached now? -1 with what is missing. */
int fold_ready(struct fold *f, struct err *err);
/* Waits until every record below offset was applied. -1 with ERR_TIMEOUT or ERR_CLOSED (fold_hurry). [blocks] */
int fold_wait(struct fold *f, int64_t offset, int64_t deadline_mono_ms, struct err *err);
/* Ends present and future waits. */
void fold_hurry(struct fold *f);
/* One past the last offset that was applied. */
int64_t fold_position(struct fold *f);
/* A mark that a writer of this process puts into a header of its transaction's first record, and whether the fold has met it: tells whether a
 * transaction of unknown outcome was committed. */
#define FOLD_MARK_HEADER "muir.transaction"
struct fold_mark {
    unsigned char bytes[16];
};
struct fold_mark fold_next_mark(struct fold *f);
bool fold_met_mark(struct fold *f, const struct fold_mark *m); /* only of the last one met */
/* The Kafka cluster's id, "" until it is known. Copied to out. */
void fold_cluster_id(struct fold *f, char *out, size_t size);

#endif
