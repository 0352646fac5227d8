/* The tokenizer of a run: read, taken from the model that it continues, or trained. */
#ifndef CLOZE_TRAIN_RUN_TOKENIZER_H
#define CLOZE_TRAIN_RUN_TOKENIZER_H

#include "base/log.h"
#include "text/tokenizer.h"
#include "train/run_config.h"

/* Opens the tokenizer of a new run. With tokenizer.vocab it has that vocabulary and the configured
 * options; with model.init_from as well, the vocabulary must be the model's or extend it, and
 * run_config_resolve makes sure that the options are the model's. With model.init_from alone it is
 * the model's tokenizer with its options. Otherwise it has OUTPUT/vocab.txt, which is trained on
 * data.train unless OUTPUT/vocabulary.json says that it was trained on exactly these files with
 * these settings. If it is trained now, *trained is set to true. OUTPUT must exist. NULL on
 * failure; the caller owns the result. */
struct tokenizer *run_tokenizer_open(const struct run_config *config, int threads, bool *trained,
                                     struct log *log, struct error *error);

/* Opens the tokenizer of a resumed run: the checkpoint's, whether or not the files it was made from
 * still exist. A different vocabulary in tokenizer.vocab is an error. Changes no file. */
struct tokenizer *run_tokenizer_resume(const struct run_config *config, const char *checkpoint,
                                       struct error *error);

/* Writes OUTPUT/vocab.txt if it is missing. If somebody has changed it, it stays, with a
 * warning. */
bool run_tokenizer_restore(const struct run_config *config, const struct tokenizer *tokenizer,
                           struct log *log, struct error *error);

#endif
