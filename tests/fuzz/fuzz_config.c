/* The configuration of a run: what loads and is printed loads again, and is printed the same. */
#include "config/config_print.h"
#include "fuzz/support.h"
#include "train/run_config.h"

#include <string.h>

static struct buffer print(const struct run_config *config)
{
    struct error error = {0};
    struct buffer text = {0};
    CHECK(config_print(config, false, &text, &error));
    return text;
}

static void check_round_trip(const struct run_config *config)
{
    struct error error = {0};
    struct buffer text = print(config), different = {0};
    struct run_config *again =
        run_config_load(&run_config_schema, fuzz_write("printed.yaml", text.data, text.size), NULL,
                        0, NULL, &error);
    CHECK(again);
    struct buffer second = print(again);
    CHECK(strcmp(text.data, second.data) == 0);
    CHECK(run_config_differences(config, again, &different, &error) && different.size == 0);
    buffer_free(&text);
    buffer_free(&second);
    buffer_free(&different);
    run_config_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct run_config *config = run_config_load(
        &run_config_schema, fuzz_write("run.yaml", data, size), NULL, 0, NULL, &error);
    if (config)
        check_round_trip(config);
    else
        fuzz_check_error(&error);
    run_config_free(config);
    return 0;
}

void fuzz_seeds(void)
{
    fuzz_seed_text("minimal", "output: run\ndata: {train: [a.txt]}\n");
    fuzz_seed_text("complete",
                   "seed: 7\noutput: \"r\\u00E9\"\nmodel:\n  size: tiny\n  hidden_size: 96\n"
                   "  num_attention_heads: 3\n  hidden_act: gelu_new\n  hidden_dropout_prob: 0.5\n"
                   "tokenizer:\n  vocab_size: 3000\n  lowercase: false\n  strip_accents: true\n"
                   "data:\n  train: [a.txt, 'b*.gz']\n  valid_fraction: 0.02\n  sentences: line\n"
                   "  seq_len: 64\n  mask_prob: 0.2\n  nsp: false\n  whole_word_mask: true\n"
                   "train:\n  steps: 100\n  batch_size: 8\n  learning_rate: 1e-3\n"
                   "  schedule: cosine\n  warmup_steps: 10\n  threads: 2\n  save_every: 50\n");
    fuzz_seed_text("phases", "output: /x\ndata: {train: [/a], valid: [b]}\ntrain:\n"
                             "  phases: [{seq_len: 128, steps: 9}, {steps: 1, seq_len: 512}]\n");
    fuzz_seed_text("anchor", "a: &b [*b]\nc: !!str d\n");
    fuzz_seed_text("block", "output: |\n  two\n  lines\ndata: {train: [\"a\\0b\"]}\n--- {}\n");
}
