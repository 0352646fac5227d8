/* The texts of JSON records: objects one after the other, a line each (JSON Lines) or over several,
 * or one array of them. The text of a record is the string under a given key; a string that stands
 * where an object is expected is a text itself. null under the key is an empty text.
 *
 * Only what is needed is read into memory, for what stands under other keys may be anything that
 * Python's json takes: NaN, numbers that no machine holds, repeated keys, deep nesting. Where the
 * key itself is repeated, the last one counts, as in Python.
 *
 * Memory: at most 32 MiB for the text of a record, however long it is (JSON_TEXT_LIMIT). */
#ifndef CLOZE_DATA_JSON_READER_H
#define CLOZE_DATA_JSON_READER_H

#include "data/byte_source.h"

#include <stdint.h>

/* The text of a record that has more comes in parts of whole lines. */
enum { JSON_TEXT_LIMIT = 16 << 20 };

/* The field of a record that holds its text. */
struct text_field {
    const char *name;
    const char *option; /* what names another one, for messages: "--text-field"; NULL: nothing */
};

struct json_reader;

/* The source, its name and the texts of the field stay the caller's and must outlive the reader.
 * NULL when memory is short. */
struct json_reader *json_reader_open(struct byte_source *source, const char *name,
                                     struct text_field field, struct error *error);
void json_reader_close(struct json_reader *reader); /* NULL is accepted */

/* From now on records without a text are passed over as long as none has one: the file may be about
 * something else. With the first one that has, those before it are an error. */
void json_reader_expect_other(struct json_reader *reader);

/* After the end: whether there were records, and none with a text. */
bool json_reader_was_other(const struct json_reader *reader);

struct json_text {
    const char *text; /* belongs to the reader until its next call; may hold zero bytes */
    size_t size;
    bool ends_record;
    bool is_empty; /* the whole text: null or "" stands under the key; */
    bool is_null;  /* null */
};

/* The next text, or a part of it; *end is true, without a text, after the last one. Bytes that are
 * not UTF-8 are left as they are. Errors name the file and the line where the record begins: what
 * is not JSON, a record without the field, a field that is neither a string nor null. */
bool json_reader_next(struct json_reader *reader, struct json_text *text, bool *end,
                      struct error *error);

/* The number of the line where the record of the last text begins, from 1. */
uint64_t json_reader_line(const struct json_reader *reader);

/* How many lone surrogates (\uD83D without its \uDE00) were read as U+FFFD in the texts so far. */
uint64_t json_reader_surrogates(const struct json_reader *reader);

#endif
