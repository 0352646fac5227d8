/* The environment variables that say how to compute, as a user sets them. */

#include "support/program.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct setting {
    const char *variable, *value;
};

static void set(void *context)
{
    const struct setting *setting = context;
    setenv(setting->variable, setting->value, 1);
}

static int wait_plainly(pid_t process, void *context)
{
    (void)context;
    return wait_cloze(process);
}

static void expect(struct setting setting, int status, const char *message)
{
    const char *const arguments[] = {"fill", "/nonexistent", "a [MASK]", NULL};
    struct program_result result = run_cloze_watched(arguments, set, wait_plainly, &setting);
    if (result.status != status || !strstr(result.err, message))
        fail_msg("%s=%s: status %d, %s", setting.variable, setting.value, result.status,
                 result.err);
    program_result_free(&result);
}

static void a_value_that_cannot_be_honoured_is_refused(void **state)
{
    (void)state;
    expect((struct setting){"CLOZE_FP32_KERNELS", "foo"}, 2,
           "cloze fill: CLOZE_FP32_KERNELS is \"foo\"; expected ");
    expect((struct setting){"CLOZE_BF16_KERNELS", "foo"}, 2,
           "cloze fill: CLOZE_BF16_KERNELS is \"foo\"");
    expect((struct setting){"CLOZE_BLAS_KERNELS", "foo"}, 2,
           "cloze fill: CLOZE_BLAS_KERNELS is \"foo\", but OpenBLAS works with its ");
    expect((struct setting){"OMP_NUM_THREADS", "99999"}, 2,
           "cloze fill: OMP_NUM_THREADS is \"99999\"; expected a number of threads from 1 to 4096");
    expect((struct setting){"OMP_NUM_THREADS", "four"}, 2, "OMP_NUM_THREADS is \"four\"");
    expect((struct setting){"OMP_THREAD_LIMIT", "-3"}, 2, "OMP_THREAD_LIMIT is \"-3\"");
}

static void a_good_value_is_accepted(void **state)
{
    (void)state;
    expect((struct setting){"CLOZE_FP32_KERNELS", "openblas"}, 2,
           "/nonexistent: no such directory");
    expect((struct setting){"CLOZE_FP32_KERNELS", ""}, 2, "/nonexistent: no such directory");
    expect((struct setting){"CLOZE_BLAS_KERNELS", ""}, 2, "/nonexistent: no such directory");
    expect((struct setting){"OMP_NUM_THREADS", "2,1"}, 2, "/nonexistent: no such directory");
}

static void a_limit_below_the_threads_of_a_run_is_named(void **state)
{
    struct scratch *scratch = *state;
    struct setting setting = {"OMP_THREAD_LIMIT", "1"};
    const char *config = scratch_write_text(scratch, "run.yaml",
                                            "output: run\ndata: {train: [a.txt]}\n"
                                            "train: {threads: 2}\n");
    const char *const arguments[] = {"train", config, NULL};
    struct program_result result = run_cloze_watched(arguments, set, wait_plainly, &setting);
    assert_int_equal(result.status, 2);
    assert_non_null(
        strstr(result.err, "run.yaml: train.threads is 2, but OMP_THREAD_LIMIT allows 1"));
    program_result_free(&result);
}

static void a_misspelt_name_is_a_warning(void **state)
{
    (void)state;
    expect((struct setting){"CLOZE_FP32_KERNEL", "avx2"}, 2,
           "warning: cloze does not read CLOZE_FP32_KERNEL; did you mean CLOZE_FP32_KERNELS?");
}

static void help_needs_no_environment(void **state)
{
    (void)state;
    struct setting setting = {"CLOZE_FP32_KERNELS", "foo"};
    const char *const arguments[] = {"fill", "--help", NULL};
    struct program_result result = run_cloze_watched(arguments, set, wait_plainly, &setting);
    assert_int_equal(result.status, 0);
    program_result_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_cannot_be_honoured_is_refused),
        cmocka_unit_test(a_good_value_is_accepted),
        SCRATCH_TEST(a_limit_below_the_threads_of_a_run_is_named),
        cmocka_unit_test(a_misspelt_name_is_a_warning),
        cmocka_unit_test(help_needs_no_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
