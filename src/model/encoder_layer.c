#include "model/encoder_layer.h"

#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/layernorm.h"

static bool is_last(const struct encoder_pass *pass, int index)
{
    return index == pass->config->num_hidden_layers - 1;
}

struct rows layer_input(const struct workspace *workspace, int index)
{
    return index == 0 ? workspace->embedding_output : workspace->layers[index - 1].output;
}

/* ---- the matrices ---- */

struct layer_linears layer_linears(const struct encoder_pass *pass, int index,
                                   enum linear_pass direction)
{
    const struct layer_weights *weights = &pass->weights->layers[index];
    const struct workspace *workspace = pass->workspace;
    const struct layer_panels *panels = &workspace->panels;
    const int width = pass->config->hidden_size, inner = pass->config->intermediate_size;
    const bool last = is_last(pass, index);
    const int tokens = workspace->batch.tokens, rows = last ? workspace->reads.count : tokens;
    struct layer_linears linears = {
        .query_key_value = {weights->query_key_value_weight, NULL, width, 3 * width},
        .attention_output = {weights->attention_output_weight, NULL, width, width},
        .intermediate = {weights->intermediate_weight, NULL, width, inner},
        .output = {weights->output_weight, NULL, inner, width},
    };
    encoder_enter(pass, PHASE_PACKING);
    if (last) {
        /* The matrix's rows give queries, then keys, then values. */
        linears.query = linears.query_key_value;
        linears.query.out = width;
        linears.query_key_value.values += (size_t)width * (size_t)width;
        linears.query_key_value.out = 2 * width;
        workspace_lay_out(workspace, &linears.query, panels->query, direction, rows);
    }
    workspace_lay_out(workspace, &linears.query_key_value, panels->query_key_value, direction,
                      tokens);
    workspace_lay_out(workspace, &linears.attention_output, panels->attention_output, direction,
                      rows);
    workspace_lay_out(workspace, &linears.intermediate, panels->intermediate, direction, rows);
    workspace_lay_out(workspace, &linears.output, panels->output, direction, rows);
    return linears;
}

/* ---- what a layer works on ---- */

/* The rows of a part that a layer computes: its tokens, or in the last layer those of them that are
 * read. */
struct span {
    int first, rows;
    struct rows input;       /* of the layer, all parts' */
    real *gradient;          /* over the layer's output, then over its input, likewise */
    const int32_t *examples; /* likewise, and the places in the sequence: what dropout knows */
    const int32_t *positions;
};

static struct span span_of(const struct encoder_pass *pass, int index,
                           const struct workspace_part *part)
{
    const struct workspace *workspace = pass->workspace;
    if (is_last(pass, index))
        return (struct span){
            .first = part->first_read,
            .rows = part->reads,
            .input = workspace->read_input,
            .gradient = workspace->read_gradient,
            .examples = workspace->reads.examples,
            .positions = workspace->reads.positions,
        };
    return (struct span){
        .first = part->first_row,
        .rows = part->rows,
        .input = layer_input(workspace, index),
        .gradient = workspace->gradient,
        .examples = workspace->token_examples,
        .positions = workspace->batch.position_ids,
    };
}

static struct attention_shape part_attention(const struct encoder_pass *pass, int index,
                                             const struct workspace_part *part)
{
    const struct workspace *workspace = pass->workspace;
    const bool last = is_last(pass, index);
    return (struct attention_shape){
        .sequences = part->sequences,
        .starts = workspace->batch.starts + part->first_sequence,
        .query_starts = last ? workspace->reads.starts + part->first_sequence : NULL,
        .query_positions = last ? workspace->reads.positions : NULL,
        .max_length = workspace->batch.max_length,
        .heads = pass->config->num_attention_heads,
        .head_size = pass->config->hidden_size / pass->config->num_attention_heads,
        .profile = workspace->profile,
    };
}

/* What a layer's products, or their gradients, give attention. */
static struct attention_operands attention_operands(const struct encoder_pass *pass, int index,
                                                    struct rows query, struct rows query_key_value)
{
    const int width = pass->config->hidden_size;
    if (is_last(pass, index))
        return (struct attention_operands){
            .query = query,
            .key = query_key_value,
            .value = rows_columns_from(query_key_value, width),
        };
    return (struct attention_operands){
        .query = query_key_value,
        .key = rows_columns_from(query_key_value, width),
        .value = rows_columns_from(query_key_value, 2 * width),
    };
}

/* The gradient over a layer's qkv. */
static struct rows qkv_gradient(const struct encoder_pass *pass, int index)
{
    struct rows gradient = pass->workspace->qkv_gradient;
    gradient.width = pass->workspace->layers[index].qkv.width;
    return gradient;
}

static real *attention_memory(const struct encoder_pass *pass)
{
    const struct workspace *workspace = pass->workspace;
    int head_size = pass->config->hidden_size / pass->config->num_attention_heads;
    size_t each =
        attention_scratch(workspace->limits.max_length, head_size, workspace->limits.bf16);
    return workspace->attention_scratch + (size_t)omp_get_thread_num() * each;
}

/* ---- forward and backward ---- */

/* The two normalizations of a layer. */
static struct residual_norm attention_norm(const struct encoder_pass *pass, int index,
                                           const struct span *span)
{
    const struct layer_weights *weights = &pass->weights->layers[index];
    const struct layer_activations *layer = &pass->workspace->layers[index];
    const int row = span->first;
    return (struct residual_norm){
        .weight = weights->attention_norm_weight,
        .bias = weights->attention_norm_bias,
        .epsilon = (real)pass->config->layer_norm_eps,
        .residual = rows_from(span->input, row),
        .sum = rows_from(layer->attention_sum, row),
        .output = rows_from(layer->attention_output, row),
        .mean = layer->attention_mean + row,
        .rstd = layer->attention_rstd + row,
        .dropout = &pass->dropout->hidden,
        .site = encoder_site(index, DROPOUT_ATTENTION_OUTPUT),
        .examples = span->examples + row,
        .positions = span->positions + row,
        .restored = !pass->workspace->limits.bf16,
    };
}

static struct residual_norm output_norm(const struct encoder_pass *pass, int index,
                                        const struct span *span)
{
    const struct layer_weights *weights = &pass->weights->layers[index];
    const struct layer_activations *layer = &pass->workspace->layers[index];
    const int row = span->first;
    return (struct residual_norm){
        .weight = weights->output_norm_weight,
        .bias = weights->output_norm_bias,
        .epsilon = (real)pass->config->layer_norm_eps,
        .residual = rows_from(layer->attention_output, row),
        .sum = rows_from(layer->output_sum, row),
        .output = rows_from(layer->output, row),
        .mean = layer->output_mean + row,
        .rstd = layer->output_rstd + row,
        .dropout = &pass->dropout->hidden,
        .site = encoder_site(index, DROPOUT_FEED_FORWARD_OUTPUT),
        .examples = span->examples + row,
        .positions = span->positions + row,
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

static struct activation_layer span_activation(const struct encoder_pass *pass, int index,
                                               const struct span *span)
{
    return (struct activation_layer){
        .activation = pass->config->activation,
        .input = rows_from(pass->workspace->layers[index].intermediate, span->first),
        .output = rows_from(pass->workspace->activated, span->first),
    };
}

/* Queries, keys and values of a part's tokens. */
static void project_part(const struct encoder_pass *pass, int index,
                         const struct workspace_part *part)
{
    const struct layer_linears *linears = pass->linears;
    const struct layer_activations *layer = &pass->workspace->layers[index];
    const struct rows input = layer_input(pass->workspace, index);
    const real *bias = pass->weights->layers[index].query_key_value_bias;
    if (is_last(pass, index)) {
        const struct rows read = rows_from(pass->workspace->read_input, part->first_read);
        encoder_enter(pass, PHASE_OTHER);
        rows_gather(read, input, pass->workspace->reads.rows + part->first_read, part->reads);
        encoder_enter(pass, PHASE_QUERY_KEY_VALUE);
        linear_forward(rows_from(layer->query, part->first_read), read, part->reads,
                       &linears->query, bias, NULL, encoder_linear_memory(pass));
        bias += pass->config->hidden_size;
    }
    linear_forward(rows_from(layer->qkv, part->first_row), rows_from(input, part->first_row),
                   part->rows, &linears->query_key_value, bias, NULL, encoder_linear_memory(pass));
}

static void attention_part_forward(const struct encoder_pass *pass, int index,
                                   const struct workspace_part *part)
{
    const struct layer_activations *layer = &pass->workspace->layers[index];
    const struct attention_shape shape = part_attention(pass, index, part);
    const struct attention_operands operands =
        attention_operands(pass, index, layer->query, layer->qkv);
    const struct span span = span_of(pass, index, part);
    const struct residual_norm norm = attention_norm(pass, index, &span);
    const struct linear_epilogue epilogue = norm_epilogue(pass, &norm, PHASE_ATTENTION_OUTPUT);
    encoder_enter(pass, PHASE_QUERY_KEY_VALUE);
    project_part(pass, index, part);
    attention_forward(layer->context, &operands, attention_memory(pass), &shape,
                      &pass->dropout->attention,
                      encoder_site(index, DROPOUT_ATTENTION_PROBABILITIES),
                      pass->workspace->sequence_examples + part->first_sequence);
    encoder_enter(pass, PHASE_ATTENTION_OUTPUT);
    linear_forward(norm.sum, rows_from(layer->context, span.first), span.rows,
                   &pass->linears->attention_output,
                   pass->weights->layers[index].attention_output_bias, &epilogue,
                   encoder_linear_memory(pass));
}

static void feed_forward_part_forward(const struct encoder_pass *pass, int index,
                                      const struct workspace_part *part)
{
    const struct layer_weights *weights = &pass->weights->layers[index];
    const struct layer_linears *linears = pass->linears;
    const struct span span = span_of(pass, index, part);
    const struct residual_norm norm = output_norm(pass, index, &span);
    const struct activation_layer activation = span_activation(pass, index, &span);
    const struct linear_epilogue activate = {
        .run = activation_layer_forward,
        .context = &activation,
        .profile = pass->workspace->profile,
        .phase = PHASE_ACTIVATION,
        .product = PHASE_FEED_FORWARD,
    };
    const struct linear_epilogue normalize = norm_epilogue(pass, &norm, PHASE_FEED_FORWARD);
    encoder_enter(pass, PHASE_FEED_FORWARD);
    linear_forward(activation.input, norm.residual, span.rows, &linears->intermediate,
                   weights->intermediate_bias, &activate, encoder_linear_memory(pass));
    linear_forward(norm.sum, activation.output, span.rows, &linears->output, weights->output_bias,
                   &normalize, encoder_linear_memory(pass));
}

void layer_part_forward(const struct encoder_pass *pass, int index,
                        const struct workspace_part *part)
{
    attention_part_forward(pass, index, part);
    feed_forward_part_forward(pass, index, part);
}

/* The span's gradient: over the layer's output in, over attention_output out. Leaves the operands
 * of the parameters' gradients in output_gradient, intermediate_gradient and activated. */
static void feed_forward_part_backward(const struct encoder_pass *pass, int index,
                                       const struct workspace_part *part, real *norm_partials)
{
    const struct workspace *workspace = pass->workspace;
    const struct layer_linears *linears = pass->linears;
    const struct span span = span_of(pass, index, part);
    const struct residual_norm norm = output_norm(pass, index, &span);
    const int width = pass->config->hidden_size;
    real *gradient = span.gradient + (size_t)span.first * (size_t)width;
    const struct rows dense = rows_from(workspace->output_gradient, span.first);
    const struct activation_gradient activation = {
        .layer = span_activation(pass, index, &span),
        .gradient = rows_from(workspace->intermediate_gradient, span.first),
    };
    const struct linear_epilogue epilogue = {
        .run = activation_layer_backward,
        .context = &activation,
        .profile = workspace->profile,
        .phase = PHASE_ACTIVATION,
        .product = PHASE_FEED_FORWARD,
    };
    encoder_enter(pass, PHASE_NORM);
    residual_norm_backward(gradient, dense, norm_partials, norm_partials + width, &norm, span.rows,
                           encoder_linear_memory(pass));
    encoder_enter(pass, PHASE_FEED_FORWARD);
    linear_backward_input(activation.gradient, dense, span.rows, &linears->output, &epilogue,
                          encoder_linear_memory(pass));
    linear_backward_input_add(gradient, activation.gradient, span.rows, &linears->intermediate);
}

/* workspace->gradient over the layer's input, from those over queries, keys and values; the span's
 * gradient is its part by way of the residual. */
static void project_part_backward(const struct encoder_pass *pass, int index,
                                  const struct workspace_part *part)
{
    const struct workspace *workspace = pass->workspace;
    const struct layer_linears *linears = pass->linears;
    const struct rows dqkv = rows_from(qkv_gradient(pass, index), part->first_row);
    const int width = pass->config->hidden_size;
    real *gradient = workspace->gradient + (size_t)part->first_row * (size_t)width;
    if (!is_last(pass, index)) {
        linear_backward_input_add(gradient, dqkv, part->rows, &linears->query_key_value);
        return;
    }
    real *read = workspace->read_gradient + (size_t)part->first_read * (size_t)width;
    linear_backward_input_add(read, rows_from(workspace->query_gradient, part->first_read),
                              part->reads, &linears->query);
    linear_backward_input(rows_of_reals(gradient, width), dqkv, part->rows,
                          &linears->query_key_value, NULL, NULL);
    encoder_enter(pass, PHASE_OTHER);
    rows_scatter_add(workspace->gradient, read, workspace->reads.rows + part->first_read,
                     part->reads, width);
}

/* The span's gradient is over attention_output; workspace->gradient will be over the layer's input.
 * Leaves the operands of the parameters' gradients in attention_gradient, query_gradient and
 * qkv_gradient, and the layer's attention_output as the forward pass had it. */
static void attention_part_backward(const struct encoder_pass *pass, int index,
                                    const struct workspace_part *part, real *norm_partials)
{
    const struct workspace *workspace = pass->workspace;
    const struct layer_activations *layer = &workspace->layers[index];
    const struct span span = span_of(pass, index, part);
    const struct residual_norm norm = attention_norm(pass, index, &span);
    const int width = pass->config->hidden_size;
    real *gradient = span.gradient + (size_t)span.first * (size_t)width;
    const struct rows dense = rows_from(workspace->attention_gradient, span.first);
    const struct attention_shape shape = part_attention(pass, index, part);
    const struct attention_operands operands =
        attention_operands(pass, index, layer->query, layer->qkv);
    const struct attention_operands gradients =
        attention_operands(pass, index, workspace->query_gradient, qkv_gradient(pass, index));
    encoder_enter(pass, PHASE_NORM);
    residual_norm_backward(gradient, dense, norm_partials, norm_partials + width, &norm, span.rows,
                           encoder_linear_memory(pass));
    encoder_enter(pass, PHASE_ATTENTION_OUTPUT);
    linear_backward_input(rows_from(workspace->context_gradient, span.first), dense, span.rows,
                          &pass->linears->attention_output, NULL, encoder_linear_memory(pass));
    attention_backward(&gradients, workspace->context_gradient, &operands, attention_memory(pass),
                       &shape, &pass->dropout->attention,
                       encoder_site(index, DROPOUT_ATTENTION_PROBABILITIES),
                       workspace->sequence_examples + part->first_sequence);
    encoder_enter(pass, PHASE_QUERY_KEY_VALUE);
    project_part_backward(pass, index, part);
}

void layer_part_backward(const struct encoder_pass *pass, int index,
                         const struct workspace_part *part, real *norm_partials)
{
    feed_forward_part_backward(pass, index, part, norm_partials);
    attention_part_backward(pass, index, part,
                            norm_partials + 2 * (size_t)pass->config->hidden_size);
}

static void project_backward_parameters(const struct encoder_pass *pass, int index)
{
    const struct workspace *workspace = pass->workspace;
    const int tokens = workspace->batch.tokens, width = pass->config->hidden_size;
    const struct rows dqkv = qkv_gradient(pass, index);
    real *dweight = pass->gradients->layers[index].query_key_value_weight;
    real *dbias = pass->gradients->layers[index].query_key_value_bias;
    if (is_last(pass, index)) {
        linear_backward_parameters(dweight, dbias, workspace->query_gradient, workspace->read_input,
                                   workspace->reads.count, width, width,
                                   workspace->parameter_scratch);
        dweight += (size_t)width * (size_t)width;
        dbias += width;
    }
    linear_backward_parameters(dweight, dbias, dqkv, layer_input(workspace, index), tokens,
                               pass->linears->query_key_value.out, width,
                               workspace->parameter_scratch);
}

void layer_backward_parameters(const struct encoder_pass *pass, int index)
{
    struct layer_weights *gradients = &pass->gradients->layers[index];
    const struct workspace *workspace = pass->workspace;
    const struct layer_activations *layer = &workspace->layers[index];
    const int rows = is_last(pass, index) ? workspace->reads.count : workspace->batch.tokens;
    const int width = pass->config->hidden_size, inner = pass->config->intermediate_size;
    void *scratch = workspace->parameter_scratch;
    encoder_enter(pass, PHASE_WEIGHT_GRADIENTS);
    linear_backward_parameters(gradients->output_weight, gradients->output_bias,
                               workspace->output_gradient, workspace->activated, rows, width, inner,
                               scratch);
    linear_backward_parameters(gradients->intermediate_weight, gradients->intermediate_bias,
                               workspace->intermediate_gradient, layer->attention_output, rows,
                               inner, width, scratch);
    linear_backward_parameters(gradients->attention_output_weight, gradients->attention_output_bias,
                               workspace->attention_gradient, layer->context, rows, width, width,
                               scratch);
    project_backward_parameters(pass, index);
}
