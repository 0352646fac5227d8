#include "base/directory.h"
#include "checkpoint/checkpoint.h"

#include "base/file.h"
#include "support/full_disk.h"
#include "support/training_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The steps in the run directory as "0 1 2 ". */
static void assert_steps(struct training *training, const char *expected)
{
    struct error error = {0};
    int64_t *steps;
    size_t count;
    char text[256] = "";
    assert_true(checkpoint_list(training->scratch->directory, &steps, &count, &error));
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%lld ", (long long)steps[i]);
    free(steps);
    assert_string_equal(text, expected);
}

static void overwrite_byte(const char *path, long offset)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
    fputc(byte ^ 1, file);
    assert_int_equal(fclose(file), 0);
}

/* ---- saving and loading ---- */

static void test_what_is_loaded_is_what_was_saved(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    training_save(training, 7, 0);

    struct model *model = training_model(12);
    size_t size = model->table.total * sizeof(real);
    real *first = training_block(&model->table, 8), *second = training_block(&model->table, 9);
    struct checkpoint_model numbers = {.config = &model->config,
                                       .table = &model->table,
                                       .values = model->parameters.values,
                                       .first_moment = first,
                                       .second_moment = second};
    struct training_state loaded;
    assert_true(
        checkpoint_load(training_path(training, "step-00000007"), &numbers, &loaded, &error));
    assert_memory_equal(model->parameters.values, training->model->parameters.values, size);
    assert_memory_equal(first, training->first_moment, size);
    assert_memory_equal(second, training->second_moment, size);
    assert_int_equal(loaded.step, 7);
    assert_string_equal(loaded.config, training_config);
    training_state_free(&loaded);
    free(first);
    free(second);
    model_free(model);
}

static void test_the_optimizer_can_be_left_out(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    training_save(training, 7, 0);
    assert_int_equal(unlink(training_path(training, "step-00000007/optimizer.safetensors")), 0);
    struct checkpoint_model numbers = training->numbers;
    struct training_state loaded;
    assert_false(
        checkpoint_load(training_path(training, "step-00000007"), &numbers, &loaded, &error));
    assert_non_null(strstr(error.message, "optimizer.safetensors: cannot open"));
    assert_null(loaded.config);
    numbers.first_moment = numbers.second_moment = NULL;
    assert_true(
        checkpoint_load(training_path(training, "step-00000007"), &numbers, &loaded, &error));
    training_state_free(&loaded);
}

static void test_an_outer_momentum_is_a_third_block(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    const struct parameter_table *table = &training->model->table;
    const size_t size = table->total * sizeof(real);
    real *momentum = training_block(table, 4);
    training->numbers.outer_momentum = momentum;
    training_save(training, 7, 0);

    real *before[] = {training_block(table, 2), training_block(table, 3), training_block(table, 4)};
    real *blocks[] = {training->first_moment, training->second_moment, momentum};
    struct training_state loaded;
    for (int i = 0; i < 3; i++)
        memset(blocks[i], 0, size);
    assert_true(checkpoint_load(training_path(training, "step-00000007"), &training->numbers,
                                &loaded, &error));
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(blocks[i], before[i], size);
        free(before[i]);
    }
    training_state_free(&loaded);
    free(momentum);
}

static void assert_tensors_are_refused(struct training *training, const char *checkpoint, int found,
                                       int expected, const char *blocks)
{
    struct error error = {0};
    struct training_state loaded;
    char message[128];
    snprintf(message, sizeof message,
             "optimizer.safetensors: holds %d tensors; expected %d, %s for each parameter", found,
             expected, blocks);
    assert_false(
        checkpoint_load(training_path(training, checkpoint), &training->numbers, &loaded, &error));
    assert_non_null(strstr(error.message, message));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_null(loaded.config);
}

/* Training that synchronizes after each step has none. */
static void test_an_outer_momentum_that_only_one_side_has_is_an_error(void **state)
{
    struct training *training = *state;
    const int parameters = training->model->table.count;
    real *momentum = training_block(&training->model->table, 4);
    training_save(training, 1, 0);
    training->numbers.outer_momentum = momentum;
    training_save(training, 2, 0);
    assert_tensors_are_refused(training, "step-00000001", 2 * parameters, 3 * parameters, "three");
    training->numbers.outer_momentum = NULL;
    assert_tensors_are_refused(training, "step-00000002", 3 * parameters, 2 * parameters, "two");
    free(momentum);
}

static void test_every_file_of_a_model_directory_is_there(void **state)
{
    static const char *const names[] = {
        "config.json",           "model.safetensors",     "vocab.txt",
        "tokenizer.json",        "tokenizer_config.json", "special_tokens_map.json",
        "optimizer.safetensors", "training_state.json"};
    struct training *training = *state;
    training_save(training, 1000, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[128];
        snprintf(name, sizeof name, "step-00001000/%s", names[i]);
        assert_true(path_exists(training_path(training, name)));
    }
}

static void test_latest_is_a_relative_link_to_the_last_save(void **state)
{
    struct training *training = *state;
    char target[64] = "";
    training_save(training, 0, 0);
    training_save(training, 123456789, 0);
    assert_true(readlink(training_path(training, "latest"), target, sizeof target - 1) > 0);
    assert_string_equal(target, "step-123456789");
    assert_latest(training, "step-123456789");
    assert_not_warned(training);
}

static void test_loading_into_another_shape_is_an_error(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    struct training_state loaded;
    training_save(training, 1, 0);
    struct model *model = training_model(16);
    struct checkpoint_model numbers = {
        .config = &model->config, .table = &model->table, .values = model->parameters.values};
    assert_false(
        checkpoint_load(training_path(training, "step-00000001"), &numbers, &loaded, &error));
    assert_non_null(strstr(error.message, "bert.embeddings.word_embeddings.weight"));
    assert_null(loaded.config);
    model_free(model);
}

/* The optimizer of one run beside the model of another. */
static void test_moments_of_another_shape_are_an_error(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    training_save(training, 1, 0);
    struct model *model = training_model(16);
    struct checkpoint_model other = {.config = &model->config,
                                     .table = &model->table,
                                     .values = model->parameters.values,
                                     .first_moment = model->parameters.values,
                                     .second_moment = model->parameters.values};
    struct training_state saved = training_state_at(2), loaded;
    assert_true(checkpoint_save(training->scratch->directory, &other, training->tokenizer, &saved,
                                (struct checkpoint_retention){0}, NULL, &error));
    char *from = checkpoint_path(training->scratch->directory, 1, &error);
    char *to = checkpoint_path(training->scratch->directory, 2, &error);
    char *old = path_join(from, "optimizer.safetensors", &error);
    char *new = path_join(to, "optimizer.safetensors", &error);
    assert_int_equal(rename(old, new), 0);
    assert_false(checkpoint_load(to, &other, &loaded, &error));
    assert_non_null(strstr(error.message, "optimizer.safetensors: "
                                          "\"exp_avg.bert.embeddings.word_embeddings.weight\" is "
                                          "F32 [40, 12]; expected F32 [40, 16]"));
    free(from);
    free(to);
    free(old);
    free(new);
    model_free(model);
}

/* ---- which checkpoints stay ---- */

static void test_the_newest_are_kept_and_step_0_always(void **state)
{
    struct training *training = *state;
    training_save(training, 0, 2);
    training_save(training, 10, 2);
    training_save(training, 20, 2);
    assert_steps(training, "0 10 20 ");
    training_save(training, 30, 2);
    assert_steps(training, "0 20 30 ");
    training_save(training, 40, 1);
    assert_steps(training, "0 40 ");
    training_save(training, 50, 0);
    training_save(training, 60, 0);
    assert_steps(training, "0 40 50 60 ");
    assert_not_warned(training);
}

static void test_a_link_to_a_checkpoint_stays(void **state)
{
    struct training *training = *state;
    char place[512], elsewhere[512];
    training_save(training, 1, 0);
    snprintf(place, sizeof place, "%s", training_path(training, "step-00000001"));
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", training->scratch->directory);
    assert_true(rename(place, elsewhere) == 0 && symlink(elsewhere, place) == 0);
    training_save(training, 2, 1);
    training_save(training, 3, 1);
    assert_true(path_is_taken(place));
    assert_not_warned(training);
}

static void test_later_steps_are_left_alone(void **state)
{
    struct training *training = *state;
    training_save(training, 10, 0);
    training_save(training, 20, 0);
    training_save(training, 90, 0);
    training_save(training, 30, 1);
    assert_steps(training, "30 90 ");
}

static void test_a_step_saved_again_is_replaced(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    struct training_state loaded;
    training_save(training, 10, 0);
    real *value = &training->model->parameters.values[5];
    *value = 123;
    training_save(training, 10, 0);
    *value = 0;
    assert_steps(training, "10 ");
    assert_true(checkpoint_load(training_path(training, "step-00000010"), &training->numbers,
                                &loaded, &error));
    assert_true(*value == 123);
    training_state_free(&loaded);
    assert_false(path_exists(training_path(training, ".step-00000010.partial")));
    assert_not_warned(training);
}

static void test_leftovers_of_a_crash_are_removed(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    training_save(training, 10, 0);
    assert_true(directory_make(training_path(training, ".step-00000020.partial/deeper"), &error));
    assert_true(directory_make(training_path(training, ".step-00000010.replaced"), &error));
    assert_true(directory_make(training_path(training, "step-5"), &error)); /* not ours */
    assert_latest(training, "step-00000010");
    training_save(training, 30, 0);
    assert_steps(training, "10 30 ");
    assert_false(path_exists(training_path(training, ".step-00000020.partial")));
    assert_false(path_exists(training_path(training, ".step-00000010.replaced")));
    assert_true(path_exists(training_path(training, "step-5")));
    assert_not_warned(training);
}

/* Between the two renames of a file system that cannot exchange directories. */
static void test_a_checkpoint_moved_aside_is_found_and_put_back(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    training_save(training, 10, 0);
    training_save(training, 20, 0);
    char *from = checkpoint_path(training->scratch->directory, 20, &error);
    assert_int_equal(rename(from, training_path(training, ".step-00000020.replaced")), 0);
    free(from);
    assert_latest(training, ".step-00000020.replaced");
    training_save(training, 30, 0);
    assert_steps(training, "10 20 30 ");
    assert_not_warned(training);
}

/* ---- damage ---- */

static void test_a_damaged_checkpoint_is_passed_over(void **state)
{
    struct training *training = *state;
    training_save(training, 10, 0);
    training_save(training, 20, 0);
    training_save(training, 30, 0);
    training_save(training, 40, 0);
    overwrite_byte(training_path(training, "step-00000040/model.safetensors"), -1);
    assert_int_equal(truncate(training_path(training, "step-00000030/optimizer.safetensors"), 100),
                     0);
    assert_int_equal(unlink(training_path(training, "step-00000020/vocab.txt")), 0);
    assert_latest(training, "step-00000010");
    assert_warned(training, "step-00000040 is damaged; skipping it: ");
    assert_warned(training, "step-00000040/model.safetensors: its checksum is ");
    assert_warned(training, "step-00000030/optimizer.safetensors: holds 100 bytes; expected ");
    assert_warned(training, "step-00000020/vocab.txt: cannot open: No such file or directory");
}

static void test_without_its_state_a_directory_is_no_checkpoint(void **state)
{
    struct training *training = *state;
    training_save(training, 10, 0);
    training_save(training, 20, 0);
    assert_int_equal(truncate(training_path(training, "step-00000020/training_state.json"), 30), 0);
    assert_latest(training, "step-00000010");
    assert_warned(training, "step-00000020/training_state.json:");
}

static void test_nothing_but_damage_is_an_error(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    char *directory;
    training_save(training, 10, 0);
    overwrite_byte(training_path(training, "step-00000010/config.json"), 3);
    assert_false(checkpoint_find_latest(training->scratch->directory, &directory, NULL, &error));
    assert_null(directory);
    assert_non_null(strstr(error.message, "checkpoints: none of 1 checkpoints is intact: "));
    assert_non_null(strstr(error.message, "step-00000010/config.json: its checksum is "));
}

static void test_a_run_without_checkpoints(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    assert_steps(training, "");
    assert_latest(training, NULL);
    assert_true(directory_make(training_path(training, ""), &error));
    assert_latest(training, NULL);
}

/* ---- failing ---- */

static void test_a_save_that_fails_leaves_the_last_one(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    training_save(training, 10, 0);
    struct stat model;
    assert_int_equal(stat(training_path(training, "step-00000010/model.safetensors"), &model), 0);

    struct training_state next = training_state_at(20);
    const struct full_disk disk = full_disk_begin((size_t)model.st_size - 10);
    bool saved =
        checkpoint_save(training->scratch->directory, &training->numbers, training->tokenizer,
                        &next, (struct checkpoint_retention){.newest = 1}, &training->log, &error);
    full_disk_end(&disk);

    assert_false(saved);
    assert_int_equal(error.kind, ERROR_WORK);
    assert_non_null(strstr(error.message, "checkpoint of step 20: "));
    assert_non_null(strstr(error.message, strerror(EFBIG)));
    assert_steps(training, "10 ");
    assert_latest(training, "step-00000010");
    assert_false(path_exists(training_path(training, ".step-00000020.partial")));
}

static void test_a_file_in_the_way_is_an_error(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    struct training_state next = training_state_at(1);
    scratch_write_text(training->scratch, "checkpoints", "no directory");
    assert_false(checkpoint_save(training->scratch->directory, &training->numbers,
                                 training->tokenizer, &next,
                                 (struct checkpoint_retention){.newest = 1}, NULL, &error));
    assert_non_null(strstr(error.message, "checkpoint of step 1: "));
    assert_non_null(strstr(error.message, "checkpoints: is not a directory"));
}

int main(void)
{
#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, training_set_up, training_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_loaded_is_what_was_saved),
        TEST(test_the_optimizer_can_be_left_out),
        TEST(test_an_outer_momentum_is_a_third_block),
        TEST(test_an_outer_momentum_that_only_one_side_has_is_an_error),
        TEST(test_every_file_of_a_model_directory_is_there),
        TEST(test_latest_is_a_relative_link_to_the_last_save),
        TEST(test_loading_into_another_shape_is_an_error),
        TEST(test_moments_of_another_shape_are_an_error),
        TEST(test_the_newest_are_kept_and_step_0_always),
        TEST(test_a_link_to_a_checkpoint_stays),
        TEST(test_later_steps_are_left_alone),
        TEST(test_a_step_saved_again_is_replaced),
        TEST(test_leftovers_of_a_crash_are_removed),
        TEST(test_a_checkpoint_moved_aside_is_found_and_put_back),
        TEST(test_a_damaged_checkpoint_is_passed_over),
        TEST(test_without_its_state_a_directory_is_no_checkpoint),
        TEST(test_nothing_but_damage_is_an_error),
        TEST(test_a_run_without_checkpoints),
        TEST(test_a_save_that_fails_leaves_the_last_one),
        TEST(test_a_file_in_the_way_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
