/* Tolerances for tests of rates: a correct program fails such a test with about one seed in two
 * million, and the seeds are fixed. */
#ifndef CLOZE_TESTS_STATISTICS_H
#define CLOZE_TESTS_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

/* Returns whether `hits` of `trials` independent trials agree with the probability, within five
 * standard deviations of the binomial distribution. Prints the numbers if they do not. */
bool agrees_with_rate(uint64_t hits, uint64_t trials, double probability);

/* Returns whether a mean of `count` independent numbers of the given standard deviation agrees with
 * the expected mean, within five standard deviations. */
bool agrees_with_mean(double mean, double expected, double deviation, uint64_t count);

#endif
