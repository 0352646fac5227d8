#include "base/format.h"
#include "data/prepare.h"

#include "base/machine.h"
#include "base/memory.h"
#include "data/pipeline.h"
#include "data/text_block.h"
#include "text/vocabulary_trainer.h"

#include <stdlib.h>

/* The state that the threads share while words are counted. */
struct counting {
    struct vocabulary_trainer *trainer;

    /* Used by the reading thread: */
    struct corpus_reader *reader;
    struct holdout holdout; /* zero: nothing is held out */
    struct log *log;
    double started, shown; /* machine_seconds of the start and of the last progress line */
    uint64_t round_end;    /* bytes of text after which the current round ends */
    bool ended;            /* whether all text has been read */
};

static void show_progress(struct counting *counting)
{
    const double interval = 0.2;
    double now = machine_seconds();
    if (now - counting->shown < interval)
        return;
    counting->shown = now;
    uint64_t bytes = corpus_reader_counts(counting->reader)->bytes;
    log_live(counting->log, "counting words: %s of text, %.1f MB/s", format_bytes(bytes).text,
             (double)bytes / 1e6 / (now - counting->started));
}

/* Reads a block; the pipeline ends with the round. */
static bool read_block(void *context, void *item, bool *end, struct error *error)
{
    struct counting *counting = context;
    show_progress(counting);
    if (corpus_reader_counts(counting->reader)->bytes >= counting->round_end) {
        *end = true;
        return true;
    }
    bool read = text_block_read(item, counting->reader, &counting->holdout, end, error);
    counting->ended = *end;
    return read;
}

static bool count_block(void *context, int thread, void *item, struct error *error)
{
    struct counting *counting = context;
    const struct text_block *block = item;
    return vocabulary_trainer_add(counting->trainer, thread, block->text, block->size, error);
}

/* Counts in rounds, so that words are dropped at the same places of the text for any number of
 * threads. */
static bool count_rounds(struct counting *counting, const struct pipeline *pipeline,
                         struct error *error)
{
    const size_t size = vocabulary_trainer_round_size(counting->trainer);
    while (!counting->ended) {
        uint64_t bytes = corpus_reader_counts(counting->reader)->bytes;
        counting->round_end = size < UINT64_MAX - bytes ? bytes + size : UINT64_MAX;
        if (!pipeline_run(pipeline, error) ||
            !vocabulary_trainer_end_round(counting->trainer, error))
            return false;
    }
    return true;
}

static bool count_files(struct counting *counting, const struct corpus_files *files,
                        const struct vocabulary_request *request, struct error *error)
{
    const size_t block_count = pipeline_items(request->threads);
    struct text_block *blocks = allocate(block_count, sizeof *blocks, error);
    if (!blocks)
        return false;
    counting->reader = corpus_reader_open(files, request->text_field, request->strict, error);
    const struct pipeline pipeline = {
        .context = counting,
        .read = read_block,
        .work = count_block,
        .items = blocks,
        .item_count = block_count,
        .item_size = sizeof *blocks,
        .threads = request->threads,
    };
    bool done = counting->reader && count_rounds(counting, &pipeline, error);
    for (size_t i = 0; i < block_count; i++)
        text_block_free(&blocks[i]);
    free(blocks);
    return done;
}

static void log_counts(const struct counting *counting, const struct vocabulary *vocabulary,
                       int32_t asked)
{
    const int32_t size = vocabulary_size(vocabulary);
    const struct corpus_counts *counts = corpus_reader_counts(counting->reader);
    double seconds = machine_seconds() - counting->started;
    log_line(counting->log, "trained a vocabulary of %s tokens on %s of text in %s",
             format_count((unsigned long long)size).text, format_bytes(counts->bytes).text,
             format_duration(seconds).text);
    if (size < asked)
        log_warning(counting->log, "only %s tokens could be built from this text (%s asked for)",
                    format_count((unsigned long long)size).text,
                    format_count((unsigned long long)asked).text);
}

static void log_left_out(const struct counting *counting)
{
    struct log *log = counting->log;
    const struct vocabulary_report report = vocabulary_trainer_report(counting->trainer);
    const struct words_dropped *dropped = &report.dropped;
    if (report.characters)
        log_warning(log, "%s character%s (%.3f %% of the text) are not in the vocabulary",
                    format_count(report.characters).text, plural(report.characters),
                    100 * report.character_share);
    if (report.long_words)
        log_warning(log, "%s over %d characters will be [UNK]; split such text first",
                    format_number_of(report.long_words, "word").text, WORD_MAX_CHARACTERS);
    if (dropped->words)
        log_warning(log, "memory: %s rare words (each seen %s time%s at most) were dropped",
                    format_count(dropped->words).text, format_count(dropped->max_count).text,
                    plural(dropped->max_count));
}

/* Rounds the memory down, in steps of an eighth or less, so that small differences of the available
 * memory hardly ever change the result. */
static size_t round_memory(size_t available)
{
    const size_t min = (size_t)32 << 20;
    size_t step = 1;
    while (available / step >= 16)
        step *= 2;
    size_t memory = available / step * step;
    return memory > min ? memory : min;
}

static bool open_trainer(struct counting *counting, const struct vocabulary_request *request,
                         struct error *error)
{
    counting->trainer = vocabulary_trainer_create(request->options, request->threads, error);
    if (!counting->trainer)
        return false;
    vocabulary_trainer_bound(counting->trainer, request->memory
                                                    ? request->memory
                                                    : round_memory(machine_memory_available()));
    vocabulary_trainer_limit(counting->trainer, request->limit_alphabet);
    vocabulary_trainer_extend(counting->trainer, request->extend);
    return true;
}

static struct vocabulary *train(struct counting *counting, const struct corpus_files *files,
                                const struct vocabulary_request *request, struct error *error)
{
    if (!count_files(counting, files, request, error))
        return NULL;
    corpus_counts_log(corpus_reader_counts(counting->reader), counting->log);
    log_live(counting->log, "merging pairs of tokens");
    struct vocabulary *vocabulary =
        vocabulary_trainer_finish(counting->trainer, request->size, error);
    if (vocabulary) {
        log_counts(counting, vocabulary, request->size);
        log_left_out(counting);
    }
    return vocabulary;
}

struct vocabulary *prepare_vocabulary(const struct vocabulary_request *request, struct log *log,
                                      struct error *error)
{
    struct counting counting = {.log = log, .started = machine_seconds()};
    struct corpus_files expanded;
    if (!corpus_files_expand(&expanded, request->files, request->count, error))
        return NULL;
    struct vocabulary *vocabulary = NULL;
    if (open_trainer(&counting, request, error))
        vocabulary = train(&counting, &expanded, request, error);
    vocabulary_trainer_free(counting.trainer);
    corpus_reader_close(counting.reader);
    corpus_files_free(&expanded);
    return vocabulary;
}
