/* Synthetic vocabularies and datasets. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_SYNTHETIC_H
#define CLOZE_TESTS_SUPPORT_SYNTHETIC_H

#include "data/dataset.h"
#include "support/scratch.h"
#include "text/vocabulary.h"

/* Returns a vocabulary of the five special tokens, with ids 0 to 4, then `words` words, then
 * `pieces` continuation pieces. */
struct vocabulary *synthetic_vocabulary(int words, int pieces);

/* A dataset in a directory of its own, which is first written and then opened. */
struct synthetic {
    struct scratch *scratch;
    int32_t id_limit;
    struct dataset_writer *writer;
    struct dataset *dataset;
};

/* Begins a dataset of ids below id_limit, in shards of about shard_tokens tokens. */
struct synthetic synthetic_begin(int32_t id_limit, uint64_t shard_tokens);

/* synthetic_ids adds a sentence with the given ids, and synthetic_sentence one of `length` equal
 * ids. */
void synthetic_ids(struct synthetic *synthetic, const int32_t *ids, size_t count);
void synthetic_sentence(struct synthetic *synthetic, size_t length, int32_t id);
void synthetic_document(struct synthetic *synthetic);

/* Ends writing and opens the dataset. */
const struct dataset *synthetic_open(struct synthetic *synthetic);

/* Closes the dataset and removes the directory. */
void synthetic_end(struct synthetic *synthetic);

#endif
