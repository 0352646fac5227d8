#include "model/layer_view.h"

struct rows layer_input(const struct encoder_memory *memory, int index)
{
    return index == 0 ? memory->embedding_output : memory->layers[index - 1].output;
}

static void set_rows(const struct encoder_pass *pass, struct layer_view *layer, bool last)
{
    const struct micro_batch *micro_batch = pass->micro_batch;
    const struct head_tokens *head_tokens = &micro_batch->head_tokens;
    layer->all_inputs = layer_input(pass->memory, layer->index);
    layer->rows = last ? head_tokens->count : micro_batch->batch.tokens;
    layer->tokens = last ? head_tokens->rows : NULL;
    layer->input = last ? pass->memory->last_layer_input : layer->all_inputs;
    layer->examples = last ? head_tokens->examples : micro_batch->token_examples;
    layer->positions = last ? head_tokens->positions : micro_batch->batch.position_ids;
    layer->dhidden = last ? pass->workspace->dencoder_output : pass->memory->dhidden;
    layer->query_starts = last ? head_tokens->starts : NULL;
    layer->query_positions = last ? head_tokens->positions : NULL;
}

/* ---- queries, keys and values ---- */

/* The product with `count` times H rows of W_qkv, from H times `first` on. */
static struct projection make_projection(const struct encoder_pass *pass,
                                         const struct layer_view *layer, int first, int count)
{
    const size_t width = (size_t)pass->config->hidden_size, skipped = (size_t)first * width;
    const struct layer_weights *weights = layer->weights;
    struct projection projection = {
        .weight = {.values = weights->query_key_value_weight + skipped * width,
                   .in = (int)width,
                   .out = count * (int)width},
        .bias = weights->query_key_value_bias + skipped,
    };
    if (layer->gradients) {
        projection.dweight = layer->gradients->query_key_value_weight + skipped * width;
        projection.dbias = layer->gradients->query_key_value_bias + skipped;
    }
    return projection;
}

/* The queries, keys and values of all tokens. */
static void project_tokens(const struct encoder_pass *pass, struct layer_view *layer)
{
    const struct encoder_memory *memory = pass->memory;
    const int width = pass->config->hidden_size;
    struct projection *projection = &layer->projections[layer->projection_count++];
    *projection = make_projection(pass, layer, 0, 3);
    projection->all_tokens = true;
    projection->input = layer->all_inputs;
    projection->output = layer->activations->qkv;
    projection->doutput = memory->dqkv;
    projection->doutput.width = projection->output.width;
    projection->dinput = memory->dhidden;
    projection->adds = true; /* to t */
    layer->operands = (struct attention_operands){
        .query = projection->output,
        .key = rows_columns_from(projection->output, width),
        .value = rows_columns_from(projection->output, 2 * width),
    };
    layer->doperands = (struct attention_operands){
        .query = projection->doutput,
        .key = rows_columns_from(projection->doutput, width),
        .value = rows_columns_from(projection->doutput, 2 * width),
    };
}

/* The queries of the layer's rows; the keys and values of all tokens. */
static void project_head_tokens(const struct encoder_pass *pass, struct layer_view *layer)
{
    const struct encoder_memory *memory = pass->memory;
    const int width = pass->config->hidden_size;
    struct projection *query = &layer->projections[layer->projection_count++];
    *query = make_projection(pass, layer, 0, 1);
    query->input = layer->input;
    query->output = layer->activations->query;
    query->doutput = memory->dquery;
    query->dinput = layer->dhidden;
    query->adds = true; /* to t */
    struct projection *key_value = &layer->projections[layer->projection_count++];
    *key_value = make_projection(pass, layer, 1, 2);
    key_value->all_tokens = true;
    key_value->input = layer->all_inputs;
    key_value->output = layer->activations->qkv;
    key_value->doutput = memory->dqkv;
    key_value->doutput.width = key_value->output.width;
    key_value->dinput = memory->dhidden;
    layer->operands = (struct attention_operands){
        .query = query->output,
        .key = key_value->output,
        .value = rows_columns_from(key_value->output, width),
    };
    layer->doperands = (struct attention_operands){
        .query = query->doutput,
        .key = key_value->doutput,
        .value = rows_columns_from(key_value->doutput, width),
    };
}

/* ---- the matrices ---- */

static void lay_out_weight(const struct encoder_pass *pass, struct linear_weight *weight,
                           void *panels, enum linear_pass direction, int rows)
{
    if (pass->memory->laid_out)
        linear_use_panels(weight, panels, pass->workspace->limits.bf16);
    else
        workspace_lay_out_weight(pass->workspace, weight, panels, direction, rows);
}

static void lay_out_weights(const struct encoder_pass *pass, struct layer_view *layer,
                            enum linear_pass direction)
{
    const struct layer_panels *panels = &pass->memory->panels[direction][layer->index];
    for (int i = 0; i < layer->projection_count; i++) {
        struct projection *projection = &layer->projections[i];
        const bool all = projection->all_tokens;
        lay_out_weight(pass, &projection->weight, all ? panels->query_key_value : panels->query,
                       direction, all ? pass->micro_batch->batch.tokens : layer->rows);
    }
    lay_out_weight(pass, &layer->attention_output, panels->attention_output, direction,
                   layer->rows);
    lay_out_weight(pass, &layer->intermediate, panels->intermediate, direction, layer->rows);
    lay_out_weight(pass, &layer->output, panels->output, direction, layer->rows);
}

struct layer_view layer_view_make(const struct encoder_pass *pass, int index,
                                  enum linear_pass direction)
{
    const struct layer_weights *weights = &pass->weights->layers[index];
    const int width = pass->config->hidden_size, inner = pass->config->intermediate_size;
    const bool last = index == pass->config->num_hidden_layers - 1;
    struct layer_view layer = {
        .index = index,
        .weights = weights,
        .gradients = pass->gradients ? &pass->gradients->layers[index] : NULL,
        .activations = &pass->memory->layers[index],
        .attention_output = {weights->attention_output_weight, NULL, width, width},
        .intermediate = {weights->intermediate_weight, NULL, width, inner},
        .output = {weights->output_weight, NULL, inner, width},
    };
    set_rows(pass, &layer, last);
    if (last)
        project_head_tokens(pass, &layer);
    else
        project_tokens(pass, &layer);
    profile_enter(pass->workspace->profile, PHASE_WEIGHT_LAYOUT);
    lay_out_weights(pass, &layer, direction);
    return layer;
}
