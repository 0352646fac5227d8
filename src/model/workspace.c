#include "model/workspace.h"

#include "math/panels.h"
#include "model/head.h"
#include "nn/attention.h"

#include <stdint.h>
#include <stdlib.h>

/* ---- memory ---- */

real *workspace_take_reals(struct arena *arena, size_t rows, size_t columns)
{
    size_t count;
    if (__builtin_mul_overflow(rows, columns, &count))
        count = SIZE_MAX;
    return arena_take(arena, count, sizeof(real));
}

/* [rows, width] in the type of activations: bf16 or real. */
struct rows workspace_take_rows(const struct workspace *workspace, struct arena *arena, size_t rows,
                                size_t width)
{
    struct rows taken = {.width = (int)width};
    size_t count;
    if (__builtin_mul_overflow(rows, width, &count))
        count = SIZE_MAX;
    if (workspace->limits.bf16)
        taken.bf16 = arena_take(arena, count, sizeof(bf16));
    else
        taken.reals = arena_take(arena, count, sizeof(real));
    return taken;
}

/* workspace_take_rows for the left operand of a product, whose rows are left_width(depth) apart.
 * Rows that are normalized or gathered must not be padded like this. */
static struct rows take_left(const struct workspace *workspace, struct arena *arena, size_t rows,
                             size_t depth)
{
    return workspace_take_rows(workspace, arena, rows, (size_t)left_width((int)depth));
}

void *workspace_take_panels(const struct workspace *workspace, struct arena *arena, size_t out,
                            size_t in)
{
    return arena_take(arena, linear_panel_bytes((int)out, (int)in, workspace->limits.bf16), 1);
}

/* Plans one layer. `layer` is NULL while the arena only measures. */
static void plan_layer(const struct workspace *workspace, struct layer_activations *layer,
                       struct arena *arena, const struct model_config *config, bool last)
{
    const size_t tokens = (size_t)workspace->limits.tokens, hidden = (size_t)config->hidden_size;
    const size_t rows = last ? micro_batch_max_head_tokens(workspace->limits) : tokens;
    struct layer_activations planned = {
        .qkv = take_left(workspace, arena, tokens, (last ? 2 : 3) * hidden),
        .query = take_left(workspace, arena, last ? rows : 0, hidden),
        .context = take_left(workspace, arena, rows, hidden),
        .attention_sum = workspace_take_rows(workspace, arena, rows, hidden),
        .attention_mean = workspace_take_reals(arena, rows, 1),
        .attention_rstd = workspace_take_reals(arena, rows, 1),
        .attention_output = workspace->limits.bf16 ? take_left(workspace, arena, rows, hidden)
                                                   : workspace->attention_output,
        .intermediate =
            workspace_take_rows(workspace, arena, rows, (size_t)config->intermediate_size),
        .output_sum = workspace_take_rows(workspace, arena, rows, hidden),
        .output_mean = workspace_take_reals(arena, rows, 1),
        .output_rstd = workspace_take_reals(arena, rows, 1),
        .output = workspace_take_rows(workspace, arena, rows, hidden),
    };
    if (layer)
        *layer = planned;
}

static void plan_layers(struct workspace *workspace, const struct model_config *config,
                        struct arena *arena)
{
    const int last = config->num_hidden_layers - 1;
    /* Without a backward pass a layer reads the previous layer's output and nothing older, so all
     * layers but the last alternate between two sets of buffers. */
    int distinct = workspace->training || last < 2 ? last : 2;
    workspace->layers = arena_take(arena, (size_t)last + 1, sizeof *workspace->layers);
    for (int i = 0; i < distinct; i++)
        plan_layer(workspace, arena->base ? &workspace->layers[i] : NULL, arena, config, false);
    for (int i = distinct; arena->base && i < last; i++)
        workspace->layers[i] = workspace->layers[i - distinct];
    plan_layer(workspace, arena->base ? &workspace->layers[last] : NULL, arena, config, true);
}

/* Plans the values that the encoder's forward pass keeps for its backward pass and for the heads,
 * and the scratch memory of linear layers, which both passes and the heads use. */
static void plan_encoder(struct workspace *workspace, const struct model_config *config,
                         struct arena *arena)
{
    const size_t tokens = (size_t)workspace->limits.tokens, hidden = (size_t)config->hidden_size;
    if (!workspace->limits.bf16)
        workspace->attention_output = take_left(workspace, arena, tokens, hidden);
    plan_layers(workspace, config, arena);
    workspace->embedding_sum = workspace_take_rows(workspace, arena, tokens, hidden);
    workspace->embedding_mean = workspace_take_reals(arena, tokens, 1);
    workspace->embedding_rstd = workspace_take_reals(arena, tokens, 1);
    workspace->embedding_output = workspace_take_rows(workspace, arena, tokens, hidden);
    workspace->last_layer_input = workspace_take_rows(
        workspace, arena, micro_batch_max_head_tokens(workspace->limits), hidden);
    workspace->linear_scratch = workspace_take_reals(arena, (size_t)workspace->limits.threads,
                                                     linear_scratch(config->hidden_size));
}

static void plan_encoder_gradients(struct workspace *workspace, const struct model_config *config,
                                   struct arena *arena)
{
    const size_t tokens = (size_t)workspace->limits.tokens, hidden = (size_t)config->hidden_size;
    const size_t intermediate = (size_t)config->intermediate_size;
    workspace->dquery =
        take_left(workspace, arena, micro_batch_max_head_tokens(workspace->limits), hidden);
    workspace->dhidden = workspace_take_reals(arena, tokens, hidden);
    workspace->doutput_dense = take_left(workspace, arena, tokens, hidden);
    workspace->dintermediate = take_left(workspace, arena, tokens, intermediate);
    workspace->dattention_dense = take_left(workspace, arena, tokens, hidden);
    workspace->dcontext = take_left(workspace, arena, tokens, hidden);
    workspace->dqkv = take_left(workspace, arena, tokens, 3 * hidden);
    workspace->norm_partials =
        workspace_take_reals(arena, (size_t)micro_batch_max_parts(workspace->limits), 4 * hidden);
}

/* Plans the memory that is in use only while the encoder runs, in either direction. */
static void plan_encoder_work(struct workspace *workspace, const struct model_config *config,
                              struct arena *arena)
{
    const size_t tokens = (size_t)workspace->limits.tokens, hidden = (size_t)config->hidden_size;
    const size_t intermediate = (size_t)config->intermediate_size;
    const size_t threads = (size_t)workspace->limits.threads;
    const int head_size = config->hidden_size / config->num_attention_heads;
    workspace->activated = take_left(workspace, arena, tokens, intermediate);
    workspace->attention_scratch = workspace_take_reals(
        arena, threads,
        attention_scratch(workspace->limits.max_length, head_size, workspace->limits.bf16));
    workspace->panels = (struct layer_panels){
        .query_key_value = workspace_take_panels(workspace, arena, 3 * hidden, hidden),
        .query = workspace_take_panels(workspace, arena, hidden, hidden),
        .attention_output = workspace_take_panels(workspace, arena, hidden, hidden),
        .intermediate = workspace_take_panels(workspace, arena, intermediate, hidden),
        .output = workspace_take_panels(workspace, arena, hidden, intermediate),
    };
    if (workspace->training)
        plan_encoder_gradients(workspace, config, arena);
}

static void plan_heads(struct workspace *workspace, const struct model_config *config,
                       struct arena *arena)
{
    const struct workspace_limits limits = workspace->limits;
    const int max_rows = limits.predicted > limits.sequences ? limits.predicted : limits.sequences;
    workspace->row_loss = workspace_take_reals(arena, (size_t)max_rows, 1);
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

static void plan(struct workspace *workspace, const struct model_config *config,
                 struct arena *arena)
{
    workspace->micro_batch = micro_batch_plan(workspace->limits, arena);
    for (int i = 0; i < config->heads->count; i++)
        workspace->head_memory[i] = arena_take(arena, 1, config->heads->heads[i]->memory_size);
    plan_encoder(workspace, config, arena);
    if (workspace->training) { /* used by the encoder and the heads */
        const size_t scratch = parameter_scratch(workspace, config);
        workspace->dencoder_output = workspace_take_reals(
            arena, micro_batch_max_head_tokens(workspace->limits), (size_t)config->hidden_size);
        workspace->parameter_scratch = scratch ? arena_take(arena, scratch, 1) : NULL;
    }
    /* The encoder and the heads take turns, so their working memory is the same. */
    const size_t begin = arena->used;
    plan_encoder_work(workspace, config, arena);
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
