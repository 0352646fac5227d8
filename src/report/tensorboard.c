#include "report/tensorboard.h"

#include "base/append_file.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAME_HEADER = 12, /* the length and its checksum */
    FRAME_FOOTER = 4,
    /* The bytes of one Value inside its Summary: two keys with lengths, the tag's key and length,
     * and the float. */
    VALUE_MAX = EVENT_TAG_MAX + 16,
    EVENT_MAX = EVENT_SCALARS_MAX * VALUE_MAX + 64,
};

struct event_writer {
    struct append_file file;
    uint32_t crc_table[256];
};

/* ---- CRC-32C ---- */

/* Fills the table of the polynomial 0x1EDC6F41 with its bits reversed; an entry advances the
 * register by one byte. */
static void crc_table_fill(uint32_t table[256])
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t remainder = byte;
        for (int bit = 0; bit < 8; bit++)
            remainder = (remainder >> 1) ^ (remainder & 1 ? 0x82F63B78u : 0);
        table[byte] = remainder;
    }
}

static uint32_t crc_update(const uint32_t table[256], const unsigned char *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++)
        crc = table[(crc ^ bytes[i]) & 0xFF] ^ (crc >> 8);
    return ~crc;
}

uint32_t crc32c(const void *data, size_t size)
{
    uint32_t table[256];
    crc_table_fill(table);
    return crc_update(table, data, size);
}

/* ---- protocol buffers ---- */

enum wire_type { WIRE_VARINT = 0, WIRE_64_BITS = 1, WIRE_BYTES = 2, WIRE_32_BITS = 5 };

/* A message or a frame that is being made; there is room for the largest one. */
struct bytes {
    unsigned char data[FRAME_HEADER + EVENT_MAX + FRAME_FOOTER];
    size_t size;
};

static void put_bytes(struct bytes *out, const void *data, size_t size)
{
    CHECK(size <= sizeof out->data - out->size);
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

static void put_little_endian(struct bytes *out, uint64_t value, int size)
{
    for (int i = 0; i < size; i++)
        put_bytes(out, &(unsigned char){(unsigned char)(value >> 8 * i)}, 1);
}

static void put_varint(struct bytes *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_little_endian(out, (value & 0x7F) | 0x80, 1);
    put_little_endian(out, value, 1);
}

static void put_key(struct bytes *out, unsigned field, enum wire_type type)
{
    put_varint(out, field << 3 | (unsigned)type);
}

static void put_field_bytes(struct bytes *out, unsigned field, const void *data, size_t size)
{
    put_key(out, field, WIRE_BYTES);
    put_varint(out, size);
    put_bytes(out, data, size);
}

/* Appends the fields that every Event begins with. */
static void put_event_start(struct bytes *out, double wall_time, int64_t step)
{
    uint64_t bits;
    memcpy(&bits, &wall_time, sizeof bits);
    put_key(out, 1, WIRE_64_BITS);
    put_little_endian(out, bits, 8);
    put_key(out, 2, WIRE_VARINT);
    put_varint(out, (uint64_t)step);
}

/* Appends one Value as a field of its Summary. */
static void put_scalar(struct bytes *summary, const struct event_scalar *scalar)
{
    size_t tag_size = strlen(scalar->tag);
    CHECK(tag_size <= EVENT_TAG_MAX);
    float value = (float)scalar->value;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);

    size_t key_and_length = tag_size < 0x80 ? 2 : 3;
    put_key(summary, 1, WIRE_BYTES);
    put_varint(summary, key_and_length + tag_size + 5);
    put_field_bytes(summary, 1, scalar->tag, tag_size);
    put_key(summary, 2, WIRE_32_BITS);
    put_little_endian(summary, bits, 4);
}

/* ---- records ---- */

static uint32_t masked_crc(const struct event_writer *writer, const unsigned char *data,
                           size_t size)
{
    uint32_t crc = crc_update(writer->crc_table, data, size);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static bool append_record(struct event_writer *writer, const struct bytes *event,
                          struct error *error)
{
    struct bytes frame;
    frame.size = 0;
    put_little_endian(&frame, event->size, 8);
    put_little_endian(&frame, masked_crc(writer, frame.data, 8), 4);
    put_bytes(&frame, event->data, event->size);
    put_little_endian(&frame, masked_crc(writer, event->data, event->size), 4);
    return append_file_put(&writer->file, frame.data, frame.size, error);
}

bool event_writer_put(struct event_writer *writer, double wall_time, int64_t step,
                      const struct event_scalar *scalars, size_t count, struct error *error)
{
    CHECK(count >= 1 && count <= EVENT_SCALARS_MAX);
    struct bytes summary, event;
    summary.size = event.size = 0;
    for (size_t i = 0; i < count; i++)
        put_scalar(&summary, &scalars[i]);
    put_event_start(&event, wall_time, step);
    put_field_bytes(&event, 5, summary.data, summary.size);
    return append_record(writer, &event, error);
}

static bool put_file_version(struct event_writer *writer, double wall_time, struct error *error)
{
    static const char version[] = "brain.Event:2";
    struct bytes event;
    event.size = 0;
    put_event_start(&event, wall_time, 0);
    put_field_bytes(&event, 3, version, sizeof version - 1);
    return append_record(writer, &event, error);
}

static bool put_session_start(struct event_writer *writer, double wall_time, int64_t step,
                              struct error *error)
{
    static const unsigned char status_start[] = {1 << 3 | WIRE_VARINT, 1};
    struct bytes event;
    event.size = 0;
    put_event_start(&event, wall_time, step);
    put_field_bytes(&event, 7, status_start, sizeof status_start);
    return append_record(writer, &event, error);
}

/* ---- opening and closing ---- */

/* Creates the file with the first number that is free in that second. */
static bool create_file(struct event_writer *writer, const char *directory, double wall_time,
                        struct error *error)
{
    enum { ATTEMPTS = 1000 };
    for (int number = 0; number < ATTEMPTS; number++) {
        struct buffer path = {0};
        struct error failure = {0};
        /* TensorBoard reads the files of a directory in the order of their names. */
        if (!buffer_print(&path, error, "%s/events.out.tfevents.%010lld.cloze.%d", directory,
                          (long long)wall_time, number))
            return false;
        append_file_close(&writer->file);
        bool opened = append_file_open(&writer->file, path.data, true, &failure);
        bool taken = !opened && path_exists(path.data);
        buffer_free(&path);
        if (!taken) {
            if (!opened)
                *error = failure;
            return opened;
        }
    }
    return fail_work(error, "%s: exists, as do the %d names before it", writer->file.path,
                     ATTEMPTS - 1);
}

struct event_writer *event_writer_open(const char *directory, double wall_time, int64_t first_step,
                                       struct error *error)
{
    struct event_writer *writer = allocate(1, sizeof *writer, error);
    if (!writer)
        return NULL;
    writer->file.descriptor = -1;
    crc_table_fill(writer->crc_table);
    if (!create_file(writer, directory, wall_time, error) ||
        !put_file_version(writer, wall_time, error) ||
        !put_session_start(writer, wall_time, first_step, error)) {
        event_writer_close(writer);
        return NULL;
    }
    return writer;
}

void event_writer_close(struct event_writer *writer)
{
    if (!writer)
        return;
    append_file_close(&writer->file);
    free(writer);
}
