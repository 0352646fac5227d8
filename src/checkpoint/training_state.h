/* training_state.json: the state of a run, and the list of its checkpoint's files with their sizes
 * and checksums.
 *
 *     {
 *       "format_version": 1,
 *       "cloze_version": "0.2.0",
 *       "step": 1000,
 *       "tokens": 32768000,
 *       "seconds": 4035.5,
 *       "seed": 42,
 *       "phase": 0,
 *       "planned_steps": 9000,         of train.hours alone
 *       "micro_batch_size": 16,        sequences in a micro-batch; sums depend on it, and on the
 *       "threads": 2,                  number of threads and the kernels
 *       "ranks": 1,                    processes that trained together, on which sums depend too
 *       "kernels": "AVX-512, OpenBLAS SkylakeX",
 *       "data": "0123456789abcdef",    dataset_hash of the training data
 *       "held_out": "0123456789abcdef", dataset_hash of the held-out data; zeros: there are none
 *       "best_step": 900,              null before the first evaluation
 *       "best_mlm_loss": 5.25,         null before the first evaluation; of fine-tuning instead
 *                                      "best_metric": 0.875
 *       "evaluations_since_best": 2,   evaluations after the best one
 *       "skipped_steps": 0,            steps whose update was skipped
 *       "skipped_in_row": 0,           the last steps in a row whose update was skipped
 *       "grad_norm_count": 1000,       the statistics of optim/update_guard.h
 *       "grad_norm_mean": 1.5,
 *       "grad_norm_variance": 0.01,
 *       "config": "seed: 42\n...",     the effective configuration, as `cloze config` prints it
 *       "files": {
 *         "config.json": {"size": 612, "xxh3": "0123456789abcdef"},
 *         ...                          every other file, XXH3 of 64 bits in hexadecimal
 *       },
 *       "xxh3": "0123456789abcdef"     of all that is before these digits (base/json.h)
 *     }
 *
 * It is the last file of a checkpoint to be written. */
#ifndef CLOZE_CHECKPOINT_TRAINING_STATE_H
#define CLOZE_CHECKPOINT_TRAINING_STATE_H

#include "base/error.h"
#include "optim/update_guard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAINING_STATE_FILE "training_state.json"

struct checkpoint_file {
    char *name; /* name within the directory */
    uint64_t size;
    uint64_t hash;
};

struct training_state {
    int64_t step;   /* steps done */
    int64_t tokens; /* tokens trained on, without padding */
    double seconds; /* seconds spent training */
    int64_t seed;
    int64_t phase;            /* the phase that was open last, from 0 */
    int64_t planned_steps;    /* of the run, where its hours decide (train.hours); otherwise 0 */
    int64_t micro_batch_size; /* sequences in a micro-batch */
    int64_t threads;          /* of each rank; 0: an older version has not recorded them */
    int64_t ranks;            /* 1 where an older version has not recorded them */
    char kernels[96];         /* "": an older version has not recorded them */
    uint64_t data;            /* dataset_hash of the training data; 0: not recorded */
    uint64_t held_out;        /* dataset_hash of the held-out data; 0: none or not recorded */
    int64_t best_step;        /* step of the best evaluation; -1 before the first one */
    double best_score;        /* its loss or metric; meaningless while best_step is -1 */
    bool best_is_metric;      /* of a task, which is better if it is higher */
    int64_t evaluations_since_best;
    int64_t skipped_steps;         /* number of steps whose update was skipped */
    int64_t skipped_in_row;        /* how many of them are the last steps; 0 after an update */
    struct norm_statistics norms;  /* statistics of the gradients' norms so far */
    char *config;                  /* the effective configuration as YAML */
    char cloze_version[32];        /* the version that wrote the file; set when read */
    struct checkpoint_file *files; /* set when read */
    size_t file_count;
};

/* Writes DIRECTORY/training_state.json, atomically, with the sizes and checksums of the directory's
 * files, which are read back from the disk. */
bool training_state_write(const char *directory, const struct training_state *state,
                          struct error *error);

/* Reads DIRECTORY/training_state.json; all strings belong to the state. A missing or damaged file,
 * and one of a newer version, is an error that names it and the key; *state is then empty. */
bool training_state_read(const char *directory, struct training_state *state, struct error *error);

/* Frees all that training_state_read has allocated. */
void training_state_free(struct training_state *state);

/* Checks that the file exists with the recorded size and checksum; the error says what differs. */
bool checkpoint_file_verify(const char *directory, const struct checkpoint_file *file,
                            struct error *error);

#endif
