/* Descriptions of the contents of input files, so that work on them is done again only when their
 * bytes change, and not when a file is touched, copied or moved.
 *
 * A description is a JSON list in the files' order:
 *
 *     [{"path": "/corpus/a.txt", "bytes": 4096, "xxh3": "0123456789abcdef",
 *       "stamp": [device, inode, modified, changed]}, ...]
 *
 * The path is used in messages, and its ending decides how a file is read. A stamp, with times in
 * nanoseconds, that has not changed saves reading the file again: it proves that nothing was
 * written since, because no program can set the time of change back. It is absent if the file had
 * changed so recently that a further change might have the same time. */
#ifndef CLOZE_DATA_FILE_CONTENTS_H
#define CLOZE_DATA_FILE_CONTENTS_H

#include "data/corpus.h"

#include <jansson.h>

/* Describes the files. Reads all of them except those whose stamps are in `known`, an earlier
 * description or NULL. The caller owns the reference; NULL on failure. */
json_t *file_contents_describe(const struct corpus_files *files, const json_t *known,
                               struct error *error);

enum { CONTENTS_SAME = -1 };

/* Compares two descriptions by sizes, hashes and endings. Returns the index of the first file that
 * differs or that only one of them has; CONTENTS_SAME if there is none. */
int64_t file_contents_compare(const json_t *now, const json_t *then);

#endif
