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

#endif
