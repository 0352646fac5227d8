/* The functions of cloze.h on a single text or pair. */

#include "library/model_handle.h"

#include "base/min.h"
#include "checkpoint/model_directory.h"
#include "model/encoder.h"
#include "model/mlm_head.h"
#include "model/nsp_head.h"
#include "nn/cross_entropy.h"
#include "text/tokenizer.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *publish_error(const struct error *error, struct cloze_error *published)
{
    published->bad_input = error->kind == ERROR_INPUT;
    memcpy(published->message, error->message, sizeof published->message);
    return NULL;
}

/* ---- opening ---- */

bool add_note(struct buffer *note, const char *text, struct error *error)
{
    size_t size = strlen(text);
    while (size && text[size - 1] == '\n')
        size--;
    return buffer_print(note, error, "%s%.*s", size && note->size ? "\n" : "", (int)size, text);
}

char *find_directory(const char *path, struct buffer *note, struct error *error)
{
    char *said = NULL;
    size_t size;
    FILE *stream = open_memstream(&said, &size);
    if (!stream) {
        fail_work(error, "%s: out of memory", path);
        return NULL;
    }
    struct log log = {.stream = stream};
    char *directory = model_directory_open(path, &log, error);
    struct error failure = {0};
    const bool noted = fclose(stream) == 0 ? add_note(note, said, &failure)
                                           : fail_work(&failure, "%s: out of memory", path);
    if (directory && !noted) {
        *error = failure;
        free(directory);
        directory = NULL;
    }
    free(said);
    return directory;
}

bool note_prefix(struct buffer *note, const struct huggingface_missing *missing,
                 struct error *error)
{
    struct buffer line = {0};
    bool done = huggingface_note_prefix(missing, &line, error) &&
                (!line.size || add_note(note, line.data, error));
    buffer_free(&line);
    return done;
}

static bool load_model(struct cloze_model *model, const char *directory, struct error *error)
{
    model->model = huggingface_load_model(directory, &model->missing, error);
    if (!model->model)
        return false;
    return note_prefix(&model->note, &model->missing, error) &&
           tokenizer_max_length(directory, model->model->config.max_position_embeddings,
                                &model->trained_length, error);
}

static bool load_tokenizer(struct cloze_model *model, const char *directory, struct error *error)
{
    model->tokenizer = tokenizer_load(directory, error);
    if (!model->tokenizer)
        return false;
    if (!model_config_set_tokens(&model->model->config,
                                 vocabulary_size(tokenizer_vocabulary(model->tokenizer)), directory,
                                 error))
        return false;
    model->encoder = text_encoder_create(model->tokenizer, error);
    return model->encoder && add_note(&model->note, tokenizer_note(model->tokenizer), error);
}

/* Makes the workspace for one text, with as many threads as OpenMP has now. */
static bool prepare_workspace(struct cloze_model *model, struct error *error)
{
    const int length = cloze_max_length(model);
    const struct workspace_limits limits = {
        .sequences = 1,
        .tokens = length,
        .predicted = length,
        .max_length = length,
        .threads = omp_get_max_threads(),
    };
    if (model->workspace && model->workspace->limits.threads == limits.threads)
        return true;
    workspace_free(model->workspace);
    model->workspace = workspace_create(&model->model->config, limits, false, error);
    return model->workspace;
}

static bool plan_memory(struct cloze_model *model, struct error *error)
{
    const struct model_config *config = &model->model->config;
    const size_t length = (size_t)config->max_position_embeddings;
    model->probabilities = allocate((size_t)config->vocab_size, sizeof(real), error);
    return model->probabilities && prepare_workspace(model, error) &&
           batch_reserve(&model->batch, 1, length, length, error);
}

void put_note_first(const struct buffer *note, struct error *error)
{
    const struct error failure = *error;
    if (note->size)
        snprintf(error->message, sizeof error->message, "%.1000s\n%.1000s", note->data,
                 failure.message);
}

struct cloze_model *cloze_open(const char *path, struct cloze_error *published)
{
    struct error error = {0};
    struct cloze_model *model = allocate(1, sizeof *model, &error);
    char *directory = model ? find_directory(path, &model->note, &error) : NULL;
    bool opened = directory && load_model(model, directory, &error) &&
                  load_tokenizer(model, directory, &error) && plan_memory(model, &error);
    free(directory);
    if (opened)
        return model;
    if (model)
        put_note_first(&model->note, &error);
    cloze_close(model);
    return publish_error(&error, published);
}

void cloze_close(struct cloze_model *model)
{
    if (!model)
        return;
    embedder_free(model->embedder);
    predictor_free(model->predictor);
    free(model->probabilities);
    batch_free(&model->batch);
    workspace_free(model->workspace);
    text_encoder_free(model->encoder);
    tokenizer_free(model->tokenizer);
    buffer_free(&model->note);
    model_free(model->model);
    free(model);
}

const char *cloze_note(const struct cloze_model *model)
{
    return model->note.data;
}

int cloze_hidden_size(const struct cloze_model *model)
{
    return model->model->config.hidden_size;
}

int cloze_max_length(const struct cloze_model *model)
{
    return model->model->config.max_position_embeddings;
}

int cloze_trained_length(const struct cloze_model *model)
{
    return model->trained_length;
}

int cloze_input_length(const struct cloze_model *model)
{
    return model->batch.tokens;
}

/* ---- inputs ---- */

static int32_t special(const struct cloze_model *model, enum special_token token)
{
    return vocabulary_special(tokenizer_vocabulary(model->tokenizer), token);
}

int cloze_input_unknown(const struct cloze_model *model)
{
    int count = 0;
    for (int i = 0; i < model->batch.tokens; i++)
        count += model->batch.input_ids[i] == special(model, SPECIAL_UNK);
    return count;
}

/* Appends the text's ids and [SEP] to the *length tokens of the batch's sequence. */
static bool put_text(struct cloze_model *model, const char *text, size_t *length,
                     struct error *error)
{
    const int32_t *ids;
    size_t count, limit = (size_t)cloze_max_length(model);
    if (!text_encoder_encode(model->encoder, text, strlen(text), &ids, &count, error))
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

/* Makes [CLS] a [SEP], or [CLS] a [SEP] b [SEP], the batch and every [MASK] a prediction, and
 * computes the encoder's output: with `all` at every token, otherwise at the head tokens. */
static bool run_encoder(struct cloze_model *model, const char *a, const char *b, bool all,
                        struct error *error)
{
    struct batch *batch = &model->batch;
    size_t length = 1, first_segment;
    batch_clear(batch);
    batch->input_ids[0] = special(model, SPECIAL_CLS);
    if (!prepare_workspace(model, error) || !put_text(model, a, &length, error))
        return false;
    first_segment = length;
    if (b && !put_text(model, b, &length, error))
        return false;
    int masked = 0;
    for (size_t i = 0; i < length; i++)
        if (batch->input_ids[i] == special(model, SPECIAL_MASK)) {
            batch->predicted_tokens[masked] = (int32_t)i;
            batch->predicted_labels[masked++] = NO_LABEL;
        }
    batch_append(batch, (int)length, (int)first_segment, masked, NO_LABEL);
    micro_batch_load(&model->workspace->micro_batch, model->workspace->limits, batch, 0, 1, 0);
    if (all)
        micro_batch_choose_all_tokens(&model->workspace->micro_batch, model->workspace->limits);
    const struct encoder_dropout none = encoder_dropout_none();
    encoder_forward(model->model, model->workspace, &none);
    return true;
}

bool require_group(const struct cloze_model *model, enum parameter_group group, const char *name,
                   struct error *error)
{
    if (!huggingface_require_group(model->model, &model->missing, group, error))
        return false;
    if (model->model->config.untrained_groups & 1u << group)
        return fail_input(error, "the model's %s was never trained: its results would be random",
                          name);
    return true;
}

bool require_finite(const float *results, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(results[i]))
            return fail_input(error, "the model gives numbers that are not finite: its parameters "
                                     "are too large");
    return true;
}

/* ---- fill ---- */

/* Returns the decoded input with `token` in place of prediction `mask`. As in the fill-mask
 * pipeline of transformers special tokens are shown when there are several masks: the other masks
 * are among them. */
static char *fill_sequence(const struct cloze_model *model, int mask, int32_t token,
                           struct error *error)
{
    int32_t *place = &model->batch.input_ids[model->batch.predicted_tokens[mask]];
    int32_t mask_token = *place;
    *place = token;
    char *text = tokenizer_decode(model->tokenizer, model->batch.input_ids,
                                  (size_t)model->batch.tokens, model->batch.predicted > 1, error);
    *place = mask_token;
    return text;
}

/* Inserts a token into the list of the best ones so far, which holds at most `room`. */
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
    const int tokens = model_config_tokens(&model->model->config);
    const struct head_pass pass = head_pass_at(model->model, NULL, model->workspace, HEAD_MLM);
    mlm_head_logits(&pass, index, 1, rows_of_reals(model->probabilities, tokens));
    softmax(model->probabilities, model->probabilities, 1, tokens);
    const float one = (float)model->probabilities[0]; /* all are NaN if one logit is */
    if (!require_finite(&one, 1, error))
        return false;
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
    int count = model->batch.predicted;
    fill->masks = allocate((size_t)count, sizeof *fill->masks, error);
    if (!fill->masks) {
        free(fill);
        return NULL;
    }
    const struct head_pass pass = head_pass_at(model->model, NULL, model->workspace, HEAD_MLM);
    mlm_head_transform(&pass);
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

static void fail_no_mask(const struct cloze_model *model, const char *text, struct error *error)
{
    const char *mask =
        vocabulary_special_name(tokenizer_vocabulary(model->tokenizer), SPECIAL_MASK);
    fail_input(error, "no %s in \"%.200s\"; write %s where a word is missing", mask, text, mask);
}

struct cloze_fill *cloze_fill(struct cloze_model *model, const char *text, int top,
                              struct cloze_error *published)
{
    struct error error = {0};
    int32_t tokens = vocabulary_size(tokenizer_vocabulary(model->tokenizer));
    if (top < 1)
        fail_input(&error, "top is %d; expected at least 1", top);
    else if (require_group(model, GROUP_MLM_HEAD, "masked language modelling head", &error) &&
             run_encoder(model, text, NULL, false, &error)) {
        struct cloze_fill *fill = NULL;
        if (model->batch.predicted == 0)
            fail_no_mask(model, text, &error);
        else
            fill = fill_masks(model, (size_t)min_int(top, tokens), &error);
        if (fill)
            return fill;
    }
    return publish_error(&error, published);
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
    if (!require_group(model, GROUP_NSP_HEAD, "next-sentence head", &error) ||
        !require_group(model, GROUP_POOLER, "pooler", &error) ||
        !model_config_check_pairs(&model->model->config, &error) ||
        !run_encoder(model, a, b, false, &error))
        return publish_error(&error, published);
    const struct head_pass pass = head_pass_at(model->model, NULL, model->workspace, HEAD_NSP);
    real *logits = nsp_head_logits(&pass).reals;
    softmax(logits, logits, 1, 2);
    const float next = (float)logits[IS_NEXT];
    if (!require_finite(&next, 1, &error))
        return publish_error(&error, published);
    *probability = (double)next;
    return true;
}

float *cloze_hidden_states(struct cloze_model *model, const char *text, size_t *rows,
                           struct cloze_error *published)
{
    struct error error = {0};
    if (!run_encoder(model, text, NULL, true, &error))
        return publish_error(&error, published);
    size_t count = (size_t)model->batch.tokens * (size_t)cloze_hidden_size(model);
    float *states = allocate(count, sizeof *states, &error);
    if (!states)
        return publish_error(&error, published);
    const real *output = encoder_output(model->workspace, &model->model->config).reals;
    for (size_t i = 0; i < count; i++)
        states[i] = (float)output[i];
    *rows = (size_t)model->batch.tokens;
    if (require_finite(states, count, &error))
        return states;
    free(states);
    return publish_error(&error, published);
}
