/* What is known of the text of a run, for the page. */
#ifndef CLOZE_REPORT_REPORT_TEXT_H
#define CLOZE_REPORT_REPORT_TEXT_H

#include "base/json.h"
#include "text/vocabulary.h"

/* Describes the directory `data` of a run: {"summary": ..., "files": ...} of its manifest and, if
 * the shards are there too, "statistics" of the training text, which is read once:
 *
 *     {"guessing": {"loss": 6.1, "accuracy": 0.06, "held_out": true},
 *      "frequent": [["the", 0.061], ...], "rare": 1234, "absent": 12,
 *      "sentence_lengths": [...], "document_lengths": [...]}
 *
 * Guessing is by the frequency of tokens in the training text; of the held-out text, or without one
 * of the training text. "frequent" are shares of all tokens but the special ones, "rare" the tokens
 * of the vocabulary that occur fewer than ten times, "absent" those among them that never do.
 * Number k of a list of lengths counts lengths from 2^k to 2^(k+1) - 1 tokens. null without a
 * manifest. The vocabulary must be that of the run; NULL: it is not known, and there are no
 * statistics. A damaged file is an error that names it. The caller owns the reference; NULL on
 * failure. */
json_t *report_text_json(const char *directory, const struct vocabulary *vocabulary,
                         struct error *error);

#endif
