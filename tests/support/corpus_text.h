/* Reads files with a corpus reader into one text. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_CORPUS_TEXT_H
#define CLOZE_TESTS_SUPPORT_CORPUS_TEXT_H

#include "base/buffer.h"
#include "data/corpus.h"
#include "support/scratch.h"

enum { NO_LIMIT = 1 << 30 };

/* Reads all documents into `out`: "[" begins a document, "]" ends it, and "|" separates pieces.
 * Returns false with the reader's error. */
bool read_files(const char *const *patterns, size_t count, size_t limit, bool strict,
                struct buffer *out, struct corpus_counts *counts, struct error *error);

/* Asserts that the file, read in pieces of at most `limit` bytes, gives this text. */
void expect_text(const char *path, size_t limit, const char *expected);

/* Asserts that a file with these contents gives this text, and returns the counts. */
struct corpus_counts expect_contents(struct scratch *scratch, const char *name,
                                     const char *contents, const char *expected);

/* Asserts that the file is an error of the user, whose message is the path followed by
 * `message`. */
void expect_error(const char *path, bool strict, const char *message);

#endif
