/* In place of the other bf16_*.c where they are not built: without CLOZE_BF16, for other
 * processors, in double precision. */
#include "math/bf16.h"

#include "base/error.h"

const struct bf16_kernels *bf16_kernels(void)
{
    return NULL;
}

const char *bf16_missing(void)
{
    return "this build of cloze has no bf16 (CLOZE_BF16 was off)";
}

void bf16_pack(bf16 *panels, const bf16 *x, size_t ld, int depth, int columns)
{
    (void)panels, (void)x, (void)ld, (void)depth, (void)columns;
    CHECK(!"bf16 is built");
}

void bf16_pack_transposed(bf16 *panels, const bf16 *x, size_t ld, int depth, int columns)
{
    bf16_pack(panels, x, ld, depth, columns);
}

void bf16_pack_reals(bf16 *panels, const real *w, int depth, int columns, int first, int last)
{
    (void)w, (void)first, (void)last;
    bf16_pack(panels, NULL, 0, depth, columns);
}

void bf16_pack_reals_transposed(bf16 *panels, const real *w, int depth, int columns, int first,
                                int last)
{
    bf16_pack_reals(panels, w, depth, columns, first, last);
}

void bf16_transpose(bf16 *y, const bf16 *x, size_t ld, int rows, int columns)
{
    bf16_pack(y, x, ld, rows, columns);
}
