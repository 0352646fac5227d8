#include "model/heads.h"

#include "base/affix.h"
#include "model/mlm_head.h"
#include "model/nsp_head.h"
#include "model/sequence_heads.h"
#include "model/token_head.h"

static const struct head *const table[GROUP_COUNT] = {
    [GROUP_MLM_HEAD] = &mlm_head,
    [GROUP_NSP_HEAD] = &nsp_head,
    [GROUP_CLASSIFIER] = &sequence_classification_head, /* the others have its names */
};

const struct head_list pretraining_heads = {
    .architecture = "BertForPreTraining",
    .count = 2,
    .heads = {[HEAD_MLM] = &mlm_head, [HEAD_NSP] = &nsp_head},
};

const struct head_list sequence_classification_heads = {
    .architecture = "BertForSequenceClassification",
    .problem_type = "single_label_classification",
    .labelled = true,
    .task = TASK_CLASSIFICATION,
    .count = 1,
    .heads = {[HEAD_CLASSIFIER] = &sequence_classification_head},
};

const struct head_list sequence_regression_heads = {
    .architecture = "BertForSequenceClassification",
    .problem_type = "regression",
    .labelled = true,
    .task = TASK_REGRESSION,
    .count = 1,
    .heads = {[HEAD_CLASSIFIER] = &sequence_regression_head},
};

const struct head_list token_classification_heads = {
    .architecture = "BertForTokenClassification",
    .labelled = true,
    .task = TASK_TOKENS,
    .count = 1,
    .heads = {[HEAD_CLASSIFIER] = &token_classification_head},
};

const struct head_list *task_heads(enum task_kind task)
{
    static const struct head_list *const lists[] = {
        [TASK_CLASSIFICATION] = &sequence_classification_heads,
        [TASK_REGRESSION] = &sequence_regression_heads,
        [TASK_TOKENS] = &token_classification_heads,
    };
    return lists[task];
}

unsigned head_list_groups(const struct head_list *list)
{
    unsigned groups = 1U << GROUP_ENCODER;
    for (int i = 0; i < list->count; i++) {
        groups |= 1U << list->heads[i]->group;
        groups |= list->heads[i]->pooled ? 1U << GROUP_POOLER : 0;
    }
    return groups;
}

const char *parameter_group_name(enum parameter_group group)
{
    CHECK(group < GROUP_COUNT);
    return table[group] ? table[group]->name : group == GROUP_ENCODER ? "encoder" : "pooler";
}

const char *parameter_group_key(enum parameter_group group)
{
    CHECK(group < GROUP_COUNT);
    return table[group] ? table[group]->key : parameter_group_name(group);
}

enum parameter_group heads_group_of(const char *name)
{
    enum parameter_group group = 0;
    while (group < GROUP_COUNT && !(table[group] && begins_with(name, table[group]->prefix)))
        group++;
    return group;
}
