/* training_state.json of a checkpoint. An input that is an object is sealed for the fuzzer, or
 * nothing behind the checksum would be reached. What is read is the same after writing. */
#include "base/buffer.h"
#include "base/directory.h"
#include "base/json.h"
#include "checkpoint/training_state.h"
#include "fuzz/support.h"

#include <math.h>
#include <string.h>

static void check_round_trip(const struct training_state *state)
{
    struct error error = {0};
    struct training_state again;
    const char *saved = fuzz_path("saved");
    CHECK(directory_make(saved, &error));
    CHECK(training_state_write(saved, state, &error));
    CHECK(training_state_read(saved, &again, &error));
    CHECK(again.step == state->step && again.tokens == state->tokens && again.seed == state->seed &&
          again.phase == state->phase && again.best_step == state->best_step &&
          again.ranks == state->ranks && again.seconds == state->seconds);
    CHECK(state->best_step < 0 || again.best_score == state->best_score);
    CHECK(strcmp(again.config, state->config) == 0);
    training_state_free(&again);
}

static void write_state(const uint8_t *data, size_t size)
{
    struct error error = {0};
    const char *path = fuzz_write("checkpoint/" TRAINING_STATE_FILE, data, size);
    json_t *object = json_loadb((const char *)data, size, 0, NULL);
    if (json_object_size(object) > 0)
        CHECK(json_write_sealed(path, object, &error));
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct training_state state;
    const char *directory = fuzz_path("checkpoint");
    CHECK(directory_make(directory, &error));
    write_state(data, size);
    if (!training_state_read(directory, &state, &error)) {
        fuzz_check_error(&error);
        return 0;
    }
    for (size_t i = 0; i < state.file_count; i++) {
        CHECK(state.files[i].name[0] && !strchr(state.files[i].name, '/'));
        checkpoint_file_verify(directory, &state.files[i], &error);
    }
    check_round_trip(&state);
    training_state_free(&state);
    return 0;
}

void fuzz_seeds(void)
{
    struct error error = {0};
    char config[] = "seed: 42\noutput: \"r\\u00e9\"\n";
    const struct training_state state = {.step = 12,
                                         .micro_batch_size = 8,
                                         .ranks = 2,
                                         .tokens = 3456,
                                         .seed = -7,
                                         .seconds = 1.25,
                                         .best_step = 10,
                                         .best_score = 4.5,
                                         .config = config};
    const char *directory = fuzz_path("seed");
    struct buffer seed = {0};
    CHECK(directory_make(directory, &error));
    fuzz_write("seed/config.json", "{}", 2);
    CHECK(training_state_write(directory, &state, &error));
    fuzz_read(fuzz_path("seed/" TRAINING_STATE_FILE), &seed);
    fuzz_seed("state", seed.data, seed.size);
    buffer_free(&seed);
}
