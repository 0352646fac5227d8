#include "data/text_survey.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/min.h"
#include "base/utf8.h"
#include "text/normalizer.h"
#include "text/sentences.h"
#include "text/string_table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

enum {
    PICKED = 64,     /* at most so many files are looked into */
    PIECE = 1 << 20, /* bytes of a document at a time */
    NARROW_FROM = 40,
    NARROW_TO = 100,
    FEW_LINES = 20, /* fewer say nothing about habits */
};

struct survey {
    struct text_survey *result;
    struct normalizer *normalizer;
    struct sentence_splitter *splitter;
    struct string_table documents; /* hashes, eight bytes each */
    uint64_t letters[USCRIPT_CODE_LIMIT], accents;
    uint64_t document_sentences, document_hash;
};

/* ---- lines ---- */

static uint32_t last_character(const char *line, size_t size)
{
    size_t position = size - 1;
    while (position > 0 && ((unsigned char)line[position] & 0xC0) == 0x80)
        position--;
    return utf8_decode(line, size, &position);
}

/* Counts the letters of each script, and accents. Returns the number of characters, spaces too. */
static size_t count_letters(struct survey *survey, const char *line, size_t size)
{
    size_t characters = 0;
    for (size_t position = 0; position < size; characters++) {
        uint32_t c = utf8_decode(line, size, &position);
        UErrorCode status = U_ZERO_ERROR;
        survey->accents += c >= 0x80 && has_accent(c);
        if (!u_isalpha((UChar32)c))
            continue;
        UScriptCode script = uscript_getScript((UChar32)c, &status);
        if (U_SUCCESS(status) && script >= 0 && script < USCRIPT_CODE_LIMIT)
            survey->letters[script]++;
    }
    return characters;
}

static void count_words(struct survey *survey, const char *line, size_t size)
{
    struct word_reader reader;
    struct word word;
    word_reader_begin(&reader, survey->normalizer, line, size);
    while (word_reader_next(&reader, &word))
        survey->result->words++;
}

static bool add_line(struct survey *survey, const char *line, size_t size, struct error *error)
{
    struct text_survey *result = survey->result;
    const size_t *ends;
    size_t sentences;
    if (!sentence_splitter_split(survey->splitter, line, size, &ends, &sentences, error))
        return false;
    count_words(survey, line, size);
    const size_t width = count_letters(survey, line, size);
    const uint32_t last = last_character(line, size);
    result->lines++;
    result->sentences += sentences;
    result->sentence_lines += sentences == 1;
    result->open_lines += u_isalpha((UChar32)last) || last == ',';
    result->narrow_lines += width >= NARROW_FROM && width <= NARROW_TO;
    survey->document_sentences += sentences;
    return true;
}

/* ---- documents ---- */

static bool end_document(struct survey *survey, struct error *error)
{
    struct text_survey *result = survey->result;
    char key[sizeof survey->document_hash];
    uint32_t number, before = survey->documents.count;
    memcpy(key, &survey->document_hash, sizeof key);
    if (!string_table_add(&survey->documents, key, sizeof key, &number, error))
        return false;
    result->equal_documents += number < before;
    result->short_documents += survey->document_sentences == 1;
    return true;
}

static bool add_piece(struct survey *survey, const struct corpus_piece *piece, struct error *error)
{
    if (piece->begins_document)
        survey->document_sentences = survey->document_hash = 0;
    survey->document_hash = survey->document_hash * 31 + hash_bytes(piece->text, piece->size);
    for (size_t begin = 0; begin < piece->size;) {
        const char *end = memchr(piece->text + begin, '\n', piece->size - begin);
        size_t size = end ? (size_t)(end - piece->text) - begin : piece->size - begin;
        if (size && !add_line(survey, piece->text + begin, size, error))
            return false;
        begin += size + 1;
    }
    return !piece->ends_document || end_document(survey, error);
}

/* ---- files ---- */

static bool size_of(const char *path, uint64_t *size, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return fail_path(error, errno, path, "examine");
    *size = (uint64_t)status.st_size;
    return true;
}

/* Reads a file up to `limit` bytes of text, and adds to *consumed how many of its own bytes that
 * took. */
static bool read_file(struct survey *survey, char *path, struct text_field field, uint64_t limit,
                      double *consumed, struct error *error)
{
    const struct corpus_files one = {&path, 1};
    struct corpus_reader *reader = corpus_reader_open(&one, field, false, error);
    struct corpus_piece piece;
    bool end = false, cut = false, done = reader != NULL;
    while (done && !end && corpus_reader_counts(reader)->bytes < limit) {
        done = corpus_reader_next(reader, PIECE, &piece, &end, error);
        if (done && !end) {
            done = add_piece(survey, &piece, error);
            cut = !piece.ends_document;
        }
    }
    if (done) {
        corpus_counts_add(&survey->result->counts, corpus_reader_counts(reader));
        *consumed += (double)corpus_reader_position(reader);
        survey->result->sampled = survey->result->sampled || !end;
        survey->result->cut_documents += cut;
    }
    corpus_reader_close(reader);
    return done;
}

static bool read_files(struct survey *survey, const struct corpus_files *files,
                       struct text_field field, struct log *log, struct error *error)
{
    struct text_survey *result = survey->result;
    size_t picked = min_size(files->count, PICKED);
    double consumed = 0;
    for (size_t i = 0; i < files->count; i++) {
        uint64_t size = 0;
        if (!size_of(files->paths[i], &size, error))
            return false;
        result->file_bytes += size;
    }
    result->files = files->count;
    result->sampled = picked < files->count;
    for (size_t i = 0; i < picked; i++) {
        log_live(log, "reading: file %zu of %zu", i + 1, picked);
        uint64_t left =
            result->counts.bytes < SURVEY_BYTES ? SURVEY_BYTES - result->counts.bytes : 1;
        if (!read_file(survey, files->paths[i * files->count / picked], field,
                       left / (picked - i) + 1, &consumed, error))
            return false;
    }
    log_end_live(log);
    result->read_share = result->sampled && result->file_bytes
                             ? fmin(1, fmax(consumed, 1) / (double)result->file_bytes)
                             : 1;
    return true;
}

/* ---- the result ---- */

static void find_scripts(struct survey *survey)
{
    struct text_survey *result = survey->result;
    double letters = 0;
    for (int i = 0; i < USCRIPT_CODE_LIMIT; i++)
        letters += (double)survey->letters[i];
    result->accent_share = letters > 0 ? (double)survey->accents / letters : 0;
    for (int n = 0; n < SURVEY_SCRIPTS; n++) {
        int most = 0;
        for (int i = 0; i < USCRIPT_CODE_LIMIT; i++)
            most = survey->letters[i] > survey->letters[most] ? i : most;
        if (!survey->letters[most])
            return;
        snprintf(result->scripts[n].name, sizeof result->scripts[n].name, "%s",
                 uscript_getName((UScriptCode)most));
        result->scripts[n].share = (double)survey->letters[most] / letters;
        survey->letters[most] = 0;
        result->script_count++;
    }
}

static bool open_survey(struct survey *survey, struct error *error)
{
    const struct tokenizer_options options = {.lowercase = true, .tokenize_chinese_chars = true};
    survey->normalizer = normalizer_create(options, error);
    survey->splitter = survey->normalizer ? sentence_splitter_create(error) : NULL;
    return survey->splitter;
}

static void close_survey(struct survey *survey)
{
    normalizer_free(survey->normalizer);
    sentence_splitter_free(survey->splitter);
    string_table_free(&survey->documents);
    free(survey);
}

bool text_survey_take(struct text_survey *result, const struct corpus_files *files,
                      struct text_field text_field, struct log *log, struct error *error)
{
    *result = (struct text_survey){0};
    struct survey *survey = allocate(1, sizeof *survey, error);
    if (!survey)
        return false;
    survey->result = result;
    bool done = open_survey(survey, error) && read_files(survey, files, text_field, log, error);
    log_end_live(log);
    find_scripts(survey);
    close_survey(survey);
    return done && (result->words || fail_input(error, "%s%s: no words in it", files->paths[0],
                                                files->count > 1 ? " and the other files" : ""));
}

uint64_t text_survey_whole(const struct text_survey *survey, uint64_t count)
{
    return (uint64_t)((double)count / survey->read_share + 0.5);
}

uint64_t text_survey_documents(const struct text_survey *survey)
{
    const uint64_t ended = survey->counts.documents - survey->cut_documents;
    const uint64_t whole = text_survey_whole(survey, ended);
    return survey->cut_documents && whole < survey->files ? survey->files : whole;
}

bool text_survey_has_sentence_lines(const struct text_survey *survey)
{
    const uint64_t lines = survey->lines, documents = survey->counts.documents;
    return lines >= FEW_LINES && lines >= 2 * documents &&
           10 * survey->sentence_lines >= 9 * lines && !text_survey_has_wrapped_lines(survey);
}

bool text_survey_has_wrapped_lines(const struct text_survey *survey)
{
    const uint64_t lines = survey->lines;
    return lines >= FEW_LINES && 10 * survey->open_lines >= 6 * lines &&
           10 * survey->narrow_lines >= 7 * lines;
}
