/* What a person sees of a session: lines that fit 80 columns, in a file and on terminals of several
 * widths, numbers that say how good the model is, and commands that work as they are printed. */

#include "support/full_disk.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"
#include "support/skipping.h"

#include "base/buffer.h"
#include "base/file.h"
#include "train/summary.h"

#include <errno.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "output: run\n"
                                  "model: {size: tiny, hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 2, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], sentences: line, seq_len: 32,\n"
                                  "       valid_fraction: 0.1}\n"
                                  "train: {steps: 12, batch_size: 8, learning_rate: 1e-3,\n"
                                  "        warmup_steps: 2, log_every: 2, eval_every: 6,\n"
                                  "        save_every: 4, threads: 1}\n";

/* The text and the configuration in the working directory, so that paths are short. */
static int set_up(void **state)
{
    int status = scratch_set_up(state);
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "config.yaml", config_text);
    return status || chdir(((struct scratch *)*state)->directory);
}

static int tear_down(void **state)
{
    return chdir("/") || scratch_tear_down(state);
}

/* The command that continues a run is one line, however long. */
static void assert_fits(const char *text, size_t width)
{
    for (const char *line = text; *line;) {
        size_t size = strcspn(line, "\n");
        bool command = line - text >= 15 && strncmp(line - 15, ". To continue:\n", 15) == 0;
        if (size > width && !command)
            fail_msg("%zu columns, expected at most %zu: %.*s", size, width, (int)size, line);
        line += size + (line[size] == '\n');
    }
}

static void run_fits(const char *const *arguments)
{
    struct program_result result = run_cloze(arguments);
    if (result.status)
        fail_msg("%s: status %d: %s", arguments[0], result.status, result.err);
    assert_fits(result.out, LOG_WIDTH);
    assert_fits(result.err, LOG_WIDTH);
    program_result_free(&result);
}
#define RUN_FITS(...) run_fits((const char *const[]){__VA_ARGS__, NULL})

/* ---- lines ---- */

static void help_fits(void **state)
{
    (void)state;
    RUN_FITS("--help"); /* manual.sh has those of the commands */
    RUN_FITS("--version");
}

static void help_of_a_command_by_either_name(void **state)
{
    (void)state;
    struct program_result option = RUN_CLOZE("train", "--help"), word = RUN_CLOZE("help", "train");
    assert_int_equal(word.status, 0);
    assert_string_equal(word.out, option.out);
    program_result_free(&option);
    program_result_free(&word);
    word = RUN_CLOZE("--help", "nsp");
    assert_non_null(strstr(word.out, "usage: cloze nsp MODEL"));
    program_result_free(&word);
    ASSERT_CLOZE_SAYS(2, "unknown command \"trian\"; did you mean \"train\"?", "help", "trian");
    ASSERT_CLOZE_SAYS(2, "unknown command \"--versoin\"; did you mean \"--version\"?", "--versoin");
}

static void every_command_of_a_session_fits(void **state)
{
    (void)state;
    RUN_FITS("train", "config.yaml");
    RUN_FITS("train", "config.yaml", "--resume");
    RUN_FITS("eval", "run", "--data", "text.txt");
    RUN_FITS("fill", "run", "a [MASK] b");
    RUN_FITS("nsp", "run", "a", "b");
    RUN_FITS("info", "run");
    RUN_FITS("vocab", "--input", "text.txt", "--size", "100000", "--output", "vocab.txt");
    RUN_FITS("prepare", "--input", "text.txt", "--vocab", "vocab.txt", "--output", "data");
    RUN_FITS("prepare", "--input", "text.txt", "--vocab", "vocab.txt", "--output", "data",
             "--valid-fraction", "0.1");
    RUN_FITS("batches", "config.yaml", "--steps", "2", "--output", "batches");
    RUN_FITS("bench", "--size", "tiny", "--seq", "8", "--batch", "1", "--steps", "1");
}

static char records[] = "run/metrics.jsonl";

/* Interrupts it once some records are there. */
static int interrupt_after_records(pid_t process, void *context)
{
    const size_t enough = 4000;
    struct error error = {0};
    struct buffer text = {0};
    for (int i = 0; i < 6000 && text.size < enough; i++) {
        usleep(10000);
        text.size = 0;
        if (path_exists(context))
            assert_true(file_read(context, 1 << 24, &text, &error));
    }
    buffer_free(&text);
    kill(process, SIGINT);
    return wait_cloze(process);
}

static void large_step_numbers_fit(void **state)
{
    (void)state;
    static const char *const arguments[] = {
        "train", "config.yaml",       "--set", "train.steps=1000000000",
        "--set", "train.log_every=1", "--set", "train.eval_every=3",
        NULL};
    struct program_result result =
        run_cloze_watched(arguments, NULL, interrupt_after_records, records);
    assert_int_equal(result.status, 130);
    assert_fits(result.err, LOG_WIDTH);
    assert_non_null(strstr(result.err, "1,000,000,000 steps"));
    assert_non_null(strstr(result.err, " left\n"));
    assert_non_null(strstr(result.err, "held out at step 3: MLM loss "));
    program_result_free(&result);
}

static void warnings_fit(void **state)
{
    scratch_write_text(*state, "bad.txt", "a \xFF b\n\na b\n\nb a\n");
    RUN_FITS("vocab", "--input", "bad.txt", "--size", "100000", "--output", "vocab.txt");
    RUN_FITS("prepare", "--input", "bad.txt", "--vocab", "vocab.txt", "--output", "data",
             "--valid-fraction", "0.0001");
    RUN_FITS("train", "config.yaml", "--set", "train.spike_z_score=0.01", "--set",
             "train.spike_window=2", "--set", "train.schedule=constant", "--set",
             "train.max_skipped_steps=1000");
    /* Data and a vocabulary whose text has changed. */
    static const char output[] = "output=other";
    RUN_FITS("batches", "config.yaml", "--steps", "1", "--output", "batches", "--set", output);
    scratch_write_text(*state, "text.txt", "a b c\nc b a\n\nb a\nc d\n\n");
    RUN_FITS("batches", "config.yaml", "--steps", "1", "--output", "batches", "--set", output,
             "--set", "data.valid_fraction=0");
}

/* ---- terminals ---- */

/* What the program writes to a terminal of the given width before it ends with this status. */
static char *on_terminal(unsigned short columns, const char *term, int status,
                         const char *const *arguments)
{
    struct buffer text = {0};
    struct error error = {0};
    int terminal;
    char bytes[4096];
    const struct winsize size = {.ws_row = 24, .ws_col = columns};
    pid_t process = forkpty(&terminal, NULL, NULL, &size);
    if (process < 0 && errno == ENOENT)
        skip_test("there are no pseudo-terminals: /dev/pts is not mounted");
    assert_true(process >= 0);
    if (process == 0) {
        char *words[16] = {strdup("cloze")};
        for (int i = 0; arguments[i]; i++)
            words[i + 1] = strdup(arguments[i]);
        setenv("TERM", term, 1);
        execv(TEST_PROGRAM, words);
        _exit(127);
    }
    ssize_t got;
    while ((got = read(terminal, bytes, sizeof bytes)) > 0)
        assert_true(buffer_append(&text, bytes, (size_t)got, &error));
    close(terminal);
    assert_int_equal(wait_cloze(process), status);
    return text.data;
}

/* Splits the text at carriage returns too, and drops what erases a line. */
static void split_live_lines(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++)
        if (strncmp(in, "\033[K", 3) == 0)
            in += 2;
        else
            *out++ = *in == '\r' ? '\n' : *in;
    *out = 0;
}

/* A step at the right of its column, and something after it. */
static bool is_row(const char *line)
{
    const char *number = line + strspn(line, " ");
    size_t digits = strspn(number, "0123456789");
    return number > line && digits && strncmp(number + digits, "  ", 2) == 0;
}

/* Every row of the table, live or not, has all its columns, the time left at its end. */
static int count_rows(const char *text, size_t width)
{
    int rows = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        size_t size = strcspn(line, "\n");
        if (!is_row(line))
            continue;
        if (size > width || line[size - 1] != 's')
            fail_msg("in %zu columns: \"%.*s\"", width, (int)size, line);
        rows++;
        if (!line[size])
            break;
    }
    return rows;
}

static void terminals_show_whole_rows(void **state)
{
    (void)state;
    static const unsigned short widths[] = {40, 60, 79, 80, 81, 200};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        char output[64];
        snprintf(output, sizeof output, "output=run-%zu", i);
        char *text = on_terminal(widths[i], "xterm", 0,
                                 (const char *const[]){"train", "config.yaml", "--set", output,
                                                       "--set", "train.log_every=3", NULL});
        assert_non_null(strstr(text, "\r\033[K"));
        split_live_lines(text);
        size_t room = widths[i] <= LOG_WIDTH ? widths[i] - 1U : LOG_WIDTH;
        /* Four stay; a live one comes with a step without a row of its own, but not with each of
         * them where steps are short. The first one is always shown. */
        const bool wide = widths[i] > LOG_WIDTH + 20;
        const int rows = count_rows(text, wide ? widths[i] - 1U : room);
        assert_true(rows > 4 && rows <= 12);
        assert_true((strstr(text, " grad ") != NULL) == (widths[i] >= 80));
        assert_true((strstr(text, "s  saves in ") != NULL) == wide);
        assert_true((strstr(text, "  save in ") != NULL) == (widths[i] >= 80 && !wide));
        if (widths[i] >= LOG_WIDTH && !wide)
            assert_fits(text, room < LOG_WIDTH ? LOG_WIDTH : room);
        free(text);
    }
}

static void half_a_number_is_not_shown(void **state)
{
    (void)state;
    SUCCEED("vocab", "--input", "text.txt", "--size", "60", "--output", "vocab.txt");
    char *text = on_terminal(40, "xterm", 0,
                             (const char *const[]){"prepare", "--input", "text.txt", "--vocab",
                                                   "vocab.txt", "--output", "d", NULL});
    assert_non_null(strstr(text, " of text\033[K"));
    free(text);
}

static void a_dumb_terminal_gets_no_live_lines(void **state)
{
    (void)state;
    char *text = on_terminal(80, "dumb", 0, (const char *const[]){"train", "config.yaml", NULL});
    assert_null(strchr(text, '\033'));
    split_live_lines(text);
    assert_int_equal(count_rows(text, 80), 6);
    free(text);
}

static size_t size_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return (size_t)status.st_size;
}

/* The second batch, of longer sequences, does not fit on the disk. */
static void an_error_after_a_live_line_has_its_own_line(void **state)
{
    (void)state;
    static const char *const arguments[] = {
        "batches",  "config.yaml",
        "--steps",  "2",
        "--output", "batches",
        "--set",    "train.steps=",
        "--set",    "train.phases=[{seq_len: 8, steps: 1}, {seq_len: 32, steps: 1}]",
        NULL};
    free(on_terminal(80, "xterm", 0, arguments));
    const size_t room = (size_of("batches/step-00000001.safetensors") +
                         size_of("batches/step-00000002.safetensors")) /
                        2;
    const struct full_disk disk = full_disk_begin(room);
    char *text = on_terminal(80, "xterm", 1, arguments);
    full_disk_end(&disk);
    split_live_lines(text);
    assert_non_null(strstr(text, "step 1 of 2"));
    assert_non_null(strstr(text, "\ncloze batches: "));
    free(text);
}

/* The words are those of the one line that a pipe gets. */
static void errors_fit_the_terminal(void **state)
{
    (void)state;
    static const char *const arguments[] = {"train", "config.yaml", "--set",
                                            "data.text_field=", NULL};
    static const unsigned short widths[] = {40, 80, 132};
    struct program_result piped = run_cloze(arguments);
    assert_ptr_equal(strchr(piped.err, '\n'), piped.err + strlen(piped.err) - 1);
    assert_true(strlen(piped.err) > 81);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        char *text = on_terminal(widths[i], i ? "xterm" : "dumb", 2, arguments);
        split_live_lines(text);
        assert_fits(text, widths[i] - 1U);
        char *out = text;
        for (const char *in = text; *in; in++)
            if (strncmp(in, "\n\n  ", 4) == 0) {
                *out++ = ' ';
                in += 3;
            } else if (*in != '\n' || in[1] != '\n')
                *out++ = *in;
        *out = 0;
        assert_string_equal(text, piped.err);
        free(text);
    }
    program_result_free(&piped);
}

/* What a person copies from the screen, and gives to a shell. */
static void errors_leave_commands_and_paths_whole(void **state)
{
    static const char book[] =
        "a book with a name that is long enough for more than a line of it.txt";
    char in_error[128];
    struct program_result result =
        RUN_CLOZE("train", "config.yaml", "--set", "output=my own run", "--set", "train.steps=2");
    assert_int_equal(result.status, 0);
    program_result_free(&result);
    char *text = on_terminal(80, "xterm", 2, (const char *const[]){"train", "my own run", NULL});
    assert_non_null(strstr(text, "\n  cloze train 'my own run/config.yaml' --resume\r\n"));
    free(text);
    scratch_write(*state, book, "\xFF\xFEt\0o\0 \0b\0e\0\n\0", 14);
    text = on_terminal(
        80, "xterm", 2,
        (const char *const[]){"vocab", "--input", book, "--size", "90", "--output", "v.txt", NULL});
    snprintf(in_error, sizeof in_error, "cloze vocab:\r\n  %s:", book);
    if (!strstr(text, in_error) || !strstr(text, "iconv -f UTF-16 -t UTF-8 IN > OUT\r\n"))
        fail_msg("%s", text);
    free(text);
}

/* Results and errors begin on a line of their own, not after the row that was drawn last. */
static void live_lines_are_erased_before_anything_else(void **state)
{
    struct program_result result = RUN_CLOZE("train", "config.yaml", "--set", "train.steps=2");
    assert_int_equal(result.status, 0);
    program_result_free(&result);
    scratch_write_text(*state, "empty.txt", "\n");
    scratch_write_text(*state, "snow.txt", "\u2603\n\u2603\n");
    scratch_write_text(*state, "a.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
    const char *const *const commands[] = {
        (const char *const[]){"eval", "run", "--data", "text.txt", NULL},
        (const char *const[]){"vocab", "--input", "empty.txt", "--size", "50", "--output", "v.txt",
                              NULL},
        (const char *const[]){"prepare", "--input", "snow.txt", "--vocab", "a.txt", "--output", "d",
                              NULL},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char *text = on_terminal(80, "xterm", i == 0 ? 0 : 2, commands[i]);
        char *erased = strstr(text, "\r\033[K");
        assert_non_null(erased);
        for (char *next; (next = strstr(erased + 4, "\r\033[K")) != NULL;)
            erased = next;
        /* Nothing is drawn again after the last time that the line was erased. */
        if (strstr(erased + 4, "\033[K"))
            fail_msg("%s", text);
        free(text);
    }
}

/* A block has 8,192 lines, which take minutes with a large model. */
static void vectors_are_counted_before_their_block_is_done(void **state)
{
    enum { LINES = 2000 };
    struct error error = {0};
    struct buffer lines = {0};
    SUCCEED("train", "config.yaml", "--set", "train.steps=2");
    for (int i = 0; i < LINES; i++)
        assert_true(buffer_print(&lines, &error, "the dog saw the cat\n"));
    scratch_write(*state, "lines.txt", lines.data, lines.size);
    buffer_free(&lines);
    char *text = on_terminal(
        80, "xterm", 0,
        (const char *const[]){"embed", "run", "lines.txt", "--output", "lines.npy", NULL});
    const char *first = strstr(text, " texts, "), *all = strstr(text, "2,000 texts, ");
    assert_non_null(first);
    if (all && all < first)
        fail_msg("%s", text);
    free(text);
}

/* ---- the end of a run ---- */

static void the_end_says_how_good_the_model_is(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("train", "config.yaml", "--set", "train.steps=60");
    assert_int_equal(result.status, 0);
    if (!strstr(result.err, "on held-out text, compared with guessing by token frequency:\n") ||
        !strstr(result.err, "\n  MLM loss ") || !strstr(result.err, "\n  MLM accuracy ") ||
        !strstr(result.err, "    guessing  50.0 %\n") ||
        !strstr(result.err, "still improving: held-out MLM loss ") ||
        !strstr(result.err, "model: run/checkpoints/latest\n"))
        fail_msg("%s", result.err);
    program_result_free(&result);
}

static void without_held_out_text_that_is_said(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(0, "nothing is held out, so how good the model is was not measured", "train",
                      "config.yaml", "--set", "data.valid_fraction=0");
}

static void the_trend_names_the_best_evaluation(void **state)
{
    (void)state;
    static const struct {
        int64_t best_step;
        double best, now;
        const char *said;
    } cases[] = {
        {-1, 0, 3.5, ""},
        {4000, 3.45, 3.3734,
         "still improving: held-out MLM loss 3.3734 now, 3.4500 at step 4,000\n"},
        {4000, 3.45, 3.45, "no longer improving since step 4,000: 3.4500 then, 3.4500 now\n"},
        {1000, 3.3, 3.45, "no longer improving since step 1,000: 3.3000 then, 3.4500 now\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *said;
        size_t size;
        struct log log = {.stream = open_memstream(&said, &size)};
        struct progress_evaluation evaluation = {
            .numbers.text.mlm_loss = cases[i].now,
            .step = 4500,
            .best_step = cases[i].best_step,
            .best_score = cases[i].best,
        };
        summary_trend(&evaluation, &log);
        fclose(log.stream);
        assert_string_equal(said, cases[i].said);
        free(said);
    }
}

/* Runs what follows a line of the output, as a person would who copies it. */
static void run_command_after(const char *text, const char *line, int status)
{
    const char *command = strstr(text, line);
    if (!command)
        fail_msg("\"%s\" is not in \"%s\"", line, text);
    int result = system(command + strlen(line));
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), status);
}

static void the_printed_command_works(void **state)
{
    (void)state;
    static const char directory[] = "output=it's a $run \"in\" a place with a name that is long";
    struct program_result result = RUN_CLOZE("train", "config.yaml", "--set", directory);
    assert_int_equal(result.status, 0);
    run_command_after(result.err, "\ntry it:\n", 0);
    program_result_free(&result);
}

/* Removes the places where a printed command is continued in the next line. */
static void join_lines(char *text)
{
    for (char *broken; (broken = strstr(text, "\\\n"));) {
        const char *next = broken + 2 + strspn(broken + 2, " ");
        memmove(broken, next, strlen(next) + 1);
    }
}

/* Without [UNK], which stands for something else, and without quotes. */
static void the_printed_sentence_is_plain(void **state)
{
    struct scratch *scratch = *state;
    char text[2048] = "";
    for (int i = 0; i < 6; i++)
        strcat(text, "\"have you seen my blanket today\n\n\u2603 have you seen my blanket\n\n"
                     "have you seen my blanket \u2603\n\nthe old dog sleeps near the fire\n\n");
    scratch_write_text(scratch, "plain.txt", text);
    scratch_write_text(scratch, "plain-vocab.txt",
                       "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhave\nyou\nseen\nmy\nblanket\ntoday\n"
                       "\"\nthe\nold\ndog\nsleeps\nnear\nfire\n");
    scratch_write_text(scratch, "plain.yaml",
                       "output: plain\nmodel: {size: tiny}\n"
                       "tokenizer: {vocab: plain-vocab.txt}\n"
                       "data: {train: [plain.txt], seq_len: 16, valid_fraction: 0}\n"
                       "train: {steps: 1, batch_size: 2, warmup_steps: 0}\n");
    struct program_result result = RUN_CLOZE("train", "plain.yaml");
    assert_int_equal(result.status, 0);
    join_lines(result.err);
    if (!strstr(result.err, " fill plain 'the "))
        fail_msg("%s", result.err);
    program_result_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_fits),
        cmocka_unit_test_setup_teardown(every_command_of_a_session_fits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_step_numbers_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(warnings_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(terminals_show_whole_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dumb_terminal_gets_no_live_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_after_a_live_line_has_its_own_line, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(half_a_number_is_not_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_fit_the_terminal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_leave_commands_and_paths_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(help_of_a_command_by_either_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(live_lines_are_erased_before_anything_else, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(vectors_are_counted_before_their_block_is_done, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_end_says_how_good_the_model_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_held_out_text_that_is_said, set_up, tear_down),
        cmocka_unit_test(the_trend_names_the_best_evaluation),
        cmocka_unit_test_setup_teardown(the_printed_command_works, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_printed_sentence_is_plain, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
