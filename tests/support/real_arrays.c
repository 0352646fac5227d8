#include "support/real_arrays.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

real *zero_reals(size_t count)
{
    struct error error;
    real *values = allocate(count, sizeof *values, &error);
    CHECK(values);
    return values;
}

real *random_reals(size_t count, uint32_t item, double scale)
{
    struct random random = random_begin(1, RANDOM_TEST, 0, item);
    real *values = zero_reals(count);
    for (size_t i = 0; i < count; i++)
        values[i] = (real)(scale * (2 * random_unit(&random) - 1));
    return values;
}

void *unwritten(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    assert_non_null(memory);
    memset(memory, 0xFF, bytes);
    return memory;
}

real *copy_reals(const real *values, size_t count)
{
    real *copy = zero_reals(count);
    memcpy(copy, values, count * sizeof *copy);
    return copy;
}

void assert_reals_near(const real *actual, const double *expected, size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)actual[i] - expected[i]);
        if (!(difference <= tolerance * fmax(1, fabs(expected[i]))))
            fail_msg("element %zu is %.9g; expected %.9g within %g", i, (double)actual[i],
                     expected[i], tolerance);
    }
}

void assert_reals_identical(const real *actual, const real *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&actual[i], &expected[i], sizeof *actual) != 0)
            fail_msg("element %zu is %.17g; expected exactly %.17g", i, (double)actual[i],
                     (double)expected[i]);
    }
}

void assert_reals_finite(const real *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            fail_msg("element %zu is %g", i, (double)values[i]);
    }
}

void assert_thread_counts_do_not_matter(void (*work)(void *context), void *context,
                                        const real *result, size_t count)
{
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    work(context);
    real *expected = copy_reals(result, count);
    omp_set_num_threads(3);
    work(context);
    assert_reals_identical(result, expected, count);
    omp_set_num_threads(threads);
    free(expected);
}

void assert_threads_do_not_matter(void (*work)(void *context), void *context, const real *result,
                                  size_t count)
{
    assert_thread_counts_do_not_matter(work, context, result, count);
    real *expected = copy_reals(result, count);
#pragma omp parallel num_threads(2)
#pragma omp single
    work(context);
    assert_reals_identical(result, expected, count);
    free(expected);
}
