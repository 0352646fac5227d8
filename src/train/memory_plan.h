/* The memory that a run needs, and the number of sequences that go through the model at a time. */
#ifndef CLOZE_TRAIN_MEMORY_PLAN_H
#define CLOZE_TRAIN_MEMORY_PLAN_H

#include "base/format.h"
#include "model/workspace.h"

/* The keys of a configuration that a message names. */
#define MEMORY_SIZE_KEYS   "model.size, train.micro_batch_size, train.batch_size"
#define MEMORY_THREAD_KEYS "OMP_NUM_THREADS, train.threads"

struct memory_request {
    struct model_config architecture; /* with its vocab_size */
    uint64_t parameter_elements;      /* elements of a block of the parameter table */
    int batch_size;                   /* sequences of an optimizer step */
    int micro_batch_size;             /* 0: the plan chooses it */
    int seq_len;                      /* tokens of the longest sequences */
    double mask_prob;
    uint64_t examples; /* bytes of a task's examples, which are in memory already; 0: not a task */
    bool bf16;
    int threads;
    bool snapshot; /* whether this process writes checkpoints, from a snapshot in memory */

    /* What sets seq_len, the threads, and other sizes ("model.size, train.batch_size"), for
     * messages. */
    const char *seq_len_key, *thread_keys, *size_keys;

    /* Of several ranks; all zero for one process. */
    int moment_owners; /* ranks that share the moments; 0 or 1: each has all of them */
    uint64_t exchange; /* bytes of the exchange's buffers and of outer steps (exchange_bytes) */
    bool outer;        /* whether checkpoints have the momentum of outer steps too */
};

struct memory_plan {
    int micro_batch_size; /* sequences */
    bool keep_panels;     /* of the workspace (model/workspace_limits.h) */
    uint64_t parameters;  /* bytes of values, gradients, moments, the snapshot for checkpoints, and
                             what ranks exchange */
    uint64_t activations; /* bytes of the workspace, in the phase with the largest one */
    uint64_t batches;     /* bytes of the batches that the loader makes in advance */
    uint64_t examples;    /* those of the request */
    uint64_t total, available;
};

/* Returns the limits of a workspace for the plan's micro-batches, with sequences of at most seq_len
 * tokens. */
struct workspace_limits memory_plan_limits(const struct memory_request *request,
                                           const struct memory_plan *plan, int seq_len);

/* Plans for the longest sequences. It takes the requested micro_batch_size; without one, the whole
 * batch if its activations are small, or else as many sequences as keep the threads busy, and fewer
 * if memory is short. In bf16 micro-batches of the same step share laid out weights if there is
 * memory for that. A request that does not fit in the `available` bytes, which are those
 * that are free and those of the examples, is ERROR_INPUT, with all the numbers. */
bool memory_plan_make(struct memory_plan *plan, const struct memory_request *request,
                      uint64_t available, struct error *error);

/* Returns ", examples 1.25 MiB", to go on with a list of the plan's parts; "" if there are none. */
struct text64 memory_plan_examples(const struct memory_plan *plan);

#endif
