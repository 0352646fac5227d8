#include "data/prepare.h"

#include "base/machine.h"
#include "base/memory.h"
#include "data/pipeline.h"
#include "data/text_block.h"
#include "text/vocabulary_trainer.h"

#include <stdlib.h>

/* What the threads share while words are counted. */
struct counting {
    struct vocabulary_trainer *trainer;
    struct corpus_reader *reader; /* used by the reading thread, and what follows */
    struct holdout holdout;       /* nothing is held out */
    struct log *log;
    double started, shown; /* machine_seconds */
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

static bool read_block(void *context, void *item, bool *end, struct error *error)
{
    struct counting *counting = context;
    show_progress(counting);
    return text_block_read(item, counting->reader, &counting->holdout, end, error);
}

static bool count_block(void *context, int thread, void *item, struct error *error)
{
    struct counting *counting = context;
    const struct text_block *block = item;
    return vocabulary_trainer_add(counting->trainer, thread, block->text, block->size, error);
}

static bool count_files(struct counting *counting, const struct corpus_files *files, bool strict,
                        int threads, struct error *error)
{
    const size_t block_count = pipeline_items(threads);
    struct text_block *blocks = allocate(block_count, sizeof *blocks, error);
    if (!blocks)
        return false;
    counting->reader = corpus_reader_open(files, strict, error);
    const struct pipeline pipeline = {
        .context = counting,
        .read = read_block,
        .work = count_block,
        .items = blocks,
        .item_count = block_count,
        .item_size = sizeof *blocks,
        .threads = threads,
    };
    bool done = counting->reader && pipeline_run(&pipeline, error);
    for (size_t i = 0; i < block_count; i++)
        text_block_free(&blocks[i]);
    free(blocks);
    return done;
}

static void log_counts(const struct counting *counting, const struct vocabulary *vocabulary)
{
    const struct corpus_counts *counts = corpus_reader_counts(counting->reader);
    double seconds = machine_seconds() - counting->started;
    log_line(counting->log, "trained a vocabulary of %s tokens on %s of text in %s",
             format_count((unsigned long long)vocabulary_size(vocabulary)).text,
             format_bytes(counts->bytes).text, format_duration(seconds).text);
    if (counts->invalid_utf8 > 0)
        log_warning(counting->log,
                    "%s ill-formed UTF-8 sequences were read as U+FFFD, the first at %s",
                    format_count(counts->invalid_utf8).text, counts->first_invalid);
}

static struct vocabulary *train(struct counting *counting, const struct corpus_files *files,
                                int32_t size, bool strict, int threads, struct error *error)
{
    if (!count_files(counting, files, strict, threads, error))
        return NULL;
    log_live(counting->log, "merging pairs of tokens");
    struct vocabulary *vocabulary = vocabulary_trainer_finish(counting->trainer, size, error);
    if (vocabulary)
        log_counts(counting, vocabulary);
    return vocabulary;
}

struct vocabulary *prepare_vocabulary(const char *const *files, size_t count, int32_t size,
                                      struct tokenizer_options options, bool strict, int threads,
                                      struct log *log, struct error *error)
{
    struct counting counting = {.log = log, .started = machine_seconds()};
    struct corpus_files expanded;
    if (!corpus_files_expand(&expanded, files, count, error))
        return NULL;
    struct vocabulary *vocabulary = NULL;
    counting.trainer = vocabulary_trainer_create(options, threads, error);
    if (counting.trainer)
        vocabulary = train(&counting, &expanded, size, strict, threads, error);
    vocabulary_trainer_free(counting.trainer);
    corpus_reader_close(counting.reader);
    corpus_files_free(&expanded);
    return vocabulary;
}
