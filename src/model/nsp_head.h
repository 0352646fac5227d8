/* Next-sentence prediction, a sequence head on the pooler's output:
 *
 *     logits = W_s pooled + b_s,   loss = cross-entropy with the sequence's label */
#ifndef CLOZE_MODEL_NSP_HEAD_H
#define CLOZE_MODEL_NSP_HEAD_H

#include "model/head.h"

extern const struct head nsp_head;

/* Computes the logits of all sequences of the micro-batch and returns them: [B, 2], in memory of
 * the workspace. */
struct rows nsp_head_logits(const struct head_pass *pass);

#endif
