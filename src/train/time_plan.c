#include "train/time_plan.h"

#include "base/format.h"
#include "base/machine.h"
#include "train/step.h"

#include <math.h>

enum { LEAST_STEPS = 3, WARM_UP_STEPS = 1 };

/* As long as the measurement is to take, unless the steps are longer. */
static const double SECONDS = 5;

struct timing {
    struct run *run;
    struct exchange *exchange;
    struct workspace *workspace;
    struct batch_source batches;
    struct norm_statistics norms;
    int64_t steps; /* taken so far */
};

/* With a learning rate of 0 parameters stay what they are. */
static bool take_step(struct timing *timing, struct error *error)
{
    const struct run *run = timing->run;
    const struct batch *batch = timing->batches.next(timing->batches.state, error);
    if (!batch)
        return false;
    step_take(&timing->run->trainee, timing->workspace, &timing->norms, batch,
              &(struct step_settings){
                  .seed = (uint64_t)run->config->seed,
                  .step = ++timing->steps,
                  .learning_rate = 0,
                  .max_grad_norm = run->config->train.max_grad_norm,
                  .exchange = timing->exchange,
                  .first_example = run->share.first,
              });
    return true;
}

static bool measure(struct timing *timing, double *step_seconds, struct error *error)
{
    const double between = 0.1; /* live lines, which take time themselves */
    double begun = machine_seconds(), seconds = 0, shown = 0;
    int64_t counted;
    do {
        if (machine_seconds() - shown >= between) {
            log_live(timing->run->log, "timing the steps: %lld", (long long)timing->steps + 1);
            shown = machine_seconds();
        }
        if (!take_step(timing, error))
            return false;
        if (timing->steps == WARM_UP_STEPS)
            begun = machine_seconds();
        seconds = machine_seconds() - begun;
        counted = timing->steps - WARM_UP_STEPS;
    } while (process_group_any(timing->run->group, counted < LEAST_STEPS || seconds < SECONDS));
    *step_seconds = seconds / (double)counted;
    return true;
}

static bool open_timing(struct timing *timing, struct error *error)
{
    struct run *run = timing->run;
    timing->workspace = workspace_create(
        &run->trainee.model->config,
        memory_plan_limits(&run->request, &run->plan, run->phases[0].seq_len), true, error);
    return timing->workspace && run->kind->open_batches(run, 1, &timing->batches, error);
}

static void close_timing(struct timing *timing)
{
    struct run *run = timing->run;
    struct arena *moments = &run->trainee.moments;
    log_end_live(run->log);
    if (timing->batches.state)
        timing->batches.close(timing->batches.state);
    workspace_free(timing->workspace);
    arena_release(moments, moments->base, moments->size); /* 0 again */
}

static double seconds_of_evaluation(const struct run *run, double step_seconds)
{
    const struct run_config *config = run->config;
    const double length = run->phases[0].seq_len, batches = (double)config->train.eval_steps;
    if (!run->valid_data)
        return 0;
    double tokens = (double)dataset_tokens(run->valid_data);
    if (batches > 0)
        tokens = fmin(tokens, batches * (double)config->train.batch_size * length);
    return time_of_evaluation(tokens, (double)config->train.batch_size * length / step_seconds);
}

/* Returns how many steps fit into so many seconds, with the evaluations between them and the one
 * at the end. */
static double steps_within(const struct run *run, double seconds, double step_seconds)
{
    const double evaluation = seconds_of_evaluation(run, step_seconds);
    const double share = run->eval_every ? evaluation / (double)run->eval_every : 0;
    return floor((seconds - evaluation) / (step_seconds + share));
}

bool time_plan_make(struct run *run, struct exchange *exchange, struct error *error)
{
    /* Ranks that train for themselves have nothing to exchange in most steps. */
    const int64_t sync_every = run->config->train.sync_every;
    struct timing timing = {.run = run, .exchange = sync_every > 1 ? NULL : exchange};
    double step_seconds;
    bool done = open_timing(&timing, error) && measure(&timing, &step_seconds, error);
    close_timing(&timing);
    if (!done)
        return false;
    const double hours = run->config->train.hours, most = (double)run->phases[0].steps;
    const double steps = steps_within(run, SHARE_WITHOUT_CHECKPOINTS * 3600 * hours, step_seconds);
    run->steps = (int64_t)fmin(fmax(steps, 1), most);
    if (sync_every > 1) /* whole periods between synchronizations, at least one */
        run->steps = run->steps < sync_every ? sync_every : run->steps / sync_every * sync_every;
    process_group_broadcast(run->group, &run->steps, sizeof run->steps);
    run->phases[0].steps = run->state.planned_steps = run->steps;
    log_line(run->log, "%g hours are %s of %.3g s, measured now", hours,
             format_number_of((unsigned long long)run->steps, "step").text, step_seconds);
    return true;
}
