/* What a corpus reader gives for files, as one text. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_CORPUS_TEXT_H
#define CLOZE_TESTS_SUPPORT_CORPUS_TEXT_H

#include "base/buffer.h"
#include "data/corpus.h"
#include "support/scratch.h"

enum { NO_LIMIT = 1 << 30 };

/* Reads everything: "[" begins a document, "]" ends it, "|" stands between pieces. */
bool read_files(const char *const *patterns, size_t count, size_t limit, bool strict,
                struct buffer *out, struct corpus_counts *counts, struct error *error);

/* The text of a file, read in pieces of the limit. */
void expect_text(const char *path, size_t limit, const char *expected);

/* The same of a file with these contents, and what was counted. */
struct corpus_counts expect_contents(struct scratch *scratch, const char *name,
                                     const char *contents, const char *expected);

/* An error of the user's: the message after the path, which must be its beginning. */
void expect_error(const char *path, bool strict, const char *message);

#endif
