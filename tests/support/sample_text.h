/* A text to train on: documents of random words, one sentence a line. Every failure here fails the
 * test. */
#ifndef CLOZE_TESTS_SUPPORT_SAMPLE_TEXT_H
#define CLOZE_TESTS_SUPPORT_SAMPLE_TEXT_H

#include "support/scratch.h"

/* Writes the file with so many lines, eight a document. */
void sample_text_write(struct scratch *scratch, const char *name, int lines);

#endif
