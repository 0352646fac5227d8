#include "support/task_files.h"

#include "base/random.h"
#include "support/program.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\nfilm\nbook\nwas\n"
                                 "the\nvery\nann\nnew\nyork\nlikes\n";

static const char config_text[] =
    "seed: 5\n"
    "output: run\n"
    "model: {hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2,\n"
    "        num_attention_heads: 2, hidden_dropout_prob: 0.05}\n"
    "tokenizer: {vocab: vocab.txt}\n"
    "task: {train: [train.tsv], valid: [valid.tsv], max_length: 16}\n"
    "train: {steps: 60, batch_size: 16, learning_rate: 3e-3, threads: 1, schedule: constant,\n"
    "        warmup_steps: 1}\n";

/* ---- the files ---- */

static const char *const fillers[] = {"film", "book", "was", "the", "very"};

static void put_fillers(FILE *file, struct random *random, uint32_t at_most)
{
    for (uint32_t i = random_below(random, at_most + 1); i > 0; i--)
        fprintf(file, "%s ", fillers[random_below(random, 5)]);
}

static FILE *open_file(const char *name)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    return file;
}

void write_classes(const char *name, int examples, uint64_t seed)
{
    FILE *file = open_file(name);
    struct random random = random_begin(seed, RANDOM_TEST, 1, 0);
    fprintf(file, "text\tlabel\n");
    for (int i = 0; i < examples; i++) {
        put_fillers(file, &random, 4);
        fprintf(file, "%s ", i % 2 ? "good" : "bad");
        put_fillers(file, &random, 4);
        fprintf(file, "\t%s\n", i % 2 ? "positive" : "negative");
    }
    fclose(file);
}

void write_numbers(const char *name, int examples, uint64_t seed)
{
    FILE *file = open_file(name);
    struct random random = random_begin(seed, RANDOM_TEST, 2, 0);
    fprintf(file, "text,label\r\n");
    for (int i = 0; i < examples; i++) {
        put_fillers(file, &random, 4);
        for (int j = 0; j < i % 4; j++)
            fprintf(file, "good ");
        fprintf(file, "film,%d.6\r\n", i % 4);
    }
    fclose(file);
}

void write_words(const char *name, int texts, uint64_t seed)
{
    FILE *file = open_file(name);
    struct random random = random_begin(seed, RANDOM_TEST, 3, 0);
    for (int i = 0; i < texts; i++) {
        for (uint32_t j = random_below(&random, 3); j > 0; j--)
            fprintf(file, "%s O\n", fillers[random_below(&random, 5)]);
        fprintf(file, i % 2 ? "ann B-PER\nlikes O\n" : "the O\nnew B-LOC\nyork I-LOC\nwas O\n");
        fprintf(file, "\n");
    }
    fclose(file);
}

int task_files_set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    if (status || chdir(scratch->directory))
        return -1;
    scratch_write_text(scratch, "vocab.txt", vocabulary);
    scratch_write_text(scratch, "run.yaml", config_text);
    write_classes("train.tsv", 120, 1);
    write_classes("valid.tsv", 40, 2);
    return 0;
}

int task_files_tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

/* ---- running ---- */

json_t *finetune(const char *const *settings, bool resume)
{
    const char *arguments[40] = {"finetune", "run.yaml", "--json"};
    size_t count = 3;
    for (; *settings; settings++) {
        arguments[count++] = "--set";
        arguments[count++] = *settings;
    }
    if (resume)
        arguments[count++] = "--resume";
    struct program_result result = run_cloze(arguments);
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    json_t *printed = json_loads(result.out, 0, NULL);
    assert_non_null(printed);
    program_result_free(&result);
    return printed;
}
