/* The members of a tokenizer, for the files of text/ that implement tokenizer.h and
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
    struct added_tokens *added; /* NULL: only the five of BERT, which the normalizer finds */
    struct tokenizer_given given;
    struct buffer note;
};

/* The contents of the files, from which a tokenizer is made. */
struct tokenizer_parts {
    struct vocabulary *vocabulary;
    struct tokenizer_options options;
    struct tokenizer_given given; /* the options that the files give */
    bool guessed;  /* whether `lowercase` was guessed, so that the note says what was chosen */
    bool has_code; /* whether the files name code, so that the note says that it is not run */
};

/* Writes the note of a tokenizer that was read from `path`. */
bool tokenizer_keep_note(struct tokenizer *tokenizer, const char *path,
                         const struct tokenizer_parts *parts, struct error *error);

/* Reads a model directory. The caller frees parts->vocabulary; on failure there is nothing to
 * free. */
bool tokenizer_read_files(const char *directory, struct tokenizer_parts *parts,
                          struct error *error);

#endif
