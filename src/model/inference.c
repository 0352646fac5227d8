/* The public functions of cloze.h. */

#include "cloze/cloze.h"

#include "data/batch.h"
#include "model/encoder.h"
#include "model/heads.h"
#include "model/huggingface.h"
#include "model/model.h"
#include "nn/cross_entropy.h"
#include "text/tokenizer.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cloze_model {
    struct model *model;
    unsigned missing_parts; /* mask of 1 << enum parameter_part */
    struct tokenizer *tokenizer;
    struct encoder *encoder;
    struct workspace *workspace;
    struct batch batch;  /* one sequence */
    real *probabilities; /* [V] */
};

/* Hands an internal error to the caller; returns NULL, which is false too. */
static void *publish(const struct error *error, struct cloze_error *published)
{
    published->bad_input = error->kind == ERROR_INPUT;
    memcpy(published->message, error->message, sizeof published->message);
    return NULL;
}

/* ---- opening ---- */

static bool load_model(struct cloze_model *model, const char *directory, struct error *error)
{
    struct huggingface_missing missing;
    model->model = huggingface_load_model(directory, &missing, error);
    if (model->model)
        model->missing_parts = missing.parts;
    return model->model != NULL;
}

static bool load_tokenizer(struct cloze_model *model, const char *directory, struct error *error)
{
    model->tokenizer = tokenizer_load(directory, error);
    if (!model->tokenizer)
        return false;
    int32_t tokens = vocabulary_size(tokenizer_vocabulary(model->tokenizer));
    if (tokens > model->model->config.vocab_size)
        return fail_input(error, "%s: the vocabulary has %d tokens, but the model only %d",
                          directory, tokens, model->model->config.vocab_size);
    model->encoder = encoder_create(model->tokenizer, error);
    return model->encoder != NULL;
}

static bool plan_memory(struct cloze_model *model, struct error *error)
{
    const struct model_config *config = &model->model->config;
    int length = config->max_position_embeddings;
    struct workspace_limits limits = {
        .sequences = 1,
        .tokens = length,
        .masked = length,
        .max_length = length,
        .threads = omp_get_max_threads(),
    };
    model->workspace = workspace_create(config, limits, false, error);
    model->probabilities = allocate((size_t)config->vocab_size, sizeof(real), error);
    return model->workspace && model->probabilities &&
           batch_reserve(&model->batch, 1, (size_t)length, (size_t)length, error);
}

struct cloze_model *cloze_open(const char *directory, struct cloze_error *published)
{
    struct error error = {0};
    struct cloze_model *model = allocate(1, sizeof *model, &error);
    if (model && load_model(model, directory, &error) && load_tokenizer(model, directory, &error) &&
        plan_memory(model, &error))
        return model;
    cloze_close(model);
    return publish(&error, published);
}

void cloze_close(struct cloze_model *model)
{
    if (!model)
        return;
    free(model->probabilities);
    batch_free(&model->batch);
    workspace_free(model->workspace);
    encoder_free(model->encoder);
    tokenizer_free(model->tokenizer);
    model_free(model->model);
    free(model);
}

int cloze_hidden_size(const struct cloze_model *model)
{
    return model->model->config.hidden_size;
}

int cloze_max_length(const struct cloze_model *model)
{
    return model->model->config.max_position_embeddings;
}

/* ---- inputs ---- */

static int32_t special(const struct cloze_model *model, enum special_token token)
{
    return vocabulary_special(tokenizer_vocabulary(model->tokenizer), token);
}

/* Puts the text's ids and [SEP] behind *length tokens of the batch's sequence. */
static bool put_text(struct cloze_model *model, const char *text, size_t *length,
                     struct error *error)
{
    const int32_t *ids;
    size_t count, limit = (size_t)cloze_max_length(model);
    if (!encoder_encode(model->encoder, text, strlen(text), &ids, &count, error))
        return false;
    if (count >= limit || *length + count + 1 > limit)
        return fail_input(error,
                          "the input has %zu tokens with [CLS] and [SEP]; the model takes %zu",
                          *length + count + 1, limit);
    if (count)
        memcpy(model->batch.input_ids + *length, ids, count * sizeof *ids);
    *length += count;
    model->batch.input_ids[(*length)++] = special(model, SPECIAL_SEP);
    return true;
}

/* Makes [CLS] a [SEP], or [CLS] a [SEP] b [SEP], the batch, every [MASK] a prediction, and computes
 * the encoder's output: of all tokens, or of what the heads need. */
static bool run_encoder(struct cloze_model *model, const char *a, const char *b, bool all,
                        struct error *error)
{
    struct batch *batch = &model->batch;
    size_t length = 1, first_segment;
    batch_clear(batch);
    batch->input_ids[0] = special(model, SPECIAL_CLS);
    if (!put_text(model, a, &length, error))
        return false;
    first_segment = length;
    if (b && !put_text(model, b, &length, error))
        return false;
    int masked = 0;
    for (size_t i = 0; i < length; i++)
        if (batch->input_ids[i] == special(model, SPECIAL_MASK)) {
            batch->masked_tokens[masked] = (int32_t)i;
            batch->masked_labels[masked++] = NO_LABEL;
        }
    batch_append(batch, (int)length, (int)first_segment, masked, NO_LABEL);
    workspace_load(model->workspace, batch, 0, 1);
    if (all)
        workspace_read_all(model->workspace);
    const struct encoder_dropout none = encoder_dropout_none();
    encoder_forward(model->model, model->workspace, &none);
    return true;
}

static bool require_part(const struct cloze_model *model, enum parameter_part part,
                         const char *name, struct error *error)
{
    if (model->missing_parts & 1u << part)
        return fail_input(error, "the model has no %s: it was saved without it", name);
    return true;
}

/* ---- fill ---- */

/* The input with `token` in the place of prediction `mask`, for a person. As in the pipeline of
 * transformers special tokens show where there are several masks: the others are among them. */
static char *fill_sequence(const struct cloze_model *model, int mask, int32_t token,
                           struct error *error)
{
    int32_t *place = &model->batch.input_ids[model->batch.masked_tokens[mask]];
    int32_t mask_token = *place;
    *place = token;
    char *text = tokenizer_decode(model->tokenizer, model->batch.input_ids,
                                  (size_t)model->batch.tokens, model->batch.masked > 1, error);
    *place = mask_token;
    return text;
}

/* Inserts a token into the list of the best so far, which is full at `room`. */
static void insert_candidate(struct cloze_mask *mask, size_t room, int32_t token, double score)
{
    size_t at = mask->count;
    while (at > 0 && mask->candidates[at - 1].score < score)
        at--;
    if (at == room)
        return;
    if (mask->count < room)
        mask->count++;
    memmove(&mask->candidates[at + 1], &mask->candidates[at],
            (mask->count - 1 - at) * sizeof *mask->candidates);
    mask->candidates[at] = (struct cloze_candidate){.token = token, .score = score};
}

static bool fill_mask(struct cloze_model *model, struct cloze_mask *mask, int index, size_t top,
                      struct error *error)
{
    const struct vocabulary *vocabulary = tokenizer_vocabulary(model->tokenizer);
    mask->candidates = allocate(top, sizeof *mask->candidates, error);
    if (!mask->candidates)
        return false;
    mlm_head_logits(model->model, model->workspace, index, 1,
                    rows_of_reals(model->probabilities, model->model->config.vocab_size));
    softmax(model->probabilities, model->probabilities, 1, model->model->config.vocab_size);
    for (int32_t token = 0; token < vocabulary_size(vocabulary); token++)
        insert_candidate(mask, top, token, (double)model->probabilities[token]);
    for (size_t i = 0; i < mask->count; i++) {
        struct cloze_candidate *candidate = &mask->candidates[i];
        candidate->text = strdup(vocabulary_token(vocabulary, candidate->token));
        if (!candidate->text)
            return fail_work(error, "out of memory: a token's text");
        candidate->sequence = fill_sequence(model, index, candidate->token, error);
        if (!candidate->sequence)
            return false;
    }
    return true;
}

static struct cloze_fill *fill_masks(struct cloze_model *model, size_t top, struct error *error)
{
    struct cloze_fill *fill = allocate(1, sizeof *fill, error);
    if (!fill)
        return NULL;
    int count = model->batch.masked;
    fill->masks = allocate((size_t)count, sizeof *fill->masks, error);
    if (!fill->masks) {
        free(fill);
        return NULL;
    }
    mlm_head_transform(model->model, model->workspace);
    for (int i = 0; i < count; i++) {
        fill->mask_count++;
        if (!fill_mask(model, &fill->masks[i], i, top, error))
            break;
        if (i == count - 1)
            return fill;
    }
    cloze_fill_free(fill);
    return NULL;
}

struct cloze_fill *cloze_fill(struct cloze_model *model, const char *text, int top,
                              struct cloze_error *published)
{
    struct error error = {0};
    int32_t tokens = vocabulary_size(tokenizer_vocabulary(model->tokenizer));
    if (top < 1)
        fail_input(&error, "top is %d; expected at least 1", top);
    else if (require_part(model, PART_MLM_HEAD, "masked language modelling head", &error) &&
             run_encoder(model, text, NULL, false, &error)) {
        struct cloze_fill *fill = NULL;
        if (model->batch.masked == 0)
            fail_input(&error, "no [MASK] in \"%.200s\"; write [MASK] where a word is missing",
                       text);
        else
            fill = fill_masks(model, (size_t)(top < tokens ? top : tokens), &error);
        if (fill)
            return fill;
    }
    return publish(&error, published);
}

void cloze_fill_free(struct cloze_fill *fill)
{
    if (!fill)
        return;
    for (size_t i = 0; i < fill->mask_count; i++) {
        for (size_t j = 0; j < fill->masks[i].count; j++) {
            free(fill->masks[i].candidates[j].text);
            free(fill->masks[i].candidates[j].sequence);
        }
        free(fill->masks[i].candidates);
    }
    free(fill->masks);
    free(fill);
}

/* ---- pairs and hidden states ---- */

bool cloze_next_sentence(struct cloze_model *model, const char *a, const char *b,
                         double *probability, struct cloze_error *published)
{
    struct error error = {0};
    if (!require_part(model, PART_POOLER, "pooler", &error) ||
        !require_part(model, PART_NSP_HEAD, "next-sentence head", &error) ||
        !run_encoder(model, a, b, false, &error))
        return publish(&error, published);
    nsp_head_logits(model->model, model->workspace);
    softmax(model->workspace->relation_logits, model->workspace->relation_logits, 1, 2);
    *probability = (double)model->workspace->relation_logits[IS_NEXT];
    return true;
}

float *cloze_hidden_states(struct cloze_model *model, const char *text, size_t *rows,
                           struct cloze_error *published)
{
    struct error error = {0};
    if (!run_encoder(model, text, NULL, true, &error))
        return publish(&error, published);
    size_t count = (size_t)model->batch.tokens * (size_t)cloze_hidden_size(model);
    float *states = allocate(count, sizeof *states, &error);
    if (!states)
        return publish(&error, published);
    const real *output = encoder_output(model->workspace, &model->model->config).reals;
    for (size_t i = 0; i < count; i++)
        states[i] = (float)output[i];
    *rows = (size_t)model->batch.tokens;
    return states;
}
