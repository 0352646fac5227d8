#include "text/vocabulary_trainer.h"

#include "base/buffer.h"
#include "base/random.h"
#include "base/utf8.h"
#include "text/alphabet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- support ---- */

static struct vocabulary_trainer *open_trainer(int threads)
{
    struct error error = {0};
    struct vocabulary_trainer *trainer =
        vocabulary_trainer_create(tokenizer_default_options, threads, &error);
    assert_non_null(trainer);
    return trainer;
}

static void add(struct vocabulary_trainer *trainer, int thread, const char *text)
{
    struct error error = {0};
    assert_true(vocabulary_trainer_add(trainer, thread, text, strlen(text), &error));
}

static struct vocabulary *finish(struct vocabulary_trainer *trainer, int32_t size)
{
    struct error error = {0};
    struct vocabulary *vocabulary = vocabulary_trainer_finish(trainer, size, &error);
    if (!vocabulary)
        fail_msg("%s", error.message);
    vocabulary_trainer_free(trainer);
    return vocabulary;
}

static struct vocabulary *train(const char *text, int32_t size)
{
    struct vocabulary_trainer *trainer = open_trainer(1);
    add(trainer, 0, text);
    return finish(trainer, size);
}

/* Compares the tokens after the special ones, joined by spaces. */
static void expect_tokens(struct vocabulary *vocabulary, const char *expected)
{
    struct error error = {0};
    struct buffer found = {0};
    for (int32_t id = 0; id < SPECIAL_COUNT; id++)
        assert_string_equal(vocabulary_token(vocabulary, id), special_token_names[id]);
    for (int32_t id = SPECIAL_COUNT; id < vocabulary_size(vocabulary); id++)
        assert_true(buffer_print(&found, &error, "%s%s", id > SPECIAL_COUNT ? " " : "",
                                 vocabulary_token(vocabulary, id)));
    assert_string_equal(found.data ? found.data : "", expected);
    buffer_free(&found);
    vocabulary_free(vocabulary);
}

static bool has(const struct vocabulary *vocabulary, const char *token)
{
    return vocabulary_find(vocabulary, token, strlen(token)) >= 0;
}

/* ---- order and contents ---- */

/* Calculated by hand. Frequencies: a 5, b 4, c 3. Pairs: a ##b 3, b ##c 1, a ##c 2. They give "ab",
 * then "ac"; b ##c occurs only once. */
static void special_tokens_then_characters_then_merges(void **state)
{
    (void)state;
    expect_tokens(train("ab ab ab ac ac bc", 100), "a b c ##b ##c ab ac");
}

static void the_size_is_kept(void **state)
{
    (void)state;
    expect_tokens(train("ab ab ab ac ac bc", 11), "a b c ##b ##c ab");
    expect_tokens(train("ab ab ab ac ac bc", 10), "a b c ##b ##c");
}

/* "ab" and "cd" are equally frequent, and so are "xa" and "xb": the smaller left token, then the
 * smaller right one comes first. */
static void ties_go_to_the_smaller_bytes(void **state)
{
    (void)state;
    expect_tokens(train("cd ab cd ab", 100), "a b c d ##b ##d ab cd");
    expect_tokens(train("xb xa xb xa", 100), "x a b ##a ##b xa xb");
    expect_tokens(train("ya xb ya xb", 100), "a b x y ##a ##b xb ya");
}

/* "##" sorts before letters: in "abc" twice, "##b" "##c" are merged before "a" "##b". */
static void continuations_are_compared_with_their_prefix(void **state)
{
    (void)state;
    expect_tokens(train("abc abc", 100), "a b c ##b ##c ##bc abc");
}

/* The example of Sennrich, Haddow & Birch 2016: low 5, lower 2, newest 6, widest 3. "##e" "##s" and
 * "##s" "##t" occur 9 times each, "##o" "##w" and "l" "##o" 7 times; the smaller left token is
 * first. */
static void the_classic_example(void **state)
{
    (void)state;
    const char *text = "low low low low low lower lower newest newest newest newest newest newest "
                       "widest widest widest";
    expect_tokens(train(text, 27),
                  "e w s t l o n d i r ##e ##w ##s ##t ##o ##d ##i ##r ##es ##est ##ow low");
}

/* Merges run from left to right: aaaaa is a ##a ##a ##a ##a, then a ##aa ##aa. */
static void repeated_characters_merge_from_the_left(void **state)
{
    (void)state;
    expect_tokens(train("aaaaa aaaaa", 100), "a ##a ##aa ##aaaa aaaaa");
}

static void words_are_normalized(void **state)
{
    (void)state;
    expect_tokens(train("\xC3\x89t\xC3\xA9, \xC3\xA9T\xC3\x89,", 100), "e , t ##e ##t ##te ete");
    struct vocabulary_trainer *trainer = vocabulary_trainer_create(
        (struct tokenizer_options){.tokenize_chinese_chars = true}, 1, &(struct error){0});
    assert_non_null(trainer);
    add(trainer, 0, "Ab Ab \xC3\xA9");
    expect_tokens(finish(trainer, 100), "A b \xC3\xA9 ##b Ab");
}

static void punctuation_and_chinese_characters_never_continue(void **state)
{
    (void)state;
    expect_tokens(train("a.b \xE4\xB8\xAD\xE6\x96\x87", 100), ". a b \xE4\xB8\xAD \xE6\x96\x87");
}

static void special_tokens_in_the_text_are_not_words(void **state)
{
    (void)state;
    expect_tokens(train("ab[MASK]ab [SEP] ab", 100), "a b ##b ab");
}

static void overlong_words_are_not_counted(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof text);
    memcpy(text, "ab ", 3);
    text[3 + WORD_MAX_CHARACTERS + 1] = 0;
    expect_tokens(train(text, 100), "a b ##b");
    text[3 + WORD_MAX_CHARACTERS] = 0;
    expect_tokens(train(text, 9), "x a ##x ##xx"); /* there is no room for both "b" and "##b" */
}

/* ---- the limits of the alphabet ---- */

/* A text of Chinese characters, which are words of their own. Character i occurs 2000 - i times. */
static struct vocabulary_trainer *many_characters(int count)
{
    struct error error = {0};
    struct vocabulary_trainer *trainer = open_trainer(1);
    for (int i = 0; i < count; i++) {
        char character[4];
        size_t size = utf8_encode(0x4E00 + (uint32_t)i, character);
        for (int j = 0; j < 2000 - i; j++)
            assert_true(vocabulary_trainer_add(trainer, 0, character, size, &error));
    }
    return trainer;
}

static void the_alphabet_has_a_limit(void **state)
{
    (void)state;
    struct vocabulary_trainer *trainer = many_characters(ALPHABET_LIMIT + 100);
    vocabulary_trainer_limit(trainer, ALPHABET_LIMIT);
    struct vocabulary *vocabulary = finish(trainer, 5000);
    assert_int_equal(vocabulary_size(vocabulary), SPECIAL_COUNT + ALPHABET_LIMIT);
    for (int i = 0; i < ALPHABET_LIMIT; i++) {
        char character[5] = {0};
        utf8_encode(0x4E00 + (uint32_t)i, character);
        assert_string_equal(vocabulary_token(vocabulary, SPECIAL_COUNT + i), character);
    }
    vocabulary_free(vocabulary);
}

static void words_with_other_characters_are_not_merged(void **state)
{
    (void)state;
    struct vocabulary_trainer *trainer = many_characters(ALPHABET_LIMIT);
    add(trainer, 0, "ab ab ab");
    struct vocabulary *vocabulary = finish(trainer, 5000);
    assert_false(has(vocabulary, "a"));
    assert_false(has(vocabulary, "##b"));
    assert_false(has(vocabulary, "ab"));
    vocabulary_free(vocabulary);
}

/* With 30,000 times "ab" a character that occurs once is rare: up to 10 of 20 tokens can be rare
 * characters. */
static void rare_characters_leave_room_for_merges(void **state)
{
    (void)state;
    struct vocabulary_trainer *trainer = open_trainer(1);
    for (int i = 0; i < 30000; i++)
        add(trainer, 0, "ab");
    add(trainer, 0, "! # $ % & ( ) * + - . / : ; < = > ?");
    add(trainer, 0, "abb abbb abbbb abbbbb abbbbbb abbbbbbb abbbbbbbb abbbbbbbbb abbbbbbbbbb");
    expect_tokens(finish(trainer, SPECIAL_COUNT + 12),
                  "b a ! # $ ##b ab ##bb ##bbbb abbbbb ##bbb abbbbbbbbb");
}

/* Rare characters fill the rest of the vocabulary if no pairs are left to merge. */
static void rare_characters_fill_what_merges_leave(void **state)
{
    (void)state;
    struct vocabulary_trainer *trainer = open_trainer(1);
    for (int i = 0; i < 30000; i++)
        add(trainer, 0, "ab");
    add(trainer, 0, "! # $ % & ( ) * + - . / : ; < = > ?");
    expect_tokens(finish(trainer, SPECIAL_COUNT + 20),
                  "a b ! # $ % & ( ) ##b ab * + - . / : ; < =");
}

/* A few characters, all frequent, may fill the vocabulary: without them words would be unknown. */
static void frequent_characters_may_fill_the_vocabulary(void **state)
{
    (void)state;
    expect_tokens(train("abcd abcd", SPECIAL_COUNT + 7), "a b c d ##b ##c ##d");
    expect_tokens(train("abcd abcd", SPECIAL_COUNT + 6), "a b c ##b ##c");
}

/* ---- independence ---- */

/* The threads get the words of one text in different orders. */
static void threads_and_order_do_not_matter(void **state)
{
    (void)state;
    enum { WORDS = 3000 };
    static char words[WORDS][8];
    struct random random = random_begin(3, RANDOM_TEST, 0, 0);
    for (int i = 0; i < WORDS; i++)
        for (uint32_t j = 0, size = 1 + random_below(&random, 7); j < size; j++)
            words[i][j] = (char)('a' + random_below(&random, 5));
    struct vocabulary_trainer *one = open_trainer(1), *three = open_trainer(3);
    for (int i = 0; i < WORDS; i++) {
        add(one, 0, words[i]);
        add(three, i % 3, words[WORDS - 1 - i]);
    }
    struct vocabulary *a = finish(one, 300), *b = finish(three, 300);
    assert_int_equal(vocabulary_size(a), 300);
    assert_int_equal(vocabulary_hash(a), vocabulary_hash(b));
    vocabulary_free(a);
    vocabulary_free(b);
}

/* ---- merges compared with an oracle ---- */

/* Counts all pairs again before every merge, with tokens as strings. */
enum { ORACLE_WORDS = 60, ORACLE_LENGTH = 10, ORACLE_TOKEN = 16 };

struct oracle_word {
    char tokens[ORACLE_LENGTH][ORACLE_TOKEN];
    int length;
    int count;
};

static int oracle_count(const struct oracle_word *words, const char *left, const char *right)
{
    int count = 0;
    for (int i = 0; i < ORACLE_WORDS; i++)
        for (int j = 1; j < words[i].length; j++)
            if (strcmp(words[i].tokens[j - 1], left) == 0 && strcmp(words[i].tokens[j], right) == 0)
                count += words[i].count;
    return count;
}

static bool oracle_is_better(int count, const char *left, const char *right, int best,
                             const char *best_left, const char *best_right)
{
    if (count != best)
        return count > best;
    int order = strcmp(left, best_left);
    return order ? order < 0 : strcmp(right, best_right) < 0;
}

static int oracle_best(const struct oracle_word *words, char *left, char *right)
{
    int best = 0;
    for (int i = 0; i < ORACLE_WORDS; i++)
        for (int j = 1; j < words[i].length; j++) {
            const char *a = words[i].tokens[j - 1], *b = words[i].tokens[j];
            int count = oracle_count(words, a, b);
            if (oracle_is_better(count, a, b, best, left, right)) {
                best = count;
                strcpy(left, a);
                strcpy(right, b);
            }
        }
    return best;
}

static void oracle_merge(struct oracle_word *word, const char *left, const char *right)
{
    for (int j = 1; j < word->length; j++) {
        if (strcmp(word->tokens[j - 1], left) != 0 || strcmp(word->tokens[j], right) != 0)
            continue;
        strcat(word->tokens[j - 1], right + 2);
        memmove(word->tokens[j], word->tokens[j + 1],
                (size_t)(word->length - j - 1) * sizeof word->tokens[j]);
        word->length--;
    }
}

static void merges_are_those_of_the_oracle(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 20; round++) {
        static struct oracle_word words[ORACLE_WORDS];
        struct random random = random_begin(11, RANDOM_TEST, round, 0);
        struct vocabulary_trainer *trainer = open_trainer(2);
        memset(words, 0, sizeof words);
        for (int i = 0; i < ORACLE_WORDS; i++) {
            char text[ORACLE_LENGTH + 1] = "";
            words[i].length = 1 + (int)random_below(&random, ORACLE_LENGTH);
            words[i].count = 1 + (int)random_below(&random, 4);
            for (int j = 0; j < words[i].length; j++) {
                text[j] = (char)('a' + random_below(&random, 2 + (uint32_t)round % 3));
                snprintf(words[i].tokens[j], ORACLE_TOKEN, "%s%c", j ? "##" : "", text[j]);
            }
            for (int j = 0; j < words[i].count; j++)
                add(trainer, i % 2, text);
        }
        struct vocabulary *vocabulary = finish(trainer, 1000);
        int32_t id = SPECIAL_COUNT;
        while (id < vocabulary_size(vocabulary) && strlen(vocabulary_token(vocabulary, id)) == 1)
            id++;
        while (id < vocabulary_size(vocabulary) && strlen(vocabulary_token(vocabulary, id)) == 3 &&
               vocabulary_token(vocabulary, id)[0] == '#')
            id++;
        char left[ORACLE_TOKEN], right[ORACLE_TOKEN];
        while (oracle_best(words, left, right) >= 2) {
            char joined[2 * ORACLE_TOKEN];
            snprintf(joined, sizeof joined, "%s%s", left, right + 2);
            if (vocabulary_find(vocabulary, joined, strlen(joined)) >= id)
                assert_string_equal(vocabulary_token(vocabulary, id++), joined);
            else /* another pair has given the same token */
                assert_true(has(vocabulary, joined));
            for (int i = 0; i < ORACLE_WORDS; i++)
                oracle_merge(&words[i], left, right);
        }
        assert_int_equal(id, vocabulary_size(vocabulary));
        vocabulary_free(vocabulary);
    }
}

/* ---- errors ---- */

static void a_text_without_words_is_refused(void **state)
{
    (void)state;
    struct error error = {0};
    struct vocabulary_trainer *trainer = open_trainer(2);
    add(trainer, 0, " \n [MASK] \xC2\xAD ");
    assert_null(vocabulary_trainer_finish(trainer, 100, &error));
    assert_string_equal(error.message,
                        "the text is empty: there are no words to build a vocabulary from");
    assert_int_equal(error.kind, ERROR_INPUT);
    vocabulary_trainer_free(trainer);
}

static void a_size_without_room_is_refused(void **state)
{
    (void)state;
    struct error error = {0};
    struct vocabulary_trainer *trainer = open_trainer(1);
    add(trainer, 0, "a");
    assert_null(vocabulary_trainer_finish(trainer, 5, &error));
    assert_string_equal(error.message, "a vocabulary cannot have 5 tokens; expected at least 6");
    vocabulary_trainer_free(trainer);
    trainer = open_trainer(1);
    add(trainer, 0, "aaa"); /* "a" and "##a" */
    error = (struct error){0};
    assert_null(vocabulary_trainer_finish(trainer, 6, &error));
    assert_string_equal(error.message,
                        "the vocabulary has no room for a character; expected at least 7 tokens");
    vocabulary_trainer_free(trainer);
}

/* ---- characters ---- */

static size_t add_ideographs(struct vocabulary_trainer *trainer, uint32_t first, int count,
                             int times)
{
    char text[8];
    for (int i = 0; i < count; i++)
        for (int time = 0; time < times; time++) {
            text[utf8_encode(first + (uint32_t)i, text)] = 0;
            add(trainer, 0, text);
        }
    return (size_t)count;
}

static void expect_characters(int common, int rare, size_t limit, int32_t expected,
                              const char *share)
{
    struct error error = {0};
    char found[16];
    struct vocabulary_trainer *trainer = open_trainer(1);
    add_ideographs(trainer, 0x4E00, common, 100);
    add_ideographs(trainer, 0x4E00 + (uint32_t)common, rare, 1);
    vocabulary_trainer_limit(trainer, limit);
    struct vocabulary *vocabulary = vocabulary_trainer_finish(trainer, 8000, &error);
    assert_non_null(vocabulary);
    assert_int_equal(vocabulary_size(vocabulary), SPECIAL_COUNT + expected);
    const struct vocabulary_report report = vocabulary_trainer_report(trainer);
    assert_int_equal(report.characters, common + rare - expected);
    snprintf(found, sizeof found, "%.4f", report.character_share);
    assert_string_equal(found, share);
    vocabulary_free(vocabulary);
    vocabulary_trainer_free(trainer);
}

static void all_characters_are_taken_while_there_is_room(void **state)
{
    (void)state;
    expect_characters(1000, 0, 0, 1000, "0.0000");
    expect_characters(1000, 185, 0, 1185, "0.0000");
    expect_characters(3000, 0, 0, 3000, "0.0000");
    expect_characters(1000, 30, 0, 1000, "0.0003"); /* below 0.05 % */
    expect_characters(1000, 185, 500, 500, "0.5009");
    expect_characters(1000, 30, 2000, 1030, "0.0000");
}

/* ---- the memory bound ---- */

/* Trains on 3,000 words once, 300 words three times and "common" between them, in rounds of 300
 * lines. */
static struct vocabulary *train_bounded(int threads, size_t memory, struct words_dropped *dropped)
{
    struct error error = {0};
    struct vocabulary_trainer *trainer = open_trainer(threads);
    vocabulary_trainer_bound(trainer, memory);
    for (int i = 0; i < 3000; i++) {
        char text[64];
        snprintf(text, sizeof text, "r%04dx common f%03dy", i, i % 300);
        add(trainer, i % threads, text);
        if (i % 300 == 299)
            assert_true(vocabulary_trainer_end_round(trainer, &error));
    }
    struct vocabulary *vocabulary = vocabulary_trainer_finish(trainer, 1000, &error);
    assert_non_null(vocabulary);
    *dropped = vocabulary_trainer_report(trainer).dropped;
    vocabulary_trainer_free(trainer);
    return vocabulary;
}

static void rare_words_are_dropped_whatever_the_threads(void **state)
{
    enum { BYTES_FOR_WORD = 272 };
    struct words_dropped none, first, dropped;
    (void)state;
    struct vocabulary *all = train_bounded(1, 0, &none);
    assert_int_equal(none.words, 0);
    struct vocabulary *ample = train_bounded(2, 10000 * BYTES_FOR_WORD, &none);
    assert_int_equal(none.words, 0);
    assert_int_equal(vocabulary_hash(all), vocabulary_hash(ample));
    struct vocabulary *one = train_bounded(1, 1000 * BYTES_FOR_WORD, &first);
    assert_true(first.words > 1000 && first.max_count < 10);
    assert_true(has(one, "common"));
    for (int threads = 2; threads <= 3; threads++) {
        struct vocabulary *more = train_bounded(threads, 1000 * BYTES_FOR_WORD, &dropped);
        assert_int_equal(vocabulary_hash(one), vocabulary_hash(more));
        assert_memory_equal(&first, &dropped, sizeof dropped);
        vocabulary_free(more);
    }
    /* The characters of dropped words are in the alphabet nevertheless. */
    assert_true(has(one, "##x"));
    vocabulary_free(all);
    vocabulary_free(ample);
    vocabulary_free(one);
}

static void count_dropped(void *context, const char *word, size_t size, uint64_t count)
{
    alphabet_count(context, word, size, count);
}

/* When all words are equally rare, some stay. */
static void equally_rare_words_are_not_all_dropped(void **state)
{
    struct error error = {0};
    struct word_counts counts = {0};
    struct words_dropped dropped = {0};
    struct alphabet_character *characters = calloc(0x110000, sizeof *characters);
    (void)state;
    assert_non_null(characters);
    for (int i = 0; i < 10000; i++) {
        char word[16];
        int size = snprintf(word, sizeof word, "%d", i);
        assert_true(word_counts_add(&counts, word, (size_t)size, 1, &error));
    }
    assert_true(word_counts_prune(&counts, 1000, &dropped, count_dropped, characters, &error));
    assert_in_range(counts.words.count, 900, 1000);
    assert_int_equal(counts.words.count + dropped.words, 10000);
    assert_int_equal(dropped.occurrences, dropped.words);
    assert_int_equal(dropped.max_count, 1);
    word_counts_free(&counts);
    free(characters);
}

/* ---- extending ---- */

static void an_extended_vocabulary_begins_with_the_old_one(void **state)
{
    const char *const lines[] = {"[PAD]", "[UNK]", "[unused0]", "[CLS]", "[SEP]", "[MASK]", "low",
                                 "",      "##er",  "l",         "low",   "##o",   "##w",    "n"};
    enum { COUNT = sizeof lines / sizeof *lines };
    struct error error = {0};
    (void)state;
    struct vocabulary *old = vocabulary_create(lines, COUNT, "old", &error);
    struct vocabulary_trainer *trainer = open_trainer(1);
    vocabulary_trainer_extend(trainer, old);
    add(trainer, 0, "lower lower low now now nox nox");
    struct vocabulary *vocabulary = vocabulary_trainer_finish(trainer, 40, &error);
    assert_non_null(vocabulary);
    for (int32_t id = 0; id < COUNT; id++)
        assert_string_equal(vocabulary_token(vocabulary, id), lines[id]);
    /* "low" is one piece already; lower is low ##er. */
    assert_true(has(vocabulary, "lower"));
    assert_true(has(vocabulary, "now"));
    assert_true(has(vocabulary, "nox"));
    assert_false(has(vocabulary, "lowe"));
    assert_int_equal(vocabulary_find(vocabulary, "low", 3), 10);
    vocabulary_free(vocabulary);
    vocabulary_trainer_free(trainer);

    trainer = open_trainer(1);
    vocabulary_trainer_extend(trainer, old);
    add(trainer, 0, "low");
    assert_null(vocabulary_trainer_finish(trainer, COUNT, &error));
    assert_string_equal(error.message,
                        "a vocabulary of 14 tokens cannot extend one that has 14; expected more");
    vocabulary_trainer_free(trainer);
    vocabulary_free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_tokens_then_characters_then_merges),
        cmocka_unit_test(the_size_is_kept),
        cmocka_unit_test(ties_go_to_the_smaller_bytes),
        cmocka_unit_test(continuations_are_compared_with_their_prefix),
        cmocka_unit_test(the_classic_example),
        cmocka_unit_test(repeated_characters_merge_from_the_left),
        cmocka_unit_test(words_are_normalized),
        cmocka_unit_test(punctuation_and_chinese_characters_never_continue),
        cmocka_unit_test(special_tokens_in_the_text_are_not_words),
        cmocka_unit_test(overlong_words_are_not_counted),
        cmocka_unit_test(the_alphabet_has_a_limit),
        cmocka_unit_test(words_with_other_characters_are_not_merged),
        cmocka_unit_test(rare_characters_leave_room_for_merges),
        cmocka_unit_test(rare_characters_fill_what_merges_leave),
        cmocka_unit_test(frequent_characters_may_fill_the_vocabulary),
        cmocka_unit_test(threads_and_order_do_not_matter),
        cmocka_unit_test(merges_are_those_of_the_oracle),
        cmocka_unit_test(a_text_without_words_is_refused),
        cmocka_unit_test(a_size_without_room_is_refused),
        cmocka_unit_test(all_characters_are_taken_while_there_is_room),
        cmocka_unit_test(rare_words_are_dropped_whatever_the_threads),
        cmocka_unit_test(equally_rare_words_are_not_all_dropped),
        cmocka_unit_test(an_extended_vocabulary_begins_with_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
