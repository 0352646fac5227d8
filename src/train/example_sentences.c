#include "train/example_sentences.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_TOKENS = 4, MIN_WORDS = 3, SENTENCES_TRIED = 2000 };

static bool is_word(const struct vocabulary *vocabulary, int32_t id)
{
    const unsigned char *token = (const unsigned char *)vocabulary_token(vocabulary, id);
    bool letters =
        !vocabulary_is_special(vocabulary, id) && vocabulary_token_size(vocabulary, id) > 2;
    for (; *token && letters; token++)
        letters = *token >= 0x80 || isalpha(*token);
    return letters;
}

static bool continues(const struct vocabulary *vocabulary, int32_t id)
{
    return strncmp(vocabulary_token(vocabulary, id), "##", 2) == 0;
}

static bool has_special(const struct vocabulary *vocabulary, const int32_t *ids, int count)
{
    for (int i = 0; i < count; i++)
        if (vocabulary_is_special(vocabulary, ids[i]))
            return true;
    return false;
}

static int count_words(const struct vocabulary *vocabulary, const int32_t *ids, int count)
{
    int words = 0;
    for (int i = 0; i < count; i++)
        words += is_word(vocabulary, ids[i]);
    return words;
}

/* Returns the place of the whole word that is nearest to the middle; -1 if there is none. */
static int find_blank(const struct vocabulary *vocabulary, const int32_t *ids, int count)
{
    int found = -1;
    for (int i = 1; i + 1 < count; i++)
        if (is_word(vocabulary, ids[i]) && !continues(vocabulary, ids[i + 1]) &&
            (found < 0 || abs(2 * i - count) < abs(2 * found - count)))
            found = i;
    return found;
}

/* Leaves a word of the sentence out and decodes it; false if it is not fit to be shown. */
static bool make_example(const struct tokenizer *tokenizer, struct example_sentence *example)
{
    struct error ignored = {0};
    const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
    if (has_special(vocabulary, example->ids, example->count) ||
        count_words(vocabulary, example->ids, example->count) < MIN_WORDS)
        return false;
    example->blank = find_blank(vocabulary, example->ids, example->count);
    if (example->blank < 0)
        return false;
    example->word = example->ids[example->blank];
    example->ids[example->blank] = vocabulary_special(vocabulary, SPECIAL_MASK);
    char *text = tokenizer_decode(tokenizer, example->ids, (size_t)example->count, true, &ignored);
    example->text = text;
    if (text && strlen(text) <= EXAMPLE_BYTES && text[0] != '-' && !strchr(text, '"'))
        return true;
    free(text);
    return false;
}

bool example_sentence_find(const struct dataset *dataset, const struct tokenizer *tokenizer,
                           struct example_place *place, struct example_sentence *example)
{
    int tried = 0;
    for (; place->document < dataset_documents(dataset); place->document++, place->sentence = 0) {
        const struct document document = dataset_document(dataset, place->document);
        while (place->sentence < document.sentences) {
            const uint64_t *start = document.sentence_starts + place->sentence++;
            const uint64_t count = start[1] - start[0];
            if (tried++ == SENTENCES_TRIED)
                return false;
            if (count < MIN_TOKENS || count > EXAMPLE_TOKENS)
                continue;
            example->count = (int)count;
            dataset_read(dataset, document.shard, start[0], start[1], example->ids);
            if (make_example(tokenizer, example))
                return true;
        }
    }
    return false;
}
