/* The configuration of a run of `cloze train` or `cloze finetune`, which have a table of keys each.
 *
 *     run_config_keys.c    the table of `cloze train`
 *     task_config_keys.c   the table of `cloze finetune`
 *     run_config_rows.h    the rows that both have
 *     run_config.c         loading, differences
 *     run_config_check.c   what one value means for another
 *     task_config_check.c  the same for the keys of `cloze finetune` alone */
#ifndef CLOZE_TRAIN_RUN_CONFIG_H
#define CLOZE_TRAIN_RUN_CONFIG_H

#include "base/log.h"
#include "config/config.h"
#include "data/labelled_rows.h"
#include "data/prepare.h"
#include "model/config.h"
#include "optim/schedule.h"
#include "report/task_metrics.h"

/* [CLS] A [SEP] B [SEP] with a few tokens in A and B. */
enum { MIN_SEQ_LEN = 8 };

enum precision { PRECISION_FP32, PRECISION_BF16 };

struct phase {
    int seq_len;
    int64_t steps;
};

struct run_config {
    struct config common;
    int64_t seed;
    char *output; /* run directory */
    struct {
        char size[32]; /* "": the sizes of init_from */
        /* size or init_from with the single keys applied; vocab_size is 0 until the vocabulary is
         * known */
        struct model_config architecture;
        char *init_from; /* NULL: none */
        /* Where its model is (checkpoint/model_directory.h). If it is gone, a checkpoint of the
         * output, which has the same sizes; NULL: none, or gone and the sizes are given. Owned; no
         * key. */
        char *init_directory;
        int init_rows; /* of its word embeddings */
    } model;
    struct {
        char *vocab;            /* NULL: train one */
        int64_t vocab_size;     /* of one that is trained; 0: none is */
        int64_t limit_alphabet; /* characters in it; 0: text/vocabulary_trainer.h has the rule */
        struct tokenizer_options options;
    } tokenizer;
    struct {
        struct strings train, valid; /* files or patterns; of `cloze finetune` in task */
        char text_field[128];        /* of a JSON record */
        double valid_fraction;
        enum sentence_mode sentences;
        int64_t seq_len; /* of `cloze finetune`: task.max_length */
        double short_seq_prob, mask_prob;
        bool whole_word_mask, nsp, strict;
    } data;
    struct { /* of `cloze finetune` */
        enum task_kind kind;
        enum labelled_format format;
        bool header;
        char text[CONFIG_TEXT_SIZE], text_pair[CONFIG_TEXT_SIZE], label[CONFIG_TEXT_SIZE];
        struct strings labels; /* none: those of the training files */
        int metric;            /* 0 or 1 + enum task_metric: see run_config_metric */
    } task;
    struct {
        int64_t steps;            /* 0: epochs or hours decide */
        double epochs;            /* 0: steps decide */
        double hours;             /* 0: steps or epochs decide */
        int64_t batch_size;       /* sequences an optimizer step */
        int64_t micro_batch_size; /* 0: chosen from memory */
        double learning_rate, min_learning_rate;
        enum schedule schedule;
        int64_t warmup_steps; /* -1: see run_config_warmup_steps */
        double adam_beta1, adam_beta2, adam_epsilon, weight_decay;
        double max_grad_norm;      /* 0: no clipping */
        int64_t max_skipped_steps; /* in a row */
        double spike_z_score;      /* 0: no norm is a spike */
        int64_t spike_window;      /* steps */
        bool adam_bias_correction;
        enum precision precision;
        int64_t threads; /* 0: machine_threads() */
        struct {
            struct phase *items;
            size_t count;
        } phases;                 /* none: one phase of data.seq_len */
        int64_t eval_every;       /* steps; 0: only at the end */
        int64_t eval_steps;       /* batches an evaluation; 0: all held-out text */
        int64_t save_every;       /* steps; 0: only at the end */
        double save_minutes;      /* 0: by steps alone */
        int64_t keep_checkpoints; /* 0: all */
        bool keep_best;           /* also that of the lowest held-out loss or highest metric */
        int64_t log_every;        /* steps */
        int64_t patience;         /* evaluations; 0: the run ends with its last step */
        /* Of several ranks, train/exchange.h: */
        enum precision exchange_precision;
        bool shard_optimizer;
        int64_t sync_every; /* steps; 1: after each */
        double outer_learning_rate, outer_momentum;
        double rank_timeout; /* seconds */

        struct integers seeds; /* a run for each; none: a single one with `seed` */
        double layer_decay;
        int frozen_layers;
    } train;
};

/* Bits in config_key.marks. */
enum {
    KEY_OF_ARCHITECTURE = 1, /* the default is that of model.size or model.init_from */
    KEY_FREE_OF_WEIGHTS = 2, /* of the architecture, but may differ from that of model.init_from */
};

extern const struct config_schema run_config_schema, task_config_schema;

/* The key of the configuration whose value is run_config.MEMBER. */
#define RUN_CONFIG_KEY(config, member)                                                             \
    config_key_at((config)->common.schema, offsetof(struct run_config, member))

/* Loads a configuration with settings (config_load) and checks everything. The log names damaged
 * checkpoints of model.init_from. NULL on failure; otherwise the caller frees the result with
 * run_config_free. */
struct run_config *run_config_load(const struct config_schema *schema, const char *path,
                                   const char *const *settings, size_t setting_count,
                                   struct log *log, struct error *error);

/* The same, but goes on after what is wrong and adds all of it to `problems`; then the error only
 * says how many there are. What does not go together is looked for when every value is right by
 * itself. */
struct run_config *run_config_load_noting(const struct config_schema *schema, const char *path,
                                          const char *const *settings, size_t setting_count,
                                          struct config_problems *problems, struct log *log,
                                          struct error *error);

/* Returns the schema of a file: that of `cloze finetune` if it has a section `task`. A file that is
 * no configuration has that of `cloze train`, with which run_config_load says what is wrong. NULL
 * when memory is short. */
const struct config_schema *run_config_schema_of(const char *path, struct error *error);

static inline bool run_config_is_task(const struct run_config *config)
{
    return config->common.schema == &task_config_schema;
}

/* NULL is accepted. */
void run_config_free(struct run_config *config);

/* Tokens of the longest sequences, of all phases. */
int run_config_longest_sequence(const struct run_config *config);

/* The key that says how many steps the run has: train.hours, train.phases, train.epochs or
 * train.steps. */
const struct config_key *run_config_length_key(const struct run_config *config);

/* The warm-up of a run of `steps` steps: train.warmup_steps or, where it is absent, a tenth of the
 * steps, at most 10,000 (what BERT was trained with). */
int64_t run_config_warmup_steps(const struct run_config *config, int64_t steps);

/* The metrics of a kind of task, in the order in which they are shown. */
struct task_metric_list {
    int count;
    enum task_metric items[3];
};

const struct task_metric_list *task_metrics_of(enum task_kind kind);

/* The metric by which fine-tuned models are compared: task.metric or, where it is absent, the first
 * one of the kind of task. */
enum task_metric run_config_metric(const struct run_config *config);

/* Appends "KEY is B, was A" (config_print_differences) for the keys in which two configurations
 * differ and a resumed run may not: not output, train.steps and epochs, threads, and the keys of
 * evaluation, saving and logging; nor other paths of files, since their content decides. */
bool run_config_differences(const struct run_config *a, const struct run_config *b,
                            struct buffer *out, struct error *error);

/* The same for the keys that may change on resume, without output. */
bool run_config_changes(const struct run_config *a, const struct run_config *b, struct buffer *out,
                        struct error *error);

/* Two parts of run_config_load, in run_config_check.c. The first settles the values that follow
 * from others (architecture, tokenizer, steps); the second refuses missing keys and values that do
 * not go together. */
bool run_config_resolve(struct run_config *config, struct log *log, struct error *error);
bool run_config_check(struct run_config *config, struct error *error);

/* The same for the keys of `cloze finetune` alone, in task_config_check.c. */
void task_config_resolve(struct run_config *config);
bool task_config_check(const struct run_config *config, struct error *error);

#endif
