/* The files of a run directory. A run replaces only files that a run has made, never any others.
 *
 *     config.yaml       begins with a line that holds the hash of the rest
 *     vocab.txt         its hash is in vocabulary.json
 *     vocabulary.json   sealed, with the key "made_from"
 *     metrics.jsonl     next to a config.yaml of a run
 *     fills.jsonl       of `cloze train`: the same
 *     warnings.jsonl    the same
 *     predictions.tsv   of `cloze finetune`: the same
 *     data/             data/manifest.h
 *     events/           nothing is replaced in it
 *     checkpoints/      a directory with a checkpoint is that of a run, with all the above */
#ifndef CLOZE_TRAIN_RUN_FILES_H
#define CLOZE_TRAIN_RUN_FILES_H

#include "data/directory_lock.h"
#include "text/vocabulary.h"
#include "train/run_config.h"

#include <jansson.h>

/* A run directory that is in use; all zeros before that. */
struct run_files {
    struct directory_lock lock;
    bool lock_found; /* whether its file was there before; */
    unsigned found;  /* the same of what else a run writes first, as a mask */
    char *above;     /* directory_existing of the directory before it was made */
};

/* Makes and locks the directory config->output, if a new run would replace no foreign file there,
 * all of its files can be written, and no pattern of the input files matches one of them. The error
 * names the file, or the process that is using the directory. Nothing is written before the
 * lock. */
bool run_files_lock(const struct run_config *config, struct run_files *files, struct error *error);
void run_files_release(struct run_files *files); /* also after a failure */

/* Removes from the locked directory what was written for a run that cannot begin, and the directory
 * itself, but nothing that was there before or that somebody has put there since. */
void run_files_withdraw(const struct run_files *files, const struct run_config *config);

/* Checks that a run may be resumed in config->output. It may not if the configuration is the
 * config.yaml of another directory with checkpoints and names this output itself: older versions
 * wrote the absolute path of the output, which a run that was moved or copied still has. */
bool run_files_check_output(const struct run_config *config, struct error *error);

/* Sets *started if the directory holds files that a run writes before its first checkpoint. */
bool run_files_started(const char *output, bool *started, struct error *error);

/* Writes OUTPUT/config.yaml, unless the configuration was read from that file, or somebody has
 * edited it, which is logged. */
bool run_files_write_config(const struct run_config *config, struct log *log, struct error *error);

/* Sets *held if the file holds the lines of the vocabulary. */
bool run_files_hold_vocabulary(const char *path, const struct vocabulary *vocabulary, bool *held,
                               struct error *error);

/* Writes vocabulary.json, which describes what the vocabulary was made from, and then
 * OUTPUT/vocab.txt, unless it already holds this vocabulary. */
bool run_files_write_vocabulary(const char *output, const struct vocabulary *vocabulary,
                                json_t *made_from, struct error *error);

#endif
