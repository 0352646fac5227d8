#include "train/run_config_keys.h"

#include "base/nearest.h"

#include <math.h>
#include <string.h>

#define PLACE(member) offsetof(struct run_config, member)

#define FROM_TO(low, high)     .minimum = (low), .maximum = (high)
#define ABOVE_TO(low, high)    FROM_TO(low, high), .above_minimum = true
#define FROM_BELOW(low, high)  FROM_TO(low, high), .below_maximum = true
#define ABOVE_BELOW(low, high) ABOVE_TO(low, high), .below_maximum = true

/* Whole numbers that a double, and so a JSON reader, holds exactly. */
#define LARGEST_INTEGER 9007199254740992.0
#define MOST_STEPS      1e9
#define MOST_THREADS    4096
/* [CLS] A [SEP] B [SEP] with a few tokens in A and B. */
#define SHORTEST 8
/* Each as model_config_check allows it, which then looks at all of them together. */
#define MOST_LAYERS    4096
#define MOST_POSITIONS 65536
#define WIDEST         1048576

static const char *const sections[] = {"model", "tokenizer", "data", "train"};

static const char *const sizes[] = {"", "tiny", "mini", "small", "medium", "base", "large", NULL};
static const char *const activations[] = {"gelu", "gelu_new", "gelu_pytorch_tanh", "relu", NULL};
/* In the order of bool and the enums. */
static const char *const truths[] = {"false", "true", NULL};
static const char *const accents[] = {"", "false", "true", NULL};
static const char *const sentence_modes[] = {"split", "line", NULL};
static const char *const schedules[] = {"linear", "cosine", "constant", NULL};
static const char *const precisions[] = {"fp32", "bf16", NULL};

/* Sections stand together: run_config_print writes them in this order. */
const struct config_key config_keys[] = {
    {"seed", KEY_INT64, PLACE(seed), "42", "the seed of every random number",
     FROM_TO(0, LARGEST_INTEGER)},
    {"output", KEY_PATH, PLACE(output), NULL, "the run directory", .required = true,
     .changes_on_resume = true},

    /* Free to change because the keys below it, which it stands for, are not. */
    {"model.size", KEY_NAME, PLACE(model.size), "tiny", "the whole architecture by one name",
     .choices = sizes, .optional = true, .when_absent = "that of model.init_from",
     .changes_on_resume = true},
    {"model.hidden_size", KEY_INT, PLACE(model.architecture.hidden_size), NULL,
     "width of the encoder, divisible by the heads", FROM_TO(1, WIDEST), .architecture = true},
    {"model.num_hidden_layers", KEY_INT, PLACE(model.architecture.num_hidden_layers), NULL,
     "layers of the encoder", FROM_TO(1, MOST_LAYERS), .architecture = true},
    {"model.num_attention_heads", KEY_INT, PLACE(model.architecture.num_attention_heads), NULL,
     "attention heads of a layer", FROM_TO(1, MOST_POSITIONS), .architecture = true},
    {"model.intermediate_size", KEY_INT, PLACE(model.architecture.intermediate_size), NULL,
     "width of the feed-forward layer", FROM_TO(1, WIDEST), .architecture = true},
    {"model.hidden_act", KEY_NAME, PLACE(model.architecture.hidden_act), NULL,
     "activation of the feed-forward layer and the MLM head; gelu_new and gelu_pytorch_tanh are "
     "one",
     .choices = activations, .architecture = true},
    {"model.hidden_dropout_prob", KEY_REAL, PLACE(model.architecture.hidden_dropout_prob), NULL,
     "dropout of embeddings and of what a layer adds", FROM_BELOW(0, 1), .architecture = true,
     .free_of_weights = true},
    {"model.attention_probs_dropout_prob", KEY_REAL,
     PLACE(model.architecture.attention_probs_dropout_prob), NULL,
     "dropout of attention probabilities", FROM_BELOW(0, 1), .architecture = true,
     .free_of_weights = true},
    {"model.max_position_embeddings", KEY_INT, PLACE(model.architecture.max_position_embeddings),
     NULL, "the longest sequence the model can take", FROM_TO(SHORTEST, MOST_POSITIONS),
     .architecture = true},
    {"model.type_vocab_size", KEY_INT, PLACE(model.architecture.type_vocab_size), NULL,
     "token types: 2 tell sentence A from B", FROM_TO(1, MOST_POSITIONS), .architecture = true},
    {"model.initializer_range", KEY_REAL, PLACE(model.architecture.initializer_range), NULL,
     "standard deviation of the initial weights", ABOVE_TO(0, 1), .architecture = true,
     .free_of_weights = true},
    {"model.layer_norm_eps", KEY_REAL, PLACE(model.architecture.layer_norm_eps), NULL,
     "added to the variance in layer normalization", ABOVE_TO(0, 1), .architecture = true},
    {"model.init_from", KEY_PATH, PLACE(model.init_from), NULL,
     "a Hugging Face BERT directory to continue from, with its sizes and a fresh optimizer",
     .optional = true, .when_absent = "a new model"},

    {"tokenizer.vocab", KEY_PATH, PLACE(tokenizer.vocab), NULL, "a vocab.txt", .optional = true,
     .when_absent = "a vocabulary is trained on data.train"},
    {"tokenizer.vocab_size", KEY_INT64, PLACE(tokenizer.vocab_size), "30522",
     "tokens of a vocabulary that is trained", FROM_TO(100, 1e6)},
    {"tokenizer.lowercase", KEY_BOOL, PLACE(tokenizer.options.lowercase), "true",
     "uncased: text is lowercased first; the flags of a tokenizer in model.init_from must stay its "
     "own",
     .choices = truths},
    {"tokenizer.strip_accents", KEY_CHOICE, PLACE(tokenizer.options.strip_accents), NULL,
     "accents are removed", .choices = accents, .optional = true,
     .when_absent = "as tokenizer.lowercase"},
    {"tokenizer.tokenize_chinese_chars", KEY_BOOL, PLACE(tokenizer.options.tokenize_chinese_chars),
     "true", "every CJK ideograph is a word of its own", .choices = truths},

    {"data.train", KEY_PATHS, PLACE(data.train), NULL,
     "text to train on: files or patterns, plain, .gz, .zst or .xz, documents apart by blank "
     "lines, or .jsonl with a \"text\" field",
     .required = true},
    {"data.valid", KEY_PATHS, PLACE(data.valid), NULL, "held-out text, as data.train",
     .optional = true, .when_absent = "data.valid_fraction decides"},
    {"data.valid_fraction", KEY_REAL, PLACE(data.valid_fraction), "0.01",
     "documents of data.train that are held out, chosen by hash; not used with data.valid",
     FROM_BELOW(0, 1)},
    {"data.sentences", KEY_CHOICE, PLACE(data.sentences), "split",
     "split finds the sentences in running text; line takes one sentence a line",
     .choices = sentence_modes},
    {"data.seq_len", KEY_INT64, PLACE(data.seq_len), "128",
     "tokens of a sequence, [CLS] and [SEP] included", FROM_TO(SHORTEST, MOST_POSITIONS)},
    {"data.short_seq_prob", KEY_REAL, PLACE(data.short_seq_prob), "0.1",
     "how often a pair is made shorter than seq_len on purpose", FROM_TO(0, 1)},
    {"data.mask_prob", KEY_REAL, PLACE(data.mask_prob), "0.15",
     "the share of tokens to be predicted", ABOVE_BELOW(0, 1)},
    {"data.whole_word_mask", KEY_BOOL, PLACE(data.whole_word_mask), "false",
     "the pieces of a word are masked together", .choices = truths},
    {"data.nsp", KEY_BOOL, PLACE(data.nsp), "true",
     "next sentence prediction; false: MLM only, on sequences of full length", .choices = truths},
    {"data.strict", KEY_BOOL, PLACE(data.strict), "false",
     "text that is not UTF-8 is an error, not a warning", .choices = truths},

    {"train.steps", KEY_INT64, PLACE(train.steps), "10000",
     "optimizer steps; with train.phases their sum", FROM_TO(1, MOST_STEPS), .optional = true,
     .when_absent = "train.epochs decides", .changes_on_resume = true},
    {"train.epochs", KEY_REAL, PLACE(train.epochs), NULL,
     "passes over the data, instead of train.steps", ABOVE_TO(0, 1e6), .optional = true,
     .when_absent = "train.steps decides", .changes_on_resume = true},
    {"train.batch_size", KEY_INT64, PLACE(train.batch_size), "256",
     "sequences of an optimizer step", FROM_TO(1, 1e6)},
    {"train.micro_batch_size", KEY_INT64, PLACE(train.micro_batch_size), NULL,
     "sequences worked on at once", FROM_TO(1, 1e6), .optional = true,
     .when_absent = "chosen from the memory that is free"},
    {"train.learning_rate", KEY_REAL, PLACE(train.learning_rate), "1e-4",
     "the highest learning rate, reached after the warm-up", ABOVE_TO(0, 10)},
    {"train.schedule", KEY_CHOICE, PLACE(train.schedule), "linear",
     "how the learning rate falls after the warm-up", .choices = schedules},
    {"train.warmup_steps", KEY_INT64, PLACE(train.warmup_steps), NULL,
     "steps in which the learning rate rises", FROM_TO(0, MOST_STEPS), .optional = true,
     .absent = -1, .when_absent = "a tenth of the steps, at most 10000"},
    {"train.min_learning_rate", KEY_REAL, PLACE(train.min_learning_rate), "0",
     "the learning rate of the last step", FROM_TO(0, 10)},
    {"train.adam_beta1", KEY_REAL, PLACE(train.adam_beta1), "0.9", "decay of the first moment",
     FROM_BELOW(0, 1)},
    {"train.adam_beta2", KEY_REAL, PLACE(train.adam_beta2), "0.999", "decay of the second moment",
     FROM_BELOW(0, 1)},
    {"train.adam_epsilon", KEY_REAL, PLACE(train.adam_epsilon), "1e-6",
     "added to the root of the second moment", ABOVE_TO(0, 1)},
    {"train.adam_bias_correction", KEY_BOOL, PLACE(train.adam_bias_correction), "true",
     "Adam as published; false: as the original BERT", .choices = truths},
    {"train.weight_decay", KEY_REAL, PLACE(train.weight_decay), "0.01",
     "decoupled weight decay, none on biases and LayerNorm", FROM_TO(0, 1)},
    {"train.max_grad_norm", KEY_REAL, PLACE(train.max_grad_norm), "1.0",
     "gradients are scaled down to this norm; 0: never", FROM_TO(0, INFINITY)},
    {"train.max_skipped_steps", KEY_INT64, PLACE(train.max_skipped_steps), "10",
     "steps in a row that may be skipped, because their loss or gradient is not finite or the "
     "gradient is a spike, before the run ends",
     FROM_TO(1, MOST_STEPS), .changes_on_resume = true},
    {"train.spike_z_score", KEY_REAL, PLACE(train.spike_z_score), "0",
     "a step is skipped whose gradient norm lies more than so many standard deviations above its "
     "mean; 0: none is",
     FROM_TO(0, INFINITY), .changes_on_resume = true},
    {"train.spike_window", KEY_INT64, PLACE(train.spike_window), "100",
     "steps that this mean looks back, and before which none is skipped", FROM_TO(2, MOST_STEPS),
     .changes_on_resume = true},
    {"train.precision", KEY_CHOICE, PLACE(train.precision), "fp32",
     "what activations and products are stored in", .choices = precisions},
    {"train.threads", KEY_INT64, PLACE(train.threads), NULL, "threads to use",
     FROM_TO(1, MOST_THREADS), .optional = true, .when_absent = "the cores this process may use",
     .changes_on_resume = true},
    {"train.phases", KEY_PHASES, PLACE(train.phases), NULL,
     "sequence lengths one after the other, each with its steps, instead of data.seq_len",
     .optional = true, .when_absent = "one phase of data.seq_len"},
    {"train.eval_every", KEY_INT64, PLACE(train.eval_every), "1000",
     "steps between evaluations on held-out text; 0: only at the end", FROM_TO(0, MOST_STEPS),
     .changes_on_resume = true},
    {"train.eval_steps", KEY_INT64, PLACE(train.eval_steps), "0",
     "batches of an evaluation; 0: all held-out text", FROM_TO(0, MOST_STEPS),
     .changes_on_resume = true},
    {"train.save_every", KEY_INT64, PLACE(train.save_every), "1000",
     "steps between checkpoints; 0: only at the end", FROM_TO(0, MOST_STEPS),
     .changes_on_resume = true},
    {"train.save_minutes", KEY_REAL, PLACE(train.save_minutes), "30",
     "a checkpoint is written also when the last one is this old; 0: never for its age",
     FROM_TO(0, 1e6), .changes_on_resume = true},
    {"train.keep_checkpoints", KEY_INT64, PLACE(train.keep_checkpoints), "3",
     "newest checkpoints that are kept beside step 0; 0: all", FROM_TO(0, MOST_STEPS),
     .changes_on_resume = true},
    {"train.log_every", KEY_INT64, PLACE(train.log_every), "10",
     "steps between records in metrics.jsonl", FROM_TO(1, MOST_STEPS), .changes_on_resume = true},
};

enum {
    KEY_COUNT = sizeof config_keys / sizeof *config_keys,
    SECTION_COUNT = sizeof sections / sizeof *sections,
};

const struct config_key config_phase_keys[PHASE_KEYS] = {
    [PHASE_SEQ_LEN] = {"train.phases: seq_len", KEY_INT64, FROM_TO(SHORTEST, MOST_POSITIONS)},
    [PHASE_STEPS] = {"train.phases: steps", KEY_INT64, FROM_TO(1, MOST_STEPS)},
};

const char *const config_phase_names[PHASE_KEYS] = {
    [PHASE_SEQ_LEN] = "seq_len",
    [PHASE_STEPS] = "steps",
};

const size_t config_key_count = KEY_COUNT;

const struct config_key *config_key_find(const char *path)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(config_keys[i].path, path) == 0)
            return &config_keys[i];
    return NULL;
}

size_t config_key_section(const struct config_key *key)
{
    const char *dot = strchr(key->path, '.');
    return dot ? (size_t)(dot - key->path) : 0;
}

bool config_section_exists(const char *name)
{
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (strcmp(sections[i], name) == 0)
            return true;
    return false;
}

static const char *last_word(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

const char *config_key_nearest(const char *path)
{
    const char *candidates[SECTION_COUNT + KEY_COUNT];
    /* A key in the wrong section is more likely than one that happens to be spelt alike. */
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(last_word(config_keys[i].path), last_word(path)) == 0)
            return config_keys[i].path;
    memcpy(candidates, sections, sizeof sections);
    for (size_t i = 0; i < KEY_COUNT; i++)
        candidates[SECTION_COUNT + i] = config_keys[i].path;
    return nearest_word(path, candidates, SECTION_COUNT + KEY_COUNT);
}

const struct config_key *config_key_at(size_t offset)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (config_keys[i].offset == offset)
            return &config_keys[i];
    CHECK(false);
    return NULL;
}
