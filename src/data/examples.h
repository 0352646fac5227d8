/* Chooses the training examples of an epoch from a dataset: the sentences of each pair (as in
 * BERT's create_pretraining_data, Devlin et al. 2018, section 3.1). They are drawn again in every
 * epoch, and any example can be made at any time, independently of the others.
 *
 * A walk goes through each document with random numbers of the document's own (seed, document,
 * epoch) and reads only the lengths of its sentences. A chunk takes sentences up to a target length
 * and is split at a random sentence boundary into A and a rest. With probability 1/2 the rest is B
 * (IsNext); otherwise B comes from another document (NotNext) and the walk continues with the rest.
 * A chunk of a single sentence also takes the next sentence, so that its label stays random. The
 * last sentence of a document has no next one: then B is the last sentence and A the one before it,
 * or with NotNext A is the last one. A document of one sentence counts as two, which are divided at
 * the start of the word nearest to its middle; a document of a single token is never A. So apart
 * from truncation and documents of a single token, every sentence is in A or in the B of an IsNext
 * pair in every epoch.
 *
 * The B of a NotNext pair starts at a random sentence of a random document other than A's, both
 * uniform, and takes sentences until the pair has the target length. A pair longer than seq_len - 3
 * then loses single tokens from its longer side (from B if both are equal), at the front or the
 * back at random.
 *
 * With nsp off an example is a span of seq_len - 2 tokens of one document; the last span of a
 * document may be shorter. short_seq_prob is not used.
 *
 * Memory is constant: one walk through all documents counts the examples of an epoch, and a second
 * one saves up to 65,536 walks at equal distances. From these any example is reached in at most
 * (examples / 65,536) steps, however long the documents are. Examples are visited in the order of a
 * keyed permutation. */
#ifndef CLOZE_DATA_EXAMPLES_H
#define CLOZE_DATA_EXAMPLES_H

#include "base/random.h"
#include "data/dataset.h"
#include "text/vocabulary.h"

struct example_options {
    uint64_t seed;
    int seq_len;           /* max tokens, with [CLS] and [SEP]: at least 5, or 3 with nsp off */
    double short_seq_prob; /* probability that a target is drawn uniformly from 2 to seq_len - 3 */
    bool nsp;
};

/* One epoch of a dataset with given options. Immutable: any number of threads may use it. */
struct epoch;

/* Walks through all documents on `threads` threads; the result does not depend on their number. It
 * is an error if the dataset has fewer than two documents with nsp (B must be from another
 * document), if it gives no example, or if seq_len is too small. Dataset and vocabulary must
 * outlive the epoch. */
struct epoch *epoch_open(const struct dataset *dataset, const struct vocabulary *vocabulary,
                         struct example_options options, uint32_t number, int threads,
                         struct error *error);
void epoch_close(struct epoch *epoch); /* NULL is accepted */

uint32_t epoch_number(const struct epoch *epoch);
uint64_t epoch_examples(const struct epoch *epoch);

/* Consecutive tokens of one shard. */
struct span {
    uint32_t shard;
    uint64_t first, last; /* [first, last) */
};

struct example {
    uint64_t instance; /* index in the unshuffled epoch, a key of its random numbers */
    uint64_t a_document;
    uint64_t b_document;         /* document of B; a_document if there is no B */
    struct span a, b;            /* truncated to seq_len; with nsp off b is empty */
    int32_t next_sentence_label; /* IS_NEXT or NOT_NEXT; NO_LABEL with nsp off (data/batch.h) */
};

/* Returns the example at a position of the shuffled epoch, position < epoch_examples. */
struct example epoch_example(const struct epoch *epoch, uint64_t position);

#endif
