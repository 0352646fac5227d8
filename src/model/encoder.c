#include "model/encoder.h"

#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/embedding.h"
#include "nn/layernorm.h"
#include "nn/linear.h"

#include <omp.h>
#include <string.h>

struct encoder_dropout encoder_dropout_none(void)
{
    return (struct encoder_dropout){dropout_begin(0, 0, 0), dropout_begin(0, 0, 0)};
}

struct encoder_dropout encoder_dropout_begin(const struct model_config *config, uint64_t seed,
                                             uint64_t step)
{
    return (struct encoder_dropout){
        .hidden = dropout_begin(seed, step, config->hidden_dropout_prob),
        .attention = dropout_begin(seed, step, config->attention_probs_dropout_prob),
    };
}

/* In the last layer query_key_value gives keys and values alone. */
struct layer_linears {
    struct linear_weight query_key_value, query, attention_output, intermediate, output;
};

/* Everything that the passes below share. */
struct pass {
    const struct model_config *config;
    const struct weights *weights;
    const struct layer_linears *linears; /* of the layer at hand */
    struct weights *gradients;           /* backward only */
    struct workspace *workspace;
    const struct encoder_dropout *dropout;
};

static void enter(const struct pass *pass, enum profile_phase phase)
{
    profile_enter(pass->workspace->profile, phase);
}

static bool is_last(const struct pass *pass, int index)
{
    return index == pass->config->num_hidden_layers - 1;
}

static uint32_t site_of(int layer, enum dropout_site site)
{
    return (uint32_t)layer * DROPOUT_SITES + site;
}

static void add_rows(real *y, const real *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

static struct embedding_ids part_ids(const struct pass *pass, const struct workspace_part *part)
{
    const struct batch *batch = &pass->workspace->batch;
    return (struct embedding_ids){
        .words = batch->input_ids + part->first_row,
        .positions = batch->position_ids + part->first_row,
        .token_types = batch->token_type_ids + part->first_row,
        .rows = part->rows,
    };
}

static struct rows layer_input(const struct workspace *workspace, int index)
{
    return index == 0 ? workspace->embedding_output : workspace->layers[index - 1].output;
}

/* The rows of a part that a layer computes: its tokens, or in the last layer those of them that are
 * read. */
struct span {
    int first, rows;
    struct rows input;       /* of the layer, all parts' */
    real *gradient;          /* over the layer's output, then over its input, likewise */
    const int32_t *examples; /* likewise, and the places in the sequence: what dropout knows */
    const int32_t *positions;
};

static struct span span_of(const struct pass *pass, int index, const struct workspace_part *part)
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

static struct attention_shape part_attention(const struct pass *pass, int index,
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
static struct attention_operands attention_operands(const struct pass *pass, int index,
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
static struct rows qkv_gradient(const struct pass *pass, int index)
{
    struct rows gradient = pass->workspace->qkv_gradient;
    gradient.width = pass->workspace->layers[index].qkv.width;
    return gradient;
}

/* The calling thread's block of working memory; the first of all when a single part is shared by
 * the threads. */
static real *attention_memory(const struct pass *pass)
{
    const struct workspace *workspace = pass->workspace;
    int head_size = pass->config->hidden_size / pass->config->num_attention_heads;
    size_t each = attention_scratch(workspace->limits.max_length, head_size);
    return workspace->attention_scratch + (size_t)omp_get_thread_num() * each;
}

static real *linear_memory(const struct pass *pass)
{
    return pass->workspace->linear_scratch +
           (size_t)omp_get_thread_num() * linear_scratch(pass->config->hidden_size);
}

/* ---- a layer's weights ---- */

/* Parameters of query, key and value lie one after the other: where those of key begin. */
static const real *key_value_weight(const struct pass *pass, int index)
{
    const size_t width = (size_t)pass->config->hidden_size;
    return pass->weights->layers[index].query_key_value_weight + width * width;
}

/* Lays a matrix out for the pass unless so few rows go through it that it takes longer. */
static void lay_out(const struct pass *pass, struct linear_weight *weight, void *panels,
                    enum linear_pass direction, int rows)
{
    const bool halves = pass->workspace->limits.bf16;
    if (halves || rows >= LEAST_PACKED_ROWS)
        linear_pack(weight, panels, direction, halves);
}

static struct layer_linears layer_linears(const struct pass *pass, int index,
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
    enter(pass, PHASE_PACKING);
    if (last) {
        linears.query = (struct linear_weight){weights->query_key_value_weight, NULL, width, width};
        linears.query_key_value =
            (struct linear_weight){key_value_weight(pass, index), NULL, width, 2 * width};
        lay_out(pass, &linears.query, panels->query, direction, rows);
    }
    lay_out(pass, &linears.query_key_value, panels->query_key_value, direction, tokens);
    lay_out(pass, &linears.attention_output, panels->attention_output, direction, rows);
    lay_out(pass, &linears.intermediate, panels->intermediate, direction, rows);
    lay_out(pass, &linears.output, panels->output, direction, rows);
    return linears;
}

/* ---- embeddings ---- */

static void embedding_part_forward(const struct pass *pass, const struct workspace_part *part)
{
    struct workspace *workspace = pass->workspace;
    const struct weights *weights = pass->weights;
    const int width = pass->config->hidden_size;
    const struct embedding_ids ids = part_ids(pass, part);
    real *buffer = linear_memory(pass);
    enter(pass, PHASE_EMBEDDING);
    for (int i = 0; i < part->rows; i++) {
        const int row = part->first_row + i;
        const struct row_span span = {row, 0, width};
        real *sum = rows_place(&workspace->embedding_sum, span, buffer);
        real *output = rows_place(&workspace->embedding_output, span, buffer + width);
        embedding_forward(sum, &ids, i, weights->word_embeddings, weights->position_embeddings,
                          weights->token_type_embeddings, width);
        layernorm_forward(output, workspace->embedding_mean + row, workspace->embedding_rstd + row,
                          sum, weights->embedding_norm_weight, weights->embedding_norm_bias, width,
                          (real)pass->config->layer_norm_eps);
        dropout_row(output, width, &pass->dropout->hidden, site_of(0, DROPOUT_EMBEDDING),
                    (uint32_t)workspace->token_examples[row],
                    (uint32_t)workspace->batch.position_ids[row]);
        rows_write(&workspace->embedding_sum, span, sum);
        rows_write(&workspace->embedding_output, span, output);
    }
}

static void embedding_part_backward(const struct pass *pass, const struct workspace_part *part,
                                    real *norm_partials)
{
    struct workspace *workspace = pass->workspace;
    const int width = pass->config->hidden_size;
    real *buffer = linear_memory(pass);
    enter(pass, PHASE_NORM);
    for (int row = part->first_row; row < part->first_row + part->rows; row++) {
        real *gradient = workspace->gradient + (size_t)row * (size_t)width;
        const real *sum =
            rows_read(&workspace->embedding_sum, (struct row_span){row, 0, width}, buffer);
        dropout_row(gradient, width, &pass->dropout->hidden, site_of(0, DROPOUT_EMBEDDING),
                    (uint32_t)workspace->token_examples[row],
                    (uint32_t)workspace->batch.position_ids[row]);
        layernorm_backward(gradient, norm_partials, norm_partials + width, gradient, sum,
                           workspace->embedding_mean[row], workspace->embedding_rstd[row],
                           pass->weights->embedding_norm_weight, width);
    }
}

/* ---- one layer ---- */

/* The two normalizations of a layer. */
static struct residual_norm attention_norm(const struct pass *pass, int index,
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
        .site = site_of(index, DROPOUT_ATTENTION_OUTPUT),
        .examples = span->examples + row,
        .positions = span->positions + row,
    };
}

static struct residual_norm output_norm(const struct pass *pass, int index, const struct span *span)
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
        .site = site_of(index, DROPOUT_FEED_FORWARD_OUTPUT),
        .examples = span->examples + row,
        .positions = span->positions + row,
    };
}

static struct linear_epilogue
norm_epilogue(const struct pass *pass, const struct residual_norm *norm, enum profile_phase product)
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

static struct activation_layer span_activation(const struct pass *pass, int index,
                                               const struct span *span)
{
    return (struct activation_layer){
        .activation = pass->config->activation,
        .input = rows_from(pass->workspace->layers[index].intermediate, span->first),
        .output = rows_from(pass->workspace->activated, span->first),
    };
}

/* Queries, keys and values of a part's tokens. */
static void project_part(const struct pass *pass, int index, const struct workspace_part *part)
{
    const struct layer_linears *linears = pass->linears;
    const struct layer_activations *layer = &pass->workspace->layers[index];
    const struct rows input = layer_input(pass->workspace, index);
    const real *bias = pass->weights->layers[index].query_key_value_bias;
    if (is_last(pass, index)) {
        const struct rows read = rows_from(pass->workspace->read_input, part->first_read);
        rows_gather(read, input, pass->workspace->reads.rows + part->first_read, part->reads);
        linear_forward(rows_from(layer->query, part->first_read), read, part->reads,
                       &linears->query, bias, NULL, linear_memory(pass));
        bias += pass->config->hidden_size;
    }
    linear_forward(rows_from(layer->qkv, part->first_row), rows_from(input, part->first_row),
                   part->rows, &linears->query_key_value, bias, NULL, linear_memory(pass));
}

static void attention_part_forward(const struct pass *pass, int index,
                                   const struct workspace_part *part)
{
    const struct layer_activations *layer = &pass->workspace->layers[index];
    const struct attention_shape shape = part_attention(pass, index, part);
    const struct attention_operands operands =
        attention_operands(pass, index, layer->query, layer->qkv);
    const struct span span = span_of(pass, index, part);
    const struct residual_norm norm = attention_norm(pass, index, &span);
    const struct linear_epilogue epilogue = norm_epilogue(pass, &norm, PHASE_ATTENTION_OUTPUT);
    enter(pass, PHASE_QUERY_KEY_VALUE);
    project_part(pass, index, part);
    attention_forward(layer->context, &operands, attention_memory(pass), &shape,
                      &pass->dropout->attention, site_of(index, DROPOUT_ATTENTION_PROBABILITIES),
                      pass->workspace->sequence_examples + part->first_sequence);
    enter(pass, PHASE_ATTENTION_OUTPUT);
    linear_forward(norm.sum, rows_from(layer->context, span.first), span.rows,
                   &pass->linears->attention_output,
                   pass->weights->layers[index].attention_output_bias, &epilogue,
                   linear_memory(pass));
}

static void feed_forward_part_forward(const struct pass *pass, int index,
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
    enter(pass, PHASE_FEED_FORWARD);
    linear_forward(activation.input, norm.residual, span.rows, &linears->intermediate,
                   weights->intermediate_bias, &activate, linear_memory(pass));
    linear_forward(norm.sum, activation.output, span.rows, &linears->output, weights->output_bias,
                   &normalize, linear_memory(pass));
}

/* The span's gradient: over the layer's output in, over attention_output out. Leaves the operands
 * of the parameters' gradients in output_gradient, intermediate_gradient and activated. */
static void feed_forward_part_backward(const struct pass *pass, int index,
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
    enter(pass, PHASE_NORM);
    residual_norm_backward(gradient, dense, norm_partials, norm_partials + width, &norm, span.rows,
                           linear_memory(pass));
    enter(pass, PHASE_FEED_FORWARD);
    linear_backward_input(activation.gradient, dense, span.rows, &linears->output, &epilogue,
                          linear_memory(pass));
    linear_backward_input_add(gradient, activation.gradient, span.rows, &linears->intermediate);
}

/* workspace->gradient over the layer's input, from those over queries, keys and values; the span's
 * gradient is its part by way of the residual. */
static void project_part_backward(const struct pass *pass, int index,
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
    rows_scatter_add(workspace->gradient, read, workspace->reads.rows + part->first_read,
                     part->reads, width);
}

/* The span's gradient is over attention_output; workspace->gradient will be over the layer's input.
 * Leaves the operands of the parameters' gradients in attention_gradient, query_gradient and
 * qkv_gradient. */
static void attention_part_backward(const struct pass *pass, int index,
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
    enter(pass, PHASE_NORM);
    residual_norm_backward(gradient, dense, norm_partials, norm_partials + width, &norm, span.rows,
                           linear_memory(pass));
    enter(pass, PHASE_ATTENTION_OUTPUT);
    linear_backward_input(rows_from(workspace->context_gradient, span.first), dense, span.rows,
                          &pass->linears->attention_output, NULL, linear_memory(pass));
    attention_backward(&gradients, workspace->context_gradient, &operands, attention_memory(pass),
                       &shape, &pass->dropout->attention,
                       site_of(index, DROPOUT_ATTENTION_PROBABILITIES),
                       workspace->sequence_examples + part->first_sequence);
    enter(pass, PHASE_QUERY_KEY_VALUE);
    project_part_backward(pass, index, part);
}

static void project_backward_parameters(const struct pass *pass, int index)
{
    const struct workspace *workspace = pass->workspace;
    const int tokens = workspace->batch.tokens, width = pass->config->hidden_size;
    const struct rows dqkv = qkv_gradient(pass, index);
    real *dweight = pass->gradients->layers[index].query_key_value_weight;
    real *dbias = pass->gradients->layers[index].query_key_value_bias;
    if (is_last(pass, index)) {
        linear_backward_parameters(dweight, dbias, workspace->query_gradient, workspace->read_input,
                                   workspace->reads.count, width, workspace->parameter_scratch);
        dweight += (size_t)width * (size_t)width;
        dbias += width;
    }
    linear_backward_parameters(dweight, dbias, dqkv, layer_input(workspace, index), tokens,
                               dqkv.width, workspace->parameter_scratch);
}

/* The products over all rows that give a layer's weight gradients, each divided among the threads
 * by itself. */
static void layer_backward_parameters(const struct pass *pass, int index)
{
    struct layer_weights *gradients = &pass->gradients->layers[index];
    const struct workspace *workspace = pass->workspace;
    const struct layer_activations *layer = &workspace->layers[index];
    const int rows = is_last(pass, index) ? workspace->reads.count : workspace->batch.tokens;
    const int width = pass->config->hidden_size;
    void *scratch = workspace->parameter_scratch;
    enter(pass, PHASE_WEIGHT_GRADIENTS);
    linear_backward_parameters(gradients->output_weight, gradients->output_bias,
                               workspace->output_gradient, workspace->activated, rows, width,
                               scratch);
    linear_backward_parameters(gradients->intermediate_weight, gradients->intermediate_bias,
                               workspace->intermediate_gradient, layer->attention_output, rows,
                               pass->config->intermediate_size, scratch);
    linear_backward_parameters(gradients->attention_output_weight, gradients->attention_output_bias,
                               workspace->attention_gradient, layer->context, rows, width, scratch);
    project_backward_parameters(pass, index);
}

/* ---- the parts of a layer on all threads ---- */

static real *partials_of(const struct pass *pass, int part)
{
    size_t width = (size_t)pass->config->hidden_size;
    return pass->workspace->norm_partials + (size_t)part * 4 * width;
}

/* sum [width] += partial number `slot` (of 4) of every part, in the order of the parts. */
static void add_partials(const struct pass *pass, real *sum, int slot)
{
    size_t width = (size_t)pass->config->hidden_size;
    for (int part = 0; part < pass->workspace->part_count; part++)
        add_rows(sum, partials_of(pass, part) + (size_t)slot * width, width);
}

static void clear_partials(const struct pass *pass)
{
    size_t width = (size_t)pass->config->hidden_size;
    size_t count = (size_t)pass->workspace->part_count * 4 * width;
    memset(pass->workspace->norm_partials, 0, count * sizeof(real));
}

static void layer_forward(struct pass *pass, int index)
{
    const struct workspace *workspace = pass->workspace;
    const struct layer_linears linears = layer_linears(pass, index, LINEAR_FORWARD);
    int parts = workspace->part_count;
    pass->linears = &linears;
#pragma omp parallel for schedule(static) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        attention_part_forward(pass, index, &workspace->parts[part]);
        feed_forward_part_forward(pass, index, &workspace->parts[part]);
        enter(pass, PHASE_IDLE);
    }
}

static void layer_backward(struct pass *pass, int index)
{
    const struct workspace *workspace = pass->workspace;
    const struct layer_linears linears = layer_linears(pass, index, LINEAR_BACKWARD);
    struct layer_weights *gradients = &pass->gradients->layers[index];
    const size_t width = (size_t)pass->config->hidden_size;
    int parts = workspace->part_count;
    pass->linears = &linears;
    clear_partials(pass);
#pragma omp parallel for schedule(static) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        real *partials = partials_of(pass, part);
        feed_forward_part_backward(pass, index, &workspace->parts[part], partials);
        attention_part_backward(pass, index, &workspace->parts[part], partials + 2 * width);
        enter(pass, PHASE_IDLE);
    }
    enter(pass, PHASE_NORM);
    add_partials(pass, gradients->output_norm_weight, 0);
    add_partials(pass, gradients->output_norm_bias, 1);
    add_partials(pass, gradients->attention_norm_weight, 2);
    add_partials(pass, gradients->attention_norm_bias, 3);
    layer_backward_parameters(pass, index);
}

/* ---- the encoder ---- */

static struct pass begin_pass(const struct model *model, struct weights *gradients,
                              struct workspace *workspace, const struct encoder_dropout *dropout)
{
    return (struct pass){
        .config = &model->config,
        .weights = &model->parameters.weights,
        .gradients = gradients,
        .workspace = workspace,
        .dropout = dropout,
    };
}

void encoder_forward(const struct model *model, struct workspace *workspace,
                     const struct encoder_dropout *dropout)
{
    struct pass pass = begin_pass(model, NULL, workspace, dropout);
    int parts = workspace->part_count;
#pragma omp parallel for schedule(static) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        embedding_part_forward(&pass, &workspace->parts[part]);
        enter(&pass, PHASE_IDLE);
    }
    for (int layer = 0; layer < model->config.num_hidden_layers; layer++)
        layer_forward(&pass, layer);
    enter(&pass, PHASE_OTHER);
}

struct rows encoder_output(const struct workspace *workspace, const struct model_config *config)
{
    return layer_input(workspace, config->num_hidden_layers);
}

void encoder_backward(const struct model *model, struct weights *gradients,
                      struct workspace *workspace, const struct encoder_dropout *dropout)
{
    struct pass pass = begin_pass(model, gradients, workspace, dropout);
    CHECK(workspace->training);
    for (int layer = model->config.num_hidden_layers - 1; layer >= 0; layer--)
        layer_backward(&pass, layer);
    int parts = workspace->part_count;
    clear_partials(&pass);
#pragma omp parallel for schedule(static) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        embedding_part_backward(&pass, &workspace->parts[part], partials_of(&pass, part));
        enter(&pass, PHASE_IDLE);
    }
    enter(&pass, PHASE_NORM);
    add_partials(&pass, gradients->embedding_norm_weight, 0);
    add_partials(&pass, gradients->embedding_norm_bias, 1);
    const struct workspace_part all = {.rows = workspace->batch.tokens};
    struct embedding_ids ids = part_ids(&pass, &all);
    enter(&pass, PHASE_EMBEDDING);
    embedding_backward(gradients->word_embeddings, gradients->position_embeddings,
                       gradients->token_type_embeddings, workspace->gradient, &ids,
                       model->config.hidden_size);
    enter(&pass, PHASE_OTHER);
}
