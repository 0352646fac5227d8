#include "base/directory.h"
#include "checkpoint/checkpoint_saver.h"

#include "support/full_disk.h"
#include "support/training_fixture.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct checkpoint_saver *open_saver(struct training *training, int64_t last_step)
{
    struct error error = {0};
    const struct checkpoint_saver_options options = {
        .run_directory = training->scratch->directory,
        .tokenizer = training->tokenizer,
        .retention = {.newest = 0},
        .last_step = last_step,
        .log = &training->log,
    };
    struct checkpoint_saver *saver = checkpoint_saver_open(&training->numbers, &options, &error);
    assert_string_equal(error.message, "");
    assert_non_null(saver);
    return saver;
}

static void start(struct checkpoint_saver *saver, int64_t step)
{
    struct training_state state = training_state_at(step);
    checkpoint_saver_start(saver, &state, 0, NULL, NULL);
}

static void assert_saved(struct checkpoint_saver *saver, int64_t step)
{
    struct error error = {0};
    assert_true(checkpoint_saver_wait(saver, &error));
    assert_string_equal(error.message, "");
    assert_int_equal(checkpoint_saver_counts(saver).last_step, step);
}

/* What training does to the model while it is being saved is not in the checkpoint. */
static void test_what_is_saved_is_the_model_as_it_was(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    size_t size = training->model->table.total * sizeof(real);
    real *momentum = training_block(&training->model->table, 4);
    training->numbers.outer_momentum = momentum;
    real *blocks[] = {training->numbers.values, training->first_moment, training->second_moment,
                      momentum};
    real *before[4];
    for (int i = 0; i < 4; i++) {
        before[i] = malloc(size);
        memcpy(before[i], blocks[i], size);
    }
    struct checkpoint_saver *saver = open_saver(training, -1);
    start(saver, 7);
    for (int i = 0; i < 4; i++)
        memset(blocks[i], 0, size);
    assert_saved(saver, 7);
    struct training_state loaded;
    assert_true(checkpoint_load(training_path(training, "step-00000007"), &training->numbers,
                                &loaded, &error));
    for (int i = 0; i < 4; i++) {
        assert_memory_equal(blocks[i], before[i], size);
        free(before[i]);
    }
    assert_int_equal(loaded.step, 7);
    assert_int_equal(loaded.tokens, 7000);
    training_state_free(&loaded);
    checkpoint_saver_close(saver);
    free(momentum);
    assert_not_warned(training);
}

/* Moments that other processes have. */
struct elsewhere {
    real *first_moment, *second_moment;
    size_t size;
    int filled;
};

static void fill(void *context, const struct checkpoint_model *snapshot)
{
    struct elsewhere *elsewhere = context;
    memcpy(snapshot->first_moment, elsewhere->first_moment, elsewhere->size);
    memcpy(snapshot->second_moment, elsewhere->second_moment, elsewhere->size);
    elsewhere->filled++;
}

static void test_moments_may_come_from_elsewhere(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    const struct parameter_table *table = &training->model->table;
    const struct training_state step_7 = training_state_at(7);
    struct elsewhere elsewhere = {training_block(table, 5), training_block(table, 6),
                                  table->total * sizeof(real), 0};
    real *values = training_block(table, 1), *own = training_block(table, 2);
    struct checkpoint_saver *saver = open_saver(training, -1);
    checkpoint_saver_start(saver, &step_7, 0, fill, &elsewhere);
    assert_int_equal(elsewhere.filled, 1); /* before training goes on */
    assert_saved(saver, 7);
    assert_int_equal(elsewhere.filled, 1);
    assert_memory_equal(training->first_moment, own, elsewhere.size); /* stay what they are */
    struct training_state loaded;
    memset(training->numbers.values, 0, elsewhere.size);
    assert_true(checkpoint_load(training_path(training, "step-00000007"), &training->numbers,
                                &loaded, &error));
    assert_memory_equal(training->numbers.values, values, elsewhere.size);
    assert_memory_equal(training->first_moment, elsewhere.first_moment, elsewhere.size);
    assert_memory_equal(training->second_moment, elsewhere.second_moment, elsewhere.size);
    training_state_free(&loaded);
    checkpoint_saver_close(saver);
    free(elsewhere.first_moment);
    free(elsewhere.second_moment);
    free(values);
    free(own);
    assert_not_warned(training);
}

static void test_every_save_that_is_started_is_written(void **state)
{
    struct training *training = *state;
    struct checkpoint_saver *saver = open_saver(training, -1);
    for (int step = 1; step <= 20; step++)
        start(saver, step);        /* waits for the one before */
    checkpoint_saver_close(saver); /* and this for the last */
    int64_t *steps;
    size_t count;
    struct error error = {0};
    assert_true(checkpoint_list(training->scratch->directory, &steps, &count, &error));
    assert_int_equal(count, 20);
    free(steps);
    assert_latest(training, "step-00000020");
    assert_not_warned(training);
}

static void test_nothing_under_way_is_no_wait(void **state)
{
    struct training *training = *state;
    struct checkpoint_saver *saver = open_saver(training, 3);
    assert_false(checkpoint_saver_busy(saver));
    assert_saved(saver, 3);
    assert_false(checkpoint_exists(training->scratch->directory));
    checkpoint_saver_close(saver);
    checkpoint_saver_close(NULL);
}

/* The size of files at which the model no longer fits, but what is written before it. */
static size_t short_of_a_model(struct training *training, const char *checkpoint)
{
    char name[128];
    struct stat model;
    snprintf(name, sizeof name, "%s/model.safetensors", checkpoint);
    assert_int_equal(stat(training_path(training, name), &model), 0);
    return (size_t)model.st_size - 10;
}

static void test_a_save_that_fails_is_a_warning_and_the_next_one_works(void **state)
{
    struct training *training = *state;
    struct checkpoint_saver *saver = open_saver(training, -1);
    start(saver, 1);
    assert_saved(saver, 1);
    const struct full_disk disk = full_disk_begin(short_of_a_model(training, "step-00000001"));
    start(saver, 2);
    while (checkpoint_saver_busy(saver))
        usleep(1000);
    full_disk_end(&disk);
    assert_warned(training, "warning: checkpoint of step 2: ");
    assert_warned(training, "model.safetensors: cannot write: File too large; training continues, "
                            "the checkpoint of step 1 is kept, and the next save will try again");
    assert_latest(training, "step-00000001");
    start(saver, 3);
    assert_saved(saver, 3);
    assert_latest(training, "step-00000003");
    assert_int_equal(checkpoint_saver_counts(saver).failed, 1);
    checkpoint_saver_close(saver);
}

static void test_who_waits_for_a_save_that_fails_gets_its_error(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    struct checkpoint_saver *saver = open_saver(training, -1);
    start(saver, 1);
    assert_saved(saver, 1);
    const struct full_disk disk = full_disk_begin(short_of_a_model(training, "step-00000001"));
    start(saver, 2);
    bool saved = checkpoint_saver_wait(saver, &error);
    full_disk_end(&disk);
    assert_false(saved);
    assert_non_null(strstr(error.message, strerror(EFBIG)));
    assert_int_equal(checkpoint_saver_counts(saver).last_step, 1);
    checkpoint_saver_close(saver);
    assert_not_warned(training);
}

/* Any of the four blocks, any kind of no number. */
static void test_what_is_not_finite_is_never_saved(void **state)
{
    struct training *training = *state;
    real *momentum = training_block(&training->model->table, 4);
    training->numbers.outer_momentum = momentum;
    real *blocks[] = {training->numbers.values, training->first_moment, training->second_moment,
                      momentum};
    static const char *const names[] = {"bert.", "exp_avg.bert.", "exp_avg_sq.bert.",
                                        "outer_momentum.bert."};
    const real values[] = {NAN, INFINITY, -INFINITY};
    size_t place = training->model->table.list[2].offset + 5;
    struct checkpoint_saver *saver = open_saver(training, -1);
    start(saver, 1);
    assert_saved(saver, 1);
    for (int i = 0; i < 12; i++) {
        struct error error = {0};
        char expected[128];
        real good = blocks[i % 4][place];
        snprintf(expected, sizeof expected, "checkpoint of step 2: %s", names[i % 4]);
        blocks[i % 4][place] = values[i / 4];
        start(saver, 2);
        assert_false(checkpoint_saver_wait(saver, &error));
        assert_memory_equal(error.message, expected, strlen(expected));
        assert_non_null(strstr(error.message, " at element 5; only finite numbers are saved"));
        blocks[i % 4][place] = good;
        assert_latest(training, "step-00000001");
    }
    start(saver, 2);
    assert_saved(saver, 2);
    checkpoint_saver_close(saver);
    free(momentum);
}

static void test_what_the_save_has_to_say_is_passed_on(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    struct checkpoint_saver *saver = open_saver(training, -1);
    assert_true(
        directory_make(training_path(training, "latest"), &error)); /* in the link's place */
    start(saver, 1);
    assert_saved(saver, 1);
    assert_warned(training, "latest: is not a link, and is left as it is\n");
    checkpoint_saver_close(saver);
}

static void hear(void *context, const char *warning)
{
    snprintf(context, 1000, "%s", warning);
}

static void test_warnings_of_a_save_are_heard(void **state)
{
    struct training *training = *state;
    char heard[1000] = "";
    log_listen(&training->log, hear, heard);
    struct checkpoint_saver *saver = open_saver(training, -1);
    start(saver, 1);
    assert_saved(saver, 1);
    assert_int_equal(unlink(training_path(training, "latest")), 0);
    scratch_write_text(training->scratch, "checkpoints/latest", "mine");
    start(saver, 2);
    assert_saved(saver, 2);
    checkpoint_saver_close(saver);
    assert_non_null(strstr(heard, "checkpoints/latest: is not a link"));
    assert_warned(training, "warning: ");
}

int main(void)
{
#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, training_set_up, training_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_saved_is_the_model_as_it_was),
        TEST(test_moments_may_come_from_elsewhere),
        TEST(test_every_save_that_is_started_is_written),
        TEST(test_nothing_under_way_is_no_wait),
        TEST(test_a_save_that_fails_is_a_warning_and_the_next_one_works),
        TEST(test_who_waits_for_a_save_that_fails_gets_its_error),
        TEST(test_what_is_not_finite_is_never_saved),
        TEST(test_what_the_save_has_to_say_is_passed_on),
        TEST(test_warnings_of_a_save_are_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
