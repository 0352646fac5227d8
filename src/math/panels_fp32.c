#include "math/panels_fp32.h"

#include <stdlib.h>
#include <string.h>

/* __builtin_cpu_supports also asks whether the system saves the registers. */
bool panels_fp32_avx512_usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}

bool panels_fp32_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const struct panels *panels_fp32(void)
{
    const char *wanted = getenv("CLOZE_FP32_KERNELS");
    if (wanted && strcmp(wanted, "openblas") == 0)
        return NULL;
    if (panels_fp32_avx512_usable() && !(wanted && strcmp(wanted, "avx2") == 0))
        return &panels_fp32_avx512;
    return panels_fp32_avx2_usable() ? &panels_fp32_avx2 : NULL;
}
