/* What input files hold, so that work on them is done again when their bytes change and only then:
 * not when a file is touched, copied or moved.
 *
 * A description is a JSON list in the files' order:
 *
 *     [{"path": "/corpus/a.txt", "bytes": 4096, "xxh3": "0123456789abcdef",
 *       "stamp": [device, inode, modified, changed]}, ...]
 *
 * The path is for messages, and for the ending that says how a file is read. The stamp, with times
 * in nanoseconds, spares reading the file again. It proves that nothing was
 * written since: no program can set the time of change back. It is absent where the file had
 * changed so shortly before that the clock may not tell a further change from it. */
#ifndef CLOZE_DATA_FILE_CONTENTS_H
#define CLOZE_DATA_FILE_CONTENTS_H

#include "data/corpus.h"

#include <jansson.h>

/* Reads all files but those whose stamps are in `known`, an earlier description or NULL. The caller
 * owns the reference; NULL on failure. */
json_t *file_contents_describe(const struct corpus_files *files, const json_t *known,
                               struct error *error);

enum { CONTENTS_SAME = -1 };

/* Compares two descriptions: sizes, hashes and endings. The place of the first file that differs or
 * that only one of them has; CONTENTS_SAME if there is none. */
int64_t file_contents_compare(const json_t *now, const json_t *then);

#endif
