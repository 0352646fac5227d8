#include "text/alphabet.h"

#include "base/memory.h"
#include "text/utf8.h"
#include "text/vocabulary_trainer.h"

#include <stdlib.h>
#include <string.h>

enum { CODE_POINTS = 0x110000 };

static void count_characters(struct alphabet_character *characters,
                             const struct word_counts *counts)
{
    for (uint32_t i = 0; i < counts->words.count; i++) {
        size_t size;
        const char *word = string_table_get(&counts->words, i, &size);
        for (size_t place = 0; place < size;) {
            bool continues = place > 0;
            struct alphabet_character *character = &characters[utf8_decode(word, size, &place)];
            character->frequency += counts->counts[i];
            character->continues |= continues;
        }
    }
}

/* Moves the characters that occur to the front. */
static size_t pack(struct alphabet_character *characters)
{
    size_t count = 0;
    for (uint32_t code_point = 0; code_point < CODE_POINTS; code_point++)
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

/* How many of the sorted characters are taken. */
static size_t cut(const struct alphabet_character *characters, size_t count, size_t room)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += characters[i].frequency;
    size_t tokens = 0;
    for (size_t i = 0; i < count; i++) {
        bool rare = characters[i].frequency < total / ALPHABET_RARE;
        tokens += characters[i].continues ? 2 : 1;
        if (i == ALPHABET_LIMIT || tokens > (rare ? room / 2 : room))
            return i;
    }
    return count;
}

bool alphabet_find(struct alphabet *alphabet, const struct word_counts *counts, size_t room,
                   struct error *error)
{
    struct alphabet_character *characters = allocate(CODE_POINTS, sizeof *characters, error);
    if (!characters)
        return false;
    count_characters(characters, counts);
    size_t count = pack(characters);
    qsort(characters, count, sizeof *characters, compare_characters);
    count = cut(characters, count, room);
    alphabet->characters = allocate(count, sizeof *characters, error);
    if (alphabet->characters) {
        memcpy(alphabet->characters, characters, count * sizeof *characters);
        alphabet->count = count;
    }
    free(characters);
    return alphabet->characters;
}

void alphabet_free(struct alphabet *alphabet)
{
    free(alphabet->characters);
    *alphabet = (struct alphabet){0};
}
