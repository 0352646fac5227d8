#include "model/text_runner.h"

#include "model/encoder.h"

#include <omp.h>

enum {
    /* The tokens of a thread in a micro-batch. With half as many, laying out the weights of base
     * takes 3 % of the time. */
    THREAD_TOKENS = 2048,
    MIN_TEXT = 2, /* [CLS] and [SEP] */
};

/* The most memory that a micro-batch may take; it gets fewer tokens if it would need more. */
static const size_t MAX_MEMORY = (size_t)1 << 30;

static struct workspace_limits limits_for(const struct model_config *config, bool predictions,
                                          int tokens, int threads)
{
    return (struct workspace_limits){
        .sequences = tokens / MIN_TEXT,
        .tokens = tokens,
        .predicted = predictions ? tokens : 0,
        .max_length = config->max_position_embeddings,
        .threads = threads,
        .same_kernels = true,
    };
}

/* Returns the limits with the most tokens that keep to MAX_MEMORY; at least one text of any length
 * fits. */
static struct workspace_limits choose_limits(const struct model_config *config, bool predictions,
                                             int threads)
{
    int tokens = THREAD_TOKENS * threads;
    const int positions = config->max_position_embeddings;
    while (tokens / 2 > positions &&
           workspace_bytes(config, limits_for(config, predictions, tokens, threads), false) >
               MAX_MEMORY)
        tokens /= 2;
    return limits_for(config, predictions, tokens > positions ? tokens : positions, threads);
}

bool text_runner_create(struct text_runner *runner, const struct model *model, bool predictions,
                        int threads, struct error *error)
{
    const struct workspace_limits limits = choose_limits(&model->config, predictions, threads);
    *runner = (struct text_runner){
        .model = model,
        .workspace = workspace_create(&model->config, limits, false, error),
    };
    return runner->workspace &&
           batch_reserve(&runner->batch, (size_t)limits.sequences, (size_t)limits.tokens,
                         (size_t)limits.predicted, error);
}

void text_runner_free(struct text_runner *runner)
{
    batch_free(&runner->batch);
    workspace_free(runner->workspace);
    *runner = (struct text_runner){0};
}

/* Runs as many texts, from `first` on, as a micro-batch holds; returns the text after them. */
static size_t run_some(struct text_runner *runner, const struct text_source *source, size_t first,
                       size_t count, bool all_tokens)
{
    struct micro_batch *micro_batch = &runner->workspace->micro_batch;
    const struct workspace_limits limits = runner->workspace->limits;
    const struct encoder_dropout none = encoder_dropout_none();
    struct batch *batch = &runner->batch;
    size_t next = first;
    batch_clear(batch);
    for (; next < count && batch->sequences < limits.sequences &&
           batch->tokens + source->length(source->context, next) <= limits.tokens;
         next++)
        source->append(source->context, next, batch);
    CHECK(next > first && omp_get_max_threads() <= limits.threads);
    micro_batch_load(micro_batch, limits, batch, 0, batch->sequences, 0);
    if (all_tokens)
        micro_batch_choose_all_tokens(micro_batch, limits);
    encoder_forward(runner->model, runner->workspace, &none);
    source->finish(source->context, first, next - first);
    return next;
}

void text_runner_run(struct text_runner *runner, const struct text_source *source, size_t count,
                     bool all_tokens)
{
    for (size_t first = 0; first < count;)
        first = run_some(runner, source, first, count, all_tokens);
}
