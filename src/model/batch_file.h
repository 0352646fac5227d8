/* Batches as other programs have them: safetensors files, or arrays in memory. All tensors but the
 * first are optional:
 *
 *     input_ids            [B, length]
 *     attention_mask       [B, length]  1: a token, 0: padding   (absent: all 1)
 *     token_type_ids       [B, length]                           (absent: all 0)
 *     labels               [B, length]  -100: not predicted      (absent: all -100)
 *     next_sentence_label  [B]          0, 1 or -100             (absent: all -100)
 *
 * These are the inputs of BertForPreTraining in Hugging Face transformers, with its conventions.
 * Other models have no next_sentence_label, and labels as their own class takes them:
 *
 *     tokens               [B, length]  the class; -100: not predicted
 *     classification       [B]          the class or -100
 *     regression           [B]          F32 or F64: the number   (absent: none has a number) */
#ifndef CLOZE_MODEL_BATCH_FILE_H
#define CLOZE_MODEL_BATCH_FILE_H

#include "data/batch.h"
#include "model/config.h"

/* Writes all five tensors of pre-training as I64, atomically. `length` is the last position of any
 * sequence + 1; shorter sequences are padded with pad_id, 0, 0 and -100. */
bool batch_file_write(const char *path, const struct batch *batch, int32_t pad_id,
                      struct error *error);

/* Replaces the batch's contents by those of a file of I64 or I32 tensors; the caller frees the
 * batch. Tokens with attention_mask 0 are left out and the others keep their positions; the token
 * at position 0 must have attention_mask 1. Every value is checked against the model's sizes: an
 * error names the file, the tensor, row and column, and the value. A tensor of an unknown name is
 * an error too, because ignoring it could change the result. On failure the batch is empty. */
bool batch_file_read(const char *path, const struct model_config *config, struct batch *batch,
                     struct error *error);

/* The tensors as arrays: NULL stands for one that is absent. */
struct batch_arrays {
    uint64_t rows, length;
    const int64_t *input_ids, *attention_mask, *token_type_ids; /* [rows, length] */
    const int64_t *labels;              /* [rows, length], of classification [rows] */
    const int64_t *next_sentence_label; /* [rows] */
    const float *values;                /* [rows] the labels of regression */
};

/* batch_file_read of arrays. One that this kind of model does not have is an error. */
bool batch_read_arrays(const struct batch_arrays *arrays, const struct model_config *config,
                       struct batch *batch, struct error *error);

#endif
