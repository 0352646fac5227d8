/* What stops `cloze train` from outside, and how it goes on. */

#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include "base/file.h"
#include "train/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "seed: 5\n"
                                  "output: run\n"
                                  "model: {size: tiny, hidden_size: 16, intermediate_size: 16,\n"
                                  "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], sentences: line, seq_len: 16,\n"
                                  "       valid_fraction: 0}\n"
                                  "train: {steps: 4000, batch_size: 1, log_every: 1, threads: 1}\n";

/* The working directory is the scratch directory. */
static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    sample_text_write(scratch, "text.txt", 100);
    scratch_write_text(scratch, "a run.yaml", config_text);
    return status || chdir(scratch->directory);
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

static void wait_for_records(const char *path)
{
    struct error error = {0};
    struct buffer text = {0};
    for (int i = 0; i < 6000 && text.size == 0; i++) {
        usleep(10000);
        if (path_exists(path))
            assert_true(file_read(path, 1 << 24, &text, &error));
    }
    assert_true(text.size > 0);
    buffer_free(&text);
}

/* How a run is stopped once it trains. */
struct stop {
    const char *records;
    int signals[3]; /* up to the first 0 */
};

static int wait_stopped(pid_t process, void *context)
{
    const struct stop *stop = context;
    wait_for_records(stop->records);
    for (int i = 0; i < 3 && stop->signals[i]; i++)
        kill(process, stop->signals[i]);
    return wait_cloze(process);
}

static void ignore_signals(void *context)
{
    (void)context;
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
}

static void the_line_that_is_printed_continues_the_run(void **state)
{
    (void)state;
    struct stop stop = {"it's here/metrics.jsonl", {SIGINT}};
    const char *const arguments[] = {
        "train", "a run.yaml", "--set", "output=it's here", "--set", "train.learning_rate=2e-4",
        NULL};
    struct program_result result = run_cloze_watched(arguments, NULL, wait_stopped, &stop);
    assert_int_equal(result.status, 130);
    const char *line = strstr(result.err, "To continue:\n  ");
    if (!line)
        fail_msg("%s", result.err);
    char command[1000];
    snprintf(command, sizeof command, "%s", line + strlen("To continue:\n  "));
    command[strcspn(command, "\n")] = 0;
    strcat(command, " 2> said");
    assert_int_equal(system(command), 0);
    assert_true(path_exists("it's here/checkpoints/step-00004000/model.safetensors"));
    program_result_free(&result);
}

static void assert_saves(struct stop stop)
{
    const char *const arguments[] = {"train", "a run.yaml", "--set", "train.steps=1000000", NULL};
    struct program_result result = run_cloze_watched(arguments, NULL, wait_stopped, &stop);
    assert_int_equal(result.status, 130);
    assert_non_null(strstr(result.err, " and saved. To continue:"));
    program_result_free(&result);
}

/* A closing window sends it more than once. */
static void a_hangup_saves(void **state)
{
    (void)state;
    assert_saves((struct stop){"run/metrics.jsonl", {SIGHUP, SIGHUP, SIGHUP}});
}

/* Batch systems send SIGUSR1 before the time is over, some to the script and to each process. */
static void the_signal_of_a_batch_system_saves(void **state)
{
    (void)state;
    assert_saves((struct stop){"run/metrics.jsonl", {SIGUSR1, SIGUSR1}});
}

/* A machine that goes down sends SIGTERM after it has closed the windows, and a batch system after
 * the warning that it was asked for. */
static void the_first_sigterm_after_another_signal_saves(void **state)
{
    (void)state;
    assert_saves((struct stop){"run/metrics.jsonl", {SIGHUP, SIGTERM}});
    assert_int_equal(system("rm -r run"), 0);
    assert_saves((struct stop){"run/metrics.jsonl", {SIGUSR1, SIGINT}});
}

/* nohup ignores SIGHUP, and a script SIGINT in what it starts in the background. */
static void signals_that_are_ignored_stay_so(void **state)
{
    (void)state;
    struct stop stop = {"run/metrics.jsonl", {SIGHUP, SIGINT, SIGUSR1}};
    const char *const arguments[] = {"train", "a run.yaml", NULL};
    struct program_result result =
        run_cloze_watched(arguments, ignore_signals, wait_stopped, &stop);
    assert_int_equal(result.status, 0);
    assert_true(path_exists("run/checkpoints/step-00004000/model.safetensors"));
    program_result_free(&result);
}

/* Writes to a pipe what is not ended by the signals before it. */
static void request_twice(int out)
{
    interrupt_install(false);
    raise(SIGHUP);
    raise(SIGTERM);
    raise(SIGHUP);
    if (write(out, "here", 4) == 4)
        raise(SIGINT);
    _exit(0);
}

static void the_second_sigint_or_sigterm_quits(void **state)
{
    (void)state;
    int ends[2], status;
    char got[8];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        request_twice(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
    close(ends[1]);
    assert_int_equal(read(ends[0], got, sizeof got), 4);
    close(ends[0]);
}

/* The launcher of several processes repeats signals, and all processes end together. */
static void a_quiet_handler_says_nothing_and_ends_nothing(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer said = {0};
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const int file = open("said", O_CREAT | O_WRONLY, 0600);
        if (file < 0 || dup2(file, STDERR_FILENO) < 0)
            _exit(1);
        interrupt_install(true);
        if (interrupt_requested())
            _exit(2);
        raise(SIGTERM);
        raise(SIGINT);
        raise(SIGTERM);
        _exit(interrupt_requested() ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(file_read("said", 1 << 16, &said, &error));
    assert_int_equal(said.size, 0);
    buffer_free(&said);
}

static void the_handler_keeps_errno(void **state)
{
    (void)state;
    const int standard = dup(STDERR_FILENO);
    interrupt_install(false);
    close(STDERR_FILENO); /* as after a closed window */
    errno = EINTR;
    raise(SIGHUP);
    const int after = errno;
    dup2(standard, STDERR_FILENO);
    close(standard);
    assert_int_equal(after, EINTR);
}

#define INTERRUPT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    heed_signals();
    const struct CMUnitTest tests[] = {
        INTERRUPT_TEST(the_line_that_is_printed_continues_the_run),
        INTERRUPT_TEST(a_hangup_saves),
        INTERRUPT_TEST(the_signal_of_a_batch_system_saves),
        INTERRUPT_TEST(the_first_sigterm_after_another_signal_saves),
        INTERRUPT_TEST(the_second_sigint_or_sigterm_quits),
        INTERRUPT_TEST(signals_that_are_ignored_stay_so),
        INTERRUPT_TEST(a_quiet_handler_says_nothing_and_ends_nothing),
        cmocka_unit_test(the_handler_keeps_errno), /* the last one: the handler stays */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
