#include "support/gradient_check.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The step is near the cube root of double's resolution, where truncation and rounding errors are
 * equal. */
static const double STEP = 1e-5;

static double share(double error, double whole)
{
    if (error == 0)
        return 0;
    return whole > 0 ? error / whole : INFINITY;
}

double gradient_error(const real *gradient, real *values, size_t count, gradient_function *function,
                      void *context)
{
    double worst = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        const real value = values[i];
        values[i] = (real)((double)value + STEP);
        double above = function(context);
        values[i] = (real)((double)value - STEP);
        double below = function(context);
        values[i] = value;
        double quotient = (above - below) / (2 * STEP);
        double error = fabs((double)gradient[i] - quotient);
        worst = error > worst || isnan(error) ? error : worst;
        largest = fabs(quotient) > largest ? fabs(quotient) : largest;
    }
    return isnan(worst) ? INFINITY : share(worst, largest);
}

/* Draws a direction, whose elements are plus or minus 1 / sqrt(count). */
static void draw_direction(double *direction, size_t count, uint64_t seed, int number)
{
    struct random random = random_begin(seed, RANDOM_TEST, (uint64_t)number, 0);
    for (size_t i = 0; i < count; i++)
        direction[i] = (random_bits(&random) & 1 ? 1 : -1) / sqrt((double)count);
}

static double function_at(real *values, const real *center, const double *direction,
                          double distance, size_t count, gradient_function *function, void *context)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (real)((double)center[i] + distance * direction[i]);
    return function(context);
}

double gradient_error_along(const real *gradient, real *values, size_t count, int directions,
                            uint64_t seed, gradient_function *function, void *context)
{
    struct error error;
    double *direction = allocate(count, sizeof *direction, &error);
    real *center = allocate(count, sizeof *center, &error);
    CHECK(direction && center);
    memcpy(center, values, count * sizeof *center);
    double worst = 0, square = 0;
    for (size_t i = 0; i < count; i++)
        square += (double)gradient[i] * (double)gradient[i];
    for (int number = 0; number < directions; number++) {
        draw_direction(direction, count, seed, number);
        double slope = 0;
        for (size_t i = 0; i < count; i++)
            slope += (double)gradient[i] * direction[i];
        double above = function_at(values, center, direction, STEP, count, function, context);
        double below = function_at(values, center, direction, -STEP, count, function, context);
        double distance = fabs(slope - (above - below) / (2 * STEP));
        worst = distance > worst || isnan(distance) ? distance : worst;
    }
    memcpy(values, center, count * sizeof *center);
    free(direction);
    free(center);
    return isnan(worst) ? INFINITY : share(worst, sqrt(square));
}
