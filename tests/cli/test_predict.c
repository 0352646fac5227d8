/* `cloze predict` on models of each kind that are fine-tuned here, and what other commands say of
 * such models. */

#include "base/directory.h"
#include "support/compressed.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/scratch.h"
#include "support/trained_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

static const char classes[] = "text\tlabel\nthe king saw a ship\tking\nthe queen\tqueen\n"
                              "a king\tking\nqueen of the ship\tqueen\n";
static const char pairs[] = "a,b,score\nthe king,a king,4.5\nthe king,a ship,0.5\n"
                            "the queen,queen,5\na ship,the queen,1\n";
static const char words[] = "the O\nking B-person\nsaw O\n\na O\nship B-thing\nof I-thing\n\n";

static void fine_tune(struct scratch *scratch, const char *kind, const char *file)
{
    char text[600], name[32];
    snprintf(text, sizeof text,
             "output: %s\nmodel: {init_from: run}\n"
             "task: {kind: %s, train: [%s], valid: [%s], max_length: 16%s}\n"
             "train: {epochs: 40, batch_size: 4, learning_rate: 3e-3, eval_every: 1000}\n",
             kind, kind, file, file,
             strcmp(kind, "regression") == 0 ? ", text: a, text_pair: b, label: score" : "");
    snprintf(name, sizeof name, "%s.yaml", kind);
    scratch_write_text(scratch, name, text);
    SUCCEED("finetune", name);
}

static int set_up(void **state)
{
    const int status = trained_run_set_up(state, 16);
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "classes.tsv", classes);
    scratch_write_text(scratch, "pairs.csv", pairs);
    scratch_write_text(scratch, "words.conll", words);
    fine_tune(scratch, "classification", "classes.tsv");
    fine_tune(scratch, "regression", "pairs.csv");
    fine_tune(scratch, "tokens", "words.conll");
    return status;
}

static void predict(const char *model, const char *input, const char *output)
{
    SUCCEED("predict", model, input, "--output", output);
}

/* Returns the number of lines, each of which must have as many tabs. */
static int lines_of(const char *path, int tabs)
{
    struct buffer file = contents_of(path);
    int lines = 0, found = 0;
    for (size_t i = 0; i < file.size; i++) {
        found += file.data[i] == '\t';
        if (file.data[i] != '\n')
            continue;
        assert_int_equal(found, tabs);
        found = 0;
        lines++;
    }
    buffer_free(&file);
    return lines;
}

/* Returns the JSON objects of a file, one on each line; the caller releases the list. */
static json_t *objects_of(const char *path)
{
    json_t *list = json_array();
    struct buffer file = contents_of(path);
    char *rest = file.data;
    for (char *line = strtok_r(rest, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *object = json_loads(line, 0, NULL);
        assert_non_null(object);
        json_array_append_new(list, object);
    }
    buffer_free(&file);
    return list;
}

static void a_text_has_a_label_and_its_probability(void **state)
{
    (void)state;
    static const char *const expected[] = {"king", "queen", "king", "queen"};
    predict("classification", "classes.tsv", "classes.out");
    assert_int_equal(lines_of("classes.out", 1), 4);
    SUCCEED("predict", "classification", "classes.tsv", "--json", "--output", "classes.jsonl");
    json_t *list = objects_of("classes.jsonl");
    assert_int_equal(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *object = json_array_get(list, i);
        const double score = json_number_value(json_object_get(object, "score"));
        assert_string_equal(json_string_value(json_object_get(object, "label")), expected[i]);
        assert_true(score > 0.5 && score <= 1);
    }
    json_decref(list);
}

static void a_pair_has_a_number(void **state)
{
    (void)state;
    predict("regression", "pairs.csv", "pairs.out");
    assert_int_equal(lines_of("pairs.out", 0), 4);
    SUCCEED("predict", "regression", "pairs.csv", "--json", "--output", "pairs.jsonl");
    json_t *list = objects_of("pairs.jsonl");
    struct buffer file = contents_of("pairs.out");
    for (char *at = file.data, *end; json_array_size(list); at = end) {
        const double number = strtod(at, &end);
        const json_t *object = json_array_get(list, 0);
        assert_float_equal(json_number_value(json_object_get(object, "score")), number, 1e-6);
        assert_string_equal(json_string_value(json_object_get(object, "label")), "LABEL_0");
        json_array_remove(list, 0);
    }
    buffer_free(&file);
    json_decref(list);
}

static void words_have_labels_and_spans(void **state)
{
    predict("tokens", "words.conll", "words.out");
    struct buffer file = contents_of("words.out");
    assert_memory_equal(file.data, "the\tO\t0.", 8);
    assert_non_null(strstr(file.data, "\nking\tB-person\t0."));
    assert_non_null(strstr(file.data, "\n\na\tO\t0."));
    assert_string_equal(file.data + file.size - 2, "\n\n");
    buffer_free(&file);
    scratch_write_text(*state, "odd.jsonl", "{\"tokens\": [\"the\\tking\\n\"]}\n");
    predict("tokens", "odd.jsonl", "odd.out");
    file = contents_of("odd.out");
    assert_memory_equal(file.data, "the king \t", 10);
    buffer_free(&file);
    SUCCEED("predict", "tokens", "words.conll", "--json", "--output", "words.jsonl");
    json_t *list = objects_of("words.jsonl");
    const json_t *spans = json_object_get(json_array_get(list, 1), "spans");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_array_size(spans), 1);
    const char *label, *text;
    double score;
    int start, end;
    assert_int_equal(json_unpack(json_array_get(spans, 0), "{s:s, s:F, s:i, s:i, s:s!}", "label",
                                 &label, "score", &score, "start", &start, "end", &end, "text",
                                 &text),
                     0);
    assert_string_equal(label, "thing");
    assert_string_equal(text, "ship of");
    assert_true(start == 1 && end == 3 && score > 0.5 && score <= 1);
    json_decref(list);
    /* A byte that is not UTF-8, which the model does not see. */
    scratch_write_text(*state, "latin.conll", "a\nship\xE9\nof\n");
    SUCCEED("predict", "tokens", "latin.conll", "--json", "--output", "latin.jsonl");
    assert_in_file("latin.jsonl", "ship\xEF\xBF\xBD of");
}

/* More texts than a block, from a compressed file: in turn the same lines, byte for byte, although
 * each stands among others. */
static void a_prediction_does_not_depend_on_other_texts(void **state)
{
    struct scratch *scratch = *state;
    enum { TEXTS = 5000 };
    static const char *const lines[] = {"the king saw a ship\n", "the queen\n", "a\n"};
    char *text = malloc((size_t)TEXTS * 24);
    size_t size = 0;
    assert_non_null(text);
    for (int i = 0; i < TEXTS; i++) {
        const char *line = lines[i * i % 7 % 3];
        memcpy(text + size, line, strlen(line));
        size += strlen(line);
    }
    write_compressed(scratch, "many.txt.gz", 0, text, size);
    free(text);
    SUCCEED("predict", "classification", "many.txt.gz", "--json", "--output", "many.jsonl");
    struct buffer alone[3], many = contents_of("many.jsonl");
    for (int i = 0; i < 3; i++) {
        scratch_write_text(scratch, "one.txt", lines[i]);
        SUCCEED("predict", "classification", "one.txt", "--json", "--output", "one.jsonl");
        alone[i] = contents_of("one.jsonl");
    }
    const char *at = many.data;
    for (int i = 0; i < TEXTS; i++) {
        const struct buffer *expected = &alone[i * i % 7 % 3];
        assert_memory_equal(at, expected->data, expected->size);
        at += expected->size;
    }
    assert_ptr_equal(at, many.data + many.size);
    for (int i = 0; i < 3; i++)
        buffer_free(&alone[i]);
    buffer_free(&many);
}

/* Without an operand, and with "-": a text on each line. */
static void the_standard_input_is_read(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "in.txt", "the king saw a ship\n\nthe queen\n");
    predict("classification", "in.txt", "file.out");
    assert_int_equal(lines_of("file.out", 1), 3);
    const int own = dup(STDIN_FILENO);
    for (int i = 0; i < 2; i++) {
        assert_non_null(freopen("in.txt", "r", stdin));
        if (i)
            SUCCEED("predict", "classification", "-", "--output", "input.out");
        else
            SUCCEED("predict", "classification", "--output", "input.out");
        assert_same_contents("file.out", "input.out");
    }
    dup2(own, STDIN_FILENO);
    close(own);
}

/* The options replace the columns that the run has recorded. */
static void columns_can_be_named(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "other.txt", "1\tking\tthe king saw a ship\n2\tqueen\tthe queen\n");
    SUCCEED("predict", "classification", "other.txt", "--format", "tsv", "--no-header", "--text",
            "3", "--label", "2", "--output", "other.out");
    scratch_write_text(scratch, "lines.txt", "the king saw a ship\nthe queen\n");
    predict("classification", "lines.txt", "lines.out");
    assert_same_contents("other.out", "lines.out");
    ASSERT_CLOZE_SAYS(0, "accuracy   ", "predict", "classification", "other.txt", "--format", "tsv",
                      "--no-header", "--text", "3", "--label", "2");
    ASSERT_CLOZE_SAYS(2, "--format: found \"xml\", expected tsv, csv, jsonl, conll or txt",
                      "predict", "classification", "other.txt", "--format", "xml");
}

/* task.format says how a file is read whose ending does not; any other is read by its ending. */
static void the_format_of_training_is_known(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "classes.data", classes);
    ASSERT_CLOZE_SAYS(2, "classes.data: the ending does not say how the file is read", "predict",
                      "classification", "classes.data");
    SUCCEED("finetune", "classification.yaml", "--set", "output=by-format", "--set",
            "task.train=classes.data", "--set", "task.valid=classes.data", "--set",
            "task.format=tsv", "--set", "train.epochs=1");
    ASSERT_CLOZE_SAYS(0, "accuracy   ", "predict", "by-format", "classes.data");
    ASSERT_CLOZE_SAYS(2, "classes.data: is read as lines of text", "predict", "by-format",
                      "classes.data", "--format", "txt", "--label", "label");
    scratch_write_text(scratch, "texts.txt", "the king saw a ship\nthe queen\n");
    predict("by-format", "texts.txt", "texts.out");
    assert_int_equal(lines_of("texts.out", 1), 2);
}

/* Texts are cut as the examples were, although the model at the beginning has read longer ones. */
static void texts_are_cut_as_in_training(void **state)
{
    struct scratch *scratch = *state;
    SUCCEED("finetune", "classification.yaml", "--set", "output=short", "--set",
            "task.max_length=8", "--set", "train.epochs=1");
    scratch_write_text(scratch, "long.txt", "the king saw a ship the king saw a ship\n");
    ASSERT_CLOZE_SAYS(0, "1 long text cut to the 8 tokens of the model's training", "predict",
                      "short", "long.txt");
}

/* The recorded column of the label may be absent; one that the user names must be there. */
static void a_named_label_is_required(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "unlabelled.tsv", "text\tother\nthe king\tking\n");
    scratch_write_text(scratch, "unlabelled.jsonl", "{\"text\": \"the king\"}\n");
    SUCCEED("predict", "classification", "unlabelled.tsv");
    SUCCEED("predict", "classification", "unlabelled.jsonl");
    ASSERT_CLOZE_SAYS(2,
                      "unlabelled.tsv:1: there is no column \"label\" (--label); the columns are",
                      "predict", "classification", "unlabelled.tsv", "--label", "label");
    ASSERT_CLOZE_SAYS(2, "unlabelled.jsonl:1: ", "predict", "classification", "unlabelled.jsonl",
                      "--label", "label");
    SUCCEED("predict", "classification", "unlabelled.tsv", "--label", "other");
}

static void a_dash_is_the_standard_output(void **state)
{
    (void)state;
    struct program_result without = RUN_CLOZE("predict", "classification", "classes.tsv");
    struct program_result with =
        RUN_CLOZE("predict", "classification", "classes.tsv", "--output", "-");
    assert_int_equal(with.status, 0);
    assert_string_equal(with.out, without.out);
    assert_non_null(strstr(with.err, "accuracy   1.0000"));
    assert_int_equal(access("-", F_OK), -1);
    program_result_free(&without);
    program_result_free(&with);
}

/* The metrics are on the standard output if the predictions are not. */
static void labels_give_metrics(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("predict", "classification", "classes.tsv");
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.out, "accuracy"));
    assert_non_null(strstr(result.err, "accuracy   1.0000 (0.5101 to 1.0000)\n"));
    program_result_free(&result);
    result = RUN_CLOZE("predict", "regression", "pairs.csv", "--json", "--output", "pairs.jsonl");
    json_t *scores = json_loads(result.out, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(scores, "texts")), 4);
    assert_true(json_is_real(json_object_get(scores, "pearson")));
    assert_int_equal(json_array_size(json_object_get(scores, "spearman_interval")), 2);
    json_decref(scores);
    program_result_free(&result);
    result = RUN_CLOZE("predict", "tokens", "words.conll", "--output", "words.out");
    assert_memory_equal(result.out, "f1         1.0000", 17);
    program_result_free(&result);
}

static void an_empty_file_has_no_predictions(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "empty.txt", "");
    SUCCEED("predict", "classification", "empty.txt", "--output", "empty.out");
    assert_int_equal(lines_of("empty.out", 1), 0);
}

static void what_cannot_be_predicted_is_said(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "long.txt", "a a a a a a a a a a a a a a the king\n\n\u2603 a\n");
    ASSERT_CLOZE_SAYS(0, "warning: 1 long text cut to the 16 tokens of the model's training",
                      "predict", "classification", "long.txt");
    ASSERT_CLOZE_SAYS(0, "warning: 1 text without a token", "predict", "classification",
                      "long.txt");
    ASSERT_CLOZE_SAYS(0, "of the tokens are [UNK]", "predict", "classification", "long.txt");
    scratch_write_text(scratch, "bad.tsv", "text\tlabel\nthe king\tking\na ship\tship\n");
    ASSERT_CLOZE_SAYS(2,
                      "bad.tsv:3: the label \"ship\" is none of the model's: \"king\", \"queen\"",
                      "predict", "classification", "bad.tsv", "--output", "bad.out");
    assert_int_equal(access("bad.out", F_OK), -1);
    scratch_write_text(scratch, "bad.csv", "a,b,score\nthe king,a ship,\"3,5\"\n");
    ASSERT_CLOZE_SAYS(2, "bad.csv:2: ", "predict", "regression", "bad.csv");
    scratch_write_text(scratch, "other.tsv", "sentence\nthe king\n");
    ASSERT_CLOZE_SAYS(2, "other.tsv:1: there is no column \"text\" (--text); the columns are",
                      "predict", "classification", "other.tsv");
    ASSERT_CLOZE_SAYS(2, "a file without names in its first line is read with --no-header",
                      "predict", "classification", "other.tsv", "--text", "1");
    scratch_write_text(scratch, "alone.csv", "a,score\nthe king,3.5\n");
    ASSERT_CLOZE_SAYS(2, "alone.csv:1: there is no column \"b\" (--text-pair); the columns are",
                      "predict", "regression", "alone.csv");
    ASSERT_CLOZE_SAYS(2, "absent.tsv: ", "predict", "classification", "absent.tsv");
    ASSERT_CLOZE_SAYS(2, "--output: classes.tsv is also an input", "predict", "classification",
                      "classes.tsv", "--output", "classes.tsv");
    ASSERT_CLOZE_SAYS(2, "--output: the name is empty", "predict", "classification", "classes.tsv",
                      "--output", "");
}

/* Each command says what kind of model it was given, and what it is for. */
static void models_of_another_kind_are_refused(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(2,
                      "the model has no classifier: it is a BertForPreTraining. 'cloze finetune' "
                      "makes a model that has one",
                      "predict", "run", "text.txt");
    ASSERT_CLOZE_SAYS(2,
                      "the model has no masked language modelling head: it is a "
                      "BertForSequenceClassification; expected the model of pre-training. 'cloze "
                      "predict' uses this one",
                      "fill", "classification", "a [MASK]");
    ASSERT_CLOZE_SAYS(2, "the model has no next-sentence head: it is a BertForTokenClassification",
                      "nsp", "tokens", "a", "b");
    ASSERT_CLOZE_SAYS(2, "the model has no masked language modelling head", "eval", "regression",
                      "--data", "text.txt");
    SUCCEED("embed", "classification", "text.txt", "--output", "x.npy", "--pooling", "pooler");
    SUCCEED("embed", "tokens", "text.txt", "--output", "x.npy");
    ASSERT_CLOZE_SAYS(2, "the model's pooler is missing; expected --pooling mean or cls", "embed",
                      "tokens", "text.txt", "--output", "x.npy", "--pooling", "pooler");
    SUCCEED("export", "classification", "encoder", "--for", "encoder");
    ASSERT_CLOZE_SAYS(2,
                      "is a BertForSequenceClassification, the model of a task, without the heads "
                      "of pre-training; expected --for task or encoder, not masked-lm",
                      "export", "classification", "masked", "--for", "masked-lm");
    ASSERT_CLOZE_SAYS(2,
                      "is a model of pre-training; expected --for pretraining, masked-lm or "
                      "encoder, not task",
                      "export", "run", "masked", "--for", "task");
    assert_int_equal(access("masked", F_OK), -1);
}

static void expect_in(const char *path, const char *const *parts)
{
    while (*parts)
        assert_in_file(path, *parts++);
}
#define EXPECT_IN(path, ...) expect_in(path, (const char *const[]){__VA_ARGS__, NULL})

/* With its head and its labels, so that it predicts the same. */
static void a_model_of_a_task_is_exported_as_such(void **state)
{
    (void)state;
    SUCCEED("export", "classification", "published");
    EXPECT_IN("published/config.json", "BertForSequenceClassification", "\"0\": \"king\"",
              "\"queen\": 1", "\"single_label_classification\"");
    predict("classification", "classes.tsv", "classes.out");
    predict("published", "classes.tsv", "published.out");
    assert_same_contents("classes.out", "published.out");
    EXPECT_IN("published/README.md", "pipeline_tag: text-classification\n",
              "\nIt gives each text, or pair of texts, one of 2 labels: `king`, `queen`.\n",
              "BertForSequenceClassification.from_pretrained(\"published\")",
              "cloze predict published texts.txt\n", "| examples | `classes.tsv` |\n",
              "## Held-out examples\n\n| after step 40 |", "| accuracy | 100 % |\n",
              "| Matthews correlation | 1 |\n");
    SUCCEED("export", "regression", "rating", "--for", "task");
    EXPECT_IN("rating/config.json", "BertForSequenceClassification", "\"regression\"");
    EXPECT_IN("rating/README.md", "\nIt gives each text, or pair of texts, a number.\n",
              "| Pearson correlation | ");
    SUCCEED("export", "tokens", "labels");
    EXPECT_IN("labels/config.json", "BertForTokenClassification", "\"0\": \"B-person\"");
    EXPECT_IN("labels/README.md", "pipeline_tag: token-classification\n",
              "\nIt gives each word of a text one of 4 labels: `B-person`, `B-thing`, `I-thing`, "
              "`O`.\n");
    ASSERT_CLOZE_SAYS(0, "warning: not exported: the classifier\n", "export", "tokens", "plain",
                      "--for", "encoder");
    EXPECT_IN("plain/README.md", "pipeline_tag: feature-extraction\n");
}

/* The error output of a training that begins with the model of classification. */
static struct program_result train_from_it(const char *command, const char *config)
{
    struct program_result result = RUN_CLOZE(
        command, config, "--set", "output=onward", "--set", "model.init_from=classification",
        "--set", strcmp(command, "train") ? "train.epochs=1" : "tokenizer.vocab_size=");
    struct error error = {0};
    assert_int_equal(result.status, 0);
    assert_true(directory_remove("onward", &error));
    return result;
}

#define CLASSIFICATION "classification/checkpoints/step-00000040"

/* The encoder is taken, the head of the task is not. */
static void training_goes_on_from_a_model_of_a_task(void **state)
{
    (void)state;
    struct program_result result = train_from_it("finetune", "regression.yaml");
    assert_non_null(strstr(result.err, "\nthe classifier of " CLASSIFICATION
                                       " is not used; initializing a new one\nmodel  "));
    program_result_free(&result);
    result = train_from_it("finetune", "tokens.yaml");
    assert_non_null(strstr(result.err, "not used of " CLASSIFICATION ": the pooler\n"));
    program_result_free(&result);
    result = train_from_it("train", "config.yaml");
    assert_non_null(strstr(result.err, "\n" CLASSIFICATION
                                       " has no MLM head; initializing a new one\n" CLASSIFICATION
                                       " has no NSP head; initializing a new one\n"
                                       "not used of " CLASSIFICATION ": the classifier\n"));
    program_result_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_has_a_label_and_its_probability),
        cmocka_unit_test(a_pair_has_a_number),
        cmocka_unit_test(words_have_labels_and_spans),
        cmocka_unit_test(a_prediction_does_not_depend_on_other_texts),
        cmocka_unit_test(the_standard_input_is_read),
        cmocka_unit_test(columns_can_be_named),
        cmocka_unit_test(the_format_of_training_is_known),
        cmocka_unit_test(a_named_label_is_required),
        cmocka_unit_test(texts_are_cut_as_in_training),
        cmocka_unit_test(a_dash_is_the_standard_output),
        cmocka_unit_test(labels_give_metrics),
        cmocka_unit_test(an_empty_file_has_no_predictions),
        cmocka_unit_test(what_cannot_be_predicted_is_said),
        cmocka_unit_test(models_of_another_kind_are_refused),
        cmocka_unit_test(a_model_of_a_task_is_exported_as_such),
        cmocka_unit_test(training_goes_on_from_a_model_of_a_task),
    };
    return cmocka_run_group_tests(tests, set_up, trained_run_tear_down);
}
