#include "model/encoder_memory.h"

#include "model/arena_take.h"
#include "model/micro_batch.h"
#include "nn/attention.h"

/* Plans one layer. `layer` is NULL while the arena only measures. */
static void plan_layer(const struct encoder_memory *memory, struct layer_activations *layer,
                       struct workspace_limits limits, const struct model_config *config, bool last,
                       struct arena *arena)
{
    const bool is_bf16 = limits.bf16;
    const size_t tokens = (size_t)limits.tokens, hidden = (size_t)config->hidden_size;
    const size_t rows = last ? micro_batch_max_head_tokens(limits) : tokens;
    struct layer_activations planned = {
        .qkv = arena_take_left(arena, is_bf16, tokens, (last ? 2 : 3) * hidden),
        .query = arena_take_left(arena, is_bf16, last ? rows : 0, hidden),
        .context = arena_take_left(arena, is_bf16, rows, hidden),
        .attention_sum = arena_take_rows(arena, is_bf16, rows, hidden),
        .attention_mean = arena_take_reals(arena, rows, 1),
        .attention_rstd = arena_take_reals(arena, rows, 1),
        .attention_output =
            is_bf16 ? arena_take_left(arena, is_bf16, rows, hidden) : memory->attention_output,
        .intermediate = arena_take_rows(arena, is_bf16, rows, (size_t)config->intermediate_size),
        .output_sum = arena_take_rows(arena, is_bf16, rows, hidden),
        .output_mean = arena_take_reals(arena, rows, 1),
        .output_rstd = arena_take_reals(arena, rows, 1),
        .output = arena_take_rows(arena, is_bf16, rows, hidden),
    };
    if (layer)
        *layer = planned;
}

static void plan_layers(struct encoder_memory *memory, struct workspace_limits limits,
                        bool training, const struct model_config *config, struct arena *arena)
{
    const int last = config->num_hidden_layers - 1;
    /* Without a backward pass a layer reads the previous layer's output and nothing older, so all
     * layers but the last alternate between two sets of buffers. */
    int distinct = training || last < 2 ? last : 2;
    struct layer_activations *layers = arena_take(arena, (size_t)last + 1, sizeof *layers);
    memory->layers = layers;
    for (int i = 0; i < distinct; i++)
        plan_layer(memory, layers ? &layers[i] : NULL, limits, config, false, arena);
    for (int i = distinct; layers && i < last; i++)
        layers[i] = layers[i - distinct];
    plan_layer(memory, layers ? &layers[last] : NULL, limits, config, true, arena);
}

/* Only the last layer has queries of its own. */
static struct layer_panels plan_panels(bool is_bf16, const struct model_config *config, bool last,
                                       struct arena *arena)
{
    const size_t hidden = (size_t)config->hidden_size;
    const size_t intermediate = (size_t)config->intermediate_size;
    return (struct layer_panels){
        .query_key_value = arena_take_panels(arena, is_bf16, 3 * hidden, hidden),
        .query = last ? arena_take_panels(arena, is_bf16, hidden, hidden) : NULL,
        .attention_output = arena_take_panels(arena, is_bf16, hidden, hidden),
        .intermediate = arena_take_panels(arena, is_bf16, intermediate, hidden),
        .output = arena_take_panels(arena, is_bf16, hidden, intermediate),
    };
}

struct layer_panels *encoder_panels_plan(bool is_bf16, const struct model_config *config,
                                         struct arena *arena)
{
    const int layers = config->num_hidden_layers;
    struct layer_panels *panels = arena_take(arena, (size_t)layers, sizeof *panels);
    for (int i = 0; i < layers; i++) {
        const struct layer_panels planned = plan_panels(is_bf16, config, i == layers - 1, arena);
        if (panels)
            panels[i] = planned;
    }
    return panels;
}

/* Gives all layers the panels of one, which has the queries of the last one too. */
static void plan_shared_panels(const struct encoder_memory *memory, bool is_bf16,
                               const struct model_config *config, struct arena *arena)
{
    const struct layer_panels shared = plan_panels(is_bf16, config, true, arena);
    struct layer_panels *panels = memory->panels[LINEAR_FORWARD];
    for (int i = 0; panels && i < config->num_hidden_layers; i++)
        panels[i] = shared;
}

static bool keeps_panels(struct workspace_limits limits, bool training)
{
    return training && limits.keep_panels;
}

struct encoder_memory encoder_memory_plan(struct workspace_limits limits, bool training,
                                          const struct model_config *config, struct arena *arena)
{
    const bool is_bf16 = limits.bf16;
    struct encoder_memory planned = {0};
    const size_t tokens = (size_t)limits.tokens, hidden = (size_t)config->hidden_size;
    if (!is_bf16)
        planned.attention_output = arena_take_left(arena, is_bf16, tokens, hidden);
    plan_layers(&planned, limits, training, config, arena);
    planned.embedding_sum = arena_take_rows(arena, is_bf16, tokens, hidden);
    planned.embedding_mean = arena_take_reals(arena, tokens, 1);
    planned.embedding_rstd = arena_take_reals(arena, tokens, 1);
    planned.embedding_output = arena_take_rows(arena, is_bf16, tokens, hidden);
    planned.last_layer_input =
        arena_take_rows(arena, is_bf16, micro_batch_max_head_tokens(limits), hidden);
    const bool keep = keeps_panels(limits, training);
    for (int pass = 0; keep && pass < LINEAR_PASSES; pass++)
        planned.panels[pass] = encoder_panels_plan(is_bf16, config, arena);
    if (!keep) /* both passes have the same ones */
        planned.panels[LINEAR_FORWARD] = planned.panels[LINEAR_BACKWARD] = arena_take(
            arena, (size_t)config->num_hidden_layers, sizeof *planned.panels[LINEAR_FORWARD]);
    return planned;
}

static void plan_gradients(struct encoder_memory *memory, struct workspace_limits limits,
                           const struct model_config *config, struct arena *arena)
{
    const bool is_bf16 = limits.bf16;
    const size_t tokens = (size_t)limits.tokens, hidden = (size_t)config->hidden_size;
    const size_t intermediate = (size_t)config->intermediate_size;
    memory->dquery = arena_take_left(arena, is_bf16, micro_batch_max_head_tokens(limits), hidden);
    memory->dhidden = arena_take_reals(arena, tokens, hidden);
    memory->doutput_dense = arena_take_left(arena, is_bf16, tokens, hidden);
    memory->dintermediate = arena_take_left(arena, is_bf16, tokens, intermediate);
    memory->dattention_dense = arena_take_left(arena, is_bf16, tokens, hidden);
    memory->dcontext = arena_take_left(arena, is_bf16, tokens, hidden);
    memory->dqkv = arena_take_left(arena, is_bf16, tokens, 3 * hidden);
    memory->norm_partials =
        arena_take_reals(arena, (size_t)micro_batch_max_parts(limits), 4 * hidden);
}

void encoder_memory_plan_work(struct encoder_memory *memory, struct workspace_limits limits,
                              bool training, const struct model_config *config, struct arena *arena)
{
    const bool is_bf16 = limits.bf16;
    const size_t tokens = (size_t)limits.tokens;
    const size_t intermediate = (size_t)config->intermediate_size;
    const size_t threads = (size_t)limits.threads;
    const int head_size = config->hidden_size / config->num_attention_heads;
    memory->activated = arena_take_left(arena, is_bf16, tokens, intermediate);
    memory->attention_scratch =
        arena_take_reals(arena, threads, attention_scratch(limits.max_length, head_size, is_bf16));
    if (!keeps_panels(limits, training))
        plan_shared_panels(memory, is_bf16, config, arena);
    if (training)
        plan_gradients(memory, limits, config, arena);
}
