#include "train/fill_in_evaluation.h"

#include "model/encoder.h"
#include "model/mlm_head.h"
#include "nn/softmax.h"
#include "train/example_sentences.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes [CLS] SENTENCE [SEP] the only sequence of the batch, which has room for it. */
static void load_sentence(struct batch *batch, const struct vocabulary *vocabulary,
                          const struct example_sentence *example)
{
    const int length = example->count + 2;
    batch_clear(batch);
    batch->input_ids[0] = vocabulary_special(vocabulary, SPECIAL_CLS);
    memcpy(batch->input_ids + 1, example->ids, (size_t)example->count * sizeof *example->ids);
    batch->input_ids[length - 1] = vocabulary_special(vocabulary, SPECIAL_SEP);
    batch->predicted_tokens[0] = example->blank + 1;
    batch->predicted_labels[0] = example->word;
    batch_append(batch, length, length, 1, NO_LABEL);
}

/* Returns the logits of the only prediction, in memory of the workspace. */
static real *predict(const struct model *model, struct workspace *workspace,
                     const struct batch *batch)
{
    const struct encoder_dropout none = encoder_dropout_none();
    micro_batch_load(&workspace->micro_batch, workspace->limits, batch, 0, 1, 0);
    encoder_forward(model, workspace, &none);
    const struct head_pass pass = head_pass_at(model, NULL, workspace, HEAD_MLM);
    const struct mlm_memory *memory = pass.memory;
    mlm_head_transform(&pass);
    mlm_head_logits(&pass, 0, 1, memory->logits);
    return memory->logits.reals;
}

/* Takes the most probable tokens, of equals the first one. The probabilities [tokens] are
 * overwritten. */
static void take_top(struct fill_in *item, real *probabilities, int tokens,
                     const struct vocabulary *vocabulary)
{
    for (int i = 0; i < FILL_IN_TOP; i++) {
        int best = 0;
        for (int token = 1; token < tokens; token++)
            if (probabilities[token] > probabilities[best])
                best = token;
        item->top[i].token = vocabulary_token(vocabulary, best);
        item->top[i].probability = (double)probabilities[best];
        probabilities[best] = -1;
    }
}

/* Returns false if the model gives no probabilities: its numbers are not finite. */
static bool fill_in(const struct model *model, struct workspace *workspace,
                    const struct vocabulary *vocabulary, struct batch *batch,
                    const struct example_sentence *example, struct fill_in *item)
{
    const int tokens = model_config_tokens(&model->config);
    load_sentence(batch, vocabulary, example);
    real *logits = predict(model, workspace, batch);
    softmax_row(logits, logits, tokens, 1);
    if (!isfinite(logits[0])) /* a NaN makes all of them NaN */
        return false;
    take_top(item, logits, tokens, vocabulary);
    item->word = vocabulary_token(vocabulary, example->word);
    snprintf(item->text, sizeof item->text, "%s", example->text);
    return true;
}

/* Finds a sentence that is none of the fill-ins so far. */
static bool find_other(const struct dataset *dataset, const struct tokenizer *tokenizer,
                       const struct fill_ins *fills, struct example_place *place,
                       struct example_sentence *example)
{
    enum { COPIES = 100 }; /* of earlier ones, after which the next part of the text is tried */
    for (int i = 0; i <= COPIES; i++) {
        if (!example_sentence_find(dataset, tokenizer, place, example))
            return false;
        int same = 0;
        while (same < fills->count && strcmp(fills->items[same].text, example->text) != 0)
            same++;
        if (same == fills->count)
            return true;
        free(example->text);
    }
    return false;
}

bool fill_ins_evaluate(const struct model *model, struct workspace *workspace,
                       const struct dataset *dataset, const struct tokenizer *tokenizer,
                       struct fill_ins *fills, struct error *error)
{
    _Static_assert((int)EXAMPLE_BYTES < (int)FILL_IN_TEXT, "a sentence fits into its fill-in");
    const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
    struct batch batch = {0};
    struct example_place place = {0};
    bool done = batch_reserve(&batch, 1, EXAMPLE_TOKENS + 2, 1, error);
    *fills = (struct fill_ins){0};
    for (uint64_t i = 0; i < FILL_INS_MAX && done; i++) {
        struct example_sentence example;
        const uint64_t first = i * dataset_documents(dataset) / FILL_INS_MAX;
        if (place.document < first)
            place = (struct example_place){.document = first};
        if (!find_other(dataset, tokenizer, fills, &place, &example))
            continue;
        if (example.count + 2 <= workspace->limits.max_length &&
            fill_in(model, workspace, vocabulary, &batch, &example, &fills->items[fills->count]))
            fills->count++;
        free(example.text);
    }
    batch_free(&batch);
    return done;
}
