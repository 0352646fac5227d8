/* Matrices from an arena (base/memory.h), which owns them. While the arena measures, their pointers
 * are NULL. */
#ifndef CLOZE_MODEL_ARENA_TAKE_H
#define CLOZE_MODEL_ARENA_TAKE_H

#include "base/memory.h"
#include "math/real.h"
#include "nn/rows.h"

/* Takes a matrix [rows, columns] of reals. */
real *arena_take_reals(struct arena *arena, size_t rows, size_t columns);

/* Takes a matrix [rows, width] in the type of activations: bf16 or real. */
struct rows arena_take_rows(struct arena *arena, bool is_bf16, size_t rows, size_t width);

/* arena_take_rows for the left operand of a product, whose rows are left_width(depth) apart
 * (math/panels.h). Rows that are gathered must not be padded like this. */
struct rows arena_take_left(struct arena *arena, bool is_bf16, size_t rows, size_t depth);

/* Takes the panels of a weight [out, in] (nn/linear.h). */
void *arena_take_panels(struct arena *arena, bool is_bf16, size_t out, size_t in);

#endif
