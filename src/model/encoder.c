#include "model/encoder.h"

#include "model/encoder_layer.h"
#include "nn/embedding.h"
#include "nn/layernorm.h"

#include <omp.h>
#include <string.h>

void gradient_listener_tell(const struct gradient_listener *listener, size_t offset)
{
    if (listener)
        listener->complete(listener->context, offset);
}

struct encoder_dropout encoder_dropout_none(void)
{
    return (struct encoder_dropout){dropout_begin(0, 0, 0), dropout_begin(0, 0, 0),
                                    dropout_begin(0, 0, 0)};
}

struct encoder_dropout encoder_dropout_begin(const struct model_config *config, uint64_t seed,
                                             uint64_t step)
{
    return (struct encoder_dropout){
        .hidden = dropout_begin(seed, step, config->hidden_dropout_prob),
        .attention = dropout_begin(seed, step, config->attention_probs_dropout_prob),
        .classifier = dropout_begin(seed, step, model_config_classifier_dropout(config)),
    };
}

/* ---- gradients of the LayerNorms: one partial sum for each part ---- */

static void add_rows(real *y, const real *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

static real *partials_of(const struct encoder_pass *pass, int part)
{
    size_t width = (size_t)pass->config->hidden_size;
    return pass->memory->norm_partials + (size_t)part * 4 * width;
}

/* sum [width] += partial sum `slot` (0 to 3) of every part, in the order of the parts. */
static void add_partials(const struct encoder_pass *pass, real *sum, int slot)
{
    size_t width = (size_t)pass->config->hidden_size;
    for (int part = 0; part < pass->micro_batch->part_count; part++)
        add_rows(sum, partials_of(pass, part) + (size_t)slot * width, width);
}

static void clear_partials(const struct encoder_pass *pass)
{
    size_t width = (size_t)pass->config->hidden_size;
    size_t count = (size_t)pass->micro_batch->part_count * 4 * width;
    memset(pass->memory->norm_partials, 0, count * sizeof(real));
}

/* ---- embeddings ---- */

static struct embedding_ids part_ids(const struct encoder_pass *pass,
                                     const struct micro_batch_part *part)
{
    const struct batch *batch = &pass->micro_batch->batch;
    return (struct embedding_ids){
        .words = batch->input_ids + part->first_row,
        .positions = batch->position_ids + part->first_row,
        .token_types = batch->token_type_ids + part->first_row,
        .rows = part->rows,
    };
}

static void embedding_part_forward(const struct encoder_pass *pass,
                                   const struct micro_batch_part *part)
{
    const struct micro_batch *micro_batch = pass->micro_batch;
    const struct encoder_memory *memory = pass->memory;
    const struct weights *weights = pass->weights;
    const int width = pass->config->hidden_size;
    const struct embedding_ids ids = part_ids(pass, part);
    real *buffer = encoder_linear_memory(pass);
    encoder_enter(pass, PHASE_EMBEDDING);
    for (int i = 0; i < part->rows; i++) {
        const int row = part->first_row + i;
        const struct row_span span = {row, 0, width};
        real *sum = rows_place(&memory->embedding_sum, span, buffer);
        real *output = rows_place(&memory->embedding_output, span, buffer + width);
        embedding_forward(sum, &ids, i, weights->word_embeddings, weights->position_embeddings,
                          weights->token_type_embeddings, width);
        layernorm_forward(output, memory->embedding_mean + row, memory->embedding_rstd + row, sum,
                          weights->embedding_norm_weight, weights->embedding_norm_bias, width,
                          (real)pass->config->layer_norm_eps);
        dropout_row(output, width, &pass->dropout->hidden, encoder_site(0, DROPOUT_EMBEDDING),
                    (uint32_t)micro_batch->token_examples[row],
                    (uint32_t)micro_batch->batch.position_ids[row]);
        rows_write(&memory->embedding_sum, span, sum);
        rows_write(&memory->embedding_output, span, output);
    }
}

static void embedding_part_backward(const struct encoder_pass *pass,
                                    const struct micro_batch_part *part, real *norm_partials)
{
    const struct micro_batch *micro_batch = pass->micro_batch;
    const struct encoder_memory *memory = pass->memory;
    const int width = pass->config->hidden_size;
    real *buffer = encoder_linear_memory(pass);
    encoder_enter(pass, PHASE_NORM);
    for (int row = part->first_row; row < part->first_row + part->rows; row++) {
        real *dhidden = memory->dhidden + (size_t)row * (size_t)width;
        const real *sum =
            rows_read(&memory->embedding_sum, (struct row_span){row, 0, width}, buffer);
        dropout_row(dhidden, width, &pass->dropout->hidden, encoder_site(0, DROPOUT_EMBEDDING),
                    (uint32_t)micro_batch->token_examples[row],
                    (uint32_t)micro_batch->batch.position_ids[row]);
        layernorm_backward(dhidden, norm_partials, norm_partials + width, dhidden, sum,
                           memory->embedding_mean[row], memory->embedding_rstd[row],
                           pass->weights->embedding_norm_weight, width);
    }
}

/* ---- parts ---- */

typedef void part_runner(const struct encoder_pass *pass, const struct layer_view *layer, int part);

/* Runs each part, of a layer or (NULL) of the embeddings, on threads of its own. One part has all
 * threads for itself: it runs outside of any region, for which memory is planned. Regions within
 * regions could have other threads (OMP_NUM_THREADS=1,4, OMP_PROC_BIND=spread,close). */
static void run_parts(const struct encoder_pass *pass, const struct layer_view *layer,
                      part_runner *run)
{
    const int parts = pass->micro_batch->part_count;
    const bool outside = omp_get_level() == 0;
    if (outside && (parts == 1 || omp_get_max_threads() == 1)) {
        for (int part = 0; part < parts; part++)
            run(pass, layer, part);
        return;
    }
#pragma omp parallel for schedule(static) if (outside)
    for (int part = 0; part < parts; part++) {
        run(pass, layer, part);
        encoder_enter(pass, PHASE_IDLE);
    }
}

/* ---- layers ---- */

static void run_forward(const struct encoder_pass *pass, const struct layer_view *layer, int part)
{
    layer_part_forward(pass, layer, &pass->micro_batch->parts[part]);
}

static void layer_forward(const struct encoder_pass *pass, int index)
{
    const struct layer_view layer = layer_view_make(pass, index, LINEAR_FORWARD);
    run_parts(pass, &layer, run_forward);
}

static void run_backward(const struct encoder_pass *pass, const struct layer_view *layer, int part)
{
    layer_part_backward(pass, layer, &pass->micro_batch->parts[part], partials_of(pass, part));
}

static void layer_backward(const struct encoder_pass *pass, int index)
{
    const struct layer_view layer = layer_view_make(pass, index, LINEAR_BACKWARD);
    clear_partials(pass);
    run_parts(pass, &layer, run_backward);
    encoder_enter(pass, PHASE_NORM);
    add_partials(pass, layer.gradients->output_norm_weight, 0);
    add_partials(pass, layer.gradients->output_norm_bias, 1);
    add_partials(pass, layer.gradients->attention_norm_weight, 2);
    add_partials(pass, layer.gradients->attention_norm_bias, 3);
    layer_backward_parameters(pass, &layer);
}

/* ---- the encoder ---- */

static struct encoder_pass begin_pass(const struct model *model, struct weights *gradients,
                                      const struct workspace *workspace,
                                      const struct encoder_dropout *dropout)
{
    return (struct encoder_pass){
        .config = &model->config,
        .weights = &model->parameters.weights,
        .gradients = gradients,
        .micro_batch = &workspace->micro_batch,
        .memory = &workspace->encoder_memory,
        .workspace = workspace,
        .dropout = dropout,
    };
}

void encoder_lay_out(const struct model *model, const struct workspace *workspace,
                     struct layer_panels *layers)
{
    const struct encoder_dropout none = encoder_dropout_none();
    struct encoder_pass pass = begin_pass(model, NULL, workspace, &none);
    struct encoder_memory memory = workspace->encoder_memory;
    CHECK(workspace->limits.same_kernels);
    memory.panels[LINEAR_FORWARD] = layers;
    memory.laid_out = false;
    pass.memory = &memory;
    for (int layer = 0; layer < model->config.num_hidden_layers; layer++)
        layer_view_make(&pass, layer, LINEAR_FORWARD);
    encoder_enter(&pass, PHASE_OTHER);
}

static void run_embedding_forward(const struct encoder_pass *pass, const struct layer_view *layer,
                                  int part)
{
    (void)layer;
    embedding_part_forward(pass, &pass->micro_batch->parts[part]);
}

void encoder_forward(const struct model *model, struct workspace *workspace,
                     const struct encoder_dropout *dropout)
{
    const struct encoder_pass pass = begin_pass(model, NULL, workspace, dropout);
    run_parts(&pass, NULL, run_embedding_forward);
    for (int layer = 0; layer < model->config.num_hidden_layers; layer++)
        layer_forward(&pass, layer);
    encoder_enter(&pass, PHASE_OTHER);
}

struct rows encoder_output(const struct workspace *workspace, const struct model_config *config)
{
    return layer_input(&workspace->encoder_memory, config->num_hidden_layers);
}

static void run_embedding_backward(const struct encoder_pass *pass, const struct layer_view *layer,
                                   int part)
{
    (void)layer;
    embedding_part_backward(pass, &pass->micro_batch->parts[part], partials_of(pass, part));
}

static void embeddings_backward(const struct encoder_pass *pass)
{
    struct weights *gradients = pass->gradients;
    clear_partials(pass);
    run_parts(pass, NULL, run_embedding_backward);
    encoder_enter(pass, PHASE_NORM);
    add_partials(pass, gradients->embedding_norm_weight, 0);
    add_partials(pass, gradients->embedding_norm_bias, 1);
    const struct micro_batch_part all = {.rows = pass->micro_batch->batch.tokens};
    struct embedding_ids ids = part_ids(pass, &all);
    encoder_enter(pass, PHASE_EMBEDDING);
    embedding_backward(gradients->word_embeddings, gradients->position_embeddings,
                       gradients->token_type_embeddings, pass->memory->dhidden, &ids,
                       pass->config->hidden_size);
}

void encoder_backward(const struct model *model, struct weights *gradients,
                      struct workspace *workspace, const struct encoder_dropout *dropout,
                      const struct gradient_listener *listener)
{
    const struct encoder_pass pass = begin_pass(model, gradients, workspace, dropout);
    CHECK(workspace->training);
    for (int layer = model->config.num_hidden_layers - 1; layer >= gradients->frozen_layers;
         layer--) {
        layer_backward(&pass, layer);
        gradient_listener_tell(listener, parameter_layer_offset(&model->table, layer));
    }
    if (!gradients->frozen_layers)
        embeddings_backward(&pass);
    gradient_listener_tell(listener, 0);
    encoder_enter(&pass, PHASE_OTHER);
}
