#include "data/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The context of a pipeline whose read returns 0, 1, 2 ... up to `total`, whose work squares them,
 * and whose write checks their order and values. */
struct stream {
    int total;
    int read;
    int written;
    int fail_read_at, fail_work_at, fail_write_at; /* -1: never */
    atomic_int readers, writers;                   /* numbers of those running now */
    atomic_bool overlapped; /* whether two reads or two writes ran at the same time */
    atomic_int busy[8];     /* number of calls of work running now in each thread */
};

static void enter(struct stream *stream, atomic_int *inside)
{
    if (atomic_fetch_add(inside, 1) > 0)
        atomic_store(&stream->overlapped, true);
}

static bool read_number(void *context, void *item, bool *end, struct error *error)
{
    struct stream *stream = context;
    enter(stream, &stream->readers);
    *end = stream->read == stream->total;
    *(long *)item = stream->read;
    bool done = stream->read != stream->fail_read_at;
    stream->read += !*end;
    atomic_fetch_sub(&stream->readers, 1);
    return done || fail_input(error, "cannot read %d", stream->fail_read_at);
}

/* Later items finish sooner, which disturbs the order. */
static bool square_number(void *context, int thread, void *item, struct error *error)
{
    struct stream *stream = context;
    long *number = item;
    enter(stream, &stream->busy[thread]);
    for (volatile long i = 0; i < (7 - *number % 8) * 1000; i++)
        continue;
    bool done = *number != stream->fail_work_at;
    *number *= *number;
    atomic_fetch_sub(&stream->busy[thread], 1);
    return done || fail_work(error, "cannot square %d", stream->fail_work_at);
}

static bool check_number(void *context, void *item, struct error *error)
{
    struct stream *stream = context;
    enter(stream, &stream->writers);
    long expected = stream->written++;
    atomic_fetch_sub(&stream->writers, 1);
    if (expected == stream->fail_write_at)
        return fail_work(error, "cannot write %ld", expected);
    return *(long *)item == expected * expected || fail_work(error, "wrong order");
}

static bool run(struct stream *stream, int threads, size_t items, struct error *error)
{
    long numbers[64];
    const struct pipeline pipeline = {
        .context = stream,
        .read = read_number,
        .work = square_number,
        .write = check_number,
        .items = numbers,
        .item_count = items,
        .item_size = sizeof *numbers,
        .threads = threads,
    };
    bool done = pipeline_run(&pipeline, error);
    assert_false(stream->overlapped);
    return done;
}

static struct stream stream_of(int total)
{
    return (struct stream){
        .total = total, .fail_read_at = -1, .fail_work_at = -1, .fail_write_at = -1};
}

static void everything_is_written_in_order(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++)
        for (size_t items = 1; items <= 12; items += 3) {
            struct error error = {0};
            struct stream stream = stream_of(500);
            if (!run(&stream, threads, items, &error))
                fail_msg("%s", error.message);
            assert_int_equal(stream.read, 500);
            assert_int_equal(stream.written, 500);
            assert_int_equal(error.kind, ERROR_NONE);
        }
}

static void an_empty_stream_ends_at_once(void **state)
{
    (void)state;
    struct error error = {0};
    struct stream stream = stream_of(0);
    assert_true(run(&stream, 3, pipeline_items(3), &error));
    assert_int_equal(stream.written, 0);
}

static void a_failure_anywhere_ends_the_run(void **state)
{
    (void)state;
    const char *const messages[] = {"cannot read 100", "cannot square 100", "cannot write 100"};
    for (int threads = 1; threads <= 3; threads++)
        for (int where = 0; where < 3; where++) {
            struct error error = {0};
            struct stream stream = stream_of(1000000);
            int *place = where == 0   ? &stream.fail_read_at
                         : where == 1 ? &stream.fail_work_at
                                      : &stream.fail_write_at;
            *place = 100;
            assert_false(run(&stream, threads, pipeline_items(threads), &error));
            assert_string_equal(error.message, messages[where]);
            assert_true(stream.read < 200);
        }
}

static void writing_may_be_left_out(void **state)
{
    (void)state;
    struct error error = {0};
    struct stream stream = stream_of(100);
    long numbers[4];
    const struct pipeline pipeline = {&stream, read_number, square_number,   NULL,
                                      numbers, 4,           sizeof *numbers, 2};
    assert_true(pipeline_run(&pipeline, &error));
    assert_int_equal(stream.read, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_written_in_order),
        cmocka_unit_test(an_empty_stream_ends_at_once),
        cmocka_unit_test(a_failure_anywhere_ends_the_run),
        cmocka_unit_test(writing_may_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
