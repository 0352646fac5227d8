/* What is unusual about a pre-training run: what somebody who has trained many models would say on
 * looking at it. Each is said once, as a warning; what guessing would give is said in any case.
 * Fine-tuning has the signs of threads and vocabulary alone. */
#ifndef CLOZE_TRAIN_SIGNS_H
#define CLOZE_TRAIN_SIGNS_H

#include "data/unigram.h"

#include <stdbool.h>

struct run;
struct progress_evaluation;
struct objective_sums;

struct signs {
    struct unigram guess; /* of the held-out text from the training text */
    bool guess_known;
    bool plateau_said, rise_said;
};

/* Logs, after the banner, what guessing by token frequency gives, and warns of settings that do not
 * fit the machine and of a text that does not fit the settings. Reads the training tokens once. */
void signs_begin(struct signs *signs, const struct run *run);

/* Warns of losses that do not move, where nothing is held out: of the steps since the last
 * record. */
void signs_of_steps(struct signs *signs, const struct run *run, const struct objective_sums *sums);

/* Warns, after an evaluation, of losses that do not move or that rise. */
void signs_of_evaluation(struct signs *signs, const struct run *run,
                         const struct progress_evaluation *evaluation);

#endif
