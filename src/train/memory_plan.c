#include "train/memory_plan.h"

#include "base/min.h"
#include "checkpoint/checkpoint_saver.h"

#include <math.h>
#include <omp.h>

enum {
    /* The tokens that a thread needs in a micro-batch for products to run at their best: as many as
     * the rows of a part (model/micro_batch.c). */
    THREAD_TOKENS = 1024,
    /* Activations up to this size are no reason to take fewer sequences than a batch has: the more
     * sequences, the less often weights are laid out and gradients are read and written. Small
     * models gain a tenth by it. */
    SMALL_ACTIVATIONS = 512 << 20,
    /* The batches that the loader holds at the same time, and their arrays of 32-bit numbers. */
    BATCHES_AHEAD = 6,
    BATCH_ARRAYS = 5,
};

/* Returns the bytes of values, gradients, moments, the snapshot that checkpoints are written from,
 * and what the exchange needs. */
static uint64_t parameter_bytes(const struct memory_request *request)
{
    const uint64_t block = sizeof(real) * request->parameter_elements;
    const uint64_t owners = request->moment_owners ? (uint64_t)request->moment_owners : 1;
    const uint64_t snapshot =
        request->snapshot ? (SNAPSHOT_BLOCKS + (request->outer ? 1u : 0u)) * block : 0;
    return 2 * block + 2 * block / owners + snapshot + request->exchange;
}

struct workspace_limits memory_plan_limits(const struct memory_request *request,
                                           const struct memory_plan *plan, int seq_len)
{
    /* Masking rounds the number of predictions up, but may select one word whole that is longer
     * (data/masking.h): any single sequence must fit. */
    int predicted = (int)ceil(request->mask_prob * seq_len) + 1;
    struct workspace_limits limits = workspace_limits_of(
        plan->micro_batch_size, seq_len, min_int(predicted, seq_len), request->threads);
    limits.bf16 = request->bf16;
    limits.keep_panels = plan->keep_panels;
    if (request->mask_prob > 0 && limits.predicted < seq_len)
        limits.predicted = seq_len;
    return limits;
}

static uint64_t activation_bytes(const struct memory_request *request,
                                 const struct memory_plan *plan)
{
    return workspace_bytes(&request->architecture,
                           memory_plan_limits(request, plan, request->seq_len), true);
}

struct advice {
    char text[128];
};

/* Advises fewer threads if there are more than processors: every thread has memory of its own. */
static struct advice threads_advice(const struct memory_request *request)
{
    struct advice advice = {""};
    int processors = omp_get_num_procs();
    if (request->threads > processors)
        snprintf(advice.text, sizeof advice.text,
                 "%d threads (%s) are more than the %d processors. ", request->threads,
                 request->thread_keys, processors);
    return advice;
}

struct text64 memory_plan_examples(const struct memory_plan *plan)
{
    struct text64 item = {""};
    if (plan->examples)
        snprintf(item.text, sizeof item.text, ", examples %s", format_bytes(plan->examples).text);
    return item;
}

static bool fail_too_large(const struct memory_plan *plan, const struct memory_request *request,
                           struct error *error)
{
    return fail_input(error,
                      "this run needs %s of memory, and %s are available: parameters, gradients%s "
                      "%s, activations of %d sequence%s %s, batches %s%s. %sA "
                      "smaller %s or %s needs less",
                      format_bytes(plan->total).text, format_bytes(plan->available).text,
                      request->snapshot ? ", Adam's moments and their snapshot for checkpoints"
                                        : " and Adam's moments",
                      format_bytes(plan->parameters).text, plan->micro_batch_size,
                      plan->micro_batch_size == 1 ? "" : "s", format_bytes(plan->activations).text,
                      format_bytes(plan->batches).text, memory_plan_examples(plan).text,
                      threads_advice(request).text, request->size_keys, request->seq_len_key);
}

static void measure(struct memory_plan *plan, const struct memory_request *request)
{
    plan->activations = activation_bytes(request, plan);
    if (__builtin_add_overflow(plan->parameters + plan->batches + plan->examples, plan->activations,
                               &plan->total))
        plan->total = UINT64_MAX;
}

/* Laying out weights takes 5 % of a step in bf16 on AMX tiles, but 2 % in fp32, where keeping them
 * would need twice the memory (base, Emerald Rapids). */
static void set_micro_batch_size(struct memory_plan *plan, const struct memory_request *request,
                                 int size)
{
    plan->micro_batch_size = size;
    plan->keep_panels = request->bf16 && size < request->batch_size;
    measure(plan, request);
    if (plan->keep_panels && plan->total > plan->available) {
        plan->keep_panels = false;
        measure(plan, request);
    }
}

static bool has_small_activations(const struct memory_request *request, int size)
{
    const struct memory_plan plan = {.micro_batch_size = size};
    return activation_bytes(request, &plan) <= SMALL_ACTIVATIONS;
}

/* Chooses as many sequences as keep the threads at their best or have small activations, and fewer
 * if memory is short. */
static void choose_micro_batch_size(struct memory_plan *plan, const struct memory_request *request)
{
    const int seq_len = request->seq_len, batch_size = request->batch_size;
    int size = (int)min_int64(((int64_t)THREAD_TOKENS * request->threads + seq_len - 1) / seq_len,
                              batch_size);
    for (int more = (int)min_int64(2 * (int64_t)size, batch_size);
         more > size && has_small_activations(request, more);
         more = (int)min_int64(2 * (int64_t)size, batch_size))
        size = more;
    const int parts = (batch_size + size - 1) / size;
    size = (batch_size + parts - 1) / parts; /* so that the last one is not much smaller */
    set_micro_batch_size(plan, request, size);
    while (plan->total > plan->available && size > 1) {
        size = (size + 1) / 2;
        set_micro_batch_size(plan, request, size);
    }
}

bool memory_plan_make(struct memory_plan *plan, const struct memory_request *request,
                      uint64_t available, struct error *error)
{
    *plan = (struct memory_plan){
        .parameters = parameter_bytes(request),
        .batches = (uint64_t)BATCHES_AHEAD * BATCH_ARRAYS * sizeof(int32_t) *
                   (uint64_t)request->batch_size * (uint64_t)request->seq_len,
        .examples = request->examples,
        .available = available,
    };
    if (request->micro_batch_size)
        set_micro_batch_size(plan, request,
                             (int)min_int64(request->micro_batch_size, request->batch_size));
    else
        choose_micro_batch_size(plan, request);
    return plan->total <= available || fail_too_large(plan, request, error);
}
