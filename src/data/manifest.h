/* The manifest of a prepared directory: what its shards were made from, so that they are made anew
 * when that changes, and what they hold. A JSON object, written when the shards are complete. */
#ifndef CLOZE_DATA_MANIFEST_H
#define CLOZE_DATA_MANIFEST_H

#include "data/corpus.h"
#include "data/prepare.h"

#include <jansson.h>

/* The datasets' prefixes, "train" and "valid"; see data/dataset.h. */
extern const char *const dataset_prefixes[2];

/* A list with each file's path, size and modification time. The caller owns the reference; NULL on
 * failure. */
json_t *manifest_describe_files(const struct corpus_files *files, struct error *error);

/* Everything that the shards depend on: format version, settings, vocabulary, and every input
 * file's path, size and modification time. The caller owns the reference; NULL on failure. */
json_t *manifest_describe(const struct tokenizer *tokenizer, const struct prepare_options *options,
                          const struct corpus_files *train, const struct corpus_files *valid,
                          struct error *error);

/* Whether the directory holds what was made from `made_from`. Then *summary is filled in, with
 * seconds 0; otherwise `reason` gets a line that says why not, "" when there is no manifest at all.
 */
bool manifest_matches(const char *directory, json_t *made_from, struct prepare_summary *summary,
                      char *reason, size_t reason_size);

/* Writes DIRECTORY/manifest.json for the shards that are there. */
bool manifest_write(const char *directory, json_t *made_from, const struct prepare_summary *summary,
                    struct error *error);

/* Removes the manifest, then the shards and partial files of both datasets. */
bool manifest_clear(const char *directory, struct error *error);

#endif
