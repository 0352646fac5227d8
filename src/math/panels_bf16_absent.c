/* In place of the other panels_bf16*.c where they are not built: without CLOZE_BF16, for other
 * processors, in double precision. */
#include "math/panels.h"

const struct panels *panels_bf16(void)
{
    return NULL;
}

const char *panels_bf16_missing(void)
{
    return "this build of cloze has no bf16 (CLOZE_BF16 was off)";
}
