#include "data/prepare.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/machine.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/directory_lock.h"
#include "data/manifest.h"
#include "data/pipeline.h"
#include "data/text_block.h"
#include "text/text_encoder.h"

#include <stdlib.h>
#include <string.h>

enum { TRAIN, VALID };

/* One of the two datasets while it is written. */
struct output {
    struct dataset_writer *writer;
    uint64_t documents, sentences, tokens;
    bool document_open;       /* some of its sentences are written */
    uint64_t before;          /* sentences before that document; */
    uint64_t short_documents; /* those of at most SHORT_DOCUMENT sentences */
};

struct preparation {
    const char *directory;
    const struct tokenizer *tokenizer;
    const struct prepare_options *options;
    struct corpus_files files[2];

    struct corpus_reader *reader; /* used by the reading thread */
    struct holdout holdout;
    struct block_encoder *encoders; /* [threads] */
    struct text_block *blocks;      /* [pipeline_items(threads)] */

    int reading;                    /* TRAIN or VALID: which of the files are read */
    struct corpus_counts counts[2]; /* of what was read of each */

    struct output outputs[2]; /* used by the writing thread, and what follows */
    uint64_t unknown_tokens;
    uint64_t characters;              /* as text_block has them */
    struct text_encoder_loss loss[2]; /* those of each of the files that became [UNK] */
    uint64_t bytes;                   /* of text */
    double started, shown;            /* machine_seconds */
    struct log *log;
};

/* ---- files ---- */

static bool check_apart(const struct corpus_files *train, const struct corpus_files *valid,
                        struct error *error)
{
    for (size_t i = 0; i < valid->count; i++)
        for (size_t j = 0; j < train->count; j++)
            if (path_same_file(valid->paths[i], train->paths[j]))
                return fail_input(error, "%s: is given both as training text and as held-out text",
                                  valid->paths[i]);
    return true;
}

/* A pattern that matches what was prepared would take it for text the next time. */
static bool check_not_prepared(const char *directory, const struct corpus_files *files,
                               struct error *error)
{
    for (size_t i = 0; i < files->count; i++)
        if (manifest_is_prepared(directory, files->paths[i]))
            return fail_input(error,
                              "%s: is prepared data, not text; choose another directory for the "
                              "data, or a narrower pattern",
                              files->paths[i]);
    return true;
}

static bool expand_files(struct preparation *preparation, struct error *error)
{
    const struct prepare_options *options = preparation->options;
    struct corpus_files *train = &preparation->files[TRAIN], *valid = &preparation->files[VALID];
    if (!corpus_files_expand(train, options->train, options->train_count, error) ||
        !corpus_files_expand(valid, options->valid, options->valid_count, error))
        return false;
    if (train->count == 0)
        return fail_input(error, "there are no files to prepare");
    return check_apart(train, valid, error) &&
           check_not_prepared(preparation->directory, train, error) &&
           check_not_prepared(preparation->directory, valid, error);
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

enum { SHORT_DOCUMENT = 2 }; /* sentences */

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
    output->short_documents +=
        output->document_open && output->sentences - output->before <= SHORT_DOCUMENT;
    output->before = output->sentences;
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
    log_live(preparation->log, "preparing the data: %s of text, %.1f MB/s",
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
    preparation->characters += block->characters;
    struct text_encoder_loss *loss = &preparation->loss[preparation->reading];
    loss->characters += block->loss.characters;
    loss->long_words += block->loss.long_words;
    preparation->bytes += block->size;
    show_progress(preparation);
    return true;
}

/* Prepares the files of TRAIN or VALID, holding out this fraction of the documents. */
static bool run_files(struct preparation *preparation, int which, double fraction,
                      struct error *error)
{
    int threads = preparation->options->threads;
    preparation->reading = which;
    preparation->holdout = (struct holdout){.fraction = fraction};
    preparation->reader =
        corpus_reader_open(&preparation->files[which], preparation->options->text_field,
                           preparation->options->strict, error);
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
    preparation->counts[which] = *corpus_reader_counts(preparation->reader);
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
        if (!block_encoder_open(&preparation->encoders[i], preparation->tokenizer, split, error))
            return false;
    return true;
}

static void close_threads(struct preparation *preparation)
{
    for (int i = 0; preparation->encoders && i < preparation->options->threads; i++)
        block_encoder_close(&preparation->encoders[i]);
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

/* Both datasets from the beginning, holding out this fraction of the training files' documents. */
static bool run_both(struct preparation *preparation, double fraction, struct error *error)
{
    memset(preparation->outputs, 0, sizeof preparation->outputs);
    preparation->unknown_tokens = preparation->characters = preparation->bytes = 0;
    memset(preparation->loss, 0, sizeof preparation->loss);
    bool done = manifest_clear(preparation->directory, error) && open_threads(preparation, error) &&
                open_writers(preparation, error) &&
                run_files(preparation, TRAIN, fraction, error) &&
                run_files(preparation, VALID, 1, error);
    close_threads(preparation);
    return close_writers(preparation, done, error);
}

/* Whether the fraction leaves one of the datasets too small to be used: what a hash decides may
 * hold out one of 72 documents, or all three. */
static bool is_too_small(const struct preparation *preparation)
{
    uint64_t min = (uint64_t)preparation->options->min_documents;
    uint64_t train = preparation->outputs[TRAIN].documents;
    uint64_t valid = preparation->outputs[VALID].documents;
    return valid > 0 && (valid < min || train < min || train == 0);
}

static bool run_with_enough(struct preparation *preparation, struct error *error)
{
    const struct prepare_options *options = preparation->options;
    double fraction = options->valid_count ? 0 : options->valid_fraction;
    if (!run_both(preparation, fraction, error))
        return false;
    if (fraction <= 0 || !is_too_small(preparation))
        return true;
    log_line(preparation->log, "too few documents to hold some out: reading the text again");
    return run_both(preparation, 0, error);
}

static bool check_outputs(const struct preparation *preparation, struct error *error)
{
    const struct prepare_options *options = preparation->options;
    uint64_t train = preparation->outputs[TRAIN].documents;
    uint64_t valid = preparation->outputs[VALID].documents;
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
                          "all %s tokens of the text are [UNK]: the vocabulary does not fit this "
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
    summary->counts.paragraphs = 0; /* the manifest does not keep it */
}

/* A long word is one token, however much of the text it is: both shares count. */
static void log_loss(const struct preparation *preparation, const struct prepare_summary *summary)
{
    /* Percent: more than a vocabulary of the text's own language leaves. */
    const double much = 1;
    const struct text_encoder_loss *train = &preparation->loss[TRAIN];
    const struct text_encoder_loss *valid = &preparation->loss[VALID];
    uint64_t long_words =
        valid->long_words + (preparation->options->train_said ? 0 : train->long_words);
    double tokens = 100.0 * (double)summary->unknown_tokens /
                    (double)(summary->train_tokens + summary->valid_tokens);
    double text =
        100.0 * (double)(train->characters + valid->characters) / (double)preparation->characters;
    if (tokens > much || text > much)
        log_warning(preparation->log,
                    "%.1f %% of the text (%.1f %% of the tokens) is lost as [UNK]", text, tokens);
    if (long_words)
        log_warning(preparation->log, "%s over %d characters became [UNK]; split such text first",
                    format_number_of(long_words, "word").text, WORD_MAX_CHARACTERS);
}

/* Of a book whose paragraphs stand apart, each is a document: hardly any pair of sentences is of
 * one. */
static void say_documents(const struct preparation *preparation, uint64_t paragraphs)
{
    enum { SOME = 100 }; /* documents; of fewer nothing is concluded */
    const struct output *train = &preparation->outputs[TRAIN],
                        *valid = &preparation->outputs[VALID];
    uint64_t documents = train->documents + valid->documents;
    uint64_t few = train->short_documents + valid->short_documents;
    if (documents >= SOME && few > documents / 2 && paragraphs > documents / 2)
        log_line(preparation->log,
                 "blank lines end documents: most of them have at most %d sentences\n"
                 "  for one document a file: sed '/^[[:space:]]*$/d' IN > OUT",
                 SHORT_DOCUMENT);
}

static void log_summary(const struct preparation *preparation,
                        const struct prepare_summary *summary)
{
    struct log *log = preparation->log;
    uint64_t tokens = summary->train_tokens + summary->valid_tokens;
    uint64_t documents = summary->train_documents + summary->valid_documents;
    uint64_t sentences = summary->train_sentences + summary->valid_sentences;
    log_line(log, "prepared %s, %s,", format_number_of(documents, "document").text,
             format_number_of(sentences, "sentence").text);
    log_line(log, "  %s (%.3f %% [UNK]) in %s, %.1f MB/s", format_number_of(tokens, "token").text,
             100.0 * (double)summary->unknown_tokens / (double)tokens,
             format_duration(summary->seconds).text,
             (double)preparation->bytes / 1e6 / summary->seconds);
    if (summary->valid_documents)
        log_line(log, "  held out of them: %s, %s",
                 format_number_of(summary->valid_documents, "document").text,
                 format_number_of(summary->valid_tokens, "token").text);
    log_loss(preparation, summary);
}

static bool prepare_again(struct preparation *preparation, struct prepare_summary *summary,
                          struct error *error)
{
    preparation->started = machine_seconds();
    if (!run_with_enough(preparation, error))
        return false;
    struct corpus_counts counts = preparation->counts[TRAIN];
    corpus_counts_add(&counts, &preparation->counts[VALID]);
    /* Before the check: of what was skipped, there may be nothing left. */
    corpus_counts_say(preparation->options->train_said ? &preparation->counts[VALID] : &counts,
                      preparation->log);
    if (!check_outputs(preparation, error))
        return false;
    summarize(preparation, &counts, summary);
    log_summary(preparation, summary);
    say_documents(preparation, counts.paragraphs);
    return true;
}

static bool fail_other_text(const struct preparation *preparation, const char *reason,
                            struct error *error)
{
    return fail_input(error,
                      "%s was prepared from other text: %s; give the same text again, or start "
                      "another run with another output (--set output=DIR)",
                      path_shown(preparation->directory), reason);
}

/* Shards that the manifest vouches for stand for text that is gone; `error` says what is gone. */
static bool do_without_text(struct preparation *preparation, struct prepare_summary *summary,
                            struct error *error)
{
    struct error ignored = {0};
    char reason[1024];
    json_t *made_from = manifest_describe(preparation->directory, preparation->tokenizer,
                                          preparation->options, NULL, &ignored);
    bool whole = made_from && manifest_compare(preparation->directory, made_from, summary, reason,
                                               sizeof reason) == MANIFEST_MATCHES;
    const bool described = made_from;
    json_decref(made_from);
    if (described && !whole) {
        const struct error gone = *error;
        fail_input(error, "%s; the data prepared from it in %s cannot be used instead: %s",
                   gone.message, path_shown(preparation->directory),
                   reason[0] ? reason : "manifest.json is missing");
    }
    if (!whole)
        return false;
    log_line(preparation->log, "%s; going on with the data in %s, which are whole", error->message,
             path_shown(preparation->directory));
    *error = (struct error){0};
    return true;
}

/* Whether the shards with this prefix are whole; *hash and the numbers are theirs. */
static bool measure_shards(const struct preparation *preparation, const char *prefix,
                           uint64_t *hash, uint64_t numbers[3])
{
    struct error ignored = {0};
    const struct vocabulary *vocabulary = tokenizer_vocabulary(preparation->tokenizer);
    struct dataset *dataset =
        dataset_open(preparation->directory, prefix, vocabulary_size(vocabulary),
                     vocabulary_hash(vocabulary), &ignored);
    if (!dataset)
        return false;
    *hash = dataset_hash(dataset);
    numbers[0] = dataset_documents(dataset);
    numbers[1] = dataset_sentences(dataset);
    numbers[2] = dataset_tokens(dataset);
    dataset_close(dataset);
    return true;
}

/* Where the manifest cannot tell: whether the shards are those of the run that goes on, whose text
 * may have changed since. Made from that, they would be lost. */
static bool has_run_shards(const struct preparation *preparation, struct prepare_summary *summary)
{
    const struct prepare_options *options = preparation->options;
    bool held_out = options->valid_count || options->valid_fraction > 0;
    uint64_t hash, valid_hash, train[3], valid[3] = {0};
    if (!options->continued || !options->run_hashes.train ||
        !measure_shards(preparation, dataset_prefixes[TRAIN], &hash, train) ||
        hash != options->run_hashes.train ||
        (held_out && !measure_shards(preparation, dataset_prefixes[VALID], &valid_hash, valid)) ||
        (held_out && options->run_hashes.held_out && valid_hash != options->run_hashes.held_out))
        return false;
    *summary = (struct prepare_summary){
        .train_documents = train[0],
        .train_sentences = train[1],
        .train_tokens = train[2],
        .valid_documents = valid[0],
        .valid_sentences = valid[1],
        .valid_tokens = valid[2],
    };
    return true;
}

/* With the directory locked and the files known. */
static bool prepare_if_stale(struct preparation *preparation, struct prepare_summary *summary,
                             struct error *error)
{
    const char *directory = preparation->directory;
    json_t *made_from = manifest_describe(directory, preparation->tokenizer, preparation->options,
                                          preparation->files, error);
    if (!made_from)
        return false;
    char reason[1024];
    enum manifest_state state =
        manifest_compare(directory, made_from, summary, reason, sizeof reason);
    bool done = state == MANIFEST_MATCHES;
    if (state == MANIFEST_OTHER_TEXT && preparation->options->continued)
        fail_other_text(preparation, reason, error);
    else if (!done && has_run_shards(preparation, summary)) {
        log_warning(preparation->log, "going on with the shards, which are those of the run:\n  %s",
                    reason[0] ? reason : "they have no manifest");
        if (summary->valid_documents && !preparation->options->run_hashes.held_out)
            log_warning(preparation->log, "held-out text: the run has no record of what it was;\n"
                                          "  the shards may have been made from other text");
        done = true;
    } else if (!done) {
        if (reason[0])
            log_line(preparation->log, "preparing the data again:\n  %s", reason);
        done = prepare_again(preparation, summary, error) &&
               manifest_write(directory, made_from, summary, error);
    }
    json_decref(made_from);
    return done;
}

static bool prepare_locked(struct preparation *preparation, struct prepare_summary *summary,
                           struct error *error)
{
    if (expand_files(preparation, error))
        return prepare_if_stale(preparation, summary, error);
    return preparation->options->continued && error->kind == ERROR_INPUT &&
           do_without_text(preparation, summary, error);
}

/* What is refused must not leave a directory: without a run that goes on, the files come first. */
static bool lock_and_prepare(struct preparation *preparation, struct prepare_summary *summary,
                             struct error *error)
{
    struct directory_lock lock;
    if (!directory_make(preparation->directory, error) ||
        !directory_lock_take(&lock, preparation->directory, error))
        return false;
    bool done = prepare_locked(preparation, summary, error);
    directory_lock_release(&lock);
    return done;
}

static void free_files(struct preparation *preparation)
{
    corpus_files_free(&preparation->files[TRAIN]);
    corpus_files_free(&preparation->files[VALID]);
}

bool prepare_dataset(const char *directory, const struct tokenizer *tokenizer,
                     const struct prepare_options *options, struct prepare_summary *summary,
                     struct log *log, struct error *error)
{
    CHECK(options->threads > 0 && options->valid_fraction >= 0 && options->valid_fraction < 1);
    struct preparation preparation = {
        .directory = directory, .tokenizer = tokenizer, .options = options, .log = log};
    bool done = (options->continued || expand_files(&preparation, error)) &&
                manifest_check_own(directory, error);
    free_files(&preparation);
    done = done && lock_and_prepare(&preparation, summary, error);
    free_files(&preparation);
    return done;
}
