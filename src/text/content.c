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
    size_t place;
    const char *bytes;
    size_t size;
    const char *what, *remedy;
    bool is_letters; /* which may begin a text, too */
};

#define MAGIC(place, bytes, what, remedy)                                                          \
    {                                                                                              \
        place, (bytes), sizeof(bytes) - 1, what, remedy, false                                     \
    }

#define LETTERS(bytes, what, remedy)                                                               \
    {                                                                                              \
        0, (bytes), sizeof(bytes) - 1, what, remedy, true                                          \
    }

/* UTF-32 before UTF-16, whose mark it begins with. */
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
    return size >= magic->place + magic->size &&
           memcmp(bytes + magic->place, magic->bytes, magic->size) == 0;
}

/* What no text has: all control characters but white space, escape and the separators. */
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

/* Without the numbers that follow such a magic number, which have bytes that no text has. */
static bool is_all_text(const unsigned char *bytes, size_t size)
{
    enum { FIRST_NUMBERS = 32 };
    size_t looked_at = min_size(size, FIRST_NUMBERS);
    return count_controls(bytes, looked_at) == 0;
}

/* What is text in spite of its beginning: "BZh" of bzip2 and RIFF stand elsewhere. */
static bool is_doubtful(const unsigned char *bytes, size_t size, const struct magic *magic)
{
    switch (magic->place) {
    case 0:
        return magic->is_letters && is_all_text(bytes, size);
    case 4: /* bzip2, and the size of an atom of MP4 */
        return memcmp(bytes, "BZh", 3) != 0 && bytes[0] != 0;
    case 8: /* RIFF, and the size of a safetensors header */
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

/* The header of a member: its checksum is right, the digits of the checksum counting as spaces, or
 * it says "ustar", and then what is wrong with it is told by its reader. */
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
    int place = 0;
    while (place < TAR_CHECKSUM_SIZE && digits[place] == ' ')
        place++;
    int first = place;
    for (; place < TAR_CHECKSUM_SIZE && digits[place] >= '0' && digits[place] <= '7'; place++)
        expected = expected * 8 + (unsigned long)(digits[place] - '0');
    return place > first && bytes[0] && sum == expected;
}

/* ---- cpio ---- */

static bool are_digits(const unsigned char *bytes, size_t size, const char *digits)
{
    for (size_t i = 0; i < size; i++)
        if (!bytes[i] || !strchr(digits, bytes[i]))
            return false;
    return true;
}

/* The header of a member, all digits: the new form, without and with checksums, has 13 numbers of
 * eight after its magic number, the old form 70 octal digits (cpio(5)). */
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

/* Below this many bytes, nothing is concluded. */
enum { FEW = 16 };

/* ---- UTF-16 and UTF-32 without their marks ---- */

/* Two or four bytes; the lowest is the first or the last of them. */
struct wide {
    size_t size;
    bool little;
};

static uint32_t read_wide(const unsigned char *bytes, struct wide wide)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < wide.size; i++)
        unit = unit << 8 | bytes[wide.little ? wide.size - 1 - i : i];
    return unit;
}

/* Characters, some of them blanks, and no control characters. */
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
    return units >= FEW && blanks > units / 100;
}

/* UTF-16 of Latin letters, be it damaged: every second byte is zero. */
static bool is_utf16(const unsigned char *bytes, size_t size, struct wide *wide)
{
    size_t zeros[2] = {0, 0};
    for (size_t i = 0; i < size; i++)
        zeros[i % 2] += bytes[i] == 0;
    size_t more = zeros[zeros[1] > zeros[0]], fewer = zeros[zeros[1] <= zeros[0]];
    *wide = (struct wide){2, zeros[1] > zeros[0]};
    return more >= FEW / 4 && more > size / 4 && fewer <= more / 16;
}

/* The zero bytes of such text are control characters, so that it is looked at before these. */
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

/* The escape sequences that change to another character set. iconv reads a text by the name of the
 * last of them here that the text has. */
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

/* Whether a text changes its character set, and by which sequences; *place is the first of them.
 * One or two may stand in a text as a quotation. In -KR and -CN the sequence comes first, and SO
 * changes to the set. */
static const struct magic *find_iso_2022(const unsigned char *bytes, size_t size, size_t *place)
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
            *place = i;
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

/* The normalizer drops stray control characters; of zeros, text has fewer than of others. */
static bool is_binary(const unsigned char *bytes, size_t size, size_t controls, size_t max)
{
    size_t zeros = 0;
    for (size_t i = 0; i < size && controls >= FEW; i++)
        zeros += bytes[i] == 0;
    return controls >= FEW && (controls > max || (zeros >= FEW && zeros > size / 100));
}

static void set_share(struct content *content, const char *what, size_t count, size_t size,
                      const char *of, const char *remedy)
{
    content->kind = CONTENT_FOREIGN;
    content->remedy = remedy;
    snprintf(content->what, sizeof content->what, "%s (%.0f %% of its first %zu bytes %s)", what,
             100.0 * (double)count / (double)size, size, of);
}

/* Without the zeros or Control-Z with which a file is filled up to whole blocks, of 4 KiB at
 * most. */
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

/* Of Latin-1 few letters are not ASCII, of an encoding of another script nearly all; of compressed
 * data half the bytes are not UTF-8 and every tenth is a control character. */
static bool check_encoding(struct content *content, const unsigned char *bytes, size_t size)
{
    size_t text_size = without_padding(bytes, size);
    size_t controls = count_controls(bytes, size), first, place;
    size_t text_controls = controls - count_controls(bytes + text_size, size - text_size);
    size_t invalid = utf8_count_invalid((const char *)bytes, size, &first);
    bool foreign = invalid >= FEW && invalid > size / 4;
    const struct magic *iso_2022 = find_iso_2022(bytes, size, &place);
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

static size_t skip_space(const char *text, size_t size, size_t place)
{
    while (place < size && text[place] && strchr(" \t\r\n\x1E", text[place]))
        place++;
    return place;
}

/* The place after the string that begins at `place`; 0 if none does, or it has no end here. */
static size_t skip_string(const char *text, size_t size, size_t place)
{
    if (place >= size || text[place] != '"')
        return 0;
    for (place++; place < size && text[place] != '"' && text[place] != '\n'; place++)
        place += text[place] == '\\';
    return place < size && text[place] == '"' ? place + 1 : 0;
}

/* {"...": or [{"...": or ["...", or ["..."]: prose does not begin like that. */
static bool begins_json(const char *text, size_t size)
{
    size_t place = skip_space(text, size, 0);
    bool array = place < size && text[place] == '[';
    if (array)
        place = skip_space(text, size, place + 1);
    bool object = place < size && text[place] == '{';
    if (!array && !object)
        return false;
    if (object)
        place = skip_space(text, size, place + 1);
    place = skip_string(text, size, place);
    if (!place)
        return false;
    place = skip_space(text, size, place);
    return place < size && (object ? text[place] == ':' : text[place] == ',' || text[place] == ']');
}

static bool begins_with_markup(const char *text, size_t size)
{
    static const char *const starts[] = {"<?xml",      "<!DOCTYPE", "<!doctype", "<html", "<HTML",
                                         "<mediawiki", "<doc id=",  "<TEI",      "<page>"};
    size_t place = skip_space(text, size, 0);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (size - place >= strlen(starts[i]) &&
            memcmp(text + place, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

struct content content_recognize(const void *bytes, size_t size)
{
    struct content content = {.kind = CONTENT_TEXT};
    const char *text = bytes;
    if (size > CONTENT_LOOK)
        size = CONTENT_LOOK;
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

/* ---- further on ---- */

/* Whether there is a byte that may be a control character or an escape: a loop that the compiler
 * makes vectors of. */
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

bool content_is_broken(const void *bytes, size_t size, struct content *content, size_t *place)
{
    const unsigned char *start = bytes;
    size = without_padding(start, size);
    *place = 0;
    if (!has_suspects(start, size))
        return false;
    *content = (struct content){.kind = CONTENT_TEXT};
    const struct magic *iso_2022 = find_iso_2022(start, size, place);
    if (iso_2022) {
        set_foreign(content, iso_2022->what, iso_2022->remedy);
    } else if (is_binary(start, size, count_controls(start, size), size / 10)) {
        set_foreign(content, "binary data", leave_out);
        for (*place = 0; !is_control(start[*place]);)
            ++*place;
    }
    return content->kind == CONTENT_FOREIGN;
}
