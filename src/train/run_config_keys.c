#include "train/run_config_rows.h"

static const char *const sections[] = {"model", "tokenizer", "data", "train", NULL};

/* In the order of the enum. */
static const char *const sentence_modes[] = {"split", "line", NULL};

static const struct config_key phase_keys[] = {
    {"seq_len", CONFIG_INT, offsetof(struct phase, seq_len), FROM_TO(MIN_SEQ_LEN, MAX_POSITIONS),
     .required = true},
    {"steps", CONFIG_INT64, offsetof(struct phase, steps), FROM_TO(1, MAX_STEPS), .required = true},
};

static const struct config_schema phase_schema = {
    phase_keys, sizeof phase_keys / sizeof *phase_keys, sizeof(struct phase), .title = "phase"};

#define KEEP_BEST_HELP                                                                             \
    "also keep the checkpoint with the lowest MLM loss on held-out text, as checkpoints/best; an " \
    "evaluation that is better than all before it is saved at once; a phase with another seq_len " \
    "starts a new comparison"

static const struct config_key keys[] = {
    MODEL_KEYS,

    {KEY(PATH, tokenizer.vocab), NULL, "a vocab.txt, a tokenizer.json, or a model or run directory",
     MOVES, .when_absent = "train one on data.train"},
    {KEY(INT64, tokenizer.vocab_size), "30522",
     "number of tokens, if a vocabulary is trained; not with model.init_from, which has its own",
     FROM_TO(100, 1e6), .when_absent = "that of tokenizer.vocab or model.init_from"},
    {KEY(INT64, tokenizer.limit_alphabet), NULL,
     "how many different characters a vocabulary that is trained may have", FROM_TO(1, 1114112),
     .when_absent = "all; the 1000 most frequent if the others are below 0.05 % of the text"},
    TOKENIZER_KEYS,

    {KEY(PATHS, data.train), NULL,
     "text to train on: files or patterns; plain text with documents separated by blank lines, "
     "JSON (.json, .jsonl and the like) or tar; .gz, .zst, .xz, .bz2 and .lz4 are unpacked",
     .required = true, MOVES},
    {KEY(PATHS, data.valid), NULL, "held-out text, in the same formats", MOVES,
     .when_absent = "data.valid_fraction decides"},
    {KEY(TEXT, data.text_field), "text", "the field of a JSON object that holds the text",
     .minimum = 0},
    {KEY(REAL, data.valid_fraction), "0.01",
     "share of the documents of data.train to hold out, chosen by hash; ignored if data.valid is "
     "set",
     FROM_BELOW(0, 1)},
    {KEY(CHOICE, data.sentences), "split",
     "split: find the sentences in running text; line: each line is a sentence",
     .choices = sentence_modes},
    {KEY(INT64, data.seq_len), "128", "tokens per sequence, including [CLS] and [SEP]",
     FROM_TO(MIN_SEQ_LEN, MAX_POSITIONS)},
    {KEY(REAL, data.short_seq_prob), "0.1",
     "how often a sequence is deliberately made shorter than seq_len", FROM_TO(0, 1)},
    {KEY(REAL, data.mask_prob), "0.15", "share of the tokens to predict", ABOVE_BELOW(0, 1)},
    {KEY(BOOL, data.whole_word_mask), "false", "mask all pieces of a word together"},
    {KEY(BOOL, data.nsp), "true",
     "also train next-sentence prediction; false: MLM only, on full-length sequences"},
    {KEY(BOOL, data.strict), "false",
     "stop at invalid UTF-8 and at null in JSON instead of warning"},

    {KEY(INT64, train.steps), "10000", "number of optimizer steps; with train.phases, their sum",
     FROM_TO(1, MAX_STEPS), .when_absent = "train.epochs decides", CHANGES},
    {KEY(REAL, train.epochs), NULL, "passes over the data, instead of train.steps",
     ABOVE_TO(0, 1e6), .when_absent = "train.steps decides", CHANGES},
    {KEY(REAL, train.hours), NULL,
     "how long the run may take, instead of train.steps: how many steps fit is measured at the "
     "start of the run and then fixed",
     ABOVE_TO(0, 1e6), .when_absent = "train.steps decides"},
    {KEY(INT64, train.batch_size), "256", "sequences per optimizer step", FROM_TO(1, 1e6)},
    OPTIMIZER_KEYS("1e-4"),
    {KEY(LIST, train.phases), NULL,
     "a list of sequence lengths, each with a number of steps, instead of data.seq_len",
     .element = &phase_schema,
     .example = "[{seq_len: 128, steps: 9000}, {seq_len: 512, steps: 1000}]",
     .when_absent = "one phase of data.seq_len"},
    {KEY(INT64, train.eval_every), "1000",
     "steps between evaluations on held-out text; 0: only at the end", FROM_TO(0, MAX_STEPS),
     CHANGES},
    {KEY(INT64, train.eval_steps), "0",
     "held-out batches per evaluation, of train.batch_size sequences; 0: all held-out text",
     FROM_TO(0, MAX_STEPS), CHANGES},
    SAVING_KEYS("1000", "3", KEEP_BEST_HELP),

    {KEY(CHOICE, train.exchange_precision), "fp32",
     "of several processes (mpirun): number format in which they send each other gradients",
     .choices = precisions},
    {KEY(BOOL, train.shard_optimizer), "false",
     "of several processes: each keeps Adam's moments of a part of the parameters only", CHANGES},
    {KEY(INT64, train.sync_every), "1",
     "of several processes: steps that each takes by itself before they synchronize, for slow "
     "networks",
     FROM_TO(1, MAX_STEPS)},
    {KEY(REAL, train.outer_learning_rate), "0.7",
     "with train.sync_every above 1: learning rate of the outer step, which follows the mean "
     "change "
     "of all processes",
     ABOVE_TO(0, 10)},
    {KEY(REAL, train.outer_momentum), "0.9", "the Nesterov momentum of the outer step",
     FROM_BELOW(0, 1)},
    {KEY(REAL, train.rank_timeout), "30",
     "of several processes: seconds after which one that does not answer ends the run",
     FROM_TO(3, 86400), CHANGES},
};

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Written by scripts/update-docs from the table in src/train/run_config_keys.c. -->\n"
    "\n"
    "A run is described by one YAML file, the CONFIG of `cloze train`. Every key can also be given "
    "on\n"
    "the command line, where it overrides the file: `--set train.steps=100`,\n"
    "`--set 'data.train=[a.txt, b.txt]'`. `cloze config CONFIG` prints the complete effective\n"
    "configuration, each value with where it came from.\n"
    "\n"
    "Only `output` and `data.train` have no default. Relative paths in the file are relative to "
    "the\n"
    "file, those of `--set` to the working directory. Where the meaning of a key says what holds "
    "when\n"
    "it is absent, its value may also be empty. Unknown keys, keys given twice and values of the "
    "wrong\n"
    "type or out of bounds are errors.\n"
    "A value that starts with `*` must be quoted in the file; a path after `--set` is taken as it "
    "is.\n"
    "\n"
    "A run can only be resumed with the values it was started with, except for the keys marked in "
    "the\n"
    "last column. Files are compared by their content: they may be moved, copied and touched, and "
    "the\n"
    "text may be deleted once it has been prepared.\n";

const struct config_schema run_config_schema = {
    keys,
    sizeof keys / sizeof *keys,
    sizeof(struct run_config),
    .title = "The run",
    .sections = sections,
    .command = "cloze train",
    .list_command = "cloze config --help",
    .example_entry = "seed: 42",
    .example_setting = "train.steps=100",
    .use_input = {"To train on it, write a file run.yaml with the lines\n"
                  "  output: run\n"
                  "  data: {train: [",
                  "]}\n"
                  "and type: cloze train run.yaml"},
    .introduction = introduction,
};
