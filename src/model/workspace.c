#include "model/workspace.h"

#include "math/panels.h"
#include "model/arena_take.h"
#include "model/head.h"

#include <stdint.h>
#include <stdlib.h>

/* ---- memory ---- */

static void plan_heads(struct workspace *workspace, const struct model_config *config,
                       struct arena *arena)
{
    const struct workspace_limits limits = workspace->limits;
    const int max_rows = limits.predicted > limits.sequences ? limits.predicted : limits.sequences;
    workspace->row_loss = arena_take_reals(arena, (size_t)max_rows, 1);
    for (int i = 0; i < config->heads->count; i++)
        config->heads->heads[i]->plan(workspace->head_memory[i], workspace, config, arena);
}

static size_t parameter_scratch(const struct workspace *workspace,
                                const struct model_config *config)
{
    const struct workspace_limits limits = workspace->limits;
    const int rows = limits.tokens > limits.predicted ? limits.tokens : limits.predicted;
    const int max_width = config->intermediate_size > config->hidden_size
                              ? config->intermediate_size
                              : config->hidden_size;
    return linear_parameter_scratch(rows, max_width, limits.threads, limits.bf16);
}

/* Plans the memory that both the encoder and the heads use. */
static void plan_shared(struct workspace *workspace, const struct model_config *config,
                        struct arena *arena)
{
    const struct workspace_limits limits = workspace->limits;
    const size_t head_tokens = micro_batch_max_head_tokens(limits);
    workspace->linear_scratch =
        arena_take_reals(arena, (size_t)limits.threads, linear_scratch(config->hidden_size));
    if (!workspace->training)
        return;
    const size_t scratch = parameter_scratch(workspace, config);
    workspace->dencoder_output = arena_take_reals(arena, head_tokens, (size_t)config->hidden_size);
    workspace->parameter_scratch = scratch ? arena_take(arena, scratch, 1) : NULL;
}

static void plan(struct workspace *workspace, const struct model_config *config,
                 struct arena *arena)
{
    const struct workspace_limits limits = workspace->limits;
    const bool training = workspace->training;
    workspace->micro_batch = micro_batch_plan(limits, arena);
    for (int i = 0; i < config->heads->count; i++)
        workspace->head_memory[i] = arena_take(arena, 1, config->heads->heads[i]->memory_size);
    workspace->encoder_memory = encoder_memory_plan(limits, training, config, arena);
    plan_shared(workspace, config, arena);
    /* The encoder and the heads take turns, so their working memory is the same. */
    const size_t begin = arena->used;
    encoder_memory_plan_work(&workspace->encoder_memory, limits, training, config, arena);
    arena_rewind(arena, begin);
    plan_heads(workspace, config, arena);
}

static bool check_multiple(const char *name, int value, struct error *error)
{
    return value % BF16_DEPTH == 0 ||
           fail_input(error, "bf16 needs a multiple of %d for %s; found %d", BF16_DEPTH, name,
                      value);
}

bool workspace_check_bf16(const struct model_config *config, struct error *error)
{
    if (!gemm_bf16())
        return fail_input(error, "bf16 cannot be used: %s; expected fp32", panels_bf16_missing());
    return check_multiple("hidden_size / num_attention_heads",
                          config->hidden_size / config->num_attention_heads, error) &&
           check_multiple("intermediate_size", config->intermediate_size, error);
}

size_t workspace_bytes(const struct model_config *config, struct workspace_limits limits,
                       bool training)
{
    struct workspace measured = {.limits = limits, .training = training};
    struct arena arena = {0};
    plan(&measured, config, &arena);
    return arena.overflow ? SIZE_MAX : arena.peak;
}

struct workspace *workspace_create(const struct model_config *config,
                                   struct workspace_limits limits, bool training,
                                   struct error *error)
{
    struct workspace *workspace = allocate(1, sizeof *workspace, error);
    CHECK(!limits.keep_panels || limits.bf16);
    if (!workspace)
        return NULL;
    workspace->limits = limits;
    workspace->training = training;
    plan(workspace, config, &workspace->memory);
    if (!arena_bind(&workspace->memory, error)) {
        free(workspace);
        return NULL;
    }
    plan(workspace, config, &workspace->memory);
    return workspace;
}

void workspace_free(struct workspace *workspace)
{
    if (!workspace)
        return;
    arena_free(&workspace->memory);
    free(workspace);
}

void workspace_lay_out_weight(const struct workspace *workspace, struct linear_weight *weight,
                              void *panels, enum linear_pass pass, int rows)
{
    enum { MIN_ROWS = 64 };
    const bool is_bf16 = workspace->limits.bf16;
    if (is_bf16 || rows >= MIN_ROWS || workspace->limits.same_kernels)
        linear_lay_out(weight, panels, pass, is_bf16);
}
