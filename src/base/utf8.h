/* UTF-8 (RFC 3629). Thread-safe; nothing here can fail. */
#ifndef CLOZE_BASE_UTF8_H
#define CLOZE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_REPLACEMENT = 0xFFFD, UTF8_CODE_POINTS = 0x110000 };

/* Returns the number of leading bytes of `text` that are valid UTF-8; `size` if all are. */
size_t utf8_valid_prefix(const char *text, size_t size);

/* Decodes the code point at text[*position], position < size, and moves past it. An ill-formed
 * sequence gives UTF8_REPLACEMENT and moves past its maximal subpart (Unicode 15, section 3.9). */
uint32_t utf8_decode(const char *text, size_t size, size_t *position);

/* Writes the 1 to 4 bytes of a scalar value and returns their number. */
size_t utf8_encode(uint32_t code_point, char bytes[4]);

/* Counts ill-formed sequences; *first gets the offset of the first one, if there is one. */
size_t utf8_count_invalid(const char *text, size_t size, size_t *first);

/* Counts the code points after U+0020: all but the space and the control characters before it. An
 * ill-formed sequence counts as one or more. */
size_t utf8_count_printing(const char *text, size_t size);

#endif
