/* Files of minimal pairs: JSON lines with a good and a bad sentence, as in BLiMP (Warstadt et al.
 * 2020), plain or compressed (data/byte_source.h):
 *
 *     {"sentence_good": "These cats sleep.", "sentence_bad": "These cats sleeps.",
 *      "UID": "regular_plural_subject_verb_agreement_1", "field": "morphology"}
 *
 * "UID", the name of the test that a pair belongs to, and "field" may be missing. Other keys are
 * ignored, and so are lines of white space. */
#ifndef CLOZE_DATA_MINIMAL_PAIRS_H
#define CLOZE_DATA_MINIMAL_PAIRS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* The strings are UTF-8, belong to the reader and are valid until its next call. */
struct minimal_pair {
    const char *good, *bad;
    const char *uid, *field; /* NULL: missing */
    uint64_t line;           /* its number, from 1 */
};

struct minimal_pairs;

/* Opens a file. The path must outlive the reader. NULL on failure; errors begin with the path. */
struct minimal_pairs *minimal_pairs_open(const char *path, struct error *error);
void minimal_pairs_close(struct minimal_pairs *reader); /* NULL is accepted */

/* Reads the next pair. A line that is no JSON object with both sentences is ERROR_INPUT with path
 * and line.
 *
 * end  out: true, without a pair, after the last one */
bool minimal_pairs_next(struct minimal_pairs *reader, struct minimal_pair *pair, bool *end,
                        struct error *error);

#endif
