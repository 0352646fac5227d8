#include "data/prepare.h"

#include "base/file.h"
#include "base/machine.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/directory_lock.h"
#include "data/manifest.h"
#include "data/pipeline.h"
#include "data/text_block.h"

#include <stdlib.h>
#include <string.h>

enum { TRAIN, VALID };

/* One of the two datasets while it is written. */
struct output {
    struct dataset_writer *writer;
    uint64_t documents, sentences, tokens;
    bool document_open; /* some of its sentences are written */
};

struct preparation {
    const char *directory;
    const struct tokenizer *tokenizer;
    const struct prepare_options *options;
    struct corpus_files files[2];

    struct corpus_reader *reader; /* used by the reading thread */
    struct holdout holdout;
    struct text_encoder *encoders; /* [threads] */
    struct text_block *blocks;     /* [pipeline_items(threads)] */

    struct output outputs[2]; /* used by the writing thread, and what follows */
    uint64_t unknown_tokens;
    uint64_t bytes;        /* of text */
    double started, shown; /* machine_seconds */
    struct log *log;
};

/* ---- files ---- */

static bool expand_files(struct preparation *preparation, struct error *error)
{
    const struct prepare_options *options = preparation->options;
    struct corpus_files *train = &preparation->files[TRAIN], *valid = &preparation->files[VALID];
    if (!corpus_files_expand(train, options->train, options->train_count, error) ||
        !corpus_files_expand(valid, options->valid, options->valid_count, error))
        return false;
    if (train->count == 0)
        return fail_input(error, "there are no files to prepare");
    for (size_t i = 0; i < valid->count; i++)
        for (size_t j = 0; j < train->count; j++)
            if (strcmp(valid->paths[i], train->paths[j]) == 0)
                return fail_input(error, "%s: is given both for training and as held out",
                                  valid->paths[i]);
    return true;
}

/* ---- the pipeline ---- */

static bool read_block(void *context, void *item, bool *end, struct error *error)
{
    struct preparation *preparation = context;
    return text_block_read(item, preparation->reader, &preparation->holdout, end, error);
}

static bool encode_block(void *context, int thread, void *item, struct error *error)
{
    struct preparation *preparation = context;
    return text_block_encode(item, &preparation->encoders[thread], error);
}

/* Writes the block's sentences [first, last). */
static bool write_sentences(struct output *output, const struct text_block *block, size_t first,
                            size_t last, struct error *error)
{
    for (size_t i = first; i < last; i++) {
        size_t start = i ? block->sentence_ends[i - 1] : 0;
        size_t count = block->sentence_ends[i] - start;
        if (!dataset_writer_sentence(output->writer, block->ids + start, count, error))
            return false;
        output->tokens += count;
    }
    output->sentences += last - first;
    output->document_open |= last > first;
    return true;
}

static bool end_document(struct output *output, struct error *error)
{
    output->documents += output->document_open;
    output->document_open = false;
    return dataset_writer_document(output->writer, error);
}

static uint64_t count_unknown(const struct preparation *preparation, const struct text_block *block)
{
    const struct vocabulary *vocabulary = tokenizer_vocabulary(preparation->tokenizer);
    int32_t unknown = vocabulary_special(vocabulary, SPECIAL_UNK);
    uint64_t count = 0;
    for (size_t i = 0; i < block->id_count; i++)
        count += block->ids[i] == unknown;
    return count;
}

static void show_progress(struct preparation *preparation)
{
    const double interval = 0.2;
    double now = machine_seconds();
    if (now - preparation->shown < interval)
        return;
    preparation->shown = now;
    log_live(preparation->log, "preparing %s: %s of text, %.1f MB/s", preparation->directory,
             format_bytes(preparation->bytes).text,
             (double)preparation->bytes / 1e6 / (now - preparation->started));
}

static bool write_block(void *context, void *item, struct error *error)
{
    struct preparation *preparation = context;
    const struct text_block *block = item;
    size_t first = 0;
    for (size_t i = 0; i < block->piece_count; i++) {
        const struct text_piece *piece = &block->pieces[i];
        struct output *output = &preparation->outputs[piece->held_out ? VALID : TRAIN];
        if (!write_sentences(output, block, first, piece->sentences_end, error) ||
            (piece->ends_document && !end_document(output, error)))
            return false;
        first = piece->sentences_end;
    }
    preparation->unknown_tokens += count_unknown(preparation, block);
    preparation->bytes += block->size;
    show_progress(preparation);
    return true;
}

static void add_counts(struct corpus_counts *sum, const struct corpus_counts *counts)
{
    if (sum->invalid_utf8 == 0)
        memcpy(sum->first_invalid, counts->first_invalid, sizeof sum->first_invalid);
    sum->bytes += counts->bytes;
    sum->lines += counts->lines;
    sum->documents += counts->documents;
    sum->invalid_utf8 += counts->invalid_utf8;
}

/* Prepares a list of files, holding out this fraction of the documents. */
static bool run_files(struct preparation *preparation, const struct corpus_files *files,
                      double fraction, struct corpus_counts *counts, struct error *error)
{
    int threads = preparation->options->threads;
    preparation->holdout = (struct holdout){.fraction = fraction};
    preparation->reader = corpus_reader_open(files, preparation->options->strict, error);
    if (!preparation->reader)
        return false;
    const struct pipeline pipeline = {
        .context = preparation,
        .read = read_block,
        .work = encode_block,
        .write = write_block,
        .items = preparation->blocks,
        .item_count = pipeline_items(threads),
        .item_size = sizeof *preparation->blocks,
        .threads = threads,
    };
    bool done = pipeline_run(&pipeline, error);
    add_counts(counts, corpus_reader_counts(preparation->reader));
    corpus_reader_close(preparation->reader);
    return done;
}

/* ---- memory and writers ---- */

static bool open_threads(struct preparation *preparation, struct error *error)
{
    size_t threads = (size_t)preparation->options->threads;
    bool split = preparation->options->sentences == SENTENCES_SPLIT;
    size_t blocks = pipeline_items(preparation->options->threads);
    preparation->encoders = allocate(threads, sizeof *preparation->encoders, error);
    preparation->blocks = allocate(blocks, sizeof *preparation->blocks, error);
    if (!preparation->encoders || !preparation->blocks)
        return false;
    for (size_t i = 0; i < threads; i++)
        if (!text_encoder_open(&preparation->encoders[i], preparation->tokenizer, split, error))
            return false;
    return true;
}

static void close_threads(struct preparation *preparation)
{
    for (int i = 0; preparation->encoders && i < preparation->options->threads; i++)
        text_encoder_close(&preparation->encoders[i]);
    for (size_t i = 0; preparation->blocks && i < pipeline_items(preparation->options->threads);
         i++)
        text_block_free(&preparation->blocks[i]);
    free(preparation->encoders);
    free(preparation->blocks);
}

static bool open_writers(struct preparation *preparation, struct error *error)
{
    /* 128 MB of 16-bit ids: few files for a large corpus, and little lost when one is damaged. */
    const uint64_t shard_tokens = 64 << 20;
    const struct vocabulary *vocabulary = tokenizer_vocabulary(preparation->tokenizer);
    for (int i = 0; i < 2; i++) {
        preparation->outputs[i].writer = dataset_writer_open(
            preparation->directory, dataset_prefixes[i], vocabulary_size(vocabulary),
            vocabulary_hash(vocabulary), shard_tokens, error);
        if (!preparation->outputs[i].writer)
            return false;
    }
    return true;
}

/* Frees the writers; on failure, and when there is nothing to be completed, `done` is false. */
static bool close_writers(struct preparation *preparation, bool done, struct error *error)
{
    for (int i = 0; i < 2; i++)
        if (done)
            done = dataset_writer_close(preparation->outputs[i].writer, error);
        else
            dataset_writer_abandon(preparation->outputs[i].writer);
    return done;
}

/* ---- one preparation ---- */

static bool run_both(struct preparation *preparation, struct corpus_counts *counts,
                     struct error *error)
{
    const struct prepare_options *options = preparation->options;
    double fraction = options->valid_count ? 0 : options->valid_fraction;
    bool done = open_threads(preparation, error) && open_writers(preparation, error) &&
                run_files(preparation, &preparation->files[TRAIN], fraction, counts, error) &&
                run_files(preparation, &preparation->files[VALID], 1, counts, error);
    close_threads(preparation);
    return close_writers(preparation, done, error);
}

static bool check_outputs(const struct preparation *preparation, struct error *error)
{
    const struct prepare_options *options = preparation->options;
    uint64_t train = preparation->outputs[TRAIN].documents;
    uint64_t valid = preparation->outputs[VALID].documents;
    if (train == 0 && valid > 0 && options->valid_count == 0)
        return fail_input(error,
                          "all %s documents were held out (valid_fraction %g): none is left for "
                          "training",
                          format_count(valid).text, options->valid_fraction);
    if (train == 0)
        return fail_input(error, "there is no text in %s%s", preparation->files[TRAIN].paths[0],
                          preparation->files[TRAIN].count > 1 ? " and the other files" : "");
    if (valid == 0 && options->valid_count > 0)
        return fail_input(error, "there is no text in the held-out files: %s%s",
                          preparation->files[VALID].paths[0],
                          preparation->files[VALID].count > 1 ? " and the others" : "");
    uint64_t tokens = preparation->outputs[TRAIN].tokens + preparation->outputs[VALID].tokens;
    if (preparation->unknown_tokens == tokens)
        return fail_input(error,
                          "all %s tokens of the text are [UNK]: the vocabulary is not one of this "
                          "language or script",
                          format_count(tokens).text);
    return true;
}

static void summarize(const struct preparation *preparation, const struct corpus_counts *counts,
                      struct prepare_summary *summary)
{
    const struct output *train = &preparation->outputs[TRAIN],
                        *valid = &preparation->outputs[VALID];
    *summary = (struct prepare_summary){
        .counts = *counts,
        .train_documents = train->documents,
        .train_sentences = train->sentences,
        .train_tokens = train->tokens,
        .valid_documents = valid->documents,
        .valid_sentences = valid->sentences,
        .valid_tokens = valid->tokens,
        .unknown_tokens = preparation->unknown_tokens,
        .seconds = machine_seconds() - preparation->started,
    };
}

static void log_summary(const struct preparation *preparation,
                        const struct prepare_summary *summary)
{
    struct log *log = preparation->log;
    /* One in ten is far more than a vocabulary of the text's own language leaves. */
    enum { MUCH_UNKNOWN = 10 };
    uint64_t tokens = summary->train_tokens + summary->valid_tokens;
    log_line(log,
             "prepared %s: %s documents, %s sentences, %s tokens (%.3f %% [UNK]); held out %s "
             "documents, %s tokens; %s, %.1f MB/s",
             path_shown(preparation->directory),
             format_count(summary->train_documents + summary->valid_documents).text,
             format_count(summary->train_sentences + summary->valid_sentences).text,
             format_count(tokens).text, 100.0 * (double)summary->unknown_tokens / (double)tokens,
             format_count(summary->valid_documents).text, format_count(summary->valid_tokens).text,
             format_duration(summary->seconds).text,
             (double)preparation->bytes / 1e6 / summary->seconds);
    if (summary->counts.invalid_utf8 > 0)
        log_warning(log, "%s ill-formed UTF-8 sequences were read as U+FFFD, the first at %s",
                    format_count(summary->counts.invalid_utf8).text, summary->counts.first_invalid);
    if (summary->unknown_tokens > tokens / MUCH_UNKNOWN)
        log_warning(log, "%.1f %% of the tokens are [UNK]: does the vocabulary suit the text?",
                    100.0 * (double)summary->unknown_tokens / (double)tokens);
    if (preparation->options->valid_fraction > 0 && summary->valid_documents == 0)
        log_warning(log, "no document was held out: valid_fraction %g of %s documents",
                    preparation->options->valid_fraction,
                    format_count(summary->train_documents).text);
}

static bool prepare_anew(struct preparation *preparation, struct prepare_summary *summary,
                         struct error *error)
{
    struct corpus_counts counts = {0};
    preparation->started = machine_seconds();
    if (!manifest_clear(preparation->directory, error) || !run_both(preparation, &counts, error) ||
        !check_outputs(preparation, error))
        return false;
    summarize(preparation, &counts, summary);
    log_summary(preparation, summary);
    return true;
}

/* With the directory locked and the files known. */
static bool prepare_if_stale(struct preparation *preparation, struct prepare_summary *summary,
                             struct error *error)
{
    const char *directory = preparation->directory;
    json_t *made_from =
        manifest_describe(preparation->tokenizer, preparation->options, &preparation->files[TRAIN],
                          &preparation->files[VALID], error);
    if (!made_from)
        return false;
    char reason[1024];
    bool done = manifest_matches(directory, made_from, summary, reason, sizeof reason);
    if (!done) {
        if (reason[0])
            log_line(preparation->log, "preparing %s anew: %s", directory, reason);
        done = prepare_anew(preparation, summary, error) &&
               manifest_write(directory, made_from, summary, error);
    }
    json_decref(made_from);
    return done;
}

bool prepare_dataset(const char *directory, const struct tokenizer *tokenizer,
                     const struct prepare_options *options, struct prepare_summary *summary,
                     struct log *log, struct error *error)
{
    CHECK(options->threads > 0 && options->valid_fraction >= 0 && options->valid_fraction < 1);
    struct preparation preparation = {
        .directory = directory, .tokenizer = tokenizer, .options = options, .log = log};
    struct directory_lock lock;
    bool done = expand_files(&preparation, error) && directory_make(directory, error) &&
                directory_lock_take(&lock, directory, error);
    if (done) {
        done = prepare_if_stale(&preparation, summary, error);
        directory_lock_release(&lock);
    }
    corpus_files_free(&preparation.files[TRAIN]);
    corpus_files_free(&preparation.files[VALID]);
    return done;
}
