#include "train/memory_plan.h"

#include "base/log.h"
#include "model/pretraining.h"
#include "train/checkpoint_saver.h"

#include <math.h>

enum {
    /* Tokens a thread needs in a micro-batch for sgemm to run at its best (model/workspace.c cuts
       parts of as many rows). */
    THREAD_TOKENS = 1024,
    /* Activations that are no reason to work on fewer sequences than there are: the more, the less
       often weights are laid out and gradients added to. Small models gain a tenth by it. */
    SMALL_ACTIVATIONS = 512 << 20,
    /* Batches that the loader holds at the same time, and their arrays of 32-bit numbers. */
    BATCHES_AHEAD = 6,
    BATCH_ARRAYS = 5,
};

/* Values, gradients, first and second moments; and the snapshot that checkpoints are written from.
 */
enum { PARAMETER_BLOCKS = 4 + SNAPSHOT_BLOCKS };

static int longest_phase(const struct run_config *config)
{
    int longest = config->train.phase_count ? 0 : (int)config->data.seq_len;
    for (size_t i = 0; i < config->train.phase_count; i++)
        if (config->train.phases[i].seq_len > longest)
            longest = config->train.phases[i].seq_len;
    CHECK(longest > 0);
    return longest;
}

struct workspace_limits memory_plan_limits(const struct run_config *config, int micro_batch_size,
                                           int seq_len, int threads)
{
    /* Masking rounds the number of predictions up at most (data/masking.h). */
    int masked = (int)ceil(config->data.mask_prob * seq_len) + 1;
    struct workspace_limits limits =
        pretraining_limits(micro_batch_size, seq_len, masked < seq_len ? masked : seq_len, threads);
    limits.bf16 = config->train.precision == PRECISION_BF16;
    return limits;
}

static uint64_t activation_bytes(const struct run_config *config,
                                 const struct model_config *architecture, int micro_batch_size,
                                 int threads)
{
    struct workspace_limits limits =
        memory_plan_limits(config, micro_batch_size, longest_phase(config), threads);
    return workspace_bytes(architecture, limits, true);
}

static bool fail_too_large(const struct memory_plan *plan, struct error *error)
{
    return fail_input(error,
                      "this run needs %s of memory, and %s are available: parameters, gradients, "
                      "Adam's moments and their snapshot for checkpoints %s, "
                      "activations of %d sequence%s %s, batches %s. A smaller model.size, "
                      "train.micro_batch_size, "
                      "train.batch_size or data.seq_len needs less",
                      format_bytes(plan->total).text, format_bytes(plan->available).text,
                      format_bytes(plan->parameters).text, plan->micro_batch_size,
                      plan->micro_batch_size == 1 ? "" : "s", format_bytes(plan->activations).text,
                      format_bytes(plan->batches).text);
}

static void set_micro_batch_size(struct memory_plan *plan, const struct run_config *config,
                                 const struct model_config *architecture, int threads, int size)
{
    plan->micro_batch_size = size;
    plan->activations = activation_bytes(config, architecture, size, threads);
    if (__builtin_add_overflow(plan->parameters + plan->batches, plan->activations, &plan->total))
        plan->total = UINT64_MAX;
}

static int at_most(int64_t value, int limit)
{
    return value < limit ? (int)value : limit;
}

/* As many sequences as keep the threads at their best or have small activations, unless memory is
 * short. */
static void choose_micro_batch_size(struct memory_plan *plan, const struct run_config *config,
                                    const struct model_config *architecture, int threads,
                                    int batch_size)
{
    const int seq_len = longest_phase(config);
    int size = at_most(((int64_t)THREAD_TOKENS * threads + seq_len - 1) / seq_len, batch_size);
    for (int more = at_most(2 * (int64_t)size, batch_size);
         more > size && activation_bytes(config, architecture, more, threads) <= SMALL_ACTIVATIONS;
         more = at_most(2 * (int64_t)size, batch_size))
        size = more;
    const int parts = (batch_size + size - 1) / size;
    size = (batch_size + parts - 1) / parts; /* no thin last one */
    set_micro_batch_size(plan, config, architecture, threads, size);
    while (plan->total > plan->available && size > 1) {
        size = (size + 1) / 2;
        set_micro_batch_size(plan, config, architecture, threads, size);
    }
}

bool memory_plan_make(struct memory_plan *plan, const struct run_config *config,
                      const struct model_config *architecture, uint64_t parameter_elements,
                      int threads, uint64_t available, struct error *error)
{
    const int seq_len = longest_phase(config), batch_size = (int)config->train.batch_size;
    *plan = (struct memory_plan){
        .parameters = PARAMETER_BLOCKS * sizeof(real) * parameter_elements,
        .batches = (uint64_t)BATCHES_AHEAD * BATCH_ARRAYS * sizeof(int32_t) *
                   (uint64_t)config->train.batch_size * (uint64_t)seq_len,
        .available = available,
    };
    const int64_t wanted = config->train.micro_batch_size;
    if (wanted)
        set_micro_batch_size(plan, config, architecture, threads, at_most(wanted, batch_size));
    else
        choose_micro_batch_size(plan, config, architecture, threads, batch_size);
    return plan->total <= available || fail_too_large(plan, error);
}
