/* What a model in training says in the blanks of a few held-out sentences. */
#ifndef CLOZE_TRAIN_FILL_IN_EVALUATION_H
#define CLOZE_TRAIN_FILL_IN_EVALUATION_H

#include "data/dataset.h"
#include "model/model.h"
#include "model/workspace.h"
#include "report/fill_ins.h"
#include "text/tokenizer.h"

/* Fills the blanks of up to FILL_INS_MAX sentences of the dataset, which are spread over its
 * documents and the same in each call. The workspace may be that of the training: like an
 * evaluation, this changes nothing that a step reads. Fails only when memory is short. */
bool fill_ins_evaluate(const struct model *model, struct workspace *workspace,
                       const struct dataset *dataset, const struct tokenizer *tokenizer,
                       struct fill_ins *fills, struct error *error);

#endif
