/* Reads the texts of JSON records: objects one after the other, each on a line of its own (JSON
 * Lines) or on several, or one array of objects. The text of a record is the string under a given
 * key; a string in the place of an object is a text itself. null under the key is an empty text.
 *
 * Only the text and the keys are read into memory. The values of other keys may be anything that
 * Python's json accepts: NaN, numbers of any size, repeated keys, deep nesting. If the given key is
 * repeated, the last one counts, as in Python.
 *
 * Memory: at most 32 MiB for the text of a record, however long it is (JSON_TEXT_LIMIT). */
#ifndef CLOZE_DATA_JSON_READER_H
#define CLOZE_DATA_JSON_READER_H

#include "data/byte_source.h"

#include <stdint.h>

/* A longer text is returned in parts of whole lines. */
enum { JSON_TEXT_LIMIT = 16 << 20 };

/* The field of a record that holds its text. */
struct text_field {
    const char *name;
    const char *option; /* the option that names another field, for messages; NULL: there is none */
};

struct json_reader;

/* Returns NULL when memory is short. The caller keeps the source, its name and the strings of the
 * field, which must outlive the reader. */
struct json_reader *json_reader_open(struct byte_source *source, const char *name,
                                     struct text_field field, struct error *error);
void json_reader_close(struct json_reader *reader); /* NULL is accepted */

/* Returns how many bytes have been read from the source, but not taken yet. */
size_t json_reader_ahead(const struct json_reader *reader);

/* Allows a file in which no record has a text: records without a text are skipped until a record
 * has one; then the skipped ones are an error. */
void json_reader_allow_no_text(struct json_reader *reader);

/* Returns whether the file has records, but none with a text. Call it at the end of the file, after
 * json_reader_allow_no_text. */
bool json_reader_had_no_text(const struct json_reader *reader);

struct json_text {
    const char *text; /* belongs to the reader until its next call; may hold zero bytes */
    size_t size;
    bool ends_record;
    bool is_empty; /* the whole text is "" or null */
    bool is_null;  /* the text is null */
};

/* Returns the next text, or a part of it; after the last one *end is true and there is no text.
 * Bytes that are not UTF-8 are left as they are. Errors name the file and the line where the record
 * begins: malformed JSON, a record without the field, a field that is neither a string nor null. */
bool json_reader_next(struct json_reader *reader, struct json_text *text, bool *end,
                      struct error *error);

/* Returns the number of the line where the record of the last text begins, from 1. */
uint64_t json_reader_line(const struct json_reader *reader);

/* Returns the number of lone surrogates (\uD83D without its \uDE00) that were read as U+FFFD in the
 * texts so far. */
uint64_t json_reader_surrogates(const struct json_reader *reader);

#endif
