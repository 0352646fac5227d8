#include "text/vocabulary_trainer.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/alphabet.h"
#include "text/pair_merges.h"
#include "text/word_counts.h"
#include "text/wordpiece.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The counts of one thread. */
struct share {
    struct word_counts counts;
    uint64_t long_words;
};

struct vocabulary_trainer {
    struct normalizer *normalizer;
    struct share *shares; /* [threads] */
    int threads;
    size_t memory;                         /* bytes; 0: no bound */
    size_t max_characters;                 /* 0: by the rule in the header */
    const struct vocabulary *old;          /* the vocabulary to extend, not owned, or NULL */
    struct alphabet_character *characters; /* [UTF8_CODE_POINTS] those of dropped words, or NULL */
    struct vocabulary_report report;
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
    trainer->shares = allocate((size_t)threads, sizeof *trainer->shares, error);
    if (!trainer->normalizer || !trainer->shares) {
        vocabulary_trainer_free(trainer);
        return NULL;
    }
    return trainer;
}

void vocabulary_trainer_free(struct vocabulary_trainer *trainer)
{
    if (!trainer)
        return;
    for (int i = 0; trainer->shares && i < trainer->threads; i++)
        word_counts_free(&trainer->shares[i].counts);
    free(trainer->shares);
    free(trainer->characters);
    normalizer_free(trainer->normalizer);
    free(trainer);
}

bool vocabulary_trainer_add(struct vocabulary_trainer *trainer, int thread, const char *text,
                            size_t size, struct error *error)
{
    CHECK(thread >= 0 && thread < trainer->threads);
    struct share *share = &trainer->shares[thread];
    struct word_reader reader;
    struct word word;
    word_reader_begin(&reader, trainer->normalizer, text, size);
    while (word_reader_next(&reader, &word)) {
        share->long_words += word.kind == WORD_TOO_LONG;
        if (word.kind == WORD_PLAIN &&
            !word_counts_add(&share->counts, word.bytes, word.size, 1, error))
            return false;
    }
    return true;
}

void vocabulary_trainer_limit(struct vocabulary_trainer *trainer, size_t characters)
{
    trainer->max_characters = characters;
}

void vocabulary_trainer_extend(struct vocabulary_trainer *trainer, const struct vocabulary *old)
{
    trainer->old = old;
}

/* ---- the bound on memory ---- */

/* Max memory for a byte of text while the tables of a round grow: a different word has more than
 * four letters and takes some 60 bytes, twice that while a table is copied. */
enum { BYTES_FOR_TEXT_BYTE = 16 };

/* Memory for a word of the whole text in the tables, and for each of its bytes there and, as a
 * token, in the merges. */
enum { BYTES_FOR_WORD = 64, BYTES_FOR_CHARACTER = 20 };

void vocabulary_trainer_bound(struct vocabulary_trainer *trainer, size_t memory)
{
    trainer->memory = memory;
}

size_t vocabulary_trainer_round_size(const struct vocabulary_trainer *trainer)
{
    return trainer->memory ? trainer->memory / 4 / BYTES_FOR_TEXT_BYTE : SIZE_MAX;
}

static size_t memory_of(const struct word_counts *counts)
{
    return counts->words.count * (size_t)BYTES_FOR_WORD +
           counts->words.bytes.size * BYTES_FOR_CHARACTER;
}

/* Returns the max number of words that may stay. A quarter of the memory is for the next round. */
static uint32_t max_words(const struct vocabulary_trainer *trainer)
{
    const struct word_counts *counts = &trainer->shares[0].counts;
    const size_t limit = trainer->memory / 4 * 3, used = memory_of(counts);
    if (!trainer->memory || used <= limit)
        return counts->words.count;
    /* Half as many as would fit, so that not every round drops words. */
    return (uint32_t)((double)counts->words.count * ((double)limit / 2 / (double)used));
}

/* Counts the characters of a dropped word, which still count for the alphabet. */
static void visit_dropped(void *context, const char *word, size_t size, uint64_t count)
{
    alphabet_count(context, word, size, count);
}

static bool drop_words(struct vocabulary_trainer *trainer, uint32_t max, struct error *error)
{
    if (!trainer->characters)
        trainer->characters = allocate(UTF8_CODE_POINTS, sizeof *trainer->characters, error);
    return trainer->characters &&
           word_counts_prune(&trainer->shares[0].counts, max, &trainer->report.dropped,
                             visit_dropped, trainer->characters, error);
}

bool vocabulary_trainer_end_round(struct vocabulary_trainer *trainer, struct error *error)
{
    struct share *first = &trainer->shares[0];
    for (int i = 1; i < trainer->threads; i++)
        if (!word_counts_merge(&first->counts, &trainer->shares[i].counts, error))
            return false;
    const uint32_t max = max_words(trainer);
    return first->counts.words.count <= max || drop_words(trainer, max, error);
}

struct vocabulary_report vocabulary_trainer_report(const struct vocabulary_trainer *trainer)
{
    struct vocabulary_report report = trainer->report;
    for (int i = 0; i < trainer->threads; i++)
        report.long_words += trainer->shares[i].long_words;
    return report;
}

/* ---- words as tokens ---- */

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

/* The tokens of a character without and with "##"; 0, the number of [PAD], where it has none. */
struct character_tokens {
    uint32_t bare;
    uint32_t continuing;
};

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

/* Appends a word as the tokens of its characters. A word with a character outside the alphabet, or
 * of a single one, has no pairs to merge and is left out. */
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

/* Makes room for the counted words as tokens: a word has at most as many tokens as bytes. */
static bool make_room(struct token_words *words, const struct word_counts *counts,
                      struct error *error)
{
    words->tokens = allocate(counts->words.bytes.size, sizeof *words->tokens, error);
    words->starts = allocate((size_t)counts->words.count + 1, sizeof *words->starts, error);
    words->counts = allocate(counts->words.count, sizeof *words->counts, error);
    return words->tokens && words->starts && words->counts;
}

static void cut_words(struct token_words *words, const struct word_counts *counts,
                      const struct character_tokens *tokens)
{
    for (uint32_t i = 0; i < counts->words.count; i++) {
        size_t size;
        const char *word = string_table_get(&counts->words, i, &size);
        cut_word(words, tokens, word, size, counts->counts[i]);
    }
}

/* ---- extending ---- */

/* Adds the old tokens, so that their numbers in the table are their ids. An empty or repeated line
 * is replaced by a text that is in no word. */
static bool add_old_tokens(struct string_table *table, const struct vocabulary *old,
                           struct error *error)
{
    for (int32_t id = 0; id < vocabulary_size(old); id++) {
        char stand_in[16];
        size_t size = vocabulary_token_size(old, id);
        const char *token = vocabulary_token(old, id);
        uint32_t number;
        if (vocabulary_find(old, token, size) != id) {
            size = (size_t)snprintf(stand_in, sizeof stand_in, "\n%d", (int)id);
            token = stand_in;
        }
        if (!string_table_add(table, token, size, &number, error))
            return false;
    }
    return true;
}

/* Splits the words into WordPiece pieces. A word that is a single piece, perhaps [UNK], has no
 * pairs to merge and is left out. */
static void split_words(struct token_words *words, const struct word_counts *counts,
                        const struct wordpiece *wordpiece)
{
    int32_t ids[WORD_MAX_CHARACTERS];
    for (uint32_t i = 0; i < counts->words.count; i++) {
        size_t size, start = words->starts[words->count];
        const char *word = string_table_get(&counts->words, i, &size);
        size_t count = wordpiece_split(wordpiece, word, size, ids);
        if (count < 2)
            continue;
        for (size_t j = 0; j < count; j++)
            words->tokens[start + j] = (uint32_t)ids[j];
        words->counts[words->count++] = counts->counts[i];
        words->starts[words->count] = start + count;
    }
}

/* ---- the vocabulary ---- */

/* Makes a vocabulary of the tokens of the table, with the old tokens unchanged. */
static struct vocabulary *make_vocabulary(const struct vocabulary_trainer *trainer,
                                          const struct string_table *table, struct error *error)
{
    const struct vocabulary *old = trainer->old;
    const char **tokens = allocate(table->count, sizeof *tokens, error);
    if (!tokens)
        return NULL;
    for (uint32_t i = 0; i < table->count; i++) {
        size_t size;
        tokens[i] = old && (int32_t)i < vocabulary_size(old) ? vocabulary_token(old, (int32_t)i)
                                                             : string_table_get(table, i, &size);
    }
    struct vocabulary *vocabulary =
        vocabulary_create(tokens, table->count, "the trained vocabulary", error);
    free(tokens);
    return vocabulary;
}

/* Splits all words with the old tokens and the new characters. */
static bool split_all(const struct vocabulary_trainer *trainer, const struct string_table *table,
                      struct token_words *words, struct error *error)
{
    struct vocabulary *vocabulary = make_vocabulary(trainer, table, error);
    struct wordpiece *wordpiece = vocabulary ? wordpiece_create(vocabulary, error) : NULL;
    if (wordpiece)
        split_words(words, &trainer->shares[0].counts, wordpiece);
    bool done = wordpiece != NULL;
    wordpiece_free(wordpiece);
    vocabulary_free(vocabulary);
    return done;
}

static bool choose_alphabet(const struct vocabulary_trainer *trainer, struct alphabet *alphabet,
                            size_t room, struct error *error)
{
    const struct alphabet_choice choice = {
        .counts = &trainer->shares[0].counts,
        .dropped = trainer->characters,
        .known = trainer->old,
        .room = room,
        .max = trainer->max_characters,
    };
    return alphabet_find(alphabet, &choice, error);
}

/* Adds the characters to the table and turns the words into tokens. */
static bool add_characters(const struct vocabulary_trainer *trainer, struct string_table *table,
                           struct alphabet *alphabet, struct token_words *words, size_t room,
                           struct error *error)
{
    const struct word_counts *counts = &trainer->shares[0].counts;
    struct character_tokens *tokens = allocate(UTF8_CODE_POINTS, sizeof *tokens, error);
    bool done = tokens && choose_alphabet(trainer, alphabet, room, error) &&
                (trainer->old || alphabet->count > 0 ||
                 fail_input(error,
                            "the vocabulary has no room for a character; expected at least %d "
                            "tokens",
                            SPECIAL_COUNT + 2)) &&
                add_alphabet(table, alphabet, tokens, error) && make_room(words, counts, error);
    if (done && trainer->old)
        done = split_all(trainer, table, words, error);
    else if (done)
        cut_words(words, counts, tokens);
    free(tokens);
    return done;
}

/* Adds the rare characters for which the merges have left room. */
static bool fill_up(struct string_table *table, struct alphabet *alphabet, uint32_t size,
                    struct error *error)
{
    for (; alphabet->count < alphabet->max; alphabet->count++) {
        const struct alphabet_character *character = &alphabet->characters[alphabet->count];
        char text[2 + 4] = "##";
        size_t length = utf8_encode(character->code_point, text + 2);
        uint32_t id;
        if (table->count + (character->continues ? 2 : 1) > size)
            return true;
        if (!string_table_add(table, text + 2, length, &id, error) ||
            (character->continues && !string_table_add(table, text, 2 + length, &id, error)))
            return false;
    }
    return true;
}

static bool check_size(const struct vocabulary_trainer *trainer, int32_t size, struct error *error)
{
    if (trainer->old && size <= vocabulary_size(trainer->old))
        return fail_input(error,
                          "a vocabulary of %d tokens cannot extend one that has %d; expected more",
                          (int)size, (int)vocabulary_size(trainer->old));
    return size > SPECIAL_COUNT ||
           fail_input(error, "a vocabulary cannot have %d tokens; expected at least %d", (int)size,
                      SPECIAL_COUNT + 1);
}

static bool end_counting(struct vocabulary_trainer *trainer, struct error *error)
{
    return vocabulary_trainer_end_round(trainer, error) &&
           (trainer->shares[0].counts.words.count > 0 ||
            fail_input(error, "the text is empty: there are no words to build a vocabulary from"));
}

static bool begin_table(const struct vocabulary_trainer *trainer, struct string_table *table,
                        struct error *error)
{
    return trainer->old ? add_old_tokens(table, trainer->old, error)
                        : add_special_tokens(table, error);
}

struct vocabulary *vocabulary_trainer_finish(struct vocabulary_trainer *trainer, int32_t size,
                                             struct error *error)
{
    struct string_table table = {0};
    struct token_words words = {0};
    struct alphabet alphabet = {0};
    struct vocabulary *vocabulary = NULL;
    if (check_size(trainer, size, error) && end_counting(trainer, error) &&
        begin_table(trainer, &table, error) &&
        add_characters(trainer, &table, &alphabet, &words, (size_t)size - table.count, error)) {
        word_counts_free(&trainer->shares[0].counts);
        if (merge_pairs(&table, &words, (uint32_t)size, error) &&
            fill_up(&table, &alphabet, (uint32_t)size, error))
            vocabulary = make_vocabulary(trainer, &table, error);
        trainer->report.characters = alphabet.all - alphabet.count;
        trainer->report.character_share = alphabet_left_out_share(&alphabet);
    }
    alphabet_free(&alphabet);
    free(words.tokens);
    free(words.starts);
    free(words.counts);
    string_table_free(&table);
    return vocabulary;
}
