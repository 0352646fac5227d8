/* What predictions.tsv of a fine-tuning run says, for the page. */
#ifndef CLOZE_REPORT_REPORT_PREDICTIONS_H
#define CLOZE_REPORT_REPORT_PREDICTIONS_H

#include "base/json.h"

/* Reads the file. Of labels the result is {"pairs": {"LABEL\tPREDICTED": COUNT, ...}}, where
 * PREDICTED is empty for a word without a prediction; of numbers {"points": [[LABEL, PREDICTED],
 * ...], "count": COUNT}, with every k-th of many points. An error names file and line. The caller
 * owns the reference; NULL on failure. */
json_t *report_predictions_read(const char *path, struct error *error);

#endif
