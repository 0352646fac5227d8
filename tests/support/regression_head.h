/* A head that cloze does not have: a number for each sequence, computed from the encoder's output
 * at its first token, without a pooler:
 *
 *     y = w x + b,   loss = (y - label)^2 / 2 */
#ifndef CLOZE_TESTS_SUPPORT_REGRESSION_HEAD_H
#define CLOZE_TESTS_SUPPORT_REGRESSION_HEAD_H

#include "model/head.h"

extern const struct head regression_head;

/* The regression head alone, and as the third of three heads. */
extern const struct head_list regression_heads, three_heads;

#endif
