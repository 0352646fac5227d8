/* A model small enough for finite differences, and a batch for it. Every failure here fails the
 * test. */
#ifndef CLOZE_TESTS_SUPPORT_SMALL_MODEL_H
#define CLOZE_TESTS_SUPPORT_SMALL_MODEL_H

#include "data/batch.h"
#include "model/model.h"

/* Two layers of two heads, hidden size 8, vocabulary 23, positions 16. */
struct model_config small_model_config(const char *hidden_act, double dropout);

/* As small_model_config, but with hidden size 64, intermediate size 96 and 1003 words, which bf16
 * kernels can compute. */
struct model_config small_bf16_config(const char *hidden_act, double dropout);

/* Returns a model with random parameters, so small that no activation saturates. The caller frees
 * it. */
struct model *small_model(const struct model_config *config, uint64_t seed);

/* Returns a batch of sequences of the given lengths with two segments each. About a third of the
 * tokens are predicted (none in every third sequence), and NSP labels alternate (none in every
 * fourth). The caller frees it with batch_free. */
struct batch small_batch(const int *lengths, int sequences, int vocab_size, uint64_t seed);

#endif
