#include "model/pseudo_likelihood.h"

#include "model/mlm_head.h"
#include "model/objective.h"
#include "support/small_model.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLS = 2, SEP = 3, MASK = 4, FIRST_WORD = 5, FIRST_PIECE = 14, VOCABULARY = 23 };

/* Words 5 to 13, pieces 14 to 21, and the word "##" last: no piece, because nothing follows. */
static struct vocabulary *make_vocabulary(void)
{
    static const char *const tokens[VOCABULARY] = {
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",   "b",   "c",   "d",   "e",   "f", "g",
        "h",     "i",     "##a",   "##b",   "##c",    "##d", "##e", "##f", "##g", "##h", "##"};
    struct error error;
    struct vocabulary *vocabulary = vocabulary_create(tokens, VOCABULARY, "test", &error);
    if (!vocabulary)
        fail_msg("%s", error.message);
    return vocabulary;
}

struct fixture {
    struct model *model;
    struct vocabulary *vocabulary;
    struct workspace *workspace; /* for the reference */
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const struct model_config config = small_model_config("gelu", 0);
    struct error error;
    assert_non_null(fixture);
    fixture->model = small_model(&config, 3);
    fixture->vocabulary = make_vocabulary();
    fixture->workspace =
        workspace_create(&config, workspace_limits_of(1, 16, 16, 1), false, &error);
    assert_non_null(fixture->workspace);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    model_free(fixture->model);
    vocabulary_free(fixture->vocabulary);
    workspace_free(fixture->workspace);
    free(fixture);
    return 0;
}

/* log P of the token at `first` of a sentence in which tokens [first, end) are masked. */
static double log_probability(struct fixture *fixture, const int32_t *ids, int count, int first,
                              int end)
{
    struct batch batch = {0};
    struct error error;
    struct objective_sums sums = {0};
    assert_true(batch_reserve(&batch, 1, (size_t)count + 2, 1, &error));
    batch.input_ids[0] = CLS;
    for (int i = 0; i < count; i++)
        batch.input_ids[1 + i] = i >= first && i < end ? MASK : ids[i];
    batch.input_ids[1 + count] = SEP;
    batch.predicted_tokens[0] = 1 + first;
    batch.predicted_labels[0] = ids[first];
    batch_append(&batch, count + 2, count + 2, 1, NO_LABEL);
    objective_evaluate(fixture->model, fixture->workspace, &batch, &sums);
    batch_free(&batch);
    return -sums.heads[HEAD_MLM].loss;
}

/* The definition, one copy at a time. */
static double reference(struct fixture *fixture, const int32_t *ids, int count)
{
    double sum = 0;
    for (int first = 0; first < count; first++) {
        int end = first + 1;
        while (end < count && ids[end] >= FIRST_PIECE && ids[end] < VOCABULARY - 1)
            end++;
        sum += log_probability(fixture, ids, count, first, end);
    }
    return sum;
}

enum { SENTENCES = 60, LONGEST = 14 }; /* about 8,000 tokens of copies: more than a batch */

static void make_sentence(int32_t *ids, int count, uint32_t item)
{
    for (int i = 0; i < count; i++)
        ids[i] = FIRST_WORD + (int32_t)((item * 31 + (uint32_t)i * 17 + item * (uint32_t)i) %
                                        (VOCABULARY - FIRST_WORD));
}

static void scores_follow_the_definition(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    int32_t ids[LONGEST];
    double scores[SENTENCES];
    for (int threads = 1; threads <= 2; threads++) {
        omp_set_num_threads(threads);
        struct pseudo_likelihood *scorer =
            pseudo_likelihood_create(fixture->model, fixture->vocabulary, threads, &error);
        assert_non_null(scorer);
        for (int i = 0; i < SENTENCES; i++) {
            make_sentence(ids, i % (LONGEST + 1), (uint32_t)i);
            pseudo_likelihood_add(scorer, ids, i % (LONGEST + 1), &scores[i]);
        }
        pseudo_likelihood_finish(scorer);
        pseudo_likelihood_finish(scorer); /* nothing is left */
        pseudo_likelihood_free(scorer);
        omp_set_num_threads(1);
        for (int i = 0; i < SENTENCES; i++) {
            make_sentence(ids, i % (LONGEST + 1), (uint32_t)i);
            const double expected = reference(fixture, ids, i % (LONGEST + 1));
            if (!(fabs(scores[i] - expected) <= 1e-5 * (1 + fabs(expected))))
                fail_msg("sentence %d: %.9g, expected %.9g", i, scores[i], expected);
        }
    }
}

/* The sentence "a ##a b": of its word of two pieces the first is predicted without the second. */
static void later_pieces_of_a_word_are_masked(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    const int32_t ids[] = {FIRST_WORD, FIRST_PIECE, FIRST_WORD + 1};
    double score;
    struct pseudo_likelihood *scorer =
        pseudo_likelihood_create(fixture->model, fixture->vocabulary, 1, &error);
    assert_non_null(scorer);
    pseudo_likelihood_add(scorer, ids, 3, &score);
    pseudo_likelihood_finish(scorer);
    pseudo_likelihood_free(scorer);
    const double second = log_probability(fixture, ids, 3, 1, 2);
    const double third = log_probability(fixture, ids, 3, 2, 3);
    const double masked = log_probability(fixture, ids, 3, 0, 2);
    const double seen = log_probability(fixture, ids, 3, 0, 1);
    assert_true(fabs(score - (masked + second + third)) < 1e-5);
    assert_true(fabs(masked - seen) > 1e-4);
}

/* The losses of predictions stand side by side, also where their logits are computed in several
 * chunks: 60,000 words leave room for 64 predictions at a time. */
static void each_prediction_has_its_loss(void **state)
{
    enum { PREDICTIONS = 150, WORDS = 60000 };
    struct batch batch = {0};
    struct error error;
    struct loss_sums sums = {0};
    struct model_config config = small_model_config("gelu", 0);
    const struct encoder_dropout none = encoder_dropout_none();
    (void)state;
    config.vocab_size = WORDS;
    struct model *model = small_model(&config, 3);
    struct workspace *workspace =
        workspace_create(&config, workspace_limits_of(PREDICTIONS, 4, 1, 1), false, &error);
    assert_non_null(workspace);
    assert_true(batch_reserve(&batch, PREDICTIONS, 4 * PREDICTIONS, PREDICTIONS, &error));
    for (int i = 0; i < PREDICTIONS; i++) {
        for (int j = 0; j < 4; j++)
            batch.input_ids[batch.tokens + j] = 5 + i * 13 + j;
        batch.predicted_tokens[batch.predicted] = 1 + i % 3;
        batch.predicted_labels[batch.predicted] = i * 311;
        batch_append(&batch, 4, 4, 1, NO_LABEL);
    }
    micro_batch_load(&workspace->micro_batch, workspace->limits, &batch, 0, PREDICTIONS, 0);
    encoder_forward(model, workspace, &none);
    const struct head_pass pass = head_pass_at(model, NULL, workspace, HEAD_MLM);
    const struct mlm_memory *memory = pass.memory;
    assert_true(memory->logit_rows < PREDICTIONS / 2);
    mlm_head.forward(&pass, &sums);
    double sum = 0;
    for (int i = 0; i < PREDICTIONS; i++)
        sum += (double)workspace->row_loss[i];
    assert_int_equal(sums.count, PREDICTIONS);
    assert_true(fabs(sum - sums.loss) <= 1e-6 * sums.loss);
    workspace_free(workspace);
    batch_free(&batch);
    model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scores_follow_the_definition, set_up, tear_down),
        cmocka_unit_test(each_prediction_has_its_loss),
        cmocka_unit_test_setup_teardown(later_pieces_of_a_word_are_masked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
