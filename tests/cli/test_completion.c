/* What the program says can come next on a command line; completion.sh has the shells. */

#include "base/directory.h"
#include "support/program.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* In the scratch directory, which becomes the working directory. */
static int set_up(void **state)
{
    int status = scratch_set_up(state);
    return status || chdir(((struct scratch *)*state)->directory);
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

/* Asserts on the kind of completion and the words that are offered, each followed by a space. */
static void expect(const char *expected, const char *const *arguments)
{
    struct program_result result = run_cloze(arguments);
    char offered[8192] = "";
    size_t size = 0;
    for (const char *line = result.out; *line; line += strcspn(line, "\n") + 1)
        size += (size_t)snprintf(offered + size, sizeof offered - size, "%.*s ",
                                 (int)strcspn(line, "\t\n"), line);
    if (result.status || *result.err || strcmp(offered, expected) != 0)
        fail_msg("status %d, %soffered \"%s\", expected \"%s\"", result.status, result.err, offered,
                 expected);
    program_result_free(&result);
}
#define EXPECT(expected, ...)                                                                      \
    expect(expected, (const char *const[]){"--complete", __VA_ARGS__, NULL})

static void commands_and_options(void **state)
{
    (void)state;
    EXPECT("words train ", "tr");
    EXPECT("words train tokenize ", "help", "t");
    EXPECT("words --help --version --manual ", "-");
    EXPECT("words --top --json --help ", "fill", "--");
    EXPECT("words --top ", "fill", "--to");
    EXPECT("words ", "fill", "--nonsense");
    EXPECT("", "nonsense", "");
    EXPECT("", "fill", "--nonsense=");
    const char *const nothing[] = {"--complete", NULL};
    expect("", nothing);
}

static void an_option_is_offered_once(void **state)
{
    (void)state;
    EXPECT("words --top --help ", "fill", "--json", "--");
    EXPECT("words --json --help ", "fill", "--top=3", "m", "--");
    EXPECT("words --set --dry-run --help ", "train", "--set", "seed=1", "--resume", "--");
}

static void a_meaning_follows_a_tab(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("--complete", "train", "--res");
    assert_string_equal(result.out, "words\n--resume\tcontinue from the latest checkpoint\n");
    program_result_free(&result);
}

static void operands_by_the_usage_line(void **state)
{
    (void)state;
    EXPECT("files ", "train", "");
    EXPECT("files ", "train", "--resume", "r");
    EXPECT("files ", "tokenize", "--ids", "");
    EXPECT("directories ", "export", "model", "");
    EXPECT("", "fill", "model", "");
    /* After the last operand come options. */
    EXPECT("words --top --json --help ", "fill", "model", "text", "");
    EXPECT("words --steps --output --set --help ", "batches", "run.yaml", "");
    EXPECT("", "fill", "model", "text", "x");
    /* The last one may be repeated. */
    EXPECT("files ", "predict", "model", "a", "b", "");
    EXPECT("files ", "init", "a", "--hours", "8", "b", "");
}

static void the_value_of_an_option(void **state)
{
    (void)state;
    EXPECT("words mean cls pooler ", "embed", "m", "--pooling", "");
    EXPECT("words cls ", "embed", "m", "--pooling", "c");
    EXPECT("words --pooling=cls ", "embed", "m", "--pooling=c");
    EXPECT("files ", "embed", "m", "--output", "");
    EXPECT("files ", "embed", "m", "--output=a");
    EXPECT("", "fill", "m", "text", "--top", "");
    EXPECT("", "fill", "--json=");
    /* A list goes on; then come operands. */
    EXPECT("files ", "eval", "m", "--data", "a", "b", "");
    EXPECT("words --sentences --seq-len --seed ", "eval", "m", "--data", "a", "--se");
    EXPECT("words ", "eval", "m", "--data", "a", "--data");
    EXPECT("files ", "vocab", "--input=a", "");
    EXPECT("files ", "train", "--set", "seed=1", "");
}

static void after_two_dashes_come_operands(void **state)
{
    (void)state;
    EXPECT("files ", "train", "--", "");
    EXPECT("files ", "train", "--", "--re");
    EXPECT("", "train", "--", "run.yaml", "");
    EXPECT("", "train", "--", "run.yaml", "--re");
    EXPECT("", "fill", "--", "m", "");
}

static void keys_and_their_values(void **state)
{
    (void)state;
    EXPECT("words train.schedule= ", "train", "r", "--set", "train.sch");
    EXPECT("words --set=train.schedule= ", "train", "r", "--set=train.sch");
    EXPECT("words train.schedule=linear train.schedule=cosine train.schedule=constant ", "train",
           "r", "--set", "train.schedule=");
    EXPECT("words --set=train.schedule=linear ", "train", "r", "--set=train.schedule=l");
    EXPECT("words data.nsp=false data.nsp=true ", "batches", "r", "--set", "data.nsp=");
    EXPECT("words ", "train", "r", "--set", "train.steps=");
    EXPECT("files ", "train", "r", "--set", "tokenizer.vocab=");
    EXPECT("files ", "train", "r", "--set", "data.train=corpus/");
    EXPECT("", "train", "r", "--set", "nonsense=");
}

static void keys_are_those_of_the_command(void **state)
{
    (void)state;
    EXPECT("words ", "train", "r", "--set", "task.k");
    EXPECT("words task.kind= ", "finetune", "r", "--set", "task.k");
    EXPECT("words ", "finetune", "r", "--set", "data.n");
    EXPECT("words data.nsp= ", "config", "r", "--set", "data.n");
    EXPECT("words task.kind= ", "config", "r", "--set", "task.k");
    EXPECT("words seed= ", "config", "r", "--set", "seed");
    EXPECT("words task.kind=tokens ", "config", "r", "--set", "task.kind=t");
}

static void make(const char *directory)
{
    struct error error = {0};
    if (!directory_make(directory, &error))
        fail_msg("%s", error.message);
}

static void directories_that_lead_to_models(void **state)
{
    struct scratch *scratch = *state;
    make("corpus/de");
    make("runs/mine/checkpoints/step-00000001");
    make("runs/notes");
    make("deep/down/there/run/checkpoints");
    make("work/runs/one/checkpoints");
    make(".hidden/checkpoints");
    make("model");
    scratch_write_text(scratch, "model/config.json", "{}");
    scratch_write_text(scratch, "runs/mine/checkpoints/step-00000001/config.json", "{}");
    scratch_write_text(scratch, "runs/a.txt", "");
    EXPECT("directories model runs work ", "fill", "");
    EXPECT("directories .hidden ", "fill", ".h");
    EXPECT("directories runs ", "fill", "r");
    EXPECT("directories runs/mine ", "fill", "runs/");
    EXPECT("directories runs/mine/checkpoints ", "info", "runs/mine/");
    EXPECT("directories runs/mine ", "report", "runs/mine", "runs/m");
    EXPECT("directories ", "fill", "corpus/");
    EXPECT("directories ", "fill", "nowhere/");
    char path[160], expected[200];
    snprintf(path, sizeof path, "%s/mod", scratch->directory);
    snprintf(expected, sizeof expected, "directories %sel ", path);
    EXPECT(expected, "nsp", path);
}

/* Where there are too many directories to look into, none is left out. */
static void many_directories(void **state)
{
    (void)state;
    char path[64];
    for (int i = 0; i < 2100; i++) {
        snprintf(path, sizeof path, "many/%04d/data", i);
        make(path);
    }
    make("some/checkpoints");
    make("void");
    EXPECT("directories many some void ", "fill", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_and_options),
        cmocka_unit_test(an_option_is_offered_once),
        cmocka_unit_test(a_meaning_follows_a_tab),
        cmocka_unit_test(operands_by_the_usage_line),
        cmocka_unit_test(the_value_of_an_option),
        cmocka_unit_test(after_two_dashes_come_operands),
        cmocka_unit_test(keys_and_their_values),
        cmocka_unit_test(keys_are_those_of_the_command),
        cmocka_unit_test_setup_teardown(directories_that_lead_to_models, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_directories, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
