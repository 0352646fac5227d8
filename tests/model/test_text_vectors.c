#include "model/text_vectors.h"

#include "math/openblas.h"
#include "model/encoder.h"
#include "support/assert_near.h"
#include "support/small_model.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLS = 2, SEP = 3, FIRST = 5, TOKENS = 23, MAX_LENGTH = 16, WIDTH = 8, TEXTS = 700 };

struct fixture {
    struct model *model;
    int32_t ids[TEXTS][MAX_LENGTH];
    int lengths[TEXTS];
    float values[TEXTS][WIDTH];
};

static int set_up(void **state)
{
    const struct model_config config = small_model_config("gelu", 0);
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->model = small_model(&config, 3);
    for (int i = 0; i < TEXTS; i++) {
        const int words = i * 7 % (MAX_LENGTH - 1); /* some have no word */
        fixture->lengths[i] = words + 2;
        fixture->ids[i][0] = CLS;
        for (int j = 0; j < words; j++)
            fixture->ids[i][j + 1] = FIRST + (i * 5 + j * (i % 11 + 1)) % (TOKENS - FIRST);
        fixture->ids[i][words + 1] = SEP;
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    model_free(fixture->model);
    free(fixture);
    return 0;
}

/* Computes the vectors of texts [first, last) into fixture->values. */
static void compute(struct fixture *fixture, int first, int last, enum pooling pooling,
                    bool normalize, int threads)
{
    struct error error;
    struct text_vector texts[TEXTS];
    omp_set_num_threads(threads);
    struct text_vectors *vectors =
        text_vectors_create(fixture->model, pooling, normalize, threads, &error);
    assert_non_null(vectors);
    for (int i = first; i < last; i++)
        texts[i - first] = (struct text_vector){
            .ids = fixture->ids[i], .length = fixture->lengths[i], .values = fixture->values[i]};
    text_vectors_compute(vectors, texts, (size_t)(last - first), NULL);
    text_vectors_free(vectors);
    omp_set_num_threads(1);
}

/* The encoder's output of one text, [length, WIDTH]. */
static void hidden_states(const struct fixture *fixture, int text, double hidden[MAX_LENGTH][WIDTH])
{
    struct batch batch = {0};
    struct error error;
    const struct encoder_dropout none = encoder_dropout_none();
    const int length = fixture->lengths[text];
    struct workspace *workspace =
        workspace_create(&fixture->model->config, workspace_limits_of(1, 16, 16, 1), false, &error);
    assert_non_null(workspace);
    assert_true(batch_reserve(&batch, 1, (size_t)length, 1, &error));
    memcpy(batch.input_ids, fixture->ids[text], (size_t)length * sizeof(int32_t));
    batch_append(&batch, length, length, 0, NO_LABEL);
    micro_batch_load(&workspace->micro_batch, workspace->limits, &batch, 0, 1, 0);
    micro_batch_choose_all_tokens(&workspace->micro_batch, workspace->limits);
    encoder_forward(fixture->model, workspace, &none);
    const struct rows x = encoder_output(workspace, &fixture->model->config);
    for (int row = 0; row < length; row++)
        for (int i = 0; i < WIDTH; i++)
            hidden[row][i] = (double)x.reals[row * x.width + i];
    workspace_free(workspace);
    batch_free(&batch);
}

/* The definitions in double precision. */
static void reference(const struct fixture *fixture, int text, enum pooling pooling,
                      double values[WIDTH])
{
    double hidden[MAX_LENGTH][WIDTH];
    const struct weights *weights = &fixture->model->parameters.weights;
    const int length = fixture->lengths[text];
    hidden_states(fixture, text, hidden);
    for (int i = 0; i < WIDTH; i++) {
        double mean = 0, pooled = (double)weights->pooler_bias[i];
        for (int row = 0; row < length; row++)
            mean += hidden[row][i] / length;
        for (int j = 0; j < WIDTH; j++)
            pooled += hidden[0][j] * (double)weights->pooler_weight[i * WIDTH + j];
        values[i] = pooling == POOLING_MEAN  ? mean
                    : pooling == POOLING_CLS ? hidden[0][i]
                                             : tanh(pooled);
    }
}

static void vectors_follow_the_definitions(void **state)
{
    struct fixture *fixture = *state;
    for (int pooling = POOLING_MEAN; pooling <= POOLING_POOLER; pooling++)
        for (int threads = 1; threads <= 2; threads++) {
            compute(fixture, 0, TEXTS, (enum pooling)pooling, false, threads);
            for (int i = 0; i < TEXTS; i += 13) {
                double expected[WIDTH];
                reference(fixture, i, (enum pooling)pooling, expected);
                for (int j = 0; j < WIDTH; j++)
                    assert_near((double)fixture->values[i][j], expected[j], 1e-5);
            }
        }
}

static void normalized_vectors_have_the_length_one(void **state)
{
    struct fixture *fixture = *state;
    double expected[WIDTH];
    compute(fixture, 0, TEXTS, POOLING_MEAN, true, 1);
    for (int i = 0; i < TEXTS; i += 31) {
        double square = 0;
        reference(fixture, i, POOLING_MEAN, expected);
        for (int j = 0; j < WIDTH; j++)
            square += expected[j] * expected[j];
        for (int j = 0; j < WIDTH; j++)
            assert_near((double)fixture->values[i][j], expected[j] / sqrt(square), 1e-5);
    }
}

enum { WIDE = 768, WIDE_TEXTS = 70 };

static void compute_wide(const struct model *model, const struct fixture *fixture, int first,
                         int last, enum pooling pooling, int threads,
                         float values[WIDE_TEXTS][WIDE])
{
    struct error error;
    struct text_vector texts[WIDE_TEXTS];
    omp_set_num_threads(threads);
    struct text_vectors *vectors = text_vectors_create(model, pooling, false, threads, &error);
    assert_non_null(vectors);
    for (int i = first; i < last; i++)
        texts[i - first] = (struct text_vector){
            .ids = fixture->ids[i], .length = fixture->lengths[i], .values = values[i]};
    text_vectors_compute(vectors, texts, (size_t)(last - first), NULL);
    text_vectors_free(vectors);
    omp_set_num_threads(1);
}

/* Bit for bit with cloze's own kernels; with OpenBLAS within rounding. The model is so wide that
 * OpenBLAS, which multiplies few rows elsewhere, adds in another order than they do. */
static void a_vector_does_not_depend_on_its_batch(void **state)
{
    const struct fixture *fixture = *state;
    static float together[WIDE_TEXTS][WIDE], alone[WIDE_TEXTS][WIDE];
    const bool own = gemm_fp32() != &gemm_openblas;
    struct model_config config = small_model_config("gelu", 0);
    struct error error;
    config.hidden_size = config.intermediate_size = WIDE;
    config.num_hidden_layers = 1;
    assert_true(model_config_check(&config, "wide model", &error));
    struct model *model = small_model(&config, 3);
    for (int pooling = POOLING_MEAN; pooling <= POOLING_POOLER; pooling++) {
        compute_wide(model, fixture, 0, WIDE_TEXTS, (enum pooling)pooling, 2, together);
        for (int i = 0; i < WIDE_TEXTS; i += 9) {
            compute_wide(model, fixture, i, i + 1, (enum pooling)pooling, 1, alone);
            if (own)
                assert_memory_equal(alone[i], together[i], sizeof alone[i]);
            for (int j = 0; j < WIDE; j++)
                assert_near((double)alone[i][j], (double)together[i][j], 1e-5);
        }
    }
    model_free(model);
}

/* Fewer texts than threads are shared by all of them, more are not. */
static void a_vector_does_not_depend_on_the_number_of_threads(void **state)
{
    struct fixture *fixture = *state;
    static float alone[TEXTS][WIDTH];
    const bool own = gemm_fp32() != &gemm_openblas;
    for (int count = 1; count <= TEXTS; count = count * 3 + 1) {
        compute(fixture, 0, count, POOLING_MEAN, false, 1);
        memcpy(alone, fixture->values, sizeof alone);
        for (int threads = 2; threads <= 5; threads++) {
            memset(fixture->values, 0, sizeof fixture->values);
            compute(fixture, 0, count, POOLING_MEAN, false, threads);
            if (own)
                assert_memory_equal(alone, fixture->values, (size_t)count * sizeof *alone);
            for (int i = 0; i < count; i++)
                for (int j = 0; j < WIDTH; j++)
                    assert_near((double)fixture->values[i][j], (double)alone[i][j], 1e-5);
        }
    }
}

/* The weights are laid out anew in each run. */
static void vectors_follow_the_parameters(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    struct text_vector text = {fixture->ids[3], fixture->lengths[3], fixture->values[3]};
    float fresh[WIDTH];
    struct text_vectors *vectors =
        text_vectors_create(fixture->model, POOLING_MEAN, false, 1, &error);
    assert_non_null(vectors);
    text_vectors_compute(vectors, &text, 1, NULL);
    const float before = fixture->values[3][0];
    fixture->model->parameters.weights.layers[0].output_weight[0] += 1;
    text_vectors_compute(vectors, &text, 1, NULL);
    text_vectors_free(vectors);
    memcpy(fresh, fixture->values[3], sizeof fresh);
    assert_true(fresh[0] != before);
    compute(fixture, 3, 4, POOLING_MEAN, false, 1);
    assert_memory_equal(fresh, fixture->values[3], sizeof fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(vectors_follow_the_definitions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(normalized_vectors_have_the_length_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vector_does_not_depend_on_its_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vector_does_not_depend_on_the_number_of_threads, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(vectors_follow_the_parameters, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
