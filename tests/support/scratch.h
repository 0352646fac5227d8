/* A directory for one test's files. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_SCRATCH_H
#define CLOZE_TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

struct scratch {
    char directory[64];
    char path[512]; /* result of the last call */
};

/* cmocka fixtures: *state is a struct scratch with a new empty directory; the second removes it. */
int scratch_set_up(void **state);
int scratch_tear_down(void **state);

/* An entry of a list of tests, with these fixtures. */
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_set_up, scratch_tear_down)

/* Returns the path of a name in the directory, valid until the next call. */
const char *scratch_path(struct scratch *scratch, const char *name);

/* Returns the path of a name in the directory; the caller frees it. */
char *scratch_path_copy(struct scratch *scratch, const char *name);

/* Writes a file; returns its path. */
const char *scratch_write(struct scratch *scratch, const char *name, const void *data, size_t size);
const char *scratch_write_text(struct scratch *scratch, const char *name, const char *text);

/* Asserts that two files of the directory have the same bytes. */
void scratch_assert_same_file(struct scratch *scratch, const char *a, const char *b);

#endif
