/* cloze tokenize: a filter from lines of text to lines of tokens or ids. Blocks of lines are read,
 * encoded by all threads and written in order, so memory stays the same however long the input is.
 */
#include "base/file.h"
#include "base/machine.h"
#include "base/memory.h"
#include "cli/command.h"
#include "data/line_reader.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Enough that starting the threads for a block costs nothing beside encoding it. */
enum { BLOCK_BYTES_PER_THREAD = 1 << 20 };

/* Renderings up to this size are copied as if they had it, which is faster. */
enum { RENDERING_SLACK = 8 };

/* "##", a word and a space; of a longer token no word is made. */
enum { LONGEST_RENDERING = 2 + WORD_MAX_BYTES + 1 };

/* The text of every id, made once: its token or its number, and a space. */
struct renderings {
    struct buffer text; /* and RENDERING_SLACK bytes behind them */
    size_t *starts;     /* [count + 1] */
    size_t longest;     /* of those that can come out: no word is longer */
};

/* One thread's share of a block. */
struct share {
    const char *text; /* whole lines */
    size_t size;
    struct encoder *encoder;
    char *out; /* [out_capacity], out_size of them used */
    size_t out_size, out_capacity;
    struct error error;
};

/* Input that is read but not yet encoded. */
struct block {
    char *bytes;
    size_t size, capacity;
    bool ended; /* the input has no more */
};

struct tokenize {
    const char *input_name;
    FILE *input;
    struct tokenizer *tokenizer;
    struct renderings renderings;
    struct block block;
    struct share *shares; /* [threads] */
    int threads;
};

static bool render(struct renderings *renderings, const struct vocabulary *vocabulary, bool ids,
                   struct error *error)
{
    int32_t count = vocabulary_size(vocabulary);

    renderings->starts = allocate((size_t)count + 1, sizeof *renderings->starts, error);
    if (!renderings->starts)
        return false;
    for (int32_t id = 0; id < count; id++) {
        bool printed =
            ids ? buffer_print(&renderings->text, error, "%d ", id)
                : buffer_print(&renderings->text, error, "%s ", vocabulary_token(vocabulary, id));
        if (!printed)
            return false;
        renderings->starts[id + 1] = renderings->text.size;
        size_t size = renderings->text.size - renderings->starts[id];
        size = size < LONGEST_RENDERING ? size : LONGEST_RENDERING;
        renderings->longest = size > renderings->longest ? size : renderings->longest;
    }
    return buffer_append(&renderings->text, (const char[RENDERING_SLACK]){0}, RENDERING_SLACK,
                         error);
}

/* Appends the renderings of ids [first, end), with room for a newline behind them. */
static bool append_renderings(const struct renderings *renderings, struct share *share,
                              const int32_t *ids, size_t first, size_t end)
{
    const size_t most = share->out_size + (end - first) * renderings->longest;
    if (!grow(&share->out, &share->out_capacity, most + 1 + RENDERING_SLACK, 1, &share->error))
        return false;
    char *out = share->out + share->out_size;
    for (size_t i = first; i < end; i++) {
        const char *text = renderings->text.data + renderings->starts[ids[i]];
        const size_t length = renderings->starts[ids[i] + 1] - renderings->starts[ids[i]];
        memcpy(out, text, length <= RENDERING_SLACK ? RENDERING_SLACK : length);
        out += length;
    }
    share->out_size = (size_t)(out - share->out);
    return true;
}

static bool encode_line(const struct renderings *renderings, struct share *share, const char *line,
                        size_t size)
{
    enum { IDS = 4096 }; /* whose room is made at a time */
    const int32_t *ids;
    size_t count;

    if (!encoder_encode(share->encoder, line, size, &ids, &count, &share->error))
        return false;
    for (size_t first = 0; first == 0 || first < count; first += IDS)
        if (!append_renderings(renderings, share, ids, first,
                               count - first < IDS ? count : first + IDS))
            return false;
    share->out_size -= count > 0; /* the last space makes way for the newline */
    share->out[share->out_size++] = '\n';
    return true;
}

/* The last line may lack its newline. */
static void encode_share(const struct renderings *renderings, struct share *share)
{
    const char *line = share->text;
    const char *end = share->text + share->size;

    share->out_size = 0;
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *stop = newline ? newline : end;

        if (!encode_line(renderings, share, line, (size_t)(stop - line)))
            return;
        line = newline ? newline + 1 : end;
    }
}

/* The end of the line that `position` is in, its newline included. */
static size_t end_of_line(const char *bytes, size_t size, size_t position)
{
    const char *newline = memchr(bytes + position, '\n', size - position);

    return newline ? (size_t)(newline - bytes) + 1 : size;
}

static void deal(struct tokenize *tokenize, size_t size)
{
    size_t start = 0;

    for (int i = 0; i < tokenize->threads; i++) {
        size_t end = size / (size_t)tokenize->threads * (size_t)(i + 1);

        end = i == tokenize->threads - 1
                  ? size
                  : end_of_line(tokenize->block.bytes, size, end > start ? end : start);
        tokenize->shares[i].text = tokenize->block.bytes + start;
        tokenize->shares[i].size = end - start;
        start = end;
    }
}

/* Encodes the first `size` bytes of the block, which are whole lines, and prints them. */
static bool encode_block(struct tokenize *tokenize, size_t size, struct error *error)
{
    deal(tokenize, size);
#pragma omp parallel for num_threads(tokenize->threads) schedule(static, 1)
    for (int i = 0; i < tokenize->threads; i++)
        encode_share(&tokenize->renderings, &tokenize->shares[i]);

    for (int i = 0; i < tokenize->threads; i++) {
        const struct share *share = &tokenize->shares[i];

        if (share->error.kind != ERROR_NONE) {
            *error = share->error;
            return false;
        }
        /* A share without a line may have no buffer at all. */
        if (share->out_size > 0 &&
            fwrite(share->out, 1, share->out_size, stdout) != share->out_size)
            return fail_errno(error, errno, "standard output: cannot write");
    }
    return true;
}

/* Fills the room behind what is left of the last block. */
static bool read_block(struct tokenize *tokenize, struct error *error)
{
    struct block *block = &tokenize->block;

    block->size +=
        fread(block->bytes + block->size, 1, block->capacity - block->size, tokenize->input);
    block->ended = feof(tokenize->input);
    if (ferror(tokenize->input))
        return fail_errno(error, errno, "%s: cannot read", tokenize->input_name);
    return true;
}

/* How many bytes of the block are whole lines; the end of the input ends the last line. */
static size_t whole_lines(const struct block *block)
{
    const char *newline = memrchr(block->bytes, '\n', block->size);

    if (block->ended)
        return block->size;
    return newline ? (size_t)(newline - block->bytes) + 1 : 0;
}

static bool encode_input(struct tokenize *tokenize, struct error *error)
{
    struct block *block = &tokenize->block;
    size_t capacity = (size_t)tokenize->threads * BLOCK_BYTES_PER_THREAD;

    while (!block->ended) {
        /* A line that fills the block needs a larger one. */
        if (block->size > LINE_LIMIT)
            return fail_input(error, "%s: a line is longer than %d MiB", tokenize->input_name,
                              LINE_LIMIT >> 20);
        if (block->size == block->capacity)
            capacity = block->capacity ? 2 * block->capacity : capacity;
        if (!grow(&block->bytes, &block->capacity, capacity, 1, error) ||
            !read_block(tokenize, error))
            return false;
        size_t size = whole_lines(block);
        if (!encode_block(tokenize, size, error))
            return false;
        block->size -= size;
        memmove(block->bytes, block->bytes + size, block->size);
    }
    return true;
}

static bool open_tokenizer(struct tokenize *tokenize, const char *path, bool cased,
                           struct error *error)
{
    struct tokenizer_options options = tokenizer_default_options;

    if (path_is_directory(path)) {
        if (cased)
            return fail_input(error,
                              "--cased goes with a vocab.txt; the directory %s has its own "
                              "settings",
                              path);
        tokenize->tokenizer = tokenizer_load(path, error);
        return tokenize->tokenizer != NULL;
    }
    struct vocabulary *vocabulary = vocabulary_load(path, error);
    options.lowercase = !cased;
    tokenize->tokenizer = vocabulary ? tokenizer_create(vocabulary, options, error) : NULL;
    return tokenize->tokenizer != NULL;
}

static bool open_shares(struct tokenize *tokenize, struct error *error)
{
    tokenize->threads = machine_threads();
    tokenize->shares = allocate((size_t)tokenize->threads, sizeof *tokenize->shares, error);
    for (int i = 0; tokenize->shares && i < tokenize->threads; i++) {
        tokenize->shares[i].encoder = encoder_create(tokenize->tokenizer, error);
        if (!tokenize->shares[i].encoder)
            return false;
    }
    return tokenize->shares != NULL;
}

/* Opening one waits for its writer. What the shell opens for <(command) is a link. */
static bool is_named_pipe(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISFIFO(status.st_mode);
}

static bool open_input(struct tokenize *tokenize, const char *path, struct error *error)
{
    bool standard = !path || strcmp(path, "-") == 0;

    tokenize->input_name = standard ? "standard input" : path;
    if (!standard && path_is_directory(path))
        return fail_input(error, "%s: is a directory; expected a text file", path);
    if (!standard && is_named_pipe(path))
        fprintf(stderr, "%s: a FIFO: reading what another program writes to it\n", path);
    tokenize->input = standard ? stdin : fopen(path, "rb");
    if (!tokenize->input)
        return fail_input(error, "%s: cannot open: %s", path, strerror(errno));
    return true;
}

static void close_all(struct tokenize *tokenize)
{
    for (int i = 0; tokenize->shares && i < tokenize->threads; i++) {
        encoder_free(tokenize->shares[i].encoder);
        free(tokenize->shares[i].out);
    }
    free(tokenize->shares);
    free(tokenize->block.bytes);
    free(tokenize->renderings.starts);
    buffer_free(&tokenize->renderings.text);
    tokenizer_free(tokenize->tokenizer);
    if (tokenize->input && tokenize->input != stdin)
        fclose(tokenize->input);
}

static bool run(const struct command *command, int argc, char **argv, struct error *error)
{
    const char *vocab = NULL;
    bool cased = false, ids = false, helped = false;
    struct string_list operands = {0};
    struct tokenize tokenize = {0};
    const struct option_spec options[] = {
        {"vocab", OPTION_STRING, &vocab, "FILE", "a vocab.txt, or a model directory", 0, 0},
        {"cased", OPTION_FLAG, &cased, NULL, "keep case and accents (with a vocab.txt)", 0, 0},
        {"ids", OPTION_FLAG, &ids, NULL, "print ids, not tokens", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 0, 1, &helped, error);

    if (done && !helped && !vocab)
        done = fail_input(error, "--vocab is missing; expected a vocab.txt or a model directory");
    if (done && !helped)
        done = open_input(&tokenize, operands.count ? operands.items[0] : NULL, error) &&
               open_tokenizer(&tokenize, vocab, cased, error) && open_shares(&tokenize, error) &&
               render(&tokenize.renderings, tokenizer_vocabulary(tokenize.tokenizer), ids, error) &&
               encode_input(&tokenize, error) && command_finish_output(error);
    close_all(&tokenize);
    string_list_free(&operands);
    return done;
}

const struct command command_tokenize = {
    .name = "tokenize",
    .arguments = "--vocab FILE [--cased] [--ids] [FILE]",
    .summary = "text to WordPiece tokens or ids, a line for each line",
    .details =
        "Reads FILE or the standard input. Tokens are separated by one space; an empty line\n"
        "stays empty. [CLS] and [SEP] are not added.\n",
    .run = run,
};
