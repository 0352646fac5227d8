#include "model/head.h"

struct head_pass head_pass_at(const struct model *model, struct weights *gradients,
                              struct workspace *workspace, int index)
{
    CHECK(index < model->config.heads->count);
    return (struct head_pass){
        .model = model,
        .weights = model->parameters.weights.heads[index],
        .micro_batch = &workspace->micro_batch,
        .workspace = workspace,
        .memory = workspace->head_memory[index],
        .gradients = gradients,
        .dweights = gradients ? gradients->heads[index] : NULL,
    };
}
