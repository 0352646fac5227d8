#include "text/alphabet.h"

#include "base/memory.h"
#include "base/min.h"
#include "base/utf8.h"
#include "text/vocabulary_trainer.h"

#include <stdlib.h>
#include <string.h>

void alphabet_count(struct alphabet_character *characters, const char *word, size_t size,
                    uint64_t count)
{
    for (size_t place = 0; place < size;) {
        bool continues = place > 0;
        struct alphabet_character *character = &characters[utf8_decode(word, size, &place)];
        character->frequency += count;
        character->continues |= continues;
    }
}

static void count_characters(struct alphabet_character *characters,
                             const struct alphabet_choice *choice)
{
    const struct word_counts *counts = choice->counts;
    if (choice->dropped)
        memcpy(characters, choice->dropped, UTF8_CODE_POINTS * sizeof *characters);
    for (uint32_t i = 0; i < counts->words.count; i++) {
        size_t size;
        const char *word = string_table_get(&counts->words, i, &size);
        alphabet_count(characters, word, size, counts->counts[i]);
    }
}

/* True if the vocabulary has the character in every form that occurs. */
static bool is_known(const struct vocabulary *known, const struct alphabet_character *character)
{
    char text[2 + 4] = "##";
    size_t size = utf8_encode(character->code_point, text + 2);
    return known && vocabulary_find(known, text + 2, size) >= 0 &&
           (!character->continues || vocabulary_find(known, text, 2 + size) >= 0);
}

/* Moves the characters that occur to the front and returns their number. */
static size_t pack(struct alphabet_character *characters)
{
    size_t count = 0;
    for (uint32_t code_point = 0; code_point < UTF8_CODE_POINTS; code_point++)
        if (characters[code_point].frequency > 0) {
            characters[count] = characters[code_point];
            characters[count++].code_point = code_point;
        }
    return count;
}

static int compare_characters(const void *a, const void *b)
{
    const struct alphabet_character *x = a, *y = b;
    if (x->frequency != y->frequency)
        return x->frequency > y->frequency ? -1 : 1;
    return x->code_point < y->code_point ? -1 : x->code_point > y->code_point;
}

static uint64_t add_up(const struct alphabet_character *characters, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += characters[i].frequency;
    return sum;
}

/* Returns the max number of characters: ALPHABET_LIMIT only where that loses almost no text. */
static size_t limit_of(const struct alphabet_choice *choice,
                       const struct alphabet_character *characters, size_t count, uint64_t total)
{
    if (choice->max)
        return choice->max;
    if (count <= ALPHABET_LIMIT)
        return count;
    uint64_t lost = add_up(characters + ALPHABET_LIMIT, count - ALPHABET_LIMIT);
    return lost > total / ALPHABET_LOSS ? count : ALPHABET_LIMIT;
}

/* Returns how many of the sorted characters are chosen before the merges. */
static size_t cut(const struct alphabet_choice *choice, const struct alphabet *alphabet)
{
    size_t tokens = 0;
    for (size_t i = 0; i < alphabet->max; i++) {
        const struct alphabet_character *character = &alphabet->characters[i];
        bool rare = character->frequency < alphabet->total / ALPHABET_RARE;
        tokens += character->continues ? 2 : 1;
        if (tokens > (rare ? choice->room / 2 : choice->room))
            return i;
    }
    return alphabet->max;
}

static size_t remove_known(struct alphabet_character *characters, size_t count,
                           const struct vocabulary *known)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_known(known, &characters[i]))
            characters[kept++] = characters[i];
    return kept;
}

bool alphabet_find(struct alphabet *alphabet, const struct alphabet_choice *choice,
                   struct error *error)
{
    struct alphabet_character *characters = allocate(UTF8_CODE_POINTS, sizeof *characters, error);
    if (!characters)
        return false;
    count_characters(characters, choice);
    size_t count = pack(characters);
    alphabet->total = add_up(characters, count);
    count = remove_known(characters, count, choice->known);
    qsort(characters, count, sizeof *characters, compare_characters);
    alphabet->characters = allocate(count, sizeof *characters, error);
    if (alphabet->characters) {
        memcpy(alphabet->characters, characters, count * sizeof *characters);
        alphabet->all = count;
        size_t limit = limit_of(choice, characters, count, alphabet->total);
        alphabet->max = min_size(limit, count);
        alphabet->count = cut(choice, alphabet);
    }
    free(characters);
    return alphabet->characters;
}

double alphabet_left_out_share(const struct alphabet *alphabet)
{
    uint64_t left_out =
        add_up(alphabet->characters + alphabet->count, alphabet->all - alphabet->count);
    return alphabet->total ? (double)left_out / (double)alphabet->total : 0;
}

void alphabet_free(struct alphabet *alphabet)
{
    free(alphabet->characters);
    *alphabet = (struct alphabet){0};
}
