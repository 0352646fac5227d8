/* A directory for one test's files. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_SCRATCH_H
#define CLOZE_TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

struct scratch {
    char directory[64];
    char path[512]; /* of the last call */
};

/* cmocka fixtures: *state is a struct scratch with a new empty directory; the second removes it. */
int scratch_set_up(void **state);
int scratch_tear_down(void **state);

/* A test of a list, with these fixtures. */
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_set_up, scratch_tear_down)

/* The path of a name in the directory, valid until the next call. */
const char *scratch_path(struct scratch *scratch, const char *name);

/* The same, owned by the caller. */
char *scratch_path_copy(struct scratch *scratch, const char *name);

/* Writes a file; returns its path. */
const char *scratch_write(struct scratch *scratch, const char *name, const void *data, size_t size);
const char *scratch_write_text(struct scratch *scratch, const char *name, const char *text);

/* Two files of the directory are the same, byte for byte. */
void scratch_assert_same_file(struct scratch *scratch, const char *a, const char *b);

#endif
