/* A batch for `score`: what is read obeys the model's sizes, and is the same after writing. The
 * input is the header, then "}}", then the data; its length is put before it. */
#include "fuzz/support.h"
#include "model/batch_file.h"
#include "model/heads.h"

#include <string.h>

static const struct model_config config = {.heads = &pretraining_heads,
                                           .vocab_size = 50,
                                           .type_vocab_size = 2,
                                           .max_position_embeddings = 12};

static void frame(const uint8_t *data, size_t size, struct buffer *file)
{
    struct error error = {0};
    uint64_t length = size;
    for (size_t i = size; i >= 2; i--)
        if (data[i - 1] == '}' && data[i - 2] == '}') {
            length = i;
            break;
        }
    CHECK(buffer_append(file, &length, sizeof length, &error));
    CHECK(buffer_append(file, data, size, &error));
}

static void check_batch(const struct batch *batch)
{
    CHECK(batch->sequences > 0 && batch->starts[0] == 0 && batch->predicted_starts[0] == 0);
    CHECK(batch->starts[batch->sequences] == batch->tokens);
    CHECK(batch->predicted_starts[batch->sequences] == batch->predicted);
    for (int t = 0; t < batch->tokens; t++)
        CHECK(batch->input_ids[t] >= 0 && batch->input_ids[t] < config.vocab_size &&
              batch->position_ids[t] >= 0 &&
              batch->position_ids[t] < config.max_position_embeddings &&
              batch->token_type_ids[t] >= 0 && batch->token_type_ids[t] < config.type_vocab_size);
    for (int m = 0; m < batch->predicted; m++)
        CHECK(batch->predicted_tokens[m] >= 0 && batch->predicted_tokens[m] < batch->tokens &&
              batch->predicted_labels[m] >= 0 && batch->predicted_labels[m] < config.vocab_size);
    for (int i = 0; i < batch->sequences; i++) {
        CHECK(batch->starts[i] < batch->starts[i + 1]);
        CHECK(batch->starts[i + 1] - batch->starts[i] <= batch->max_length);
        CHECK(batch->sequence_labels[i] >= NO_LABEL && batch->sequence_labels[i] <= 1);
    }
}

static bool same(const int32_t *a, const int32_t *b, int count)
{
    return count == 0 || memcmp(a, b, (size_t)count * sizeof *a) == 0;
}

static void check_round_trip(const struct batch *batch)
{
    struct error error = {0};
    struct batch again = {0};
    const char *path = fuzz_path("written.safetensors");
    CHECK(batch_file_write(path, batch, 0, &error));
    CHECK(batch_file_read(path, &config, &again, &error));
    CHECK(again.sequences == batch->sequences && again.tokens == batch->tokens &&
          again.predicted == batch->predicted && again.max_length == batch->max_length);
    CHECK(same(again.starts, batch->starts, batch->sequences + 1));
    CHECK(same(again.input_ids, batch->input_ids, batch->tokens));
    CHECK(same(again.position_ids, batch->position_ids, batch->tokens));
    CHECK(same(again.token_type_ids, batch->token_type_ids, batch->tokens));
    CHECK(same(again.predicted_tokens, batch->predicted_tokens, batch->predicted));
    CHECK(same(again.predicted_labels, batch->predicted_labels, batch->predicted));
    CHECK(same(again.sequence_labels, batch->sequence_labels, batch->sequences));
    batch_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct buffer file = {0};
    struct batch batch = {0};
    frame(data, size, &file);
    if (batch_file_read(fuzz_write("batch.safetensors", file.data, file.size), &config, &batch,
                        &error)) {
        check_batch(&batch);
        check_round_trip(&batch);
    } else
        fuzz_check_error(&error);
    batch_free(&batch);
    buffer_free(&file);
    return 0;
}

void fuzz_seeds(void)
{
    static const int32_t ids[] = {2, 7, 3, 0, 2, 8, 9, 3}, mask[] = {1, 1, 1, 0, 1, 1, 1, 1};
    static const int32_t labels[] = {-100, 11, -100, -100, -100, -100, 9, -100}, next[] = {0, -100};
    static const char header[] =
        "{\"input_ids\":{\"dtype\":\"I32\",\"shape\":[2,4],\"data_offsets\":[0,32]},"
        "\"attention_mask\":{\"dtype\":\"I32\",\"shape\":[2,4],\"data_offsets\":[32,64]},"
        "\"labels\":{\"dtype\":\"I32\",\"shape\":[2,4],\"data_offsets\":[64,96]},"
        "\"next_sentence_label\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[96,104]}}";
    struct error error = {0};
    struct buffer seed = {0};
    CHECK(buffer_append(&seed, header, sizeof header - 1, &error) &&
          buffer_append(&seed, ids, sizeof ids, &error) &&
          buffer_append(&seed, mask, sizeof mask, &error) &&
          buffer_append(&seed, labels, sizeof labels, &error) &&
          buffer_append(&seed, next, sizeof next, &error));
    fuzz_seed("complete", seed.data, seed.size);
    buffer_free(&seed);
    fuzz_seed_text("ids", "{\"input_ids\":{\"dtype\":\"I64\",\"shape\":[1,1],"
                          "\"data_offsets\":[0,8]}}\1\1\1\1\1\1\1\1");
}
