#include "checkpoint/model_directory.h"

#include "base/directory.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "config/config_yaml.h"
#include "model/huggingface_files.h"
#include "model/sentence_transformers.h"

#include <stdlib.h>
#include <string.h>

/* Returns the step of the best checkpoint if results are those of that one, as in fine-tuning; -1
 * if they are those of the latest one. */
static int64_t result_step(const struct training_state *state)
{
    return state->best_is_metric && state->best_step != state->step ? state->best_step : -1;
}

/* Sets *keeps to the run's train.keep_best. */
static bool read_keep_best(const struct training_state *state, bool *keeps, struct error *error)
{
    struct config_node root;
    const struct config_source source = {.name = TRAINING_STATE_FILE, .directory = "/"};
    if (!config_yaml_read(state->config, strlen(state->config), &source, &root, error))
        return false;
    const struct config_node *key = config_node_find(config_node_find(&root, "train"), "keep_best");
    *keeps = !key || !key->text || strcmp(key->text, "false") != 0;
    config_node_free(&root);
    return true;
}

/* Replaces the path of a run's latest checkpoint by that of the one with its results, if that was
 * kept; a warning says if it is damaged. */
static bool find_results(const char *run_directory, char **directory, struct log *log,
                         struct error *error)
{
    struct training_state state = {0};
    bool keeps_best;
    if (!training_state_read(*directory, &state, error))
        return false;
    const int64_t step = result_step(&state);
    const bool done = read_keep_best(&state, &keeps_best, error);
    training_state_free(&state);
    if (!done || !keeps_best || step < 0)
        return done;
    struct error damage = {0};
    char *best = checkpoint_path(run_directory, step, error);
    if (!best)
        return false;
    const bool kept = path_is_directory(best);
    if (kept && checkpoint_verify(best, &damage)) {
        free(*directory);
        *directory = best;
        return true;
    }
    if (kept)
        log_warning(log, "%s is damaged; taking the latest checkpoint: %s", best, damage.message);
    free(best);
    return true;
}

/* Returns the checkpoint that a run directory stands for. */
static char *find_model(const char *run_directory, struct log *log, struct error *error)
{
    char *directory;
    if (!checkpoint_find_latest(run_directory, &directory, log, error))
        return NULL;
    if (!directory)
        fail_input(error, "%s/checkpoints: there is no checkpoint yet", run_directory);
    else if (find_results(run_directory, &directory, log, error))
        return directory;
    free(directory);
    return NULL;
}

/* True for the directory of several runs of fine-tuning, one for each seed. */
static bool holds_best_run(const char *path)
{
    struct error ignored = {0};
    char *best = path_join(path, "best", &ignored);
    bool holds = best && checkpoint_exists(best);
    free(best);
    return holds;
}

static void fail_no_model(const char *path, struct error *error)
{
    const char *other = huggingface_other_format(path);
    if (other)
        fail_input(error, "%s: expected a model directory with config.json, found %s", path, other);
    else
        fail_input(error,
                   "%s: holds neither config.json (a model directory or checkpoint) nor "
                   "checkpoints/ (a run directory)",
                   path);
}

/* Finds the checkpoint of a directory that neither lists its modules nor holds a model. Sets *run
 * to the checkpoint's run directory. */
static char *find_in_run(const char *path, char **run, struct log *log, struct error *error)
{
    bool is_run;
    if (!directory_holds(path, "checkpoints", &is_run, error))
        return NULL;
    if (is_run || holds_best_run(path))
        *run = is_run ? path_join("", path, error) : path_join(path, "best", error);
    else
        fail_no_model(path, error);
    return *run ? find_model(*run, log, error) : NULL;
}

/* Finds the model directory, and the run of a checkpoint that was found in one: then its checksums
 * have been verified. */
static char *find_from(const char *path, char **run, struct log *log, struct error *error)
{
    bool model;
    char *listed;
    if (!path_is_directory(path)) {
        fail_input(error, "%s: %s; expected a model directory, a checkpoint or a run directory",
                   path, path_exists(path) ? "is not a directory" : "no such directory");
        return NULL;
    }
    if (!sentence_transformers_find(path, &listed, log, error) || listed)
        return listed;
    if (!directory_holds(path, "config.json", &model, error))
        return NULL;
    return model ? path_join("", path, error) : find_in_run(path, run, log, error);
}

char *model_directory_resolve(const char *path, char **run, struct log *log, struct error *error)
{
    char *used = NULL, *directory = find_from(path, &used, log, error);
    if (run)
        *run = directory ? used : NULL;
    if (!run || !directory)
        free(used);
    return directory;
}

bool model_directory_verify(const char *directory, struct error *error)
{
    bool checkpoint;
    return directory_holds(directory, TRAINING_STATE_FILE, &checkpoint, error) &&
           (!checkpoint || checkpoint_verify(directory, error) ||
            fail_context(error, "the checkpoint was changed after it was saved (if that was "
                                "intended, remove its " TRAINING_STATE_FILE ")"));
}

char *model_directory_open(const char *path, struct log *log, struct error *error)
{
    char *run, *directory = model_directory_resolve(path, &run, log, error);
    const bool verified = run != NULL;
    free(run);
    if (!directory || verified || model_directory_verify(directory, error))
        return directory;
    free(directory);
    return NULL;
}
