/* What `cloze report` shows of runs, as one JSON document:
 *
 *     {"version": "0.2.0", "runs": [...], "curves": [...]}
 *
 *     report.c               the runs by the names of their directories
 *     report_run.c           one run: configuration, state, architecture
 *     run_records.c          its metrics.jsonl
 *     report_text.c          its data/
 *     report_fills.c         its fills.jsonl
 *     report_warnings.c      its warnings.jsonl
 *     report_predictions.c   its predictions.tsv
 *     report_curves.c        reference curves
 *     report_page.c          the document as a page, with the files of page/ */
#ifndef CLOZE_REPORT_REPORT_H
#define CLOZE_REPORT_REPORT_H

#include "base/json.h"

#include <stddef.h>

/* Reads the runs in the given directories: run directories, and directories of several seeds
 * (train/finetune.h), which stand for all of their runs. The runs are called by the last parts of
 * their paths, as many as tell them apart. Any other directory and a damaged file of a run are
 * errors that name them. The caller owns the reference; NULL on failure. */
json_t *report_document(const char *const *directories, size_t count, struct error *error);

#endif
