/* Compressed files. The first byte chooses: a file of foreign bytes, whose name says it is gzip,
 * zstd, xz, bzip2, lz4 or nothing; or text that is compressed here, then damaged as the next bytes
 * say: it must give an error or the very text. */
#include "base/file.h"
#include "data/byte_source.h"
#include "fuzz/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { FOREIGN = 6, MAX_TEXT = 1 << 20 };

static bool read_source(const char *path, struct buffer *out, struct error *error)
{
    struct byte_source *source = byte_source_open(path, error);
    const void *bytes;
    size_t size = 1;
    bool done = source;
    /* What unpacks to very much more is read no further: it is no fault. */
    while (done && size && out->size < MAX_TEXT)
        done = byte_source_next(source, &bytes, &size, error) &&
               buffer_append(out, bytes, size, error);
    byte_source_close(source);
    return done;
}

static void read_foreign(const uint8_t *data, size_t size, unsigned kind)
{
    static const char *const names[FOREIGN] = {"a.gz", "a.zst", "a.xz", "a.bz2", "a", "a.lz4"};
    struct error error = {0};
    struct buffer out = {0};
    if (!read_source(fuzz_write(names[kind], data, size), &out, &error))
        fuzz_check_error(&error);
    buffer_free(&out);
}

static struct buffer compress_text(const uint8_t *text, size_t size)
{
    enum { GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8 };
    struct error error = {0};
    struct buffer out = {0};
    z_stream stream = {0};
    CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                       Z_DEFAULT_STRATEGY) == Z_OK);
    size_t room = deflateBound(&stream, size);
    unsigned char *packed = malloc(room), *copy = malloc(size + 1);
    CHECK(packed && copy);
    if (size)
        memcpy(copy, text, size);
    stream.next_in = copy;
    stream.avail_in = (uInt)size;
    stream.next_out = packed;
    stream.avail_out = (uInt)room;
    CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    CHECK(buffer_append(&out, packed, room - stream.avail_out, &error));
    deflateEnd(&stream);
    free(packed);
    free(copy);
    return out;
}

/* One byte changed, or the end cut off. */
static void damage(struct buffer *packed, unsigned place, unsigned change)
{
    size_t at = (place & 0x7FFF) % packed->size;
    if (place & 0x8000)
        packed->size = at;
    else
        packed->data[at] = (char)((unsigned char)packed->data[at] ^ change);
}

static void read_damaged(const uint8_t *data, size_t size)
{
    struct error error = {0};
    unsigned place = fuzz_take_byte(&data, &size);
    place |= fuzz_take_byte(&data, &size) << 8;
    unsigned change = fuzz_take_byte(&data, &size);
    struct buffer packed = compress_text(data, size), out = {0};
    damage(&packed, place, change);
    if (read_source(fuzz_write("b.gz", packed.data, packed.size), &out, &error))
        CHECK(out.size == size && (!size || memcmp(out.data, data, size) == 0));
    else
        fuzz_check_error(&error);
    buffer_free(&packed);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned kind = fuzz_take_byte(&data, &size) % (FOREIGN + 1);
    if (kind < FOREIGN)
        read_foreign(data, size, kind);
    else
        read_damaged(data, size);
    return 0;
}

static void seed_program(const char *name, char kind, const char *program)
{
    static const char text[] = "A text, a text, and another text.\n\nA text.\n";
    char command[1200];
    struct error error = {0};
    struct buffer seed = {0};
    const char *plain = fuzz_write("plain", text, sizeof text - 1), *packed = fuzz_path("packed");
    snprintf(command, sizeof command, "%s < '%s' > '%s'", program, plain, packed);
    if (system(command) != 0)
        return; /* a machine without the program has a seed less */
    CHECK(buffer_append(&seed, &kind, 1, &error));
    fuzz_read(packed, &seed);
    fuzz_seed(name, seed.data, seed.size);
    buffer_free(&seed);
}

void fuzz_seeds(void)
{
    seed_program("gzip", 0, "gzip -c");
    seed_program("zstd", 1, "zstd -q -c");
    seed_program("xz", 2, "xz -c");
    seed_program("bzip2", 3, "bzip2 -c");
    seed_program("lz4", 5, "lz4 -q -c");
    fuzz_seed("skippable", "\1\x5F\x2A\x4D\x18\4\0\0\0skip", 13);
    fuzz_seed("changed", "\6\14\0\1A text, a text", 19);
    fuzz_seed("cut",
              "\6\14\x80\1"
              "A text, a text",
              19);
}
