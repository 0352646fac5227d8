/* The comparison of doubles that cmocka does not have. */
#ifndef CLOZE_TESTS_SUPPORT_ASSERT_NEAR_H
#define CLOZE_TESTS_SUPPORT_ASSERT_NEAR_H

/* Fails the test, with both numbers, unless |actual - expected| <= tolerance. */
#define assert_near(actual, expected, tolerance)                                                   \
    assert_near_at((double)(actual), (double)(expected), (double)(tolerance), __FILE__, __LINE__)

void assert_near_at(double actual, double expected, double tolerance, const char *file, int line);

#endif
