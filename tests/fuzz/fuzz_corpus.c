/* Plain text, JSON and tar: the first byte chooses, and whether invalid UTF-8 is an error. However
 * small the pieces are, together they are the same documents. Plain text is compared with a slow
 * reading of it. */
#include "base/utf8.h"
#include "data/corpus.h"
#include "data/line_reader.h"
#include "fuzz/support.h"
#include "text/content.h"

#include <stdlib.h>
#include <string.h>

enum { JSON = 1, STRICT = 2, TAR = 4 };

static void append(struct buffer *out, const char *text, size_t size)
{
    struct error error = {0};
    CHECK(buffer_append(out, text, size, &error));
}

/* The documents, each followed by a zero byte that no other place can have: zero bytes in the text
 * become "0". */
static void append_text(struct buffer *out, const char *text, size_t size)
{
    size_t start = out->size;
    append(out, text, size);
    for (size_t i = start; i < out->size; i++)
        out->data[i] = out->data[i] ? out->data[i] : '0';
}

static bool read_documents(const char *path, bool strict, size_t limit, struct buffer *out,
                           struct error *error)
{
    struct corpus_files files;
    CHECK(corpus_files_expand(&files, &path, 1, error));
    struct corpus_reader *reader =
        corpus_reader_open(&files, (struct text_field){0}, strict, error);
    CHECK(reader);
    bool open = false, end = false, done;
    uint64_t documents = 0;
    struct corpus_piece piece;
    while ((done = corpus_reader_next(reader, limit, &piece, &end, error)) && !end) {
        CHECK(piece.size > 0 && piece.begins_document == !open);
        CHECK(utf8_valid_prefix(piece.text, piece.size) == piece.size);
        if (open)
            append(out, "\n", 1);
        append_text(out, piece.text, piece.size);
        open = !piece.ends_document;
        documents += piece.ends_document;
        if (!open)
            append(out, "", 1);
    }
    const struct corpus_counts *counts = corpus_reader_counts(reader);
    CHECK(!done || (!open && counts->documents == documents));
    CHECK(!strict || counts->invalid_utf8 == 0);
    corpus_reader_close(reader);
    corpus_files_free(&files);
    return done;
}

static void append_repaired(struct buffer *out, const char *line, size_t size)
{
    for (size_t place = 0; place < size;) {
        char bytes[4];
        uint32_t c = utf8_decode(line, size, &place);
        append_text(out, bytes, utf8_encode(c, bytes));
    }
}

/* The documents of plain text, a line at a time from the whole of it. */
static void reference_documents(const char *text, size_t size, char line_end, struct buffer *out)
{
    bool open = false;
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    for (size_t start = 0; start < size;) {
        size_t end = start;
        while (end < size && text[end] != line_end)
            end++;
        size_t length = end - start;
        if (length && text[end - 1] == '\r')
            length--;
        if (line_is_blank(text + start, length)) {
            if (open)
                append(out, "", 1);
            open = false;
        } else {
            if (open)
                append(out, "\n", 1);
            append_repaired(out, text + start, length);
            open = true;
        }
        start = end + 1;
    }
    if (open)
        append(out, "", 1);
}

static bool begins_as(const uint8_t *data, size_t size, const char *magic, size_t length)
{
    return size >= length && memcmp(data, magic, length) == 0;
}

/* What plain text is not: compressed (zstd may begin with a skippable frame), or another kind. */
static bool is_plain(const uint8_t *data, size_t size, const struct content *content)
{
    return content->kind == CONTENT_TEXT && !begins_as(data, size, "BZh", 3) &&
           !(size >= 4 && memcmp(data + 1, "\x2A\x4D\x18", 3) == 0);
}

/* A text of which a quarter is not UTF-8 is refused, as text in another encoding. */
static bool may_be_refused(const uint8_t *data, size_t size)
{
    size_t first, invalid = utf8_count_invalid((const char *)data, size, &first);
    return invalid >= 16 && invalid > size / 5;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    unsigned flags = fuzz_take_byte(&data, &size);
    bool strict = flags & STRICT, json = flags & JSON, tar = flags & TAR;
    const char *path = fuzz_write(json ? "text.jsonl" : tar ? "text.tar" : "text.txt", data, size);
    struct content content = content_recognize(data, size);
    struct buffer whole = {0}, pieces = {0}, expected = {0};
    bool done = read_documents(path, strict, 1 << 30, &whole, &error);
    CHECK(read_documents(path, strict, 7, &pieces, &error) == done);
    if (!done)
        fuzz_check_error(&error);
    else
        CHECK(whole.size == pieces.size &&
              (!whole.size || memcmp(whole.data, pieces.data, whole.size) == 0));
    if (!json && !tar && !strict && is_plain(data, size, &content)) {
        reference_documents((const char *)data, size, content.lone_cr ? '\r' : '\n', &expected);
        CHECK(done || may_be_refused(data, size));
        CHECK(!done || (whole.size == expected.size &&
                        (!whole.size || memcmp(whole.data, expected.data, whole.size) == 0)));
    }
    buffer_free(&whole);
    buffer_free(&pieces);
    buffer_free(&expected);
    return 0;
}

void fuzz_seeds(void)
{
    fuzz_seed_text("plain",
                   "0One document.\nTwo lines.\r\n\n \t\nAnother \xC3\xA9\xE2\x80.\n\xFF\n");
    fuzz_seed_text("mark", "0\xEF\xBB\xBF text\n\r\n\r\rmore");
    fuzz_seed_text("strict", "2valid\n\nthen \xC0\x80\n");
    fuzz_seed_text("json",
                   "1{\"text\": \"one\\ntwo\\r\\n\\n three \\u00e9 \\u0000\", \"n\": 1e999}\n"
                   "\n{\"text\": \"\"}\n{\"id\": 99999999999999999999, \"text\": \"x\"}\n");
    fuzz_seed_text("array",
                   "1[{\"text\": \"one\"}, \"two\\ud83d\\ude00\\ud83d\", {\"text\": \"\"}]\n");
    fuzz_seed_text("pretty", "0{\n \"a\": [NaN, {\"b\": -Infinity}],\n \"text\": \"x\"\n}\n");
    fuzz_seed_text("wrong", "1{\"text\": 3}\n{\"text\": \"a\", \"text\": \"b\"}\n[]\n");
}
