/* One run of a report. */
#ifndef CLOZE_REPORT_REPORT_RUN_H
#define CLOZE_REPORT_REPORT_RUN_H

#include "base/json.h"

/* Reads a run directory (docs/formats.md), which may be that of a run that is training or was
 * stopped. `name` is what the page calls it. The caller owns the reference. NULL on failure: the
 * directory is not that of a run, or a file of it is damaged; the error names it. */
json_t *report_run_json(const char *directory, const char *name, struct error *error);

#endif
