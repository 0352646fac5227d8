#include "base/directory.h"
#include "base/machine.h"

#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a system made of files ---- */

static const char v2[] = "sys/fs/cgroup/";

static void put(struct scratch *scratch, const char *directory, const char *name, const char *text)
{
    struct error error = {0};
    char path[512];
    assert_true(directory_make(scratch_path(scratch, directory), &error));
    snprintf(path, sizeof path, "%s/%s", directory, name);
    scratch_write_text(scratch, path, text);
}

static void put_group(struct scratch *scratch, const char *text)
{
    put(scratch, "proc/self", "cgroup", text);
}

/* ---- threads ---- */

static void test_threads_setting(void **state)
{
    (void)state;
    assert_int_equal(machine_threads_setting("4"), 4);
    assert_int_equal(machine_threads_setting("4,2"), 4);
    assert_int_equal(machine_threads_setting(" 12 "), 12);
    assert_int_equal(machine_threads_setting(" 3 ,1"), 3);
    static const char *const unusable[] = {
        "", "0", "-2", "four", "4x", ",4", "99999999999999999999"};
    for (size_t i = 0; i < sizeof unusable / sizeof *unusable; i++)
        assert_int_equal(machine_threads_setting(unusable[i]), 0);
    assert_int_equal(machine_threads_setting(NULL), 0);
}

static void test_threads_of_this_machine(void **state)
{
    (void)state;
    setenv("OMP_NUM_THREADS", "7", 1);
    assert_int_equal(machine_threads(), 7);
    unsetenv("OMP_NUM_THREADS");
    assert_true(machine_threads() >= 1);
}

/* ---- processors ---- */

static void test_no_groups_no_quota(void **state)
{
    struct scratch *scratch = *state;
    assert_true(machine_processor_quota(scratch->directory) == MACHINE_UNLIMITED);
    put_group(scratch, "0::/\n");
    assert_true(machine_processor_quota(scratch->directory) == MACHINE_UNLIMITED);
    put_group(scratch, "nonsense\n:\n0:\n::\n\n0::relative\n");
    assert_true(machine_processor_quota(scratch->directory) == MACHINE_UNLIMITED);
}

static void test_processor_quota_v2(void **state)
{
    struct scratch *scratch = *state;
    static const struct {
        const char *text;
        uint64_t processors;
    } cases[] = {
        {"200000 100000\n", 2},  {"250000 100000\n", 3},       {"50000 100000\n", 1},
        {"300001 100000\n", 4},  {"max 100000\n", UINT64_MAX}, {"", UINT64_MAX},
        {"100 0\n", UINT64_MAX},
    };
    put_group(scratch, "0::/user/job\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(scratch, "sys/fs/cgroup/user/job", "cpu.max", cases[i].text);
        assert_int_equal(machine_processor_quota(scratch->directory), cases[i].processors);
    }
}

static void test_groups_around_the_own_count(void **state)
{
    struct scratch *scratch = *state;
    put_group(scratch, "0::/user/job/step\n");
    put(scratch, "sys/fs/cgroup/user/job/step", "cpu.max", "800000 100000\n");
    put(scratch, "sys/fs/cgroup/user", "cpu.max", "300000 100000\n");
    assert_int_equal(machine_processor_quota(scratch->directory), 3);
    put(scratch, v2, "cpu.max", "200000 100000\n");
    assert_int_equal(machine_processor_quota(scratch->directory), 2);
}

/* A container sees the host's path, and its own group at the mount point. */
static void test_a_path_of_the_host(void **state)
{
    struct scratch *scratch = *state;
    put_group(scratch, "0::/docker/0123456789abcdef\n");
    put(scratch, v2, "cpu.max", "400000 100000\n");
    assert_int_equal(machine_processor_quota(scratch->directory), 4);
    put_group(scratch, "0::/../../other\n");
    assert_int_equal(machine_processor_quota(scratch->directory), 4);
}

static void test_processor_quota_v1(void **state)
{
    struct scratch *scratch = *state;
    put_group(scratch, "12:memory:/job\n4:cpuset:/wrong\n3:cpu,cpuacct:/job\n1:name=systemd:/a\n");
    put(scratch, "sys/fs/cgroup/cpu/job", "cpu.cfs_quota_us", "-1\n");
    put(scratch, "sys/fs/cgroup/cpu/job", "cpu.cfs_period_us", "100000\n");
    assert_true(machine_processor_quota(scratch->directory) == MACHINE_UNLIMITED);
    put(scratch, "sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "150000\n");
    put(scratch, "sys/fs/cgroup/cpu", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(machine_processor_quota(scratch->directory), 2);
}

static void test_v2_beside_v1(void **state)
{
    struct scratch *scratch = *state;
    put_group(scratch, "3:cpu,cpuacct:/\n0::/job\n");
    put(scratch, "sys/fs/cgroup/unified/job", "cpu.max", "500000 100000\n");
    assert_int_equal(machine_processor_quota(scratch->directory), 5);
}

/* ---- memory ---- */

static void test_memory_v2(void **state)
{
    struct scratch *scratch = *state;
    put_group(scratch, "0::/job\n");
    assert_true(machine_group_memory(scratch->directory) == MACHINE_UNLIMITED);
    put(scratch, "sys/fs/cgroup/job", "memory.max", "max\n");
    put(scratch, "sys/fs/cgroup/job", "memory.current", "700\n");
    assert_true(machine_group_memory(scratch->directory) == MACHINE_UNLIMITED);
    put(scratch, "sys/fs/cgroup/job", "memory.max", "1000\n");
    assert_int_equal(machine_group_memory(scratch->directory), 300);
    put(scratch, "sys/fs/cgroup/job", "memory.stat",
        "anon 5\nfile 9999\ninactive_anon 1\nactive_anon 2\ninactive_file 200\nactive_file 50\n");
    assert_int_equal(machine_group_memory(scratch->directory), 550);
    put(scratch, v2, "memory.max", "900\n");
    put(scratch, v2, "memory.current", "800\n");
    assert_int_equal(machine_group_memory(scratch->directory), 100);
}

static void test_memory_that_is_used_up(void **state)
{
    struct scratch *scratch = *state;
    put_group(scratch, "0::/\n");
    put(scratch, v2, "memory.max", "1000\n");
    put(scratch, v2, "memory.current", "1200\n");
    assert_int_equal(machine_group_memory(scratch->directory), 0);
    /* More cache than usage: the files were not read at the same moment. */
    put(scratch, v2, "memory.stat", "inactive_file 5000\n");
    assert_int_equal(machine_group_memory(scratch->directory), 1000);
}

static void test_memory_v1(void **state)
{
    struct scratch *scratch = *state;
    put_group(scratch, "9:memory:/a/b\n");
    put(scratch, "sys/fs/cgroup/memory/a", "memory.limit_in_bytes", "4096000\n");
    put(scratch, "sys/fs/cgroup/memory/a", "memory.usage_in_bytes", "96000\n");
    put(scratch, "sys/fs/cgroup/memory/a/b", "memory.limit_in_bytes", "9223372036854771712\n");
    put(scratch, "sys/fs/cgroup/memory/a/b", "memory.usage_in_bytes", "5000\n");
    assert_int_equal(machine_group_memory(scratch->directory), 4000000);
    put(scratch, "sys/fs/cgroup/memory/a", "memory.stat",
        "inactive_file 1\ntotal_inactive_file 6000\ntotal_active_file 1000\n");
    assert_int_equal(machine_group_memory(scratch->directory), 4007000);
}

static void test_memory_of_the_system(void **state)
{
    struct scratch *scratch = *state;
    assert_true(machine_system_memory(scratch->directory) == MACHINE_UNLIMITED);
    put(scratch, "proc", "meminfo",
        "MemTotal:       16384000 kB\nMemFree:          100 kB\nMemAvailable:    2048 kB\n");
    assert_int_equal(machine_system_memory(scratch->directory), 2097152);
}

static void test_numbers_of_threads(void **state)
{
    (void)state;
    static const char *const good[] = {NULL, "", "1", "4", " 8 ", "4,2,1", "4096"};
    static const char *const bad[] = {"0",  "-1",  "99999", "two",  "4x",
                                      "4,", "4;2", "1e3",   "4097", "99999999999999999999"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct error error = {0};
        if (!machine_check_threads("OMP_NUM_THREADS", good[i], &error))
            fail_msg("%s", error.message);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error error = {0};
        char expected[128];
        assert_false(machine_check_threads("OMP_NUM_THREADS", bad[i], &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        snprintf(expected, sizeof expected,
                 "OMP_NUM_THREADS is \"%s\"; expected a number of threads from 1 to 4096", bad[i]);
        assert_string_equal(error.message, expected);
    }
}

static void test_memory_of_this_machine(void **state)
{
    (void)state;
    size_t available = machine_memory_available();
    assert_true(available > 0 && available < SIZE_MAX / 2);
}

static void test_the_clock_advances(void **state)
{
    (void)state;
    double before = machine_seconds(), after;
    do
        after = machine_seconds();
    while (after == before);
    assert_true(after > before && after - before < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_setting),
        cmocka_unit_test(test_threads_of_this_machine),
        SCRATCH_TEST(test_no_groups_no_quota),
        SCRATCH_TEST(test_processor_quota_v2),
        SCRATCH_TEST(test_groups_around_the_own_count),
        SCRATCH_TEST(test_a_path_of_the_host),
        SCRATCH_TEST(test_processor_quota_v1),
        SCRATCH_TEST(test_v2_beside_v1),
        SCRATCH_TEST(test_memory_v2),
        SCRATCH_TEST(test_memory_that_is_used_up),
        SCRATCH_TEST(test_memory_v1),
        SCRATCH_TEST(test_memory_of_the_system),
        cmocka_unit_test(test_numbers_of_threads),
        cmocka_unit_test(test_memory_of_this_machine),
        cmocka_unit_test(test_the_clock_advances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
