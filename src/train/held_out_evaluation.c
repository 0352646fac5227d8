#include "train/held_out_evaluation.h"

#include <math.h>

static int seq_len_of_step(const struct run *run, int64_t step)
{
    int64_t before;
    return run->phases[run_phase_of(run, step, &before)].seq_len;
}

/* True if the best evaluation so far can be compared with one of the current phase. Losses of
 * sequences of different lengths cannot: from the first evaluation of this phase on, the best one
 * of a phase with another length no longer counts. */
static bool best_is_comparable(const struct run *run)
{
    return run->state.best_step >= 0 &&
           seq_len_of_step(run, run->state.best_step) == seq_len_of_step(run, run->state.step);
}

static void note_evaluation(struct run *run, struct progress *progress,
                            const struct run_evaluation *evaluation)
{
    struct training_state *state = &run->state;
    const double score = evaluation->score;
    bool comparable = best_is_comparable(run);
    progress->evaluation = (struct progress_evaluation){
        *evaluation, state->step, comparable ? state->best_step : -1, state->best_score};
    bool better =
        run->kind->higher_is_better ? score > state->best_score : score < state->best_score;
    state->evaluations_since_best++;
    if ((!comparable || better) && isfinite(score)) {
        state->best_step = state->step;
        state->best_score = score;
        state->evaluations_since_best = 0;
    }
}

bool evaluate_held_out(struct run *run, struct workspace *workspace, struct progress *progress,
                       struct record_writer *records, struct error *error)
{
    struct run_evaluation evaluation;
    if (!run->kind->evaluate(run, workspace, &evaluation, error))
        return false;
    note_evaluation(run, progress, &evaluation);
    signs_of_evaluation(&progress->signs, run, &progress->evaluation);
    record_writer_evaluation(records, run->state.step, progress_seconds(progress), &evaluation);
    return true;
}
