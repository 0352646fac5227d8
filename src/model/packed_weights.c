#include "model/packed_weights.h"

#include <stdlib.h>

struct linear_weight packed_linear(const real *values, const struct packed_matrix *packed, int out,
                                   int in)
{
    return (struct linear_weight){
        .values = values,
        .panels = packed ? packed->panels : NULL,
        .transposed = packed ? packed->transposed : NULL,
        .in = in,
        .out = out,
    };
}

static bool check_multiple(const char *name, int value, struct error *error)
{
    return value % BF16_DEPTH == 0 ||
           fail_input(error, "bf16 needs a multiple of %d for %s; found %d", BF16_DEPTH, name,
                      value);
}

bool packed_weights_check(const struct model_config *config, struct error *error)
{
    if (!bf16_kernels())
        return fail_input(error, "bf16 cannot be used: %s; expected fp32", bf16_missing());
    return check_multiple("hidden_size / num_attention_heads",
                          config->hidden_size / config->num_attention_heads, error) &&
           check_multiple("intermediate_size", config->intermediate_size, error);
}

static void plan_matrix(struct packed_matrix *matrix, struct arena *arena, int out, int in)
{
    struct packed_matrix planned = {
        .panels = arena_take(arena, bf16_panel_elements(bf16_padded(in), out), sizeof(bf16)),
        .transposed = arena_take(arena, bf16_panel_elements(bf16_padded(out), in), sizeof(bf16)),
    };
    if (matrix)
        *matrix = planned;
}

/* The first time against an arena that measures, when there is nowhere to put pointers yet. */
static void plan(struct packed_weights *packed, struct arena *arena,
                 const struct model_config *config)
{
    const int width = config->hidden_size, inner = config->intermediate_size;
    const size_t layers = (size_t)config->num_hidden_layers;
    packed->layers = arena_take(arena, layers, sizeof *packed->layers);
    for (size_t i = 0; i < layers; i++) {
        struct packed_layer *layer = packed->layers ? &packed->layers[i] : NULL;
        plan_matrix(layer ? &layer->query_key_value : NULL, arena, 3 * width, width);
        plan_matrix(layer ? &layer->attention_output : NULL, arena, width, width);
        plan_matrix(layer ? &layer->intermediate : NULL, arena, inner, width);
        plan_matrix(layer ? &layer->output : NULL, arena, width, inner);
    }
    plan_matrix(&packed->transform, arena, width, width);
    plan_matrix(&packed->word_embeddings, arena, config->vocab_size, width);
}

size_t packed_weights_bytes(const struct model_config *config)
{
    struct packed_weights measured;
    struct arena arena = {0};
    plan(&measured, &arena, config);
    return arena.overflow ? SIZE_MAX : arena.used;
}

struct packed_weights *packed_weights_create(const struct model_config *config, struct error *error)
{
    struct packed_weights *packed = allocate(1, sizeof *packed, error);
    if (!packed)
        return NULL;
    struct arena arena = {0};
    plan(packed, &arena, config);
    if (!arena_bind(&arena, error)) {
        free(packed);
        return NULL;
    }
    plan(packed, &arena, config);
    packed->memory = arena;
    return packed;
}

void packed_weights_free(struct packed_weights *packed)
{
    if (!packed)
        return;
    arena_free(&packed->memory);
    free(packed);
}

/* Panels that a thread lays out at a time. */
enum { PANELS = 4 };

static int panel_end(int first, int panels)
{
    return panels - first < PANELS ? panels : first + PANELS;
}

static int panel_count(int columns)
{
    return (columns + BF16_COLUMNS - 1) / BF16_COLUMNS;
}

static void pack_matrix(const struct packed_matrix *matrix, const real *weight, int out, int in)
{
    const int panels = panel_count(out), transposed = panel_count(in);
#pragma omp parallel
    {
#pragma omp for schedule(static) nowait
        for (int first = 0; first < panels; first += PANELS)
            bf16_pack_reals_transposed(matrix->panels, weight, in, out, first,
                                       panel_end(first, panels));
#pragma omp for schedule(static)
        for (int first = 0; first < transposed; first += PANELS)
            bf16_pack_reals(matrix->transposed, weight, out, in, first,
                            panel_end(first, transposed));
    }
}

void packed_weights_update(struct packed_weights *packed, const struct weights *weights,
                           const struct model_config *config)
{
    const int width = config->hidden_size, inner = config->intermediate_size;
    for (int i = 0; i < config->num_hidden_layers; i++) {
        const struct packed_layer *layer = &packed->layers[i];
        const struct layer_weights *from = &weights->layers[i];
        pack_matrix(&layer->query_key_value, from->query_key_value_weight, 3 * width, width);
        pack_matrix(&layer->attention_output, from->attention_output_weight, width, width);
        pack_matrix(&layer->intermediate, from->intermediate_weight, inner, width);
        pack_matrix(&layer->output, from->output_weight, width, inner);
    }
    pack_matrix(&packed->transform, weights->transform_weight, width, width);
    pack_matrix(&packed->word_embeddings, weights->word_embeddings, config->vocab_size, width);
}
