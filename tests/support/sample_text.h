/* A text to train on: documents of random words, with a sentence on each line. Every failure here
 * fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_SAMPLE_TEXT_H
#define CLOZE_TESTS_SUPPORT_SAMPLE_TEXT_H

#include "support/scratch.h"

/* Writes a file of `lines` lines, eight in each document. */
void sample_text_write(struct scratch *scratch, const char *name, int lines);

#endif
