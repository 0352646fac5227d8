#include "optim/schedule.h"

#include "base/error.h"

#include <math.h>

/* Returns the rate after the warm-up; x goes from 0 at its end to 1 at the last step. */
static double decayed(const struct learning_rate_schedule *schedule, double x)
{
    const double pi = 3.14159265358979323846;
    double above = schedule->peak - schedule->minimum;
    if (schedule->kind == SCHEDULE_LINEAR)
        return schedule->minimum + above * (1 - x);
    if (schedule->kind == SCHEDULE_COSINE)
        return schedule->minimum + above * (1 + cos(pi * x)) / 2;
    CHECK(schedule->kind == SCHEDULE_CONSTANT);
    return schedule->peak;
}

double schedule_learning_rate(const struct learning_rate_schedule *schedule, int64_t step)
{
    int64_t warmup = schedule->warmup_steps;
    CHECK(step >= 1 && warmup >= 0 && schedule->steps >= 1);
    if (step > schedule->steps)
        step = schedule->steps;
    if (step <= warmup)
        return schedule->peak * (double)step / (double)warmup;
    return decayed(schedule, (double)(step - warmup) / (double)(schedule->steps - warmup));
}
