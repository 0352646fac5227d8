#include "cli/vocab_option.h"

#include "base/file.h"

struct tokenizer_options vocab_option_settings(bool cased)
{
    struct tokenizer_options options = tokenizer_default_options;
    options.lowercase = !cased;
    return options;
}

struct tokenizer *vocab_option_open(const char *path, bool cased, struct error *error)
{
    if (!path) {
        fail_input(error, "--vocab is missing; expected a vocab.txt or a model directory");
        return NULL;
    }
    if (!path_is_directory(path)) {
        struct vocabulary *vocabulary = vocabulary_load(path, error);
        return vocabulary ? tokenizer_create(vocabulary, vocab_option_settings(cased), error)
                          : NULL;
    }
    if (!cased)
        return tokenizer_load(path, error);
    fail_input(error, "--cased: %s is a model directory, which has its own settings", path);
    return NULL;
}
