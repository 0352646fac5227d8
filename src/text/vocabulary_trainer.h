/* Trains a WordPiece vocabulary: byte-pair merges of the most frequent pair over normalized words,
 * as the BertWordPieceTrainer of Hugging Face tokenizers does. The result depends only on the words
 * and their counts, not on their order or the number of threads.
 *
 * The vocabulary holds, in this order:
 *   1. the five special tokens: [PAD] [UNK] [CLS] [SEP] [MASK];
 *   2. the alphabet: single characters by falling frequency, then by code point; first all of them
 *      without "##", then those that occur within a word with "##";
 *   3. merged tokens in the order of their merges (text/pair_merges.h);
 *   4. where no pair is left to merge: rare characters that the alphabet has left out.
 * The alphabet has all characters. Where those after the ALPHABET_LIMIT most frequent ones make up
 * at most one in ALPHABET_LOSS of the text, it has only these; vocabulary_trainer_limit can set
 * another number. A character rarer than one in ALPHABET_RARE is in it only while it has at most
 * half of the vocabulary, so that there is room for merges. Words with a character outside the
 * alphabet are [UNK] to WordPiece and are left out of the merges; words of more than
 * WORD_MAX_CHARACTERS are not counted.
 *
 * A vocabulary that extends another one has the old tokens first, with their ids, then the
 * characters that the old one lacks, then merges. These start from the pieces into which WordPiece
 * splits words with the old tokens and the new characters, so that WordPiece uses the new tokens.
 *
 * Memory grows with the number of different words, not with the size of the text: some 60 bytes for
 * each word and 16 for each of its characters. With a memory bound the rarest words are dropped
 * whenever a round of the text ends with too many; the rounds depend on the bound, not on the
 * threads. */
#ifndef CLOZE_TEXT_VOCABULARY_TRAINER_H
#define CLOZE_TEXT_VOCABULARY_TRAINER_H

#include "text/tokenizer.h"
#include "text/word_counts.h"

/* ALPHABET_LIMIT is Hugging Face's limit_alphabet; ALPHABET_LOSS corresponds to 99.95 % of the
 * text, SentencePiece's character_coverage. */
enum { ALPHABET_LIMIT = 1000, ALPHABET_RARE = 10000, ALPHABET_LOSS = 2000 };

struct vocabulary_trainer;

/* Returns NULL when memory is short. */
struct vocabulary_trainer *vocabulary_trainer_create(struct tokenizer_options options, int threads,
                                                     struct error *error);
void vocabulary_trainer_free(struct vocabulary_trainer *trainer); /* NULL is accepted */

/* Counts the words of a text. Calls with different `thread`s, from 0 to threads - 1, may run at the
 * same time. Special tokens written in the text are not words. */
bool vocabulary_trainer_add(struct vocabulary_trainer *trainer, int thread, const char *text,
                            size_t size, struct error *error);

/* Sets the max number of characters in the alphabet; 0: the rule above. Call it before finish. */
void vocabulary_trainer_limit(struct vocabulary_trainer *trainer, size_t characters);

/* Makes the vocabulary an extension of `old`, which the caller owns and which must exist until
 * finish. */
void vocabulary_trainer_extend(struct vocabulary_trainer *trainer, const struct vocabulary *old);

/* Bounds the memory of the trainer, in bytes; 0, the default: no bound. */
void vocabulary_trainer_bound(struct vocabulary_trainer *trainer, size_t memory);

/* Returns the size of the text of a round in bytes; SIZE_MAX without a bound. */
size_t vocabulary_trainer_round_size(const struct vocabulary_trainer *trainer);

/* Ends a round and drops words if there are too many. No other call may run at the same time. */
bool vocabulary_trainer_end_round(struct vocabulary_trainer *trainer, struct error *error);

/* Returns the vocabulary of `size` tokens, or fewer when no pair is left to merge; the caller owns
 * it. A text without words is an error, and so is a size that leaves no room for a character. It
 * frees the counts, so only vocabulary_trainer_report and _free may be called afterwards. */
struct vocabulary *vocabulary_trainer_finish(struct vocabulary_trainer *trainer, int32_t size,
                                             struct error *error);

/* The words and characters that the vocabulary leaves out. */
struct vocabulary_report {
    struct words_dropped dropped; /* words dropped because of the memory bound */
    size_t characters;            /* number of different characters outside the vocabulary */
    double character_share;       /* their share of all characters of the text, 0 to 1 */
    uint64_t long_words; /* occurrences of words of more than WORD_MAX_CHARACTERS characters */
};

struct vocabulary_report vocabulary_trainer_report(const struct vocabulary_trainer *trainer);

#endif
