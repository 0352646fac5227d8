/* Heads that predict a class or a number for each sequence (BertForSequenceClassification), on the
 * pooler's output:
 *
 *     logits = W dropout(pooled) + b
 *
 * Classification: loss = cross-entropy with sequence_labels. Regression has a single logit:
 * loss = (logit - sequence_values)^2. */
#ifndef CLOZE_MODEL_SEQUENCE_HEADS_H
#define CLOZE_MODEL_SEQUENCE_HEADS_H

#include "model/head.h"

extern const struct head sequence_classification_head, sequence_regression_head;

/* Computes the logits of all sequences of the micro-batch and returns them: [B, labels], in memory
 * of the workspace. */
struct rows sequence_head_logits(const struct head_pass *pass);

#endif
