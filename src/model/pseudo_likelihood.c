#include "model/pseudo_likelihood.h"

#include "base/memory.h"
#include "data/batch.h"
#include "model/encoder.h"
#include "model/head.h"
#include "model/mlm_head.h"
#include "model/workspace.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* The tokens of a thread in a batch: enough for products to run at their best. */
    THREAD_TOKENS = 2048,
    MIN_COPY = 3, /* [CLS], a token, [SEP] */
};

struct pseudo_likelihood {
    const struct model *model;
    const struct vocabulary *vocabulary;
    struct workspace *workspace;
    struct batch batch; /* masked copies */
    double **scores;    /* [sequences] the score that each copy belongs to */
};

static struct workspace_limits limits_of(const struct model_config *config, int threads)
{
    const int positions = config->max_position_embeddings;
    const int wanted = THREAD_TOKENS * threads, tokens = positions > wanted ? positions : wanted;
    return (struct workspace_limits){
        .sequences = tokens / MIN_COPY,
        .tokens = tokens,
        .predicted = tokens / MIN_COPY,
        .max_length = positions,
        .threads = threads,
        .same_kernels = true,
    };
}

struct pseudo_likelihood *pseudo_likelihood_create(const struct model *model,
                                                   const struct vocabulary *vocabulary, int threads,
                                                   struct error *error)
{
    const struct workspace_limits limits = limits_of(&model->config, threads);
    const size_t sequences = (size_t)limits.sequences;
    struct pseudo_likelihood *scorer = allocate(1, sizeof *scorer, error);
    if (!scorer)
        return NULL;
    scorer->model = model;
    scorer->vocabulary = vocabulary;
    scorer->workspace = workspace_create(&model->config, limits, false, error);
    scorer->scores = scorer->workspace ? allocate(sequences, sizeof *scorer->scores, error) : NULL;
    if (!scorer->scores ||
        !batch_reserve(&scorer->batch, sequences, (size_t)limits.tokens, sequences, error)) {
        pseudo_likelihood_free(scorer);
        return NULL;
    }
    return scorer;
}

void pseudo_likelihood_free(struct pseudo_likelihood *scorer)
{
    if (!scorer)
        return;
    batch_free(&scorer->batch);
    workspace_free(scorer->workspace);
    free(scorer->scores);
    free(scorer);
}

void pseudo_likelihood_finish(struct pseudo_likelihood *scorer)
{
    struct workspace *workspace = scorer->workspace;
    const struct encoder_dropout none = encoder_dropout_none();
    const struct head_pass pass = head_pass_at(scorer->model, NULL, workspace, HEAD_MLM);
    struct loss_sums sums = {0};
    CHECK(omp_get_max_threads() <= workspace->limits.threads);
    if (!scorer->batch.sequences)
        return;
    micro_batch_load(&workspace->micro_batch, workspace->limits, &scorer->batch, 0,
                     scorer->batch.sequences, 0);
    encoder_forward(scorer->model, workspace, &none);
    mlm_head.forward(&pass, &sums);
    for (int i = 0; i < scorer->batch.sequences; i++)
        *scorer->scores[i] -= (double)workspace->row_loss[i];
    batch_clear(&scorer->batch);
}

/* Adds the copy in which token `first` is predicted and tokens [first, end) are masked. */
static void add_copy(struct pseudo_likelihood *scorer, const int32_t *ids, int count, int first,
                     int end, double *score)
{
    struct batch *batch = &scorer->batch;
    const int length = count + 2;
    if (batch->tokens + length > scorer->workspace->limits.tokens)
        pseudo_likelihood_finish(scorer);
    int32_t *copy = batch->input_ids + batch->tokens;
    copy[0] = vocabulary_special(scorer->vocabulary, SPECIAL_CLS);
    memcpy(copy + 1, ids, (size_t)count * sizeof *ids);
    for (int i = first; i < end; i++)
        copy[1 + i] = vocabulary_special(scorer->vocabulary, SPECIAL_MASK);
    copy[1 + count] = vocabulary_special(scorer->vocabulary, SPECIAL_SEP);
    batch->predicted_tokens[batch->predicted] = 1 + first;
    batch->predicted_labels[batch->predicted] = ids[first];
    scorer->scores[batch->sequences] = score;
    batch_append(batch, length, length, 1, NO_LABEL);
}

static bool continues_word(const struct vocabulary *vocabulary, int32_t id)
{
    return strncmp(vocabulary_token(vocabulary, id), "##", 2) == 0 &&
           vocabulary_token_size(vocabulary, id) > 2;
}

void pseudo_likelihood_add(struct pseudo_likelihood *scorer, const int32_t *ids, int count,
                           double *score)
{
    CHECK(count + 2 <= scorer->model->config.max_position_embeddings);
    *score = 0;
    for (int first = 0, end = 0; first < count; first++) {
        if (first == end)
            for (end = first + 1; end < count && continues_word(scorer->vocabulary, ids[end]);)
                end++;
        add_copy(scorer, ids, count, first, end, score);
    }
}
