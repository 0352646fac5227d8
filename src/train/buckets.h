/* Jobs of a process group (train/process_group.h) on blocks of parameters, which are divided into
 * buckets from the end to the beginning, and each bucket into a piece for each rank, its owner.
 * Everything that is sent goes directly from one rank to another. */
#ifndef CLOZE_TRAIN_BUCKETS_H
#define CLOZE_TRAIN_BUCKETS_H

#include "base/memory.h"
#include "math/bf16.h"
#include "optim/adam.h"
#include "train/process_group.h"

#include <stdatomic.h>

/* Elements of a bucket: 8 MiB of float. Smaller ones wait for more answers, larger ones leave more
 * to do when the backward pass has ended. Two are under way, so that one travels while the other is
 * added up. */
enum { BUCKET_ELEMENTS = 2 << 20, BUCKETS_UNDER_WAY = 2 };

/* The buffers of a bucket that is under way; those for bf16 are NULL if gradients are sent in
 * fp32. */
struct bucket_buffers {
    real *received;      /* [(ranks - 1) * piece] pieces of other ranks */
    bf16 *bf16_received; /* the same in bf16 */
    bf16 *bf16_sent;     /* [bucket] what this rank sends of its gradients */
    bf16 *bf16_sums;     /* [bucket] the sums, of which this rank sends its own piece */
};

struct buckets {
    struct process_group *group;
    int rank, ranks;
    size_t total; /* elements of a block */
    int count;
    bool in_bf16; /* whether sums of gradients travel in bf16, for which there are buffers */
    struct arena memory;
    struct bucket_buffers buffers[BUCKETS_UNDER_WAY];

    /* Of the job under way: */
    real *block, *target;
    real scale;
    bool shared;          /* the sums are brought to all ranks */
    bool sent_in_bf16;    /* what is sent */
    atomic_size_t offset; /* the elements from here on are complete */
};

/* Plans buckets of blocks with `total` elements, and reserves their buffers. */
bool buckets_create(struct buckets *buckets, struct process_group *group, size_t total,
                    bool in_bf16, struct error *error);
void buckets_free(struct buckets *buckets);

/* Returns the bytes that buckets_create reserves. */
uint64_t buckets_bytes(size_t total, int ranks, bool in_bf16);

/* Returns the elements of a bucket, and of a rank's piece of it. */
struct element_range buckets_range(const struct buckets *buckets, int bucket);
struct element_range buckets_piece(const struct buckets *buckets, int bucket, int rank);

/* Starts a job that adds up the block over all ranks while it is being completed; buckets_complete
 * says how far it is. The sums are in the pieces that this rank owns or, if they are shared, in the
 * whole block. The caller waits for the end by process_group_wait. */
void buckets_start_sum(struct buckets *buckets, real *block, bool shared);

/* Says that the elements from `offset` on are complete. Called by the thread that computes them. */
void buckets_complete(struct buckets *buckets, size_t offset);

/* Sets the block to its mean over all ranks, and waits for that. In fp32. */
void buckets_average(struct buckets *buckets, real *block);

/* Brings each piece of the block from its owner to all other ranks, and waits for that. */
void buckets_spread(struct buckets *buckets, real *block);

/* Brings each piece of the block from its owner to `target` on rank 0, which may be the block
 * and is not used on other ranks, and waits for that. */
void buckets_collect(struct buckets *buckets, real *block, real *target);

#endif
