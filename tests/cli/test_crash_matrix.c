/* Whatever moment train, prepare and vocab are killed in, and whichever system call fails: what is
 * on the disk is whole, and continued it ends as if nothing had happened.
 *
 * CLOZE_CRASH_MATRIX=full in the environment tries every point, else only some are tried. */

#include "base/directory.h"
#include "support/contents.h"
#include "support/faults.h"
#include "support/program.h"
#include "support/sample_text.h"

#include "base/file.h"
#include "base/machine.h"
#include "base/random.h"
#include "checkpoint/checkpoint.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] =
    "seed: 5\n"
    "output: run\n"
    "model: {size: tiny, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1,\n"
    "        num_attention_heads: 2, max_position_embeddings: 16}\n"
    "tokenizer: {vocab_size: 100}\n"
    "data: {train: [text.txt], sentences: line, seq_len: 16, valid_fraction: 0}\n"
    "train: {steps: %d, batch_size: 2, learning_rate: 1e-3, log_every: 1, save_every: 1,\n"
    "        keep_checkpoints: 2, threads: 1}\n";

static bool full_matrix(void)
{
    const char *setting = getenv("CLOZE_CRASH_MATRIX");
    return setting && strcmp(setting, "full") == 0;
}

/* Of so many points one is tried. Prime to what repeats in a save. */
static int stride(void)
{
    return full_matrix() ? 1 : TEST_SANITIZED ? 37 : 23;
}

/* Of a run: enough for a failure in each save at one call after another. */
static int steps(void)
{
    return full_matrix() ? 300 : 60;
}

struct matrix {
    struct scratch *scratch;
    char config[256];
    char whole[256], run[256], checkpoints[256]; /* directories */
    char whole_setting[300], run_setting[300];   /* output=... */
};

static int set_up(void **state)
{
    struct matrix *matrix = calloc(1, sizeof *matrix);
    void *scratch;
    if (!matrix || scratch_set_up(&scratch) != 0)
        return -1;
    *state = matrix;
    matrix->scratch = scratch;
    const char *directory = matrix->scratch->directory;
    sample_text_write(matrix->scratch, "text.txt", 60);
    char config[sizeof config_text + 20];
    snprintf(config, sizeof config, config_text, steps());
    scratch_write_text(matrix->scratch, "config.yaml", config);
    snprintf(matrix->config, sizeof matrix->config, "%s/config.yaml", directory);
    snprintf(matrix->whole, sizeof matrix->whole, "%s/whole", directory);
    snprintf(matrix->run, sizeof matrix->run, "%s/run", directory);
    snprintf(matrix->checkpoints, sizeof matrix->checkpoints, "%s/run/checkpoints", directory);
    snprintf(matrix->whole_setting, sizeof matrix->whole_setting, "output=%s/whole", directory);
    snprintf(matrix->run_setting, sizeof matrix->run_setting, "output=%s/run", directory);
    return 0;
}

static int tear_down(void **state)
{
    struct matrix *matrix = *state;
    void *scratch = matrix->scratch;
    free(matrix);
    return scratch_tear_down(&scratch);
}

/* ---- what is on the disk ---- */

/* In both directories. */
static void assert_same_file(const char *a, const char *b, const char *name)
{
    struct error error = {0};
    char *first = path_join(a, name, &error), *second = path_join(b, name, &error);
    assert_same_contents(first, second);
    free(first);
    free(second);
}

/* The checkpoint has the numbers that the undisturbed run had at that step. */
static void assert_same_checkpoint(const struct matrix *matrix, const char *directory)
{
    char whole[400];
    const char *step = strstr(directory, "step-");
    assert_non_null(step);
    snprintf(whole, sizeof whole, "%s/checkpoints/%.13s", matrix->whole, step);
    assert_same_file(directory, whole, "model.safetensors");
    assert_same_file(directory, whole, "optimizer.safetensors");
}

/* The newest checkpoint is intact and right; its step, -1 if there is none yet. */
static int64_t check_latest(const struct matrix *matrix)
{
    struct error error = {0};
    char *directory, *warnings = NULL;
    size_t size;
    struct log log = {.stream = open_memstream(&warnings, &size)};
    bool found = checkpoint_find_latest(matrix->run, &directory, &log, &error);
    fclose(log.stream);
    assert_string_equal(warnings, "");
    assert_string_equal(error.message, "");
    assert_true(found);
    free(warnings);
    if (!directory)
        return -1;
    assert_same_checkpoint(matrix, directory);
    int64_t step = strtoll(strstr(directory, "step-") + 5, NULL, 10);
    free(directory);
    return step;
}

static void assert_end_is_the_same(const struct matrix *matrix)
{
    assert_int_equal(check_latest(matrix), steps());
}

static void remove_directory(const char *path)
{
    struct error error = {0};
    if (!directory_remove(path, &error))
        fail_msg("%s", error.message);
}

static void assert_done(struct program_result result)
{
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    program_result_free(&result);
}

/* Every checkpoint of an undisturbed run. */
static void train_whole(const struct matrix *matrix)
{
    assert_done(RUN_CLOZE("train", matrix->config, "--set", matrix->whole_setting, "--set",
                          "train.keep_checkpoints=0"));
}

/* ---- train, killed at the calls of a save ---- */

/* The calls of one save after another: each begins by making the directory of checkpoints. */
struct rounds {
    const struct matrix *matrix;
    int round, number; /* of the save, of the call in it; from 1 */
};

static bool count_call(struct rounds *rounds, const struct fault_call *call)
{
    bool begins =
        strcmp(call->name, "mkdir") == 0 && strcmp(call->path, rounds->matrix->checkpoints) == 0;
    if (begins) {
        rounds->round++;
        rounds->number = 0;
    }
    rounds->number++;
    return begins;
}

struct kill_plan {
    struct rounds rounds;
    int at; /* call of the first save */
};

static struct fault kill_in_first_save(void *context, const struct fault_call *call)
{
    struct kill_plan *plan = context;
    count_call(&plan->rounds, call);
    bool now = plan->rounds.round == 1 && plan->rounds.number == plan->at;
    return (struct fault){now ? FAULT_KILL : FAULT_NONE, 0};
}

static void train_killed_at_any_call_of_a_save_goes_on_the_same(void **state)
{
    struct matrix *matrix = *state;
    const char *const arguments[] = {"train", matrix->config,      "--resume",
                                     "--set", matrix->run_setting, NULL};
    int kills = 0;
    int64_t step = -1;
    train_whole(matrix);
    for (int at = 1;; at += stride()) {
        struct kill_plan plan = {{matrix, 0, 0}, at};
        struct program_result result =
            run_cloze_with_faults(arguments, matrix->checkpoints, kill_in_first_save, &plan);
        if (result.status != 128 + SIGKILL) {
            assert_done(result); /* a save has fewer calls */
            break;
        }
        program_result_free(&result);
        kills++;
        int64_t latest = check_latest(matrix);
        assert_true(latest >= step && latest <= step + 1);
        step = latest;
    }
    assert_end_is_the_same(matrix);
    print_message("train killed at %d calls of its saves\n", kills);
    assert_true(kills >= 120 / stride());
}

/* ---- train, failing at the calls of its saves ---- */

struct failure_plan {
    struct rounds rounds;
    int error;
    int failures, losses;
    bool failed;  /* in the save at hand */
    int64_t last; /* the newest checkpoint before it */
    int longest;  /* calls of a save */
};

/* One call of every save fails, a later one in every later save. */
static struct fault fail_in_each_save(void *context, const struct fault_call *call)
{
    struct failure_plan *plan = context;
    struct rounds *rounds = &plan->rounds;
    if (count_call(rounds, call) && rounds->round > 1) {
        int64_t latest = check_latest(rounds->matrix);
        assert_true(latest == rounds->round - 2 || (plan->failed && latest == plan->last));
        plan->losses += latest == plan->last;
        plan->last = latest;
        plan->failed = false;
    }
    if (rounds->number > plan->longest)
        plan->longest = rounds->number;
    if (rounds->round < 2 || !call->fails || rounds->number != 1 + (rounds->round - 2) * stride())
        return (struct fault){FAULT_NONE, 0};
    plan->failures++;
    plan->failed = true;
    return (struct fault){FAULT_ERROR, plan->error};
}

static int count_text(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

static void train_survives_the_failure_of_any_call_of_a_save(void **state)
{
    struct matrix *matrix = *state;
    static const int errors[] = {ENOSPC, EIO, EINTR};
    const char *const arguments[] = {"train", matrix->config, "--set", matrix->run_setting, NULL};
    int failures = 0, losses = 0;
    train_whole(matrix);
    for (int i = 0; i < 3; i++) {
        struct failure_plan plan = {.rounds = {matrix, 0, 0}, .error = errors[i], .last = -1};
        struct program_result result =
            run_cloze_with_faults(arguments, matrix->checkpoints, fail_in_each_save, &plan);
        assert_int_equal(result.status, 0);
        assert_true(plan.longest < steps() * stride());
        assert_end_is_the_same(matrix);
        /* Each loss has been told, each warning names a file of the run. */
        assert_true(count_text(result.err, "and the next save will try again") >= plan.losses);
        assert_int_equal(count_text(result.err, "\nwarning: checkpoint of step "),
                         count_text(result.err, "and the next save will try again"));
        /* What was said before the table is of the text and the settings. */
        const char *line = strstr(result.err, "MLM loss  accuracy");
        assert_non_null(line);
        for (; (line = strstr(line, "\nwarning: ")); line++)
            assert_true(strstr(line, matrix->run) < strchr(line + 1, '\n'));
        program_result_free(&result);
        remove_directory(matrix->run);
        failures += plan.failures;
        losses += plan.losses;
    }
    print_message("train met %d failing calls in its saves (ENOSPC, EIO, EINTR): %d saves were "
                  "lost, no checkpoint, no step\n",
                  failures, losses);
    assert_true(failures >= 3 * 80 / stride());
}

static struct fault halve(void *context, const struct fault_call *call)
{
    int *count = context;
    if (call->size < 2)
        return (struct fault){FAULT_NONE, 0};
    ++*count;
    return (struct fault){FAULT_SHORT, 0};
}

static void reads_and_writes_may_be_cut_short_anywhere(void **state)
{
    struct matrix *matrix = *state;
    int count = 0;
    train_whole(matrix);
    static const char *const lengths[] = {"train.steps=5", "train.steps=10"};
    for (int i = 0; i < 2; i++) {
        const char *const arguments[] = {"train",
                                         matrix->config,
                                         "--resume",
                                         "--set",
                                         matrix->run_setting,
                                         "--set",
                                         "train.schedule=constant",
                                         "--set",
                                         lengths[i],
                                         NULL};
        assert_done(run_cloze_with_faults(arguments, matrix->run, halve, &count));
    }
    remove_directory(matrix->whole);
    assert_done(RUN_CLOZE("train", matrix->config, "--set", matrix->whole_setting, "--set",
                          "train.schedule=constant", "--set", "train.steps=10"));
    assert_int_equal(check_latest(matrix), 10);
    print_message("train had %d reads and writes cut short\n", count);
    assert_true(count > 500);
}

/* ---- failures that end a run, and failures of records ---- */

struct disk_plan {
    const char *part; /* of the path: whose writes fail */
    int first, last;  /* of these writes, from 1 */
    int writes;
};

static struct fault fail_writes(void *context, const struct fault_call *call)
{
    struct disk_plan *plan = context;
    if (strcmp(call->name, "write") != 0 || !strstr(call->path, plan->part))
        return (struct fault){FAULT_NONE, 0};
    plan->writes++;
    bool now = plan->writes >= plan->first && plan->writes <= plan->last;
    return (struct fault){now ? FAULT_ERROR : FAULT_NONE, ENOSPC};
}

static struct program_result train_on_full_disk(const struct matrix *matrix, const char *steps,
                                                struct disk_plan plan)
{
    const char *const arguments[] = {"train",
                                     matrix->config,
                                     "--resume",
                                     "--set",
                                     matrix->run_setting,
                                     "--set",
                                     "train.schedule=constant",
                                     "--set",
                                     steps,
                                     NULL};
    return run_cloze_with_faults(arguments, matrix->run, fail_writes, &plan);
}

static void a_last_save_that_fails_says_what_is_kept(void **state)
{
    struct matrix *matrix = *state;
    struct program_result result = train_on_full_disk(
        matrix, "train.steps=4", (struct disk_plan){"step-00000004.partial/model.", 1, 100, 0});
    assert_int_equal(result.status, 1);
    if (!strstr(result.err, "model.safetensors: cannot write: No space left on device; the "
                            "checkpoint of step 3 is kept"))
        fail_msg("%s", result.err);
    program_result_free(&result);
    result = train_on_full_disk(matrix, "train.steps=4", (struct disk_plan){"no file", 1, 1, 0});
    assert_non_null(strstr(result.err, "resuming after step 3 from\n"));
    assert_done(result);
}

static void a_save_that_fails_is_not_counted_as_saved(void **state)
{
    struct matrix *matrix = *state;
    struct program_result result = train_on_full_disk(
        matrix, "train.steps=4", (struct disk_plan){"step-00000002.partial/model.", 1, 100, 0});
    if (!strstr(result.err, "\nsaved 2 checkpoints in the background; training paused ") ||
        !strstr(result.err, "\n1 checkpoint could not be saved\n"))
        fail_msg("%s", result.err);
    assert_done(result);
}

static void a_first_save_that_fails_ends_the_run_before_it_began(void **state)
{
    struct matrix *matrix = *state;
    struct program_result result = train_on_full_disk(
        matrix, "train.steps=4", (struct disk_plan){"step-00000000.partial/model.", 1, 100, 0});
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "checkpoint of step 0: "));
    assert_null(strstr(result.err, "kept"));
    program_result_free(&result);
}

static void records_that_cannot_be_written_do_not_end_training(void **state)
{
    struct matrix *matrix = *state;
    static const char *const files[] = {"metrics.jsonl", "events.out"};
    for (int i = 0; i < 2; i++) {
        struct program_result result =
            train_on_full_disk(matrix, "train.steps=9", (struct disk_plan){files[i], 4, 6, 0});
        if (!strstr(result.err, ": cannot write: No space left on device; training continues "
                                "without writing metrics\n") ||
            !strstr(result.err, "writing metrics again; 3 records were lost\n"))
            fail_msg("%s", result.err);
        assert_done(result);
        struct error error = {0};
        char *path = path_join(matrix->run, "metrics.jsonl", &error);
        struct buffer metrics = contents_of(path);
        assert_int_equal(count_text(metrics.data, "{\"step\": "), i ? 9 : 6);
        assert_int_equal(count_text(metrics.data, "}\n"), i ? 9 : 6);
        buffer_free(&metrics);
        free(path);
        remove_directory(matrix->run);
    }
}

/* ---- train, killed at any time ---- */

/* Runs train and kills it after so long; whether it came to its end before that. */
static bool train_for(const struct matrix *matrix, double seconds)
{
    pid_t process = start_cloze((const char *const[]){"train", matrix->config, "--resume", "--set",
                                                      matrix->run_setting, NULL});
    usleep((useconds_t)(seconds * 1e6));
    kill(process, SIGKILL);
    int status = wait_cloze(process);
    assert_true(status == 0 || status == 128 + SIGKILL);
    return status == 0;
}

static void train_killed_at_any_time_goes_on_the_same(void **state)
{
    struct matrix *matrix = *state;
    const int wanted = full_matrix() ? 60 : 3;
    struct random random = random_begin(7, RANDOM_TEST, 0, 0);
    double begun = machine_seconds();
    train_whole(matrix);
    double whole = machine_seconds() - begun;
    int kills = 0, runs = 0;
    while (kills < wanted) {
        /* Short times hit the vocabulary and the data, long ones the training. */
        double seconds = whole * random_unit(&random) * random_unit(&random);
        if (!train_for(matrix, seconds)) {
            kills++;
            check_latest(matrix);
            continue;
        }
        assert_end_is_the_same(matrix);
        remove_directory(matrix->run);
        runs++;
    }
    assert_done(RUN_CLOZE("train", matrix->config, "--resume", "--set", matrix->run_setting));
    assert_end_is_the_same(matrix);
    print_message("train killed %d times at random in %d runs (seed 7)\n", kills, runs + 1);
}

/* ---- prepare and vocab ---- */

struct call_plan {
    int at;
    struct fault fault;
    bool met;
};

static struct fault break_call(void *context, const struct fault_call *call)
{
    struct call_plan *plan = context;
    if (call->number != plan->at)
        return (struct fault){FAULT_NONE, 0};
    plan->met = true;
    return plan->fault.kind == FAULT_ERROR && !call->fails ? (struct fault){FAULT_NONE, 0}
                                                           : plan->fault;
}

/* A command that writes files below `directory`, and the files. */
struct command_case {
    const char *const *arguments;
    const char *directory;
    const char *whole; /* the directory with what it writes undisturbed */
    const char *const *files;
};

/* Runs the command with this fault in one call, then undisturbed, and compares. False if there is
 * no such call. */
static bool break_command(const struct command_case *command, int at, struct fault fault)
{
    struct error error = {0};
    struct call_plan plan = {at, fault, false};
    remove_directory(command->directory);
    assert_true(directory_make(command->directory, &error));
    struct program_result result =
        run_cloze_with_faults(command->arguments, command->directory, break_call, &plan);
    if (fault.kind == FAULT_KILL && plan.met)
        assert_int_equal(result.status, 128 + SIGKILL);
    else if (result.status && !strstr(result.err, command->directory))
        fail_msg("call %d, error %d: \"%s\" does not name the file", at, fault.error, result.err);
    program_result_free(&result);
    assert_done(run_cloze(command->arguments));
    for (size_t i = 0; command->files[i]; i++)
        assert_same_file(command->directory, command->whole, command->files[i]);
    return plan.met;
}

/* Every call, or one of so many. */
static void break_every_call(const struct command_case *command, const char *name, int one_of)
{
    static const struct fault faults[] = {
        {FAULT_KILL, 0}, {FAULT_ERROR, ENOSPC}, {FAULT_ERROR, EIO}, {FAULT_ERROR, EINTR}};
    int counts[2] = {0, 0};
    for (int i = 0; i < 4; i++)
        for (int at = 1; break_command(command, at, faults[i]); at += full_matrix() ? 1 : one_of)
            counts[i > 0]++;
    print_message("%s killed at %d calls, %d made to fail\n", name, counts[0], counts[1]);
    assert_true(counts[0] >= 2);
}

static void vocab_leaves_the_whole_vocabulary_or_none(void **state)
{
    struct matrix *matrix = *state;
    char text[256], output[300], whole[300];
    snprintf(text, sizeof text, "%s/text.txt", matrix->scratch->directory);
    snprintf(output, sizeof output, "%s/vocab.txt", matrix->run);
    snprintf(whole, sizeof whole, "%s/vocab.txt", matrix->whole);
    struct error error = {0};
    assert_true(directory_make(matrix->whole, &error));
    assert_done(RUN_CLOZE("vocab", "--input", text, "--size", "100", "--output", whole));
    const char *const arguments[] = {"vocab", "--input",  text,   "--size",
                                     "100",   "--output", output, NULL};
    const struct command_case command = {arguments, matrix->run, matrix->whole,
                                         (const char *const[]){"vocab.txt", NULL}};
    break_every_call(&command, "vocab", 5);
}

static void prepare_leaves_what_it_can_continue_from(void **state)
{
    struct matrix *matrix = *state;
    char text[256], vocab[256];
    snprintf(text, sizeof text, "%s/text.txt", matrix->scratch->directory);
    snprintf(vocab, sizeof vocab, "%s/vocab.txt", matrix->scratch->directory);
    assert_done(RUN_CLOZE("vocab", "--input", text, "--size", "100", "--output", vocab));
    assert_done(RUN_CLOZE("prepare", "--input", text, "--vocab", vocab, "--valid-fraction", "0.5",
                          "--output", matrix->whole));
    const char *const arguments[] = {"prepare", "--input",  text,        "--vocab",
                                     vocab,     "--output", matrix->run, "--valid-fraction",
                                     "0.5",     NULL};
    const struct command_case command = {
        arguments, matrix->run, matrix->whole,
        (const char *const[]){"train-00000.shard", "valid-00000.shard", NULL}};
    break_every_call(&command, "prepare", 17);
}

static struct fault break_listing(void *context, const struct fault_call *call)
{
    bool *met = context;
    if (*met || strcmp(call->name, "getdents64") != 0)
        return (struct fault){FAULT_NONE, 0};
    *met = true;
    return (struct fault){FAULT_ERROR, EIO};
}

/* Old shards would be mixed with new ones. Without a manifest it is unknown whether they are shards
 * at all. */
static void prepare_stops_where_old_shards_cannot_be_listed(void **state)
{
    struct matrix *matrix = *state;
    char text[256], vocab[256], manifest[300];
    snprintf(text, sizeof text, "%s/text.txt", matrix->scratch->directory);
    snprintf(vocab, sizeof vocab, "%s/vocab.txt", matrix->scratch->directory);
    snprintf(manifest, sizeof manifest, "%s/manifest.json", matrix->run);
    assert_done(RUN_CLOZE("vocab", "--input", text, "--size", "100", "--output", vocab));
    const char *const arguments[] = {"prepare", "--input",  text,        "--vocab",
                                     vocab,     "--output", matrix->run, NULL};
    for (int i = 0; i < 2; i++) {
        bool met = false;
        assert_done(RUN_CLOZE("prepare", "--input", text, "--vocab", vocab, "--valid-fraction",
                              "0.5", "--output", matrix->run));
        assert_true(i == 0 || unlink(manifest) == 0);
        struct program_result result =
            run_cloze_with_faults(arguments, matrix->run, break_listing, &met);
        assert_true(met);
        assert_int_equal(result.status, 1);
        if (!strstr(result.err, "/run: cannot read the directory: Input/output error"))
            fail_msg("%s", result.err);
        program_result_free(&result);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(train_killed_at_any_call_of_a_save_goes_on_the_same),
        TEST(train_survives_the_failure_of_any_call_of_a_save),
        TEST(reads_and_writes_may_be_cut_short_anywhere),
        TEST(a_last_save_that_fails_says_what_is_kept),
        TEST(a_save_that_fails_is_not_counted_as_saved),
        TEST(a_first_save_that_fails_ends_the_run_before_it_began),
        TEST(records_that_cannot_be_written_do_not_end_training),
        TEST(train_killed_at_any_time_goes_on_the_same),
        TEST(vocab_leaves_the_whole_vocabulary_or_none),
        TEST(prepare_leaves_what_it_can_continue_from),
        TEST(prepare_stops_where_old_shards_cannot_be_listed),
    };
    /* In memory, where there is such a place: waiting for a disk would take most of the time. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
