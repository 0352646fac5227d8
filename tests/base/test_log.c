#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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
        cmocka_unit_test(test_a_file_is_no_terminal),
        cmocka_unit_test(test_no_log_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
