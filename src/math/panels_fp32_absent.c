/* Replaces the other panels_fp32*.c in builds without them: for other processors and in double
 * precision. */
#include "math/openblas.h"
#include "math/panels.h"

#include <strings.h>

const struct gemm_kernels *gemm_fp32(void)
{
    return &gemm_openblas;
}

bool panels_fp32_check(const char *wanted, struct error *error)
{
    return !wanted || !*wanted || strcasecmp(wanted, "openblas") == 0 ||
           fail_input(error,
                      "CLOZE_FP32_KERNELS is \"%.80s\"; expected openblas, the only ones that were "
                      "built",
                      wanted);
}
