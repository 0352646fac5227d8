/* What the tables of keys of `cloze train` and `cloze finetune` are made of: the words that
 * describe a key, and the rows that both tables have. */
#ifndef CLOZE_TRAIN_RUN_CONFIG_ROWS_H
#define CLOZE_TRAIN_RUN_CONFIG_ROWS_H

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
/* Each as model_config_check allows it, which then looks at all of them together. */
#define MAX_LAYERS    4096
#define MAX_POSITIONS 65536
#define MAX_WIDTH     1048576

static const char *const sizes[] = {"", "tiny", "mini", "small", "medium", "base", "large", NULL};
static const char *const activations[] = {"gelu", "gelu_new", "gelu_pytorch_tanh", "relu", NULL};
/* In the order of the enums. */
static const char *const accents[] = {"", "false", "true", NULL};
static const char *const schedules[] = {"linear", "cosine", "constant", NULL};
static const char *const precisions[] = {"fp32", "bf16", NULL};

/* clang-format off */

/* The seed, the run directory and the model. */
#define MODEL_KEYS                                                                                 \
    {KEY(INT64, seed), "42", "the seed of every random number", FROM_TO(0, MAX_INTEGER)},          \
    {KEY(PATH, output), NULL, "the run directory", .required = true, CHANGES},                     \
    /* May change on resume: it only sets defaults of the keys below, which may not. */            \
    {KEY(NAME, model.size), "tiny", "the whole architecture, by name", .choices = sizes,           \
     .when_absent = "that of model.init_from", CHANGES},                                           \
    {SIZE(INT, hidden_size), NULL, "width of the encoder, a multiple of the number of heads",      \
     FROM_TO(1, MAX_WIDTH), BY_SIZE},                                                              \
    {SIZE(INT, num_hidden_layers), NULL, "number of encoder layers", FROM_TO(1, MAX_LAYERS),       \
     BY_SIZE},                                                                                     \
    {SIZE(INT, num_attention_heads), NULL, "attention heads per layer", FROM_TO(1, MAX_POSITIONS), \
     BY_SIZE},                                                                                     \
    {SIZE(INT, intermediate_size), NULL, "width of the feed-forward layer", FROM_TO(1, MAX_WIDTH), \
     BY_SIZE},                                                                                     \
    {SIZE(NAME, hidden_act), NULL,                                                                 \
     "activation of the feed-forward layer and the MLM head; gelu_new and gelu_pytorch_tanh are "  \
     "the same",                                                                                   \
     .choices = activations, BY_SIZE},                                                             \
    {SIZE(REAL, hidden_dropout_prob), NULL, "dropout on embeddings and on each layer's output",    \
     FROM_BELOW(0, 1), BY_SIZE_ONLY},                                                              \
    {SIZE(REAL, attention_probs_dropout_prob), NULL, "dropout on attention probabilities",         \
     FROM_BELOW(0, 1), BY_SIZE_ONLY},                                                              \
    {SIZE(INT, max_position_embeddings), NULL,                                                     \
     "the longest sequence the model can take; Google's models have 512, which must be asked for", \
     FROM_TO(MIN_SEQ_LEN, MAX_POSITIONS), .marks = KEY_OF_ARCHITECTURE,                            \
     .set_by = "the longest that is trained, or as in model.init_from"},                           \
    {SIZE(INT, type_vocab_size), NULL, "token types; 2 distinguish sentence A from sentence B",    \
     FROM_TO(1, MAX_POSITIONS), BY_SIZE},                                                          \
    {SIZE(REAL, initializer_range), NULL, "standard deviation of the initial weights",             \
     ABOVE_TO(0, 1), BY_SIZE_ONLY},                                                                \
    {SIZE(REAL, layer_norm_eps), NULL, "added to the variance in layer normalization",             \
     FROM_BELOW(MODEL_MIN_LAYER_NORM_EPS, 1), BY_SIZE},                                            \
    {KEY(PATH, model.init_from), NULL,                                                             \
     "a run, a checkpoint or a Hugging Face BERT directory to start from, with its sizes and a "   \
     "fresh optimizer",                                                                            \
     MOVES, .when_absent = "a new model"}

/* How text is split into words. */
#define TOKENIZER_KEYS                                                                             \
    {FLAG(BOOL, lowercase), "true",                                                                \
     "lowercase the text first (an uncased model); with model.init_from, its tokenizer decides"},  \
    {FLAG(CHOICE, strip_accents), NULL, "remove accents", .choices = accents,                      \
     .when_absent = "as tokenizer.lowercase"},                                                     \
    {FLAG(BOOL, tokenize_chinese_chars), "true", "treat every CJK ideograph as a separate word"}

/* How a step is computed. */
#define OPTIMIZER_KEYS(default_learning_rate)                                                      \
    {KEY(INT64, train.micro_batch_size), NULL, "sequences processed at once; saves memory",        \
     FROM_TO(1, 1e6), .when_absent = "chosen to fit the free memory"},                             \
    {KEY(REAL, train.learning_rate), default_learning_rate,                                        \
     "the highest learning rate, reached after the warm-up",                                       \
     ABOVE_TO(0, 10)},                                                                             \
    {KEY(CHOICE, train.schedule), "linear", "how the learning rate falls after the warm-up",       \
     .choices = schedules},                                                                        \
    {KEY(INT64, train.warmup_steps), NULL, "steps over which the learning rate rises",             \
     FROM_TO(0, MAX_STEPS), .absent = -1, .when_absent = "a tenth of the steps, at most 10000"},   \
    {KEY(REAL, train.min_learning_rate), "0", "the learning rate at the last step",                \
     FROM_TO(0, 10)},                                                                              \
    {KEY(REAL, train.adam_beta1), "0.9", "decay of the first moment", FROM_BELOW(0, 1)},           \
    {KEY(REAL, train.adam_beta2), "0.999", "decay of the second moment", FROM_BELOW(0, 1)},        \
    {KEY(REAL, train.adam_epsilon), "1e-6", "added to the root of the second moment",              \
     ABOVE_TO(0, 1)},                                                                              \
    {KEY(BOOL, train.adam_bias_correction), "true",                                                \
     "true: Adam as published; false: as in the original BERT"},                                   \
    {KEY(REAL, train.weight_decay), "0.01",                                                        \
     "decoupled weight decay, not applied to biases and LayerNorm", FROM_TO(0, 1)},                \
    {KEY(REAL, train.max_grad_norm), "1.0", "gradients are scaled down to this norm; 0: never",    \
     FROM_TO(0, INFINITY)},                                                                        \
    {KEY(INT64, train.max_skipped_steps), "10",                                                    \
     "stop after skipping this many steps in a row, because the loss or gradient was not "         \
     "finite or the gradient was a spike",                                                         \
     FROM_TO(1, MAX_STEPS), CHANGES},                                                              \
    {KEY(REAL, train.spike_z_score), "0",                                                          \
     "skip a step whose gradient norm is more than this many standard deviations above the recent "\
     "mean; 0: never",                                                                             \
     FROM_TO(0, INFINITY), CHANGES},                                                               \
    {KEY(INT64, train.spike_window), "100",                                                        \
     "number of steps in that mean; no step is skipped before them", FROM_TO(2, MAX_STEPS),        \
     CHANGES},                                                                                     \
    {KEY(CHOICE, train.precision), "fp32", "number format of activations and matrix products",     \
     .choices = precisions},                                                                       \
    {KEY(INT64, train.threads), NULL, "number of threads", FROM_TO(1, MACHINE_MAX_THREADS),        \
     .when_absent = "the cores this process may use", CHANGES}

/* What is kept, and when a run ends. */
#define SAVING_KEYS(default_save_every, default_keep_checkpoints, keep_best_help)                  \
    {KEY(INT64, train.save_every), default_save_every,                                             \
     "steps between checkpoints; 0: only at the end",                                              \
     FROM_TO(0, MAX_STEPS), CHANGES},                                                              \
    {KEY(REAL, train.save_minutes), "30", "also save after this many minutes; 0: off",             \
     FROM_TO(0, 1e6), CHANGES},                                                                    \
    {KEY(INT64, train.keep_checkpoints), default_keep_checkpoints,                                 \
     "how many recent checkpoints to keep besides step 0; 0: all", FROM_TO(0, MAX_STEPS), CHANGES},\
    {KEY(BOOL, train.keep_best), "true", keep_best_help, CHANGES},                                 \
    {KEY(INT64, train.log_every), "10", "steps between records in metrics.jsonl",                  \
     FROM_TO(1, MAX_STEPS), CHANGES},                                                              \
    {KEY(INT64, train.patience), NULL,                                                             \
     "end the run after so many evaluations in a row that are not better than the best one before",\
     FROM_TO(1, MAX_STEPS), .when_absent = "train all steps", CHANGES}

/* clang-format on */

#endif
