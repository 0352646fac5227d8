/* `cloze eval --minimal-pairs`: how often a model prefers the good sentence of a pair. */
#ifndef CLOZE_CLI_MINIMAL_PAIRS_H
#define CLOZE_CLI_MINIMAL_PAIRS_H

#include "base/log.h"
#include "cli/command.h"
#include "model/model.h"
#include "text/tokenizer.h"

#include <stdbool.h>

/* Scores the pairs of all files (data/minimal_pairs.h) by model/pseudo_likelihood.h and prints the
 * accuracy in all, by field and by UID: as JSON if `json`. Warns of sentences that are longer than
 * `trained` tokens, the longest of the model's training. */
bool minimal_pairs_evaluate(const struct model *model, const struct tokenizer *tokenizer,
                            const struct string_list *files, int trained, int threads, bool json,
                            struct log *log, struct error *error);

#endif
