/* One process without others, which a run of cloze alone is. tests/mpi has several. */
#include "train/exchange.h"

#include "support/skipping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_one_process_has_the_whole_batch(void **state)
{
    (void)state;
    for (int batch_size = 1; batch_size <= 10; batch_size++) {
        const struct batch_share share = exchange_share(NULL, batch_size);
        assert_int_equal(share.first, 0);
        assert_int_equal(share.count, batch_size);
    }
}

static void test_one_process_is_rank_0_of_1(void **state)
{
    (void)state;
    struct error error = {0};
    const int mine = 7;
    int all = 0;
    assert_int_equal(process_group_rank(NULL), 0);
    assert_true(process_group_leads(NULL));
    assert_int_equal(process_group_size(NULL), 1);
    assert_int_equal(process_group_sharers(NULL), 1);
    assert_int_equal(process_group_machines(NULL), 1);
    process_group_gather(NULL, &mine, sizeof mine, &all);
    assert_int_equal(all, 7);
    assert_int_equal(process_group_any(NULL, 5), 5);
    process_group_broadcast(NULL, &all, sizeof all);
    assert_int_equal(all, 7);
    assert_true(process_group_agree(NULL, true, &error));
    assert_true(process_group_memory(NULL) > 0);
    process_group_close(NULL);
}

/* The error of a failure stays what it is. */
static void test_one_process_agrees_with_itself(void **state)
{
    (void)state;
    struct error error = {0};
    fail_input(&error, "no such text");
    assert_false(process_group_agree(NULL, false, &error));
    assert_string_equal(error.message, "no such text");
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_false(process_group_has_failed(NULL));
}

static void test_nothing_is_exchanged_alone(void **state)
{
    (void)state;
    struct error error = {0};
    int other;
    struct exchange *exchange = (void *)&other;
    const struct exchange_options options = {.sync_every = 8, .sharded = true};
    assert_true(exchange_open(&exchange, NULL, NULL, &options, &error));
    assert_null(exchange);
    exchange_close(exchange);
    assert_int_equal(exchange_bytes(1000000, 1, &options), 0);
    assert_true(exchange_is_synchronized(exchange, 7));
}

/* ---- how a process was started ---- */

static const char *const variables[] = {
    "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "PMIX_RANK",
    "SLURM_STEP_NUM_TASKS"};

/* Opens the group of a process that was started with these variables of a rank and a number of
 * ranks; NULL: there is none. */
static bool open_group(const char *rank, const char *size, const char *value, struct error *error)
{
    int other;
    struct process_group *group = (void *)&other;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    *error = (struct error){0};
    if (rank)
        setenv(rank, "0", 1);
    if (size)
        setenv(size, value, 1);
    const bool opened = process_group_open(&group, error);
    assert_null(group);
    return opened;
}

static void test_without_mpi_there_is_one_process(void **state)
{
    (void)state;
    struct error error;
    if (strcmp(process_group_library(), "not built in") != 0)
        skip_test("cloze is built with MPI");
    assert_true(open_group(NULL, NULL, NULL, &error));
    assert_true(open_group("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "1", &error));
    assert_true(open_group("PMI_RANK", "PMI_SIZE", "1", &error));
    assert_true(open_group("PMIX_RANK", "SLURM_STEP_NUM_TASKS", "1", &error));
    assert_true(open_group(NULL, "SLURM_STEP_NUM_TASKS", "2", &error)); /* without srun */
    static const char *const launched[][3] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "2"},
                                              {"PMI_RANK", "PMI_SIZE", "16"},
                                              {"PMIX_RANK", "SLURM_STEP_NUM_TASKS", "2"}};
    for (size_t i = 0; i < sizeof launched / sizeof *launched; i++) {
        assert_false(open_group(launched[i][0], launched[i][1], launched[i][2], &error));
        assert_string_equal(error.message,
                            "started as one of several processes, but this cloze is built without "
                            "MPI; build it with cmake -DCLOZE_MPI=ON");
        assert_int_equal(error.kind, ERROR_INPUT);
    }
    assert_true(open_group("PMIX_RANK", NULL, NULL, &error)); /* rank 0, perhaps the only one */
    setenv("PMIX_RANK", "1", 1);
    struct process_group *group;
    error = (struct error){0};
    assert_false(process_group_open(&group, &error));
    assert_string_equal(error.message, ""); /* rank 0 says it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_process_has_the_whole_batch),
        cmocka_unit_test(test_one_process_is_rank_0_of_1),
        cmocka_unit_test(test_one_process_agrees_with_itself),
        cmocka_unit_test(test_nothing_is_exchanged_alone),
        cmocka_unit_test(test_without_mpi_there_is_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
