/* Trains as a configuration says, prints what the held-out text says, and saves on Ctrl-C:
 *
 *     train run.yaml train.steps=500
 *
 * Called again, it continues a run that was stopped. docs/library.md says how this program is
 * built. */
#include <cloze/cloze.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* What the program keeps of the training. */
struct progress {
    double best;
    long long best_step;
};

static bool after_step(void *context, const struct cloze_step *step)
{
    struct progress *progress = context;
    const bool is_task = isnan(step->mlm_loss); /* it has a metric, of which more is better */
    if (step->evaluated) {
        printf("step %lld of %lld: held-out %s %.4f, %.0f s left\n", (long long)step->step,
               (long long)step->steps, is_task ? "metric" : "MLM loss", step->held_out_score,
               step->seconds_left);
        const double gain = step->held_out_score - progress->best;
        if (!progress->best_step || (is_task ? gain > 0 : gain < 0)) {
            progress->best = step->held_out_score;
            progress->best_step = step->step;
        }
    }
    return !interrupted;
}

/* Warnings are worth reading; the rest is the table that `cloze train` prints. */
static void say(void *context, const char *line)
{
    (void)context;
    if (strncmp(line, "warning: ", 9) == 0)
        fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: train CONFIG [KEY=VALUE]...\n");
        return 2;
    }
    struct cloze_error error;
    struct progress progress = {0};
    const struct cloze_watcher watcher = {.step = after_step, .message = say, .context = &progress};
    signal(SIGINT, interrupt);
    char *run = cloze_train(argv[1], (const char *const *)argv + 2, (size_t)argc - 2, true,
                            &watcher, &error);
    if (!run) {
        fprintf(stderr, "train: %s\n", error.message);
        return error.bad_input ? 2 : 1;
    }
    if (progress.best_step)
        printf("best: %.4f at step %lld\n", progress.best, progress.best_step);
    printf("%s%s\n", interrupted ? "stopped; " : "", run);
    free(run);
    return 0;
}
