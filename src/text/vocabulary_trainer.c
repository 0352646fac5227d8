#include "text/vocabulary_trainer.h"

#include "base/memory.h"
#include "text/alphabet.h"
#include "text/pair_merges.h"
#include "text/utf8.h"
#include "text/word_counts.h"

#include <stdlib.h>
#include <string.h>

struct vocabulary_trainer {
    struct normalizer *normalizer;
    struct word_counts *counts; /* [threads] */
    int threads;
};

struct vocabulary_trainer *vocabulary_trainer_create(struct tokenizer_options options, int threads,
                                                     struct error *error)
{
    CHECK(threads > 0);
    struct vocabulary_trainer *trainer = allocate(1, sizeof *trainer, error);
    if (!trainer)
        return NULL;
    trainer->threads = threads;
    trainer->normalizer = normalizer_create(options, error);
    trainer->counts = allocate((size_t)threads, sizeof *trainer->counts, error);
    if (!trainer->normalizer || !trainer->counts) {
        vocabulary_trainer_free(trainer);
        return NULL;
    }
    return trainer;
}

void vocabulary_trainer_free(struct vocabulary_trainer *trainer)
{
    if (!trainer)
        return;
    for (int i = 0; trainer->counts && i < trainer->threads; i++)
        word_counts_free(&trainer->counts[i]);
    free(trainer->counts);
    normalizer_free(trainer->normalizer);
    free(trainer);
}

bool vocabulary_trainer_add(struct vocabulary_trainer *trainer, int thread, const char *text,
                            size_t size, struct error *error)
{
    CHECK(thread >= 0 && thread < trainer->threads);
    struct word_reader reader;
    struct word word;
    word_reader_begin(&reader, trainer->normalizer, text, size);
    while (word_reader_next(&reader, &word))
        if (word.kind == WORD_PLAIN &&
            !word_counts_add(&trainer->counts[thread], word.bytes, word.size, 1, error))
            return false;
    return true;
}

/* ---- words in tokens ---- */

static bool add_special_tokens(struct string_table *table, struct error *error)
{
    uint32_t number;
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const char *name = special_token_names[i];
        if (!string_table_add(table, name, strlen(name), &number, error))
            return false;
    }
    return true;
}

/* The tokens of the alphabet's characters, by code point; 0, which is [PAD], where there is none.
 */
struct character_tokens {
    uint32_t bare;
    uint32_t continuing;
};

enum { CODE_POINTS = 0x110000 };

static bool add_alphabet(struct string_table *table, const struct alphabet *alphabet,
                         struct character_tokens *tokens, struct error *error)
{
    char text[2 + 4] = "##";
    for (size_t i = 0; i < alphabet->count; i++) {
        uint32_t code_point = alphabet->characters[i].code_point;
        size_t size = utf8_encode(code_point, text + 2);
        if (!string_table_add(table, text + 2, size, &tokens[code_point].bare, error))
            return false;
    }
    for (size_t i = 0; i < alphabet->count; i++) {
        uint32_t code_point = alphabet->characters[i].code_point;
        size_t size = utf8_encode(code_point, text + 2);
        if (alphabet->characters[i].continues &&
            !string_table_add(table, text, 2 + size, &tokens[code_point].continuing, error))
            return false;
    }
    return true;
}

/* Appends the word's characters; a word with a character outside the alphabet, or of one only, has
 * no pairs to merge and is left out. */
static void cut_word(struct token_words *words, const struct character_tokens *tokens,
                     const char *word, size_t size, uint64_t count)
{
    size_t start = words->starts[words->count], end = start;
    for (size_t place = 0; place < size;) {
        bool continues = place > 0;
        const struct character_tokens *character = &tokens[utf8_decode(word, size, &place)];
        uint32_t token = continues ? character->continuing : character->bare;
        if (!token)
            return;
        words->tokens[end++] = token;
    }
    if (end - start < 2)
        return;
    words->counts[words->count++] = count;
    words->starts[words->count] = end;
}

/* Turns the counted words into tokens; a word's bytes are never fewer than its characters. */
static bool cut_words(struct token_words *words, const struct word_counts *counts,
                      const struct character_tokens *tokens, struct error *error)
{
    words->tokens = allocate(counts->words.bytes.size, sizeof *words->tokens, error);
    words->starts = allocate((size_t)counts->words.count + 1, sizeof *words->starts, error);
    words->counts = allocate(counts->words.count, sizeof *words->counts, error);
    if (!words->tokens || !words->starts || !words->counts)
        return false;
    for (uint32_t i = 0; i < counts->words.count; i++) {
        size_t size;
        const char *word = string_table_get(&counts->words, i, &size);
        cut_word(words, tokens, word, size, counts->counts[i]);
    }
    return true;
}

/* ---- the vocabulary ---- */

static bool add_characters(struct string_table *table, struct token_words *words,
                           const struct word_counts *counts, size_t room, struct error *error)
{
    struct alphabet alphabet = {0};
    struct character_tokens *tokens = allocate(CODE_POINTS, sizeof *tokens, error);
    bool done = tokens && alphabet_find(&alphabet, counts, room, error) &&
                add_alphabet(table, &alphabet, tokens, error) &&
                cut_words(words, counts, tokens, error);
    alphabet_free(&alphabet);
    free(tokens);
    return done;
}

static struct vocabulary *make_vocabulary(const struct string_table *table, struct error *error)
{
    const char **tokens = allocate(table->count, sizeof *tokens, error);
    if (!tokens)
        return NULL;
    for (uint32_t i = 0; i < table->count; i++) {
        size_t size;
        tokens[i] = string_table_get(table, i, &size);
    }
    struct vocabulary *vocabulary =
        vocabulary_create(tokens, table->count, "the trained vocabulary", error);
    free(tokens);
    return vocabulary;
}

static bool merge_threads(struct vocabulary_trainer *trainer, struct error *error)
{
    for (int i = 1; i < trainer->threads; i++)
        if (!word_counts_merge(&trainer->counts[0], &trainer->counts[i], error))
            return false;
    if (trainer->counts[0].words.count == 0)
        return fail_input(error, "the text has no words to make a vocabulary of");
    return true;
}

struct vocabulary *vocabulary_trainer_finish(struct vocabulary_trainer *trainer, int32_t size,
                                             struct error *error)
{
    if (size <= SPECIAL_COUNT) {
        fail_input(error, "a vocabulary of %d tokens; expected at least %d", size,
                   SPECIAL_COUNT + 1);
        return NULL;
    }
    struct word_counts *counts = &trainer->counts[0];
    struct string_table table = {0};
    struct token_words words = {0};
    struct vocabulary *vocabulary = NULL;
    if (merge_threads(trainer, error) && add_special_tokens(&table, error) &&
        add_characters(&table, &words, counts, (size_t)size - SPECIAL_COUNT, error)) {
        word_counts_free(counts);
        if (merge_pairs(&table, &words, (uint32_t)size, error))
            vocabulary = make_vocabulary(&table, error);
    }
    free(words.tokens);
    free(words.starts);
    free(words.counts);
    string_table_free(&table);
    return vocabulary;
}
