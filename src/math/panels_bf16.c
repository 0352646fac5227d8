#include "math/panels_bf16.h"
#include "math/panels_fp32.h"

#include <cpuid.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool panels_bf16_avx512_usable(void)
{
    return panels_fp32_avx512_usable() && __builtin_cpu_supports("avx512bf16");
}

/* CPUID leaf 7, EDX: bit 22 AMX-BF16, bit 24 AMX-TILE (Intel's manual, volume 2, CPUID). */
static bool processor_has_tiles(void)
{
    unsigned eax, ebx, ecx, edx;
    const unsigned bits = 1U << 22 | 1U << 24;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & bits) == bits;
}

/* Linux gives the 8 KiB of tiles to processes that ask (Documentation/arch/x86/xstate.rst), for all
 * threads that they have or will have. */
static bool system_grants_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

bool panels_bf16_amx_usable(void)
{
    return panels_bf16_avx512_usable() && processor_has_tiles() && system_grants_tiles();
}

static const struct panels *chosen;

static void choose(void)
{
    const char *wanted = getenv("CLOZE_BF16_KERNELS");
    bool without_amx = wanted && strcmp(wanted, "avx512") == 0;
    if (!without_amx && panels_bf16_amx_usable())
        chosen = &panels_bf16_amx;
    else if (panels_bf16_avx512_usable())
        chosen = &panels_bf16_avx512;
}

const struct panels *panels_bf16(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return chosen;
}

const char *panels_bf16_missing(void)
{
    return "this processor has neither AMX nor AVX512-BF16";
}
