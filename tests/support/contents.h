/* Reads and compares whole files. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_CONTENTS_H
#define CLOZE_TESTS_SUPPORT_CONTENTS_H

#include "base/buffer.h"

/* Returns the bytes of a file of at most 1 GiB. The caller frees the buffer. */
struct buffer contents_of(const char *path);

/* Asserts that the file has exactly these bytes. */
void assert_contents(const char *path, const struct buffer *expected);

/* Asserts that the text file has this text somewhere. */
void assert_in_file(const char *path, const char *text);

/* Asserts that two files have the same bytes; the failure names them. */
void assert_same_contents(const char *a, const char *b);

#endif
