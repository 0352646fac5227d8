/* The table of heads, and the lists of those that a model has. docs/design.md says how to add a
 * head. */
#ifndef CLOZE_MODEL_HEADS_H
#define CLOZE_MODEL_HEADS_H

#include <stdbool.h>

/* The groups of parameters that can be present, trained or new as a whole: each head is one. */
enum parameter_group { GROUP_ENCODER, GROUP_POOLER, GROUP_MLM_HEAD, GROUP_NSP_HEAD, GROUP_COUNT };

/* Returns the name in messages: "encoder", "pooler", "MLM head" or "NSP head". */
const char *parameter_group_name(enum parameter_group group);

/* Returns the name in files: "encoder", "pooler", "mlm_head" or "nsp_head". */
const char *parameter_group_key(enum parameter_group group);

/* True if the name begins as those of a head's tensors do. */
bool heads_have_tensor(const char *name);

enum { MAX_HEADS = 4 };

/* The heads of a model, in the order of their parameters and of their losses. */
struct head_list {
    const char *architecture; /* the class of transformers that has them, for config.json */
    int count;
    const struct head *heads[MAX_HEADS];
};

/* The heads of BertForPreTraining, and the index of each. */
extern const struct head_list pretraining_heads;
enum { HEAD_MLM, HEAD_NSP };

#endif
