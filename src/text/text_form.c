#include "text/text_form.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *what, *remedy;
} forms[FORM_COUNT] = {
    [FORM_PROSE] = {"text is", ""},
    [FORM_TABLE] = {"CSV or TSV is", "write the column with the text to a .txt or .jsonl"},
    [FORM_MAIL] = {"mail with headers is",
                   "take the bodies out first: Python's mailbox and email modules"},
    [FORM_SUBTITLES] = {"subtitles with their times are",
                        "leave these out: sed '/-->/d; /^[0-9]*\\r*$/d' IN > OUT"},
    [FORM_DICTS] = {"Python dicts are", "write each as JSON to a .jsonl: json.dumps(record)"},
    [FORM_UTF7] = {"UTF-7 is", "convert it: iconv -f UTF-7 -t UTF-8 IN > OUT"},
    [FORM_HZ] = {"HZ (GB 2312) is", "convert it, with Python: open(IN, encoding=\"hz\").read()"},
    [FORM_QUOTED_PRINTABLE] = {"quoted-printable is", "decode it: python3 -m quopri -d < IN > OUT"},
    [FORM_ESCAPES] = {"terminal escapes are",
                      "take them out: sed 's/\\x1B\\[[0-9;]*[A-Za-z]//g' IN > OUT"},
    [FORM_ISO_2022] = {"ISO 2022 escapes are",
                       "convert the lines that have them: iconv -f ISO-2022-JP -t UTF-8"},
};

const char *text_form_what(enum text_form form)
{
    return forms[form].what;
}

const char *text_form_remedy(enum text_form form)
{
    return forms[form].remedy;
}

/* ---- lines ---- */

/* The rest of a text, from whose front lines are taken. */
struct rest {
    const char *text;
    size_t size;
};

/* Takes the next line, without its "\n" or "\r\n". Returns false at the end. */
static bool take_line(struct rest *rest, struct rest *line)
{
    if (rest->size == 0)
        return false;
    const char *newline = memchr(rest->text, '\n', rest->size);
    size_t size = newline ? (size_t)(newline - rest->text) : rest->size;
    *line = (struct rest){rest->text, size};
    rest->text += newline ? size + 1 : size;
    rest->size -= newline ? size + 1 : size;
    if (size && line->text[size - 1] == '\r')
        line->size--;
    return true;
}

static bool begins(struct rest rest, const char *start)
{
    size_t size = strlen(start);
    return rest.size >= size && memcmp(rest.text, start, size) == 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- mail ---- */

/* Returns the index of the header of mail or news with which the line begins, or -1. Nearly every
 * message has some of these headers; none is a name before a colon, as in a play. */
static int find_header(struct rest line)
{
    static const char *const headers[] = {
        "From:",       "To:",           "Subject:",     "Date:",         "Message-ID:",
        "Received:",   "MIME-Version:", "Return-Path:", "Content-Type:", "Newsgroups:",
        "References:", "Organization:", "Lines:"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (line.size >= strlen(headers[i]) &&
            strncasecmp(line.text, headers[i], strlen(headers[i])) == 0)
            return (int)i;
    return -1;
}

/* Returns whether the line is "Name: value" or continues such a line. */
static bool is_header(struct rest line)
{
    size_t size = 0;
    if (line.size && (line.text[0] == ' ' || line.text[0] == '\t'))
        return true;
    while (size < line.size && line.text[size] > ' ' && line.text[size] != ':')
        size++;
    return size > 0 && size < line.size && line.text[size] == ':';
}

/* Returns whether the text begins with headers, at least two of them usual ones, from the first
 * line on or after the "From " of an mbox. */
static bool is_mail(struct rest rest)
{
    struct rest line;
    unsigned seen = 0;
    if (begins(rest, "From ") && !take_line(&rest, &line))
        return false;
    while (take_line(&rest, &line) && line.size && is_header(line)) {
        int header = find_header(line);
        if (header >= 0)
            seen |= 1U << header;
    }
    return (seen & (seen - 1)) != 0;
}

/* ---- subtitles ---- */

/* "00:01:02,500 --> ", of WebVTT also "01:02.500 --> ". */
static bool is_time(struct rest line)
{
    size_t size = 0;
    while (size < line.size && (is_digit(line.text[size]) || strchr(":,.", line.text[size])))
        size++;
    return size >= 9 && line.size > size + 4 && memcmp(line.text + size, " --> ", 5) == 0;
}

static bool is_subtitles(struct rest rest)
{
    struct rest line;
    bool web =
        begins(rest, "WEBVTT") && rest.size > 6 && rest.text[6] && strchr(" \t\r\n", rest.text[6]);
    int times = 0, lines = web ? 100 : 12; /* a header may come first */
    for (int i = 0; i < lines && take_line(&rest, &line); i++)
        times += is_time(line);
    return times >= (web ? 1 : 2);
}

/* ---- columns ---- */

enum { MIN_RECORDS = 5, MAX_RECORDS = 20 };

/* Numbers of delimiters of a record, outside quotes and not before a space, as commas of prose
 * are. */
struct delimiters {
    int all;
    int inner; /* delimiters, or groups of them, between other characters */
};

static bool take_record(struct rest *rest, char delimiter, struct delimiters *count)
{
    bool quoted = false, any = false, between = false;
    size_t i = 0;
    *count = (struct delimiters){0, 0};
    for (; i < rest->size && (quoted || rest->text[i] != '\n'); i++) {
        char c = rest->text[i];
        bool spaced = i + 1 < rest->size && rest->text[i + 1] == ' ';
        quoted ^= c == '"';
        if (!quoted && c == delimiter && !spaced) {
            count->all++;
            between = any;
        } else if (c != '\r') {
            count->inner += between;
            between = false;
            any = true;
        }
    }
    if (i == rest->size)
        return false; /* the record may be incomplete */
    rest->text += i + 1;
    rest->size -= i + 1;
    return true;
}

/* Returns whether the records have the same number of delimiters, and most have columns: lines that
 * are indented by a tab or end in a comma have none. */
static bool is_table_of(struct rest rest, char delimiter)
{
    struct delimiters count;
    int expected = 0, records = 0, with_columns = 0;
    for (; records < MAX_RECORDS && take_record(&rest, delimiter, &count); records++) {
        expected = records ? expected : count.all;
        if (count.all != expected)
            return false;
        with_columns += count.inner > 0;
    }
    return records >= MIN_RECORDS && with_columns > records / 2;
}

static bool is_table(struct rest rest)
{
    for (const char *delimiter = ",\t;|"; *delimiter; delimiter++)
        if (is_table_of(rest, *delimiter))
            return true;
    return false;
}

/* ---- Python ---- */

/* Returns whether the text begins with {'text': or [{'text': or another key. */
static bool is_dicts(struct rest rest)
{
    if (begins(rest, "["))
        rest = (struct rest){rest.text + 1, rest.size - 1};
    if (!begins(rest, "{'"))
        return false;
    const char *end = memchr(rest.text + 2, '\'', rest.size - 2);
    return end && end + 1 < rest.text + rest.size && end[1] == ':';
}

/* ---- encodings in ASCII ---- */

/* The min number of marks that do not occur by accident. */
enum { MIN_MARKS = 8 };

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* Returns the size of "+...-" at the beginning if it is UTF-16 in base64 whose first character is
 * not ASCII; 0 otherwise. */
static size_t utf7_size(struct rest rest)
{
    size_t size = 1;
    while (size < rest.size && base64_value(rest.text[size]) >= 0)
        size++;
    size_t digits = size - 1, left = digits % 8;
    if (digits < 3 || (left != 0 && left != 3 && left != 6) || size == rest.size ||
        rest.text[size] != '-')
        return 0;
    int unit = 1024 * base64_value(rest.text[1]) + 16 * base64_value(rest.text[2]) +
               base64_value(rest.text[3]) / 4;
    int spare = base64_value(rest.text[size - 1]) & (left == 3 ? 3 : left == 6 ? 15 : 0);
    return unit >= 0x80 && spare == 0 ? size + 1 : 0;
}

static bool is_utf7(struct rest rest)
{
    int marks = 0, others = 0;
    for (const char *plus; (plus = memchr(rest.text, '+', rest.size)) != NULL;) {
        rest.size -= (size_t)(plus - rest.text);
        rest.text = plus;
        size_t size = utf7_size(rest);
        marks += size > 0;
        others += size == 0;
        size = size ? size : 1;
        rest = (struct rest){rest.text + size, rest.size - size};
    }
    return marks >= MIN_MARKS && marks > others;
}

static int upper_hex(char c)
{
    return is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Returns the byte that "=E4" at the beginning encodes, if it is not ASCII; -1 otherwise. */
static int read_mark(struct rest rest)
{
    if (rest.size < 3 || rest.text[0] != '=')
        return -1;
    int high = upper_hex(rest.text[1]), low = upper_hex(rest.text[2]);
    return high >= 8 && low >= 0 ? high * 16 + low : -1;
}

/* Returns the number of marks that encode a character of UTF-8 at the beginning, such as 2 for
 * "=C3=BC"; 0 if there is none. */
static size_t count_marks(struct rest rest)
{
    char bytes[4];
    size_t count = 0, size = 0;
    for (int byte; count < 4 && (byte = read_mark(rest)) >= 0; count++) {
        bytes[count] = (char)byte;
        rest = (struct rest){rest.text + 3, rest.size - 3};
    }
    if (utf8_valid_prefix(bytes, count) > 0)
        utf8_decode(bytes, count, &size);
    return size;
}

/* Returns whether there is a single "=" at the end of a line, which continues on the next line;
 * many in a row are a rule under a heading. */
static bool is_soft_break(struct rest rest, size_t i)
{
    return i > 0 && rest.text[i] == '=' && rest.text[i - 1] != '=' && i + 1 < rest.size &&
           (rest.text[i + 1] == '\n' || rest.text[i + 1] == '\r');
}

/* Returns whether the text has marks of characters of UTF-8, or marks of other bytes together with
 * soft breaks: "N=85" alone may be a number. */
static bool is_quoted_printable(struct rest rest)
{
    int characters = 0, others = 0, breaks = 0;
    for (size_t i = 0; i < rest.size;) {
        struct rest here = {rest.text + i, rest.size - i};
        bool mark = read_mark(here) >= 0;
        size_t marks = mark ? count_marks(here) : 0;
        characters += marks > 0;
        others += mark && marks == 0;
        breaks += is_soft_break(rest, i);
        i += marks ? 3 * marks : 1;
    }
    return (characters >= MIN_MARKS && characters > others) ||
           (characters + others >= MIN_MARKS && breaks >= MIN_MARKS / 2);
}

static int count_pairs(struct rest rest, char a, char b)
{
    int count = 0;
    for (size_t i = 0; i + 1 < rest.size; i++)
        count += rest.text[i] == a && rest.text[i + 1] == b;
    return count;
}

static bool is_ascii(struct rest rest)
{
    unsigned char all = 0;
    for (size_t i = 0; i < rest.size; i++)
        all |= (unsigned char)rest.text[i];
    return all < 0x80;
}

enum text_form text_form_recognize(const char *text, size_t size)
{
    enum { MIN_ESCAPES = 4 };
    const struct rest rest = {text, size};
    if (is_subtitles(rest))
        return FORM_SUBTITLES;
    if (is_mail(rest))
        return FORM_MAIL;
    if (is_dicts(rest))
        return FORM_DICTS;
    if (is_table(rest))
        return FORM_TABLE;
    if (count_pairs(rest, '\x1B', '[') >= MIN_ESCAPES)
        return FORM_ESCAPES;
    if (count_pairs(rest, '\x1B', '$') > 0)
        return FORM_ISO_2022;
    if (!is_ascii(rest))
        return FORM_PROSE;
    return is_utf7(rest)               ? FORM_UTF7
           : is_quoted_printable(rest) ? FORM_QUOTED_PRINTABLE
           : count_pairs(rest, '~', '{') >= MIN_MARKS && count_pairs(rest, '~', '}') >= MIN_MARKS
               ? FORM_HZ
               : FORM_PROSE;
}
