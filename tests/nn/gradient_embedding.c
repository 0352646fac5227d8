#include "nn/embedding.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS = 9, WIDTH = 5, WORDS = 6, POSITIONS = 5, TYPES = 2 };

/* Word 3 occurs four times, two of them in succession; some words and positions never occur. */
static const struct embedding_ids ids = {
    .words = (const int32_t[ROWS]){0, 3, 3, 5, 1, 3, 0, 3, 1},
    .positions = (const int32_t[ROWS]){0, 1, 2, 3, 0, 1, 2, 0, 1},
    .token_types = (const int32_t[ROWS]){0, 0, 1, 1, 0, 1, 1, 0, 0},
    .rows = ROWS,
};

/* f = sum of y * dy, so that dy is the gradient with respect to y. */
struct layer {
    real *word, *position, *token_type, *dy, *y;
};

static double weighted_output(void *context)
{
    const struct layer *layer = context;
    double sum = 0;
    for (int row = 0; row < ROWS; row++)
        embedding_forward(layer->y + (size_t)row * WIDTH, &ids, row, layer->word, layer->position,
                          layer->token_type, WIDTH);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        sum += (double)layer->y[i] * (double)layer->dy[i];
    return sum;
}

static void embedding_gradients_match_differences(void **state)
{
    (void)state;
    struct layer layer = {
        .word = random_reals(WORDS * WIDTH, 1, 1),
        .position = random_reals(POSITIONS * WIDTH, 2, 1),
        .token_type = random_reals(TYPES * WIDTH, 3, 1),
        .dy = random_reals(ROWS * WIDTH, 4, 1),
        .y = zero_reals(ROWS * WIDTH),
    };
    real *dword = zero_reals(WORDS * WIDTH), *dposition = zero_reals(POSITIONS * WIDTH);
    real *dtype = zero_reals(TYPES * WIDTH);
    embedding_backward(dword, dposition, dtype, layer.dy, &ids, WIDTH);
    assert_true(gradient_error(dword, layer.word, WORDS * WIDTH, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(dposition, layer.position, POSITIONS * WIDTH, weighted_output,
                               &layer) < 1e-6);
    assert_true(gradient_error(dtype, layer.token_type, TYPES * WIDTH, weighted_output, &layer) <
                1e-6);
    free(layer.word);
    free(layer.position);
    free(layer.token_type);
    free(layer.dy);
    free(layer.y);
    free(dword);
    free(dposition);
    free(dtype);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embedding_gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
