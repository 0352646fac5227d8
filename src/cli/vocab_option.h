/* What --vocab and --cased mean wherever they are options. */
#ifndef CLOZE_CLI_VOCAB_OPTION_H
#define CLOZE_CLI_VOCAB_OPTION_H

#include "text/tokenizer.h"

/* A vocab.txt, with or without --cased, or a model directory, whose tokenizer brings its own
 * settings: there --cased is an error. NULL as a path means that the option, which is required, was
 * not given. The caller owns the tokenizer; NULL on failure. */
struct tokenizer *vocab_option_open(const char *path, bool cased, struct error *error);

/* The settings of a new vocabulary. */
struct tokenizer_options vocab_option_settings(bool cased);

#endif
