#include "support/trained_run.h"

#include "support/program.h"
#include "support/sample_text.h"

#include <stdio.h>
#include <unistd.h>

static const char config_text[] = "output: run\n"
                                  "model: {hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 1, num_attention_heads: 2,\n"
                                  "        max_position_embeddings: 32}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], sentences: line, seq_len: %d,\n"
                                  "       valid_fraction: 0}\n"
                                  "train: {steps: 4, batch_size: 8, warmup_steps: 1, threads: 1}\n";

int trained_run_set_up(void **state, int seq_len)
{
    char text[sizeof config_text + 20];
    if (scratch_set_up(state))
        return -1;
    const struct scratch *scratch = *state;
    snprintf(text, sizeof text, config_text, seq_len);
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "config.yaml", text);
    if (chdir(scratch->directory))
        return -1;
    SUCCEED("train", "config.yaml");
    return 0;
}

int trained_run_tear_down(void **state)
{
    return chdir("/") ? -1 : scratch_tear_down(state);
}
