#include "data/prepare.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/format.h"
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
    bool document_open;       /* whether sentences of the current document have been written */
    uint64_t before;          /* number of sentences before the current document */
    uint64_t short_documents; /* number of documents of at most SHORT_DOCUMENT sentences */
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

    int reading;                    /* the files that are read: TRAIN or VALID */
    struct corpus_counts counts[2]; /* counts of both kinds of files */

    /* Used by the writing thread: */
    struct output outputs[2];
    uint64_t unknown_tokens;
    uint64_t characters;              /* number of characters of all blocks */
    struct text_encoder_loss loss[2]; /* text of both kinds of files that became [UNK] */
    uint64_t bytes;                   /* bytes of text */
    double started, shown; /* machine_seconds of the start and of the last progress line */
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

/* Checks that no input file is prepared data of the directory: a pattern may match them. */
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

/* Prepares the files of TRAIN or VALID and holds out this fraction of the documents. */
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
    preparation->encoders = NULL;
    preparation->blocks = NULL;
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

/* Frees the writers; completes the shards if `done` is true, and removes incomplete ones if not. */
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

/* Prepares both datasets from the beginning and holds out this fraction of the training files'
 * documents. */
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

/* Returns whether one of the datasets is too small to be used: hashes may hold out 1 document of
 * 72, or 3 of 3. */
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

/* Warns if much of the text became [UNK]: of its characters or of its tokens, because a long word
 * is many characters but one token. */
static void log_loss(const struct preparation *preparation, const struct prepare_summary *summary)
{
    /* Percent; a vocabulary of the text's own language loses less. */
    const double limit = 1;
    const struct text_encoder_loss *train = &preparation->loss[TRAIN];
    const struct text_encoder_loss *valid = &preparation->loss[VALID];
    uint64_t long_words =
        valid->long_words + (preparation->options->train_logged ? 0 : train->long_words);
    double tokens = 100.0 * (double)summary->unknown_tokens /
                    (double)(summary->train_tokens + summary->valid_tokens);
    double text =
        100.0 * (double)(train->characters + valid->characters) / (double)preparation->characters;
    if (tokens > limit || text > limit)
        log_warning(preparation->log,
                    "%.1f %% of the text (%.1f %% of the tokens) is lost as [UNK]", text, tokens);
    if (long_words)
        log_warning(preparation->log, "%s over %d characters became [UNK]; split such text first",
                    format_number_of(long_words, "word").text, WORD_MAX_CHARACTERS);
}

/* Tells the user if blank lines make documents short. If they separate the paragraphs of a book,
 * each paragraph is a document, and few pairs of sentences are of the same document. */
static void log_short_documents(const struct preparation *preparation, uint64_t paragraphs)
{
    enum { MIN_DOCUMENTS = 100 }; /* fewer documents prove nothing */
    const struct output *train = &preparation->outputs[TRAIN],
                        *valid = &preparation->outputs[VALID];
    uint64_t documents = train->documents + valid->documents;
    uint64_t short_documents = train->short_documents + valid->short_documents;
    if (documents >= MIN_DOCUMENTS && short_documents > documents / 2 && paragraphs > documents / 2)
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
    /* Before the check, because the skipped members may be why there is no text. */
    corpus_counts_log(preparation->options->train_logged ? &preparation->counts[VALID] : &counts,
                      preparation->log);
    if (!check_outputs(preparation, error))
        return false;
    summarize(preparation, &counts, summary);
    log_summary(preparation, summary);
    log_short_documents(preparation, counts.paragraphs);
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

/* Returns whether the shards with this prefix are complete and valid. Sets *hash to their hash and
 * `counts` to their numbers of documents, sentences and tokens. */
static bool measure_shards(const struct preparation *preparation, const char *prefix,
                           uint64_t *hash, uint64_t counts[3])
{
    struct error ignored = {0};
    const struct vocabulary *vocabulary = tokenizer_vocabulary(preparation->tokenizer);
    struct dataset *dataset =
        dataset_open(preparation->directory, prefix, vocabulary_size(vocabulary),
                     vocabulary_hash(vocabulary), &ignored);
    if (!dataset)
        return false;
    *hash = dataset_hash(dataset);
    counts[0] = dataset_documents(dataset);
    counts[1] = dataset_sentences(dataset);
    counts[2] = dataset_tokens(dataset);
    dataset_close(dataset);
    return true;
}

/* Returns whether the run has held-out shards: with a fraction, a text of few documents has
 * none. */
static bool has_held_out(const struct preparation *preparation)
{
    const struct prepare_options *options = preparation->options;
    struct error ignored = {0};
    if (options->valid_count || options->valid_fraction <= 0 || options->run_hashes.held_out)
        return options->valid_count || options->valid_fraction > 0;
    char *path = dataset_shard_path(preparation->directory, dataset_prefixes[VALID], 0, &ignored);
    const bool there = !path || path_exists(path);
    free(path);
    return there;
}

/* Returns whether the shards are those of the run that is resumed, by their hashes: used when the
 * manifest does not match. The text may have changed, so preparing it again could lose them. */
static bool has_run_shards(const struct preparation *preparation, struct prepare_summary *summary)
{
    const struct prepare_options *options = preparation->options;
    const bool held_out = has_held_out(preparation);
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

/* Uses complete shards without their text, which is missing: `error` names it, and is cleared on
 * success. */
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
    whole = whole || has_run_shards(preparation, summary);
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

/* Prepares the directory if its shards do not match. The directory is locked and the list of files
 * complete. */
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

/* Makes and locks the directory, and prepares it. */
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
    /* Unless a run is resumed, the files are checked first, so that an error in them does not leave
     * a new directory. */
    bool done = (options->continued || expand_files(&preparation, error)) &&
                manifest_check_own(directory, error);
    free_files(&preparation);
    done = done && lock_and_prepare(&preparation, summary, error);
    free_files(&preparation);
    return done;
}
