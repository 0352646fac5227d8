#include "base/thread.h"

#include <signal.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void *report_mask(void *context)
{
    pthread_sigmask(SIG_SETMASK, NULL, context);
    return context;
}

static void signals_are_blocked_in_the_new_thread_alone(void **state)
{
    (void)state;
    struct error error = {0};
    sigset_t before, mask, after;
    void *result = NULL;
    pthread_t thread;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_true(thread_start(&thread, report_mask, &mask, "reports its mask", &error));
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &mask);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        assert_true(sigismember(&mask, signals[i]) == 1);
        assert_int_equal(sigismember(&after, signals[i]), sigismember(&before, signals[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_blocked_in_the_new_thread_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
