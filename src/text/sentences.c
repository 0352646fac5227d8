#include "text/sentences.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/plain_sentences.h"

#include <stdlib.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>

struct sentence_splitter {
    UBreakIterator *iterator;
    UText *text;
    size_t *ends;
    size_t capacity;
};

static bool fail_icu(struct error *error, UErrorCode status)
{
    return fail_work(error, "cannot find sentences: ICU says %s", u_errorName(status));
}

static bool open_iterator(struct sentence_splitter *splitter, struct error *error)
{
    UErrorCode status = U_ZERO_ERROR;
    splitter->iterator = ubrk_open(UBRK_SENTENCE, "", NULL, 0, &status);
    return U_SUCCESS(status) || fail_icu(error, status);
}

struct sentence_splitter *sentence_splitter_create(struct error *error)
{
    struct sentence_splitter *splitter = allocate(1, sizeof *splitter, error);
    if (!splitter)
        return NULL;
    if (!open_iterator(splitter, error)) {
        sentence_splitter_free(splitter);
        return NULL;
    }
    return splitter;
}

void sentence_splitter_free(struct sentence_splitter *splitter)
{
    if (!splitter)
        return;
    if (splitter->iterator)
        ubrk_close(splitter->iterator);
    if (splitter->text)
        utext_close(splitter->text);
    free(splitter->ends);
    free(splitter);
}

static bool set_text(struct sentence_splitter *splitter, const char *text, size_t size,
                     struct error *error)
{
    if (size > INT32_MAX)
        return fail_input(error, "a paragraph of %zu bytes; expected at most %d", size, INT32_MAX);
    UErrorCode status = U_ZERO_ERROR;
    splitter->text = utext_openUTF8(splitter->text, text, (int64_t)size, &status);
    ubrk_setUText(splitter->iterator, splitter->text, &status);
    return U_SUCCESS(status) || fail_icu(error, status);
}

static bool is_white(const char *text, size_t first, size_t last)
{
    while (first < last)
        if (!u_isUWhiteSpace((UChar32)utf8_decode(text, last, &first)))
            return false;
    return true;
}

static bool append_end(struct sentence_splitter *splitter, size_t sentences, size_t end,
                       struct error *error)
{
    if (!grow(&splitter->ends, &splitter->capacity, sentences + 1, sizeof *splitter->ends, error))
        return false;
    splitter->ends[sentences] = end;
    return true;
}

static bool split_with_icu(struct sentence_splitter *splitter, const char *text, size_t size,
                           size_t *count, struct error *error)
{
    if (!set_text(splitter, text, size, error))
        return false;
    size_t sentences = 0, start = 0;
    bool only_white = true; /* the text before `start` is white space */
    for (int32_t place; (place = ubrk_next(splitter->iterator)) != UBRK_DONE;) {
        size_t end = (size_t)place;
        bool white = is_white(text, start, end);
        if (sentences > 0 && (white || only_white))
            splitter->ends[sentences - 1] = end;
        else if (!append_end(splitter, sentences++, end, error))
            return false;
        only_white = only_white && white;
        start = end;
    }
    *count = sentences;
    return true;
}

bool sentence_splitter_split(struct sentence_splitter *splitter, const char *text, size_t size,
                             const size_t **ends, size_t *count, struct error *error)
{
    size_t sentences = 0, end = 0;
    bool plain = size <= INT32_MAX;
    for (size_t start = 0; start < size && plain; start = end) {
        plain = plain_sentence_end(text, size, start, &end) == PLAIN_SENTENCE;
        if (plain && !append_end(splitter, sentences++, end, error))
            return false;
    }
    *count = sentences;
    if (!plain && !split_with_icu(splitter, text, size, count, error))
        return false;
    *ends = splitter->ends;
    return true;
}
