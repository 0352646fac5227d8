/* Encodes texts for a task:
 *
 *     [CLS] text [SEP]                     a text
 *     [CLS] text [SEP] second text [SEP]   a pair; segment 1 begins after the first [SEP]
 *     [CLS] words [SEP]                    a text of words, each encoded by itself
 *
 * What is longer than max_length is cut: a text or words at the end; of a pair, tokens at the end
 * of the longer text until it fits, then of both, so that their lengths differ by at most one. When
 * both are cut and an odd number is left, the longer one, or the second of equals, has one more.
 * This is "longest_first" of transformers' fast tokenizers.
 *
 * A text that is empty or has no token is [CLS] [SEP]. A word without a token, such as a lone
 * control character, has no prediction, and neither has a word that is cut; of a word whose first
 * piece is left there is one. */
#ifndef CLOZE_DATA_LABELLED_ENCODER_H
#define CLOZE_DATA_LABELLED_ENCODER_H

#include "data/cells.h"
#include "text/tokenizer.h"

/* Used by one thread. */
struct labelled_encoder;

enum { NO_PREDICTION = -1 };

/* It belongs to the encoder until its next call. */
struct labelled_sequence {
    const int32_t *ids; /* [length] */
    int length;
    int first_segment;          /* tokens of segment 0; the others are of segment 1 */
    int tokens;                 /* of the texts before they were cut, without special tokens */
    int unknown;                /* [UNK] among these */
    const int32_t *word_tokens; /* [word_count] index of each word's first piece; NO_PREDICTION */
    size_t word_count;          /* 0 if there are no words */
    size_t words_without_token; /* among words with NO_PREDICTION */
    bool cut;
};

/* The tokenizer must outlive the encoder. Returns NULL if max_length is less than 3, which are the
 * special tokens of a pair, or when memory is short. */
struct labelled_encoder *labelled_encoder_create(const struct tokenizer *tokenizer, int max_length,
                                                 struct error *error);
void labelled_encoder_free(struct labelled_encoder *encoder); /* NULL is accepted */

/* Encodes a text, or a pair if text_pair.text is not NULL. Fails only when memory is short. */
bool labelled_encode_texts(struct labelled_encoder *encoder, struct cell text,
                           struct cell text_pair, struct labelled_sequence *sequence,
                           struct error *error);

/* Encodes a text of words. Fails only when memory is short. */
bool labelled_encode_words(struct labelled_encoder *encoder, const struct cells *words,
                           struct labelled_sequence *sequence, struct error *error);

#endif
