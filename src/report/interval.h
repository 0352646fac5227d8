/* Confidence intervals of 95 %. */
#ifndef CLOZE_REPORT_INTERVAL_H
#define CLOZE_REPORT_INTERVAL_H

#include <stdint.h>

struct interval {
    double low, high;
};

/* The 97.5 % quantile of the standard normal distribution. */
#define INTERVAL_QUANTILE 1.959963984540054

/* Returns Wilson's score interval (Wilson 1927) of an accuracy, of `correct` right answers among
 * `answers`; a fraction of an answer may be right. */
struct interval accuracy_interval(double correct, int64_t answers);

#endif
