/* Training on the caller's batches, as cloze.h declares it. */

#include "library/model_handle.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/min.h"
#include "base/partial.h"
#include "checkpoint/model_card.h"
#include "model/batch_file.h"
#include "model/head.h"
#include "model/heads.h"
#include "model/workspace.h"
#include "optim/trainee.h"
#include "text/tokenizer.h"
#include "train/step.h"

#include <errno.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cloze_trainer {
    struct trainee trainee;
    struct tokenizer *tokenizer;
    struct buffer note;
    int trained_length; /* length of the longest sequences in its training, in tokens */
    double max_grad_norm;
    uint64_t seed;
    int64_t step; /* steps taken */
    struct norm_statistics norms;
    struct workspace *workspace; /* for the largest batches so far; NULL before the first */
    struct batch batch;
};

/* ---- opening ---- */

/* The ranges are those of a configuration (train/run_config_rows.h). */
static bool check_adam(const struct cloze_adam *adam, struct error *error)
{
    const struct {
        const char *name;
        double value;
        bool sound;
        const char *range;
    } members[] = {
        {"beta1", adam->beta1, adam->beta1 >= 0 && adam->beta1 < 1, "from 0 to below 1"},
        {"beta2", adam->beta2, adam->beta2 >= 0 && adam->beta2 < 1, "from 0 to below 1"},
        {"epsilon", adam->epsilon, adam->epsilon > 0 && adam->epsilon <= 1, "above 0, at most 1"},
        {"weight_decay", adam->weight_decay, adam->weight_decay >= 0 && adam->weight_decay <= 1,
         "from 0 to 1"},
        {"max_grad_norm", adam->max_grad_norm, adam->max_grad_norm >= 0, "from 0 on"},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!members[i].sound)
            return fail_input(error, "adam: %s is %g; expected a number %s", members[i].name,
                              members[i].value, members[i].range);
    return true;
}

/* Notes which groups are drawn, because the directory lacks them. */
static bool note_drawn(struct buffer *note, const char *directory, unsigned groups,
                       struct error *error)
{
    bool done = true;
    for (enum parameter_group group = 0; group < GROUP_COUNT && done; group++) {
        struct buffer line = {0};
        if (groups & 1U << group)
            done = buffer_print(&line, error, "%s has no %s; a new one is drawn", directory,
                                parameter_group_name(group)) &&
                   add_note(note, line.data, error);
        buffer_free(&line);
    }
    return done;
}

/* Gives the trainee the model of a directory; draws the heads that the directory lacks. */
static bool load_trainee(struct cloze_trainer *trainer, const char *directory,
                         const struct adam *adam, struct error *error)
{
    struct huggingface_missing missing;
    struct model *model = huggingface_load_model(directory, &missing, error);
    bool done = model &&
                model_config_set_tokens(&model->config,
                                        vocabulary_size(tokenizer_vocabulary(trainer->tokenizer)),
                                        directory, error) &&
                note_prefix(&trainer->note, &missing, error) &&
                note_drawn(&trainer->note, directory, missing.groups, error) &&
                trainee_create(&trainer->trainee, &model->config, adam, error);
    if (done) {
        struct model *own = trainer->trainee.model;
        memcpy(own->parameters.values, model->parameters.values,
               own->table.total * sizeof *own->parameters.values);
        parameters_initialize(own->parameters.values, &own->table, own->config.initializer_range,
                              trainer->seed, missing.groups);
        own->config.untrained_groups |= missing.groups;
        done = tokenizer_max_length(directory, own->config.max_position_embeddings,
                                    &trainer->trained_length, error);
    }
    model_free(model);
    return done;
}

struct cloze_trainer *cloze_trainer_open(const char *path, const struct cloze_adam *adam,
                                         uint64_t seed, struct cloze_error *published)
{
    static const struct cloze_adam defaults = CLOZE_ADAM_DEFAULTS;
    const struct cloze_adam *asked = adam ? adam : &defaults;
    const struct adam settings = {
        .beta1 = asked->beta1,
        .beta2 = asked->beta2,
        .epsilon = asked->epsilon,
        .weight_decay = asked->weight_decay,
        .bias_correction = asked->bias_correction,
        .layer_decay = 1,
    };
    struct error error = {0};
    struct cloze_trainer *trainer =
        check_adam(asked, &error) ? allocate(1, sizeof *trainer, &error) : NULL;
    char *directory = trainer ? find_directory(path, &trainer->note, &error) : NULL;
    if (trainer) {
        trainer->seed = seed;
        trainer->max_grad_norm = asked->max_grad_norm;
        trainer->tokenizer = directory ? tokenizer_load(directory, &error) : NULL;
    }
    const bool opened = trainer && trainer->tokenizer &&
                        add_note(&trainer->note, tokenizer_note(trainer->tokenizer), &error) &&
                        load_trainee(trainer, directory, &settings, &error);
    free(directory);
    if (opened)
        return trainer;
    if (trainer)
        put_note_first(&trainer->note, &error);
    cloze_trainer_close(trainer);
    return publish_error(&error, published);
}

void cloze_trainer_close(struct cloze_trainer *trainer)
{
    if (!trainer)
        return;
    workspace_free(trainer->workspace);
    batch_free(&trainer->batch);
    buffer_free(&trainer->note);
    tokenizer_free(trainer->tokenizer);
    trainee_free(&trainer->trainee);
    free(trainer);
}

enum cloze_task cloze_trainer_task(const struct cloze_trainer *trainer)
{
    return task_of(trainer->trainee.model->config.heads);
}

const char *cloze_trainer_note(const struct cloze_trainer *trainer)
{
    return trainer->note.data;
}

/* ---- a step ---- */

/* Returns the mask of the groups that the batch trains; 0: it predicts nothing. */
static unsigned trained_groups(const struct head_list *heads, const struct batch *batch)
{
    unsigned groups = 0;
    for (int i = 0; i < heads->count; i++)
        if (heads->heads[i]->predictions(batch))
            groups |= 1U << GROUP_ENCODER | 1U << heads->heads[i]->group |
                      (heads->heads[i]->pooled ? 1U << GROUP_POOLER : 0);
    return groups;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* Makes a workspace for the batch, unless there is one that is large enough: for as many sequences
 * and as many tokens as a micro-batch has had, not for as many sequences of the largest length. */
static bool plan_memory(struct cloze_trainer *trainer, struct error *error)
{
    const struct batch *batch = &trainer->batch;
    const int sequences = min_int(workspace_sequences(batch->max_length), batch->sequences);
    struct workspace_limits limits =
        workspace_limits_of(sequences, batch->max_length, batch->max_length, omp_get_max_threads());
    if (trainer->workspace) {
        const struct workspace_limits had = trainer->workspace->limits;
        if (had.threads == limits.threads && had.sequences >= limits.sequences &&
            had.tokens >= limits.tokens && had.max_length >= limits.max_length)
            return true;
        limits.sequences = larger(limits.sequences, had.sequences);
        limits.tokens = limits.predicted = larger(limits.tokens, had.tokens);
        limits.max_length = larger(limits.max_length, had.max_length);
    }
    workspace_free(trainer->workspace);
    trainer->workspace = workspace_create(&trainer->trainee.model->config, limits, true, error);
    return trainer->workspace;
}

static bool read_batch(struct cloze_trainer *trainer, const struct cloze_batch *batch,
                       struct error *error)
{
    const struct model_config *config = &trainer->trainee.model->config;
    const struct batch_arrays arrays = {
        .rows = batch->rows,
        .length = batch->length,
        .input_ids = batch->input_ids,
        .attention_mask = batch->attention_mask,
        .token_type_ids = batch->token_type_ids,
        .labels = batch->labels,
        .next_sentence_label = batch->next_sentence_label,
        .values = batch->values,
    };
    return batch_read_arrays(&arrays, config, &trainer->batch, error) &&
           (trained_groups(config->heads, &trainer->batch) ||
            fail_input(error, "the batch has no labels: there is nothing to predict"));
}

static struct cloze_losses losses_of(const struct model_config *config,
                                     const struct step_result *result)
{
    const struct loss_sums *sums = result->sums.heads;
    const bool is_task = config->heads->labelled;
    return (struct cloze_losses){
        .loss = objective_loss(&result->sums),
        .mlm_loss = is_task ? 0 : loss_sums_mean(&sums[HEAD_MLM]),
        .nsp_loss = is_task ? 0 : loss_sums_mean(&sums[HEAD_NSP]),
        .grad_norm = result->norm,
    };
}

static bool update(struct cloze_trainer *trainer, double learning_rate, struct cloze_losses *losses,
                   struct error *error)
{
    struct model_config *config = &trainer->trainee.model->config;
    const struct step_settings settings = {
        .seed = trainer->seed,
        .step = trainer->step + 1,
        .learning_rate = learning_rate,
        .max_grad_norm = trainer->max_grad_norm,
    };
    const struct step_result result = step_take(&trainer->trainee, trainer->workspace,
                                                &trainer->norms, &trainer->batch, &settings);
    if (result.verdict != UPDATE_SOUND)
        return fail_work(error, "loss %g, gradient norm %g: the parameters are left as they were",
                         objective_loss(&result.sums), result.norm);
    trainer->step++;
    trainer->trained_length = larger(trainer->trained_length, trainer->batch.max_length);
    config->untrained_groups &= ~trained_groups(config->heads, &trainer->batch);
    if (losses)
        *losses = losses_of(config, &result);
    return true;
}

bool cloze_trainer_step(struct cloze_trainer *trainer, const struct cloze_batch *batch,
                        double learning_rate, struct cloze_losses *losses,
                        struct cloze_error *published)
{
    struct error error = {0};
    bool done =
        (isfinite(learning_rate) && learning_rate >= 0) ||
        fail_input(&error, "the learning rate is %g; expected a number from 0 on", learning_rate);
    done = done && read_batch(trainer, batch, &error) && plan_memory(trainer, &error) &&
           update(trainer, learning_rate, losses, &error);
    return done || publish_error(&error, published);
}

/* ---- saving ---- */

static bool write_files(const struct cloze_trainer *trainer, const char *directory,
                        struct error *error)
{
    const struct model *model = trainer->trainee.model;
    return huggingface_save_model(directory, &model->config, &model->table,
                                  model->parameters.values, error) &&
           tokenizer_save(trainer->tokenizer, directory, trainer->trained_length, error);
}

/* On which text it was trained is the caller's to add. */
static bool write_card(const struct cloze_trainer *trainer, const char *partial,
                       const char *directory, struct error *error)
{
    const struct model_config *config = &trainer->trainee.model->config;
    const struct vocabulary *vocabulary = tokenizer_vocabulary(trainer->tokenizer);
    const struct model_card card = {
        .name = path_name(directory),
        .directory = partial, /* which has no training state */
        .class = config->heads->architecture,
        .config = config,
        .untrained = config->untrained_groups,
        .options = tokenizer_get_options(trainer->tokenizer),
        .tokens = vocabulary_size(vocabulary),
        .mask = vocabulary_special_name(vocabulary, SPECIAL_MASK),
        .trained_length = trainer->trained_length,
    };
    return model_card_write(partial, &card, error);
}

/* Writes the files into the partial directory, which is renamed when it is complete. */
static bool write_directory(const struct cloze_trainer *trainer, const char *partial,
                            const char *directory, struct error *error)
{
    struct error ignored = {0};
    const int lock = partial_create_directory(partial, directory, error);
    if (lock < 0)
        return false;
    bool done = write_files(trainer, partial, error) &&
                write_card(trainer, partial, directory, error) && directory_sync(partial, error) &&
                (rename(partial, directory) == 0 ||
                 fail_path(error, errno, directory, "give the directory its name"));
    if (!done)
        directory_remove(partial, &ignored);
    close(lock);
    return done;
}

bool cloze_trainer_save(const struct cloze_trainer *trainer, const char *directory,
                        struct cloze_error *published)
{
    struct error error = {0};
    char *plain = path_without_slashes(directory, &error);
    char *partial = plain ? partial_path(plain, &error) : NULL;
    char *parent = partial ? path_directory(plain, &error) : NULL;
    const bool done = parent &&
                      (!path_is_taken(plain) ||
                       fail_input(&error, "%s: exists already; expected a new directory", plain)) &&
                      write_directory(trainer, partial, plain, &error) &&
                      directory_sync(parent, &error);
    free(parent);
    free(partial);
    free(plain);
    return done || publish_error(&error, published);
}
