/* What a run has warned of (train/warning_records.h). */
#ifndef CLOZE_REPORT_REPORT_WARNINGS_H
#define CLOZE_REPORT_REPORT_WARNINGS_H

#include "base/json.h"

/* Returns the records of warnings.jsonl, a list of {"step", "warning"}; of equal warnings, as after
 * a resume, the first one. The list is empty if there is no file. The caller owns the reference;
 * NULL on failure. */
json_t *report_warnings_read(const char *path, struct error *error);

#endif
