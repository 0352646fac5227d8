/* The manifest of a prepared directory. It describes what the shards were made from, so that they
 * are made again when that changes, and what they hold. It is a JSON object, written when the
 * shards are complete. */
#ifndef CLOZE_DATA_MANIFEST_H
#define CLOZE_DATA_MANIFEST_H

#include "data/corpus.h"
#include "data/prepare.h"

#include <jansson.h>

/* The datasets' prefixes, "train" and "valid"; see data/dataset.h. */
extern const char *const dataset_prefixes[2];

/* Describes everything that the shards depend on: format version, settings, vocabulary, and the
 * contents of the input files (data/file_contents.h). Files whose stamps are in the directory's
 * manifest are not read again; with files NULL the manifest's own description of the files is
 * taken. The caller owns the reference; NULL on failure. */
json_t *manifest_describe(const char *directory, const struct tokenizer *tokenizer,
                          const struct prepare_options *options, const struct corpus_files *files,
                          struct error *error);

enum manifest_state {
    MANIFEST_MATCHES,
    MANIFEST_STALE,      /* missing, damaged, of other settings, or a shard is lost */
    MANIFEST_OTHER_TEXT, /* readable, but the contents of the input files differ */
};

/* Compares the directory's manifest with `made_from`. If they match, sets *summary, with seconds 0;
 * otherwise writes a line that says why not to `reason`, "" if there is no manifest. */
enum manifest_state manifest_compare(const char *directory, json_t *made_from,
                                     struct prepare_summary *summary, char *reason,
                                     size_t reason_size);

/* Checks that all files with the names of a manifest or shards were written by manifest_write or a
 * dataset writer. Other files with such names are never removed; the error names one of them. */
bool manifest_check_own(const char *directory, struct error *error);

/* Writes DIRECTORY/manifest.json for the shards that are there. */
bool manifest_write(const char *directory, json_t *made_from, const struct prepare_summary *summary,
                    struct error *error);

/* Returns whether the path is in this directory and has a name that preparing it may replace. */
bool manifest_is_prepared(const char *directory, const char *path);

/* Removes the manifest, then the shards and partial files of both datasets. Fails and removes
 * nothing if manifest_check_own fails. */
bool manifest_clear(const char *directory, struct error *error);

#endif
