/* training_state.json: where a run stands, and which files, of which size and checksum, make its
 * checkpoint.
 *
 *     {
 *       "format_version": 1,
 *       "cloze_version": "0.1.0",
 *       "step": 1000,
 *       "tokens": 32768000,
 *       "seconds": 4035.5,
 *       "seed": 42,
 *       "phase": 0,
 *       "micro_batch_size": 16,        sequences worked on at once, in whose order sums are made
 *       "best_step": 900,              null before the first evaluation
 *       "best_mlm_loss": 5.25,         null before the first evaluation
 *       "skipped_steps": 0,            steps whose update was not made
 *       "skipped_in_row": 0,           of them the last ones in a row
 *       "grad_norm_count": 1000,       what train/update_guard.h knows
 *       "grad_norm_mean": 1.5,
 *       "grad_norm_variance": 0.01,
 *       "config": "seed: 42\n...",     the effective configuration, as `cloze config` prints it
 *       "files": {
 *         "config.json": {"size": 612, "xxh3": "0123456789abcdef"},
 *         ...                          every other file, XXH3 of 64 bits in hexadecimal
 *       }
 *     }
 *
 * It is the last file of a checkpoint to be written. */
#ifndef CLOZE_TRAIN_TRAINING_STATE_H
#define CLOZE_TRAIN_TRAINING_STATE_H

#include "base/error.h"
#include "train/update_guard.h"

#include <stddef.h>
#include <stdint.h>

#define TRAINING_STATE_FILE "training_state.json"

struct checkpoint_file {
    char *name; /* within the directory */
    uint64_t size;
    uint64_t hash;
};

struct training_state {
    int64_t step;   /* updates done */
    int64_t tokens; /* trained on, padding not counted */
    double seconds; /* spent training */
    int64_t seed;
    int64_t phase;                 /* the phase that the next step belongs to, from 0 */
    int64_t micro_batch_size;      /* sequences worked on at once */
    int64_t best_step;             /* of the best evaluation; -1 before the first */
    double best_mlm_loss;          /* its loss; meaningless while best_step is -1 */
    int64_t skipped_steps;         /* whose update was not made */
    int64_t skipped_in_row;        /* the last ones; 0 after a step with an update */
    struct norm_statistics norms;  /* of the gradients so far */
    char *config;                  /* the effective configuration as YAML */
    char cloze_version[32];        /* that wrote it; reading only */
    struct checkpoint_file *files; /* reading only */
    size_t file_count;
};

/* Writes DIRECTORY/training_state.json, atomically, for the files that the directory holds: their
 * sizes and checksums are taken from what can be read back. */
bool training_state_write(const char *directory, const struct training_state *state,
                          struct error *error);

/* Reads it back; all strings belong to the state. A missing, damaged or newer file is an error that
 * names it and the key; *state is then empty. */
bool training_state_read(const char *directory, struct training_state *state, struct error *error);

/* Frees what training_state_read has allocated. */
void training_state_free(struct training_state *state);

/* True if the file is there with the recorded size and checksum; otherwise an error that says what
 * differs. */
bool checkpoint_file_verify(const char *directory, const struct checkpoint_file *file,
                            struct error *error);

#endif
