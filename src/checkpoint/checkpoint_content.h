/* The files of a checkpoint's directory: a Hugging Face model, and the state that training needs.
 *
 *     config.json model.safetensors                         model/huggingface.h
 *     vocab.txt tokenizer.json tokenizer_config.json
 *     special_tokens_map.json                               text/tokenizer.h
 *     optimizer.safetensors                                 Adam's moments, "exp_avg.NAME" and
 *                                                           "exp_avg_sq.NAME" for every parameter;
 *                                                           "outer_momentum.NAME" (optim/outer.h)
 *     training_state.json                                   checkpoint/training_state.h */
#ifndef CLOZE_CHECKPOINT_CHECKPOINT_CONTENT_H
#define CLOZE_CHECKPOINT_CHECKPOINT_CONTENT_H

#include "checkpoint/training_state.h"
#include "optim/trainee.h"
#include "text/tokenizer.h"

/* The numbers of a checkpoint. Nothing is owned; the table determines the order of the blocks'
 * elements. */
struct checkpoint_model {
    const struct model_config *config;
    const struct parameter_table *table;
    int trained_length; /* tokens of the longest sequences trained; 0: all positions */
    real *values;
    real *first_moment, *second_moment; /* to load without the optimizer, both are NULL */
    real *outer_momentum;               /* NULL: there is none */
};

/* Returns the numbers of a trainee, with a trained length of 0. */
struct checkpoint_model checkpoint_model_of(const struct trainee *trainee);

/* Writes all files into an existing empty directory, training_state.json last, and flushes each to
 * the disk. Makes no copy of a block. A number that is not finite is an error that names its
 * tensor. */
bool checkpoint_content_write(const char *directory, const struct checkpoint_model *model,
                              const struct tokenizer *tokenizer, const struct training_state *state,
                              struct error *error);

/* Loads values and moments into the blocks, and the state, which the caller frees with
 * training_state_free. Every tensor must exist with the table's shape; checksums are not verified.
 * On failure the blocks may be partly filled and the state is empty. */
bool checkpoint_load(const char *directory, const struct checkpoint_model *model,
                     struct training_state *state, struct error *error);

/* Checks that all files that training_state.json lists exist with their sizes and checksums. The
 * error names the first file that does not. */
bool checkpoint_verify(const char *directory, struct error *error);

#endif
