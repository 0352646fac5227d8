/* Text to words, as the BertNormalizer and BertPreTokenizer of Hugging Face do: what comes before
 * WordPiece.
 *
 *   1. Control characters (categories Cc, Cf, Co), U+0000, U+FFFD and ill-formed UTF-8 are dropped;
 *      every white space character, also \t \n \r, is a space.
 *   2. Every Chinese character (eight ranges of CJK ideographs) is a word of its own, if so asked.
 *   3. Accents go, if so asked: canonical decomposition (NFD), then category Mn is dropped.
 *   4. Lower case, if so asked: the full mapping of each character, without context or locale.
 *   5. Words end at spaces. Every punctuation character is a word of its own: ASCII 33-47, 58-64,
 *      91-96, 123-126 and categories P*.
 *
 * Special tokens written in the text ("[MASK]", case matters) are found before step 1, even within
 * a word. Unicode 15.0, as utf8proc 2.8 has it. */
#ifndef CLOZE_TEXT_NORMALIZER_H
#define CLOZE_TEXT_NORMALIZER_H

#include "text/vocabulary.h"

enum strip_accents { STRIP_ACCENTS_AS_LOWERCASE, STRIP_ACCENTS_NO, STRIP_ACCENTS_YES };

struct tokenizer_options {
    bool lowercase;
    enum strip_accents strip_accents;
    bool tokenize_chinese_chars;
};

/* What becomes of every code point under given options. Immutable, shared by all threads. */
struct normalizer;

/* NULL when memory is short. Classifies all of Unicode: some ten milliseconds. */
struct normalizer *normalizer_create(struct tokenizer_options options, struct error *error);
void normalizer_free(struct normalizer *normalizer);

/* Longer words are [UNK] whatever they are made of, so their bytes are never needed. */
enum { WORD_MAX_CHARACTERS = 100, WORD_MAX_BYTES = 4 * WORD_MAX_CHARACTERS };

/* More than any code point becomes. */
enum { WORD_SLACK = 32 };

enum word_kind {
    WORD_PLAIN,    /* bytes and size are set: 1 to WORD_MAX_BYTES bytes of normalized UTF-8 */
    WORD_TOO_LONG, /* over WORD_MAX_CHARACTERS characters after normalization; no bytes */
    WORD_SPECIAL,  /* a special token written in the text; special is set, no bytes */
};

struct word {
    enum word_kind kind;
    enum special_token special;
    const char *bytes; /* belongs to the reader, until its next word; not terminated, and WORD_SLACK
                          bytes may always be read */
    size_t size;
};

/* A place in a text, of one thread. It needs no clean-up: it owns nothing. The fields are
 * word_reader_*'s own. */
struct word_reader {
    const struct normalizer *normalizer;
    const unsigned char *next; /* not yet read */
    const unsigned char *end;
    size_t size;    /* bytes of the word at hand */
    size_t barrier; /* combining marks before this byte stay where they are */
    unsigned char bytes[WORD_MAX_BYTES + WORD_SLACK];
};

/* Starts at the beginning of the text, which must stay while its words are read. */
void word_reader_begin(struct word_reader *reader, const struct normalizer *normalizer,
                       const char *text, size_t size);

/* The next word; false at the end of the text. Cannot fail.
 *
 *     struct word word;
 *     word_reader_begin(&reader, normalizer, text, size);
 *     while (word_reader_next(&reader, &word))
 *         if (word.kind == WORD_PLAIN)
 *             count(word.bytes, word.size);
 */
bool word_reader_next(struct word_reader *reader, struct word *word);

#endif
