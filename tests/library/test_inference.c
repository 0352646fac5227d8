/* The functions of cloze.h on a model directory whose answers are known: with a LayerNorm weight of
 * zero its output is the LayerNorm's bias, and the results have closed forms. */
#include "cloze/cloze.h"

#include "model/huggingface.h"
#include "support/assert_near.h"
#include "support/training_fixture.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 12, VOCABULARY = 40, POSITIONS = 32 }; /* sizes of the training fixture */
enum { FIRST_WORD = 5, FIRST_PIECE = 35 };             /* "w5" to "w34", then "##p35" to "##p39" */

static const double tolerance = 1e-5;

static void set_tensor(struct training *training, const char *name, const real *values)
{
    const struct parameter *parameter = parameter_find(&training->model->table, name);
    assert_non_null(parameter);
    real *tensor = training->model->parameters.values + parameter->offset;
    for (size_t i = 0; i < parameter_elements(parameter); i++)
        tensor[i] = values ? values[i] : 0;
}

static void clear_tensor(struct training *training, const char *name)
{
    set_tensor(training, name, NULL);
}

/* Sets parameters so that the logits of every [MASK] are the decoder's bias. */
static void set_logits(struct training *training, const real *logits)
{
    clear_tensor(training, "cls.predictions.transform.LayerNorm.weight");
    clear_tensor(training, "cls.predictions.transform.LayerNorm.bias");
    set_tensor(training, "cls.predictions.bias", logits);
}

static void save_model(struct training *training)
{
    struct error error = {0};
    const char *directory = training->scratch->directory;
    const struct model *model = training->model;
    if (!huggingface_save_model(directory, &model->config, &model->table, model->parameters.values,
                                &error) ||
        !tokenizer_save(training->tokenizer, directory, POSITIONS, &error))
        fail_msg("%s", error.message);
}

/* Rewrites the file without the parameters whose names begin with the prefix. */
static void save_without(struct training *training, const char *prefix)
{
    struct error error = {0};
    const struct parameter_table *table = &training->model->table;
    struct tensor *tensors = calloc((size_t)table->count, sizeof *tensors);
    assert_non_null(tensors);
    save_model(training);
    size_t count = 0;
    for (int i = 0; i < table->count; i++) {
        struct parameter *parameter = &table->list[i];
        if (strncmp(parameter->name, prefix, strlen(prefix)) != 0)
            tensors[count++] =
                parameter_tensor(parameter, training->model->parameters.values, parameter->name);
    }
    assert_true(count < (size_t)table->count);
    const char *path = scratch_path(training->scratch, "model.safetensors");
    assert_true(safetensors_write(path, tensors, count, &error));
    free(tensors);
}

static struct cloze_model *open_saved(struct training *training)
{
    struct cloze_error error;
    struct cloze_model *model = cloze_open(training->scratch->directory, &error);
    if (!model)
        fail_msg("%s", error.message);
    return model;
}

static struct cloze_model *open_model(struct training *training)
{
    save_model(training);
    return open_saved(training);
}

/* Expects the directory to be refused with `message` after its path. */
static void expect_not_opened(const char *directory, const char *message)
{
    struct cloze_error error = {0};
    assert_null(cloze_open(directory, &error));
    assert_true(error.bad_input);
    assert_memory_equal(error.message, directory, strlen(directory));
    assert_string_equal(error.message + strlen(directory), message);
}

/* ---- opening runs and checkpoints ---- */

static void append_byte(const char *path)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    assert_int_equal(fputc(0, file), 0);
    assert_int_equal(fclose(file), 0);
}

static void a_run_is_its_newest_intact_checkpoint(void **state)
{
    struct training *training = *state;
    struct cloze_error error = {0};
    training_save(training, 1, 0);
    training_save(training, 2, 0);
    struct cloze_model *model = cloze_open(training->scratch->directory, &error);
    assert_non_null(model);
    assert_null(strstr(cloze_note(model), "damaged"));
    assert_int_equal(cloze_trained_length(model), POSITIONS);
    cloze_close(model);
    append_byte(training_path(training, "step-00000002/model.safetensors"));
    model = cloze_open(training->scratch->directory, &error);
    assert_non_null(model);
    assert_non_null(strstr(cloze_note(model), "step-00000002 is damaged; skipping it: "));
    cloze_close(model);
}

/* The damaged checkpoint is the reason why another one was opened. */
static void a_failure_says_what_was_skipped(void **state)
{
    struct training *training = *state;
    struct cloze_error error = {0};
    training_save(training, 1, 0);
    training_save(training, 2, 0);
    append_byte(training_path(training, "step-00000001/vocab.txt"));
    append_byte(training_path(training, "step-00000002/vocab.txt"));
    assert_null(cloze_open(training->scratch->directory, &error));
    assert_true(error.bad_input);
    assert_non_null(strstr(error.message, "step-00000002 is damaged; skipping it: "));
    assert_non_null(strstr(error.message, "none of 2 checkpoints is intact"));
    assert_null(strstr(error.message, "out of memory"));
}

static void a_checkpoint_that_was_changed_is_refused(void **state)
{
    struct training *training = *state;
    training_save(training, 1, 0);
    const char *vocabulary = training_path(training, "step-00000001/vocab.txt");
    append_byte(vocabulary);
    struct cloze_error error = {0};
    assert_null(cloze_open(training_path(training, "step-00000001"), &error));
    assert_true(error.bad_input);
    assert_non_null(strstr(error.message, "the checkpoint was changed after it was saved"));
    assert_non_null(strstr(error.message, "step-00000001/vocab.txt: holds "));
}

static void expect_bad_input(const struct cloze_error *error, const char *message)
{
    assert_string_equal(error->message, message);
    assert_true(error->bad_input);
}

static struct cloze_fill *fill(struct cloze_model *model, const char *text, int top)
{
    struct cloze_error error;
    struct cloze_fill *filled = cloze_fill(model, text, top, &error);
    if (!filled)
        fail_msg("%s", error.message);
    return filled;
}

static void expect_no_fill(struct cloze_model *model, const char *text, int top,
                           const char *message)
{
    struct cloze_error error = {0};
    assert_null(cloze_fill(model, text, top, &error));
    expect_bad_input(&error, message);
}

static double next_sentence(struct cloze_model *model, const char *a, const char *b)
{
    struct cloze_error error;
    double probability;
    if (!cloze_next_sentence(model, a, b, &probability, &error))
        fail_msg("%s", error.message);
    return probability;
}

static void expect_no_judgement(struct cloze_model *model, const char *a, const char *b,
                                const char *message)
{
    struct cloze_error error = {0};
    double probability = 2;
    assert_false(cloze_next_sentence(model, a, b, &probability, &error));
    expect_bad_input(&error, message);
    assert_true(probability == 2);
}

/* Returns "w5 w5 ... w5". */
struct words {
    char text[3 * (POSITIONS + 1)];
};

static struct words words(int count)
{
    struct words words = {""};
    for (int i = 0; i < count; i++)
        strcat(words.text, i ? " w5" : "w5");
    return words;
}

/* ---- opening ---- */

static void the_sizes_are_those_of_the_configuration(void **state)
{
    struct cloze_model *model = open_model(*state);
    assert_int_equal(cloze_hidden_size(model), HIDDEN);
    assert_int_equal(cloze_max_length(model), POSITIONS);
    cloze_close(model);
}

static void a_missing_directory_is_refused(void **state)
{
    struct training *training = *state;
    expect_not_opened(scratch_path(training->scratch, "absent"),
                      ": no such directory; expected a model directory, a checkpoint or a "
                      "run directory");
}

static void a_missing_tokenizer_is_refused(void **state)
{
    struct training *training = *state;
    save_model(training);
    assert_int_equal(remove(scratch_path(training->scratch, "tokenizer.json")), 0);
    assert_int_equal(remove(scratch_path(training->scratch, "vocab.txt")), 0);
    expect_not_opened(training->scratch->directory,
                      ": holds neither tokenizer.json nor vocab.txt; expected a model directory "
                      "with a tokenizer");
}

static void a_vocabulary_larger_than_the_model_is_refused(void **state)
{
    struct training *training = *state;
    save_model(training);
    assert_int_equal(remove(scratch_path(training->scratch, "tokenizer.json")), 0);
    FILE *file = fopen(scratch_path(training->scratch, "vocab.txt"), "a");
    assert_non_null(file);
    fputs("one-more\n", file);
    assert_int_equal(fclose(file), 0);
    expect_not_opened(training->scratch->directory,
                      ": the vocabulary has 41 tokens, but the model only 40");
}

/* ---- fill ---- */

static void expect_distribution(const struct cloze_mask *mask)
{
    double sum = 0;
    assert_int_equal(mask->count, VOCABULARY);
    for (size_t i = 0; i < mask->count; i++) {
        assert_true(mask->candidates[i].score >= 0);
        assert_true(i == 0 || mask->candidates[i - 1].score >= mask->candidates[i].score);
        sum += mask->candidates[i].score;
    }
    assert_near(sum, 1, tolerance);
}

/* The logits rise by 1/8 from token to token and start again in the middle. */
static void scores_are_the_softmax_of_the_logits(void **state)
{
    real logits[VOCABULARY];
    double sum = 0;
    for (int i = 0; i < VOCABULARY; i++) {
        logits[i] = (real)((i + VOCABULARY / 2) % VOCABULARY) / 8;
        sum += exp((double)logits[i]);
    }
    set_logits(*state, logits);
    struct cloze_model *model = open_model(*state);
    struct cloze_fill *filled = fill(model, "w5 [MASK] w7", VOCABULARY);
    assert_int_equal(filled->mask_count, 1);
    expect_distribution(&filled->masks[0]);
    for (int i = 0; i < VOCABULARY; i++) {
        const struct cloze_candidate *candidate = &filled->masks[0].candidates[i];
        int token = (VOCABULARY / 2 + VOCABULARY - 1 - i) % VOCABULARY;
        assert_int_equal(candidate->token, token);
        assert_near(candidate->score, exp((double)logits[token]) / sum, tolerance);
    }
    cloze_fill_free(filled);
    cloze_close(model);
}

static void equal_scores_keep_the_order_of_the_ids(void **state)
{
    set_logits(*state, NULL);
    struct cloze_model *model = open_model(*state);
    struct cloze_fill *filled = fill(model, "[MASK]", 7);
    assert_int_equal(filled->masks[0].count, 7);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(filled->masks[0].candidates[i].token, i);
        assert_near(filled->masks[0].candidates[i].score, 1.0 / VOCABULARY, tolerance);
    }
    cloze_fill_free(filled);
    cloze_close(model);
}

static void candidates_are_written_out(void **state)
{
    real logits[VOCABULARY] = {[FIRST_WORD + 1] = 4, [FIRST_PIECE] = 3};
    set_logits(*state, logits);
    struct cloze_model *model = open_model(*state);
    struct cloze_fill *filled = fill(model, "w5 [MASK] w7", 2);
    const struct cloze_candidate *candidates = filled->masks[0].candidates;
    assert_int_equal(filled->masks[0].count, 2);
    assert_string_equal(candidates[0].text, "w6");
    assert_string_equal(candidates[0].sequence, "w5 w6 w7");
    assert_string_equal(candidates[1].text, "##p35");
    assert_string_equal(candidates[1].sequence, "w5p35 w7");
    cloze_fill_free(filled);
    cloze_close(model);
}

static void a_short_list_is_the_beginning_of_the_long_one(void **state)
{
    struct cloze_model *model = open_model(*state);
    struct cloze_fill *all = fill(model, "w5 [MASK] w7", 1000);
    expect_distribution(&all->masks[0]);
    for (int top = 1; top < 5; top++) {
        struct cloze_fill *best = fill(model, "w5 [MASK] w7", top);
        assert_int_equal(best->masks[0].count, top);
        for (int i = 0; i < top; i++) {
            assert_int_equal(best->masks[0].candidates[i].token, all->masks[0].candidates[i].token);
            assert_true(best->masks[0].candidates[i].score == all->masks[0].candidates[i].score);
        }
        cloze_fill_free(best);
    }
    cloze_fill_free(all);
    cloze_close(model);
}

static void every_mask_is_filled_in_its_place(void **state)
{
    struct cloze_model *model = open_model(*state);
    struct cloze_fill *filled = fill(model, "[MASK] w6 w7 [MASK]", VOCABULARY);
    assert_int_equal(filled->mask_count, 2);
    double difference = 0;
    for (int mask = 0; mask < 2; mask++) {
        expect_distribution(&filled->masks[mask]);
        for (int i = 0; i < VOCABULARY; i++) {
            const struct cloze_candidate *candidate = &filled->masks[mask].candidates[i];
            if (candidate->token == FIRST_WORD)
                assert_string_equal(candidate->sequence, mask ? "[CLS] [MASK] w6 w7 w5 [SEP]"
                                                              : "[CLS] w5 w6 w7 [MASK] [SEP]");
        }
        difference += (mask ? -1 : 1) * filled->masks[mask].candidates[0].score;
    }
    assert_true(fabs(difference) > 1e-4); /* the context is not the same */
    cloze_fill_free(filled);
    cloze_close(model);
}

static void a_fill_that_cannot_be_done_is_bad_input(void **state)
{
    struct cloze_model *model = open_model(*state);
    expect_no_fill(model, "w5 w6", 5,
                   "no [MASK] in \"w5 w6\"; write [MASK] where a word is missing");
    expect_no_fill(model, "", 5, "no [MASK] in \"\"; write [MASK] where a word is missing");
    expect_no_fill(model, "[MASK]", 0, "top is 0; expected at least 1");
    expect_no_fill(model, "[MASK]", -3, "top is -3; expected at least 1");
    struct cloze_fill *filled = fill(model, "[MASK]", 1); /* the model still works */
    cloze_fill_free(filled);
    cloze_close(model);
}

static void a_fill_without_its_head_is_bad_input(void **state)
{
    save_without(*state, "cls.predictions.");
    struct cloze_model *model = open_saved(*state);
    expect_no_fill(model, "[MASK]", 5,
                   "the model has no masked language modelling head: it was saved without it");
    next_sentence(model, "w5", "w6");
    cloze_close(model);
}

/* ---- the longest input ---- */

static void the_longest_text_is_filled_and_a_longer_one_refused(void **state)
{
    struct cloze_model *model = open_model(*state);
    char text[sizeof "[MASK] " + sizeof(struct words)];
    snprintf(text, sizeof text, "[MASK] %s", words(POSITIONS - 3).text);
    struct cloze_fill *filled = fill(model, text, 1);
    assert_int_equal(filled->mask_count, 1);
    cloze_fill_free(filled);
    snprintf(text, sizeof text, "[MASK] %s", words(POSITIONS - 2).text);
    expect_no_fill(model, text, 1,
                   "the input has 33 tokens with [CLS] and [SEP]; the model takes 32");
    cloze_close(model);
}

static void the_longest_pair_is_judged_and_a_longer_one_refused(void **state)
{
    struct cloze_model *model = open_model(*state);
    struct words a = words(14);
    next_sentence(model, a.text, words(15).text);
    expect_no_judgement(model, a.text, words(16).text,
                        "the input has 33 tokens with [CLS] and [SEP]; the model takes 32");
    cloze_close(model);
}

/* ---- pairs ---- */

/* Without weights the logits are the biases: P(IsNext) = 1 / (1 + exp(-2)). */
static void the_probability_is_that_of_is_next(void **state)
{
    const real biases[2] = {3, 1};
    clear_tensor(*state, "cls.seq_relationship.weight");
    set_tensor(*state, "cls.seq_relationship.bias", biases);
    struct cloze_model *model = open_model(*state);
    assert_near(next_sentence(model, "w5 w6", "w7"), 1 / (1 + exp(-2)), tolerance);
    cloze_close(model);
}

static void a_pair_is_judged_by_its_order(void **state)
{
    struct cloze_model *model = open_model(*state);
    double forward = next_sentence(model, "w5 w6", "w7"),
           back = next_sentence(model, "w7", "w5 w6");
    assert_true(forward >= 0 && forward <= 1 && back >= 0 && back <= 1);
    assert_true(fabs(forward - back) > 1e-6);
    assert_true(next_sentence(model, "w5 w6", "w7") == forward);
    next_sentence(model, "", "");
    cloze_close(model);
}

static void a_pair_without_its_heads_is_bad_input(void **state)
{
    save_without(*state, "cls.seq_relationship.");
    struct cloze_model *model = open_saved(*state);
    expect_no_judgement(model, "w5", "w6",
                        "the model has no next-sentence head: it was saved without it");
    cloze_close(model);
    save_without(*state, "bert.pooler.");
    model = open_saved(*state);
    expect_no_judgement(model, "w5", "w6", "the model has no pooler: it was saved without it");
    cloze_close(model);
}

/* ---- hidden states ---- */

static float *hidden_states(struct cloze_model *model, const char *text, size_t *rows)
{
    struct cloze_error error;
    float *states = cloze_hidden_states(model, text, rows, &error);
    if (!states)
        fail_msg("%s", error.message);
    return states;
}

static void there_is_a_row_for_every_token(void **state)
{
    struct cloze_model *model = open_model(*state);
    for (int count = 0; count <= POSITIONS - 2; count += 10) {
        size_t rows = 0;
        float *states = hidden_states(model, words(count).text, &rows);
        assert_int_equal(rows, count + 2);
        for (size_t i = 0; i < rows * HIDDEN; i++)
            assert_true(isfinite(states[i]));
        /* Positions tell equal words apart. */
        assert_memory_not_equal(states, states + HIDDEN, HIDDEN * sizeof *states);
        free(states);
    }
    cloze_close(model);
}

static void rows_are_the_output_of_the_last_layer(void **state)
{
    real bias[HIDDEN];
    for (int i = 0; i < HIDDEN; i++)
        bias[i] = (real)(i - 4) / 4;
    clear_tensor(*state, "bert.encoder.layer.1.output.LayerNorm.weight");
    set_tensor(*state, "bert.encoder.layer.1.output.LayerNorm.bias", bias);
    struct cloze_model *model = open_model(*state);
    size_t rows = 0;
    float *states = hidden_states(model, "w5 w6p35", &rows);
    assert_int_equal(rows, 5);
    for (size_t i = 0; i < rows * HIDDEN; i++)
        assert_true(states[i] == (float)bias[i % HIDDEN]);
    free(states);
    cloze_close(model);
}

static void hidden_states_need_no_heads(void **state)
{
    save_without(*state, "cls.");
    struct cloze_model *model = open_saved(*state);
    size_t rows = 0;
    float *states = hidden_states(model, "w5", &rows);
    assert_int_equal(rows, 3);
    free(states);
    cloze_close(model);
}

static void hidden_states_of_a_long_text_are_bad_input(void **state)
{
    struct cloze_model *model = open_model(*state);
    struct cloze_error error = {0};
    size_t rows = 99;
    assert_null(cloze_hidden_states(model, words(POSITIONS).text, &rows, &error));
    expect_bad_input(&error, "the input has 34 tokens with [CLS] and [SEP]; the model takes 32");
    assert_int_equal(rows, 99);
    cloze_close(model);
}

static void a_call_may_have_more_threads_than_the_opening(void **state)
{
    enum { LONG = 128, WORDS = 120, HIDDEN_SIZE = 12, CALLS = 10 };
    struct training *training = *state;
    struct error error = {0};
    struct model_config config = training->model->config;
    config.max_position_embeddings = LONG;
    struct model *model = model_create(&config, &error);
    assert_non_null(model);
    parameters_initialize(model->parameters.values, &model->table, 0.5, 3, UINT32_MAX);
    const char *directory = training->scratch->directory;
    assert_true(huggingface_save_model(directory, &model->config, &model->table,
                                       model->parameters.values, &error) &&
                tokenizer_save(training->tokenizer, directory, LONG, &error));
    model_free(model);
    struct buffer text = {0};
    for (int i = 0; i < WORDS; i++)
        assert_true(buffer_print(&text, &error, "w%d ", 5 + i % 5));
    const int threads = omp_get_max_threads();
    size_t rows;
    omp_set_num_threads(1);
    struct cloze_model *opened = open_saved(training);
    float *expected = hidden_states(opened, text.data, &rows);
    omp_set_num_threads(4);
    for (int i = 0; i < CALLS; i++) {
        float *found = hidden_states(opened, text.data, &rows);
        for (size_t j = 0; j < rows * HIDDEN_SIZE; j++)
            assert_near(found[j], expected[j], 1e-4);
        free(found);
    }
    omp_set_num_threads(threads);
    free(expected);
    buffer_free(&text);
    cloze_close(opened);
}

/* ---- numbers that are not finite ---- */

static void results_that_are_not_finite_are_bad_input(void **state)
{
    static const char message[] =
        "the model gives numbers that are not finite: its parameters are too large";
    struct training *training = *state;
    struct cloze_error error;
    size_t rows;
    const struct parameter *parameter =
        parameter_find(&training->model->table, "bert.encoder.layer.0.intermediate.dense.weight");
    assert_non_null(parameter);
    real *values = training->model->parameters.values + parameter->offset;
    for (size_t i = 0; i < parameter_elements(parameter); i++)
        values[i] = (real)3e38;
    struct cloze_model *model = open_model(training);
    expect_no_fill(model, "w5 [MASK]", 2, message);
    expect_no_judgement(model, "w5", "w6", message);
    assert_null(cloze_hidden_states(model, "w5", &rows, &error));
    expect_bad_input(&error, message);
    const char *const texts[] = {"w5"};
    assert_null(cloze_embed(model, texts, 1, CLOZE_POOLING_MEAN, false, &error));
    expect_bad_input(&error, message);
    cloze_close(model);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, training_set_up, training_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_is_its_newest_intact_checkpoint),
        TEST(a_failure_says_what_was_skipped),
        TEST(a_checkpoint_that_was_changed_is_refused),
        TEST(the_sizes_are_those_of_the_configuration),
        TEST(a_missing_directory_is_refused),
        TEST(a_missing_tokenizer_is_refused),
        TEST(a_vocabulary_larger_than_the_model_is_refused),
        TEST(scores_are_the_softmax_of_the_logits),
        TEST(equal_scores_keep_the_order_of_the_ids),
        TEST(candidates_are_written_out),
        TEST(a_short_list_is_the_beginning_of_the_long_one),
        TEST(every_mask_is_filled_in_its_place),
        TEST(a_fill_that_cannot_be_done_is_bad_input),
        TEST(a_fill_without_its_head_is_bad_input),
        TEST(the_longest_text_is_filled_and_a_longer_one_refused),
        TEST(the_longest_pair_is_judged_and_a_longer_one_refused),
        TEST(the_probability_is_that_of_is_next),
        TEST(a_pair_is_judged_by_its_order),
        TEST(a_pair_without_its_heads_is_bad_input),
        TEST(there_is_a_row_for_every_token),
        TEST(a_call_may_have_more_threads_than_the_opening),
        TEST(rows_are_the_output_of_the_last_layer),
        TEST(hidden_states_need_no_heads),
        TEST(hidden_states_of_a_long_text_are_bad_input),
        TEST(results_that_are_not_finite_are_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
