/* Where the time of a training step goes. A thread is always in one phase; entering another reads
 * the clock once, some 30 nanoseconds. Without a profile (NULL) it costs a comparison.
 *
 *     profile_enter(profile, PHASE_QUERY_KEY_VALUE);
 *     linear_forward(...);
 *     profile_enter(profile, PHASE_ATTENTION_PRODUCTS);
 *
 * Inside a parallel region a call is about the calling thread. From serial code it is about the
 * whole team: what follows counts for all threads alike, also when a product inside starts threads
 * of its own. A thread that has done its share of a region enters PHASE_IDLE, until serial code
 * goes on. So the phases of all threads always add up to the elapsed time. */
#ifndef CLOZE_NN_PROFILE_H
#define CLOZE_NN_PROFILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum profile_phase {
    PHASE_OTHER,              /* what no other phase names */
    PHASE_IDLE,               /* waiting for other threads */
    PHASE_EMBEDDING,          /* lookup and scatter */
    PHASE_QUERY_KEY_VALUE,    /* the product, and that of its input's gradient */
    PHASE_ATTENTION_PRODUCTS, /* scores and context, of each head */
    PHASE_ATTENTION_SOFTMAX,  /* softmax and dropout of the probabilities */
    PHASE_ATTENTION_OUTPUT,   /* product */
    PHASE_FEED_FORWARD,       /* both products */
    PHASE_ACTIVATION,
    PHASE_NORM,             /* dropout, residual and LayerNorm */
    PHASE_WEIGHT_GRADIENTS, /* of the encoder's layers: products over all tokens */
    PHASE_HEADS,            /* products of the MLM and NSP heads */
    PHASE_HEADS_ROWS,       /* gathering rows, activation and LayerNorm of the heads */
    PHASE_CROSS_ENTROPY,    /* softmax, loss and its gradient */
    PHASE_PACKING,          /* laying out weights for products */
    PHASE_CLIP,             /* the gradient's norm */
    PHASE_ADAM,             /* and clearing the gradients */
    PHASE_COUNT,
};

/* For reports: "feed_forward". */
const char *profile_phase_name(enum profile_phase phase);

/* Whether the phase is nothing but matrix products (with what their kernels do on the way out). */
bool profile_phase_is_gemm(enum profile_phase phase);

struct profile;

/* For a team of up to `threads` threads; all of it is in PHASE_OTHER from now on. The caller owns
 * it. */
struct profile *profile_create(int threads, struct error *error);
void profile_free(struct profile *profile); /* NULL is accepted */

/* Forgets what was counted; from serial code. */
void profile_restart(struct profile *profile);

/* Seconds of a phase since the start: those of all threads divided by their number. From serial
 * code. The phase at hand is counted up to its last change. */
double profile_seconds(const struct profile *profile, enum profile_phase phase);

/* What profile_enter is when there is a profile. */
void profile_switch(struct profile *profile, enum profile_phase phase);

static inline void profile_enter(struct profile *profile, enum profile_phase phase)
{
    if (profile)
        profile_switch(profile, phase);
}

#endif
