#include "model/workspace.h"

#include "math/panels.h"
#include "nn/attention.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Rows that a part aims at: weights pass through the caches, and are packed where sgemm
     * multiplies, once for each part. Fewer were no faster. */
    PART_ROWS = 1024,
    /* Bytes for logits between their product and their loss, so that they stay in the cache: 128
       rows of a vocabulary of 30,522. */
    LOGIT_BYTES = 16 << 20,
    /* And for the gradients over them, whose products gain by many rows. */
    LOGIT_GRADIENT_BYTES = 128 << 20,
};

static real *take(struct arena *arena, size_t rows, size_t columns)
{
    size_t count;
    if (__builtin_mul_overflow(rows, columns, &count))
        count = SIZE_MAX;
    return arena_take(arena, count, sizeof(real));
}

/* As the workspace stores activations. */
static struct rows take_rows(const struct workspace *workspace, struct arena *arena, size_t rows,
                             size_t width)
{
    struct rows taken = {.width = (int)width};
    size_t count;
    if (__builtin_mul_overflow(rows, width, &count))
        count = SIZE_MAX;
    if (workspace->limits.bf16)
        taken.halves = arena_take(arena, count, sizeof(bf16));
    else
        taken.reals = arena_take(arena, count, sizeof(real));
    return taken;
}

/* The same for left operands of products, whose rows may be longer than what they hold; those that
 * are normalized or gathered may not. */
static struct rows take_left(const struct workspace *workspace, struct arena *arena, size_t rows,
                             size_t depth)
{
    return take_rows(workspace, arena, rows, (size_t)left_width((int)depth));
}

static void *take_panels(const struct workspace *workspace, struct arena *arena, size_t out,
                         size_t in)
{
    return arena_take(arena, linear_panel_bytes((int)out, (int)in, workspace->limits.bf16), 1);
}

static int most_parts(struct workspace_limits limits)
{
    int rows_per_round = PART_ROWS * limits.threads;
    return limits.threads * ((limits.tokens + rows_per_round - 1) / rows_per_round);
}

static size_t most_reads(struct workspace_limits limits)
{
    const size_t tokens = (size_t)limits.tokens;
    const size_t wanted = (size_t)limits.sequences + (size_t)limits.masked;
    return wanted < tokens ? wanted : tokens;
}

static void plan_batch(struct workspace *workspace, struct arena *arena)
{
    const struct workspace_limits limits = workspace->limits;
    size_t sequences = (size_t)limits.sequences, tokens = (size_t)limits.tokens;
    size_t masked = (size_t)limits.masked, reads = most_reads(limits), each = sizeof(int32_t);
    struct batch *batch = &workspace->batch;
    batch->starts = arena_take(arena, sequences + 1, each);
    batch->masked_starts = arena_take(arena, sequences + 1, each);
    batch->next_sentence_labels = arena_take(arena, sequences, each);
    batch->input_ids = arena_take(arena, tokens, each);
    batch->position_ids = arena_take(arena, tokens, each);
    batch->token_type_ids = arena_take(arena, tokens, each);
    batch->masked_tokens = arena_take(arena, masked, each);
    batch->masked_labels = arena_take(arena, masked, each);
    workspace->sequence_examples = arena_take(arena, sequences, each);
    workspace->token_examples = arena_take(arena, tokens, each);
    workspace->reads = (struct workspace_reads){
        .rows = arena_take(arena, reads, each),
        .starts = arena_take(arena, sequences + 1, each),
        .positions = arena_take(arena, reads, each),
        .examples = arena_take(arena, reads, each),
        .masked = arena_take(arena, masked, each),
    };
    workspace->parts = arena_take(arena, (size_t)most_parts(limits), sizeof *workspace->parts);
}

/* `layer` is NULL while measuring. */
static void plan_layer(const struct workspace *workspace, struct layer_activations *layer,
                       struct arena *arena, const struct model_config *config, bool last)
{
    const size_t tokens = (size_t)workspace->limits.tokens, hidden = (size_t)config->hidden_size;
    const size_t rows = last ? most_reads(workspace->limits) : tokens;
    struct layer_activations planned = {
        .qkv = take_left(workspace, arena, tokens, (last ? 2 : 3) * hidden),
        .query = take_left(workspace, arena, last ? rows : 0, hidden),
        .context = take_left(workspace, arena, rows, hidden),
        .attention_sum = take_rows(workspace, arena, rows, hidden),
        .attention_mean = take(arena, rows, 1),
        .attention_rstd = take(arena, rows, 1),
        .attention_output = workspace->limits.bf16 ? take_rows(workspace, arena, rows, hidden)
                                                   : workspace->attention_output,
        .intermediate = take_rows(workspace, arena, rows, (size_t)config->intermediate_size),
        .output_sum = take_rows(workspace, arena, rows, hidden),
        .output_mean = take(arena, rows, 1),
        .output_rstd = take(arena, rows, 1),
        .output = take_rows(workspace, arena, rows, hidden),
    };
    if (layer)
        *layer = planned;
}

static void plan_layers(struct workspace *workspace, const struct model_config *config,
                        struct arena *arena)
{
    const int last = config->num_hidden_layers - 1;
    /* Without a backward pass a layer needs its input, the output of the one before, and nothing
     * else: all but the last share two. */
    int distinct = workspace->training || last < 2 ? last : 2;
    workspace->layers = arena_take(arena, (size_t)last + 1, sizeof *workspace->layers);
    for (int i = 0; i < distinct; i++)
        plan_layer(workspace, arena->base ? &workspace->layers[i] : NULL, arena, config, false);
    for (int i = distinct; arena->base && i < last; i++)
        workspace->layers[i] = workspace->layers[i - distinct];
    plan_layer(workspace, arena->base ? &workspace->layers[last] : NULL, arena, config, true);
}

/* What the encoder's forward pass leaves for its backward pass and for the heads, and the working
 * memory of both. */
static void plan_encoder(struct workspace *workspace, const struct model_config *config,
                         struct arena *arena)
{
    const size_t tokens = (size_t)workspace->limits.tokens, hidden = (size_t)config->hidden_size;
    if (!workspace->limits.bf16)
        workspace->attention_output = take_rows(workspace, arena, tokens, hidden);
    plan_layers(workspace, config, arena);
    workspace->embedding_sum = take_rows(workspace, arena, tokens, hidden);
    workspace->embedding_mean = take(arena, tokens, 1);
    workspace->embedding_rstd = take(arena, tokens, 1);
    workspace->embedding_output = take_rows(workspace, arena, tokens, hidden);
    workspace->read_input = take_rows(workspace, arena, most_reads(workspace->limits), hidden);
    workspace->linear_scratch =
        take(arena, (size_t)workspace->limits.threads, linear_scratch(config->hidden_size));
}

static void plan_encoder_gradients(struct workspace *workspace, const struct model_config *config,
                                   struct arena *arena)
{
    const size_t tokens = (size_t)workspace->limits.tokens, hidden = (size_t)config->hidden_size;
    const size_t intermediate = (size_t)config->intermediate_size;
    workspace->query_gradient = take_left(workspace, arena, most_reads(workspace->limits), hidden);
    workspace->gradient = take(arena, tokens, hidden);
    workspace->output_gradient = take_rows(workspace, arena, tokens, hidden);
    workspace->intermediate_gradient = take_left(workspace, arena, tokens, intermediate);
    workspace->attention_gradient = take_rows(workspace, arena, tokens, hidden);
    workspace->context_gradient = take_left(workspace, arena, tokens, hidden);
    workspace->qkv_gradient = take_left(workspace, arena, tokens, 3 * hidden);
    workspace->norm_partials = take(arena, (size_t)most_parts(workspace->limits), 4 * hidden);
}

/* What is needed while the encoder is at work, in either direction. */
static void plan_encoder_work(struct workspace *workspace, const struct model_config *config,
                              struct arena *arena)
{
    const size_t tokens = (size_t)workspace->limits.tokens, hidden = (size_t)config->hidden_size;
    const size_t intermediate = (size_t)config->intermediate_size;
    const size_t threads = (size_t)workspace->limits.threads;
    const int head_size = config->hidden_size / config->num_attention_heads;
    workspace->activated = take_left(workspace, arena, tokens, intermediate);
    workspace->attention_scratch =
        take(arena, threads,
             attention_scratch(workspace->limits.max_length, head_size, workspace->limits.bf16));
    workspace->panels = (struct layer_panels){
        .query_key_value = take_panels(workspace, arena, 3 * hidden, hidden),
        .query = take_panels(workspace, arena, hidden, hidden),
        .attention_output = take_panels(workspace, arena, hidden, hidden),
        .intermediate = take_panels(workspace, arena, intermediate, hidden),
        .output = take_panels(workspace, arena, hidden, intermediate),
    };
    if (workspace->training)
        plan_encoder_gradients(workspace, config, arena);
}

/* Rows of `width` elements that so many bytes hold, in multiples of 32, which the products' kernels
 * like, and 32 at least; no more than predictions. */
static int logit_rows(const struct workspace *workspace, size_t bytes, size_t element, int width)
{
    enum { MULTIPLE = 32 };
    const size_t multiples = bytes / element / (size_t)width / MULTIPLE;
    const size_t rows = (multiples ? multiples : 1) * MULTIPLE;
    const size_t masked = (size_t)workspace->limits.masked;
    return (int)(rows < masked ? rows : masked);
}

static void plan_head_gradients(struct workspace *workspace, const struct model_config *config,
                                struct arena *arena)
{
    const size_t masked = (size_t)workspace->limits.masked, hidden = (size_t)config->hidden_size;
    const size_t element = workspace->limits.bf16 ? sizeof(bf16) : sizeof(real);
    const int vocab = padded(config->vocab_size);
    workspace->logit_gradient_rows = logit_rows(workspace, LOGIT_GRADIENT_BYTES, element, vocab);
    workspace->logit_gradient =
        take_rows(workspace, arena, (size_t)workspace->logit_gradient_rows, (size_t)vocab);
    if (!workspace->limits.bf16)
        workspace->logits = workspace->logit_gradient;
    workspace->masked_gradient = take(arena, masked, hidden);
    workspace->transform_gradient = take_rows(workspace, arena, masked, hidden);
    workspace->first_gradient = take(arena, (size_t)workspace->limits.sequences, hidden);
}

static void plan_heads(struct workspace *workspace, const struct model_config *config,
                       struct arena *arena)
{
    size_t masked = (size_t)workspace->limits.masked, hidden = (size_t)config->hidden_size;
    size_t sequences = (size_t)workspace->limits.sequences;
    int vocab = padded(config->vocab_size);
    workspace->logit_rows = logit_rows(workspace, LOGIT_BYTES, sizeof(real), vocab);
    workspace->transform_panels = take_panels(workspace, arena, hidden, hidden);
    workspace->decoder_panels = take_panels(workspace, arena, (size_t)config->vocab_size, hidden);
    workspace->masked_hidden = take_rows(workspace, arena, masked, hidden);
    workspace->transform = take_rows(workspace, arena, masked, hidden);
    workspace->transform_activated = take_rows(workspace, arena, masked, hidden);
    workspace->transform_mean = take(arena, masked, 1);
    workspace->transform_rstd = take(arena, masked, 1);
    workspace->transform_output = take_rows(workspace, arena, masked, hidden);
    if (!workspace->training || workspace->limits.bf16)
        workspace->logits =
            rows_of_reals(take(arena, (size_t)workspace->logit_rows, (size_t)vocab), vocab);
    workspace->row_loss = take(arena, masked > sequences ? masked : sequences, 1);
    workspace->first_hidden = take(arena, sequences, hidden);
    workspace->pooled = take(arena, sequences, hidden);
    workspace->relation_logits = take(arena, sequences, 2);
    if (workspace->training)
        plan_head_gradients(workspace, config, arena);
}

static size_t parameter_scratch(const struct workspace *workspace,
                                const struct model_config *config)
{
    const struct workspace_limits limits = workspace->limits;
    const int rows = limits.tokens > limits.masked ? limits.tokens : limits.masked;
    const int widest = config->intermediate_size > config->hidden_size ? config->intermediate_size
                                                                       : config->hidden_size;
    return linear_parameter_scratch(rows, widest, limits.threads, limits.bf16);
}

static void plan(struct workspace *workspace, const struct model_config *config,
                 struct arena *arena)
{
    plan_batch(workspace, arena);
    plan_encoder(workspace, config, arena);
    if (workspace->training) { /* what heads and encoder both use */
        const size_t scratch = parameter_scratch(workspace, config);
        workspace->read_gradient =
            take(arena, most_reads(workspace->limits), (size_t)config->hidden_size);
        workspace->parameter_scratch = scratch ? arena_take(arena, scratch, 1) : NULL;
    }
    /* Encoder and heads work by turns, in the same memory. */
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
    if (!panels_bf16())
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
    return arena.overflow ? SIZE_MAX : arena.most;
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

void workspace_lay_out(const struct workspace *workspace, struct linear_weight *weight,
                       void *panels, enum linear_pass pass, int rows)
{
    enum { LEAST_ROWS = 64 };
    const bool halves = workspace->limits.bf16;
    if (halves || rows >= LEAST_ROWS)
        linear_pack(weight, panels, pass, halves);
}

/* Copies values[first .. last), each less `base`. */
static void copy_from(int32_t *out, const int32_t *values, int first, int last, int32_t base)
{
    for (int i = first; i < last; i++)
        out[i - first] = values[i] - base;
}

/* Cuts the sequences into parts of about equal numbers of rows: as many as the threads, or a
 * multiple when that would give parts of more than PART_ROWS. */
static void cut_into_parts(struct workspace *workspace)
{
    const struct batch *batch = &workspace->batch;
    int threads = workspace->limits.threads;
    int wanted = threads * ((batch->tokens + PART_ROWS * threads - 1) / (PART_ROWS * threads));
    workspace->part_count = 0;
    for (int sequence = 0; sequence < batch->sequences;) {
        int64_t goal = (int64_t)batch->tokens * (workspace->part_count + 1) / wanted;
        int first = sequence;
        do
            sequence++;
        while (sequence < batch->sequences && batch->starts[sequence] < goal);
        workspace->parts[workspace->part_count++] = (struct workspace_part){
            .first_sequence = first,
            .sequences = sequence - first,
            .first_row = batch->starts[first],
            .rows = batch->starts[sequence] - batch->starts[first],
        };
    }
}

static void name_examples(struct workspace *workspace, int first_example)
{
    const struct batch *batch = &workspace->batch;
    for (int i = 0; i < batch->sequences; i++) {
        workspace->sequence_examples[i] = first_example + i;
        for (int32_t token = batch->starts[i]; token < batch->starts[i + 1]; token++)
            workspace->token_examples[token] = first_example + i;
    }
}

/* Gives the parts their share of the tokens that are read. */
static void divide_reads(struct workspace *workspace)
{
    const int32_t *starts = workspace->reads.starts;
    for (int i = 0; i < workspace->part_count; i++) {
        struct workspace_part *part = &workspace->parts[i];
        part->first_read = starts[part->first_sequence];
        part->reads = starts[part->first_sequence + part->sequences] - part->first_read;
    }
}

static void read_token(struct workspace *workspace, int32_t row)
{
    struct workspace_reads *reads = &workspace->reads;
    reads->rows[reads->count] = row;
    reads->positions[reads->count] = workspace->batch.position_ids[row];
    reads->examples[reads->count] = workspace->token_examples[row];
    reads->count++;
}

static void read_for_heads(struct workspace *workspace)
{
    const struct batch *batch = &workspace->batch;
    struct workspace_reads *reads = &workspace->reads;
    reads->count = 0;
    for (int i = 0; i < batch->sequences; i++) {
        reads->starts[i] = reads->count;
        read_token(workspace, batch->starts[i]);
        for (int32_t j = batch->masked_starts[i]; j < batch->masked_starts[i + 1]; j++) {
            if (batch->masked_tokens[j] > reads->rows[reads->count - 1])
                read_token(workspace, batch->masked_tokens[j]);
            CHECK(batch->masked_tokens[j] == reads->rows[reads->count - 1]); /* ascending */
            reads->masked[j] = reads->count - 1;
        }
    }
    reads->starts[batch->sequences] = reads->count;
    divide_reads(workspace);
}

void workspace_read_all(struct workspace *workspace)
{
    const struct batch *batch = &workspace->batch;
    struct workspace_reads *reads = &workspace->reads;
    CHECK((size_t)batch->tokens <= most_reads(workspace->limits));
    reads->count = 0;
    for (int32_t row = 0; row < batch->tokens; row++)
        read_token(workspace, row);
    copy_from(reads->starts, batch->starts, 0, batch->sequences + 1, 0);
    copy_from(reads->masked, batch->masked_tokens, 0, batch->masked, 0);
    divide_reads(workspace);
}

void workspace_load(struct workspace *workspace, const struct batch *batch, int first, int last)
{
    struct batch *own = &workspace->batch;
    int32_t token = batch->starts[first], end = batch->starts[last];
    int32_t prediction = batch->masked_starts[first], prediction_end = batch->masked_starts[last];
    own->sequences = last - first;
    own->tokens = end - token;
    own->masked = prediction_end - prediction;
    own->max_length = batch->max_length;
    CHECK(own->sequences <= workspace->limits.sequences && own->tokens <= workspace->limits.tokens);
    CHECK(own->masked <= workspace->limits.masked);
    CHECK(own->max_length <= workspace->limits.max_length);
    copy_from(own->starts, batch->starts, first, last + 1, token);
    copy_from(own->masked_starts, batch->masked_starts, first, last + 1, prediction);
    copy_from(own->next_sentence_labels, batch->next_sentence_labels, first, last, 0);
    copy_from(own->input_ids, batch->input_ids, token, end, 0);
    copy_from(own->position_ids, batch->position_ids, token, end, 0);
    copy_from(own->token_type_ids, batch->token_type_ids, token, end, 0);
    copy_from(own->masked_tokens, batch->masked_tokens, prediction, prediction_end, token);
    copy_from(own->masked_labels, batch->masked_labels, prediction, prediction_end, 0);
    cut_into_parts(workspace);
    name_examples(workspace, first);
    read_for_heads(workspace);
}
