/* The tokenizer from inside: shared by the files of text/ that implement tokenizer.h. */
#ifndef CLOZE_TEXT_TOKENIZER_INTERNAL_H
#define CLOZE_TEXT_TOKENIZER_INTERNAL_H

#include "text/tokenizer.h"
#include "text/wordpiece.h"

struct tokenizer {
    struct vocabulary *vocabulary;
    struct tokenizer_options options;
    struct normalizer *normalizer;
    struct wordpiece *wordpiece;
};

/* What tokenizer_load reads of a model directory, before a tokenizer is made of it. The caller
 * frees *vocabulary; on failure there is nothing to free. */
bool tokenizer_read_files(const char *directory, struct vocabulary **vocabulary,
                          struct tokenizer_options *options, struct error *error);

#endif
