#include "math/panels_fp32.h"

#include "math/openblas.h"

#include <cpuid.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#define VARIABLE "CLOZE_FP32_KERNELS"

/* __builtin_cpu_supports also checks that the system saves the registers. */
bool panels_fp32_avx512_usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}

bool panels_fp32_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* CPUID leaf 7, EDX: bit 22 AMX-BF16, bit 24 AMX-TILE (Intel's manual, volume 2, CPUID). */
bool panels_processor_has_tiles(void)
{
    unsigned eax, ebx, ecx, edx;
    const unsigned bits = 1U << 22 | 1U << 24;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & bits) == bits;
}

const struct gemm_kernels *panels_fp32_choose(const char *wanted)
{
    bool avx2 = wanted && strcasecmp(wanted, "avx2") == 0;
    if (wanted && strcasecmp(wanted, "openblas") == 0)
        return &gemm_openblas;
    if (panels_fp32_avx512_usable() && !avx2)
        return panels_processor_has_tiles() ? &panels_fp32_avx512_8x3 : &panels_fp32_avx512;
    return panels_fp32_avx2_usable() ? &panels_fp32_avx2 : &gemm_openblas;
}

bool panels_fp32_check(const char *wanted, struct error *error)
{
    bool avx512 = wanted && strcasecmp(wanted, "avx512") == 0;
    bool avx2 = wanted && strcasecmp(wanted, "avx2") == 0;
    if (!wanted || !*wanted || strcasecmp(wanted, "openblas") == 0)
        return true;
    if (!avx512 && !avx2)
        return fail_input(error, VARIABLE " is \"%.80s\"; expected avx512, avx2 or openblas",
                          wanted);
    if (avx512 ? !panels_fp32_avx512_usable() : !panels_fp32_avx2_usable())
        return fail_input(error, VARIABLE " is \"%s\", which this processor does not have", wanted);
    return true;
}

static const struct gemm_kernels *chosen;

static void choose(void)
{
    chosen = panels_fp32_choose(getenv(VARIABLE));
}

const struct gemm_kernels *gemm_fp32(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return chosen;
}
