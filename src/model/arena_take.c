#include "model/arena_take.h"

#include "math/panels.h"
#include "nn/linear.h"

/* Returns rows * columns, or SIZE_MAX if that overflows, which the arena then notes. */
static size_t element_count(size_t rows, size_t columns)
{
    size_t count;
    return __builtin_mul_overflow(rows, columns, &count) ? SIZE_MAX : count;
}

real *arena_take_reals(struct arena *arena, size_t rows, size_t columns)
{
    return arena_take(arena, element_count(rows, columns), sizeof(real));
}

struct rows arena_take_rows(struct arena *arena, bool is_bf16, size_t rows, size_t width)
{
    const size_t count = element_count(rows, width);
    struct rows taken = {.width = (int)width};
    if (is_bf16)
        taken.bf16 = arena_take(arena, count, sizeof(bf16));
    else
        taken.reals = arena_take(arena, count, sizeof(real));
    return taken;
}

struct rows arena_take_left(struct arena *arena, bool is_bf16, size_t rows, size_t depth)
{
    return arena_take_rows(arena, is_bf16, rows, (size_t)left_width((int)depth));
}

void *arena_take_panels(struct arena *arena, bool is_bf16, size_t out, size_t in)
{
    return arena_take(arena, linear_panel_bytes((int)out, (int)in, is_bf16), 1);
}
