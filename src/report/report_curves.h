/* Reference curves: what this project's own runs have reached on held-out text, by the tokens that
 * they were trained on. A file docs/curves/SIZE-TEXT.tsv has one of a model of that size, as
 * columns that are separated by tabs, with the names "step", "tokens", "mlm_loss", "mlm_accuracy",
 * "nsp_loss" and "nsp_accuracy" in the first line. */
#ifndef CLOZE_REPORT_REPORT_CURVES_H
#define CLOZE_REPORT_REPORT_CURVES_H

#include "base/json.h"

/* Returns {"name": ..., "size": ..., COLUMN: [...], ...} of a file's text. Errors name its line.
 * The caller owns the reference; NULL on failure. */
json_t *report_curve_parse(const char *name, const char *text, struct error *error);

/* Returns the list of the curves that the program was built with. */
json_t *report_curves(struct error *error);

#endif
