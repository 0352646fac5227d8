#include "train/run_surroundings.h"

#include "base/file.h"
#include "math/openblas.h"
#include "math/panels.h"

#include <stdio.h>
#include <string.h>

/* Records what the last bits of a run's numbers depend on besides its checkpoint. */
static void describe_surroundings(const struct run *run, struct training_state *state)
{
    const struct gemm_kernels *in_fp32 = gemm_fp32(), *in_bf16 = gemm_bf16();
    const bool own = in_fp32 != &gemm_openblas;
    const char *bf16_name =
        run->config->train.precision == PRECISION_BF16 && in_bf16 ? in_bf16->name : NULL;
    state->threads = run->threads;
    state->ranks = process_group_size(run->group);
    state->data = run->train_hash;
    state->held_out = run->valid_hash;
    snprintf(state->kernels, sizeof state->kernels, "%s%s%s%sOpenBLAS %s",
             bf16_name ? bf16_name : "", bf16_name ? ", " : "", own ? in_fp32->name : "",
             own ? ", " : "", blas_core_type());
}

static void log_surroundings(const struct run *run, const struct training_state *then,
                             const struct training_state *now)
{
    if (then->threads && then->threads != now->threads)
        log_warning(run->log, "threads: %lld, before %lld; results differ in the last bits",
                    (long long)now->threads, (long long)then->threads);
    if (then->threads && then->ranks != now->ranks)
        log_warning(run->log, "processes: %lld, before %lld; results differ in the last bits",
                    (long long)now->ranks, (long long)then->ranks);
    if (then->kernels[0] && strcmp(then->kernels, now->kernels) != 0)
        log_warning(run->log, "kernels: %s, before %s; results differ in the last bits",
                    now->kernels, then->kernels);
}

bool run_check_surroundings(struct run *run, struct error *error)
{
    struct training_state now = {0};
    describe_surroundings(run, &now);
    if (run->state.data && run_config_is_task(run->config) &&
        (run->state.data != now.data || run->state.held_out != now.held_out))
        return fail_input(error,
                          "%s: cannot resume: the examples of %s are not those of the run. Give "
                          "the same ones again, or choose another output (--set output=DIR)",
                          run->config->common.path,
                          run->state.data != now.data ? "task.train" : "task.valid");
    if (run->state.data && run->state.data != now.data)
        return fail_input(error,
                          "%s: cannot resume: %s/data is not the data of the run. Give the same "
                          "text again, or choose another output (--set output=DIR)",
                          run->config->common.path, path_shown(run->config->output));
    log_surroundings(run, &run->state, &now);
    describe_surroundings(run, &run->state);
    return true;
}

struct data_hashes run_recorded_data(const char *checkpoint)
{
    struct data_hashes hashes = {0};
    struct error ignored = {0};
    struct training_state state;
    if (!checkpoint || !training_state_read(checkpoint, &state, &ignored))
        return hashes;
    hashes = (struct data_hashes){state.data, state.held_out};
    training_state_free(&state);
    return hashes;
}
