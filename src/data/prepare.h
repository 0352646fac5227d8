/* Text to token shards: reads documents, splits sentences, encodes on all threads, writes in the
 * order of the text. Memory does not depend on the size of the corpus, and the shards do not depend
 * on the number of threads. */
#ifndef CLOZE_DATA_PREPARE_H
#define CLOZE_DATA_PREPARE_H

#include "base/log.h"
#include "data/corpus.h"
#include "text/tokenizer.h"

enum sentence_mode { SENTENCES_SPLIT, SENTENCES_LINE };

struct prepare_options {
    const char *const *train; /* files or patterns */
    size_t train_count;
    const char *const *valid; /* held-out files; none: valid_fraction */
    size_t valid_count;
    double valid_fraction; /* of the documents of `train`, in [0, 1); ignored with `valid` */
    enum sentence_mode sentences;
    bool strict; /* invalid UTF-8 is an error */
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
 * from: format version, settings, vocabulary hash, tokenizer options, every input file's path, size
 * and modification time. A directory whose manifest matches is left as it is; one that does not is
 * prepared anew, with a log line that says why.
 *
 * With valid_fraction, a document is held out if the hash of its text falls into that fraction of
 * all hashes (XXH3; of a document longer than 256 KiB, of its first lines that fit in there): equal
 * documents are on the same side, whatever else the corpus holds. A corpus without documents, or
 * with none left for training, is an error, and so is a file that is both in train and in valid. A
 * directory that another process is preparing is refused with that process's number.
 *
 * After a failure the directory has no manifest, so the next call starts anew. */
bool prepare_dataset(const char *directory, const struct tokenizer *tokenizer,
                     const struct prepare_options *options, struct prepare_summary *summary,
                     struct log *log, struct error *error);

/* Trains a vocabulary on files, reading and counting on all threads. The caller owns it. */
struct vocabulary *prepare_vocabulary(const char *const *files, size_t count, int32_t size,
                                      struct tokenizer_options options, bool strict, int threads,
                                      struct log *log, struct error *error);

#endif
