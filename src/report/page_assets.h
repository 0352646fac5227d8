/* The files of src/report/page and docs/curves as they were when the program was built; CMake makes
 * the source file of these tables. */
#ifndef CLOZE_REPORT_PAGE_ASSETS_H
#define CLOZE_REPORT_PAGE_ASSETS_H

#include <stddef.h>

struct page_asset {
    const char *name; /* of the file, without its directory; NULL: the end of the table */
    const char *data; /* [size], and a zero byte after it */
    size_t size;
};

extern const struct page_asset page_assets[], page_curves[];

#endif
