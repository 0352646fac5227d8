#include "math/gemm.h"

#include "support/real_arrays.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One product with all that it reads and writes. Rows are longer than the matrices are wide. */
struct test_case {
    int m, n, k;
    enum transpose transpose_a, transpose_b;
    real alpha, beta;

    struct matrix a, b;
    real *a_values, *b_values, *c, *c_before;
    int ldc;
    size_t c_size;
};

enum { GAP = 3 };

static real *make_matrix(struct matrix *matrix, int rows, int columns, enum transpose transpose,
                         uint32_t item)
{
    int stored_rows = transpose ? columns : rows;
    matrix->ld = (transpose ? rows : columns) + GAP;
    matrix->transpose = transpose;
    real *values = random_reals((size_t)stored_rows * (size_t)matrix->ld, item, 1);
    matrix->values = values;
    return values;
}

static void set_up(struct test_case *test)
{
    test->a_values = make_matrix(&test->a, test->m, test->k, test->transpose_a, 1);
    test->b_values = make_matrix(&test->b, test->k, test->n, test->transpose_b, 2);
    test->ldc = test->n + GAP;
    test->c_size = (size_t)test->m * (size_t)test->ldc;
    test->c_before = random_reals(test->c_size, 3, 1);
    test->c = copy_reals(test->c_before, test->c_size);
}

static void tear_down(struct test_case *test)
{
    free(test->a_values);
    free(test->b_values);
    free(test->c_before);
    free(test->c);
}

static void run(void *context)
{
    struct test_case *test = context;
    memcpy(test->c, test->c_before, test->c_size * sizeof *test->c);
    gemm(test->c, test->ldc, test->a, test->b, test->m, test->n, test->k, test->alpha, test->beta);
}

static double at(struct matrix matrix, int row, int column)
{
    return (double)(matrix.transpose ? matrix.values[column * matrix.ld + row]
                                     : matrix.values[row * matrix.ld + column]);
}

/* Against the definition in double; what lies between the rows of C must stay. */
static void assert_right(const struct test_case *test)
{
    double *expected = malloc((test->c_size + 1) * sizeof *expected);
    assert_non_null(expected);
    for (size_t i = 0; i < test->c_size; i++)
        expected[i] = (double)test->c_before[i];
    for (int i = 0; i < test->m; i++) {
        for (int j = 0; j < test->n; j++) {
            double sum = 0;
            for (int l = 0; l < test->k; l++)
                sum += at(test->a, i, l) * at(test->b, l, j);
            double *c = &expected[i * test->ldc + j];
            *c = (double)test->alpha * sum + (test->beta == 0 ? 0 : (double)test->beta * *c);
        }
    }
    assert_reals_near(test->c, expected, test->c_size, 1e-5 * (1 + sqrt(test->k)));
    free(expected);
}

static void check(struct test_case test)
{
    set_up(&test);
    run(&test);
    assert_right(&test);
    tear_down(&test);
}

static void test_all_transposes_and_odd_sizes(void **state)
{
    (void)state;
    const int sizes[][3] = {{1, 1, 1},  {1, 17, 5},    {19, 1, 3},     {2, 3, 1},
                            {7, 9, 31}, {33, 65, 127}, {100, 64, 200}, {130, 129, 131}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int transposes = 0; transposes < 4; transposes++)
            check((struct test_case){.m = sizes[i][0],
                                     .n = sizes[i][1],
                                     .k = sizes[i][2],
                                     .transpose_a = transposes & 1 ? TRANSPOSE : NO_TRANSPOSE,
                                     .transpose_b = transposes & 2 ? TRANSPOSE : NO_TRANSPOSE,
                                     .alpha = 1});
}

/* Large enough to be divided, the last blocks narrower than the others. */
static void test_divided_products(void **state)
{
    (void)state;
    const int sizes[][3] = {{513, 200, 101}, {131, 1030, 90}, {260, 250, 300}, {1100, 15, 700}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int transposes = 0; transposes < 4; transposes++)
            check((struct test_case){.m = sizes[i][0],
                                     .n = sizes[i][1],
                                     .k = sizes[i][2],
                                     .transpose_a = transposes & 1 ? TRANSPOSE : NO_TRANSPOSE,
                                     .transpose_b = transposes & 2 ? TRANSPOSE : NO_TRANSPOSE,
                                     .alpha = (real)0.5,
                                     .beta = 1});
}

static void test_alpha_and_beta(void **state)
{
    (void)state;
    const real factors[][2] = {{1, 0}, {1, 1}, {2, (real)-0.5}, {0, 3}, {0, 0}};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        check((struct test_case){
            .m = 20, .n = 30, .k = 40, .alpha = factors[i][0], .beta = factors[i][1]});
}

static void test_beta_zero_ignores_what_c_held(void **state)
{
    (void)state;
    struct test_case test = {.m = 300, .n = 200, .k = 150, .alpha = 1};
    set_up(&test);
    for (int i = 0; i < test.m; i++)
        for (int j = 0; j < test.n; j++)
            test.c_before[i * test.ldc + j] = (real)NAN;
    run(&test);
    assert_right(&test);
    tear_down(&test);
}

static void test_empty_products(void **state)
{
    (void)state;
    check((struct test_case){.m = 4, .n = 5, .k = 0, .alpha = 1});
    check((struct test_case){.m = 4, .n = 5, .k = 0, .alpha = 1, .beta = 2});
    check((struct test_case){.m = 4, .n = 0, .k = 3, .alpha = 1});
    check((struct test_case){.m = 0, .n = 5, .k = 3, .alpha = 1});
}

/* However C is divided. */
static void test_any_number_of_threads(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        omp_set_num_threads(threads);
        check((struct test_case){.m = 20, .n = 30, .k = 40, .alpha = 1, .beta = 1});
        check((struct test_case){.m = 777, .n = 333, .k = 111, .alpha = 1, .beta = 1});
        check((struct test_case){
            .m = 130, .n = 2050, .k = 64, .transpose_b = TRANSPOSE, .alpha = 1, .beta = 1});
    }
    omp_set_num_threads(1);
}

static void test_inside_a_parallel_region(void **state)
{
    (void)state;
    struct test_case tests[2];
    for (int i = 0; i < 2; i++) {
        tests[i] = (struct test_case){.m = 400, .n = 300, .k = 100, .alpha = 1};
        set_up(&tests[i]);
    }
#pragma omp parallel for num_threads(2)
    for (int i = 0; i < 2; i++)
        run(&tests[i]);
    for (int i = 0; i < 2; i++) {
        assert_right(&tests[i]);
        tear_down(&tests[i]);
    }
}

/* OpenBLAS is kept from using threads by way of OpenMP's setting, which must come back. */
static void test_the_number_of_threads_stays(void **state)
{
    (void)state;
    omp_set_num_threads(3);
    check((struct test_case){.m = 10, .n = 10, .k = 10, .alpha = 1});
    assert_int_equal(omp_get_max_threads(), 3);
    check((struct test_case){.m = 500, .n = 500, .k = 100, .alpha = 1});
    assert_int_equal(omp_get_max_threads(), 3);
    omp_set_num_threads(1);
}

static void test_the_rule_for_kernels(void **state)
{
    (void)state;
    assert_string_equal(gemm_core_type_for("Haswell", true, true), "SkylakeX");
    assert_string_equal(gemm_core_type_for("Zen", true, true), "SkylakeX");
    assert_string_equal(gemm_core_type_for("Prescott", true, true), "SkylakeX");
    assert_string_equal(gemm_core_type_for("Prescott", true, false), "Haswell");
    assert_string_equal(gemm_core_type_for("sandybridge", true, false), "Haswell");
    assert_null(gemm_core_type_for("Sandybridge", false, false));
    assert_null(gemm_core_type_for("Haswell", true, false));
    assert_null(gemm_core_type_for("Zen", true, false));
    assert_null(gemm_core_type_for("SkylakeX", true, true));
    assert_null(gemm_core_type_for("Cooperlake", true, true));
    assert_null(gemm_core_type_for("Sapphirerapids", true, true));
    assert_null(gemm_core_type_for("a later one", true, true));
}

static void test_a_choice_of_the_user_stands(void **state)
{
    (void)state;
    assert_true(strlen(gemm_core_type()) > 0);
    setenv("CLOZE_BLAS_KERNELS", "Prescott", 1);
    setenv("OPENBLAS_CORETYPE", "Haswell", 1);
    assert_string_equal(gemm_better_core_type(), "Prescott");
    setenv("OPENBLAS_CORETYPE", "prescott", 1);
    assert_null(gemm_better_core_type());
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("CLOZE_BLAS_KERNELS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_transposes_and_odd_sizes),
        cmocka_unit_test(test_divided_products),
        cmocka_unit_test(test_alpha_and_beta),
        cmocka_unit_test(test_beta_zero_ignores_what_c_held),
        cmocka_unit_test(test_empty_products),
        cmocka_unit_test(test_any_number_of_threads),
        cmocka_unit_test(test_inside_a_parallel_region),
        cmocka_unit_test(test_the_number_of_threads_stays),
        cmocka_unit_test(test_the_rule_for_kernels),
        cmocka_unit_test(test_a_choice_of_the_user_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
