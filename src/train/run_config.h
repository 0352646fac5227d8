/* The configuration of a run: one YAML file, one table (run_config_keys.c) that declares every key
 * with its type, default, bounds and help line. Loading, --set, `cloze config`, --help and
 * docs/configuration.md come from that table.
 *
 *     run_config_yaml.c    YAML to a tree
 *     run_config_keys.c    the table
 *     run_config_value.c   one value: defaults, from the tree
 *     run_config_text.c    one value: compared, to text
 *     run_config.c         loading: defaults, file, settings
 *     run_config_check.c   what one value means for another
 *     run_config_print.c   the effective configuration, differences, the reference */
#ifndef CLOZE_TRAIN_RUN_CONFIG_H
#define CLOZE_TRAIN_RUN_CONFIG_H

#include "base/buffer.h"
#include "data/prepare.h"
#include "model/config.h"
#include "optim/schedule.h"

enum precision { PRECISION_FP32, PRECISION_BF16 };

/* A list of strings, owned. */
struct strings {
    char **items;
    size_t count;
};

struct phase {
    int seq_len;
    int64_t steps;
};

struct key_origin;

/* Every path is absolute after loading. */
struct run_config {
    int64_t seed;
    char *output; /* run directory */
    struct {
        char size[32]; /* "": the sizes of init_from */
        /* size or init_from with the single keys applied; vocab_size is 0 until the vocabulary is
         * known */
        struct model_config architecture;
        char *init_from; /* NULL: none */
    } model;
    struct {
        char *vocab;        /* NULL: train one */
        int64_t vocab_size; /* of one that is trained */
        struct tokenizer_options options;
    } tokenizer;
    struct {
        struct strings train, valid; /* files or patterns */
        double valid_fraction;
        enum sentence_mode sentences;
        int64_t seq_len;
        double short_seq_prob, mask_prob;
        bool whole_word_mask, nsp, strict;
    } data;
    struct {
        int64_t steps;            /* 0: epochs decide */
        double epochs;            /* 0: steps decide */
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
        struct phase *phases;
        size_t phase_count;       /* 0: one phase of data.seq_len */
        int64_t eval_every;       /* steps; 0: only at the end */
        int64_t eval_steps;       /* batches an evaluation; 0: all held-out text */
        int64_t save_every;       /* steps; 0: only at the end */
        double save_minutes;      /* 0: by steps alone */
        int64_t keep_checkpoints; /* 0: all */
        int64_t log_every;        /* steps */
    } train;
    /* Where the values came from, for messages and `cloze config`; owned. */
    char *path;                 /* the file, as it was named */
    struct key_origin *origins; /* one a key of the table */
};

/* Reads a file, applies "key=value" settings in their order ("train.steps=100", lists as YAML:
 * "data.train=[a.txt, b.txt]") and checks everything. Relative paths in the file are relative to
 * the file; in a setting, to the working directory. Errors name file and line (or the setting), the
 * key, what was found and what was expected; an unknown key names the nearest known one. NULL on
 * failure; otherwise the caller frees the result with run_config_free. */
struct run_config *run_config_load(const char *path, const char *const *settings,
                                   size_t setting_count, struct error *error);

/* NULL is accepted. */
void run_config_free(struct run_config *config);

/* The warm-up of a run of `steps` steps: train.warmup_steps or, where it is absent, a tenth of the
 * steps, at most 10,000 (what BERT was trained with). */
int64_t run_config_warmup_steps(const struct run_config *config, int64_t steps);

/* Appends the complete configuration as YAML that run_config_load reads back, from anywhere, to the
 * same values: every key with its value and, when `origins`, a comment saying where it came from
 * (default, FILE:LINE, --set, model.size, model.init_from, train.phases). */
bool run_config_print(const struct run_config *config, bool origins, struct buffer *out,
                      struct error *error);

/* Appends the keys in which two configurations differ, ", "-separated, in the order of the table;
 * nothing if they agree. Those that may change on resume are left out: output, train.steps and
 * epochs, threads, and the keys of evaluation, saving and logging. */
bool run_config_differences(const struct run_config *a, const struct run_config *b,
                            struct buffer *out, struct error *error);

/* Appends the reference of all keys: as plain text for --help, or as the Markdown of
 * docs/configuration.md. */
bool run_config_reference(bool markdown, struct buffer *out, struct error *error);

#endif
