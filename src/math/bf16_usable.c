#include "math/bf16_dispatch.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

bool bf16_avx512_usable(void)
{
    /* These also ask whether the system saves the registers. */
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
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

bool bf16_amx_usable(void)
{
    return bf16_avx512_usable() && processor_has_tiles() && system_grants_tiles();
}
