/* vocab.txt: what loads holds each token under its own number, or the last of equal ones, and is
 * the same after saving. */
#include "fuzz/support.h"
#include "text/vocabulary.h"
#include "text/wordpiece.h"

#include <string.h>

static void check_tokens(const struct vocabulary *vocabulary)
{
    struct error error = {0};
    struct wordpiece *wordpiece = wordpiece_create(vocabulary, &error);
    CHECK(wordpiece);
    for (int32_t id = 0; id < vocabulary_size(vocabulary); id++) {
        const char *token = vocabulary_token(vocabulary, id);
        int32_t ids[WORD_MAX_CHARACTERS];
        size_t size = vocabulary_token_size(vocabulary, id);
        CHECK(strlen(token) == size);
        if (size == 0) /* an id without a token */
            continue;
        int32_t found = vocabulary_find(vocabulary, token, size);
        CHECK(found >= id && strcmp(vocabulary_token(vocabulary, found), token) == 0);
        /* A token is its own longest piece. */
        if (size <= WORD_MAX_CHARACTERS && strncmp(token, "##", 2) != 0)
            CHECK(wordpiece_split(wordpiece, token, size, ids) == 1 && ids[0] == found);
    }
    wordpiece_free(wordpiece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct vocabulary *vocabulary = vocabulary_load(fuzz_write("vocab.txt", data, size), &error);
    if (!vocabulary) {
        fuzz_check_error(&error);
        return 0;
    }
    check_tokens(vocabulary);
    const char *saved = fuzz_path("saved.txt");
    CHECK(vocabulary_save(vocabulary, saved, &error));
    struct vocabulary *again = vocabulary_load(saved, &error);
    CHECK(again && vocabulary_hash(again) == vocabulary_hash(vocabulary));
    vocabulary_free(again);
    vocabulary_free(vocabulary);
    return 0;
}

void fuzz_seeds(void)
{
    fuzz_seed_text("small", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nab\n\xC3\xA9\n");
    fuzz_seed_text("windows", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\n##\r\n#");
    fuzz_seed_text("twice", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n\na\n");
}
