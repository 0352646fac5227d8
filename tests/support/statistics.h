/* Tolerances for tests of rates: a right program fails such a test about once in two million seeds,
 * and the seeds are fixed. */
#ifndef CLOZE_TESTS_STATISTICS_H
#define CLOZE_TESTS_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether `hits` of `trials` independent trials agree with the probability, within five standard
 * deviations of the binomial distribution. Prints the figures when they do not. */
bool agrees_with_rate(uint64_t hits, uint64_t trials, double probability);

/* Whether a mean of `count` independent numbers of the given standard deviation agrees with what is
 * expected, in the same sense. */
bool agrees_with_mean(double mean, double expected, double deviation, uint64_t count);

#endif
