/* Export of a directory to publish: a Hugging Face model of one class with its tokenizer and a
 * model card, without the files that resuming needs. */
#ifndef CLOZE_CHECKPOINT_EXPORT_H
#define CLOZE_CHECKPOINT_EXPORT_H

#include "base/error.h"
#include "base/log.h"

enum export_kind {
    EXPORT_BY_MODEL, /* pretraining or task */
    EXPORT_PRETRAINING,
    EXPORT_MASKED_LM,
    EXPORT_ENCODER,
    EXPORT_TASK,
    EXPORT_KINDS
};

/* "", "pretraining", "masked-lm", "encoder", "task" */
extern const char *const export_kind_names[EXPORT_KINDS];

/* Writes the model of a verified directory to `target`, which must be absent or an empty directory.
 * It is made next to `target` and renamed when it is complete, so that it is never seen half
 * finished. A model without the parts that the class needs, or of pre-training where that of a task
 * is asked for, or the other way round, is ERROR_INPUT. The log names parts of
 * the class that the model lacks, and parts that were never trained. */
bool export_model(const char *directory, const char *target, enum export_kind kind, struct log *log,
                  struct error *error);

#endif
