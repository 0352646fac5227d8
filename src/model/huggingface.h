/* The model in a Hugging Face directory: config.json and model.safetensors, as transformers writes
 * and reads them (reference: BertForPreTraining). The tokenizer's files are text/tokenizer.h's. */
#ifndef CLOZE_MODEL_HUGGINGFACE_H
#define CLOZE_MODEL_HUGGINGFACE_H

#include "base/error.h"
#include "base/log.h"
#include "math/real.h"
#include "model/config.h"
#include "model/model.h"
#include "model/parameters.h"
#include "model/safetensors.h"

#include <stdint.h>

/* What a directory had less of than the table asks for. All zero: everything was there. */
struct huggingface_missing {
    unsigned parts; /* mask of 1 << enum parameter_part: a BertModel has no heads, a BertForMaskedLM
                     * no pooler */
    int new_rows;   /* rows at the end of the word embeddings and elements of the decoder bias */
};

/* Reads DIRECTORY/model.safetensors, or the shards that model.safetensors.index.json lists, into a
 * block laid out by the table. Accepted beside the names of the table, F32 and the exact shapes:
 *   F64, F16, BF16            converted to `real`
 *   no "bert." prefix         BertModel
 *   LayerNorm.gamma, .beta    old TensorFlow conversions
 *   cls.predictions.decoder.* must equal the tensors that it is tied to
 *   embeddings.position_ids   ignored
 *   whole parts absent        except the encoder; reported
 *   fewer rows of vocabulary  when allow_new_rows; reported
 * Any other absent, extra, repeated or differently shaped tensor, and a value that is not finite,
 * is ERROR_INPUT that names the file and the tensor, and both shapes.
 *
 * What the directory does not hold keeps the value it had in the block, so the caller initializes
 * first (parameters_initialize of everything where new rows are allowed) or afterwards (of
 * missing->parts). On failure the block holds no defined values. Tensors are converted in parallel.
 */
bool huggingface_load_parameters(const char *directory, const struct parameter_table *table,
                                 bool allow_new_rows, real *block,
                                 struct huggingface_missing *missing, struct error *error);

/* The model of a directory: config.json, then its parameters, the vocabulary as it is. What
 * `missing` names is zero. NULL on failure; the caller frees the model. */
struct model *huggingface_load_model(const char *directory, struct huggingface_missing *missing,
                                     struct error *error);

/* Says on the log, one line each, which parts and rows start fresh; nothing if none do. */
void huggingface_log_missing(const char *directory, const struct huggingface_missing *missing,
                             struct log *log);

/* Writes config.json and model.safetensors, the tensors in table order straight from the block,
 * into an existing directory. *model_hash gets the XXH3 of model.safetensors unless NULL. */
bool huggingface_save_model(const char *directory, const struct model_config *config,
                            const struct parameter_table *table, const real *block,
                            uint64_t *model_hash, struct error *error);

/* One tensor of a block as safetensors_write takes it. The name is not copied: the parameter's own
 * or, for gradients and moments, the caller's. */
struct tensor parameter_tensor(const struct parameter *parameter, const real *block,
                               const char *name);

#endif
