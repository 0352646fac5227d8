/* A tokenizer turns text into ids (text/text_encoder.h) exactly as the BertTokenizer of Hugging
 * Face: by normalization, splitting and WordPiece. Special tokens written in the text are
 * recognized before anything else. */
#ifndef CLOZE_TEXT_TOKENIZER_H
#define CLOZE_TEXT_TOKENIZER_H

#include "base/log.h"
#include "text/normalizer.h"
#include "text/vocabulary.h"

/* The options of bert-base-uncased: lower case, accents stripped, Chinese characters as words. */
extern const struct tokenizer_options tokenizer_default_options;

/* Immutable: any number of threads may use it. */
struct tokenizer;

/* Takes over the vocabulary, and frees it on failure. Returns NULL when memory is short. */
struct tokenizer *tokenizer_create(struct vocabulary *vocabulary, struct tokenizer_options options,
                                   struct error *error);

/* The options that a source gives, such as files or a user. */
struct tokenizer_given {
    bool lowercase, strip_accents, tokenize_chinese_chars;
};

/* The options that the user asks for. */
struct tokenizer_wish {
    struct tokenizer_options options;
    struct tokenizer_given given; /* the options that the user gives; the others are ignored */
};

/* Reads a tokenizer from a model directory (tokenizer.json or vocab.txt, with
 * tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json), from a
 * tokenizer.json (any name that ends in .json) or from a vocab.txt.
 *
 * The flags of tokenizer_config.json take precedence over those of tokenizer.json, as in
 * transformers, unless its class takes tokenizer.json as it is. Options that the files do not give
 * are those of the wish (NULL: none), then the default. But if a directory does not give
 * `lowercase`, its tokens decide, and the note says how.
 *
 * It is an error if files and wish contradict each other, or if the files have something that a
 * BERT tokenizer does not have (another class, model type, normalizer or pre-tokenizer); errors
 * name the file and key. */
struct tokenizer *tokenizer_open(const char *path, const struct tokenizer_wish *wish,
                                 struct error *error);

/* As tokenizer_open without a wish; the path must be a directory. */
struct tokenizer *tokenizer_load(const char *directory, struct error *error);
void tokenizer_free(struct tokenizer *tokenizer);

const struct vocabulary *tokenizer_vocabulary(const struct tokenizer *tokenizer);
const struct normalizer *tokenizer_normalizer(const struct tokenizer *tokenizer);
struct tokenizer_options tokenizer_get_options(const struct tokenizer *tokenizer);

/* Returns which options the files give; none if the tokenizer was not read from files. */
struct tokenizer_given tokenizer_get_given(const struct tokenizer *tokenizer);

/* tokenizer_note returns what the user should know about how the files were read: a line or two
 * without a newline at the end, "" if there is nothing unusual. tokenizer_log_note logs its
 * lines. */
const char *tokenizer_note(const struct tokenizer *tokenizer);
void tokenizer_log_note(const struct tokenizer *tokenizer, struct log *log);

/* Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json into an
 * existing directory, as transformers reads them. model_max_length is the max length of the
 * sequences that the model was trained with; other programs truncate texts to it. */
bool tokenizer_save(const struct tokenizer *tokenizer, const char *directory, int model_max_length,
                    struct error *error);

/* Sets *length to the model_max_length of a directory's tokenizer_config.json, if it is from 1 to
 * `positions`; otherwise to `positions`. */
bool tokenizer_max_length(const char *directory, int positions, int *length, struct error *error);

/* Decodes ids to text for a person, as transformers does with clean-up: pieces are joined, and
 * there is no space before punctuation. Special tokens are left out unless with_special_tokens is
 * true; [PAD] is always left out. The caller owns the result; NULL when memory is short. */
char *tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count,
                       bool with_special_tokens, struct error *error);

#endif
