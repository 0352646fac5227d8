/* The manifest of a prepared directory: what its shards were made from, so that they are made again
 * when that changes, and what they hold. A JSON object, written when the shards are complete. */
#ifndef CLOZE_DATA_MANIFEST_H
#define CLOZE_DATA_MANIFEST_H

#include "data/corpus.h"
#include "data/prepare.h"

#include <jansson.h>

/* The datasets' prefixes, "train" and "valid"; see data/dataset.h. */
extern const char *const dataset_prefixes[2];

/* Everything that the shards depend on: format version, settings, vocabulary, and what the input
 * files hold (data/file_contents.h); stamps of the manifest that the directory has are made use of.
 * With files NULL, what that manifest says of them. The caller owns the reference; NULL on
 * failure. */
json_t *manifest_describe(const char *directory, const struct tokenizer *tokenizer,
                          const struct prepare_options *options, const struct corpus_files *files,
                          struct error *error);

enum manifest_state {
    MANIFEST_MATCHES,
    MANIFEST_STALE,      /* absent, damaged, of other settings, or shards are lost */
    MANIFEST_OTHER_TEXT, /* readable, but the input files hold something else */
};

/* Whether the directory holds what was made from `made_from`. Then *summary is filled in, with
 * seconds 0; otherwise `reason` gets a line that says why not, "" when there is no manifest at
 * all. */
enum manifest_state manifest_compare(const char *directory, json_t *made_from,
                                     struct prepare_summary *summary, char *reason,
                                     size_t reason_size);

/* True unless the directory holds files that nobody but manifest_write and a dataset writer may
 * have given their names: those are never removed. The error names one that is foreign. */
bool manifest_check_own(const char *directory, struct error *error);

/* Writes DIRECTORY/manifest.json for the shards that are there. */
bool manifest_write(const char *directory, json_t *made_from, const struct prepare_summary *summary,
                    struct error *error);

/* Whether a file is one that preparing this directory may replace, by name and place. */
bool manifest_is_prepared(const char *directory, const char *path);

/* Removes the manifest, then the shards and partial files of both datasets, if manifest_check_own
 * finds nothing foreign. */
bool manifest_clear(const char *directory, struct error *error);

#endif
