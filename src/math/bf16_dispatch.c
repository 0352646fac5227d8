#include "math/bf16_dispatch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct bf16_kernels *chosen;

static void choose(void)
{
    const char *wanted = getenv("CLOZE_BF16_KERNELS");
    bool without_amx = wanted && strcmp(wanted, "avx512") == 0;
    if (!without_amx && bf16_amx_usable())
        chosen = &bf16_amx;
    else if (bf16_avx512_usable())
        chosen = &bf16_avx512;
}

const struct bf16_kernels *bf16_kernels(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return chosen;
}

const char *bf16_missing(void)
{
    return "this processor has neither AMX nor AVX512-BF16";
}
