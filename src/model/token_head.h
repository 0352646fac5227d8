/* The head that predicts a class for tokens (BertForTokenClassification), at the batch's predicted
 * tokens:
 *
 *     logits = W dropout(x) + b,   loss = cross-entropy with predicted_labels,
 *
 * x the encoder's output. A token with the label NO_LABEL has logits, but no loss. */
#ifndef CLOZE_MODEL_TOKEN_HEAD_H
#define CLOZE_MODEL_TOKEN_HEAD_H

#include "model/head.h"

extern const struct head token_classification_head;

#endif
