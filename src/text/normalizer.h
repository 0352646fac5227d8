/* Divides a text into normalized words, the input of WordPiece, as the BertNormalizer and
 * BertPreTokenizer of Hugging Face do.
 *
 *   1. Control characters (categories Cc, Cf, Co), U+0000, U+FFFD and ill-formed UTF-8 are dropped;
 *      every white space character, including \t \n \r, becomes a space.
 *   2. With tokenize_chinese_chars every Chinese character (eight ranges of CJK ideographs) is a
 *      word of its own.
 *   3. With strip_accents: canonical decomposition (NFD), then category Mn is dropped.
 *   4. With lowercase: the full mapping of each character, without context or locale.
 *   5. Words end at spaces. Every punctuation character is a word of its own: ASCII 33-47, 58-64,
 *      91-96, 123-126 and categories P*.
 *
 * Special tokens written in the text ("[MASK]", case matters) are found before step 1, even within
 * a word. The version of Unicode is that of the installed utf8proc, 15.0 in Debian 12. */
#ifndef CLOZE_TEXT_NORMALIZER_H
#define CLOZE_TEXT_NORMALIZER_H

#include "base/buffer.h"
#include "text/vocabulary.h"

enum strip_accents { STRIP_ACCENTS_AS_LOWERCASE, STRIP_ACCENTS_NO, STRIP_ACCENTS_YES };

struct tokenizer_options {
    bool lowercase;
    enum strip_accents strip_accents;
    bool tokenize_chinese_chars;
};

/* Returns whether strip_accents changes the character: a letter with an accent, or a mark, as for
 * vowels and tones in many scripts. */
bool has_accent(uint32_t code_point);

/* Returns whether text loses its accents. */
bool strips_accents(struct tokenizer_options options);

/* The normalized form of every code point with given options. Immutable: any number of threads may
 * use it. */
struct normalizer;

/* Returns NULL when memory is short. Classifies all of Unicode in some ten milliseconds. */
struct normalizer *normalizer_create(struct tokenizer_options options, struct error *error);
void normalizer_free(struct normalizer *normalizer);

/* Longer words are always [UNK], so their bytes are never needed. */
enum { WORD_MAX_CHARACTERS = 100, WORD_MAX_BYTES = 4 * WORD_MAX_CHARACTERS };

/* More bytes than the normalized form of any code point has. */
enum { WORD_SLACK = 32 };

enum word_kind {
    WORD_PLAIN,    /* bytes and size are set: 1 to WORD_MAX_BYTES bytes of normalized UTF-8 */
    WORD_TOO_LONG, /* more than WORD_MAX_CHARACTERS characters after normalization; no bytes */
    WORD_SPECIAL,  /* a special token written in the text; special is set, no bytes */
};

struct word {
    enum word_kind kind;
    enum special_token special;
    const char *bytes; /* owned by the reader and valid until its next word; not terminated; at
                          least WORD_SLACK bytes can be read */
    size_t size;
    const char *source; /* the word in the text, with the spaces before it */
    size_t source_size;
};

/* A position in a text, for one thread. It owns no memory. word_reader_* alone use the fields. */
struct word_reader {
    const struct normalizer *normalizer;
    const unsigned char *next; /* the first byte that has not been read */
    const unsigned char *end;
    size_t size;    /* bytes of the current word */
    size_t barrier; /* combining marks before this byte keep their places */
    bool plain;     /* treat special tokens as ordinary text */
    unsigned char bytes[WORD_MAX_BYTES + WORD_SLACK];
};

/* Starts at the beginning of the text, which must exist while its words are read. */
void word_reader_begin(struct word_reader *reader, const struct normalizer *normalizer,
                       const char *text, size_t size);

/* As word_reader_begin, but "[MASK]" is ordinary text: the caller has found the added tokens
 * already. */
void word_reader_begin_plain(struct word_reader *reader, const struct normalizer *normalizer,
                             const char *text, size_t size);

/* Appends the text after steps 1 to 4, in which added tokens with `normalized` are found.
 * Normalizing the result again does not change it. */
bool normalize_text(const struct normalizer *normalizer, const char *text, size_t size,
                    struct buffer *normalized, struct error *error);

/* Sets *word to the next word; returns false at the end of the text. Cannot fail.
 *
 *     struct word word;
 *     word_reader_begin(&reader, normalizer, text, size);
 *     while (word_reader_next(&reader, &word))
 *         if (word.kind == WORD_PLAIN)
 *             count(word.bytes, word.size); */
bool word_reader_next(struct word_reader *reader, struct word *word);

#endif
