#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_aligned(const void *pointer)
{
    return (uintptr_t)pointer % MEMORY_ALIGNMENT == 0;
}

static void test_allocate_gives_zeros_in_lines(void **state)
{
    (void)state;
    struct error error = {0};
    for (size_t count = 0; count < 300; count += 13) {
        unsigned char *block = allocate(count, 3, &error);
        assert_non_null(block);
        assert_true(is_aligned(block));
        for (size_t i = 0; i < 3 * count; i++)
            assert_int_equal(block[i], 0);
        memset(block, 0xFF, 3 * count); /* so that the next block is not zero by accident */
        free(block);
    }
    assert_int_equal(error.kind, ERROR_NONE);
}

static void test_allocate_reports_sizes_that_overflow(void **state)
{
    (void)state;
    struct error error = {0};
    assert_null(allocate(SIZE_MAX / 2, 4, &error));
    assert_int_equal(error.kind, ERROR_WORK);
    assert_string_equal(error.message, "out of memory: 9223372036854775807 x 4 bytes is more than "
                                       "can be addressed");
    assert_null(allocate(PTRDIFF_MAX, 1, &error));
    assert_null(allocate(1, SIZE_MAX, &error));
}

static void test_grow_keeps_contents_and_zeroes_the_rest(void **state)
{
    (void)state;
    struct error error = {0};
    uint32_t *numbers = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(grow(&numbers, &capacity, i + 1, sizeof *numbers, &error));
        assert_true(capacity > i);
        assert_int_equal(numbers[i], 0);
        numbers[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i);
    assert_int_equal(capacity, 1024);
    free(numbers);
}

static void test_grow_in_one_step(void **state)
{
    (void)state;
    struct error error = {0};
    char *text = NULL;
    size_t capacity = 0;
    assert_true(grow(&text, &capacity, 100000, 1, &error));
    assert_true(capacity >= 100000);
    const char *before = text;
    assert_true(grow(&text, &capacity, 5, 1, &error));
    assert_ptr_equal(text, before);
    free(text);
}

static void test_grow_changes_nothing_on_failure(void **state)
{
    (void)state;
    struct error error = {0};
    uint64_t *numbers = NULL;
    size_t capacity = 0;
    assert_true(grow(&numbers, &capacity, 1, sizeof *numbers, &error));
    numbers[0] = 42;
    const uint64_t *before = numbers;
    size_t capacity_before = capacity;
    assert_false(grow(&numbers, &capacity, SIZE_MAX, sizeof *numbers, &error));
    assert_non_null(strstr(error.message, "out of memory"));
    assert_ptr_equal(numbers, before);
    assert_int_equal(capacity, capacity_before);
    assert_int_equal(numbers[0], 42);
    free(numbers);
}

struct plan {
    float *first;
    char *second;
    double *none, *last;
};

static void take_all(struct arena *arena, struct plan *plan)
{
    plan->first = arena_take(arena, 100, sizeof *plan->first);
    plan->second = arena_take(arena, 1, 1);
    plan->none = arena_take(arena, 0, sizeof *plan->none);
    plan->last = arena_take(arena, 3, sizeof *plan->last);
}

static void test_arena_measures_then_hands_out(void **state)
{
    (void)state;
    struct error error = {0};
    struct arena arena = {0};
    struct plan plan;
    take_all(&arena, &plan);
    assert_null(plan.first);
    assert_null(plan.last);
    assert_int_equal(arena.used, 448 + 64 + 64);
    assert_true(arena_bind(&arena, &error));
    take_all(&arena, &plan);
    assert_true(is_aligned(plan.first) && is_aligned(plan.second) && is_aligned(plan.last));
    assert_ptr_equal(plan.second, (char *)plan.first + 448);
    assert_ptr_equal(plan.last, (char *)plan.first + 512);
    for (int i = 0; i < 100; i++)
        assert_true(plan.first[i] == 0);
    plan.last[2] = 1;
    arena_free(&arena);
    assert_null(arena.base);
    arena_free(&arena);
}

/* What is taken after a rewind lies where the mark was; the larger of the two is bound. */
static void test_arena_gives_memory_twice(void **state)
{
    (void)state;
    struct error error = {0};
    struct arena arena = {0};
    for (int pass = 0; pass < 2; pass++) {
        arena_take(&arena, 10, 1);
        const size_t mark = arena.used;
        char *first = arena_take(&arena, 1000, 1);
        arena_rewind(&arena, mark);
        char *second = arena_take(&arena, 100, 1);
        assert_ptr_equal(first, second);
        assert_int_equal(arena.used, 64 + 128);
        assert_int_equal(arena.peak, 64 + 1024);
        if (pass == 0)
            assert_true(arena_bind(&arena, &error));
        else
            assert_ptr_equal(second, arena.base + 64);
    }
    arena_free(&arena);
}

static void test_arena_of_nothing(void **state)
{
    (void)state;
    struct error error = {0};
    struct arena arena = {0};
    assert_true(arena_bind(&arena, &error));
    assert_non_null(arena.base);
    arena_free(&arena);
}

static void test_arena_reports_overflow_when_bound(void **state)
{
    (void)state;
    const struct {
        size_t count, size;
    } takes[][2] = {
        {{SIZE_MAX, 2}, {1, 1}},
        {{PTRDIFF_MAX, 1}, {1, 1}},
        {{SIZE_MAX / 2 - 4096, 1}, {SIZE_MAX / 2 - 4096, 1}},
        {{SIZE_MAX / 2 - 4096, 1}, {1 << 20, 1}},
    };
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
        struct error error = {0};
        struct arena arena = {0};
        arena_take(&arena, takes[i][0].count, takes[i][0].size);
        arena_take(&arena, takes[i][1].count, takes[i][1].size);
        assert_false(arena_bind(&arena, &error));
        assert_int_equal(error.kind, ERROR_WORK);
        assert_memory_equal(error.message, "out of memory: ", 15);
        assert_null(arena.base);
    }
}

/* ---- giving memory back ---- */

enum { PAGES = 6 };

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Returns an arena of PAGES small pages. */
static struct arena paged_arena(char **block)
{
    struct error error = {0};
    struct arena arena = {0};
    arena_take(&arena, PAGES, page_size());
    assert_true(arena_bind(&arena, &error));
    *block = arena_take(&arena, PAGES, page_size());
    arena_use_small_pages(&arena);
    return arena;
}

/* The same with all of its bytes 0xFF. */
static struct arena written_arena(char **block)
{
    struct arena arena = paged_arena(block);
    memset(*block, 0xFF, PAGES * page_size());
    return arena;
}

/* Asserts that the bytes [begin, end) are 0, and all others are what they were. */
static void assert_released(const char *block, size_t begin, size_t end)
{
    for (size_t i = 0; i < PAGES * page_size(); i++)
        if (block[i] != (i >= begin && i < end ? 0 : (char)0xFF))
            fail_msg("byte %zu is %d; [%zu, %zu) were released", i, block[i], begin, end);
}

static void check_release(size_t from, size_t size, size_t begin, size_t end)
{
    char *block;
    struct arena arena = written_arena(&block);
    arena_release(&arena, block + from, size);
    assert_released(block, begin, end);
    memset(block, 0xFF, PAGES * page_size()); /* what was released can be written again */
    assert_released(block, 0, 0);
    arena_free(&arena);
}

static void test_arena_releases_whole_pages(void **state)
{
    (void)state;
    const size_t page = page_size();
    check_release(page, 2 * page, page, 3 * page);
    check_release(0, PAGES * page, 0, PAGES * page);
    check_release(page - 1, 3 * page, page, 3 * page);
    check_release(page + 1, 3 * page, 2 * page, 4 * page);
    check_release(page + 64, 2 * page - 64, 2 * page, 3 * page);
    check_release(5 * page - 64, page + 64, 5 * page, 6 * page);
}

static void test_arena_releases_nothing_smaller_than_a_page(void **state)
{
    (void)state;
    const size_t page = page_size();
    check_release(page, 0, 0, 0);
    check_release(page, page - 1, 0, 0);
    check_release(page + 1, page - 1, 0, 0);
    check_release(page + 64, 2 * page - 128, 0, 0); /* parts of two pages */
    check_release(PAGES * page, 0, 0, 0);
}

/* Returns how many pages of a block are in memory. */
static size_t resident_pages(char *block)
{
    unsigned char resident[PAGES];
    size_t count = 0;
    assert_int_equal(mincore(block, PAGES * page_size(), resident), 0);
    for (size_t i = 0; i < PAGES; i++)
        count += resident[i] & 1;
    return count;
}

/* A large page would bring its neighbours with it. */
static void test_small_pages_take_memory_one_by_one(void **state)
{
    (void)state;
    char *block;
    struct arena arena = paged_arena(&block);
    assert_int_equal(resident_pages(block), 0);
    block[0] = 1;
    assert_int_equal(resident_pages(block), 1);
    block[3 * page_size()] = 1;
    assert_int_equal(resident_pages(block), 2);
    arena_free(&arena);
}

static void test_what_is_released_takes_no_memory(void **state)
{
    (void)state;
    const size_t page = page_size();
    char *block;
    struct arena arena = written_arena(&block);
    assert_int_equal(resident_pages(block), PAGES);
    arena_release(&arena, block + page, 4 * page);
    assert_int_equal(resident_pages(block), PAGES - 4);
    block[2 * page] = 1; /* brings a page back */
    assert_int_equal(resident_pages(block), PAGES - 3);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocate_gives_zeros_in_lines),
        cmocka_unit_test(test_allocate_reports_sizes_that_overflow),
        cmocka_unit_test(test_grow_keeps_contents_and_zeroes_the_rest),
        cmocka_unit_test(test_grow_in_one_step),
        cmocka_unit_test(test_grow_changes_nothing_on_failure),
        cmocka_unit_test(test_arena_measures_then_hands_out),
        cmocka_unit_test(test_arena_gives_memory_twice),
        cmocka_unit_test(test_arena_of_nothing),
        cmocka_unit_test(test_arena_reports_overflow_when_bound),
        cmocka_unit_test(test_arena_releases_whole_pages),
        cmocka_unit_test(test_arena_releases_nothing_smaller_than_a_page),
        cmocka_unit_test(test_small_pages_take_memory_one_by_one),
        cmocka_unit_test(test_what_is_released_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
