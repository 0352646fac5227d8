/* Whole files, for comparisons of bytes. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_CONTENTS_H
#define CLOZE_TESTS_SUPPORT_CONTENTS_H

#include "base/buffer.h"

/* A file's bytes, up to 1 GiB. The caller frees the buffer. */
struct buffer contents_of(const char *path);

/* The file holds these bytes and no others. */
void assert_contents(const char *path, const struct buffer *expected);

/* Two files hold the same bytes; names them if not. */
void assert_same_contents(const char *a, const char *b);

#endif
