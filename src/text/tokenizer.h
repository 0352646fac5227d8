/* Text to ids, exactly as the BertTokenizer of Hugging Face: normalization, splitting, WordPiece.
 * Special tokens written in the text are recognized before anything else. */
#ifndef CLOZE_TEXT_TOKENIZER_H
#define CLOZE_TEXT_TOKENIZER_H

#include "text/normalizer.h"
#include "text/vocabulary.h"

/* lowercase, accents stripped with it, Chinese characters apart: bert-base-uncased. */
extern const struct tokenizer_options tokenizer_default_options;

/* Immutable, shared by all threads. */
struct tokenizer;

/* Takes the vocabulary over, also on failure (then it is freed). */
struct tokenizer *tokenizer_create(struct vocabulary *vocabulary, struct tokenizer_options options,
                                   struct error *error);

/* Reads a model directory: tokenizer.json (vocabulary and flags) if it is there, otherwise
 * vocab.txt and the default flags. The flags that tokenizer_config.json gives come before both, as
 * in transformers; beside tokenizer.json only if its class is BertTokenizer or none. Anything a
 * BERT tokenizer does not have (another model type, normalizer or pre-tokenizer) is an error that
 * names the file and key. */
struct tokenizer *tokenizer_load(const char *directory, struct error *error);
void tokenizer_free(struct tokenizer *tokenizer);

const struct vocabulary *tokenizer_vocabulary(const struct tokenizer *tokenizer);
struct tokenizer_options tokenizer_get_options(const struct tokenizer *tokenizer);

/* Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json into an
 * existing directory, as transformers reads them; model_max_length is max_position_embeddings. */
bool tokenizer_save(const struct tokenizer *tokenizer, const char *directory, int model_max_length,
                    struct error *error);

/* The working memory of one thread. */
struct encoder;

struct encoder *encoder_create(const struct tokenizer *tokenizer, struct error *error);
void encoder_free(struct encoder *encoder);

/* The ids of a text, without [CLS] and [SEP]. Invalid UTF-8 counts as U+FFFD, one per maximal
 * ill-formed subpart, which normalization drops. *ids belongs to the encoder and lasts until its
 * next call. */
bool encoder_encode(struct encoder *encoder, const char *text, size_t size, const int32_t **ids,
                    size_t *count, struct error *error);

/* Ids to text for a person, as the decoder of transformers with clean-up: pieces joined, no space
 * before punctuation; special tokens are left out unless wanted, [PAD] always. The result is owned
 * by the caller; NULL when memory is short. */
char *tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count,
                       bool with_special_tokens, struct error *error);

#endif
