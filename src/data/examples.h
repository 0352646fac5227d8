/* Training examples from a dataset: which sentences make pair number i of an epoch (reference:
 * BERT's create_pretraining_data, Devlin et al. 2018, section 3.1), drawn anew every epoch and
 * reachable in any order without a state.
 *
 * Each document is walked with random numbers of its own (seed, document, epoch), looking at
 * nothing but its sentences' lengths: a chunk takes sentences up to a target length, is split at a
 * sentence boundary into A | rest, and with probability 1/2 B is the rest, otherwise B comes from
 * another document and the walk goes on with the rest. A chunk that would be a single sentence
 * takes the next sentence too, or at a document's end the one before (then A is that one and B the
 * last; as NotNext A is the last), so that no chunk's label is forced. A document of one sentence
 * counts as two, cut at the word that begins nearest to its middle; one of a single token is never
 * A. So every other sentence is in A or in the B of an IsNext pair in every epoch, up to
 * truncation.
 *
 * NotNext: B starts at a random sentence of a random document other than A's, both uniform, and
 * takes sentences until the pair has the target length. A pair longer than seq_len - 3 then loses
 * single tokens from its longer side (B of equals), from the front or the back at random.
 *
 * With nsp off an example is a run of seq_len - 2 tokens of one document, whose last run may be
 * shorter; short_seq_prob is not used.
 *
 * Memory is constant: an epoch is counted by walking all documents once, and a second time to save
 * up to 65,536 walks at equal distances, from which any example is reached in at most (examples /
 * 65,536) steps, however long the documents are. Examples are visited in the order of a keyed
 * permutation. */
#ifndef CLOZE_DATA_EXAMPLES_H
#define CLOZE_DATA_EXAMPLES_H

#include "base/random.h"
#include "data/dataset.h"
#include "text/vocabulary.h"

struct example_options {
    uint64_t seed;
    int seq_len;           /* with [CLS] and [SEP]s: at least 5, or 3 with nsp off */
    double short_seq_prob; /* of a target drawn uniformly from 2 to seq_len - 3, in [0, 1] */
    bool nsp;
};

/* One epoch of one dataset under one set of options. Immutable, so any number of threads may use
 * it. */
struct epoch;

/* Walks all documents on `threads` threads; the result does not depend on their number. A dataset
 * of fewer than two documents is an error with nsp (B must be from another document), and so are
 * one without any example and a seq_len too small. Dataset and vocabulary must outlive the epoch.
 */
struct epoch *epoch_open(const struct dataset *dataset, const struct vocabulary *vocabulary,
                         struct example_options options, uint32_t number, int threads,
                         struct error *error);
void epoch_close(struct epoch *epoch); /* NULL is accepted */

uint32_t epoch_number(const struct epoch *epoch);
uint64_t epoch_examples(const struct epoch *epoch);

/* A run of tokens of one shard. */
struct span {
    uint32_t shard;
    uint64_t first, last; /* [first, last) */
};

struct example {
    uint64_t instance; /* its place in the unshuffled epoch: names its random numbers */
    uint64_t a_document;
    uint64_t b_document;         /* of B; a_document without B */
    struct span a, b;            /* after truncation to seq_len; b is empty with nsp off */
    int32_t next_sentence_label; /* IS_NEXT, NOT_NEXT or NO_LABEL (data/batch.h) with nsp off */
};

/* The example at a position of the shuffled epoch, position < epoch_examples. */
struct example epoch_example(const struct epoch *epoch, uint64_t position);

#endif
