/* The tokenizer at a path that a person gives, in all commands and keys that take one. */
#ifndef CLOZE_CHECKPOINT_TOKENIZER_SOURCE_H
#define CLOZE_CHECKPOINT_TOKENIZER_SOURCE_H

#include "base/log.h"
#include "text/tokenizer.h"

/* Opens the tokenizer of a vocab.txt, a tokenizer.json, a model directory, a checkpoint, a
 * directory of sentence-transformers, or a run directory, which stands for its latest checkpoint,
 * or for its vocab.txt if it has none. Logs the tokenizer's note. NULL on failure; the caller owns
 * the result. */
struct tokenizer *tokenizer_source_open(const char *path, const struct tokenizer_wish *wish,
                                        struct log *log, struct error *error);

#endif
