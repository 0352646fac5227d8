/* Prepares token shards from text: reads documents, splits them into sentences, encodes these on
 * all threads and writes them in the order of the text. Memory does not depend on the size of the
 * corpus, and the shards do not depend on the number of threads. */
#ifndef CLOZE_DATA_PREPARE_H
#define CLOZE_DATA_PREPARE_H

#include "base/log.h"
#include "data/corpus.h"
#include "text/tokenizer.h"

enum sentence_mode { SENTENCES_SPLIT, SENTENCES_LINE };

/* The min number of documents for sentence pairs: a B that does not follow A is from another
 * document. */
enum { PAIR_DOCUMENTS = 2 };

/* The dataset_hash of the training shards and of the held-out shards; 0: unknown, or there are no
 * such shards. */
struct data_hashes {
    uint64_t train, held_out;
};

struct prepare_options {
    const char *const *train; /* files or patterns */
    size_t train_count;
    const char *const *valid; /* held-out files; without any, valid_fraction is used */
    size_t valid_count;
    double valid_fraction; /* fraction of the documents of `train` that is held out, in [0, 1);
                              ignored with `valid` */
    int min_documents;     /* min documents of each dataset: if the fraction would hold out or leave
                              fewer, nothing is held out */
    enum sentence_mode sentences;
    struct text_field text_field;  /* field of a JSON record; a name of NULL: CORPUS_TEXT_FIELD */
    bool strict;                   /* whether invalid UTF-8 is an error */
    bool train_logged;             /* whether prepare_vocabulary has logged the notes on `train` */
    bool continued;                /* whether the shards are those of a run that is resumed */
    struct data_hashes run_hashes; /* with `continued`: the hashes of that run's shards */
    int threads;
};

struct prepare_summary {
    struct corpus_counts counts; /* counts of all files */

    /* Counts of the shards, which lack documents and sentences that are empty when normalized. */
    uint64_t train_documents, train_sentences, train_tokens;
    uint64_t valid_documents, valid_sentences, valid_tokens;
    uint64_t unknown_tokens; /* number of [UNK] in train and valid */

    double seconds; /* duration of the work; 0 when nothing had to be done */
};

/* Prepares `directory`, which is made if it does not exist: train-NNNNN.shard, valid-NNNNN.shard
 * (unless nothing is held out) and manifest.json. The manifest is written last and describes what
 * the shards were made from: format version, settings, vocabulary hash, tokenizer options, and the
 * contents of every input file (data/file_contents.h). A directory whose manifest matches is not
 * changed; any other directory is prepared again, with a log line that says why. If that would
 * replace a file that is not prepared data, it is an error.
 *
 * With `continued`, it is an error if the input files hold other text than the shards were made
 * from, and nothing is changed. If the files are missing, complete shards are used without them,
 * with a log line. If the manifest is missing or stale, shards that have the run_hashes are used,
 * with a warning; another warning is logged if the hash of the held-out shards is unknown.
 *
 * With valid_fraction, a document is held out if the hash of its text is in the lowest such
 * fraction of all hashes (XXH3; if it is longer than 256 KiB, the hash of its first lines up to
 * that size). So equal documents are on the same side in any corpus. A corpus without documents is
 * an error, and so is a file that is in both train and valid, also under different names. If
 * another process is preparing the directory, the error has the number of that process.
 *
 * After a failure the directory has no manifest, so the next call starts from the beginning. */
bool prepare_dataset(const char *directory, const struct tokenizer *tokenizer,
                     const struct prepare_options *options, struct prepare_summary *summary,
                     struct log *log, struct error *error);

struct vocabulary_request {
    const char *const *files; /* files or patterns */
    size_t count;
    int32_t size; /* number of tokens */
    struct tokenizer_options options;
    size_t limit_alphabet;           /* max characters; 0: the rule in text/vocabulary_trainer.h */
    const struct vocabulary *extend; /* the first tokens; NULL: only the special ones */
    size_t memory;                   /* max bytes; 0: most of the available memory */
    struct text_field text_field;    /* field of a JSON record; a name of NULL: CORPUS_TEXT_FIELD */
    bool strict;                     /* whether invalid UTF-8 is an error */
    int threads;
};

/* Trains a vocabulary on files; reads and counts on all threads. Logs how many characters, rare
 * words and long words are left out, and the number of tokens if there are fewer than requested.
 * The caller owns the vocabulary. */
struct vocabulary *prepare_vocabulary(const struct vocabulary_request *request, struct log *log,
                                      struct error *error);

#endif
