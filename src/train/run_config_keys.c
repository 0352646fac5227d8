#include "base/machine.h"
#include "train/run_config.h"

#include <math.h>

#define AT(name, type_, member)                                                                    \
    .path = (name), .type = CONFIG_##type_, .offset = offsetof(struct run_config, member)
#define KEY(type, member)  AT(#member, type, member)
#define SIZE(type, member) AT("model." #member, type, model.architecture.member)
#define FLAG(type, member) AT("tokenizer." #member, type, tokenizer.options.member)

#define MARKED(bits) .set_by = "set by model.size", .marks = (bits)
#define BY_SIZE      MARKED(KEY_OF_ARCHITECTURE)
#define BY_SIZE_ONLY MARKED(KEY_OF_ARCHITECTURE | KEY_FREE_OF_WEIGHTS)

#define CHANGES .changes_on_resume = true
#define MOVES   .names_content = true

#define FROM_TO(low, high)     .minimum = (low), .maximum = (high)
#define ABOVE_TO(low, high)    FROM_TO(low, high), .above_minimum = true
#define FROM_BELOW(low, high)  FROM_TO(low, high), .below_maximum = true
#define ABOVE_BELOW(low, high) ABOVE_TO(low, high), .below_maximum = true

/* Whole numbers that a double, and so a JSON reader, holds exactly. */
#define MAX_INTEGER 9007199254740992.0
#define MAX_STEPS   1e9
/* [CLS] A [SEP] B [SEP] with a few tokens in A and B. */
#define MIN_LENGTH 8
/* Each as model_config_check allows it, which then looks at all of them together. */
#define MAX_LAYERS    4096
#define MAX_POSITIONS 65536
#define MAX_WIDTH     1048576

static const char *const sections[] = {"model", "tokenizer", "data", "train", NULL};

static const char *const sizes[] = {"", "tiny", "mini", "small", "medium", "base", "large", NULL};
static const char *const activations[] = {"gelu", "gelu_new", "gelu_pytorch_tanh", "relu", NULL};
/* In the order of the enums. */
static const char *const accents[] = {"", "false", "true", NULL};
static const char *const sentence_modes[] = {"split", "line", NULL};
static const char *const schedules[] = {"linear", "cosine", "constant", NULL};
static const char *const precisions[] = {"fp32", "bf16", NULL};

static const struct config_key phase_keys[] = {
    {"seq_len", CONFIG_INT, offsetof(struct phase, seq_len), FROM_TO(MIN_LENGTH, MAX_POSITIONS),
     .required = true},
    {"steps", CONFIG_INT64, offsetof(struct phase, steps), FROM_TO(1, MAX_STEPS), .required = true},
};

static const struct config_schema phase_schema = {
    phase_keys, sizeof phase_keys / sizeof *phase_keys, sizeof(struct phase), .title = "phase"};

static const struct config_key keys[] = {
    {KEY(INT64, seed), "42", "the seed of every random number", FROM_TO(0, MAX_INTEGER)},
    {KEY(PATH, output), NULL, "the run directory", .required = true, CHANGES},

    /* May change on resume: it only sets defaults of the keys below, which may not. */
    {KEY(NAME, model.size), "tiny", "the whole architecture, by name", .choices = sizes,
     .when_absent = "that of model.init_from", CHANGES},
    {SIZE(INT, hidden_size), NULL, "width of the encoder, a multiple of the number of heads",
     FROM_TO(1, MAX_WIDTH), BY_SIZE},
    {SIZE(INT, num_hidden_layers), NULL, "number of encoder layers", FROM_TO(1, MAX_LAYERS),
     BY_SIZE},
    {SIZE(INT, num_attention_heads), NULL, "attention heads per layer", FROM_TO(1, MAX_POSITIONS),
     BY_SIZE},
    {SIZE(INT, intermediate_size), NULL, "width of the feed-forward layer", FROM_TO(1, MAX_WIDTH),
     BY_SIZE},
    {SIZE(NAME, hidden_act), NULL,
     "activation of the feed-forward layer and the MLM head; gelu_new and gelu_pytorch_tanh are "
     "the same",
     .choices = activations, BY_SIZE},
    {SIZE(REAL, hidden_dropout_prob), NULL, "dropout on embeddings and on each layer's output",
     FROM_BELOW(0, 1), BY_SIZE_ONLY},
    {SIZE(REAL, attention_probs_dropout_prob), NULL, "dropout on attention probabilities",
     FROM_BELOW(0, 1), BY_SIZE_ONLY},
    {SIZE(INT, max_position_embeddings), NULL,
     "the longest sequence the model can take; Google's models have 512, which must be asked for",
     FROM_TO(MIN_LENGTH, MAX_POSITIONS), .marks = KEY_OF_ARCHITECTURE,
     .set_by = "the longest that is trained, or as in model.init_from"},
    {SIZE(INT, type_vocab_size), NULL, "token types; 2 distinguish sentence A from sentence B",
     FROM_TO(1, MAX_POSITIONS), BY_SIZE},
    {SIZE(REAL, initializer_range), NULL, "standard deviation of the initial weights",
     ABOVE_TO(0, 1), BY_SIZE_ONLY},
    {SIZE(REAL, layer_norm_eps), NULL, "added to the variance in layer normalization",
     ABOVE_TO(0, 1), BY_SIZE},
    {KEY(PATH, model.init_from), NULL,
     "a run, a checkpoint or a Hugging Face BERT directory to start from, with its sizes and a "
     "fresh optimizer",
     MOVES, .when_absent = "a new model"},

    {KEY(PATH, tokenizer.vocab), NULL, "a vocab.txt, a tokenizer.json, or a model or run directory",
     MOVES, .when_absent = "train one on data.train"},
    {KEY(INT64, tokenizer.vocab_size), "30522",
     "number of tokens, if a vocabulary is trained; not with model.init_from, which has its own",
     FROM_TO(100, 1e6), .when_absent = "that of tokenizer.vocab or model.init_from"},
    {KEY(INT64, tokenizer.limit_alphabet), NULL,
     "how many different characters a vocabulary that is trained may have", FROM_TO(1, 1114112),
     .when_absent = "all; the 1000 most frequent if the others are below 0.05 % of the text"},
    {FLAG(BOOL, lowercase), "true",
     "lowercase the text first (an uncased model); with model.init_from, its tokenizer decides"},
    {FLAG(CHOICE, strip_accents), NULL, "remove accents", .choices = accents,
     .when_absent = "as tokenizer.lowercase"},
    {FLAG(BOOL, tokenize_chinese_chars), "true", "treat every CJK ideograph as a separate word"},

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
     FROM_TO(MIN_LENGTH, MAX_POSITIONS)},
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
    {KEY(INT64, train.batch_size), "256", "sequences per optimizer step", FROM_TO(1, 1e6)},
    {KEY(INT64, train.micro_batch_size), NULL, "sequences processed at once; saves memory",
     FROM_TO(1, 1e6), .when_absent = "chosen to fit the free memory"},
    {KEY(REAL, train.learning_rate), "1e-4", "the highest learning rate, reached after the warm-up",
     ABOVE_TO(0, 10)},
    {KEY(CHOICE, train.schedule), "linear", "how the learning rate falls after the warm-up",
     .choices = schedules},
    {KEY(INT64, train.warmup_steps), NULL, "steps over which the learning rate rises",
     FROM_TO(0, MAX_STEPS), .absent = -1, .when_absent = "a tenth of the steps, at most 10000"},
    {KEY(REAL, train.min_learning_rate), "0", "the learning rate at the last step", FROM_TO(0, 10)},
    {KEY(REAL, train.adam_beta1), "0.9", "decay of the first moment", FROM_BELOW(0, 1)},
    {KEY(REAL, train.adam_beta2), "0.999", "decay of the second moment", FROM_BELOW(0, 1)},
    {KEY(REAL, train.adam_epsilon), "1e-6", "added to the root of the second moment",
     ABOVE_TO(0, 1)},
    {KEY(BOOL, train.adam_bias_correction), "true",
     "true: Adam as published; false: as in the original BERT"},
    {KEY(REAL, train.weight_decay), "0.01",
     "decoupled weight decay, not applied to biases and LayerNorm", FROM_TO(0, 1)},
    {KEY(REAL, train.max_grad_norm), "1.0", "gradients are scaled down to this norm; 0: never",
     FROM_TO(0, INFINITY)},
    {KEY(INT64, train.max_skipped_steps), "10",
     "stop after skipping this many steps in a row, because the loss or gradient was not finite or "
     "the gradient was a spike",
     FROM_TO(1, MAX_STEPS), CHANGES},
    {KEY(REAL, train.spike_z_score), "0",
     "skip a step whose gradient norm is more than this many standard deviations above the recent "
     "mean; 0: never",
     FROM_TO(0, INFINITY), CHANGES},
    {KEY(INT64, train.spike_window), "100",
     "number of steps in that mean; no step is skipped before them", FROM_TO(2, MAX_STEPS),
     CHANGES},
    {KEY(CHOICE, train.precision), "fp32", "number format of activations and matrix products",
     .choices = precisions},
    {KEY(INT64, train.threads), NULL, "number of threads", FROM_TO(1, MACHINE_MAX_THREADS),
     .when_absent = "the cores this process may use", CHANGES},
    {KEY(LIST, train.phases), NULL,
     "a list of sequence lengths, each with a number of steps, instead of data.seq_len",
     .element = &phase_schema,
     .example = "[{seq_len: 128, steps: 9000}, {seq_len: 512, steps: 1000}]",
     .when_absent = "one phase of data.seq_len"},
    {KEY(INT64, train.eval_every), "1000",
     "steps between evaluations on held-out text; 0: only at the end", FROM_TO(0, MAX_STEPS),
     CHANGES},
    {KEY(INT64, train.eval_steps), "0", "batches per evaluation; 0: all held-out text",
     FROM_TO(0, MAX_STEPS), CHANGES},
    {KEY(INT64, train.save_every), "1000", "steps between checkpoints; 0: only at the end",
     FROM_TO(0, MAX_STEPS), CHANGES},
    {KEY(REAL, train.save_minutes), "30", "also save after this many minutes; 0: off",
     FROM_TO(0, 1e6), CHANGES},
    {KEY(INT64, train.keep_checkpoints), "3",
     "how many recent checkpoints to keep besides step 0; 0: all", FROM_TO(0, MAX_STEPS), CHANGES},
    {KEY(BOOL, train.keep_best), "true",
     "also keep the checkpoint with the lowest MLM loss on held-out text, as checkpoints/best; an "
     "evaluation that is better than all before it is saved at once; a phase with another seq_len "
     "starts a new comparison",
     CHANGES},
    {KEY(INT64, train.log_every), "10", "steps between records in metrics.jsonl",
     FROM_TO(1, MAX_STEPS), CHANGES},
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
    "file, those of `--set` to the working directory. Leaving a value empty is the same as leaving "
    "the\n"
    "key out. Unknown keys, keys given twice and values of the wrong type or out of bounds are "
    "errors.\n"
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
