/* Replaces the other panels_bf16*.c in builds without them: without CLOZE_BF16, for other
 * processors and in double precision. */
#include "math/panels.h"

const struct gemm_kernels *gemm_bf16(void)
{
    return NULL;
}

const char *panels_bf16_missing(void)
{
    return "this build of cloze has no bf16 (CLOZE_BF16 was off)";
}

bool panels_bf16_check(const char *wanted, struct error *error)
{
    return !wanted || !*wanted ||
           fail_input(error, "CLOZE_BF16_KERNELS is \"%.80s\", but %s", wanted,
                      panels_bf16_missing());
}
