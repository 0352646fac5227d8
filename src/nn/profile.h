/* A profile of a training step: the time spent in each phase. A thread is always in one phase.
 * Entering another one reads the clock once, which takes some 30 nanoseconds; without a profile
 * (NULL) it costs a comparison.
 *
 *     profile_enter(profile, PHASE_QUERY_KEY_VALUE);
 *     linear_forward(...);
 *     profile_enter(profile, PHASE_ATTENTION_PRODUCTS);
 *
 * Inside a parallel region a call changes the phase of the calling thread. From serial code it
 * changes the phase of the whole team, also if a product in that phase starts threads of its own. A
 * thread that has finished its parts of a layer (model/encoder.h) enters PHASE_IDLE until serial
 * code continues; at the end of other regions it waits in the phase of its work. So the phases of
 * all threads always add up to the elapsed time. */
#ifndef CLOZE_NN_PROFILE_H
#define CLOZE_NN_PROFILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum profile_phase {
    PHASE_OTHER,              /* everything that has no phase of its own */
    PHASE_IDLE,               /* waiting for other threads to finish their parts of a layer */
    PHASE_EMBEDDING,          /* lookup, and scattering of gradients */
    PHASE_QUERY_KEY_VALUE,    /* the product, and that of its input's gradient */
    PHASE_ATTENTION_PRODUCTS, /* the products of each head: scores and context */
    PHASE_ATTENTION_SOFTMAX,  /* softmax and dropout of the probabilities */
    PHASE_ATTENTION_OUTPUT,   /* the product */
    PHASE_FEED_FORWARD,       /* both products */
    PHASE_ACTIVATION,
    PHASE_NORM,             /* dropout, residual and LayerNorm */
    PHASE_WEIGHT_GRADIENTS, /* the encoder's weight gradients: products over all tokens */
    PHASE_HEADS,            /* products of the pooler and the heads */
    PHASE_HEADS_ROWS,       /* their rows: gathering, activation, LayerNorm and dropout */
    PHASE_CROSS_ENTROPY,    /* softmax, loss and its gradient */
    PHASE_WEIGHT_LAYOUT,    /* laying out weights for products */
    PHASE_CLIP,             /* the gradient's norm */
    PHASE_ADAM,             /* Adam's update, and clearing the gradients */
    PHASE_EXCHANGE,         /* waiting for other ranks, and the gradient's norm with them */
    PHASE_COUNT,
};

/* Returns the name of a phase for reports, such as "feed_forward". */
const char *profile_phase_name(enum profile_phase phase);

/* True if the phase consists of matrix products (including what their kernels do with results). */
bool profile_phase_is_gemm(enum profile_phase phase);

struct profile;

/* Creates a profile of a team of up to `threads` threads, all in PHASE_OTHER. The caller owns
 * it. */
struct profile *profile_create(int threads, struct error *error);
void profile_free(struct profile *profile); /* NULL is accepted */

/* Sets all times to zero. Call it from serial code. */
void profile_restart(struct profile *profile);

/* Returns the seconds of a phase since the start: the mean over all threads. The current phase is
 * counted up to the last change of phase. Call it from serial code. */
double profile_seconds(const struct profile *profile, enum profile_phase phase);

/* Enters a phase; profile_enter calls it if there is a profile. */
void profile_switch(struct profile *profile, enum profile_phase phase);

static inline void profile_enter(struct profile *profile, enum profile_phase phase)
{
    if (profile)
        profile_switch(profile, phase);
}

#endif
