#include "text/plain_sentences.h"

#include <unicode/uchar.h>

/* The classes of Annex 29 (table 4) among the ASCII characters. */

static bool is_lower(unsigned char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_numeric(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_terminator(unsigned char c)
{
    return c == '.' || c == '!' || c == '?';
}

static bool is_close(unsigned char c)
{
    return c == '"' || c == '\'' || c == '(' || c == ')' || c == '[' || c == ']' || c == '{' ||
           c == '}';
}

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

/* The class SContinue. Unicode 15.1 has added the semicolon to it, so this asks the installed ICU,
 * as its own break iterator does; once for each terminator, not for each character. */
static bool continues_sentence(unsigned char c)
{
    return u_getIntPropertyValue(c, UCHAR_SENTENCE_BREAK) == U_SB_SCONTINUE;
}

/* True for line breaks and for the first byte of every character outside ASCII. */
static bool is_foreign(unsigned char c)
{
    return c == '\n' || c == '\r' || c >= 0xC0;
}

/* True for foreign characters that cannot end a sentence: U+0080 to U+057F without the line break
 * U+0085, and the dashes and quotation marks U+2010 to U+201F. */
static bool is_harmless(const unsigned char *text, size_t size, size_t place)
{
    unsigned char first = text[place];
    unsigned char second = place + 1 < size ? text[place + 1] : 0;
    unsigned char third = place + 2 < size ? text[place + 2] : 0;
    if (first == 0xC2)
        return second != 0x85;
    if (first == 0xE2)
        return second == 0x80 && third >= 0x90 && third <= 0x9F;
    return first >= 0xC3 && first <= 0xD5;
}

/* Returns the offset of the next terminator or foreign character, or `size`. Most bytes are
 * neither: the table makes this several times as fast as comparing with each of them. */
static size_t find_candidate(const unsigned char *text, size_t size, size_t place)
{
    static const bool is_candidate[0xC0] = {
        ['.'] = true, ['!'] = true, ['?'] = true, ['\n'] = true, ['\r'] = true};
    while (place < size && text[place] < 0xC0 && !is_candidate[text[place]])
        place++;
    return place;
}

enum verdict { NO_BREAK, BREAK, UNSURE };

/* Rule SB8: no break if a lower-case letter comes before any other letter or terminator. */
static enum verdict judge_next_letter(const unsigned char *text, size_t size, size_t place)
{
    for (; place < size; place++) {
        unsigned char c = text[place];
        if (c >= 0x80 || is_foreign(c))
            return UNSURE;
        if (is_lower(c))
            return NO_BREAK;
        if (is_upper(c) || is_terminator(c))
            return BREAK;
    }
    return BREAK;
}

/* Judges whether a boundary follows a terminator and its Close* Sp*, at *after < size. */
static enum verdict judge(const unsigned char *text, size_t size, size_t terminator, size_t *after)
{
    size_t place = terminator + 1;
    while (place < size && is_close(text[place]))
        place++;
    while (place < size && is_space(text[place]))
        place++;
    *after = place;
    if (place == size)
        return NO_BREAK;
    unsigned char next = text[place];
    if (next >= 0x80 || is_foreign(next))
        return UNSURE;
    if (continues_sentence(next) || is_terminator(next))
        return NO_BREAK; /* SB8a */
    if (text[terminator] != '.')
        return BREAK; /* SB11 */
    if (place == terminator + 1 && is_numeric(next))
        return NO_BREAK; /* SB6 */
    if (place == terminator + 1 && is_upper(next) && terminator > 0) {
        unsigned char before = text[terminator - 1];
        if (before >= 0x80)
            return UNSURE;
        if (is_upper(before) || is_lower(before))
            return NO_BREAK; /* SB7 */
    }
    return judge_next_letter(text, size, place);
}

enum plain_sentence plain_sentence_end(const char *text, size_t size, size_t start, size_t *end)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t place = start;
    while ((place = find_candidate(bytes, size, place)) < size) {
        if (is_foreign(bytes[place])) {
            if (!is_harmless(bytes, size, place))
                return PLAIN_UNSURE;
            place++;
            continue;
        }
        enum verdict verdict = judge(bytes, size, place, &place);
        if (verdict == UNSURE)
            return PLAIN_UNSURE;
        if (verdict == BREAK)
            break;
    }
    *end = place;
    return PLAIN_SENTENCE;
}
