#include "support/corpus_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool read_pieces(struct corpus_reader *reader, size_t limit, struct buffer *out,
                        struct error *error)
{
    for (;;) {
        struct corpus_piece piece = {0};
        bool end;
        if (!corpus_reader_next(reader, limit, &piece, &end, error))
            return false;
        if (end)
            return true;
        assert_true(buffer_append(out, piece.begins_document ? "[" : "|", 1, error));
        assert_true(buffer_append(out, piece.text, piece.size, error));
        if (piece.ends_document)
            assert_true(buffer_append(out, "]", 1, error));
    }
}

bool read_files(const char *const *patterns, size_t count, size_t limit, bool strict,
                struct buffer *out, struct corpus_counts *counts, struct error *error)
{
    struct corpus_files files;
    if (!corpus_files_expand(&files, patterns, count, error))
        return false;
    const struct text_field field = {NULL, "--text-field"};
    struct corpus_reader *reader = corpus_reader_open(&files, field, strict, error);
    assert_non_null(reader);
    bool done = read_pieces(reader, limit, out, error);
    *counts = *corpus_reader_counts(reader);
    corpus_reader_close(reader);
    corpus_files_free(&files);
    return done;
}

void expect_text(const char *path, size_t limit, const char *expected)
{
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    if (!read_files(&path, 1, limit, false, &out, &counts, &error))
        fail_msg("%s", error.message);
    assert_string_equal(out.data ? out.data : "", expected);
    buffer_free(&out);
}

void expect_error(const char *path, bool strict, const char *message)
{
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    assert_false(read_files(&path, 1, NO_LIMIT, strict, &out, &counts, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_memory_equal(error.message, path, strlen(path));
    assert_string_equal(error.message + strlen(path), message);
    buffer_free(&out);
}

struct corpus_counts expect_contents(struct scratch *scratch, const char *name,
                                     const char *contents, const char *expected)
{
    const char *path = scratch_write_text(scratch, name, contents);
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    if (!read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error))
        fail_msg("%s", error.message);
    assert_string_equal(out.data ? out.data : "", expected);
    buffer_free(&out);
    return counts;
}
