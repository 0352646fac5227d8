#include "base/log.h"

#include "support/skipping.h"

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

/* What a log that believes to be on a terminal, or not, writes into memory. */
struct capture {
    struct log log;
    char *text;
    size_t size;
};

static void capture_begin(struct capture *capture, bool terminal)
{
    FILE *stream = open_memstream(&capture->text, &capture->size);
    assert_non_null(stream);
    capture->log = (struct log){.stream = stream, .terminal = terminal};
}

static void capture_end(struct capture *capture, const char *expected)
{
    assert_int_equal(fclose(capture->log.stream), 0);
    assert_string_equal(capture->text, expected);
    free(capture->text);
}

static void test_lines_and_warnings(void **state)
{
    (void)state;
    struct capture capture;
    capture_begin(&capture, false);
    log_line(&capture.log, "step %d", 3);
    log_live(&capture.log, "not for files");
    log_warning(&capture.log, "%s", "odd");
    capture_end(&capture, "step 3\nwarning: odd\n");
}

static void test_a_line_erases_the_live_one(void **state)
{
    (void)state;
    struct capture capture;
    capture_begin(&capture, true);
    log_live(&capture.log, "10%%");
    log_live(&capture.log, "20%%");
    log_line(&capture.log, "done");
    log_line(&capture.log, "next");
    capture_end(&capture, "\r10%\033[K\r20%\033[K\r\033[Kdone\nnext\n");
}

/* Asserts what a terminal of so many columns gets for a live line. */
static void expect_live(unsigned short columns, const char *line, const char *expected)
{
    const struct winsize size = {.ws_row = 24, .ws_col = columns};
    int terminal, end;
    char got[100], whole[100];
    if (openpty(&terminal, &end, NULL, NULL, &size) != 0)
        skip_test("there are no pseudo-terminals");
    struct log log = {.stream = fdopen(end, "w"), .terminal = true};
    assert_non_null(log.stream);
    log_live(&log, "%s", line);
    snprintf(whole, sizeof whole, "\r%s\033[K", expected);
    assert_int_equal(read(terminal, got, sizeof got), strlen(whole));
    assert_memory_equal(got, whole, strlen(whole));
    fclose(log.stream);
    close(terminal);
}

static void test_live_lines_are_cut_after_a_part(void **state)
{
    (void)state;
    expect_live(20, "1,234 texts, 56.7/s", "1,234 texts, 56.7/s");
    expect_live(19, "1,234 texts, 56.7/s", "1,234 texts");
    expect_live(12, "1,234 texts, 56.7/s", "1,234 texts");
    expect_live(11, "1,234 texts, 56.7/s", "1,234 text");
    expect_live(14, "one, two, three", "one, two");
}

static void test_live_lines_are_measured_in_columns(void **state)
{
    (void)state;
    expect_live(12, "日本語, 1/s", "日本語, 1/s"); /* 15 bytes in 11 columns */
    expect_live(11, "日本語, 1/s", "日本語");
    expect_live(6, "日本語, 1/s", "日本");
}

static void test_a_file_is_no_terminal(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_false(log_open(file).terminal);
    fclose(file);
}

static void test_no_log_is_silent(void **state)
{
    (void)state;
    log_line(NULL, "x");
    log_warning(NULL, "x");
    log_live(NULL, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_and_warnings),
        cmocka_unit_test(test_a_line_erases_the_live_one),
        cmocka_unit_test(test_live_lines_are_cut_after_a_part),
        cmocka_unit_test(test_live_lines_are_measured_in_columns),
        cmocka_unit_test(test_a_file_is_no_terminal),
        cmocka_unit_test(test_no_log_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
