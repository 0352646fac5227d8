/* Trains a WordPiece vocabulary: byte-pair merges of the most frequent pair over normalized words
 * (reference: the BertWordPieceTrainer of Hugging Face tokenizers). The result depends on nothing
 * but the words and their counts: not on their order, not on the number of threads.
 *
 * The vocabulary holds, in this order:
 *   1. the five special tokens: [PAD] [UNK] [CLS] [SEP] [MASK];
 *   2. the alphabet: single characters by falling frequency, then by code point; first all of them
 * bare, then, with "##", those that occur within a word;
 *   3. merged tokens in the order of their merges, see text/pair_merges.h.
 * The alphabet is the ALPHABET_LIMIT most frequent characters. In a small vocabulary the characters
 * that are rarer than one in ALPHABET_RARE fill at most half of it. Words with a character outside
 * the alphabet are [UNK] to WordPiece and take no part in the merges; words of more than
 * WORD_MAX_CHARACTERS are not counted at all.
 *
 * Memory grows with the number of different words, not with the text: some 60 bytes for a word and
 * 16 for each of its characters. */
#ifndef CLOZE_TEXT_VOCABULARY_TRAINER_H
#define CLOZE_TEXT_VOCABULARY_TRAINER_H

#include "text/tokenizer.h"

/* Hugging Face's limit_alphabet. */
enum { ALPHABET_LIMIT = 1000, ALPHABET_RARE = 10000 };

struct vocabulary_trainer;

/* NULL when memory is short. */
struct vocabulary_trainer *vocabulary_trainer_create(struct tokenizer_options options, int threads,
                                                     struct error *error);
void vocabulary_trainer_free(struct vocabulary_trainer *trainer); /* NULL is accepted */

/* Counts the words of a text; `thread` (0 .. threads-1) may be called at the same time as the
 * others. Special tokens written in the text are not words. */
bool vocabulary_trainer_add(struct vocabulary_trainer *trainer, int thread, const char *text,
                            size_t size, struct error *error);

/* The vocabulary of `size` tokens, fewer when the text has no more merges to give; the caller owns
 * it. A text without words and a size that leaves no room for a character are errors. Must be the
 * last call: the counts are used up. */
struct vocabulary *vocabulary_trainer_finish(struct vocabulary_trainer *trainer, int32_t size,
                                             struct error *error);

#endif
