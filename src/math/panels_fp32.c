#include "math/panels_fp32.h"

#include <stdlib.h>
#include <string.h>

const struct panels *panels_fp32(void)
{
    const char *wanted = getenv("CLOZE_FP32_KERNELS");
    if (wanted && strcmp(wanted, "openblas") == 0)
        return NULL;
    /* These also ask whether the system saves the registers. */
    bool usable = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl");
    return usable ? &panels_fp32_avx512 : NULL;
}
