#include "text/content.h"

#include "base/min.h"
#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- by magic numbers ---- */

static const char to_text[] = "write its text to a .txt file, or to .jsonl, one object a document";
static const char to_json[] = "write it as .jsonl, for example with pandas: "
                              "to_json(orient=\"records\", lines=True)";
static const char unpack[] = "unpack it first";
static const char leave_out[] = "leave it out";
static const char to_utf8_16[] = "convert it: iconv -f UTF-16 -t UTF-8 IN > OUT";
static const char to_utf8_16le[] = "convert it: iconv -f UTF-16LE -t UTF-8 IN > OUT";
static const char to_utf8_16be[] = "convert it: iconv -f UTF-16BE -t UTF-8 IN > OUT";
static const char to_utf8_32[] = "convert it: iconv -f UTF-32 -t UTF-8 IN > OUT";
static const char to_utf8_32le[] = "convert it: iconv -f UTF-32LE -t UTF-8 IN > OUT";
static const char to_utf8_32be[] = "convert it: iconv -f UTF-32BE -t UTF-8 IN > OUT";
static const char to_utf8_jp[] = "convert it: iconv -f ISO-2022-JP -t UTF-8 IN > OUT";
static const char to_utf8_jp_2[] = "convert it: iconv -f ISO-2022-JP-2 -t UTF-8 IN > OUT";
static const char to_utf8_jp_3[] = "convert it: iconv -f ISO-2022-JP-3 -t UTF-8 IN > OUT";
static const char to_utf8_kr[] = "convert it: iconv -f ISO-2022-KR -t UTF-8 IN > OUT";
static const char to_utf8_cn[] = "convert it: iconv -f ISO-2022-CN -t UTF-8 IN > OUT";
static const char extract[] =
    "extract their text first, for example with Python's warcio and trafilatura";
static const char convert[] =
    "convert it from its encoding, such as CP1251 or GB18030: iconv -f CP1251 -t UTF-8 IN > OUT";

struct magic {
    size_t offset;
    const char *bytes;
    size_t size;
    const char *what, *remedy;
    bool is_letters; /* whether a text may begin with the bytes, too */
};

#define MAGIC(offset, bytes, what, remedy)                                                         \
    {                                                                                              \
        offset, (bytes), sizeof(bytes) - 1, what, remedy, false                                    \
    }

#define LETTERS(bytes, what, remedy)                                                               \
    {                                                                                              \
        0, (bytes), sizeof(bytes) - 1, what, remedy, true                                          \
    }

/* UTF-32 comes before UTF-16, because its mark begins with that of UTF-16. */
static const struct magic magics[] = {
    MAGIC(0, "\xFF\xFE\0\0", "UTF-32 text", to_utf8_32),
    MAGIC(0, "\0\0\xFE\xFF", "UTF-32 text", to_utf8_32),
    MAGIC(0, "\xFF\xFE", "UTF-16 text", to_utf8_16),
    MAGIC(0, "\xFE\xFF", "UTF-16 text", to_utf8_16),
    MAGIC(0, "\x1F\x8B", "gzip", unpack),
    MAGIC(0, "\x28\xB5\x2F\xFD", "zstd", unpack),
    MAGIC(0,
          "\xFD"
          "7zXZ\0",
          "xz", unpack),
    MAGIC(4, "1AY&SY", "bzip2", unpack),
    MAGIC(0, "\x04\x22\x4D\x18", "lz4", unpack),
    MAGIC(0, "\x02\x21\x4C\x18", "lz4 of the old form", unpack),
    MAGIC(0, "LZIP\x01", "lzip", unpack),
    MAGIC(0, "\x1F\x9D", "compressed with compress", unpack),
    MAGIC(0, "\x89LZO\0\r\n\x1A\n", "lzop", unpack),
    MAGIC(0, "\x5D\0\0", "lzma", unpack),
    MAGIC(0, "\xFF\x06\0\0sNaPpY", "Snappy", unpack),
    MAGIC(0, "PK\x03\x04", "a ZIP archive (as .docx, .odt, .epub and .npz are)",
          "unpack it, or write its text to a .txt file"),
    MAGIC(0, "PK\x05\x06", "an empty ZIP archive", leave_out),
    MAGIC(0, "7z\xBC\xAF\x27\x1C", "a 7z archive", unpack),
    MAGIC(0, "Rar!\x1A\x07", "a RAR archive", unpack),
    MAGIC(0, "!<arch>\n", "an ar archive", unpack),
    MAGIC(0, "WARC/1.0\r\nWARC-", "WARC, an archive of web pages", extract),
    MAGIC(0, "WARC/1.1\r\nWARC-", "WARC, an archive of web pages", extract),
    MAGIC(0, "WARC/0.18\nWARC-", "WARC, an archive of web pages", extract), /* ClueWeb09 */
    LETTERS("PAR1", "Parquet", to_json),
    LETTERS("ARROW1", "Arrow (Feather)", to_json),
    MAGIC(0, "\xFF\xFF\xFF\xFF", "an Arrow stream", to_json),
    LETTERS("FEA1", "Feather", to_json),
    MAGIC(0, "Obj\x01", "Avro", to_json),
    MAGIC(0, "SQLite format 3\0", "an SQLite database", to_json),
    MAGIC(0, "\x89HDF\r\n\x1A\n", "HDF5", to_json),
    MAGIC(0, "\x93NUMPY", "a NumPy array", to_json),
    MAGIC(0, "\x80\x04\x95", "a Python pickle", to_json),
    MAGIC(0, "\x80\x05\x95", "a Python pickle", to_json),
    MAGIC(8, "{\"__metadata__\"", "safetensors", leave_out),
    LETTERS("GGUF", "GGUF", leave_out),
    MAGIC(0, "%PDF-", "PDF", "extract its text first: pdftotext IN.pdf OUT.txt"),
    MAGIC(0, "%!PS", "PostScript", to_text),
    MAGIC(0, "{\\rtf", "RTF", to_text),
    MAGIC(0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Office document (.doc, .xls)", to_text),
    MAGIC(60, "BOOKMOBI", "a Mobipocket book", to_text),
    LETTERS("AT&TFORM", "DjVu", to_text),
    MAGIC(0, "\x89PNG\r\n\x1A\n", "a PNG image", leave_out),
    MAGIC(0, "\xFF\xD8\xFF", "a JPEG image", leave_out),
    LETTERS("GIF87a", "a GIF image", leave_out),
    LETTERS("GIF89a", "a GIF image", leave_out),
    MAGIC(0, "II*\0", "a TIFF image", leave_out),
    MAGIC(0, "MM\0*", "a TIFF image", leave_out),
    MAGIC(8, "WEBP", "a WebP image", leave_out),
    MAGIC(8, "WAVE", "WAVE audio", leave_out),
    MAGIC(0, "OggS\0", "Ogg audio", leave_out),
    MAGIC(0, "fLaC\0", "FLAC audio", leave_out),
    MAGIC(0, "ID3\x03", "MP3 audio", leave_out),
    MAGIC(0, "ID3\x04", "MP3 audio", leave_out),
    MAGIC(4, "ftyp", "a video or an image (MP4, HEIF)", leave_out),
    MAGIC(0,
          "\x7F"
          "ELF",
          "a program (ELF)", leave_out),
    MAGIC(0, "\xCF\xFA\xED\xFE", "a program (Mach-O)", leave_out),
    MAGIC(0, "\xCA\xFE\xBA\xBE", "a program (Mach-O or Java)", leave_out),
    MAGIC(0, "\0asm", "a program (WebAssembly)", leave_out),
    MAGIC(0, "version https://git-lfs.github.com/spec/", "a Git LFS pointer",
          "fetch it: git lfs pull"),
    MAGIC(0, "/annex/objects/", "a git-annex pointer", "fetch it: git annex get"),
};

enum { MAGICS = sizeof magics / sizeof *magics };

static bool has(const unsigned char *bytes, size_t size, const struct magic *magic)
{
    return size >= magic->offset + magic->size &&
           memcmp(bytes + magic->offset, magic->bytes, magic->size) == 0;
}

/* Returns whether text never has the byte: all control characters except white space, escape and
 * the separators. */
static bool is_control(unsigned char byte)
{
    return byte < 0x09 || (byte > 0x0D && byte < 0x1B) || byte == 0x7F;
}

static size_t count_controls(const unsigned char *bytes, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += is_control(bytes[i]);
    return count;
}

/* Returns whether the first bytes are text: in a binary format, some of the numbers after the magic
 * number have bytes that text never has. */
static bool begins_as_text(const unsigned char *bytes, size_t size)
{
    enum { FIRST_BYTES = 32 };
    return count_controls(bytes, min_size(size, FIRST_BYTES)) == 0;
}

/* Returns whether the bytes may be text in spite of the magic number, because other bytes of the
 * format are missing. */
static bool is_doubtful(const unsigned char *bytes, size_t size, const struct magic *magic)
{
    switch (magic->offset) {
    case 0:
        return magic->is_letters && begins_as_text(bytes, size);
    case 4: /* bzip2 begins with "BZh", and MP4 with the size of an atom */
        return memcmp(bytes, "BZh", 3) != 0 && bytes[0] != 0;
    case 8: /* RIFF formats begin with "RIFF", and safetensors with the size of the header */
        return memcmp(bytes, "RIFF", 4) != 0 && bytes[7] != 0;
    default:
        return false;
    }
}

static const struct magic *find_magic(const struct magic *list, size_t count,
                                      const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < count; i++)
        if (has(bytes, size, &list[i]) && !is_doubtful(bytes, size, &list[i]))
            return &list[i];
    return NULL;
}

/* ---- tar ---- */

enum { TAR_BLOCK = 512, TAR_CHECKSUM = 148, TAR_CHECKSUM_SIZE = 8, TAR_MAGIC = 257 };

/* Returns whether the bytes begin with the header of a member: its checksum is right, where the
 * digits of the checksum itself count as spaces, or it has "ustar". A damaged header with "ustar"
 * is an error of the reader of archives. */
static bool is_tar(const unsigned char *bytes, size_t size)
{
    if (size < TAR_BLOCK)
        return false;
    if (memcmp(bytes + TAR_MAGIC, "ustar", 5) == 0)
        return true;
    unsigned long sum = 0, expected = 0;
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += i >= TAR_CHECKSUM && i < TAR_CHECKSUM + TAR_CHECKSUM_SIZE ? ' ' : bytes[i];
    const unsigned char *digits = bytes + TAR_CHECKSUM;
    int i = 0;
    while (i < TAR_CHECKSUM_SIZE && digits[i] == ' ')
        i++;
    int first = i;
    for (; i < TAR_CHECKSUM_SIZE && digits[i] >= '0' && digits[i] <= '7'; i++)
        expected = expected * 8 + (unsigned long)(digits[i] - '0');
    return i > first && bytes[0] && sum == expected;
}

/* ---- cpio ---- */

static bool are_digits(const unsigned char *bytes, size_t size, const char *digits)
{
    for (size_t i = 0; i < size; i++)
        if (!bytes[i] || !strchr(digits, bytes[i]))
            return false;
    return true;
}

/* Returns whether the bytes begin with the header of a member, which has only digits (cpio(5)): the
 * new form, without or with checksums, has 13 numbers of eight hexadecimal digits after its magic
 * number, and the old form has 70 octal digits. */
static bool is_cpio(const unsigned char *bytes, size_t size)
{
    enum { MAGIC_SIZE = 6, NEW_DIGITS = 104, OLD_DIGITS = 70 };
    if (size >= MAGIC_SIZE + OLD_DIGITS && memcmp(bytes, "070707", MAGIC_SIZE) == 0)
        return are_digits(bytes + MAGIC_SIZE, OLD_DIGITS, "01234567");
    return size >= MAGIC_SIZE + NEW_DIGITS &&
           (memcmp(bytes, "070701", MAGIC_SIZE) == 0 || memcmp(bytes, "070702", MAGIC_SIZE) == 0) &&
           are_digits(bytes + MAGIC_SIZE, NEW_DIGITS, "0123456789abcdefABCDEF");
}

/* ---- text or not ---- */

/* The min number of bytes or units of a kind that prove anything. */
enum { MIN_EVIDENCE = 16 };

/* ---- UTF-16 and UTF-32 without their marks ---- */

/* The units of an encoding. */
struct wide {
    size_t size; /* 2 or 4 bytes */
    bool little; /* whether the lowest byte is first */
};

static uint32_t read_wide(const unsigned char *bytes, struct wide wide)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < wide.size; i++)
        unit = unit << 8 | bytes[wide.little ? wide.size - 1 - i : i];
    return unit;
}

/* Returns whether the bytes are valid characters, some of them spaces, and no control
 * characters. */
static bool is_wide_text(const unsigned char *bytes, size_t size, struct wide wide)
{
    size_t units = size / wide.size, blanks = 0;
    for (size_t i = 0; i < units; i++) {
        uint32_t unit = read_wide(bytes + i * wide.size, wide);
        bool control = (unit < 0x20 && unit != '\t' && unit != '\n' && unit != '\r') ||
                       (unit >= 0x7F && unit < 0xA0);
        bool lone = wide.size == 4 && unit >= 0xD800 && unit < 0xE000;
        if (control || lone || unit > 0x10FFFF || (unit & 0xFFFE) == 0xFFFE)
            return false;
        blanks += unit == ' ' || unit == '\n' || unit == 0x3000 || unit == 0x3002;
    }
    return units >= MIN_EVIDENCE && blanks > units / 100;
}

/* Returns whether the bytes are UTF-16 of mostly Latin letters, in which about every second byte is
 * zero; some characters may be damaged. */
static bool is_utf16(const unsigned char *bytes, size_t size, struct wide *wide)
{
    size_t zeros[2] = {0, 0};
    for (size_t i = 0; i < size; i++)
        zeros[i % 2] += bytes[i] == 0;
    size_t more = zeros[zeros[1] > zeros[0]], fewer = zeros[zeros[1] <= zeros[0]];
    *wide = (struct wide){2, zeros[1] > zeros[0]};
    return more >= MIN_EVIDENCE / 4 && more > size / 4 && fewer <= more / 16;
}

/* Recognizes UTF-16 and UTF-32. Call it before counting control characters: zero bytes are such. */
static bool find_wide(const unsigned char *bytes, size_t size, struct wide *wide)
{
    for (int i = 0; i < 4; i++) {
        *wide = (struct wide){i < 2 ? 4 : 2, i % 2};
        if (is_wide_text(bytes, size, *wide))
            return true;
    }
    return false;
}

/* ---- ISO 2022 ---- */

/* The escape sequences that change to another character set. If a text has several of them, iconv
 * needs the name of the encoding that is last in this list. */
static const struct magic designations[] = {
    MAGIC(0, "\x1B(J", "ISO-2022-JP text", to_utf8_jp),
    MAGIC(0, "\x1B$@", "ISO-2022-JP text", to_utf8_jp),
    MAGIC(0, "\x1B$B", "ISO-2022-JP text", to_utf8_jp),
    MAGIC(0, "\x1B(I", "ISO-2022-JP-2 text", to_utf8_jp_2),
    MAGIC(0, "\x1B$A", "ISO-2022-JP-2 text", to_utf8_jp_2),
    MAGIC(0, "\x1B$(C", "ISO-2022-JP-2 text", to_utf8_jp_2),
    MAGIC(0, "\x1B$(D", "ISO-2022-JP-2 text", to_utf8_jp_2),
    MAGIC(0, "\x1B$(O", "ISO-2022-JP-3 text", to_utf8_jp_3),
    MAGIC(0, "\x1B$(P", "ISO-2022-JP-3 text", to_utf8_jp_3),
    MAGIC(0, "\x1B$(Q", "ISO-2022-JP-3 text", to_utf8_jp_3),
    MAGIC(0, "\x1B$)C", "ISO-2022-KR text", to_utf8_kr),
    MAGIC(0, "\x1B$)A", "ISO-2022-CN text", to_utf8_cn),
    MAGIC(0, "\x1B$)G", "ISO-2022-CN text", to_utf8_cn),
    MAGIC(0, "\x1B$*H", "ISO-2022-CN text", to_utf8_cn),
};

enum { DESIGNATIONS = sizeof designations / sizeof *designations };

/* Returns the sequence that names the encoding of a text that changes its character set, and sets
 * *offset to the first sequence; NULL if the text does not change it. One or two sequences may be
 * quotations. In -KR and -CN the sequence comes once, and SO changes to the character set. */
static const struct magic *find_iso_2022(const unsigned char *bytes, size_t size, size_t *offset)
{
    enum { MIN_CHANGES = 3, SO = 0x0E };
    const struct magic *last = NULL;
    size_t changes = 0;
    for (size_t i = 0; i < size; i++) {
        const struct magic *found =
            bytes[i] == 0x1B ? find_magic(designations, DESIGNATIONS, bytes + i, size - i) : NULL;
        if (bytes[i] >= 0x80)
            return NULL;
        if (found && !last)
            *offset = i;
        if (found && (!last || found > last))
            last = found;
        changes += found || (last && bytes[i] == SO);
    }
    return changes >= MIN_CHANGES ? last : NULL;
}

static void set_foreign(struct content *content, const char *what, const char *remedy)
{
    content->kind = CONTENT_FOREIGN;
    content->remedy = remedy;
    snprintf(content->what, sizeof content->what, "%s", what);
}

/* Returns whether the bytes have more than `max` control characters, or too many zeros. A text may
 * have some control characters, which the normalizer drops, but fewer zeros than others. */
static bool is_binary(const unsigned char *bytes, size_t size, size_t controls, size_t max)
{
    size_t zeros = 0;
    for (size_t i = 0; i < size && controls >= MIN_EVIDENCE; i++)
        zeros += bytes[i] == 0;
    return controls >= MIN_EVIDENCE &&
           (controls > max || (zeros >= MIN_EVIDENCE && zeros > size / 100));
}

static void set_share(struct content *content, const char *what, size_t count, size_t size,
                      const char *of, const char *remedy)
{
    content->kind = CONTENT_FOREIGN;
    content->remedy = remedy;
    snprintf(content->what, sizeof content->what, "%s (%.0f %% of its first %zu bytes %s)", what,
             100.0 * (double)count / (double)size, size, of);
}

/* Returns the size without the zeros or Control-Z that pad a file to whole blocks of at most
 * 4 KiB. */
static size_t without_padding(const unsigned char *bytes, size_t size)
{
    enum { MAX_PADDING = 4 << 10 };
    size_t kept = size;
    while (kept > 0 && size - kept < MAX_PADDING &&
           (bytes[kept - 1] == 0 || bytes[kept - 1] == 0x1A))
        kept--;
    return kept ? kept : size;
}

static void set_wide(struct content *content, struct wide wide)
{
    if (wide.size == 2)
        set_foreign(content, wide.little ? "UTF-16LE text" : "UTF-16BE text",
                    wide.little ? to_utf8_16le : to_utf8_16be);
    else
        set_foreign(content, wide.little ? "UTF-32LE text" : "UTF-32BE text",
                    wide.little ? to_utf8_32le : to_utf8_32be);
}

/* Recognizes other encodings than UTF-8 and binary data. Text in Latin-1 has few letters outside
 * ASCII; text in an encoding of another script has nearly only these. Half the bytes of compressed
 * data are not UTF-8, and every tenth is a control character. */
static bool check_encoding(struct content *content, const unsigned char *bytes, size_t size)
{
    size_t text_size = without_padding(bytes, size);
    size_t controls = count_controls(bytes, size), first, offset;
    size_t text_controls = controls - count_controls(bytes + text_size, size - text_size);
    size_t invalid = utf8_count_invalid((const char *)bytes, size, &first);
    bool foreign = invalid >= MIN_EVIDENCE && invalid > size / 4;
    const struct magic *iso_2022 = find_iso_2022(bytes, size, &offset);
    struct wide wide;
    if ((controls && find_wide(bytes, size, &wide)) || is_utf16(bytes, size, &wide))
        set_wide(content, wide);
    else if (iso_2022)
        set_foreign(content, iso_2022->what, iso_2022->remedy);
    else if (is_binary(bytes, text_size, text_controls, text_size / (foreign ? 50 : 10)))
        set_share(content, "binary data", controls, size, "are control characters", leave_out);
    else if (foreign)
        set_share(content, "text in another encoding", invalid, size, "are not UTF-8", convert);
    return content->kind == CONTENT_TEXT;
}

/* ---- JSON and markup ---- */

static size_t skip_space(const char *text, size_t size, size_t i)
{
    while (i < size && text[i] && strchr(" \t\r\n\x1E", text[i]))
        i++;
    return i;
}

/* Returns the offset after the string that begins at i; 0 if no string begins there, or its end is
 * missing. */
static size_t skip_string(const char *text, size_t size, size_t i)
{
    if (i >= size || text[i] != '"')
        return 0;
    for (i++; i < size && text[i] != '"' && text[i] != '\n'; i++)
        i += text[i] == '\\';
    return i < size && text[i] == '"' ? i + 1 : 0;
}

/* Returns whether the text begins with {"...": or [{"...": or ["...", or ["..."]. Prose does not
 * begin like that. */
static bool begins_json(const char *text, size_t size)
{
    size_t i = skip_space(text, size, 0);
    bool array = i < size && text[i] == '[';
    if (array)
        i = skip_space(text, size, i + 1);
    bool object = i < size && text[i] == '{';
    if (!array && !object)
        return false;
    if (object)
        i = skip_space(text, size, i + 1);
    i = skip_string(text, size, i);
    if (!i)
        return false;
    i = skip_space(text, size, i);
    return i < size && (object ? text[i] == ':' : text[i] == ',' || text[i] == ']');
}

static bool begins_with_markup(const char *text, size_t size)
{
    static const char *const starts[] = {"<?xml",      "<!DOCTYPE", "<!doctype", "<html", "<HTML",
                                         "<mediawiki", "<doc id=",  "<TEI",      "<page>"};
    size_t first = skip_space(text, size, 0);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (size - first >= strlen(starts[i]) &&
            memcmp(text + first, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

struct content content_recognize(const void *bytes, size_t size)
{
    struct content content = {.kind = CONTENT_TEXT};
    const char *text = bytes;
    size = min_size(size, CONTENT_SAMPLE);
    const struct magic *magic = find_magic(magics, MAGICS, bytes, size);
    if (magic)
        set_foreign(&content, magic->what, magic->remedy);
    else if (is_tar(bytes, size))
        content.kind = CONTENT_TAR;
    else if (is_cpio(bytes, size))
        set_foreign(&content, "a cpio archive", unpack);
    if (content.kind != CONTENT_TEXT || !check_encoding(&content, bytes, size))
        return content;
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    if (begins_json(text, size))
        content.kind = CONTENT_JSON;
    content.marked = begins_with_markup(text, size);
    if (content.kind == CONTENT_TEXT && !content.marked)
        content.form = text_form_recognize(text, size);
    content.lone_cr = size && memchr(text, '\r', size) && !memchr(text, '\n', size);
    return content;
}

/* ---- later pieces of a text ---- */

/* Returns whether there is a byte that may be a control character or an escape. The compiler
 * vectorizes the loop. */
static bool has_suspects(const unsigned char *bytes, size_t size)
{
    unsigned char any = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = bytes[i];
        any |=
            (unsigned char)((unsigned char)(byte - 0x0E) < 0x12) | (byte < 0x09) | (byte == 0x7F);
    }
    return any;
}

bool content_is_broken(const void *bytes, size_t size, struct content *content, size_t *offset)
{
    const unsigned char *start = bytes;
    size = without_padding(start, size);
    *offset = 0;
    if (!has_suspects(start, size))
        return false;
    *content = (struct content){.kind = CONTENT_TEXT};
    const struct magic *iso_2022 = find_iso_2022(start, size, offset);
    if (iso_2022) {
        set_foreign(content, iso_2022->what, iso_2022->remedy);
    } else if (is_binary(start, size, count_controls(start, size), size / 10)) {
        set_foreign(content, "binary data", leave_out);
        for (*offset = 0; !is_control(start[*offset]);)
            ++*offset;
    }
    return content->kind == CONTENT_FOREIGN;
}

bool content_require_text(const struct content *content, const char *name, struct error *error)
{
    if (content->kind == CONTENT_TAR)
        return fail_input(error, "%s: is a tar archive, not text; unpack it first", name);
    return content->kind != CONTENT_FOREIGN ||
           fail_input(error, "%s: is %s, not UTF-8 text; %s", name, content->what, content->remedy);
}
