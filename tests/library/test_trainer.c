/* cloze_trainer: steps on given batches are those of `cloze train`. */
#include "cloze/cloze.h"

#include "model/huggingface.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS = 3 };

static const char config_text[] = "seed: 5\n"
                                  "output: run\n"
                                  "model: {size: tiny, hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 2, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], sentences: line, seq_len: 32,\n"
                                  "       valid_fraction: 0}\n"
                                  "train: {steps: 3, batch_size: 8, learning_rate: 1e-3,\n"
                                  "        schedule: constant, warmup_steps: 0, save_every: 1,\n"
                                  "        keep_checkpoints: 0, log_every: 1, threads: 2}\n";

static int set_up(void **state)
{
    int status = scratch_set_up(state);
    assert_int_equal(chdir(((struct scratch *)*state)->directory), 0);
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "run.yaml", config_text);
    SUCCEED("train", "run.yaml");
    return status;
}

static int tear_down(void **state)
{
    assert_int_equal(chdir("/"), 0);
    return scratch_tear_down(state);
}

static struct cloze_trainer *open_trainer(const char *directory)
{
    struct cloze_error error;
    struct cloze_trainer *trainer = cloze_trainer_open(directory, NULL, 5, &error);
    if (!trainer)
        fail_msg("%s", error.message);
    assert_string_equal(cloze_trainer_note(trainer), "");
    assert_int_equal(cloze_trainer_task(trainer), CLOZE_TASK_NONE);
    return trainer;
}

/* ---- the same steps as the program's ---- */

static const int64_t *values_of(const struct safetensors *file, const char *name)
{
    const struct tensor *tensor = safetensors_find(file, name);
    assert_non_null(tensor);
    return tensor->data;
}

static struct cloze_losses step_on_file(struct cloze_trainer *trainer, const char *path)
{
    struct safetensors file;
    struct error failure;
    struct cloze_error error;
    struct cloze_losses losses;
    assert_true(safetensors_open(path, &file, &failure));
    const struct cloze_batch batch = {
        .rows = safetensors_find(&file, "input_ids")->shape[0],
        .length = safetensors_find(&file, "input_ids")->shape[1],
        .input_ids = values_of(&file, "input_ids"),
        .attention_mask = values_of(&file, "attention_mask"),
        .token_type_ids = values_of(&file, "token_type_ids"),
        .labels = values_of(&file, "labels"),
        .next_sentence_label = values_of(&file, "next_sentence_label"),
    };
    if (!cloze_trainer_step(trainer, &batch, 1e-3, &losses, &error))
        fail_msg("%s", error.message);
    safetensors_close(&file);
    return losses;
}

/* Returns the largest difference of any parameter of two models. */
static double difference(const char *a, const char *b)
{
    struct error error;
    struct huggingface_missing missing;
    struct model *first = huggingface_load_model(a, &missing, &error);
    struct model *second = huggingface_load_model(b, &missing, &error);
    assert_true(first && second && first->table.total == second->table.total);
    double largest = 0;
    for (size_t i = 0; i < first->table.total; i++)
        largest = fmax(largest, fabs((double)first->parameters.values[i] -
                                     (double)second->parameters.values[i]));
    model_free(first);
    model_free(second);
    return largest;
}

static void steps_are_those_of_the_program(void **state)
{
    (void)state;
    struct cloze_error error;
    SUCCEED("batches", "run.yaml", "--steps", "3", "--output", "batches");
    struct cloze_trainer *trainer = open_trainer("run/checkpoints/step-00000000");
    for (int step = 1; step <= STEPS; step++) {
        char path[64];
        snprintf(path, sizeof path, "batches/step-%08d.safetensors", step);
        const struct cloze_losses losses = step_on_file(trainer, path);
        assert_true(losses.mlm_loss > 0 && losses.nsp_loss > 0 && losses.grad_norm > 0);
        assert_true(fabs(losses.loss - losses.mlm_loss - losses.nsp_loss) < 1e-9);
    }
    assert_true(cloze_trainer_save(trainer, "saved", &error));
    cloze_trainer_close(trainer);
    assert_in_file("saved/README.md", "Which text, how long: to be filled in.");
    assert_true(difference("saved", "run/checkpoints/step-00000003") < 1e-6);
    assert_true(difference("saved", "run/checkpoints/step-00000002") > 1e-4);

    struct cloze_model *model = cloze_open("saved", &error);
    assert_non_null(model);
    assert_int_equal(cloze_trained_length(model), 32);
    cloze_close(model);
}

/* Many short rows, then few long ones, then short ones again: what has room for both has not as
 * much room as for many long rows. */
static void batches_of_any_shape_follow_each_other(void **state)
{
    (void)state;
    enum { SHORT = 2, LONG = 32, MANY = 600, FEW = 100 };
    static const struct {
        size_t rows, length;
    } shapes[] = {{MANY, SHORT}, {FEW, LONG}, {MANY, SHORT}, {1, LONG}};
    static int64_t ids[FEW * LONG], labels[FEW * LONG];
    struct cloze_error error;
    struct cloze_losses losses;
    struct cloze_trainer *trainer = open_trainer("run");
    for (int i = 0; i < FEW * LONG; i++) {
        ids[i] = 5 + i % 7;
        labels[i] = i % 5 ? -100 : 6;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct cloze_batch batch = {
            .rows = shapes[i].rows, .length = shapes[i].length, .input_ids = ids, .labels = labels};
        if (!cloze_trainer_step(trainer, &batch, 1e-3, &losses, &error))
            fail_msg("%s", error.message);
        assert_true(isfinite(losses.loss) && losses.loss > 0);
    }
    cloze_trainer_close(trainer);
}

/* A model without heads gets new ones, the same for the same seed, and that is said. */
static void heads_that_are_absent_are_drawn(void **state)
{
    (void)state;
    struct cloze_error error;
    SUCCEED("export", "run", "encoder", "--for", "encoder");
    for (int i = 0; i < 2; i++) {
        struct cloze_trainer *trainer = cloze_trainer_open("encoder", NULL, 5, &error);
        assert_non_null(trainer);
        const char *note = cloze_trainer_note(trainer);
        assert_non_null(strstr(note, "encoder has no MLM head; a new one is drawn\n"));
        assert_non_null(strstr(note, "encoder has no NSP head; a new one is drawn"));
        assert_true(cloze_trainer_save(trainer, i ? "second" : "first", &error));
        cloze_trainer_close(trainer);
    }
    assert_true(difference("first", "second") == 0);
    assert_true(difference("first", "run/checkpoints/latest") > 1e-4);
}

/* ---- what is refused ---- */

static void adam_out_of_range_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct cloze_adam adam;
        const char *message;
    } cases[] = {
        {{1, 0.999, 1e-6, 0.01, 1, true}, "adam: beta1 is 1; expected a number from 0 to below 1"},
        {{0.9, -1, 1e-6, 0.01, 1, true}, "adam: beta2 is -1; expected a number from 0 to below 1"},
        {{0.9, 0.999, 0, 0.01, 1, true},
         "adam: epsilon is 0; expected a number above 0, at most 1"},
        {{0.9, 0.999, 1e-6, 2, 1, true}, "adam: weight_decay is 2; expected a number from 0 to 1"},
        {{0.9, 0.999, 1e-6, 0, NAN, true},
         "adam: max_grad_norm is nan; expected a number from 0 on"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cloze_error error = {0};
        assert_null(cloze_trainer_open("run", &cases[i].adam, 5, &error));
        assert_true(error.bad_input);
        assert_string_equal(error.message, cases[i].message);
    }
}

static void expect_refusal(const struct cloze_batch *batch, double learning_rate,
                           const char *message)
{
    struct cloze_error error = {0};
    struct cloze_trainer *trainer = open_trainer("run");
    assert_false(cloze_trainer_step(trainer, batch, learning_rate, NULL, &error));
    assert_true(error.bad_input);
    assert_string_equal(error.message, message);
    assert_true(cloze_trainer_save(trainer, "unchanged", &error));
    cloze_trainer_close(trainer);
    assert_true(difference("unchanged", "run/checkpoints/latest") == 0);
    SUCCEED("info", "unchanged");
    assert_int_equal(system("rm -r unchanged"), 0);
}

static void a_bad_batch_is_refused(void **state)
{
    (void)state;
    enum { ROWS = 2, LENGTH = 3, LONG = 2000 };
    const int64_t ids[ROWS * LENGTH] = {2, 5, 3, 2, 6, 3}, labels[ROWS * LENGTH] = {-100, 7, -100};
    const int64_t far[ROWS * LENGTH] = {2, 5, 3, 2, 999999, 3}, none[] = {-100, -100};
    const float numbers[ROWS] = {1, 2};
    const struct cloze_batch sound = {
        .rows = ROWS, .length = LENGTH, .input_ids = ids, .labels = labels};
    struct cloze_batch batch = sound;
    expect_refusal(&sound, -1, "the learning rate is -1; expected a number from 0 on");
    expect_refusal(&sound, NAN, "the learning rate is nan; expected a number from 0 on");
    batch.labels = NULL;
    batch.next_sentence_label = none;
    expect_refusal(&batch, 1e-3, "the batch has no labels: there is nothing to predict");
    batch = sound;
    batch.values = numbers;
    expect_refusal(&batch, 1e-3,
                   "there are numbers to predict, but the model is a BertForPreTraining");
    batch = sound;
    batch.length = LONG;
    expect_refusal(&batch, 1e-3,
                   "a batch of 2 x 2000 tokens; expected at least 1 x 1, and at most 32 tokens a "
                   "row, the model's positions");
    batch = sound;
    batch.input_ids = far;
    struct cloze_error error;
    struct cloze_trainer *trainer = open_trainer("run");
    assert_false(cloze_trainer_step(trainer, &batch, 1e-3, NULL, &error));
    assert_memory_equal(error.message, "input_ids, row 1, column 1: 999999; expected 0 to ", 50);
    assert_true(cloze_trainer_step(trainer, &sound, 1e-3, NULL, &error)); /* it goes on */
    cloze_trainer_close(trainer);
}

static void a_directory_that_exists_is_not_replaced(void **state)
{
    (void)state;
    struct cloze_error error;
    struct cloze_trainer *trainer = open_trainer("run");
    assert_false(cloze_trainer_save(trainer, "run", &error));
    assert_true(error.bad_input);
    assert_string_equal(error.message, "run: exists already; expected a new directory");
    assert_false(cloze_trainer_save(trainer, "absent/model", &error));
    assert_non_null(strstr(error.message, "absent/model"));
    assert_true(cloze_trainer_save(trainer, "new//", &error));
    SUCCEED("info", "new");
    cloze_trainer_close(trainer);
}

static void longer_batches_make_the_trained_length(void **state)
{
    (void)state;
    enum { LENGTH = 48 };
    int64_t ids[LENGTH], labels[LENGTH];
    struct cloze_error error;
    for (int i = 0; i < LENGTH; i++) {
        ids[i] = 5 + i % 7;
        labels[i] = i % 5 ? -100 : 6;
    }
    SUCCEED("train", "run.yaml", "--set", "output=roomy", "--set",
            "model.max_position_embeddings=64");
    struct cloze_trainer *trainer = open_trainer("roomy");
    const struct cloze_batch batch = {
        .rows = 1, .length = LENGTH, .input_ids = ids, .labels = labels};
    assert_true(cloze_trainer_step(trainer, &batch, 1e-3, NULL, &error));
    assert_true(cloze_trainer_save(trainer, "long", &error));
    cloze_trainer_close(trainer);
    struct cloze_model *model = cloze_open("long", &error);
    assert_non_null(model);
    assert_int_equal(cloze_trained_length(model), LENGTH);
    cloze_close(model);
}

static void trainers_may_step_in_a_parallel_region(void **state)
{
    (void)state;
    enum { ROWS = 4, LENGTH = 32 };
    int64_t ids[ROWS * LENGTH], labels[ROWS * LENGTH];
    for (int i = 0; i < ROWS * LENGTH; i++) {
        ids[i] = 5 + i % 7;
        labels[i] = i % 5 ? -100 : 6;
    }
    const struct cloze_batch batch = {
        .rows = ROWS, .length = LENGTH, .input_ids = ids, .labels = labels};
    struct cloze_trainer *trainers[2] = {open_trainer("run"), open_trainer("run")};
    struct cloze_losses losses[2];
    struct cloze_error errors[2];
    bool done[2];
#pragma omp parallel for num_threads(2)
    for (int i = 0; i < 2; i++)
        done[i] = cloze_trainer_step(trainers[i], &batch, 1e-3, &losses[i], &errors[i]);
    assert_true(done[0] && done[1] && losses[0].loss == losses[1].loss);
    cloze_trainer_close(trainers[0]);
    cloze_trainer_close(trainers[1]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(steps_are_those_of_the_program),
        TEST(batches_of_any_shape_follow_each_other),
        TEST(heads_that_are_absent_are_drawn),
        TEST(adam_out_of_range_is_refused),
        TEST(a_bad_batch_is_refused),
        TEST(a_directory_that_exists_is_not_replaced),
        TEST(longer_batches_make_the_trained_length),
        TEST(trainers_may_step_in_a_parallel_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
