#include "base/utf8.h"
#include "text/normalizer.h"

#include <utf8proc.h>

struct letters {
    bool upper, lower, accented;
};

/* Returns which kinds of letters the token has. Names like [unused7] or <mask> do not count. */
static struct letters find_letters(const char *token, size_t size)
{
    struct letters found = {0};
    if (token[0] == '[' || token[0] == '<')
        return found;
    for (size_t place = 0; place < size;) {
        uint32_t code_point = utf8_decode(token, size, &place);
        utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code_point);
        found.upper |= category == UTF8PROC_CATEGORY_LU;
        found.lower |= category == UTF8PROC_CATEGORY_LL;
        found.accented |= has_accent(code_point);
    }
    return found;
}

bool vocabulary_looks_cased(const struct vocabulary *vocabulary)
{
    /* Every third token of a cased vocabulary has an upper-case letter. A vocabulary of lower-cased
     * text has upper-case letters only by accident. */
    enum { MIN_SHARE = 100 };
    size_t upper = 0, lower = 0;
    for (int32_t id = 0; id < vocabulary_line_count(vocabulary); id++) {
        struct letters letters =
            find_letters(vocabulary_token(vocabulary, id), vocabulary_token_size(vocabulary, id));
        upper += letters.upper;
        lower += letters.lower;
    }
    return upper > 0 && upper * MIN_SHARE >= lower;
}

bool vocabulary_looks_accented(const struct vocabulary *vocabulary)
{
    enum { MIN_SHARE = 100 }; /* as for upper case */
    size_t accented = 0, others = 0;
    for (int32_t id = 0; id < vocabulary_line_count(vocabulary); id++) {
        struct letters letters =
            find_letters(vocabulary_token(vocabulary, id), vocabulary_token_size(vocabulary, id));
        accented += letters.accented;
        others += !letters.accented;
    }
    return accented > 0 && accented * MIN_SHARE >= others;
}
