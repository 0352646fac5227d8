/* Sentences: the quick way for plain text against ICU, and what holds for every split. */
#include "fuzz/support.h"
#include "text/plain_sentences.h"
#include "text/sentences.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/ubrk.h>

/* Where ICU ends the sentences of a text, if asked directly. White sentences are not joined. */
static size_t icu_ends(const char *text, size_t size, size_t *ends)
{
    static UBreakIterator *iterator;
    UErrorCode status = U_ZERO_ERROR;
    if (!iterator)
        iterator = ubrk_open(UBRK_SENTENCE, "", NULL, 0, &status);
    UText *source = utext_openUTF8(NULL, text, (int64_t)size, &status);
    ubrk_setUText(iterator, source, &status);
    CHECK(U_SUCCESS(status));
    size_t count = 0;
    for (int32_t place; (place = ubrk_next(iterator)) != UBRK_DONE;)
        ends[count++] = (size_t)place;
    utext_close(source);
    return count;
}

/* Each end that the quick way is sure of is ICU's next end, if it is sure to the end of the
 * text. */
static void check_plain(const char *text, size_t size, const size_t *expected, size_t count)
{
    size_t end = 0, found = 0;
    size_t *ends = calloc(size + 1, sizeof *ends);
    bool sure = true;
    CHECK(ends);
    for (size_t start = 0; start < size && sure; start = end) {
        sure = plain_sentence_end(text, size, start, &end) == PLAIN_SENTENCE;
        CHECK(!sure || (end > start && end <= size));
        ends[found++] = end;
    }
    if (sure)
        CHECK(found == count && (!count || memcmp(ends, expected, count * sizeof *ends) == 0));
    free(ends);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sentence_splitter *splitter;
    struct error error = {0};
    const size_t *ends;
    size_t count;
    if (!splitter)
        splitter = sentence_splitter_create(&error);
    CHECK(splitter);
    char *text = malloc(size ? size : 1);
    size_t *expected = calloc(size + 1, sizeof *expected);
    CHECK(text && expected);
    if (size)
        memcpy(text, data, size);
    check_plain(text, size, expected, icu_ends(text, size, expected));
    CHECK(sentence_splitter_split(splitter, text, size, &ends, &count, &error));
    CHECK((size == 0) == (count == 0) && (!count || ends[count - 1] == size));
    for (size_t i = 0; i < count; i++)
        CHECK(ends[i] > (i ? ends[i - 1] : 0));
    free(text);
    free(expected);
    return 0;
}

void fuzz_seeds(void)
{
    fuzz_seed_text("plain",
                   "One. Two! \"Three?\" (Four.) five... Six: 3.5 a.m. Mr. X. No.5 U.S.A. is.");
    fuzz_seed_text("foreign", "Caf\xC3\xA9. \xE2\x80\x9CYes.\xE2\x80\x9D Non\xE2\x80\x94oui! "
                              "\xC3\x89t\xC3\xA9?\nNew\r\nline");
    fuzz_seed_text(
        "chinese",
        "\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82\xE5\x86\x8D\xE8\xA7\x81\xEF\xBC\x81 \xC2\x85 x");
    fuzz_seed_text("white", "  \t. \n ");
}
