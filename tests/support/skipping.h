/* Skips tests that cannot run everywhere, and reports them to ctest and scripts/test. */
#ifndef CLOZE_TESTS_SUPPORT_SKIPPING_H
#define CLOZE_TESTS_SUPPORT_SKIPPING_H

#include <stddef.h>

/* Ends the current test as skipped and prints "SKIPPED: " and the reason, which scripts/test
 * collects. */
__attribute__((format(printf, 1, 2))) void skip_test(const char *reason, ...);

/* Skips the current test if the file or directory `path` is missing. */
void require_file(const char *path);

/* Returns the result of main() after `cases` tests, of which cmocka_run_group_tests returned
 * `failed`: SKIPPED_STATUS if all were skipped, which ctest reports as "Skipped"
 * (tests/CMakeLists.txt), otherwise `failed`. */
enum { SKIPPED_STATUS = 77 };
int group_status(int failed, size_t cases);

#endif
