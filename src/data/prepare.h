/* Text to token shards: reads documents, splits sentences, encodes on all threads, writes in the
 * order of the text. Memory does not depend on the size of the corpus, and the shards do not depend
 * on the number of threads. */
#ifndef CLOZE_DATA_PREPARE_H
#define CLOZE_DATA_PREPARE_H

#include "base/log.h"
#include "data/corpus.h"
#include "text/tokenizer.h"

enum sentence_mode { SENTENCES_SPLIT, SENTENCES_LINE };

/* Documents that sentence pairs need: where B does not follow A, it is from another document. */
enum { PAIR_DOCUMENTS = 2 };

/* dataset_hash of the shards of each kind; 0: unknown, or there are none. */
struct data_hashes {
    uint64_t train, held_out;
};

struct prepare_options {
    const char *const *train; /* files or patterns */
    size_t train_count;
    const char *const *valid; /* held-out files; none: valid_fraction */
    size_t valid_count;
    double valid_fraction; /* of the documents of `train`, in [0, 1); ignored with `valid` */
    int min_documents;     /* fewer are neither held out by the fraction nor left for training: then
                                nothing is held out */
    enum sentence_mode sentences;
    struct text_field text_field;  /* its name NULL: CORPUS_TEXT_FIELD */
    bool strict;                   /* invalid UTF-8 is an error */
    bool train_said;               /* what there is to say of `train`: by prepare_vocabulary */
    bool continued;                /* the shards are those of a run that goes on */
    struct data_hashes run_hashes; /* with `continued`: of that run's shards */
    int threads;
};

struct prepare_summary {
    struct corpus_counts counts; /* of all files */

    /* Of the shards: without documents and sentences that normalization leaves nothing of. */
    uint64_t train_documents, train_sentences, train_tokens;
    uint64_t valid_documents, valid_sentences, valid_tokens;
    uint64_t unknown_tokens; /* [UNK], of train and valid */

    double seconds; /* of the work, 0 when nothing had to be done */
};

/* Prepares `directory`, which is made if need be: train-NNNNN.shard, valid-NNNNN.shard (none when
 * nothing is held out) and manifest.json, which is written last and says what the shards were made
 * from: format version, settings, vocabulary hash, tokenizer options, and what every input file
 * holds (data/file_contents.h). A directory whose manifest matches is left as it is; one that does
 * not is prepared again, with a log line that says why, unless it holds a foreign file that would
 * be replaced: that is an error.
 *
 * With `continued`, input files that hold other text than the shards were made from are an error,
 * and nothing is changed; where they are gone, shards that are whole will do, and that is said. So
 * will shards that have run_hashes where the manifest cannot tell; where the held-out hash is not
 * known, that is said.
 *
 * With valid_fraction, a document is held out if the hash of its text falls into that fraction of
 * all hashes (XXH3; of a document longer than 256 KiB, of its first lines that fit in there): equal
 * documents are on the same side, whatever else the corpus holds. A corpus without documents is an
 * error, and so is a file that is both in train and in valid, by whatever names. A
 * directory that another process is preparing is refused with that process's number.
 *
 * After a failure the directory has no manifest, so the next call starts from the beginning. */
bool prepare_dataset(const char *directory, const struct tokenizer *tokenizer,
                     const struct prepare_options *options, struct prepare_summary *summary,
                     struct log *log, struct error *error);

struct vocabulary_request {
    const char *const *files; /* or patterns */
    size_t count;
    int32_t size; /* tokens */
    struct tokenizer_options options;
    size_t limit_alphabet;           /* characters; 0: text/vocabulary_trainer.h has the rule */
    const struct vocabulary *extend; /* the tokens to begin with; NULL: the special ones */
    size_t memory;                   /* bytes that may be used; 0: what the process can have */
    struct text_field text_field;    /* its name NULL: CORPUS_TEXT_FIELD */
    bool strict;                     /* invalid UTF-8 is an error */
    int threads;
};

/* Trains a vocabulary on files, reading and counting on all threads. What is left out (characters,
 * rare words, long words) is said, and how many tokens there are if they are fewer than asked for.
 * The caller owns it. */
struct vocabulary *prepare_vocabulary(const struct vocabulary_request *request, struct log *log,
                                      struct error *error);

#endif
