/* Reads files of text as a stream of documents, in constant memory: plain text, JSON and tar
 * archives, plain or compressed (data/text_file.h).
 *
 * In plain text, blank lines (line_is_blank) and the ends of files separate documents. In JSON a
 * record is a document; line breaks in its text separate its lines, and blank lines there do not
 * end the document.
 *
 * Memory: up to 32 MiB for a line or the text of a record, however long they are, and that of a
 * decompressor (data/byte_source.h). */
#ifndef CLOZE_DATA_CORPUS_H
#define CLOZE_DATA_CORPUS_H

#include "base/error.h"
#include "base/log.h"
#include "data/text_file.h"

#include <stddef.h>
#include <stdint.h>

/* A list of input files. */
struct corpus_files {
    char **paths;
    size_t count;
};

/* Expands patterns ("corpus/" "*.txt.gz") in their order; the matches of a pattern are sorted by
 * bytes. The name of an existing file is not a pattern, even if it has special characters, and
 * neither is a name in which they are escaped: the configuration escapes a directory that is not
 * part of the pattern. It is an error, which names the pattern or file, if a pattern has no match,
 * if a file is not a readable regular file, or if it occurs twice, also through a link. On failure
 * the list is empty. */
bool corpus_files_expand(struct corpus_files *files, const char *const *patterns, size_t count,
                         struct error *error);
void corpus_files_free(struct corpus_files *files);

/* Counts kept while reading, for the summary. */
struct corpus_counts {
    uint64_t bytes; /* bytes of the lines, decompressed, each with one line break */
    uint64_t lines;
    uint64_t documents;
    uint64_t paragraphs;     /* documents that a blank line ends, not a file or a record */
    uint64_t invalid_utf8;   /* ill-formed sequences, read as U+FFFD */
    char first_invalid[256]; /* "FILE:LINE" of the first one; a long path is cut at its beginning */
    struct text_notes notes;
};

/* Adds the counts of other files. */
void corpus_counts_add(struct corpus_counts *sum, const struct corpus_counts *counts);

/* Logs what the user should know about how the text was read, a line for each kind of note. */
void corpus_counts_log(const struct corpus_counts *counts, struct log *log);

/* The default name of the field of a JSON record that holds its text. */
#define CORPUS_TEXT_FIELD "text"

struct corpus_reader;

/* text_field  the field of JSON records that holds the text; a name of NULL: CORPUS_TEXT_FIELD
 * strict      whether invalid UTF-8, and in JSON a lone surrogate or null for the text, is an error
 *             instead of being counted
 * The files and the field must outlive the reader. Files are opened when they are reached, so it
 * returns NULL only when memory is short. */
struct corpus_reader *corpus_reader_open(const struct corpus_files *files,
                                         struct text_field text_field, bool strict,
                                         struct error *error);
void corpus_reader_close(struct corpus_reader *reader); /* NULL is accepted */

/* A piece of a document: whole lines that are not blank, with "\n" between them, in valid UTF-8. */
struct corpus_piece {
    const char *text; /* belongs to the reader until the next call */
    size_t size;      /* at least 1 */
    bool begins_document;
    bool ends_document;
};

/* Returns the next piece. A document of more than `limit` bytes is divided into several pieces,
 * each of as many lines as fit in the limit, or of one longer line. After the last document *end is
 * true and there is no piece. Documents without any text are left out. Errors name the file and
 * line: a line of more than LINE_LIMIT, a damaged file, a malformed record, or invalid UTF-8 with
 * `strict`. */
bool corpus_reader_next(struct corpus_reader *reader, size_t limit, struct corpus_piece *piece,
                        bool *end, struct error *error);

/* Returns the counts of the lines read so far. */
const struct corpus_counts *corpus_reader_counts(const struct corpus_reader *reader);

/* Returns about how many compressed bytes of the files the returned text came from
 * (text_file_position). */
uint64_t corpus_reader_position(const struct corpus_reader *reader);

#endif
