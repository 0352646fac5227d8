/* The options --vocab and --cased, which mean the same in all commands. */
#ifndef CLOZE_CLI_VOCAB_OPTION_H
#define CLOZE_CLI_VOCAB_OPTION_H

#include "text/tokenizer.h"

/* Opens the tokenizer of a vocab.txt, a tokenizer.json, a model directory, a checkpoint or a run
 * directory. If the files do not determine whether text is lower-cased, --cased does, and the
 * assumption is logged on stderr; files that contradict --cased are an error. A NULL path means
 * that the option was not given, which is an error too. The caller owns the tokenizer; NULL on
 * failure. */
struct tokenizer *vocab_option_open(const char *path, bool cased, struct error *error);

/* Returns the settings of a new vocabulary. */
struct tokenizer_options vocab_option_settings(bool cased);

#endif
