#include "cli/vocab_option.h"

#include "checkpoint/tokenizer_source.h"

struct tokenizer_options vocab_option_settings(bool cased)
{
    struct tokenizer_options options = tokenizer_default_options;
    options.lowercase = !cased;
    return options;
}

struct tokenizer *vocab_option_open(const char *path, bool cased, struct error *error)
{
    struct log log = log_open(stderr);
    const struct tokenizer_wish wish = {vocab_option_settings(cased), {.lowercase = cased}};

    if (!path) {
        fail_input(error, "--vocab is missing; expected a vocab.txt or a model directory");
        return NULL;
    }
    struct tokenizer *tokenizer = tokenizer_source_open(path, &wish, &log, error);
    if (!tokenizer && cased && error->kind == ERROR_INPUT)
        fail_context(error, "--cased");
    return tokenizer;
}
