/* JSON lines: an object on each line; lines of white space are skipped. */
#ifndef CLOZE_DATA_JSON_LINES_H
#define CLOZE_DATA_JSON_LINES_H

#include "data/text_lines.h"

#include <jansson.h>

/* Reads the next object, which stands in line lines->number; *end is true, without an object, after
 * the last one. A line that is no JSON object is an error with file and line, which says that one
 * was expected, with the keys that `with` names: " with \"text\"", or "".
 *
 * object  in: the object before or NULL, which is released; out: owned by the caller, or NULL */
bool json_lines_next(struct text_lines *lines, const char *with, json_t **object, bool *end,
                     struct error *error);

#endif
