/* cloze tokenize is a filter from lines of text to lines of tokens or ids. Blocks of lines are
 * read, encoded by all threads and written in order, so that memory does not grow with the
 * input. */
#include "base/file.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "cli/command.h"
#include "cli/standard_input.h"
#include "cli/vocab_option.h"
#include "data/line_reader.h"
#include "text/content.h"
#include "text/text_encoder.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* So large that the cost of starting the threads for a block vanishes. */
enum { BLOCK_BYTES_PER_THREAD = 1 << 20 };

/* Renderings up to this size are copied as if they had this size, which is faster. */
enum { RENDERING_SLACK = 8 };

/* The size of "##", the longest word and a space: words do not become longer tokens. Only an added
 * token may be longer. */
enum { MAX_RENDERING = 2 + WORD_MAX_BYTES + 1 };

/* The renderings of all ids, made once: an id's token or number, and a space. */
struct renderings {
    struct buffer text;   /* all renderings, followed by RENDERING_SLACK bytes */
    size_t *starts;       /* [count + 1] */
    size_t max_rendering; /* size of the longest rendering that can be output */
};

/* One thread's share of a block. */
struct share {
    const char *text; /* whole lines */
    size_t size;
    struct text_encoder *encoder;
    char *out; /* [out_capacity], of which out_size bytes are used */
    size_t out_size, out_capacity;
    struct error error;
};

/* Input that has been read but not yet encoded. */
struct block {
    char *bytes;
    size_t size, capacity;
    bool ended;      /* whether the input has ended */
    bool ends_in_cr; /* whether CR ends lines, which is so up to the first LF */
};

struct tokenize {
    const char *input_name;
    FILE *input;                /* the standard input, or another one that cannot be read twice */
    struct byte_source *source; /* a file; its last bytes that are not yet in the block: */
    const char *given;
    size_t given_size;
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
        if (vocabulary_is_plain(vocabulary) && size > MAX_RENDERING)
            size = MAX_RENDERING;
        renderings->max_rendering =
            size > renderings->max_rendering ? size : renderings->max_rendering;
    }
    return buffer_append(&renderings->text, (const char[RENDERING_SLACK]){0}, RENDERING_SLACK,
                         error);
}

/* Appends the renderings of ids [first, end), with room for a newline after them. */
static bool append_renderings(const struct renderings *renderings, struct share *share,
                              const int32_t *ids, size_t first, size_t end)
{
    const size_t max = share->out_size + (end - first) * renderings->max_rendering;
    if (!grow(&share->out, &share->out_capacity, max + 1 + RENDERING_SLACK, 1, &share->error))
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
    enum { IDS = 4096 }; /* for so many ids room is made at a time */
    const int32_t *ids;
    size_t count;

    if (!text_encoder_encode(share->encoder, line, size, &ids, &count, &share->error))
        return false;
    for (size_t first = 0; first == 0 || first < count; first += IDS)
        if (!append_renderings(renderings, share, ids, first, first + min_size(count - first, IDS)))
            return false;
    share->out_size -= count > 0; /* the newline replaces the last space */
    share->out[share->out_size++] = '\n';
    return true;
}

/* Encodes all lines of a share; the last one may lack its newline. */
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

/* Returns the end of the line at `position`, after its newline. */
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

/* Fills the free room of the block from a file. */
static bool read_source(struct tokenize *tokenize, struct error *error)
{
    struct block *block = &tokenize->block;

    while (!block->ended && block->size < block->capacity) {
        const void *bytes;
        if (tokenize->given_size == 0) {
            if (!byte_source_next(tokenize->source, &bytes, &tokenize->given_size, error))
                return fail_context(error, "%s", tokenize->input_name);
            tokenize->given = bytes;
            block->ended = tokenize->given_size == 0;
        }
        size_t room = block->capacity - block->size;
        size_t size = min_size(tokenize->given_size, room);
        memcpy(block->bytes + block->size, tokenize->given, size);
        block->size += size;
        tokenize->given += size;
        tokenize->given_size -= size;
    }
    return true;
}

/* Fills the free room of the block from the file or the stream. */
static bool read_block(struct tokenize *tokenize, struct error *error)
{
    struct block *block = &tokenize->block;

    if (tokenize->source)
        return read_source(tokenize, error);
    block->size +=
        fread(block->bytes + block->size, 1, block->capacity - block->size, tokenize->input);
    block->ended = feof(tokenize->input);
    if (ferror(tokenize->input))
        return fail_errno(error, errno, "%s: cannot read", tokenize->input_name);
    return true;
}

/* Checks that the first block is text, and finds out how its lines end. JSON has lines too, but its
 * lines hold more than the text, so a line of the log says that it is JSON. */
static bool check_text(struct tokenize *tokenize, struct error *error)
{
    struct log log = log_open(stderr);
    struct content content = content_recognize(tokenize->block.bytes, tokenize->block.size);
    if (content.kind == CONTENT_JSON)
        log_line(&log, "%s: is JSON: each line is tokenized as it is", tokenize->input_name);
    tokenize->block.ends_in_cr = content.lone_cr;
    return content_require_text(&content, tokenize->input_name, error);
}

/* Makes LF of each CR in the bytes from `first` on, up to the first LF. A CR directly before that
 * LF belongs to it; a CR at the end waits for the next bytes, which may begin with the LF. */
static void replace_cr(struct block *block, size_t first)
{
    char *bytes = block->bytes;
    size_t i = first && bytes[first - 1] == '\r' ? first - 1 : first;
    for (; block->ends_in_cr && i < block->size; i++) {
        const bool last = i + 1 == block->size;
        if (bytes[i] == '\n')
            block->ends_in_cr = false;
        else if (bytes[i] == '\r' && (last ? block->ended : bytes[i + 1] != '\n'))
            bytes[i] = '\n';
    }
}

/* Returns how many bytes of the block are whole lines; the end of the input ends the last line. */
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
    bool checked = false;

    while (!block->ended) {
        /* A line that fills the block needs a larger one. */
        if (block->size > LINE_LIMIT)
            return fail_input(error, "%s: a line is longer than %d MiB", tokenize->input_name,
                              LINE_LIMIT >> 20);
        if (block->size == block->capacity)
            capacity = block->capacity ? 2 * block->capacity : capacity;
        const size_t before = block->size;
        if (!grow(&block->bytes, &block->capacity, capacity, 1, error) ||
            !read_block(tokenize, error) || (!checked && !check_text(tokenize, error)))
            return false;
        checked = true;
        replace_cr(block, before);
        size_t size = whole_lines(block);
        if (!encode_block(tokenize, size, error))
            return false;
        block->size -= size;
        memmove(block->bytes, block->bytes + size, block->size);
    }
    return true;
}

static bool open_shares(struct tokenize *tokenize, struct error *error)
{
    tokenize->threads = machine_threads();
    tokenize->shares = allocate((size_t)tokenize->threads, sizeof *tokenize->shares, error);
    for (int i = 0; tokenize->shares && i < tokenize->threads; i++) {
        tokenize->shares[i].encoder = text_encoder_create(tokenize->tokenizer, error);
        if (!tokenize->shares[i].encoder)
            return false;
    }
    return tokenize->shares != NULL;
}

static bool is_regular_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* True for a named pipe; opening one waits for its writer. The path of <(command) is a link to a
 * pipe. */
static bool is_named_pipe(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISFIFO(status.st_mode);
}

static bool open_input(struct tokenize *tokenize, const char *path, struct error *error)
{
    const bool standard = !path || is_standard_input(path);
    struct log log = log_open(stderr);

    tokenize->input_name = standard ? "standard input" : path;
    if (!standard && path_is_directory(path))
        return fail_input(error, "%s: is a directory; expected a text file", path);
    if (!standard && is_named_pipe(path))
        log_line(&log, "%s: a FIFO: reading what another program writes to it", path);
    if (!standard && is_regular_file(path)) {
        tokenize->source = byte_source_open(path, error);
        return tokenize->source != NULL;
    }
    tokenize->input = standard ? stdin : fopen(path, "rb");
    if (!tokenize->input)
        return fail_input(error, "%s: cannot open: %s", path, strerror(errno));
    return true;
}

static void close_all(struct tokenize *tokenize)
{
    for (int i = 0; tokenize->shares && i < tokenize->threads; i++) {
        text_encoder_free(tokenize->shares[i].encoder);
        free(tokenize->shares[i].out);
    }
    free(tokenize->shares);
    free(tokenize->block.bytes);
    free(tokenize->renderings.starts);
    buffer_free(&tokenize->renderings.text);
    tokenizer_free(tokenize->tokenizer);
    byte_source_close(tokenize->source);
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
        {"cased", OPTION_FLAG, &cased, NULL, "keep case and accents, if the files do not say", 0,
         0},
        {"ids", OPTION_FLAG, &ids, NULL, "print ids, not tokens", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 0, 1, &helped, error);

    if (done && !helped)
        done = open_input(&tokenize, operands.count ? operands.items[0] : NULL, error) &&
               (tokenize.tokenizer = vocab_option_open(vocab, cased, error)) &&
               open_shares(&tokenize, error) &&
               render(&tokenize.renderings, tokenizer_vocabulary(tokenize.tokenizer), ids, error) &&
               encode_input(&tokenize, error) && command_finish_output(error);
    close_all(&tokenize);
    string_list_free(&operands);
    return done;
}

const struct command command_tokenize = {
    .name = "tokenize",
    .arguments = "--vocab FILE [--cased] [--ids] [FILE]",
    .summary = "split text into WordPiece tokens or ids, line by line",
    .details =
        "Reads FILE (.gz .zst .xz .bz2 .lz4 are unpacked) or standard input. Tokens are\n"
        "separated by one space; an empty line stays empty. [CLS] and [SEP] are not added.\n",
    .examples = "# The tokens of a sentence\n"
                "echo \"An unbelievable story.\" | cloze tokenize --vocab runs/mine\n"
                "# The ids of a file\n"
                "cloze tokenize --vocab vocab.txt --ids corpus/1.txt.gz >ids.txt\n",
    .run = run,
};
