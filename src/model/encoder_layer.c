#include "model/encoder_layer.h"

#include "nn/activation.h"
#include "nn/layernorm.h"

/* ---- the rows of a part ---- */

struct row_range {
    int first, count;
};

static struct row_range token_range(const struct micro_batch_part *part)
{
    return (struct row_range){part->first_row, part->rows};
}

/* The rows that the layer computes for a part. */
static struct row_range layer_range(const struct layer_view *layer,
                                    const struct micro_batch_part *part)
{
    return layer->tokens ? (struct row_range){part->first_head_token, part->head_token_count}
                         : token_range(part);
}

static struct row_range projection_range(const struct layer_view *layer,
                                         const struct projection *projection,
                                         const struct micro_batch_part *part)
{
    return projection->all_tokens ? token_range(part) : layer_range(layer, part);
}

static real *reals_from(real *values, int width, int row)
{
    return values + (size_t)row * (size_t)width;
}

/* ---- the operations between the products ---- */

static int head_size(const struct encoder_pass *pass)
{
    return pass->config->hidden_size / pass->config->num_attention_heads;
}

static struct attention_shape part_attention(const struct encoder_pass *pass,
                                             const struct layer_view *layer,
                                             const struct micro_batch_part *part)
{
    const struct batch *batch = &pass->micro_batch->batch;
    return (struct attention_shape){
        .sequences = part->sequences,
        .starts = batch->starts + part->first_sequence,
        .query_starts = layer->query_starts ? layer->query_starts + part->first_sequence : NULL,
        .query_positions = layer->query_positions,
        .max_length = batch->max_length,
        .heads = pass->config->num_attention_heads,
        .head_size = head_size(pass),
        .profile = pass->workspace->profile,
    };
}

static real *attention_memory(const struct encoder_pass *pass)
{
    const struct workspace_limits limits = pass->workspace->limits;
    size_t each = attention_scratch(limits.max_length, head_size(pass), limits.bf16);
    return pass->memory->attention_scratch + (size_t)omp_get_thread_num() * each;
}

/* a = LN(x + dropout(W_o c + b_o)) */
static struct residual_norm attention_norm(const struct encoder_pass *pass,
                                           const struct layer_view *layer, int row)
{
    const struct layer_activations *activations = layer->activations;
    return (struct residual_norm){
        .weight = layer->weights->attention_norm_weight,
        .bias = layer->weights->attention_norm_bias,
        .epsilon = (real)pass->config->layer_norm_eps,
        .residual = rows_from(layer->input, row),
        .sum = rows_from(activations->attention_sum, row),
        .output = rows_from(activations->attention_output, row),
        .mean = activations->attention_mean + row,
        .rstd = activations->attention_rstd + row,
        .dropout = &pass->dropout->hidden,
        .forward_only = !pass->workspace->training,
        .site = encoder_site(layer->index, DROPOUT_ATTENTION_OUTPUT),
        .examples = layer->examples + row,
        .positions = layer->positions + row,
        .restored = !pass->workspace->limits.bf16,
    };
}

/* y = LN(a + dropout(W_2 h + b_2)) */
static struct residual_norm output_norm(const struct encoder_pass *pass,
                                        const struct layer_view *layer, int row)
{
    const struct layer_activations *activations = layer->activations;
    return (struct residual_norm){
        .weight = layer->weights->output_norm_weight,
        .bias = layer->weights->output_norm_bias,
        .epsilon = (real)pass->config->layer_norm_eps,
        .residual = rows_from(activations->attention_output, row),
        .sum = rows_from(activations->output_sum, row),
        .output = rows_from(activations->output, row),
        .mean = activations->output_mean + row,
        .rstd = activations->output_rstd + row,
        .dropout = &pass->dropout->hidden,
        .forward_only = !pass->workspace->training,
        .site = encoder_site(layer->index, DROPOUT_FEED_FORWARD_OUTPUT),
        .examples = layer->examples + row,
        .positions = layer->positions + row,
    };
}

static struct linear_epilogue norm_epilogue(const struct encoder_pass *pass,
                                            const struct residual_norm *norm,
                                            enum profile_phase product)
{
    return (struct linear_epilogue){
        .run = residual_norm_forward,
        .context = norm,
        .whole_rows = true,
        .profile = pass->workspace->profile,
        .phase = PHASE_NORM,
        .product = product,
    };
}

/* h = act(W_1 a + b_1) */
static struct activation_layer layer_activation(const struct encoder_pass *pass,
                                                const struct layer_view *layer, int row)
{
    return (struct activation_layer){
        .activation = pass->config->activation,
        .forward_only = !pass->workspace->training,
        .input = rows_from(layer->activations->intermediate, row),
        .output = rows_from(pass->memory->activated, row),
    };
}

/* ---- forward ---- */

/* q, k, v = W_qkv x + b_qkv */
static void project_forward(const struct encoder_pass *pass, const struct layer_view *layer,
                            const struct micro_batch_part *part)
{
    if (layer->tokens) {
        const struct row_range rows = layer_range(layer, part);
        encoder_enter(pass, PHASE_OTHER);
        rows_gather(rows_from(layer->input, rows.first), layer->all_inputs,
                    layer->tokens + rows.first, rows.count);
    }
    encoder_enter(pass, PHASE_QUERY_KEY_VALUE);
    for (int i = 0; i < layer->projection_count; i++) {
        const struct projection *p = &layer->projections[i];
        const struct row_range rows = projection_range(layer, p, part);
        linear_forward(rows_from(p->output, rows.first), rows_from(p->input, rows.first),
                       rows.count, &p->weight, p->bias, NULL, encoder_linear_memory(pass));
    }
}

/* c = attention(q, k, v),   a = LN(x + dropout(W_o c + b_o)) */
static void attention_part_forward(const struct encoder_pass *pass, const struct layer_view *layer,
                                   const struct micro_batch_part *part)
{
    const struct rows context = layer->activations->context;
    const struct attention_shape shape = part_attention(pass, layer, part);
    const struct row_range rows = layer_range(layer, part);
    const struct residual_norm norm = attention_norm(pass, layer, rows.first);
    const struct linear_epilogue normalize = norm_epilogue(pass, &norm, PHASE_ATTENTION_OUTPUT);
    attention_forward(context, &layer->operands, attention_memory(pass), &shape,
                      &pass->dropout->attention,
                      encoder_site(layer->index, DROPOUT_ATTENTION_PROBABILITIES),
                      pass->micro_batch->sequence_examples + part->first_sequence);
    encoder_enter(pass, PHASE_ATTENTION_OUTPUT);
    linear_forward(norm.sum, rows_from(context, rows.first), rows.count, &layer->attention_output,
                   layer->weights->attention_output_bias, &normalize, encoder_linear_memory(pass));
}

/* h = act(W_1 a + b_1),   y = LN(a + dropout(W_2 h + b_2)) */
static void feed_forward_part_forward(const struct encoder_pass *pass,
                                      const struct layer_view *layer,
                                      const struct micro_batch_part *part)
{
    const struct row_range rows = layer_range(layer, part);
    const struct residual_norm norm = output_norm(pass, layer, rows.first);
    const struct activation_layer activation = layer_activation(pass, layer, rows.first);
    const struct linear_epilogue activate = {
        .run = activation_layer_forward,
        .context = &activation,
        .profile = pass->workspace->profile,
        .phase = PHASE_ACTIVATION,
        .product = PHASE_FEED_FORWARD,
    };
    const struct linear_epilogue normalize = norm_epilogue(pass, &norm, PHASE_FEED_FORWARD);
    encoder_enter(pass, PHASE_FEED_FORWARD);
    linear_forward(activation.input, norm.residual, rows.count, &layer->intermediate,
                   layer->weights->intermediate_bias, &activate, encoder_linear_memory(pass));
    linear_forward(norm.sum, activation.output, rows.count, &layer->output,
                   layer->weights->output_bias, &normalize, encoder_linear_memory(pass));
}

void layer_part_forward(const struct encoder_pass *pass, const struct layer_view *layer,
                        const struct micro_batch_part *part)
{
    project_forward(pass, layer, part);
    attention_part_forward(pass, layer, part);
    feed_forward_part_forward(pass, layer, part);
}

/* ---- backward ---- */

/* layer->dhidden: dy in, da out. Leaves the operands of the parameters' gradients in doutput_dense,
 * dintermediate and activated. */
static void feed_forward_part_backward(const struct encoder_pass *pass,
                                       const struct layer_view *layer,
                                       const struct micro_batch_part *part, real *norm_partials)
{
    const struct encoder_memory *memory = pass->memory;
    const struct row_range rows = layer_range(layer, part);
    const struct residual_norm norm = output_norm(pass, layer, rows.first);
    const int width = pass->config->hidden_size;
    real *dhidden = reals_from(layer->dhidden, width, rows.first);
    const struct rows ddense = rows_from(memory->doutput_dense, rows.first);
    const struct activation_gradient activation = {
        .layer = layer_activation(pass, layer, rows.first),
        .gradient = rows_from(memory->dintermediate, rows.first),
    };
    const struct linear_epilogue epilogue = {
        .run = activation_layer_backward,
        .context = &activation,
        .profile = pass->workspace->profile,
        .phase = PHASE_ACTIVATION,
        .product = PHASE_FEED_FORWARD,
    };
    encoder_enter(pass, PHASE_NORM);
    residual_norm_backward(dhidden, ddense, norm_partials, norm_partials + width, &norm, rows.count,
                           encoder_linear_memory(pass));
    encoder_enter(pass, PHASE_FEED_FORWARD);
    linear_backward_input(activation.gradient, ddense, rows.count, &layer->output, &epilogue,
                          encoder_linear_memory(pass));
    linear_backward_input_add(dhidden, activation.gradient, rows.count, &layer->intermediate);
}

/* layer->dhidden: da in, t out. Leaves the gradients of queries, keys and values in
 * layer->doperands, and the operands of the parameters' gradients in dattention_dense and, as after
 * the forward pass, in the layer's attention_output. */
static void attention_part_backward(const struct encoder_pass *pass, const struct layer_view *layer,
                                    const struct micro_batch_part *part, real *norm_partials)
{
    const struct encoder_memory *memory = pass->memory;
    const struct row_range rows = layer_range(layer, part);
    const struct residual_norm norm = attention_norm(pass, layer, rows.first);
    const int width = pass->config->hidden_size;
    real *dhidden = reals_from(layer->dhidden, width, rows.first);
    const struct rows ddense = rows_from(memory->dattention_dense, rows.first);
    const struct attention_shape shape = part_attention(pass, layer, part);
    encoder_enter(pass, PHASE_NORM);
    residual_norm_backward(dhidden, ddense, norm_partials, norm_partials + width, &norm, rows.count,
                           encoder_linear_memory(pass));
    encoder_enter(pass, PHASE_ATTENTION_OUTPUT);
    linear_backward_input(rows_from(memory->dcontext, rows.first), ddense, rows.count,
                          &layer->attention_output, NULL, encoder_linear_memory(pass));
    attention_backward(&layer->doperands, memory->dcontext, &layer->operands,
                       attention_memory(pass), &shape, &pass->dropout->attention,
                       encoder_site(layer->index, DROPOUT_ATTENTION_PROBABILITIES),
                       pass->micro_batch->sequence_examples + part->first_sequence);
}

/* memory->dhidden: dx = t + W_qkv^T (dq, dk, dv). Where the layer computes some tokens only, t
 * and the gradient through their queries are added up in layer->dhidden first. */
static void project_backward(const struct encoder_pass *pass, const struct layer_view *layer,
                             const struct micro_batch_part *part)
{
    const int width = pass->config->hidden_size;
    encoder_enter(pass, PHASE_QUERY_KEY_VALUE);
    for (int i = 0; i < layer->projection_count; i++) {
        const struct projection *p = &layer->projections[i];
        const struct row_range rows = projection_range(layer, p, part);
        const struct rows doutput = rows_from(p->doutput, rows.first);
        real *dinput = reals_from(p->dinput, width, rows.first);
        if (p->adds)
            linear_backward_input_add(dinput, doutput, rows.count, &p->weight);
        else
            linear_backward_input(rows_of_reals(dinput, width), doutput, rows.count, &p->weight,
                                  NULL, NULL);
    }
    if (layer->tokens) {
        const struct row_range rows = layer_range(layer, part);
        encoder_enter(pass, PHASE_OTHER);
        rows_scatter_add(pass->memory->dhidden, reals_from(layer->dhidden, width, rows.first),
                         layer->tokens + rows.first, rows.count, width);
    }
}

void layer_part_backward(const struct encoder_pass *pass, const struct layer_view *layer,
                         const struct micro_batch_part *part, real *norm_partials)
{
    feed_forward_part_backward(pass, layer, part, norm_partials);
    attention_part_backward(pass, layer, part,
                            reals_from(norm_partials, pass->config->hidden_size, 2));
    /* Below the first layer that is not frozen nobody reads the gradient. */
    if (layer->index == 0 || layer->index > pass->gradients->frozen_layers)
        project_backward(pass, layer, part);
}

void layer_backward_parameters(const struct encoder_pass *pass, const struct layer_view *layer)
{
    const struct encoder_memory *memory = pass->memory;
    const struct layer_activations *activations = layer->activations;
    struct layer_weights *gradients = layer->gradients;
    const int width = pass->config->hidden_size, inner = pass->config->intermediate_size;
    void *scratch = pass->workspace->parameter_scratch;
    encoder_enter(pass, PHASE_WEIGHT_GRADIENTS);
    linear_backward_parameters(gradients->output_weight, gradients->output_bias,
                               memory->doutput_dense, memory->activated, layer->rows, width, inner,
                               scratch);
    linear_backward_parameters(gradients->intermediate_weight, gradients->intermediate_bias,
                               memory->dintermediate, activations->attention_output, layer->rows,
                               inner, width, scratch);
    linear_backward_parameters(gradients->attention_output_weight, gradients->attention_output_bias,
                               memory->dattention_dense, activations->context, layer->rows, width,
                               width, scratch);
    for (int i = 0; i < layer->projection_count; i++) {
        const struct projection *p = &layer->projections[i];
        const int rows = p->all_tokens ? pass->micro_batch->batch.tokens : layer->rows;
        linear_backward_parameters(p->dweight, p->dbias, p->doutput, p->input, rows, p->weight.out,
                                   width, scratch);
    }
}
