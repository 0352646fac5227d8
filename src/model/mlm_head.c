#include "model/mlm_head.h"

#include "base/min.h"
#include "math/panels.h"
#include "model/arena_take.h"
#include "model/encoder.h"
#include "nn/activation.h"
#include "nn/cross_entropy.h"
#include "nn/layernorm.h"
#include "nn/linear.h"

enum {
    /* Bytes of logits that are computed before their loss, so that they are still in the cache:
       128 rows at a vocabulary of 30,522. */
    LOGIT_BYTES = 16 << 20,
    /* Bytes of dlogits, whose products are faster with many rows. */
    LOGIT_GRADIENT_BYTES = 128 << 20,
};

struct mlm_weights {
    real *transform_weight, *transform_bias;           /* [H, H] [H] */
    real *transform_norm_weight, *transform_norm_bias; /* [H] */
    real *decoder_bias;                                /* [V] */
};

static const struct tensor_rule tensors[] = {
    {"cls.predictions.transform.dense.weight", PARAMETER_MATRIX, SIZE_HIDDEN, SIZE_HIDDEN,
     offsetof(struct mlm_weights, transform_weight)},
    {"cls.predictions.transform.dense.bias", PARAMETER_BIAS, SIZE_NONE, SIZE_HIDDEN,
     offsetof(struct mlm_weights, transform_bias)},
    {"cls.predictions.transform.LayerNorm.weight", PARAMETER_NORM, SIZE_NONE, SIZE_HIDDEN,
     offsetof(struct mlm_weights, transform_norm_weight)},
    {"cls.predictions.transform.LayerNorm.bias", PARAMETER_BIAS, SIZE_NONE, SIZE_HIDDEN,
     offsetof(struct mlm_weights, transform_norm_bias)},
    {"cls.predictions.bias", PARAMETER_BIAS, SIZE_NONE, SIZE_VOCABULARY,
     offsetof(struct mlm_weights, decoder_bias)},
};

/* ---- memory ---- */

/* Returns how many rows of `width` elements fit in `bytes`: a multiple of 32, which suits the
 * kernels of products, at least 32 and at most the number of predictions. */
static int logit_rows(const struct workspace *workspace, size_t bytes, size_t element, int width)
{
    enum { MULTIPLE = 32 };
    const size_t multiples = bytes / element / (size_t)width / MULTIPLE;
    const size_t rows = (multiples ? multiples : 1) * MULTIPLE;
    const size_t predicted = (size_t)workspace->limits.predicted;
    return (int)min_size(rows, predicted);
}

static void plan_gradients(struct mlm_memory *memory, const struct workspace *workspace,
                           const struct model_config *config, struct arena *arena)
{
    const size_t rows = (size_t)workspace->limits.predicted, hidden = (size_t)config->hidden_size;
    const bool is_bf16 = workspace->limits.bf16;
    const size_t element = is_bf16 ? sizeof(bf16) : sizeof(real);
    const int vocab = padded(model_config_tokens(config));
    memory->dlogit_rows = logit_rows(workspace, LOGIT_GRADIENT_BYTES, element, vocab);
    memory->dlogits = arena_take_rows(arena, is_bf16, (size_t)memory->dlogit_rows, (size_t)vocab);
    if (!is_bf16)
        memory->logits = memory->dlogits;
    memory->dhidden = arena_take_reals(arena, rows, hidden);
    memory->dtransform = arena_take_rows(arena, is_bf16, rows, hidden);
}

static void mlm_plan(void *memory, const struct workspace *workspace,
                     const struct model_config *config, struct arena *arena)
{
    const size_t rows = (size_t)workspace->limits.predicted, hidden = (size_t)config->hidden_size;
    const int tokens = model_config_tokens(config), vocab = padded(tokens);
    const bool is_bf16 = workspace->limits.bf16;
    struct mlm_memory planned = {
        .transform_panels = arena_take_panels(arena, is_bf16, hidden, hidden),
        .decoder_panels = arena_take_panels(arena, is_bf16, (size_t)tokens, hidden),
        .hidden = arena_take_rows(arena, is_bf16, rows, hidden),
        .transform = arena_take_rows(arena, is_bf16, rows, hidden),
        .transform_activated = arena_take_rows(arena, is_bf16, rows, hidden),
        .transform_mean = arena_take_reals(arena, rows, 1),
        .transform_rstd = arena_take_reals(arena, rows, 1),
        .transform_output = arena_take_rows(arena, is_bf16, rows, hidden),
        .logit_rows = logit_rows(workspace, LOGIT_BYTES, sizeof(real), vocab),
    };
    if (!workspace->training || is_bf16)
        planned.logits = rows_of_reals(
            arena_take_reals(arena, (size_t)planned.logit_rows, (size_t)vocab), vocab);
    if (workspace->training)
        plan_gradients(&planned, workspace, config, arena);
    if (memory)
        *(struct mlm_memory *)memory = planned;
}

/* ---- products ---- */

/* Returns the weight, laid out for a pass over `rows` rows. */
static struct linear_weight laid_out_linear(const struct workspace *workspace,
                                            struct linear_weight weight, void *panels, int rows,
                                            enum linear_pass direction)
{
    profile_enter(workspace->profile, PHASE_WEIGHT_LAYOUT);
    workspace_lay_out_weight(workspace, &weight, panels, direction, rows);
    profile_enter(workspace->profile, PHASE_HEADS);
    return weight;
}

static struct linear_weight transform_linear(const struct head_pass *pass,
                                             enum linear_pass direction)
{
    const struct mlm_weights *weights = pass->weights;
    const struct mlm_memory *memory = pass->memory;
    const int width = pass->model->config.hidden_size;
    return laid_out_linear(pass->workspace,
                           (struct linear_weight){weights->transform_weight, NULL, width, width},
                           memory->transform_panels, pass->micro_batch->batch.predicted, direction);
}

static struct linear_weight decoder_linear(const struct head_pass *pass, int rows,
                                           enum linear_pass direction)
{
    const struct model *model = pass->model;
    const struct mlm_memory *memory = pass->memory;
    return laid_out_linear(pass->workspace,
                           (struct linear_weight){model->parameters.weights.word_embeddings, NULL,
                                                  model->config.hidden_size,
                                                  model_config_tokens(&model->config)},
                           memory->decoder_panels, rows, direction);
}

/* ---- forward ---- */

/* Epilogue of the transform's product: z = LN(act(row)) for each row of the block. */
static void finish_transform(const void *context, const struct linear_block *block)
{
    const struct head_pass *pass = context;
    const struct mlm_weights *weights = pass->weights;
    const struct mlm_memory *memory = pass->memory;
    const struct model_config *config = &pass->model->config;
    const int width = config->hidden_size;
    for (int i = 0; i < block->rows; i++) {
        const int row = block->first_row + i;
        const struct row_span span = {row, 0, width};
        real *values = block->values + (size_t)i * block->ld;
        rows_write(&memory->transform, span, values);
        real *activated = rows_place(&memory->transform_activated, span, values);
        activation_forward(activated, values, (size_t)width, config->activation);
        rows_write(&memory->transform_activated, span, activated);
        real *output = rows_place(&memory->transform_output, span, activated);
        layernorm_forward(output, memory->transform_mean + row, memory->transform_rstd + row,
                          activated, weights->transform_norm_weight, weights->transform_norm_bias,
                          width, (real)config->layer_norm_eps);
        rows_write(&memory->transform_output, span, output);
    }
}

void mlm_head_transform(const struct head_pass *pass)
{
    struct workspace *workspace = pass->workspace;
    const struct mlm_weights *weights = pass->weights;
    const struct mlm_memory *memory = pass->memory;
    const int rows = pass->micro_batch->batch.predicted;
    const struct linear_epilogue epilogue = {
        .run = finish_transform,
        .context = pass,
        .whole_rows = true,
        .profile = workspace->profile,
        .phase = PHASE_HEADS_ROWS,
        .product = PHASE_HEADS,
    };
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    rows_gather(memory->hidden, encoder_output(workspace, &pass->model->config),
                pass->micro_batch->head_tokens.predicted, rows);
    const struct linear_weight weight = transform_linear(pass, LINEAR_FORWARD);
    linear_forward(memory->transform, memory->hidden, rows, &weight, weights->transform_bias,
                   &epilogue, workspace->linear_scratch);
}

static void decode(const struct head_pass *pass, const struct linear_weight *decoder, int first,
                   int rows, struct rows logits)
{
    const struct mlm_weights *weights = pass->weights;
    const struct mlm_memory *memory = pass->memory;
    profile_enter(pass->workspace->profile, PHASE_HEADS);
    linear_forward(logits, rows_from(memory->transform_output, first), rows, decoder,
                   weights->decoder_bias, NULL, NULL);
}

void mlm_head_logits(const struct head_pass *pass, int first, int rows, struct rows logits)
{
    const struct linear_weight decoder = decoder_linear(pass, rows, LINEAR_FORWARD);
    decode(pass, &decoder, first, rows, logits);
}

/* Returns the rows of the chunk that begins at `first`: at most `max`, up to `end`. */
static int chunk_rows(int first, int end, int max)
{
    return min_int(end - first, max);
}

static void mlm_forward(const struct head_pass *pass, struct loss_sums *sums)
{
    struct workspace *workspace = pass->workspace;
    const struct mlm_memory *memory = pass->memory;
    const int predicted = pass->micro_batch->batch.predicted;
    mlm_head_transform(pass);
    const struct linear_weight decoder = decoder_linear(pass, predicted, LINEAR_FORWARD);
    for (int first = 0, rows; first < predicted; first += rows) {
        rows = chunk_rows(first, predicted, memory->logit_rows);
        decode(pass, &decoder, first, rows, memory->logits);
        profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
        cross_entropy_forward(sums, workspace->row_loss + first, memory->logits,
                              pass->micro_batch->batch.predicted_labels + first, rows,
                              model_config_tokens(&pass->model->config));
    }
}

/* ---- backward ---- */

/* Adds the losses of predictions [first, first + rows) to the sums; dlogits gets the gradients with
 * respect to their logits. */
static void compute_dlogits(const struct head_pass *pass, int first, int rows, real scale,
                            struct loss_sums *sums)
{
    struct workspace *workspace = pass->workspace;
    const struct mlm_memory *memory = pass->memory;
    const struct linear_weight decoder = decoder_linear(pass, rows, LINEAR_FORWARD);
    for (int done = 0, count; done < rows; done += count) {
        const struct rows dlogits = rows_from(memory->dlogits, done);
        const struct rows logits = dlogits.reals ? dlogits : memory->logits;
        count = chunk_rows(done, rows, memory->logit_rows);
        decode(pass, &decoder, first + done, count, logits);
        profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
        cross_entropy_backward(sums, workspace->row_loss, dlogits, logits,
                               pass->micro_batch->batch.predicted_labels + first + done, count,
                               model_config_tokens(&pass->model->config), scale);
    }
}

/* As compute_dlogits; dhidden also gets the gradient with respect to these predictions' z, and the
 * gradients of E and b are accumulated. */
static void decoder_backward(const struct head_pass *pass, int first, int rows, real scale,
                             struct loss_sums *sums)
{
    const struct mlm_memory *memory = pass->memory;
    const struct mlm_weights *dweights = pass->dweights;
    const int width = pass->model->config.hidden_size;
    compute_dlogits(pass, first, rows, scale, sums);
    const struct linear_weight weight = decoder_linear(pass, rows, LINEAR_BACKWARD);
    linear_backward_input(rows_of_reals(memory->dhidden + (size_t)first * (size_t)width, width),
                          memory->dlogits, rows, &weight, NULL, NULL);
    linear_backward_parameters(pass->gradients->word_embeddings, dweights->decoder_bias,
                               memory->dlogits, rows_from(memory->transform_output, first), rows,
                               model_config_tokens(&pass->model->config), width,
                               pass->workspace->parameter_scratch);
}

/* dhidden in: the gradient with respect to z. dtransform out: that with respect to the transform's
 * product. */
static void transform_rows_backward(const struct head_pass *pass)
{
    const struct workspace *workspace = pass->workspace;
    const struct mlm_memory *memory = pass->memory;
    const struct mlm_weights *weights = pass->weights, *dweights = pass->dweights;
    const struct model_config *config = &pass->model->config;
    const int width = config->hidden_size;
    real *buffer = workspace->linear_scratch, *activated_buffer = buffer + width;
    for (int row = 0; row < pass->micro_batch->batch.predicted; row++) {
        const struct row_span span = {row, 0, width};
        real *dz = memory->dhidden + (size_t)row * (size_t)width;
        layernorm_backward(dz, dweights->transform_norm_weight, dweights->transform_norm_bias, dz,
                           rows_read(&memory->transform_activated, span, buffer),
                           memory->transform_mean[row], memory->transform_rstd[row],
                           weights->transform_norm_weight, width);
        activation_backward(dz, activated_buffer, dz, rows_read(&memory->transform, span, buffer),
                            (size_t)width, config->activation);
        rows_write(&memory->dtransform, span, dz);
    }
}

static void transform_backward(const struct head_pass *pass)
{
    struct workspace *workspace = pass->workspace;
    const struct mlm_memory *memory = pass->memory;
    const struct mlm_weights *dweights = pass->dweights;
    const int rows = pass->micro_batch->batch.predicted, width = pass->model->config.hidden_size;
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    transform_rows_backward(pass);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_parameters(dweights->transform_weight, dweights->transform_bias,
                               memory->dtransform, memory->hidden, rows, width, width,
                               workspace->parameter_scratch);
    const struct linear_weight weight = transform_linear(pass, LINEAR_BACKWARD);
    /* The gradient with respect to z is no longer needed: the one with respect to hidden takes its
     * place. */
    linear_backward_input(rows_of_reals(memory->dhidden, width), memory->dtransform, rows, &weight,
                          NULL, NULL);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    rows_scatter_add(workspace->dencoder_output, memory->dhidden,
                     pass->micro_batch->head_tokens.predicted, rows, width);
}

static void mlm_backward(const struct head_pass *pass, real scale, struct loss_sums *sums)
{
    const struct mlm_memory *memory = pass->memory;
    const int rows = pass->micro_batch->batch.predicted;
    if (rows == 0)
        return;
    mlm_head_transform(pass);
    for (int first = 0, count; first < rows; first += count) {
        count = chunk_rows(first, rows, memory->dlogit_rows);
        decoder_backward(pass, first, count, scale, sums);
    }
    transform_backward(pass);
    profile_enter(pass->workspace->profile, PHASE_OTHER);
}

static int mlm_predictions(const struct batch *batch)
{
    return batch->predicted;
}

const struct head mlm_head = {
    .name = "MLM head",
    .key = "mlm_head",
    .prefix = "cls.predictions.",
    .group = GROUP_MLM_HEAD,
    .tensors = tensors,
    .tensor_count = sizeof tensors / sizeof *tensors,
    .weights_size = sizeof(struct mlm_weights),
    .memory_size = sizeof(struct mlm_memory),
    .plan = mlm_plan,
    .predictions = mlm_predictions,
    .forward = mlm_forward,
    .backward = mlm_backward,
};
