#include "text/normalizer.h"

#include "text/normalizer_table.h"

#include <string.h>

void word_reader_begin(struct word_reader *reader, const struct normalizer *normalizer,
                       const char *text, size_t size)
{
    reader->normalizer = normalizer;
    reader->next = (const unsigned char *)text;
    reader->end = reader->next + size;
    reader->size = 0;
    reader->barrier = 0;
    reader->plain = false;
}

void word_reader_begin_plain(struct word_reader *reader, const struct normalizer *normalizer,
                             const char *text, size_t size)
{
    word_reader_begin(reader, normalizer, text, size);
    reader->plain = true;
}

/* Moves past a special token if the text continues with one. */
static bool read_special(struct word_reader *reader, enum special_token *special)
{
    size_t left = (size_t)(reader->end - reader->next);

    for (int i = 0; i < SPECIAL_COUNT; i++) {
        size_t size = strlen(special_token_names[i]);
        if (left >= size && memcmp(reader->next, special_token_names[i], size) == 0) {
            reader->next += size;
            *special = (enum special_token)i;
            return true;
        }
    }
    return false;
}

/* Reads the ASCII letters and digits that come next, most of a typical text. */
static void read_letters(struct word_reader *reader)
{
    const unsigned char *letters = reader->normalizer->letters;
    const unsigned char *next = reader->next;
    const unsigned char *end = reader->end;
    size_t size = reader->size;
    size_t room = size < WORD_MAX_BYTES ? WORD_MAX_BYTES - size : 0;

    if ((size_t)(end - next) > room)
        end = next + room;
    for (unsigned char letter; next < end && (letter = letters[*next]) != 0; next++)
        reader->bytes[size++] = letter;
    reader->next = next;
    reader->size = size;
}

/* Appends bytes to the word, unless it is too long already: so there is always room for one code
 * point. */
static void append(struct word_reader *reader, const void *bytes, size_t size)
{
    if (reader->size > WORD_MAX_BYTES)
        return;
    memcpy(reader->bytes + reader->size, bytes, size);
    reader->size += size;
}

/* Canonical ordering (Unicode 15, section 3.11): the mark just appended moves before the marks of a
 * higher combining class that end the word. */
static void order_mark(struct word_reader *reader, size_t mark_size)
{
    char *word = (char *)reader->bytes;
    size_t mark_start = reader->size - mark_size;
    size_t place = mark_start;
    size_t at = mark_start;
    int class = combining_class(utf8_decode(word, reader->size, &at));
    char mark[4];

    while (place > reader->barrier) {
        size_t previous = place - 1;
        while ((word[previous] & 0xC0) == 0x80)
            previous--;
        at = previous;
        if (combining_class(utf8_decode(word, reader->size, &at)) <= class)
            break;
        place = previous;
    }
    memcpy(mark, word + mark_start, mark_size);
    memmove(word + place + mark_size, word + place, mark_start - place);
    memcpy(word + place, mark, mark_size);
}

/* Reads one code point, appends its normalized form and returns its class. */
static enum code_point_class read_code_point(struct word_reader *reader)
{
    const char *text = (const char *)reader->next;
    size_t length = 0;
    uint32_t code_point = utf8_decode(text, (size_t)(reader->end - reader->next), &length);
    table_entry entry = normalizer_entry(reader->normalizer, code_point);
    enum code_point_class class = entry_class(entry);
    size_t size = entry_size(entry);

    reader->next += length;
    if (class == CLASS_BARRIER)
        reader->barrier = reader->size;
    if (class == CLASS_LETTER || class == CLASS_MARK || class == CLASS_ALONE) {
        if (size)
            append(reader, reader->normalizer->expansions + entry_offset(entry), size);
        else
            append(reader, text, size = length);
    }
    if (class == CLASS_MARK && reader->size <= WORD_MAX_BYTES)
        order_mark(reader, size);
    return class;
}

static bool is_too_long(const struct word_reader *reader)
{
    size_t characters = 0;

    if (reader->size <= WORD_MAX_CHARACTERS)
        return false;
    if (reader->size > WORD_MAX_BYTES)
        return true;
    for (size_t i = 0; i < reader->size; i++)
        characters += (reader->bytes[i] & 0xC0) != 0x80;
    return characters > WORD_MAX_CHARACTERS;
}

static bool finish_word(struct word_reader *reader, struct word *word)
{
    word->source_size = (size_t)((const char *)reader->next - word->source);
    word->kind = is_too_long(reader) ? WORD_TOO_LONG : WORD_PLAIN;
    word->bytes = (const char *)reader->bytes;
    word->size = reader->size;
    return reader->size > 0;
}

bool word_reader_next(struct word_reader *reader, struct word *word)
{
    reader->size = 0;
    reader->barrier = 0;
    word->source = (const char *)reader->next;
    for (;;) {
        read_letters(reader);
        if (reader->next == reader->end)
            return finish_word(reader, word);

        size_t size = reader->size;
        const unsigned char *start = reader->next;
        if (*start == '[' && !reader->plain && read_special(reader, &word->special)) {
            if (size > 0) {
                reader->next = start;
                return finish_word(reader, word);
            }
            word->kind = WORD_SPECIAL;
            return true;
        }
        enum code_point_class class = read_code_point(reader);
        if (class == CLASS_SPACE && size > 0)
            return finish_word(reader, word);
        if (class == CLASS_ALONE && size > 0) {
            reader->next = start; /* the next word begins here */
            reader->size = size;
        }
        if (class == CLASS_ALONE)
            return finish_word(reader, word);
    }
}

/* This leaves combining marks in their order: word_reader_next sorts them. */
bool normalize_text(const struct normalizer *normalizer, const char *text, size_t size,
                    struct buffer *normalized, struct error *error)
{
    for (size_t place = 0, start = 0; place < size; start = place) {
        uint32_t code_point = utf8_decode(text, size, &place);
        table_entry entry = normalizer_entry(normalizer, code_point);
        enum code_point_class class = entry_class(entry);
        bool apart = class == CLASS_ALONE && is_chinese(code_point);

        if (class == CLASS_DROP || class == CLASS_BARRIER)
            continue;
        if ((apart || class == CLASS_SPACE) && !buffer_append(normalized, " ", 1, error))
            return false;
        if (class == CLASS_SPACE)
            continue;
        bool appended =
            entry_size(entry)
                ? buffer_append(normalized, normalizer->expansions + entry_offset(entry),
                                entry_size(entry), error)
                : buffer_append(normalized, text + start, place - start, error);
        if (!appended || (apart && !buffer_append(normalized, " ", 1, error)))
            return false;
    }
    return true;
}
