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

#endif
