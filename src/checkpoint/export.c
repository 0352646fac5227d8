#include "checkpoint/export.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/temporary_directory.h"
#include "checkpoint/model_card.h"
#include "model/huggingface.h"
#include "text/tokenizer.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENCODER = 1 << GROUP_ENCODER,
    POOLER = 1 << GROUP_POOLER,
    MLM_HEAD = 1 << GROUP_MLM_HEAD,
    NSP_HEAD = 1 << GROUP_NSP_HEAD,
    CLASSIFIER = 1 << GROUP_CLASSIFIER,
};

const char *const export_kind_names[EXPORT_KINDS] = {"", "pretraining", "masked-lm", "encoder",
                                                     "task"};

struct kind {
    struct huggingface_class class;
    unsigned required; /* groups */
};

/* Those of a task are of the class that the model is of. */
static const struct kind kinds[EXPORT_KINDS] = {
    [EXPORT_PRETRAINING] = {{"BertForPreTraining", ENCODER | POOLER | MLM_HEAD | NSP_HEAD, false},
                            ENCODER | POOLER | MLM_HEAD | NSP_HEAD},
    [EXPORT_MASKED_LM] = {{"BertForMaskedLM", ENCODER | MLM_HEAD, false}, ENCODER | MLM_HEAD},
    [EXPORT_ENCODER] = {{"BertModel", ENCODER | POOLER, true}, ENCODER},
};

/* ---- the target ---- */

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static bool check_target(const char *target, struct error *error)
{
    struct dirent **entries;
    if (!path_is_taken(target))
        return true;
    if (!path_is_directory(target))
        return fail_input(error, "%s: is not a directory; expected a new or an empty one", target);
    int count = scandir(target, &entries, is_entry, NULL);
    if (count < 0)
        return fail_path(error, errno, target, "read the directory");
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return count == 0 ||
           fail_input(error, "%s: is not empty; expected a new or an empty directory", target);
}

static struct temporary_directory *open_partial(const char *target, struct error *error)
{
    char *parent = path_directory(target, error);
    struct temporary_directory *partial = parent && directory_make(parent, error)
                                              ? temporary_directory_open_for(target, error)
                                              : NULL;
    free(parent);
    return partial;
}

/* ---- the model ---- */

/* Sets what is exported of a model with these heads. */
static bool choose_kind(const char *directory, const struct head_list *heads,
                        enum export_kind asked, struct kind *kind, struct error *error)
{
    const unsigned groups = head_list_groups(heads);
    if (asked == EXPORT_BY_MODEL)
        asked = heads->labelled ? EXPORT_TASK : EXPORT_PRETRAINING;
    *kind = kinds[asked];
    if (asked == EXPORT_TASK)
        *kind = (struct kind){{heads->architecture, groups, false}, groups};
    if (asked == EXPORT_ENCODER || (asked == EXPORT_TASK) == heads->labelled)
        return true;
    if (heads->labelled)
        return fail_input(error,
                          "%s: is a %s, the model of a task, without the heads of pre-training; "
                          "expected --for task or encoder, not %s",
                          directory, heads->architecture, export_kind_names[asked]);
    return fail_input(error,
                      "%s: is a model of pre-training; expected --for pretraining, masked-lm or "
                      "encoder, not task",
                      directory);
}

static bool check_groups(const char *directory, const struct kind *kind, unsigned missing,
                         struct error *error)
{
    for (enum parameter_group group = 0; group < GROUP_COUNT; group++)
        if (kind->required & missing & 1U << group)
            return fail_input(error, "%s: has no %s, which %s needs%s", directory,
                              parameter_group_name(group), kind->class.name,
                              kind->required & CLASSIFIER || group == GROUP_MLM_HEAD
                                  ? "; --for encoder does without"
                                  : "; --for masked-lm does without");
    return true;
}

static void say_what_is_not(const struct kind *kind, const struct huggingface_missing *found,
                            unsigned missing, const struct model_config *config, struct log *log)
{
    const unsigned present = head_list_groups(config->heads) & ~missing;
    const struct huggingface_unused unused = huggingface_unused(found);
    huggingface_log_prefix(found, log);
    if (*unused.text)
        log_warning(log, "not exported: %s", unused.text);
    if (present & ~kind->class.groups & CLASSIFIER)
        log_warning(log, "not exported: the classifier");
    if (kind->class.groups & missing & POOLER)
        log_warning(log, "the model has no pooler: BertModel draws a new one when it is loaded; "
                         "add_pooling_layer=False does without");
    for (enum parameter_group group = 0; group < GROUP_COUNT; group++)
        if (kind->class.groups & config->untrained_groups & ~missing & 1U << group)
            log_warning(log, "the %s was never trained; the model card says so",
                        parameter_group_name(group));
}

static bool write_files(const char *partial, const struct model_card *card, const struct kind *kind,
                        const struct tokenizer *tokenizer, const struct model *model,
                        struct error *error)
{
    struct huggingface_class class = kind->class;
    class.groups &= ~card->missing;
    return huggingface_save_as(partial, &class, &model->config, &model->table,
                               model->parameters.values, error) &&
           tokenizer_save(tokenizer, partial, card->trained_length, error) &&
           model_card_write(partial, card, error);
}

static bool write_target(const char *target, const struct model_card *card, const struct kind *kind,
                         const struct tokenizer *tokenizer, const struct model *model,
                         struct error *error)
{
    struct temporary_directory *partial = open_partial(target, error);
    bool done =
        partial &&
        write_files(temporary_directory_path(partial), card, kind, tokenizer, model, error) &&
        temporary_directory_keep(partial, target, error);
    struct error unused = {0};
    temporary_directory_close(partial, &unused);
    return done;
}

static bool export_to(const char *directory, const char *target, enum export_kind asked,
                      struct log *log, struct error *error)
{
    struct kind kind;
    struct huggingface_missing found;
    struct model *model = huggingface_load_model(directory, &found, error);
    const unsigned missing = model ? huggingface_absent_groups(model, &found) : 0;
    struct tokenizer *tokenizer = model ? tokenizer_load(directory, error) : NULL;
    bool done = tokenizer && choose_kind(directory, model->config.heads, asked, &kind, error) &&
                check_groups(directory, &kind, missing, error);
    if (done) {
        struct model_card card = {
            .name = path_name(target),
            .directory = directory,
            .class = kind.class.name,
            .config = &model->config,
            .missing = missing,
            .untrained = model->config.untrained_groups & kind.class.groups & ~missing,
            .options = tokenizer_get_options(tokenizer),
            .tokens = vocabulary_size(tokenizer_vocabulary(tokenizer)),
            .mask = vocabulary_special_name(tokenizer_vocabulary(tokenizer), SPECIAL_MASK),
        };
        say_what_is_not(&kind, &found, missing, &model->config, log);
        done = tokenizer_max_length(directory, model->config.max_position_embeddings,
                                    &card.trained_length, error) &&
               write_target(target, &card, &kind, tokenizer, model, error);
    }
    tokenizer_free(tokenizer);
    model_free(model);
    return done;
}

bool export_model(const char *directory, const char *target, enum export_kind kind, struct log *log,
                  struct error *error)
{
    /* realpath gives "." a name, too. */
    char *resolved = realpath(target, NULL);
    char *plain = path_without_slashes(resolved ? resolved : target, error);
    char *parent = plain ? path_directory(plain, error) : NULL;
    free(resolved);
    bool done = parent && check_target(plain, error) && directory_check_writable(parent, error) &&
                export_to(directory, plain, kind, log, error);
    free(parent);
    free(plain);
    return done;
}
