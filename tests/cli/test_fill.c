/* cloze fill: what it prints for people. test_golden.c compares the numbers with Hugging Face. */
#include "support/hot_model.h"
#include "support/program.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    if (status != 0 || chdir(scratch->directory) != 0)
        return 1;
    setenv("OMP_NUM_THREADS", "1", 1);
    scratch_write_text(scratch, "vocab.txt",
                       "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ncat\ndög\n猫\n.\n");
    scratch_write_text(scratch, "text.txt", "cat dög\n猫 cat .\n\ndög dög .\n猫 cat\n\ncat\n猫\n");
    scratch_write_text(
        scratch, "run.yaml",
        "output: run\n"
        "model: {hidden_size: 8, num_attention_heads: 1, intermediate_size: 8}\n"
        "tokenizer: {vocab: vocab.txt, strip_accents: false}\n"
        "data: {train: [text.txt], sentences: line, seq_len: 16, valid_fraction: 0}\n"
        "train: {steps: 1, batch_size: 2}\n");
    SUCCEED("train", "run.yaml");
    return 0;
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

static void sentences_begin_in_the_same_column(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("fill", "run", "cat [MASK]", "--top", "9");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, " %  cat              cat cat\n"));
    assert_non_null(strstr(result.out, " %  dög              cat dög\n"));
    assert_non_null(strstr(result.out, " %  猫               cat 猫\n"));
    program_result_free(&result);
}

static void each_mask_has_its_heading(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("fill", "run", "[MASK] [MASK]", "--top", "1");
    assert_int_equal(result.status, 0);
    assert_memory_equal(result.out, "[MASK] 1 of 2\n", strlen("[MASK] 1 of 2\n"));
    assert_non_null(strstr(result.out, "\n\n[MASK] 2 of 2\n"));
    program_result_free(&result);
}

static void numbers_that_are_not_finite_are_no_result(void **state)
{
    static const char message[] = ": the model gives numbers that are not finite";
    write_hot_model(*state, "run/checkpoints/step-00000001", "hot");
    ASSERT_CLOZE_SAYS(2, message, "fill", "hot", "cat [MASK]");
    ASSERT_CLOZE_SAYS(2, message, "fill", "hot", "cat [MASK]", "--json");
    ASSERT_CLOZE_SAYS(2, message, "nsp", "hot", "cat", "dög");
    ASSERT_CLOZE_SAYS(2, message, "nsp", "hot", "cat", "dög", "--json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_begin_in_the_same_column),
        cmocka_unit_test(each_mask_has_its_heading),
        cmocka_unit_test(numbers_that_are_not_finite_are_no_result),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
