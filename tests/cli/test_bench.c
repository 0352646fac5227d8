/* cloze bench, run as a user runs it. The figures themselves are the machine's; what must hold is
 * how they hang together. */

#include "bench/bench.h"
#include "support/program.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void assert_close(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-6 * fabs(expected)))
        fail_msg("%.17g, expected %.17g", value, expected);
}

static void test_the_numbers_agree_with_each_other(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("bench", "--size", "tiny", "--seq", "32", "--batch",
                                             "8", "--steps", "5", "--json");
    assert_int_equal(result.status, 0);
    json_t *report = json_loads(result.out, 0, NULL);
    assert_non_null(report);
    double step = number(report, "step_seconds"), all = 0, outside = 0;
    assert_true(step > 0);
    assert_close(number(report, "steps"), 5);
    assert_close(number(report, "ranks"), 1);
    assert_true(number(report, "hidden_exchange_seconds") == 0);
    assert_close(number(report, "tokens_per_second"), 8 * 32 / step);
    assert_close(number(report, "gemm_share"), number(report, "model_flops_per_second") /
                                                   number(report, "gemm_peak_flops_per_second"));
    const json_t *phases = json_object_get(report, "phases");
    static const char *const names[] = {"other",
                                        "idle",
                                        "embedding",
                                        "query_key_value",
                                        "attention_products",
                                        "attention_softmax",
                                        "attention_output",
                                        "feed_forward",
                                        "activation",
                                        "norm",
                                        "weight_gradients",
                                        "heads",
                                        "heads_rows",
                                        "cross_entropy",
                                        "weight_layout",
                                        "clip",
                                        "adam",
                                        "exchange"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(json_object_get(phases, names[i]));
    assert_int_equal(json_object_size(phases), PHASE_COUNT);
    for (int i = 0; i < PHASE_COUNT; i++) {
        enum profile_phase phase = (enum profile_phase)i;
        double seconds = number(phases, profile_phase_name(phase));
        assert_true(seconds >= 0);
        /* Every phase has its hooks: only waiting and the rest may be nothing, and nobody else is
         * there to exchange anything with. */
        assert_true(seconds > 0 || phase == PHASE_IDLE || phase == PHASE_OTHER ||
                    phase == PHASE_EXCHANGE);
        assert_true(seconds == 0 || phase != PHASE_EXCHANGE);
        all += seconds;
        outside += profile_phase_is_gemm(phase) ? 0 : seconds;
    }
    assert_close(all, step);
    assert_close(number(report, "non_gemm_time"), outside / step);
    /* The values, gradients and moments of 4.4 million parameters alone. */
    assert_true(number(report, "peak_memory_bytes") > 4 * 4 * 4.4e6);
    json_decref(report);
    program_result_free(&result);
}

static void test_what_it_prints(void **state)
{
    (void)state;
    struct program_result result =
        RUN_CLOZE("bench", "--size", "tiny", "--seq", "16", "--batch", "2", "--steps", "1");
    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    assert_non_null(strstr(result.out, "BERT tiny: 2 layers"));
    assert_non_null(strstr(result.out, "tokens/s"));
    assert_non_null(strstr(result.out, "feed forward                  GEMM"));
    assert_null(strstr(result.out, "exchange"));
    program_result_free(&result);
}

static void test_wrong_options(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(2, "--size: found \"huge\", expected tiny, mini", "bench", "--size", "huge");
    ASSERT_CLOZE_SAYS(2, "--precision: found \"fp8\", expected fp32 or bf16", "bench",
                      "--precision", "fp8");
    ASSERT_CLOZE_SAYS(2, "--exchange: found \"fp8\", expected fp32 or bf16", "bench", "--exchange",
                      "fp8");
    ASSERT_CLOZE_SAYS(2, "--seq: found 1024, expected a number from 8 to 512", "bench", "--seq",
                      "1024");
}

/* So many threads that no machine has the memory. */
static void test_a_lack_of_memory_names_the_options(void **state)
{
    (void)state;
    struct error error = {0};
    struct bench_result result;
    struct log log = {0};
    struct bench_options options = {.size = "base",
                                    .seq_len = 512,
                                    .batch_size = 65536,
                                    .steps = 1,
                                    .threads = 1000000,
                                    .exchange = {.sync_every = 1}};
    assert_false(bench_run(&options, &result, &log, &error));
    assert_non_null(strstr(error.message, "A smaller --size, --batch or --seq needs less"));
    assert_null(strstr(error.message, "snapshot"));
    options.of_run = true;
    assert_false(bench_run(&options, &result, &log, &error));
    assert_non_null(strstr(error.message, "train.batch_size or data.seq_len needs less"));
    assert_non_null(strstr(error.message, "snapshot"));
}

/* BERT-base at 128 tokens, 15 % masked: 546 million operations a token, less those that its last
 * layer is spared: 6 (10 H^2 + 2 L H) for the tokens that are neither first nor masked */
static void test_operations_of_a_step(void **state)
{
    (void)state;
    struct model_config base;
    assert_true(model_config_size("base", &base));
    double tokens = 100 * 128;
    double spared = 6 * (10.0 * 768 * 768 + 2 * 128 * 768) * (1 - 0.15 - 1.0 / 128);
    assert_close(round(bench_flops(&base, 100, 128, (int)(0.15 * tokens)) / tokens / 1e6),
                 round(545.3 - spared / 1e6));
    /* attention alone grows with the length of a sequence */
    double more = bench_flops(&base, 1, 512, 511) - bench_flops(&base, 4, 128, 508);
    assert_close(more, 12.0 * 12 * 768 * 512 * (512 - 128) + 6.0 * 3 * (30522 * 768 + 768 * 768));
    /* a prediction: its logits, its transform, and its row of the last layer */
    assert_close(bench_flops(&base, 0, 128, 1),
                 6.0 * (30522 * 768 + 768 * 768 + 10 * 768 * 768) + 12.0 * 128 * 768);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_numbers_agree_with_each_other),
        cmocka_unit_test(test_what_it_prints),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_a_lack_of_memory_names_the_options),
        cmocka_unit_test(test_operations_of_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
