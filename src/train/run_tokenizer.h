/* The tokenizer of a run: read, taken from the model that it continues, or trained. */
#ifndef CLOZE_TRAIN_RUN_TOKENIZER_H
#define CLOZE_TRAIN_RUN_TOKENIZER_H

#include "base/log.h"
#include "text/tokenizer.h"
#include "train/run_config.h"

/* With tokenizer.vocab: that vocabulary and the configured options; next to model.init_from it must
 * be the model's vocabulary, longer or not, and config_resolve sees to it that the options are the
 * model's. With model.init_from alone: the model's tokenizer and its options. Otherwise
 * OUTPUT/vocab.txt, trained on data.train unless OUTPUT/vocabulary.json says that it has been
 * trained on just these files with these settings. OUTPUT must exist. NULL on failure; the caller
 * owns the result. */
struct tokenizer *run_tokenizer_open(const struct run_config *config, int threads, struct log *log,
                                     struct error *error);

#endif
