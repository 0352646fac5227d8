#include "report/tensorboard.h"

#include "base/file.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- an independent reader: bit by bit, trusting nothing of the writer ---- */

static uint32_t slow_crc32c(const unsigned char *bytes, size_t size)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < 8 * size; i++) {
        uint32_t bit = (bytes[i / 8] >> i % 8) & 1;
        crc = ((crc ^ bit) & 1) ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
    }
    return ~crc;
}

static uint32_t unmask(uint32_t masked)
{
    uint32_t rotated = masked - 0xa282ead8u;
    return (rotated >> 17) | (rotated << 15);
}

static uint64_t little_endian(const unsigned char *bytes, int size)
{
    uint64_t value = 0;
    for (int i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

struct cursor {
    const unsigned char *at, *end;
};

static const unsigned char *take(struct cursor *cursor, size_t size)
{
    assert_true(size <= (size_t)(cursor->end - cursor->at));
    cursor->at += size;
    return cursor->at - size;
}

/* The data of the next record, checksums verified. */
static struct cursor next_record(struct cursor *file)
{
    const unsigned char *length = take(file, 8);
    uint32_t length_crc = (uint32_t)little_endian(take(file, 4), 4);
    assert_int_equal(unmask(length_crc), slow_crc32c(length, 8));
    size_t size = little_endian(length, 8);
    const unsigned char *data = take(file, size);
    uint32_t data_crc = (uint32_t)little_endian(take(file, 4), 4);
    assert_int_equal(unmask(data_crc), slow_crc32c(data, size));
    return (struct cursor){data, data + size};
}

static uint64_t next_varint(struct cursor *cursor)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        unsigned char byte = *take(cursor, 1);
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

static struct cursor next_bytes(struct cursor *cursor)
{
    size_t size = next_varint(cursor);
    const unsigned char *bytes = take(cursor, size);
    return (struct cursor){bytes, bytes + size};
}

static void expect_key(struct cursor *cursor, unsigned field, unsigned wire_type)
{
    assert_int_equal(next_varint(cursor), field << 3 | wire_type);
}

static void expect_text(struct cursor bytes, const char *expected)
{
    assert_int_equal(bytes.end - bytes.at, strlen(expected));
    assert_memory_equal(bytes.at, expected, strlen(expected));
}

/* wall_time and step, which begin every event. */
static void expect_event_start(struct cursor *event, double wall_time, int64_t step)
{
    double found;
    expect_key(event, 1, 1);
    uint64_t bits = little_endian(take(event, 8), 8);
    memcpy(&found, &bits, sizeof found);
    assert_true(found == wall_time);
    expect_key(event, 2, 0);
    assert_int_equal(next_varint(event), (uint64_t)step);
}

static void expect_scalar(struct cursor *summary, const char *tag, float value)
{
    expect_key(summary, 1, 2);
    struct cursor entry = next_bytes(summary);
    expect_key(&entry, 1, 2);
    expect_text(next_bytes(&entry), tag);
    expect_key(&entry, 2, 5);
    uint32_t bits = (uint32_t)little_endian(take(&entry, 4), 4), expected;
    memcpy(&expected, &value, sizeof expected);
    assert_int_equal(bits, expected);
    assert_ptr_equal(entry.at, entry.end);
}

static struct cursor expect_summary(struct cursor *event)
{
    expect_key(event, 5, 2);
    struct cursor summary = next_bytes(event);
    assert_ptr_equal(event->at, event->end);
    return summary;
}

static void expect_head(struct cursor *file, double wall_time, int64_t first_step)
{
    struct cursor event = next_record(file);
    expect_event_start(&event, wall_time, 0);
    expect_key(&event, 3, 2);
    expect_text(next_bytes(&event), "brain.Event:2");
    assert_ptr_equal(event.at, event.end);

    event = next_record(file);
    expect_event_start(&event, wall_time, first_step);
    expect_key(&event, 7, 2);
    struct cursor session = next_bytes(&event);
    expect_key(&session, 1, 0);
    assert_int_equal(next_varint(&session), 1);
    assert_ptr_equal(session.at, session.end);
}

/* ---- the tests ---- */

/* RFC 3720, appendix B.4, and the check value of the CRC catalogue. */
static void test_crc32c_of_known_texts(void **state)
{
    (void)state;
    unsigned char bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(bytes, 32), 0x62a8ab43);
    for (unsigned char i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(bytes, 32), 0x46dd794e);
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c("", 0), 0);
}

static struct event_writer *open_writer(const char *directory, double wall_time, int64_t first_step)
{
    struct error error = {0};
    struct event_writer *writer = event_writer_open(directory, wall_time, first_step, &error);
    assert_string_equal(error.message, "");
    assert_non_null(writer);
    return writer;
}

static struct cursor read_events(struct scratch *scratch, const char *name, struct buffer *bytes)
{
    struct error error = {0};
    assert_true(file_read(scratch_path(scratch, name), 1 << 20, bytes, &error));
    const unsigned char *begin = (const unsigned char *)bytes->data;
    return (struct cursor){begin, begin + bytes->size};
}

static void test_the_file_decodes_to_what_was_written(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    const struct event_scalar losses[] = {
        {"train/loss", 9.8125}, {"train/mlm_loss", 0.1}, {"", NAN}};
    struct event_writer *writer = open_writer(scratch->directory, 1700000000.25, 1);
    assert_true(event_writer_put(writer, 1700000001.5, 1, losses, 3, &error));
    assert_true(event_writer_put(writer, 1700000002.5, 300, losses, 1, &error));
    event_writer_close(writer);

    struct buffer bytes = {0};
    struct cursor file = read_events(scratch, "events.out.tfevents.1700000000.cloze.0", &bytes);
    expect_head(&file, 1700000000.25, 1);

    struct cursor event = next_record(&file);
    expect_event_start(&event, 1700000001.5, 1);
    struct cursor summary = expect_summary(&event);
    expect_scalar(&summary, "train/loss", 9.8125f);
    expect_scalar(&summary, "train/mlm_loss", 0.1f);
    expect_scalar(&summary, "", (float)NAN);
    assert_ptr_equal(summary.at, summary.end);

    event = next_record(&file);
    expect_event_start(&event, 1700000002.5, 300);
    summary = expect_summary(&event);
    expect_scalar(&summary, "train/loss", 9.8125f);
    assert_ptr_equal(summary.at, summary.end);
    assert_ptr_equal(file.at, file.end);
    buffer_free(&bytes);
}

/* Lengths that need a second and a third byte. */
static void test_the_largest_event(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    char tag[EVENT_TAG_MAX + 1];
    memset(tag, 't', EVENT_TAG_MAX);
    tag[EVENT_TAG_MAX] = 0;
    struct event_scalar scalars[EVENT_SCALARS_MAX];
    for (int i = 0; i < EVENT_SCALARS_MAX; i++)
        scalars[i] = (struct event_scalar){tag + (i % 3), (double)i};
    struct event_writer *writer = open_writer(scratch->directory, 5, INT64_MAX);
    assert_true(event_writer_put(writer, 6, INT64_MAX, scalars, EVENT_SCALARS_MAX, &error));
    event_writer_close(writer);

    struct buffer bytes = {0};
    struct cursor file = read_events(scratch, "events.out.tfevents.0000000005.cloze.0", &bytes);
    expect_head(&file, 5, INT64_MAX);
    struct cursor event = next_record(&file);
    expect_event_start(&event, 6, INT64_MAX);
    struct cursor summary = expect_summary(&event);
    for (int i = 0; i < EVENT_SCALARS_MAX; i++)
        expect_scalar(&summary, tag + (i % 3), (float)i);
    assert_ptr_equal(summary.at, summary.end);
    buffer_free(&bytes);
}

static void test_no_file_is_overwritten(void **state)
{
    struct scratch *scratch = *state;
    event_writer_close(open_writer(scratch->directory, 7.25, 1));
    event_writer_close(open_writer(scratch->directory, 7.75, 42));
    struct buffer first = {0}, second = {0};
    struct cursor file = read_events(scratch, "events.out.tfevents.0000000007.cloze.0", &first);
    expect_head(&file, 7.25, 1);
    file = read_events(scratch, "events.out.tfevents.0000000007.cloze.1", &second);
    expect_head(&file, 7.75, 42);
    buffer_free(&first);
    buffer_free(&second);
}

static void test_a_missing_directory_is_an_error(void **state)
{
    struct error error = {0};
    const char *path = scratch_path(*state, "absent");
    assert_null(event_writer_open(path, 1, 1, &error));
    assert_non_null(strstr(error.message, "absent/events.out.tfevents.0000000001.cloze.0: cannot "
                                          "open for appending: No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_of_known_texts),
        SCRATCH_TEST(test_the_file_decodes_to_what_was_written),
        SCRATCH_TEST(test_the_largest_event),
        SCRATCH_TEST(test_no_file_is_overwritten),
        SCRATCH_TEST(test_a_missing_directory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
