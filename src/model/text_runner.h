/* Runs texts through the encoder without padding. Each thread takes micro-batches of its own
 * through all layers, so that threads do not wait for each other; the weights are laid out once for
 * all. Fewer texts than threads run as one micro-batch that all threads share, or as several where
 * they are long. With cloze's own kernels (math/panels.h) the result for a text is the same bits
 * whatever texts it is computed with. */
#ifndef CLOZE_MODEL_TEXT_RUNNER_H
#define CLOZE_MODEL_TEXT_RUNNER_H

#include "model/model.h"
#include "model/workspace.h"

/* What a thread runs its micro-batches with. */
struct text_worker {
    int index; /* among the runner's workers */
    struct workspace *workspace;
    struct batch batch;
};

struct text_runner {
    const struct model *model;
    struct text_worker *workers; /* [threads] */
    int threads;
    struct arena memory;         /* of the panels */
    struct layer_panels *panels; /* [num_hidden_layers] */
};

/* Hears how many texts of a run are done: after each micro-batch, from any thread, one call at a
 * time. */
struct text_listener {
    void (*hear)(void *context, size_t done);
    void *context;
};

/* How the texts of a caller get in and out. Threads call the functions at the same time, each for
 * other texts. */
struct text_source {
    void *context;

    /* Returns the length of a text in tokens, at most the model's positions. */
    int (*length)(void *context, size_t text);

    /* Appends a text of that length to the batch, which has room (batch_append). */
    void (*append)(void *context, size_t text, struct batch *batch);

    /* Takes the results of the texts [first, first + count), which are the micro-batch of the
     * worker's workspace, after the encoder's forward pass. */
    void (*finish)(void *context, const struct text_worker *worker, size_t first, size_t count);

    const struct text_listener *listener; /* NULL: none */
};

/* Takes memory for micro-batches in which every token may be predicted or, without `predictions`,
 * none. The model stays the caller's; its parameters may change between runs. OpenMP may have at
 * most `threads` threads whenever texts are run. Returns false when memory is short. Call
 * text_runner_free in any case. */
bool text_runner_create(struct text_runner *runner, const struct model *model, bool predictions,
                        int threads, struct error *error);
void text_runner_free(struct text_runner *runner);

/* Runs texts 0 .. count - 1; the more similar neighbours are in length, the faster, and with the
 * longest first the threads end at about the same time. With `all_tokens` every token is a head
 * token (model/micro_batch.h), which needs `predictions`. Cannot fail. Call it from serial code. */
void text_runner_run(struct text_runner *runner, const struct text_source *source, size_t count,
                     bool all_tokens);

#endif
