#include "optim/trainee.h"

#include "base/min.h"

#include <string.h>

static bool create_moments(struct trainee *trainee, struct error *error)
{
    size_t total = trainee->model->table.total;
    for (int pass = 0; pass < 2; pass++) {
        trainee->adam.first_moment = arena_take(&trainee->moments, total, sizeof(real));
        trainee->adam.second_moment = arena_take(&trainee->moments, total, sizeof(real));
        if (pass == 0 && !arena_bind(&trainee->moments, error))
            return false;
    }
    return true;
}

bool trainee_create(struct trainee *trainee, const struct model_config *config,
                    const struct adam *adam, struct error *error)
{
    *trainee = (struct trainee){.model = model_create(config, error), .adam = *adam};
    if (!trainee->model ||
        !parameter_block_create(&trainee->gradients, &trainee->model->table, config, error))
        return false;
    trainee->gradients.weights.frozen_layers = adam->frozen_layers;
    return create_moments(trainee, error);
}

bool trainee_create_outer(struct trainee *trainee, struct error *error)
{
    const size_t total = trainee->model->table.total;
    for (int pass = 0; pass < 2; pass++) {
        trainee->anchor = arena_take(&trainee->outer, total, sizeof(real));
        trainee->outer_momentum = arena_take(&trainee->outer, total, sizeof(real));
        if (pass == 0 && !arena_bind(&trainee->outer, error))
            return false;
    }
    return true;
}

void trainee_update(struct trainee *trainee, struct element_range range,
                    const struct adam_update *update)
{
    adam_step(&trainee->adam, trainee->model->parameters.values, trainee->gradients.values,
              &trainee->model->table, range, *update);
}

void trainee_clear_gradients(struct trainee *trainee)
{
    enum { BLOCK = 1 << 16 };
    const size_t total = trainee->model->table.total;
    real *gradients = trainee->gradients.values;
#pragma omp parallel for schedule(static)
    for (size_t begin = 0; begin < total; begin += BLOCK)
        memset(gradients + begin, 0, min_size(total - begin, BLOCK) * sizeof *gradients);
}

void trainee_free(struct trainee *trainee)
{
    arena_free(&trainee->outer);
    arena_free(&trainee->moments);
    parameter_block_free(&trainee->gradients);
    model_free(trainee->model);
    *trainee = (struct trainee){0};
}
