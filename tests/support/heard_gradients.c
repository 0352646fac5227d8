#include "support/heard_gradients.h"

#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Returns the offset that is heard in a place: after the heads, a layer or the embeddings. */
static size_t expected_offset(const struct heard_gradients *heard, int place)
{
    return place <= heard->table->layers
               ? parameter_layer_offset(heard->table, heard->table->layers - place)
               : 0;
}

static void hear(void *context, size_t offset)
{
    struct heard_gradients *heard = context;
    assert_true(offset < heard->offset);
    assert_true(offset == 0 || offset == expected_offset(heard, heard->count));
    memcpy(heard->complete + offset, heard->gradients + offset,
           (heard->offset - offset) * sizeof(real));
    heard->offset = offset;
    heard->count++;
}

void heard_gradients_begin(struct heard_gradients *heard, const struct parameter_table *table,
                           const real *gradients)
{
    *heard = (struct heard_gradients){
        .listener = {hear, heard},
        .table = table,
        .gradients = gradients,
        .complete = unwritten(table->total * sizeof(real)),
        .offset = table->total,
    };
}

void heard_gradients_check(struct heard_gradients *heard, int frozen_layers)
{
    assert_int_equal(heard->offset, 0);
    assert_int_equal(heard->count, heard->table->layers - frozen_layers + 2);
    assert_reals_identical(heard->complete, heard->gradients, heard->table->total);
    free(heard->complete);
}
