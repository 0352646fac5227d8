#include "math/panels_bf16.h"
#include "math/panels_fp32.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VARIABLE "CLOZE_BF16_KERNELS"

bool panels_bf16_avx512_usable(void)
{
    return panels_fp32_avx512_usable() && __builtin_cpu_supports("avx512bf16");
}

/* Linux grants the 8 KiB of tiles to a process that asks (Documentation/arch/x86/xstate.rst), for
 * all its current and later threads. */
static bool system_grants_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

bool panels_bf16_amx_usable(void)
{
    return panels_bf16_avx512_usable() && panels_processor_has_tiles() && system_grants_tiles();
}

bool panels_bf16_check(const char *wanted, struct error *error)
{
    bool amx = wanted && strcasecmp(wanted, "amx") == 0;
    if (!wanted || !*wanted)
        return true;
    if (!amx && strcasecmp(wanted, "avx512") != 0)
        return fail_input(error, VARIABLE " is \"%.80s\"; expected amx or avx512", wanted);
    if (amx ? !panels_bf16_amx_usable() : !panels_bf16_avx512_usable())
        return fail_input(error, VARIABLE " is \"%s\", which this processor does not have in bf16",
                          wanted);
    return true;
}

static const struct gemm_kernels *chosen;

static void choose(void)
{
    const char *wanted = getenv(VARIABLE);
    bool without_amx = wanted && strcasecmp(wanted, "avx512") == 0;
    if (!without_amx && panels_bf16_amx_usable())
        chosen = &panels_bf16_amx;
    else if (panels_bf16_avx512_usable())
        chosen = &panels_bf16_avx512;
}

const struct gemm_kernels *gemm_bf16(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return chosen;
}

const char *panels_bf16_missing(void)
{
    return "this processor has neither AMX nor AVX512-BF16";
}
