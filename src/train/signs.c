#include "train/signs.h"

#include "base/affix.h"
#include "base/format.h"
#include "base/hash.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "train/pretraining.h"
#include "train/progress.h"
#include "train/recipe.h"
#include "train/run.h"
#include "train/step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- guessing ---- */

static void log_guess(struct signs *signs, const struct run *run)
{
    struct error error = {0};
    const struct vocabulary *vocabulary = tokenizer_vocabulary(run->tokenizer);
    /* Where nothing is held out, of the training text: as the page of `cloze report` has it. */
    const struct dataset *text = run->valid_data ? run->valid_data : run->train_data;
    signs->guess_known = unigram_measure(run->train_data, text, vocabulary, &signs->guess, &error);
    if (!signs->guess_known) {
        log_warning(run->log, "%s", error.message);
        return;
    }
    log_line(run->log, "guessing    MLM loss %.3f, accuracy %.1f %% by token frequency%s",
             signs->guess.loss, 100 * signs->guess.accuracy,
             pretraining_has_pairs(run) ? "; NSP 50 %" : "");
    log_line(run->log, "            (a new model has MLM loss %.2f: it knows no frequencies)",
             log(vocabulary_size(vocabulary)));
}

/* ---- the settings and the machine ---- */

static void judge_threads(const struct run *run)
{
    const int processors = machine_processors();
    if (run->threads > processors)
        log_warning(run->log,
                    "%d threads for %d processor%s: they wait for each other;\n"
                    "  train.threads or OMP_NUM_THREADS asks for them",
                    run->threads, processors, plural((unsigned long long)processors));
}

static void judge_batch(const struct run *run)
{
    const int64_t tokens = (int64_t)run->share.count * run->phases[0].seq_len;
    if (tokens / run->threads < THREAD_STEP_TOKENS)
        log_warning(run->log,
                    "a step has only %lld tokens for %d thread%s: most of the time they wait;\n"
                    "  a larger train.batch_size trains on more tokens a second",
                    (long long)tokens, run->threads, plural((unsigned long long)run->threads));
}

/* ---- the text ---- */

/* Pairs of sentences need documents of two at least, and full sequences documents of many. */
static void judge_documents(const struct run *run)
{
    const double documents = (double)dataset_documents(run->train_data);
    const double sentences = (double)dataset_sentences(run->train_data) / documents;
    const double tokens = (double)dataset_tokens(run->train_data) / documents;
    const int seq_len = run_config_longest_sequence(run->config);
    if (pretraining_has_pairs(run) && sentences < 2)
        log_warning(run->log,
                    "documents have %.1f sentences on average, too few for sentence pairs:\n"
                    "  put empty lines between documents only, or set data.nsp: false",
                    sentences);
    if (tokens < seq_len / 2.0)
        log_warning(run->log,
                    "documents have %.0f tokens on average: most sequences are shorter than\n"
                    "  the %d tokens that they may have; a smaller length loses nothing",
                    tokens, seq_len);
}

static uint64_t hash_of_document(const struct dataset *dataset, uint64_t index, int32_t *ids,
                                 uint64_t room)
{
    const struct document document = dataset_document(dataset, index);
    const uint64_t first = document.sentence_starts[0];
    const uint64_t end = document.sentence_starts[document.sentences];
    const uint64_t count = min_uint64(end - first, room);
    dataset_read(dataset, document.shard, first, first + count, ids);
    return hash_bytes(ids, (size_t)count * sizeof *ids);
}

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Compares the beginnings of so many documents, which takes about a second. */
static void judge_copies(const struct run *run)
{
    enum { LOOKED_AT = 100000, BEGINNING = 256 };
    const double many = 0.05;
    struct error ignored = {0};
    const uint64_t count = min_uint64(dataset_documents(run->train_data), LOOKED_AT);
    uint64_t *hashes = allocate((size_t)count, sizeof *hashes, &ignored), copies = 0;
    if (!hashes)
        return;
    for (uint64_t i = 0; i < count; i++) {
        int32_t ids[BEGINNING];
        hashes[i] = hash_of_document(run->train_data, i, ids, BEGINNING);
    }
    qsort(hashes, (size_t)count, sizeof *hashes, compare_hashes);
    for (uint64_t i = 1; i < count; i++)
        copies += hashes[i] == hashes[i - 1];
    free(hashes);
    if ((double)copies > many * (double)count)
        log_warning(run->log,
                    "%.0f %% of the documents begin as another one does: the model learns\n"
                    "  what is repeated by heart; remove copies",
                    100 * (double)copies / (double)count);
}

/* ---- the vocabulary ---- */

/* Whether the token is a word that no text gives, because normalization changes or divides it. */
static bool is_unreachable(const struct normalizer *normalizer, const char *token, size_t size)
{
    struct word_reader reader;
    struct word word;
    word_reader_begin_plain(&reader, normalizer, token, size);
    return !(word_reader_next(&reader, &word) && word.kind == WORD_PLAIN && word.size == size &&
             memcmp(word.bytes, token, size) == 0 && !word_reader_next(&reader, &word));
}

/* Counts the whole words of the vocabulary, and those of them that no text gives. Names such as
 * [unused7] are no words. */
static void count_words(const struct vocabulary *vocabulary, const struct normalizer *normalizer,
                        int *words, int *unreachable)
{
    for (int32_t id = 0; id < vocabulary_line_count(vocabulary); id++) {
        const char *token = vocabulary_token(vocabulary, id);
        const size_t size = vocabulary_token_size(vocabulary, id);
        if (!size || vocabulary_is_special(vocabulary, id) || begins_with(token, "##") ||
            (size > 1 && (token[0] == '[' || token[0] == '<')))
            continue;
        *words += 1;
        *unreachable += is_unreachable(normalizer, token, size);
    }
}

static void judge_vocabulary(const struct run *run)
{
    const double many = 0.01;
    int words = 0, unreachable = 0;
    count_words(tokenizer_vocabulary(run->tokenizer), tokenizer_normalizer(run->tokenizer), &words,
                &unreachable);
    if (unreachable > many * words)
        log_warning(run->log,
                    "%.0f %% of the words of the vocabulary can never occur: text is changed\n"
                    "  before it is split (tokenizer.lowercase, strip_accents and\n"
                    "  tokenize_chinese_chars)",
                    100.0 * unreachable / words);
}

/* ---- the learning rate ---- */

/* With four times the usual one nothing was learned here (configs/mini-wiki.yaml). */
static void judge_rate(const struct run *run)
{
    enum { FAR = 4 };
    const char *size = model_config_size_of(&run->trainee.model->config);
    const double rate = run->config->train.learning_rate;
    if (size && rate >= FAR * recipe_learning_rate(size))
        log_warning(run->log,
                    "train.learning_rate is %g, far above the %g that suits %s:\n"
                    "  the losses may not fall",
                    rate, recipe_learning_rate(size), size);
}

void signs_begin(struct signs *signs, const struct run *run)
{
    *signs = (struct signs){0};
    judge_threads(run);
    judge_vocabulary(run);
    if (!run->train_data)
        return;
    log_guess(signs, run);
    judge_rate(run);
    judge_batch(run);
    judge_documents(run);
    judge_copies(run);
}

/* ---- the losses ---- */

/* A model first learns how frequent tokens are, and stays there for a while, before it learns from
 * their surroundings. How long depends on the number of updates more than on the text: here models
 * of all small sizes left it after 1,000 to 4,000 steps at a fit learning rate. */
static void judge_plateau(struct signs *signs, const struct run *run, double loss)
{
    enum { STEPS = 5000 };
    const double near = 0.05;
    const int64_t warmup = run_config_warmup_steps(run->config, run->steps);
    if (signs->plateau_said || !signs->guess_known || run->state.step < STEPS ||
        run->state.step <= warmup || loss < signs->guess.loss - near)
        return;
    signs->plateau_said = true;
    log_warning(run->log,
                "after %s steps the MLM loss, %.3f, is still that of guessing by token\n"
                "  frequency, %.3f: the learning rate may be too high or too low",
                format_count((unsigned long long)run->state.step).text, loss, signs->guess.loss);
}

static void judge_rise(struct signs *signs, const struct run *run,
                       const struct progress_evaluation *evaluation)
{
    const double much = 0.3, loss = evaluation->numbers.text.mlm_loss;
    if (signs->rise_said || evaluation->best_step < 0 || loss < evaluation->best_score + much)
        return;
    signs->rise_said = true;
    log_warning(run->log,
                "the held-out MLM loss rose from %.3f (step %s) to %.3f:\n"
                "  the learning rate may be too high, or the text is learned by heart",
                evaluation->best_score,
                format_count((unsigned long long)evaluation->best_step).text, loss);
}

void signs_of_steps(struct signs *signs, const struct run *run, const struct objective_sums *sums)
{
    if (run->train_data && !run->held_out && sums->heads[HEAD_MLM].count)
        judge_plateau(signs, run, loss_sums_mean(&sums->heads[HEAD_MLM]));
}

void signs_of_evaluation(struct signs *signs, const struct run *run,
                         const struct progress_evaluation *evaluation)
{
    if (!run->train_data)
        return;
    judge_plateau(signs, run, evaluation->numbers.text.mlm_loss);
    judge_rise(signs, run, evaluation);
}
