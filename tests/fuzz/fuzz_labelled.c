/* Labelled files: the first byte chooses the format and the second how it is read. However small
 * the blocks of a stream are, its rows are those of the file; every example of a set fits. */
#include "data/labelled_set.h"
#include "fuzz/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 1, PAIR = 2, NUMBERS = 4, TOKENS = 8, OPTIONAL = 16, MAX_LENGTH = 12 };

static const char *const vocabulary_tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                                                "a",     "b",     "##b",   ".",     "text"};

static struct tokenizer *open_tokenizer(void)
{
    struct error error = {0};
    struct vocabulary *vocabulary = vocabulary_create(
        vocabulary_tokens, sizeof vocabulary_tokens / sizeof *vocabulary_tokens, "fuzz", &error);
    struct tokenizer *tokenizer =
        vocabulary ? tokenizer_create(vocabulary, tokenizer_default_options, &error) : NULL;
    CHECK(tokenizer);
    return tokenizer;
}

static struct labelled_settings settings_of(unsigned format, unsigned flags)
{
    const bool header = flags & HEADER;
    struct labelled_settings settings = {
        .kind = flags & TOKENS    ? TASK_TOKENS
                : flags & NUMBERS ? TASK_REGRESSION
                                  : TASK_CLASSIFICATION,
        .format = LABELLED_TSV + format % 5,
        .header = header,
        .labels = flags & OPTIONAL ? LABELS_OPTIONAL : LABELS_REQUIRED,
        .names = &labelled_key_names,
    };
    const bool names = settings.format == LABELLED_JSONL || header;
    settings.text = names ? NULL : "1";
    settings.label = names ? NULL : "2";
    settings.text_pair = !(flags & PAIR) ? NULL : names ? "b" : "3";
    return settings;
}

/* ---- rows ---- */

static void append(struct buffer *out, struct cell cell)
{
    struct error error = {0};
    const char marks[2] = {cell.text ? '1' : '0', 0};
    CHECK(buffer_append(out, cell.text, cell.text ? cell.size : 0, &error) &&
          buffer_append(out, marks, sizeof marks, &error));
}

static void append_row(struct buffer *out, const struct labelled_row *row)
{
    struct error error = {0};
    CHECK(buffer_print(out, &error, "%d:", (int)row->line));
    append(out, row->text);
    append(out, row->text_pair);
    append(out, row->label);
    CHECK(!row->label.text || row->label.size);
    CHECK(!row->word_labels || row->word_labels->count == row->words->count);
    for (size_t i = 0; row->words && i < row->words->count; i++) {
        append(out, cells_get(row->words, i));
        if (row->word_labels)
            append(out, cells_get(row->word_labels, i));
    }
}

static bool take_rows(struct labelled_rows *rows, struct buffer *out, struct error *error)
{
    struct labelled_row row;
    uint64_t line = 0;
    bool end = false, done = rows;
    while (done && !end) {
        done = labelled_rows_next(rows, &row, &end, error);
        if (!done || end)
            continue;
        CHECK(row.line > line);
        line = row.line;
        append_row(out, &row);
    }
    labelled_rows_close(rows);
    return done;
}

struct blocks {
    const uint8_t *data;
    size_t size, block;
};

static bool next_block(void *context, const void **bytes, size_t *size, struct error *error)
{
    struct blocks *blocks = context;
    (void)error;
    *size = blocks->size < blocks->block ? blocks->size : blocks->block;
    *bytes = blocks->data;
    blocks->data += *size;
    blocks->size -= *size;
    return true;
}

static bool check_rows(const char *path, const struct labelled_settings *settings,
                       const uint8_t *data, size_t size)
{
    struct error error = {0}, stream_error = {0};
    struct buffer whole = {0}, pieces = {0};
    struct blocks blocks = {data, size, 5};
    const struct byte_stream stream = {.next = next_block, .context = &blocks};
    const bool done = take_rows(labelled_rows_open(path, settings, &error), &whole, &error);
    CHECK(take_rows(labelled_rows_open_stream(stream, path, settings, &stream_error), &pieces,
                    &stream_error) == done);
    if (!done)
        fuzz_check_error(&error);
    CHECK(whole.size == pieces.size &&
          (!whole.size || memcmp(whole.data, pieces.data, whole.size) == 0));
    buffer_free(&whole);
    buffer_free(&pieces);
    return done;
}

/* ---- sets ---- */

static void check_example(const struct labelled_set *set, const struct labelled_example *example,
                          int labels)
{
    const int32_t *ids = set->ids + example->first_token;
    const bool classes = set->kind == TASK_CLASSIFICATION;
    CHECK(example->length >= 2 && example->length <= MAX_LENGTH);
    CHECK(example->first_segment >= 2 && example->first_segment <= example->length);
    CHECK(ids[0] == 2 && ids[example->first_segment - 1] == 3 && ids[example->length - 1] == 3);
    CHECK(classes ? example->label >= 0 && example->label < labels : example->label == NO_LABEL);
    CHECK(isfinite(example->value));
    for (int32_t i = 0, last = 0; i < example->words; i++) {
        const int32_t token = set->word_tokens[example->first_word + (size_t)i];
        const int32_t label = set->word_labels[example->first_word + (size_t)i];
        CHECK(label >= 0 && label < labels);
        CHECK(token == NO_PREDICTION || (token > last && token < example->length - 1));
        last = token == NO_PREDICTION ? last : token;
    }
}

static void check_batch(const struct labelled_set *set)
{
    struct error error = {0};
    struct batch batch = {0};
    size_t *indices = calloc(set->count, sizeof *indices);
    CHECK(indices);
    for (size_t i = 0; i < set->count; i++)
        indices[i] = set->count - 1 - i;
    CHECK(labelled_set_batch(set, indices, set->count, &batch, &error));
    CHECK(batch.sequences == (int)set->count && batch.tokens == (int)set->id_count);
    CHECK(batch.max_length == set->max_length);
    batch_free(&batch);
    free(indices);
}

static void check_set(const char *path, const struct labelled_settings *settings, bool readable)
{
    static struct tokenizer *tokenizer;
    struct error error = {0};
    struct labelled_set set = {0};
    struct label_list labels = {0};
    struct corpus_files files;
    if (!tokenizer)
        tokenizer = open_tokenizer();
    const struct labelled_reading reading = {
        .settings = settings,
        .tokenizer = tokenizer,
        .max_length = MAX_LENGTH,
        .keep_words = true,
    };
    CHECK(corpus_files_expand(&files, &path, 1, &error));
    if (labelled_set_read(&set, &files, &reading,
                          settings->kind == TASK_REGRESSION ? NULL : &labels, &error)) {
        CHECK(readable && set.count);
        for (size_t i = 0; i < set.count; i++)
            check_example(&set, &set.examples[i], label_list_count(&labels));
        check_batch(&set);
    } else
        fuzz_check_error(&error);
    labelled_set_free(&set);
    label_list_free(&labels);
    corpus_files_free(&files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned format = fuzz_take_byte(&data, &size);
    const unsigned flags = fuzz_take_byte(&data, &size);
    const struct labelled_settings settings = settings_of(format, flags);
    const char *path = fuzz_write("examples", data, size);
    const bool readable = check_rows(path, &settings, data, size);
    if (settings.labels == LABELS_REQUIRED)
        check_set(path, &settings, readable);
    return 0;
}

/* The first characters: 0 conll, 1 txt, 2 tsv, 3 csv, 4 jsonl. The second ones: @ no flag,
 * A HEADER, B PAIR, D NUMBERS, H TOKENS, P OPTIONAL. */
void fuzz_seeds(void)
{
    fuzz_seed_text("tsv", "2Atext\tlabel\tb\na \"b\tx\ttext\r\nb\ty\t\n");
    fuzz_seed_text("numbered", "2@a\tx\tb\n\tb\tab\n");
    fuzz_seed_text("pairs", "2Ba\tx\tb a b a b a b a b a b\n.\tb\tab\n");
    fuzz_seed_text("csv", "3Atext,label\n\"a, \"\"b\"\"\",x\n\n\"two\nlines\",\" y\"\n");
    fuzz_seed_text("regression", "3D\"a\",3.5\n,-1e-3\nb,3,5\n");
    fuzz_seed_text("json",
                   "4@{\"text\": \"a\\u00e9\", \"label\": 1}\n{\"text\": \"\", \"label\": \"x\"}");
    fuzz_seed_text("words", "4H{\"tokens\": [\"a\", \"b b\"], \"labels\": [\"O\", 1]}\n");
    fuzz_seed_text("conll", "0H-DOCSTART- O\n\na O\nab\tB-X\n \t\n\xE2\x80\x8B O\ntext I-X\n");
    fuzz_seed_text("lines", "1Pa text.\n\n\xEF\xBB\xBF \n");
}
