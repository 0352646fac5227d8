/* What is in the directory of a checkpoint: a Hugging Face model and what training needs besides.
 *
 *     config.json model.safetensors                         model/huggingface.h
 *     vocab.txt tokenizer.json tokenizer_config.json
 *     special_tokens_map.json                               text/tokenizer.h
 *     optimizer.safetensors                                 Adam's moments, "exp_avg.NAME" and
 *                                                           "exp_avg_sq.NAME" for every parameter
 *     training_state.json                                   train/training_state.h */
#ifndef CLOZE_TRAIN_CHECKPOINT_CONTENT_H
#define CLOZE_TRAIN_CHECKPOINT_CONTENT_H

#include "model/parameters.h"
#include "text/tokenizer.h"
#include "train/training_state.h"

/* The numbers of a checkpoint. Nothing is owned; the blocks are laid out by the table. */
struct checkpoint_model {
    const struct model_config *config;
    const struct parameter_table *table;
    real *values;
    real *first_moment, *second_moment; /* loading: both NULL to leave the optimizer out */
};

/* Writes all files into an existing empty directory, training_state.json last, each flushed to the
 * disk. No copy of a block is made. A number that is not finite is an error that names its tensor.
 */
bool checkpoint_content_write(const char *directory, const struct checkpoint_model *model,
                              const struct tokenizer *tokenizer, const struct training_state *state,
                              struct error *error);

/* Loads values and moments into the blocks, and the state, to be freed with training_state_free.
 * Every tensor must be there in the table's shape; checksums are not looked at. On failure the
 * blocks may be half filled and the state is empty. */
bool checkpoint_load(const char *directory, const struct checkpoint_model *model,
                     struct training_state *state, struct error *error);

/* True if all files that training_state.json lists are there with their sizes and checksums. The
 * error names the first that is not. */
bool checkpoint_verify(const char *directory, struct error *error);

#endif
