/* The tokenizer from inside: shared by the files of text/ that implement tokenizer.h and
 * text_encoder.h. */
#ifndef CLOZE_TEXT_TOKENIZER_INTERNAL_H
#define CLOZE_TEXT_TOKENIZER_INTERNAL_H

#include "text/added_tokens.h"
#include "text/tokenizer.h"
#include "text/wordpiece.h"

struct tokenizer {
    struct vocabulary *vocabulary;
    struct tokenizer_options options;
    struct normalizer *normalizer;
    struct wordpiece *wordpiece;
    struct added_tokens *added; /* NULL: the five of BERT, which the normalizer finds */
    struct tokenizer_given given;
    struct buffer note;
};

/* What the files hold, before a tokenizer is made of it. */
struct tokenizer_parts {
    struct vocabulary *vocabulary;
    struct tokenizer_options options;
    struct tokenizer_given given; /* those of the options that the files give */
    bool guessed;  /* whether the text is lower-cased, so that a note says what it is */
    bool has_code; /* which is not run, as a note says */
};

/* Composes the note of a tokenizer that was read from `path`. */
bool tokenizer_keep_note(struct tokenizer *tokenizer, const char *path,
                         const struct tokenizer_parts *parts, struct error *error);

/* Reads a model directory. The caller frees parts->vocabulary; on failure there is nothing to
 * free. */
bool tokenizer_read_files(const char *directory, struct tokenizer_parts *parts,
                          struct error *error);

#endif
