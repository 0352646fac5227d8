/* The files of tests/golden, which tests/interop/make_golden.py made with PyTorch and Hugging Face.
 * Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_GOLDEN_H
#define CLOZE_TESTS_SUPPORT_GOLDEN_H

#include <jansson.h>

#define GOLDEN_PATH(name) TEST_SOURCE "/tests/golden/" name

/* Returns the object in tests/golden/NAME; the caller owns the reference. */
json_t *golden_json(const char *name);

/* Returns a member, which must exist; the object owns it. */
json_t *golden_member(const json_t *object, const char *key);

/* Returns a member, which must be a string. */
const char *golden_string(const json_t *object, const char *key);

#endif
