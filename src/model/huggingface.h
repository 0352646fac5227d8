/* The model in a Hugging Face directory: config.json and model.safetensors, as transformers writes
 * and reads them (reference: BertForPreTraining). The tokenizer's files are text/tokenizer.h's. */
#ifndef CLOZE_MODEL_HUGGINGFACE_H
#define CLOZE_MODEL_HUGGINGFACE_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "math/real.h"
#include "model/config.h"
#include "model/model.h"
#include "model/parameters.h"
#include "model/safetensors.h"

/* How a directory differs from what the table asks for, above all what is missing. All zero: it
 * does not differ. */
struct huggingface_missing {
    unsigned groups; /* mask of 1 << enum parameter_group: a BertModel has no heads, a
                      * BertForMaskedLM no pooler */
    int new_rows;    /* tokens at the end of the vocabulary that the model does not know */

    /* What the directory has and is not loaded: groups that the table does not have or that were
     * not to be loaded, and other tensors outside the encoder. */
    unsigned unused_groups; /* mask like `groups` */
    int unused_count;       /* of the other tensors */
    char unused[200];       /* names of the first three of them */

    /* What the names of the encoder's tensors begin with, if that is unusual; "" if it is "bert."
     * or nothing. */
    char prefix[TENSOR_MAX_NAME + 1];
};

/* Reads DIRECTORY/model.safetensors, or the shards that model.safetensors.index.json lists, into a
 * block laid out by the table. Accepted beside the names of the table, F32 and the exact shapes:
 *   F64, F16, BF16            converted to `real`
 *   no "bert." prefix         BertModel
 *   "module.", "_orig_mod."   wrappers of PyTorch, anywhere in a name
 *   "0.auto_model.", ...      anything else before the names of one encoder: reported
 *   LayerNorm.gamma, .beta    old TensorFlow conversions
 *   cls.predictions.decoder.* must equal the tensors that it is tied to, or stand for them
 *   embeddings.position_ids   ignored
 *   heads of other tasks      ignored and reported
 *   whole groups absent       except the encoder; reported
 * Two encoders, any other absent, repeated or differently shaped tensor, one of an encoder that is
 * larger, and a value that is not finite, is ERROR_INPUT that names the file and the tensor, and
 * both shapes.
 *
 * With `own_tokens`, the size of the model's vocabulary, the table may have tokens after these: the
 * file may have fewer rows, and rows of new tokens are not taken from it. Rows after the table's
 * tokens are. 0: the file has the table's rows, all of which are taken.
 *
 * What the directory does not hold keeps the value it had in the block, so the caller initializes
 * first (parameters_initialize of everything where new rows are allowed) or afterwards (of
 * missing->groups). On failure the block holds no defined values. Tensors are converted in
 * parallel. */
bool huggingface_load_parameters(const char *directory, const struct parameter_table *table,
                                 int own_tokens, real *block, struct huggingface_missing *missing,
                                 struct error *error);

/* Loads the encoder and the pooler alone, as huggingface_load_parameters does with own_tokens 0:
 * heads start fresh, whichever the directory has. */
bool huggingface_load_encoder(const char *directory, const struct parameter_table *table,
                              real *block, struct huggingface_missing *missing,
                              struct error *error);

/* The model of a directory, with the heads that config.json names (model_config_load): its
 * parameters, the vocabulary as it is. What `missing` names is zero. NULL on failure; the caller
 * frees the model. */
struct model *huggingface_load_model(const char *directory, struct huggingface_missing *missing,
                                     struct error *error);

/* Returns the mask of the groups that a model has not: its class does not have them, or its
 * directory did not hold them. */
unsigned huggingface_absent_groups(const struct model *model,
                                   const struct huggingface_missing *missing);

/* Returns whether a model has the group. Otherwise the error says what kind of model it is, and
 * what can be done. */
bool huggingface_require_group(const struct model *model, const struct huggingface_missing *missing,
                               enum parameter_group group, struct error *error);

/* What a directory has and is not used, as a list for a person: "the NSP head, a.b, a.c"; "" if all
 * is used. The list is without groups that start fresh although the directory has them. */
struct huggingface_unused {
    char text[400];
};

struct huggingface_unused huggingface_unused(const struct huggingface_missing *missing);

/* Append to `note`, or write to the log, a line for a person about unusual names of the encoder's
 * tensors (missing->prefix); nothing if the names are as usual. */
bool huggingface_note_prefix(const struct huggingface_missing *missing, struct buffer *note,
                             struct error *error);
void huggingface_log_prefix(const struct huggingface_missing *missing, struct log *log);

/* Writes to the log what huggingface_log_prefix does and, one line each, which groups and rows
 * start fresh and what is not used; nothing if all is taken. */
void huggingface_log_missing(const char *directory, const struct huggingface_missing *missing,
                             struct log *log);

/* Writes config.json and model.safetensors, the tensors in table order straight from the block,
 * into an existing directory. */
bool huggingface_save_model(const char *directory, const struct model_config *config,
                            const struct parameter_table *table, const real *block,
                            struct error *error);

/* A class of transformers, and the tensors that it loads without one missing or to spare. */
struct huggingface_class {
    const char *name; /* "BertForMaskedLM" */
    unsigned groups;  /* mask of 1 << enum parameter_group */
    bool bare;        /* names without "bert." */
};

/* huggingface_save_model of that class's tensors alone. */
bool huggingface_save_as(const char *directory, const struct huggingface_class *class,
                         const struct model_config *config, const struct parameter_table *table,
                         const real *block, struct error *error);

/* One tensor of a block as safetensors_write takes it. The name is not copied: the parameter's own
 * or, for gradients and moments, the caller's. */
struct tensor parameter_tensor(const struct parameter *parameter, const real *block,
                               const char *name);

#endif
