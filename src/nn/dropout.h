/* Dropout (Srivastava et al. 2014), inverted: kept elements are scaled by 1 / (1 - rate). Masks are
 * not stored: whether an element is kept depends only on its place, so the backward pass computes
 * the mask again.
 *
 * A place is (step, example in the step, layer, site, row, column). The Philox block
 * (base/random.h) of counter {column / 8, row, example, site} decides eight columns, 16 bits each:
 * the low and the high half of word 0, then of word 1, ... So the rate is rounded to a multiple of
 * 2^-16 below 1. The scale is computed from the rounded rate, so the expectation is exact. */
#ifndef CLOZE_NN_DROPOUT_H
#define CLOZE_NN_DROPOUT_H

#include "math/real.h"

#include <stdint.h>

/* Places in the encoder. The value passed as `site` is layer * DROPOUT_SITES + one of these;
 * embeddings use layer 0. */
enum dropout_site {
    DROPOUT_EMBEDDING,
    DROPOUT_ATTENTION_PROBABILITIES,
    DROPOUT_ATTENTION_OUTPUT,
    DROPOUT_FEED_FORWARD_OUTPUT,
    DROPOUT_SITES,
};

/* The site of what a classifier reads: above those of all layers. */
enum { DROPOUT_CLASSIFIER = INT32_MAX };

/* The random numbers of one step at one rate. Rate 0 keeps everything and costs nothing. */
struct dropout {
    uint32_t key[2];
    uint32_t threshold; /* an element is dropped if its 16 bits are below this */
    real scale;
};

/* Returns the dropout of a step; 0 <= rate < 1. The key is drawn from (seed, step). */
struct dropout dropout_begin(uint64_t seed, uint64_t step, double rate);

/* x [width] = keep ? x * scale : 0, in place. The same call on a gradient is the backward pass.
 * `row` is the position in the sequence; for attention probabilities head << 16 | query position.
 * Runs on the calling thread. Cannot fail. */
void dropout_row(real *x, int width, const struct dropout *dropout, uint32_t site, uint32_t example,
                 uint32_t row);

#endif
