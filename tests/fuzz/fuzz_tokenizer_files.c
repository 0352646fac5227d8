/* tokenizer.json, or tokenizer_config.json beside a vocab.txt: the first byte decides. What loads
 * is the same after saving. */
#include "base/buffer.h"
#include "base/directory.h"
#include "fuzz/support.h"
#include "text/tokenizer_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char vocabulary_lines[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";

static const char *directory(const char *name)
{
    struct error error = {0};
    const char *path = fuzz_path(name);
    CHECK(directory_make(path, &error));
    return path;
}

/* Saving takes a tokenizer, of which only these two matter. */
static void check_round_trip(struct vocabulary *vocabulary, struct tokenizer_options options)
{
    struct error error = {0};
    const struct tokenizer tokenizer = {.vocabulary = vocabulary, .options = options};
    struct tokenizer_parts again;
    const char *saved = directory("saved");
    CHECK(tokenizer_save(&tokenizer, saved, 512, &error));
    CHECK(tokenizer_read_files(saved, &again, &error));
    CHECK(vocabulary_hash(again.vocabulary) == vocabulary_hash(vocabulary));
    CHECK(options.lowercase == again.options.lowercase &&
          options.strip_accents == again.options.strip_accents &&
          options.tokenize_chinese_chars == again.options.tokenize_chinese_chars);
    vocabulary_free(again.vocabulary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct tokenizer_parts parts;
    bool json = fuzz_take_byte(&data, &size) % 2 == 0;
    const char *model = directory(json ? "json" : "lines");
    if (!json)
        fuzz_write("lines/vocab.txt", vocabulary_lines, sizeof vocabulary_lines - 1);
    fuzz_write(json ? "json/tokenizer.json" : "lines/tokenizer_config.json", data, size);
    if (!tokenizer_read_files(model, &parts, &error)) {
        fuzz_check_error(&error);
        return 0;
    }
    check_round_trip(parts.vocabulary, parts.options);
    vocabulary_free(parts.vocabulary);
    return 0;
}

/* What the program itself writes, with the byte in front. */
static void seed_saved(const char *name, const char *file, char first)
{
    struct error error = {0};
    struct vocabulary *vocabulary = vocabulary_load(
        fuzz_write("vocab.txt", vocabulary_lines, sizeof vocabulary_lines - 1), &error);
    CHECK(vocabulary);
    const struct tokenizer tokenizer = {.vocabulary = vocabulary,
                                        .options = tokenizer_default_options};
    CHECK(tokenizer_save(&tokenizer, directory("saved"), 512, &error));
    struct buffer seed = {0};
    CHECK(buffer_append(&seed, &first, 1, &error));
    fuzz_read(fuzz_path(file), &seed);
    fuzz_seed(name, seed.data, seed.size);
    buffer_free(&seed);
    vocabulary_free(vocabulary);
}

void fuzz_seeds(void)
{
    seed_saved("tokenizer", "saved/tokenizer.json", '0');
    seed_saved("config", "saved/tokenizer_config.json", '1');
    fuzz_seed_text("version4", "1{\"do_lower_case\": false, \"strip_accents\": null, "
                               "\"mask_token\": {\"content\": \"[MASK]\", \"lstrip\": false}, "
                               "\"tokenizer_class\": \"BertTokenizerFast\", "
                               "\"do_basic_tokenize\": true}");
}
