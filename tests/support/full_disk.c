#include "support/full_disk.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

struct full_disk full_disk_begin(size_t bytes)
{
    struct full_disk disk = {.handler = signal(SIGXFSZ, SIG_IGN)};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &disk.before), 0);
    const struct rlimit limit = {.rlim_cur = (rlim_t)bytes, .rlim_max = disk.before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    return disk;
}

void full_disk_end(const struct full_disk *disk)
{
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &disk->before), 0);
    signal(SIGXFSZ, disk->handler);
}
