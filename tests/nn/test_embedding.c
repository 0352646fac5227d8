#include "nn/embedding.h"
#include "support/real_arrays.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS = 200, WIDTH = 150, WORDS = 40, POSITIONS = 20, TYPES = 2 };

/* The tables, the ids to look up, and the gradients. */
struct layer {
    int32_t words[ROWS], positions[ROWS], token_types[ROWS];
    struct embedding_ids ids;
    real *word, *position, *token_type, *dy, *y;
    real *gradients, *dword, *dposition, *dtoken_type; /* `gradients` is the block of all three */
};

enum { GRADIENTS = (WORDS + POSITIONS + TYPES) * WIDTH };

static struct layer *layer_create(void)
{
    struct layer *layer = calloc(1, sizeof *layer);
    assert_non_null(layer);
    for (int32_t row = 0; row < ROWS; row++) {
        layer->words[row] = row * row % WORDS;
        layer->positions[row] = row % POSITIONS;
        layer->token_types[row] = row / 7 % TYPES;
    }
    layer->ids = (struct embedding_ids){layer->words, layer->positions, layer->token_types, ROWS};
    layer->word = random_reals(WORDS * WIDTH, 1, 1);
    layer->position = random_reals(POSITIONS * WIDTH, 2, 1);
    layer->token_type = random_reals(TYPES * WIDTH, 3, 1);
    layer->dy = random_reals(ROWS * WIDTH, 4, 1);
    layer->y = zero_reals(ROWS * WIDTH);
    layer->gradients = random_reals(GRADIENTS, 5, 1);
    layer->dword = layer->gradients;
    layer->dposition = layer->dword + WORDS * WIDTH;
    layer->dtoken_type = layer->dposition + POSITIONS * WIDTH;
    return layer;
}

static void layer_free(struct layer *layer)
{
    free(layer->word);
    free(layer->position);
    free(layer->token_type);
    free(layer->dy);
    free(layer->y);
    free(layer->gradients);
    free(layer);
}

static void forward(void *context)
{
    const struct layer *layer = context;
    for (int row = 0; row < ROWS; row++)
        embedding_forward(layer->y + (size_t)row * WIDTH, &layer->ids, row, layer->word,
                          layer->position, layer->token_type, WIDTH);
}

static void backward(const struct layer *layer)
{
    embedding_backward(layer->dword, layer->dposition, layer->dtoken_type, layer->dy, &layer->ids,
                       WIDTH);
}

static void clear_and_backward(void *context)
{
    const struct layer *layer = context;
    memset(layer->gradients, 0, GRADIENTS * sizeof(real));
    backward(layer);
}

static void forward_adds_three_rows(void **state)
{
    (void)state;
    struct layer *layer = layer_create();
    forward(layer);
    for (int row = 0; row < ROWS; row++) {
        for (int i = 0; i < WIDTH; i++) {
            double expected = (double)layer->word[layer->words[row] * WIDTH + i] +
                              (double)layer->position[layer->positions[row] * WIDTH + i] +
                              (double)layer->token_type[layer->token_types[row] * WIDTH + i];
            assert_reals_near(&layer->y[row * WIDTH + i], &expected, 1, 3e-7);
        }
    }
    layer_free(layer);
}

static void check_table(const real *after, const real *before, const struct layer *layer,
                        const int32_t *ids, int entries)
{
    for (int entry = 0; entry < entries; entry++) {
        for (int i = 0; i < WIDTH; i++) {
            double expected = (double)before[entry * WIDTH + i];
            for (int row = 0; row < ROWS; row++)
                expected += ids[row] == entry ? (double)layer->dy[row * WIDTH + i] : 0;
            assert_reals_near(&after[entry * WIDTH + i], &expected, 1, 1e-5);
        }
    }
}

static void backward_accumulates_every_row(void **state)
{
    (void)state;
    struct layer *layer = layer_create();
    real *before = copy_reals(layer->gradients, GRADIENTS);
    backward(layer);
    const real *position = before + WORDS * WIDTH, *token_type = position + POSITIONS * WIDTH;
    check_table(layer->dword, before, layer, layer->words, WORDS);
    check_table(layer->dposition, position, layer, layer->positions, POSITIONS);
    check_table(layer->dtoken_type, token_type, layer, layer->token_types, TYPES);
    free(before);
    layer_free(layer);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    struct layer *layer = layer_create();
    assert_threads_do_not_matter(forward, layer, layer->y, ROWS * WIDTH);
    assert_threads_do_not_matter(clear_and_backward, layer, layer->gradients, GRADIENTS);
    layer_free(layer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_adds_three_rows),
        cmocka_unit_test(backward_accumulates_every_row),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
