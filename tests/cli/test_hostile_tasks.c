/* Labelled files that nobody should trust, given to `cloze finetune`. */
#include "support/hostile.h"
#include "support/run_config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define FINETUNES                                                                                  \
    {                                                                                              \
        "finetune", "run.yaml"                                                                     \
    }

/* A task on two files; `task` has further keys. */
static void write_task(const char *train, const char *valid, const char *task)
{
    char text[500];
    write_vocabulary();
    snprintf(text, sizeof text,
             "output: run\nmodel: {size: tiny, num_hidden_layers: 1}\n"
             "tokenizer: {vocab: vocab.txt}\n" TRAIN_ONE_STEP
             "task: {train: [%s], valid: [%s], %s}\n",
             train, valid, task);
    write_text("run.yaml", text);
}

/* Training examples that are right, and these held-out ones. */
static void write_valid(const char *valid)
{
    write_task("train.tsv", "valid.tsv", "max_length: 8");
    write_text("train.tsv", "text\tlabel\na\t1\nb\t0\n");
    write_text("valid.tsv", valid);
}

static void unknown_label(void)
{
    write_valid("text\tlabel\na\t1\nb\t2\n");
}

static void missing_column(void)
{
    write_valid("text\tclass\na\t1\n");
}

static void other_width(void)
{
    write_valid("text\tlabel\na\t1\nb\t0\t\n");
}

static void empty_label(void)
{
    write_valid("text\tlabel\r\na\t1\r\nb\t\r\n");
}

static void no_examples(void)
{
    write_valid("text\tlabel\n");
}

static void empty_file(void)
{
    write_valid("");
}

static void empty_text(void)
{
    write_valid("text\tlabel\na\t1\n\t0\n");
}

static void text_without_token(void)
{
    write_valid("text\tlabel\r\n\xE2\x80\x8B\t1\r\n");
}

static void long_text(void)
{
    write_valid("text\tlabel\na b a b a b\t1\na b a b a b a\t1\na b a b a b a b\t0\n");
}

static void no_text(void)
{
    write_valid("\x89PNG\r\n\x1A\n");
}

static void one_class(void)
{
    write_task("train.tsv", "train.tsv", "max_length: 8");
    write_text("train.tsv", "text\tlabel\na\t1\nb\t1\n");
}

static void unknown_given_label(void)
{
    write_task("train.tsv", "train.tsv", "labels: [yes, no]");
    write_text("train.tsv", "text\tlabel\na\tyes\nb\tmaybe\n");
}

static void unknown_ending(void)
{
    write_task("train.tab", "train.tab", "max_length: 8");
    write_text("train.tab", "text\tlabel\na\t1\nb\t0\n");
}

static void lines_of_text(void)
{
    write_task("train.txt", "train.txt", "max_length: 8");
    write_text("train.txt", "a\nb\n");
}

static void write_numbers(const char *numbers)
{
    write_task("train.csv", "train.csv", "kind: regression");
    write_text("train.csv", numbers);
}

static void word_for_number(void)
{
    write_numbers("text,label\na,1\nb,good\n");
}

static void comma_for_point(void)
{
    write_numbers("text,label\na,1\nb,\"3,5\"\n");
}

static void not_a_number(void)
{
    write_numbers("text,label\na,nan\n");
}

static void infinite_number(void)
{
    write_numbers("text,label\na,-1e999\n");
}

static void open_quote(void)
{
    write_numbers("text,label\na,1\n\"b,2\na,3\n");
}

static void quote_in_field(void)
{
    write_numbers("text,label\na \"b\",1\n");
}

static void write_words(const char *words)
{
    write_task("train.conll", "train.conll", "kind: tokens");
    write_text("train.conll", words);
}

static void word_without_label(void)
{
    write_words("a O\nb\n");
}

static void labels_of_other_words(void)
{
    write_words("a NOUN\nb VERB\n");
}

static void broken_json(void)
{
    write_task("train.jsonl", "train.jsonl", "max_length: 8");
    write_text("train.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\"}\n");
}

static const struct hostile_row rows[] = {
    {unknown_label, FINETUNES, 2, "valid.tsv:3: the label \"2\" is unknown; expected \"0\", \"1\""},
    {missing_column, FINETUNES, 2, "valid.tsv:1: there is no column \"label\" (task.label)"},
    {other_width, FINETUNES, 2, "valid.tsv:3: found 3 columns; expected 2 as in line 1"},
    {empty_label, FINETUNES, 2, "valid.tsv:3: the label is empty"},
    {no_examples, FINETUNES, 2, "valid.tsv: has no examples"},
    {empty_file, FINETUNES, 2, "valid.tsv: is empty; expected a table"},
    {no_text, FINETUNES, 2, "valid.tsv: is a PNG image, not UTF-8 text"},
    {one_class, FINETUNES, 2, "train.tsv: all labels are \"1\"; expected at least two classes"},
    {unknown_given_label, FINETUNES, 2, "the label \"maybe\" is unknown; expected \"yes\", \"no\""},
    {unknown_ending, FINETUNES, 2, "train.tab: the ending does not say how the file is read"},
    {lines_of_text, FINETUNES, 2, "train.txt: is read as lines of text, which have no labels"},
    {word_for_number, FINETUNES, 2, "train.csv:3: the label is \"good\"; expected a finite number"},
    {comma_for_point, FINETUNES, 2, "the label is \"3,5\"; expected a number with a point: 3.5"},
    {not_a_number, FINETUNES, 2, "train.csv:2: the label is \"nan\"; expected a finite number"},
    {infinite_number, FINETUNES, 2, "train.csv:2: the label is \"-1e999\"; expected a finite"},
    {open_quote, FINETUNES, 2, "train.csv:3: the row has a quote that is not closed"},
    {quote_in_field, FINETUNES, 2, "train.csv:2: a double quote within a field"},
    {word_without_label, FINETUNES, 2, "train.conll:2: found 1 column; expected 2 as in line 1"},
    {labels_of_other_words, FINETUNES, 2, "the label \"NOUN\" is not of spans in IOB2"},
    {broken_json, FINETUNES, 2, "train.jsonl:2: is not JSON"},

    /* What has a rule is said. */
    {empty_text, FINETUNES, 0, "1 example without a token, read as [CLS] [SEP], first at "},
    {text_without_token, FINETUNES, 0, "1 example without a token, read as [CLS] [SEP]"},
    {long_text, FINETUNES, 0, "2 examples cut to 8 tokens, first at "},
};

static void labelled_files_are_refused_or_read_by_a_rule(void **state)
{
    (void)state;
    assert_hostile_rows(rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(labelled_files_are_refused_or_read_by_a_rule,
                                        run_config_enter_directory, run_config_leave_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
