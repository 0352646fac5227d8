/* Tests that cannot run everywhere, and how ctest and scripts/test hear of them. */
#ifndef CLOZE_TESTS_SUPPORT_SKIPPING_H
#define CLOZE_TESTS_SUPPORT_SKIPPING_H

#include <stddef.h>

/* Ends the current test as skipped and prints "SKIPPED: " and the reason, which scripts/test
 * collects. */
__attribute__((format(printf, 1, 2))) void skip_test(const char *reason, ...);

/* Skips the current test where the file or directory `path` is absent. */
void require_file(const char *path);

/* What main() returns after `failed` (of cmocka_run_group_tests) of `cases` tests: `failed`, or
 * SKIPPED_STATUS if every test was skipped, which ctest calls "Skipped" (tests/CMakeLists.txt). */
enum { SKIPPED_STATUS = 77 };
int group_status(int failed, size_t cases);

#endif
