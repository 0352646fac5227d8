#include "train/run_config_rows.h"

#define TASK(type, name) AT("task." #name, type, task.name)

static const char *const sections[] = {"model", "tokenizer", "task", "train", NULL};

/* In the order of the enum, after the absent one. */
static const char *const metrics[] = {"",        "accuracy", "f1", "matthews",
                                      "pearson", "spearman", NULL};

#define KEEP_BEST_HELP                                                                             \
    "also keep the checkpoint with the best metric on the held-out examples, as "                  \
    "checkpoints/best; an evaluation that is better than all before it is saved at once"

static const struct config_key keys[] = {
    MODEL_KEYS,

    {KEY(PATH, tokenizer.vocab), NULL,
     "a vocab.txt, a tokenizer.json, or a model or run directory, for a new model", MOVES,
     .when_absent = "that of model.init_from"},
    TOKENIZER_KEYS,

    {TASK(CHOICE, kind), "classification",
     "classification and regression of texts and pairs; tokens: labels for words",
     .choices = task_kind_names},
    {AT("task.train", PATHS, data.train), NULL,
     "examples to train on: files or patterns, plain or compressed", .required = true, MOVES},
    {AT("task.valid", PATHS, data.valid), NULL, "held-out examples, in the same format",
     .required = true, MOVES},
    {TASK(CHOICE, format), NULL,
     "tsv: quotes have no meaning; csv: as in RFC 4180; jsonl: an object a line; conll: a word a "
     "line, empty lines between texts",
     .choices = labelled_format_names, .when_absent = "by the ending of the file"},
    {TASK(BOOL, header), "true", "whether the first line of tsv and csv has the columns' names"},
    {TASK(TEXT, text), NULL,
     "column of the text, or of the words: its name, or its number from 1 where there are no names",
     .when_absent = "text; of tokens the column tokens or the first one"},
    {TASK(TEXT, text_pair), NULL, "column of the second text of a pair", .when_absent = "no pairs"},
    {TASK(TEXT, label), NULL, "column of the label or the number",
     .when_absent = "label; of tokens the column labels or the last one"},
    {TASK(TEXTS, labels), NULL, "the labels, in the order of the model's outputs",
     .when_absent = "those of task.train, sorted"},
    {AT("task.max_length", INT64, data.seq_len), "128",
     "tokens per example, including [CLS] and [SEP]; longer ones are cut",
     FROM_TO(MIN_SEQ_LEN, MAX_POSITIONS)},
    {TASK(CHOICE, metric), NULL, "the metric by which models are compared", .choices = metrics,
     .when_absent = "accuracy for classification, pearson for regression, f1 of spans for tokens"},

    {KEY(INT64, train.steps), NULL, "number of optimizer steps, instead of train.epochs",
     FROM_TO(1, MAX_STEPS), .when_absent = "train.epochs decides", CHANGES},
    {KEY(REAL, train.epochs), "3", "passes over the examples", ABOVE_TO(0, 1e6),
     .when_absent = "train.steps decides", CHANGES},
    {KEY(INT64, train.batch_size), "32", "examples per optimizer step", FROM_TO(1, 1e6)},
    OPTIMIZER_KEYS("5e-5"),
    {KEY(INTEGERS, train.seeds), NULL,
     "a run for each of several seeds, in output/seed-N, with the mean and spread of their results",
     FROM_TO(0, MAX_INTEGER), .when_absent = "a single run with `seed`", CHANGES},
    {KEY(REAL, train.layer_decay), "1",
     "factor of the learning rate for each layer of the encoder above a parameter", ABOVE_TO(0, 1)},
    {KEY(INT, train.frozen_layers), "0",
     "the embeddings and this many layers keep their values; 0: none do, nor the embeddings",
     FROM_TO(0, MAX_LAYERS)},
    {KEY(INT64, train.eval_every), NULL,
     "steps between evaluations on the held-out examples; 0: only at the end",
     FROM_TO(0, MAX_STEPS), .absent = -1, .when_absent = "after each epoch", CHANGES},
    SAVING_KEYS("0", "1", KEEP_BEST_HELP),
};

static const char introduction[] =
    "\n"
    "# Configuration of `cloze finetune`\n"
    "\n"
    "<!-- Written by scripts/update-docs from the table in src/train/task_config_keys.c. -->\n"
    "\n"
    "A file of the same form, with a section `task` in place of `data`. Only `output`, "
    "`task.train`\n"
    "and `task.valid` have no default; either `model.init_from` or `tokenizer.vocab` must be set.\n"
    "\n"
    "    output: runs/sst2\n"
    "    model: {init_from: runs/mini}\n"
    "    task:\n"
    "      train: [train.tsv]\n"
    "      valid: [dev.tsv]\n"
    "      text: sentence\n"
    "    train: {epochs: 3, batch_size: 32, learning_rate: 5e-5, seeds: [1, 2, 3]}\n";

const struct config_schema task_config_schema = {
    keys,
    sizeof keys / sizeof *keys,
    sizeof(struct run_config),
    .title = "The run",
    .sections = sections,
    .command = "cloze finetune",
    .list_command = "cloze config --help",
    .example_entry = "seed: 42",
    .example_setting = "train.epochs=3",
    .use_input = {"To train on it, write a file run.yaml with the lines\n"
                  "  output: run\n"
                  "  model: {init_from: MODEL}\n"
                  "  task: {train: [",
                  "], valid: [FILE]}\n"
                  "and type: cloze finetune run.yaml"},
    .introduction = introduction,
};
