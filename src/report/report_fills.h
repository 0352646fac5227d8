/* The fill-ins of a run over its steps (report/fill_ins.h), for the page. */
#ifndef CLOZE_REPORT_REPORT_FILLS_H
#define CLOZE_REPORT_REPORT_FILLS_H

#include "base/json.h"

/* Returns the list of the records of a file, of at most `steps` (two or more) steps, which are
 * spread over those that there are, with the first and the last one. Where a step was trained again
 * after a resume, the later records count. Without the file the list is empty. Errors name file and
 * line. The caller owns the reference; NULL on failure. */
json_t *report_fills_read(const char *path, size_t steps, struct error *error);

#endif
