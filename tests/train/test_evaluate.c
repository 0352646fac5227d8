#include "train/evaluate.h"

#include "support/assert_near.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct evaluation evaluation_of(struct loss_sums mlm)
{
    return evaluation_from_sums(&(struct objective_sums){.heads = {[HEAD_MLM] = mlm}});
}

/* Wilson 1927, computed by hand for 10 of 100. */
static void accuracies_have_the_score_interval_of_wilson(void **state)
{
    (void)state;
    const struct evaluation tenth = evaluation_of((struct loss_sums){.count = 100, .correct = 10});
    assert_near(tenth.mlm_accuracy, 0.1, 1e-12);
    assert_near(tenth.mlm_accuracy_interval.low, 0.0552291, 1e-6);
    assert_near(tenth.mlm_accuracy_interval.high, 0.1743657, 1e-6);
}

/* With z = 1.959964, none of n reaches z^2 / (n + z^2). */
static void an_interval_ends_at_none_and_at_all(void **state)
{
    (void)state;
    for (int64_t count = 1; count < 2000; count++) {
        const double square = 3.841458820694124, end = square / ((double)count + square);
        const struct interval none =
            evaluation_of((struct loss_sums){.count = count}).mlm_accuracy_interval;
        const struct interval all =
            evaluation_of((struct loss_sums){.count = count, .correct = count})
                .mlm_accuracy_interval;
        assert_true(none.low == 0 && all.high == 1);
        assert_near(none.high, end, 1e-9);
        assert_near(all.low, 1 - end, 1e-9);
    }
}

static void nothing_counted_says_nothing_of_the_accuracy(void **state)
{
    (void)state;
    const struct evaluation nothing = evaluation_of((struct loss_sums){0});
    assert_true(nothing.mlm_accuracy_interval.low == 0 && nothing.mlm_accuracy_interval.high == 1);
}

/* Losses of 1, 2 and 3: a standard deviation of 1, a standard error of 1 / sqrt(3). */
static void losses_have_the_standard_error_of_the_mean(void **state)
{
    (void)state;
    const struct evaluation three =
        evaluation_of((struct loss_sums){.count = 3, .loss = 6, .loss_squares = 14});
    const double margin = 1.959963984540054 / sqrt(3);
    assert_near(three.mlm_loss, 2, 1e-12);
    assert_near(three.mlm_loss_interval.low, 2 - margin, 1e-12);
    assert_near(three.mlm_loss_interval.high, 2 + margin, 1e-12);
    assert_near(three.perplexity_interval.high, exp(2 + margin), 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accuracies_have_the_score_interval_of_wilson),
        cmocka_unit_test(an_interval_ends_at_none_and_at_all),
        cmocka_unit_test(nothing_counted_says_nothing_of_the_accuracy),
        cmocka_unit_test(losses_have_the_standard_error_of_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
