#include "model/pseudo_likelihood.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scores_follow_the_definition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(later_pieces_of_a_word_are_masked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
