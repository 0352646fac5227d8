/* fp32 products on AVX-512 for processors that also have AMX: Intel's servers since Sapphire
 * Rapids. Other processors use the tile of panels_fp32_avx512.c, with which they were measured. */
#include "math/vector512.h"

/* Eight rows by three panels keep 24 sums in registers, besides three vectors of B and one of A.
 * Panels come from the second-level cache at 32 bytes a cycle, and a product of eight rows needs
 * half the bytes of one of four: 4 x 4 reached 71 % of the speed of multiplications alone on
 * Granite Rapids, 8 x 3 reaches 93 %. 9 x 3, 5 x 5 and 14 x 2 spill registers. */
enum { TILE_ROWS = 8, TILE_PANELS = 3 };

/* Up to 256 KiB of A, 96 KiB of the tile's three panels and as much of the next ones stay in a
 * second-level cache of 2 MiB. 256, 768 or 1,536 steps and 64 to 256 rows differ by less than 3
 * %. */
enum { BLOCK_ROWS = 128, BLOCK_STEPS = 512 };

/* Two unrolled steps between prefetches are 5 % slower, eight 3 %, and a loop of steps 10 %. */
enum { FETCHED_LINES = 1, STRETCH_STEPS = 4, UNROLLED_STEPS = 1 };

#include "math/panels_fp32_template.h"

const struct gemm_kernels panels_fp32_avx512_8x3 = FP32_KERNELS("AVX-512");
