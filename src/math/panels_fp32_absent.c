/* In place of the other panels_fp32*.c where they are not built: for other processors, in double
 * precision. */
#include "math/panels.h"

const struct panels *panels_fp32(void)
{
    return NULL;
}
