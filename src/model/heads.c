#include "model/heads.h"

#include "base/affix.h"
#include "model/mlm_head.h"
#include "model/nsp_head.h"

static const struct head *const table[GROUP_COUNT] = {
    [GROUP_MLM_HEAD] = &mlm_head,
    [GROUP_NSP_HEAD] = &nsp_head,
};

const struct head_list pretraining_heads = {
    .architecture = "BertForPreTraining",
    .count = 2,
    .heads = {[HEAD_MLM] = &mlm_head, [HEAD_NSP] = &nsp_head},
};

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

bool heads_have_tensor(const char *name)
{
    for (int group = 0; group < GROUP_COUNT; group++)
        if (table[group] && begins_with(name, table[group]->prefix))
            return true;
    return false;
}
