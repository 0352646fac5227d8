#include "text/tokenizer.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

const struct tokenizer_options tokenizer_default_options = {
    .lowercase = true,
    .strip_accents = STRIP_ACCENTS_AS_LOWERCASE,
    .tokenize_chinese_chars = true,
};

struct tokenizer *tokenizer_create(struct vocabulary *vocabulary, struct tokenizer_options options,
                                   struct error *error)
{
    struct tokenizer *tokenizer = allocate(1, sizeof *tokenizer, error);

    if (!tokenizer) {
        vocabulary_free(vocabulary);
        return NULL;
    }
    tokenizer->vocabulary = vocabulary;
    tokenizer->options = options;
    tokenizer->normalizer = normalizer_create(options, error);
    if (tokenizer->normalizer)
        tokenizer->wordpiece = wordpiece_create(vocabulary, error);
    if (tokenizer->wordpiece && !vocabulary_is_plain(vocabulary))
        tokenizer->added = added_tokens_create(vocabulary, tokenizer->normalizer, error);
    if (!tokenizer->wordpiece || (!tokenizer->added && !vocabulary_is_plain(vocabulary))) {
        tokenizer_free(tokenizer);
        return NULL;
    }
    return tokenizer;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    added_tokens_free(tokenizer->added);
    wordpiece_free(tokenizer->wordpiece);
    normalizer_free(tokenizer->normalizer);
    vocabulary_free(tokenizer->vocabulary);
    buffer_free(&tokenizer->note);
    free(tokenizer);
}

const struct vocabulary *tokenizer_vocabulary(const struct tokenizer *tokenizer)
{
    return tokenizer->vocabulary;
}

const struct normalizer *tokenizer_normalizer(const struct tokenizer *tokenizer)
{
    return tokenizer->normalizer;
}

struct tokenizer_options tokenizer_get_options(const struct tokenizer *tokenizer)
{
    return tokenizer->options;
}

struct tokenizer_given tokenizer_get_given(const struct tokenizer *tokenizer)
{
    return tokenizer->given;
}

/* ---- the note ---- */

static const char *line_break(const struct tokenizer *tokenizer)
{
    return tokenizer->note.size ? "\n" : "";
}

bool tokenizer_keep_note(struct tokenizer *tokenizer, const char *path,
                         const struct tokenizer_parts *parts, struct error *error)
{
    struct buffer *note = &tokenizer->note;
    bool cased = vocabulary_looks_cased(tokenizer->vocabulary);
    if (!buffer_print(note, error, "%s", vocabulary_note(tokenizer->vocabulary)))
        return false;
    if (parts->has_code &&
        !buffer_print(note, error,
                      "%sauto_map names code, which is not run; tokenizer.json is used",
                      line_break(tokenizer)))
        return false;
    if (!cased && strips_accents(tokenizer->options) && !parts->given.strip_accents &&
        vocabulary_looks_accented(tokenizer->vocabulary) &&
        !buffer_print(note, error, "%s%s: read without accents, though its tokens have some",
                      line_break(tokenizer), path_shown(path)))
        return false;
    return !parts->guessed ||
           buffer_print(note, error, "%s%s: read as %s, %s its tokens have %s case",
                        line_break(tokenizer), path_shown(path),
                        tokenizer->options.lowercase ? "uncased" : "cased",
                        cased == tokenizer->options.lowercase ? "though" : "since",
                        cased ? "upper" : "no upper");
}

const char *tokenizer_note(const struct tokenizer *tokenizer)
{
    return tokenizer->note.size ? tokenizer->note.data : "";
}

void tokenizer_log_note(const struct tokenizer *tokenizer, struct log *log)
{
    for (const char *line = tokenizer_note(tokenizer), *end; *line; line = end + (*end == '\n')) {
        end = strchrnul(line, '\n');
        log_line(log, "%.*s", (int)(end - line), line);
    }
}

/* ---- decoding ---- */

/* Returns whether no space comes before a token, by the rules of the WordPiece decoder of Hugging
 * Face tokenizers that can apply to a single token. */
static bool joins_previous(const char *token)
{
    static const char *const beginnings[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(token, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

static bool append_token(struct buffer *text, const char *token, bool first, struct error *error)
{
    if (!first && strncmp(token, "##", 2) == 0)
        token += 2;
    else if (!first && !joins_previous(token) && !buffer_append(text, " ", 1, error))
        return false;
    return buffer_append(text, token, strlen(token), error);
}

char *tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count,
                       bool with_special_tokens, struct error *error)
{
    const struct vocabulary *vocabulary = tokenizer->vocabulary;
    const int32_t pad = vocabulary_special(vocabulary, SPECIAL_PAD);
    struct buffer text = {0};
    bool first = true;
    bool done = buffer_append(&text, "", 0, error);

    for (size_t i = 0; i < count && done; i++) {
        if (with_special_tokens ? ids[i] == pad : vocabulary_is_special(vocabulary, ids[i]))
            continue;
        done = append_token(&text, vocabulary_token(vocabulary, ids[i]), first, error);
        first = false;
    }
    if (!done)
        buffer_free(&text);
    return text.data;
}
