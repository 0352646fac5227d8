/* A gradient listener that keeps the gradients of which it hears that they are complete. Every
 * failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_HEARD_GRADIENTS_H
#define CLOZE_TESTS_SUPPORT_HEARD_GRADIENTS_H

#include "model/encoder.h"

struct heard_gradients {
    struct gradient_listener listener; /* of the pass that is listened to */
    const struct parameter_table *table;
    const real *gradients; /* the block of that pass */
    real *complete;        /* [table->total] each gradient as it was when it was complete */
    size_t offset;         /* the last one heard; table->total: none */
    int count;             /* of offsets heard */
};

/* Begins to listen to a pass that adds to the block `gradients`. The structure must stay where it
 * is, as table and block must. */
void heard_gradients_begin(struct heard_gradients *heard, const struct parameter_table *table,
                           const real *gradients);

/* Asserts, after the pass, that the listener heard once of the heads, of each layer that is not
 * frozen, and of offset 0, in this order, each time after the last change of what is complete, bit
 * for bit. Frees what was allocated. */
void heard_gradients_check(struct heard_gradients *heard, int frozen_layers);

#endif
