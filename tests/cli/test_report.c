/* `cloze report`, and the fill-ins that a run keeps for it. */

#include "support/contents.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include "base/directory.h"
#include "base/file.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] =
    "output: run\n"
    "model: {hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1,\n"
    "        num_attention_heads: 2, max_position_embeddings: 32}\n"
    "tokenizer: {vocab_size: 300}\n"
    "data: {train: [text.txt], sentences: line, seq_len: 32, valid_fraction: 0.2}\n"
    "train: {steps: 8, batch_size: 8, warmup_steps: 1, learning_rate: 1e-2, threads: 1,\n"
    "        eval_every: 4, save_every: 4, log_every: 1, keep_best: false}\n";

static const char task_text[] =
    "output: task\n"
    "model: {init_from: run}\n"
    "task: {train: [task.tsv], valid: [task.tsv]}\n"
    "train: {steps: 4, batch_size: 4, threads: 1, log_every: 1, seeds: [2, 10]}\n";

/* What the first training has said. */
static char *said;

static int set_up(void **state)
{
    if (scratch_set_up(state))
        return -1;
    const struct scratch *scratch = *state;
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "config.yaml", config_text);
    scratch_write_text(*state, "task.yaml", task_text);
    scratch_write_text(*state, "task.tsv",
                       "text\tlabel\nthe king\ta\nthe queen\tb\nking\ta\nqueen\tb\nriver\ta\n");
    if (chdir(scratch->directory))
        return -1;
    struct program_result result = RUN_CLOZE("train", "config.yaml");
    said = strdup(result.err);
    const int status = result.status;
    program_result_free(&result);
    return status;
}

static int tear_down(void **state)
{
    free(said);
    return chdir("/") ? -1 : scratch_tear_down(state);
}

/* The document of the page report.html. */
static json_t *document_of_page(void)
{
    static const char start[] = "<script type=\"application/json\" id=\"data\">";
    struct buffer page = contents_of("report.html");
    const char *begin = strstr(page.data, start);
    assert_non_null(begin);
    begin += sizeof start - 1;
    json_t *document = json_loadb(begin, (size_t)(strstr(begin, "</script>") - begin), 0, NULL);
    assert_non_null(document);
    buffer_free(&page);
    return document;
}

static const json_t *run_of(const json_t *document, size_t index)
{
    return json_array_get(json_object_get(document, "runs"), index);
}

/* The value at "a/b/c". */
static const json_t *value_at(const json_t *value, const char *path)
{
    char copy[128], *state, *part;
    snprintf(copy, sizeof copy, "%s", path);
    for (part = strtok_r(copy, "/", &state); part; part = strtok_r(NULL, "/", &state))
        value = json_object_get(value, part);
    if (!value)
        fail_msg("%s is missing", path);
    return value;
}

static const char *text_at(const json_t *value, const char *path)
{
    const json_t *text = value_at(value, path);
    assert_true(json_is_string(text));
    return json_string_value(text);
}

/* ---- runs ---- */

/* The number after a text in what the training has said. */
static double said_after(const char *text)
{
    const char *found = strstr(said, text);
    assert_non_null(found);
    return atof(found + strlen(text));
}

static void a_run_is_described(void **state)
{
    (void)state;
    SUCCEED("report", "run");
    json_t *document = document_of_page();
    const json_t *run = run_of(document, 0), *steps = value_at(run, "records/train/step");
    assert_string_equal(text_at(run, "name"), "run");
    assert_string_equal(text_at(run, "config/train.steps"), "8");
    assert_string_equal(text_at(run, "config/tokenizer.vocab"), "");
    assert_null(json_object_get(run, "size")); /* although config.yaml has the default, tiny */
    assert_int_equal(json_array_size(steps), 8);
    assert_int_equal(json_integer_value(json_array_get(steps, 7)), 8);
    assert_int_equal(json_array_size(value_at(run, "records/eval/mlm_loss")), 2);
    assert_int_equal(json_integer_value(value_at(run, "state/step")), 8);
    assert_int_equal(json_integer_value(value_at(run, "architecture/hidden_size")), 32);
    assert_int_equal(json_object_size(value_at(run, "architecture")), 4); /* what the page shows */
    assert_int_equal(json_integer_value(value_at(run, "text/summary/documents")), 50);
    assert_int_equal(json_array_size(value_at(run, "text/files")), 1);
    json_decref(document);
}

/* A copy may lack the link, or have it in another form. */
static void a_checkpoint_needs_no_link(void **state)
{
    (void)state;
    assert_int_equal(unlink("run/checkpoints/latest"), 0);
    for (int damaged = 0; damaged < 2; damaged++) { /* half of a copy has a name, too */
        if (damaged)
            assert_int_equal(mkdir("run/checkpoints/step-00000009", 0777), 0);
        SUCCEED("report", "run");
        json_t *document = document_of_page();
        const json_t *run = run_of(document, 0);
        assert_int_equal(json_integer_value(value_at(run, "state/step")), 8);
        assert_int_equal(json_integer_value(value_at(run, "architecture/hidden_size")), 32);
        json_decref(document);
    }
    assert_int_equal(rmdir("run/checkpoints/step-00000009"), 0);
    assert_int_equal(symlink("step-00000008", "run/checkpoints/latest"), 0);
}

/* A run that has gone back leaves checkpoints of later steps. */
static void the_last_checkpoint_is_that_of_the_link(void **state)
{
    (void)state;
    assert_int_equal(unlink("run/checkpoints/latest"), 0);
    assert_int_equal(symlink("step-00000004", "run/checkpoints/latest"), 0);
    SUCCEED("report", "run");
    json_t *document = document_of_page();
    assert_int_equal(json_integer_value(value_at(run_of(document, 0), "state/step")), 4);
    json_decref(document);
    assert_int_equal(unlink("run/checkpoints/latest"), 0);
    assert_int_equal(symlink("step-00000008", "run/checkpoints/latest"), 0);
}

/* Guessing is what the end of the training says of it. */
static void statistics_are_those_of_the_text(void **state)
{
    (void)state;
    SUCCEED("report", "run");
    json_t *document = document_of_page();
    const json_t *run = run_of(document, 0), *text = value_at(run, "text/statistics");
    const double loss = said_after("    guessing "),
                 shown = json_number_value(value_at(text, "guessing/loss"));
    if (fabs(loss - shown) > 6e-5)
        fail_msg("%g is not %g", shown, loss);
    assert_true(json_is_true(value_at(text, "guessing/held_out")));
    /* Every sentence ends in a full stop and has 4 to 11 words. */
    const json_t *frequent = json_array_get(value_at(text, "frequent"), 0);
    assert_string_equal(json_string_value(json_array_get(frequent, 0)), ".");
    json_int_t sentences = 0, documents = 0;
    size_t power;
    const json_t *count;
    json_array_foreach (value_at(text, "sentence_lengths"), power, count) {
        assert_true(power >= 2 || json_integer_value(count) == 0);
        sentences += json_integer_value(count);
    }
    json_array_foreach (value_at(text, "document_lengths"), power, count)
        documents += json_integer_value(count);
    assert_int_equal(sentences, json_integer_value(value_at(run, "text/summary/train_sentences")));
    assert_int_equal(documents, json_integer_value(value_at(run, "text/summary/train_documents")));
    json_decref(document);
}

/* A directory of several seeds stands for its runs, in the order of their numbers. */
static void runs_of_a_task_are_described(void **state)
{
    (void)state;
    SUCCEED("finetune", "task.yaml");
    SUCCEED("report", "run", "task/");
    json_t *document = document_of_page();
    assert_int_equal(json_array_size(json_object_get(document, "runs")), 3);
    assert_string_equal(text_at(run_of(document, 1), "name"), "task/seed-2");
    assert_string_equal(text_at(run_of(document, 2), "name"), "task/seed-10");
    json_int_t predictions = 0;
    const char *key;
    json_t *count,
        *pairs = json_object_get(json_object_get(run_of(document, 2), "predictions"), "pairs");
    json_object_foreach (pairs, key, count)
        predictions += json_integer_value(count);
    assert_int_equal(predictions, 5);
    assert_true(json_is_true(value_at(run_of(document, 1), "task")));
    assert_true(json_is_false(value_at(run_of(document, 0), "task")));
    json_decref(document);
}

/* ---- fill-ins ---- */

/* The records of fills.jsonl after step 8 are what `cloze fill` says of the last checkpoint. */
static void fill_ins_are_those_of_the_model(void **state)
{
    (void)state;
    struct buffer text = contents_of("run/fills.jsonl");
    int count = 0;
    for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *record = json_loads(line, 0, NULL);
        assert_non_null(record);
        const json_int_t step = json_integer_value(value_at(record, "step"));
        assert_true(step == 4 || step == 8);
        count += step == 8;
        struct program_result result =
            RUN_CLOZE("fill", "run", text_at(record, "text"), "--top", "3", "--json");
        json_t *masks = json_loads(result.out, 0, NULL), *best = json_array_get(masks, 0);
        assert_int_equal(json_array_size(best), 3);
        for (size_t i = 0; i < 3 && step == 8; i++) {
            const json_t *here = json_array_get(value_at(record, "fill"), i);
            const json_t *there = json_array_get(best, i);
            const double score = json_number_value(value_at(there, "score"));
            assert_string_equal(text_at(here, "token_str"), text_at(there, "token_str"));
            assert_true(fabs(json_number_value(value_at(here, "score")) - score) < 1e-3 * score);
        }
        json_decref(masks);
        program_result_free(&result);
        json_decref(record);
    }
    assert_int_equal(count, 5);
    buffer_free(&text);
}

/* Without its last checkpoint the run is resumed at step 4 and trains the other steps again. */
static void fill_ins_of_steps_that_are_trained_again_are_replaced(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer fills = contents_of("run/fills.jsonl");
    assert_true(directory_remove("run/checkpoints/step-00000008", &error));
    SUCCEED("train", "config.yaml", "--resume");
    assert_contents("run/fills.jsonl", &fills);
    buffer_free(&fills);
}

/* ---- what is refused ---- */

static void other_directories_are_refused(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    ASSERT_CLOZE_SAYS(2, "none: cannot open: No such file or directory", "report", "none");
    ASSERT_CLOZE_SAYS(2, "text.txt: is not a directory; expected the directory of a run", "report",
                      "text.txt");
    assert_true(directory_make("other", &error));
    ASSERT_CLOZE_SAYS(2, "other: has no config.yaml; expected the directory of a run", "report",
                      "run", "other");
    scratch_write_text(scratch, "other/config.yaml", "a: 1\n");
    ASSERT_CLOZE_SAYS(2,
                      "other/config.yaml: is not the configuration of a run; expected the sections "
                      "train, and data or task",
                      "report", "other");
    scratch_write_text(scratch, "other/config.yaml", "a: [1\n");
    ASSERT_CLOZE_SAYS(2, "other/config.yaml:", "report", "other");
    ASSERT_CLOZE_SAYS(2, "run and ./run/../run are the same run; give it once", "report", "run",
                      "./run/../run");
}

/* A run that has not begun has a configuration alone. */
static void a_run_without_records_is_shown(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    assert_true(directory_make("young", &error));
    scratch_write_text(scratch, "young/config.yaml", config_text);
    SUCCEED("report", "young", "run");
    json_t *document = document_of_page();
    assert_int_equal(json_object_size(value_at(run_of(document, 0), "records/train")), 0);
    assert_true(json_is_null(value_at(run_of(document, 0), "text")));
    json_decref(document);
    scratch_write_text(scratch, "young/metrics.jsonl", "{\"step\": 1, \"eval\": false}\n{}\n");
    ASSERT_CLOZE_SAYS(2, "young/metrics.jsonl:2: expected a JSON object", "report", "young");
}

static void damaged_files_are_named(void **state)
{
    struct scratch *scratch = *state;
    struct buffer manifest = contents_of("run/data/manifest.json");
    manifest.data[manifest.size / 2] ^= 1;
    scratch_write(scratch, "run/data/manifest.json", manifest.data, manifest.size);
    ASSERT_CLOZE_SAYS(2, "run/data/manifest.json: ", "report", "run");
    manifest.data[manifest.size / 2] ^= 1;
    scratch_write(scratch, "run/data/manifest.json", manifest.data, manifest.size);
    SUCCEED("report", "run");
    buffer_free(&manifest);
}

static void a_foreign_output_is_kept(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "mine.html", "<!DOCTYPE html>\n<html></html>\n");
    struct buffer mine = contents_of("mine.html");
    ASSERT_CLOZE_SAYS(2, "--output: mine.html already exists and is not a page of 'cloze report'",
                      "report", "run", "--output", "mine.html");
    assert_contents("mine.html", &mine);
    buffer_free(&mine);
    SUCCEED("report", "run", "--output", "again.html");
    SUCCEED("report", "run", "--output", "again.html");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_described),
        cmocka_unit_test(a_checkpoint_needs_no_link),
        cmocka_unit_test(the_last_checkpoint_is_that_of_the_link),
        cmocka_unit_test(statistics_are_those_of_the_text),
        cmocka_unit_test(runs_of_a_task_are_described),
        cmocka_unit_test(fill_ins_are_those_of_the_model),
        cmocka_unit_test(fill_ins_of_steps_that_are_trained_again_are_replaced),
        cmocka_unit_test(other_directories_are_refused),
        cmocka_unit_test(a_run_without_records_is_shown),
        cmocka_unit_test(damaged_files_are_named),
        cmocka_unit_test(a_foreign_output_is_kept),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
