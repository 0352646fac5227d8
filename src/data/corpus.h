/* Reads files of text as a stream of documents, in constant memory: plain text, JSON and tar
 * archives, plain or compressed (data/text_file.h).
 *
 * In plain text, blank lines (line_is_blank) and the ends of files separate documents. In JSON a
 * record is a document; line breaks in its text separate its lines, and blank lines there do not
 * end the document.
 *
 * Memory: twice 16 MiB for a line or the text of a record, whatever their size, and what a
 * decompressor needs (data/byte_source.h). */
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

/* Expands patterns ("corpus/" "*.txt.gz") in their order, each pattern's matches sorted by bytes; a
 * name that exists is taken as it is, whatever characters it has, and so is one whose special
 * characters were escaped, as a directory's are that is not part of the pattern. A pattern without
 * a match, anything but a readable regular file, and a file that comes up twice, be it through a
 * link, are errors that name it. On failure the list is empty. */
bool corpus_files_expand(struct corpus_files *files, const char *const *patterns, size_t count,
                         struct error *error);
void corpus_files_free(struct corpus_files *files);

/* Counts kept while reading, for the summary. */
struct corpus_counts {
    uint64_t bytes; /* of the lines, decompressed, each with one line break */
    uint64_t lines;
    uint64_t documents;
    uint64_t paragraphs;   /* of the documents: ended by a blank line, not by a file or a record */
    uint64_t invalid_utf8; /* ill-formed sequences, read as U+FFFD */
    char first_invalid[256]; /* "FILE:LINE" of the first one; of a long path the end */
    struct text_notes notes;
};

/* Adds what was counted of other files. */
void corpus_counts_add(struct corpus_counts *sum, const struct corpus_counts *counts);

/* Says what the user should know of how the text was read: a line for each thing. */
void corpus_counts_say(const struct corpus_counts *counts, struct log *log);

/* The field of a JSON record that is its text where none is named. */
#define CORPUS_TEXT_FIELD "text"

struct corpus_reader;

/* text_field: of JSON records; a name of NULL: CORPUS_TEXT_FIELD. strict: invalid UTF-8, and in
 * JSON a lone surrogate or null for the text, is an error instead of being counted. The files and
 * the field must outlive the reader. NULL when memory is short: files are opened as they are
 * reached. */
struct corpus_reader *corpus_reader_open(const struct corpus_files *files,
                                         struct text_field text_field, bool strict,
                                         struct error *error);
void corpus_reader_close(struct corpus_reader *reader); /* NULL is accepted */

/* A piece of a document: whole lines without the blank ones, "\n" between them, valid UTF-8. */
struct corpus_piece {
    const char *text; /* belongs to the reader until the next call */
    size_t size;      /* at least 1 */
    bool begins_document;
    bool ends_document;
};

/* The next piece. A document of more than `limit` bytes comes in several pieces, each as many lines
 * as fit in the limit, or one longer line. *end is true, without a piece, after the last document.
 * Documents without any text do not appear. Errors name file and line: a line of more than
 * LINE_LIMIT, a damaged file, a malformed record, with `strict` invalid UTF-8. */
bool corpus_reader_next(struct corpus_reader *reader, size_t limit, struct corpus_piece *piece,
                        bool *end, struct error *error);

/* As of the lines read so far. */
const struct corpus_counts *corpus_reader_counts(const struct corpus_reader *reader);

#endif
