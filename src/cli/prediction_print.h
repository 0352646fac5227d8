/* Predictions as lines of text, or as JSON objects with one on each line. */
#ifndef CLOZE_CLI_PREDICTION_PRINT_H
#define CLOZE_CLI_PREDICTION_PRINT_H

#include "cli/prediction_block.h"
#include "report/spans.h"

/* Appends the predictions of a row, which has been predicted, as `cloze predict --help` describes
 * them. `spans` are those of the labels; NULL: they do not name spans. Fails only when memory is
 * short. */
bool prediction_print_text(struct buffer *out, const struct prediction_block *block,
                           const struct prediction_row *row, struct error *error);
bool prediction_print_json(struct buffer *out, const struct prediction_block *block,
                           const struct prediction_row *row, const struct span_labels *spans,
                           struct error *error);

#endif
