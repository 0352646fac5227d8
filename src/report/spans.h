/* Spans of words, such as names, from the words' labels in IOB2: "B-PER" begins a span of type PER,
 * "I-PER" continues it, "O" is outside. As in conlleval (Tjong Kim Sang & Buchholz 2000) and the
 * default of seqeval, an I- that does not continue a span of its type begins one. */
#ifndef CLOZE_REPORT_SPANS_H
#define CLOZE_REPORT_SPANS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* The labels of a task by their ids. */
struct span_labels;

/* Reads the names "O", "B-TYPE" and "I-TYPE", which must outlive the result. Another name is
 * ERROR_INPUT that says so. NULL on failure. */
struct span_labels *span_labels_create(const char *const *names, int count, struct error *error);
void span_labels_free(struct span_labels *labels); /* NULL is accepted */

struct word_span {
    size_t first, end; /* words first .. end - 1 */
    const char *type;
    int32_t type_id; /* equal for equal types */
};

/* Finds the spans of a text of words. An id of -1, where a word has no prediction, is O.
 *
 * ids      [words]
 * spans    [words] out: in the order of the text
 * Returns the number of spans. */
size_t spans_find(const struct span_labels *labels, const int32_t *ids, size_t words,
                  struct word_span *spans);

/* The spans of a text, or of several: those of the labels, those of the predictions, and those that
 * both have with the same words and type. */
struct span_counts {
    uint64_t labelled, predicted, correct;
};

/* Counts the spans of a text.
 *
 * labelled, predicted  [words] ids */
struct span_counts span_counts_of(const struct span_labels *labels, const int32_t *labelled,
                                  const int32_t *predicted, size_t words);

#endif
