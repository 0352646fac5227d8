/* A tokenizer turns text into ids (text/text_encoder.h) exactly as the BertTokenizer of Hugging
 * Face: by normalization, splitting and WordPiece. Special tokens written in the text are
 * recognized before anything else. */
#ifndef CLOZE_TEXT_TOKENIZER_H
#define CLOZE_TEXT_TOKENIZER_H

#include "base/log.h"
#include "text/normalizer.h"
#include "text/vocabulary.h"

/* lowercase, accents stripped with it, Chinese characters apart: bert-base-uncased. */
extern const struct tokenizer_options tokenizer_default_options;

/* Immutable, shared by all threads. */
struct tokenizer;

/* Takes the vocabulary over, also on failure (then it is freed). */
struct tokenizer *tokenizer_create(struct vocabulary *vocabulary, struct tokenizer_options options,
                                   struct error *error);

/* Which of the options something gives. */
struct tokenizer_given {
    bool lowercase, strip_accents, tokenize_chinese_chars;
};

/* The options that a person asks for. */
struct tokenizer_wish {
    struct tokenizer_options options;
    struct tokenizer_given given; /* which of them */
};

/* Reads a model directory (tokenizer.json or vocab.txt, and what tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json and config.json say), a tokenizer.json (a name that
 * ends in .json) or a vocab.txt. The flags of tokenizer_config.json come before those of
 * tokenizer.json, as in transformers, unless its class takes tokenizer.json as it is. What the
 * files do not say is as wished (NULL: nothing is), then by default, except that a directory which
 * does not say whether it lower-cases text does what its tokens look like; the note says what was
 * taken. Files that say otherwise than wished are an error, as is anything that a BERT tokenizer
 * does not have (another class, model type, normalizer or pre-tokenizer); errors name the file and
 * key. */
struct tokenizer *tokenizer_open(const char *path, const struct tokenizer_wish *wish,
                                 struct error *error);

/* tokenizer_open of what must be a directory. */
struct tokenizer *tokenizer_load(const char *directory, struct error *error);
void tokenizer_free(struct tokenizer *tokenizer);

const struct vocabulary *tokenizer_vocabulary(const struct tokenizer *tokenizer);
struct tokenizer_options tokenizer_get_options(const struct tokenizer *tokenizer);

/* Which of its options its files give; a tokenizer that was not read says none. */
struct tokenizer_given tokenizer_get_given(const struct tokenizer *tokenizer);

/* What a person should know about how the files were read: a line or two without a newline at the
 * end, "" if nothing is odd. And the same as lines of a log. */
const char *tokenizer_note(const struct tokenizer *tokenizer);
void tokenizer_log_note(const struct tokenizer *tokenizer, struct log *log);

/* Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json into an
 * existing directory, as transformers reads them; model_max_length is the length of the longest
 * sequences that the model was trained with: others cut texts there. */
bool tokenizer_save(const struct tokenizer *tokenizer, const char *directory, int model_max_length,
                    struct error *error);

/* The model_max_length that a directory's tokenizer_config.json gives, where that is a length that
 * a model of so many positions has; otherwise `positions`. */
bool tokenizer_max_length(const char *directory, int positions, int *length, struct error *error);

/* Ids to text for a person, as the decoder of transformers with clean-up: pieces joined, no space
 * before punctuation; special tokens are left out unless wanted, [PAD] always. The result is owned
 * by the caller; NULL when memory is short. */
char *tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count,
                       bool with_special_tokens, struct error *error);

#endif
