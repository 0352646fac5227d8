#include "math/openblas.h"

#include "support/panels_check.h"
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
    int rows, columns, depth;
    bool left_strided, right_strided;
    enum addition addition;

    struct operand left, right;
    real *left_values, *right_values, *bias, *c, *before;
    size_t ldc, c_size;
};

enum { GAP = 3 };

/* Makes `vectors` vectors of `depth` elements. */
static real *make_operand(struct operand *operand, int vectors, int depth, bool strided,
                          uint32_t item)
{
    const size_t ld = (size_t)(strided ? vectors : depth) + GAP;
    real *values = random_reals((size_t)(strided ? depth : vectors) * ld, item, 1);
    *operand = (struct operand){values, ld, strided};
    return values;
}

static void set_up(struct test_case *test)
{
    test->left_values = make_operand(&test->left, test->rows, test->depth, test->left_strided, 1);
    test->right_values =
        make_operand(&test->right, test->columns, test->depth, test->right_strided, 2);
    test->ldc = (size_t)test->columns + GAP;
    test->c_size = (size_t)test->rows * test->ldc;
    test->before = random_reals(test->c_size, 3, 1);
    test->bias = random_reals((size_t)test->columns, 4, 1);
    test->c = copy_reals(test->before, test->c_size);
}

static void tear_down(struct test_case *test)
{
    real *all[] = {test->left_values, test->right_values, test->before, test->bias, test->c};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void run(struct test_case *test)
{
    const struct addend addends[ADDITIONS] = {
        [ADD_OWN_ROWS] = {test->c, test->ldc}, [ADD_BIAS] = {test->bias, 0}};
    memcpy(test->c, test->before, test->c_size * sizeof *test->c);
    gemm_openblas.multiply(test->c, test->ldc, addends[test->addition], test->left, test->right,
                           test->rows, test->columns, test->depth);
}

static double at(struct operand operand, int vector, int k)
{
    const struct operand from = operand_from(operand, vector, sizeof(real));
    return (double)((const real *)from.values)[(size_t)k * (operand.strided ? operand.ld : 1)];
}

/* Against the definition in double; what lies between the rows of C must stay. */
static void assert_right(const struct test_case *test)
{
    double *expected = malloc((test->c_size + 1) * sizeof *expected);
    assert_non_null(expected);
    for (size_t i = 0; i < test->c_size; i++)
        expected[i] = (double)test->before[i];
    for (int i = 0; i < test->rows; i++) {
        for (int j = 0; j < test->columns; j++) {
            double *c = &expected[(size_t)i * test->ldc + (size_t)j], sum = 0;
            for (int k = 0; k < test->depth; k++)
                sum += at(test->left, i, k) * at(test->right, j, k);
            const double added[ADDITIONS] = {
                [ADD_OWN_ROWS] = *c, [ADD_BIAS] = (double)test->bias[j]};
            *c = sum + added[test->addition];
        }
    }
    assert_reals_near(test->c, expected, test->c_size, 1e-5 * (1 + sqrt(test->depth)));
    free(expected);
}

static void check(struct test_case test)
{
    set_up(&test);
    run(&test);
    assert_right(&test);
    tear_down(&test);
}

static void all_operands_and_additions(void **state)
{
    (void)state;
    const int sizes[][3] = {{1, 1, 1},  {1, 17, 5},    {19, 1, 3},     {2, 3, 1},
                            {7, 9, 31}, {33, 65, 127}, {100, 64, 200}, {130, 129, 131}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int strided = 0; strided < 4; strided++)
            for (int addition = 0; addition < ADDITIONS; addition++)
                check((struct test_case){.rows = sizes[i][0],
                                         .columns = sizes[i][1],
                                         .depth = sizes[i][2],
                                         .left_strided = strided & 1,
                                         .right_strided = strided & 2,
                                         .addition = (enum addition)addition});
}

static void what_c_held_does_not_matter(void **state)
{
    (void)state;
    const enum addition additions[] = {ADD_NOTHING, ADD_BIAS};
    for (size_t a = 0; a < sizeof additions / sizeof *additions; a++) {
        struct test_case test = {
            .rows = 300, .columns = 200, .depth = 150, .addition = additions[a]};
        set_up(&test);
        for (int i = 0; i < test.rows; i++)
            for (int j = 0; j < test.columns; j++)
                test.before[(size_t)i * test.ldc + (size_t)j] = (real)NAN;
        run(&test);
        assert_right(&test);
        tear_down(&test);
    }
}

static void inside_a_parallel_region(void **state)
{
    (void)state;
    struct test_case tests[2];
    for (int i = 0; i < 2; i++) {
        tests[i] = (struct test_case){.rows = 400, .columns = 300, .depth = 100};
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
static void the_number_of_threads_stays(void **state)
{
    (void)state;
    omp_set_num_threads(3);
    check((struct test_case){.rows = 500, .columns = 500, .depth = 100});
    assert_int_equal(omp_get_max_threads(), 3);
    omp_set_num_threads(1);
}

/* Its operands are views of the matrices that they are made of. */
static void operands_are_read_where_they_are(void **state)
{
    (void)state;
    const real x[6] = {1, 2, 3, 4, 5, 6};
    const struct operand right = gemm_right(&gemm_openblas, NULL, x, 3, 2, 3);
    const struct operand left = gemm_left_transposed(&gemm_openblas, NULL, x, 3, 2, 3);
    const struct operand transposed = gemm_right_transposed(&gemm_openblas, NULL, x, 3, 3, 2);
    assert_true(gemm_in_place(&gemm_openblas));
    assert_int_equal(gemm_right_room(&gemm_openblas, 2, 3), 0);
    assert_int_equal(gemm_left_room(&gemm_openblas, 2, 3), 0);
    for (int column = 0; column < 3; column++)
        for (int k = 0; k < 2; k++) {
            assert_true(at(right, column, k) == (double)x[k * 3 + column]);
            assert_true(at(left, column, k) == (double)x[k * 3 + column]);
            assert_true(at(transposed, k, column) == (double)x[k * 3 + column]);
        }
}

static void test_the_rule_for_kernels(void **state)
{
    (void)state;
    assert_string_equal(blas_core_type_for("Haswell", true, true), "SkylakeX");
    assert_string_equal(blas_core_type_for("Zen", true, true), "SkylakeX");
    assert_string_equal(blas_core_type_for("Prescott", true, true), "SkylakeX");
    assert_string_equal(blas_core_type_for("Prescott", true, false), "Haswell");
    assert_string_equal(blas_core_type_for("sandybridge", true, false), "Haswell");
    assert_null(blas_core_type_for("Sandybridge", false, false));
    assert_null(blas_core_type_for("Haswell", true, false));
    assert_null(blas_core_type_for("Zen", true, false));
    assert_null(blas_core_type_for("SkylakeX", true, true));
    assert_null(blas_core_type_for("Cooperlake", true, true));
    assert_null(blas_core_type_for("Sapphirerapids", true, true));
    assert_null(blas_core_type_for("a later one", true, true));
}

static void test_a_choice_of_the_user_stands(void **state)
{
    (void)state;
    assert_true(strlen(blas_core_type()) > 0);
    setenv("CLOZE_BLAS_KERNELS", "Prescott", 1);
    setenv("OPENBLAS_CORETYPE", "Haswell", 1);
    assert_string_equal(blas_better_core_type(), "Prescott");
    setenv("OPENBLAS_CORETYPE", "prescott", 1);
    assert_null(blas_better_core_type());
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("CLOZE_BLAS_KERNELS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_operands_and_additions),
        cmocka_unit_test(what_c_held_does_not_matter),
        cmocka_unit_test(inside_a_parallel_region),
        cmocka_unit_test(the_number_of_threads_stays),
        cmocka_unit_test(operands_are_read_where_they_are),
        cmocka_unit_test(test_the_rule_for_kernels),
        cmocka_unit_test(test_a_choice_of_the_user_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
