/* The page of `cloze report`: one HTML file that needs nothing else, no network and no other
 * file. */
#ifndef CLOZE_REPORT_REPORT_PAGE_H
#define CLOZE_REPORT_REPORT_PAGE_H

#include "base/json.h"

#include <stddef.h>

/* Writes the page that shows the document (report/report.h), atomically. */
bool report_page_write(const char *path, const json_t *document, struct error *error);

/* True if bytes are the beginning of a page that report_page_write has written. */
bool report_page_begins(const char *bytes, size_t size);

#endif
