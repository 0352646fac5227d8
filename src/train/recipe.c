#include "train/recipe.h"

#include "base/format.h"
#include "config/config_path.h"
#include "data/prepare.h"
#include "train/step.h"
#include "train/time_plan.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- what follows from the text ---- */

/* Tokens of WordPiece for each word of the normalizer, which counts punctuation: 6.7 million for
 * 5.9 million words of English Wikipedia with a vocabulary of 16,384. */
static const double TOKENS_PER_WORD = 1.15;

/* A vocabulary grows with the square root of the text (Heaps' law): 2,000 at least, BERT's 30,522
 * at most, in full hundreds in between. */
static int vocabulary_for(double words)
{
    enum { LEAST = 2000, MOST = 30522, FOR_ROOT = 6 };
    double tokens = round(FOR_ROOT * sqrt(words) / 100) * 100;
    return (int)fmin(fmax(tokens, LEAST), MOST);
}

/* Enough held-out text for intervals of half a percent, but at least 20 documents: a few documents
 * stand for themselves alone. Of a small text not more than a tenth. */
static double held_out_for(double tokens, double documents)
{
    const double wanted_tokens = 100e3, wanted_documents = 20, most = 0.1, least = 0.001;
    if (documents < wanted_documents)
        return 0;
    double share = fmax(wanted_tokens / tokens, wanted_documents / documents);
    return ceil(fmin(fmax(share, least), most) * 1000) / 1000;
}

/* In the Universal Declaration of Human Rights 4 of 100 letters have accents or marks in French, 41
 * in Vietnamese, 31 in Hindi; in English texts hardly one of a thousand, in foreign names. */
static const double ACCENTS_THAT_MATTER = 0.01;

/* The longest of a few lengths that most documents fill: of longer ones training warns
 * (signs.c). */
static int length_for(double document_tokens)
{
    int length = 128;
    while (length > 16 && document_tokens < length / 2.0)
        length /= 2;
    return length;
}

struct recipe recipe_of_text(const struct text_survey *survey)
{
    const double words = (double)text_survey_whole(survey, survey->words);
    const double documents = (double)text_survey_documents(survey);
    struct recipe recipe = {.text_tokens = TOKENS_PER_WORD * words};
    recipe.vocab_size = vocabulary_for(words);
    recipe.seq_len = length_for(recipe.text_tokens / documents);
    recipe.sentence_lines = text_survey_has_sentence_lines(survey);
    /* Below two sentences a document training warns, too (train/signs.c). */
    recipe.pairs = survey->counts.documents >= PAIR_DOCUMENTS &&
                   survey->sentences >= 2 * survey->counts.documents &&
                   10 * survey->short_documents < 8 * survey->counts.documents;
    recipe.accents = survey->accent_share >= ACCENTS_THAT_MATTER;
    recipe.valid_fraction = held_out_for(recipe.text_tokens, documents);
    return recipe;
}

/* ---- what follows from the machine ---- */

/* A run has EVALUATIONS, or up to 25 (print_training rounds). */
enum { EVALUATIONS = 10 };

static double seconds_of_evaluations(const struct recipe *recipe, double tokens_per_second)
{
    const double mean_count = 1.5 * EVALUATIONS;
    const double held_out = recipe->valid_fraction * recipe->text_tokens;
    return mean_count * time_of_evaluation(held_out, tokens_per_second);
}

/* Returns the time of the steps in `seconds` of a run, half of them at least. */
static double seconds_of_steps(const struct recipe *recipe, double tokens_per_second,
                               double seconds)
{
    const double rest = SHARE_WITHOUT_CHECKPOINTS * seconds;
    return fmax(rest - seconds_of_evaluations(recipe, tokens_per_second), seconds / 2);
}

/* Returns the tokens of sequences in which each sentence of the text occurs once in its order. In
 * half of the pairs the second part, which is half of the sequence, is taken from elsewhere: 13.0
 * epochs of English Wikipedia have 16.6 times its tokens. */
static double tokens_of_epoch(const struct recipe *recipe)
{
    const double own_share = 0.75;
    return recipe->pairs ? recipe->text_tokens / own_share : recipe->text_tokens;
}

static double tokens_within(const struct recipe *recipe, double tokens_per_second, double seconds)
{
    return fmin(tokens_per_second * seconds, RECIPE_EPOCHS * tokens_of_epoch(recipe));
}

bool recipe_size_is_fed(const struct recipe *recipe, const struct model_config *architecture,
                        double tokens_per_second, double seconds)
{
    const double per_weight = 20, hidden = architecture->hidden_size;
    double weights = architecture->num_hidden_layers * hidden *
                     (4 * hidden + 2.0 * architecture->intermediate_size);
    return tokens_within(recipe, tokens_per_second, seconds) >= per_weight * weights;
}

/* Those with which the sizes were trained well: here for the small ones (configs/mini-wiki.yaml,
 * configs/demo.yaml), by BERT's authors for the large ones. */
double recipe_learning_rate(const char *size)
{
    static const struct {
        const char *size;
        double rate;
    } rates[] = {{"tiny", 1e-3}, {"mini", 5e-4}, {"small", 5e-4}, {"medium", 3e-4}};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        if (strcmp(rates[i].size, size) == 0)
            return rates[i].rate;
    return 1e-4;
}

/* The largest batch up to BERT's 256 that leaves enough updates and keeps the threads busy. */
static int batch_for(double tokens, const struct recipe *recipe)
{
    enum { LEAST = 32, MOST = 256, UPDATES = 25000 };
    int batch = MOST, least = LEAST;
    while (least < MOST && least * recipe->seq_len < THREAD_STEP_TOKENS * recipe->threads)
        least *= 2;
    while (batch > least && tokens / ((double)batch * recipe->seq_len) < UPDATES)
        batch /= 2;
    return batch;
}

/* Rounds down to three digits: nobody should think that the rest matters. */
static int64_t round_off(int64_t steps)
{
    int64_t unit = 1;
    while (steps / unit >= 1000)
        unit *= 10;
    return steps / unit * unit;
}

void recipe_choose(struct recipe *recipe, const char *size, bool in_bf16, double tokens_per_second,
                   double seconds)
{
    const double for_steps = seconds_of_steps(recipe, tokens_per_second, seconds);
    const double tokens = tokens_within(recipe, tokens_per_second, for_steps);
    CHECK(model_config_size(size, &recipe->architecture));
    recipe->size = size;
    recipe->bf16 = in_bf16;
    recipe->tokens_per_second = tokens_per_second;
    recipe->limit = tokens < tokens_per_second * for_steps ? RECIPE_TEXT : RECIPE_HOURS;
    recipe->batch_size = batch_for(tokens, recipe);
    double step_tokens = (double)recipe->batch_size * recipe->seq_len;
    recipe->steps = round_off((int64_t)fmax(tokens / step_tokens, 100));
    recipe->learning_rate = recipe_learning_rate(size);
    recipe->epochs = (double)recipe->steps * step_tokens / tokens_of_epoch(recipe);
    recipe->seconds = ((double)recipe->steps * step_tokens / tokens_per_second +
                       seconds_of_evaluations(recipe, tokens_per_second)) /
                      SHARE_WITHOUT_CHECKPOINTS;
    recipe->enough = recipe_size_is_fed(recipe, &recipe->architecture, tokens_per_second, seconds);
}

/* ---- the file ---- */

/* The columns before a comment. */
enum { COMMENT_COLUMN = 34 };

static bool print_value(struct buffer *out, struct error *error, const char *comment,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));

static bool print_value(struct buffer *out, struct error *error, const char *comment,
                        const char *format, ...)
{
    char value[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    return buffer_print(out, error, "%-*s  # %s\n", COMMENT_COLUMN, value, comment);
}

static bool print_head(const struct recipe *recipe, const struct text_survey *survey,
                       struct buffer *out, struct error *error)
{
    return buffer_print(
        out, error,
        "# Written by cloze init, for a text%s of %s:\n"
        "# %s, %s, %s.\n"
        "# Every key and its meaning: cloze config FILE, cloze config --help.\n",
        survey->sampled ? " (known by a sample)" : "",
        format_bytes(text_survey_whole(survey, survey->counts.bytes)).text,
        format_number_of(text_survey_documents(survey), "document").text,
        format_number_of(text_survey_whole(survey, survey->sentences), "sentence").text,
        format_number_of((unsigned long long)recipe->text_tokens, "token").text);
}

static bool print_model(const struct recipe *recipe, struct buffer *out, struct error *error)
{
    const struct model_config *model = &recipe->architecture;
    const bool small = model->hidden_size < 512;
    char size[160];
    snprintf(size, sizeof size,
             "%d layers, %d wide: the largest that sees 20 tokens for each weight%s",
             model->num_hidden_layers, model->hidden_size,
             recipe->enough ? "" : "; even this one does not");
    return buffer_print(out, error, "model:\n") &&
           print_value(out, error, size, "  size: %s", recipe->size) &&
           (!small || (print_value(out, error, "hidden size ^ -1/2; BERT's 0.02 suits 768 and more",
                                   "  initializer_range: %.3g", 1 / sqrt(model->hidden_size)) &&
                       print_value(out, error, "so small a model does not learn by heart",
                                   "  hidden_dropout_prob: 0") &&
                       print_value(out, error, "the same", "  attention_probs_dropout_prob: 0")));
}

static bool print_files(const char *const *files, size_t count, struct buffer *out,
                        struct error *error)
{
    bool done = buffer_print(out, error, "  train:\n");
    for (size_t i = 0; done && i < count; i++)
        done = buffer_print(out, error, "    - ") && config_text_quote(files[i], out, error) &&
               buffer_print(out, error, "\n");
    return done;
}

static bool print_tokenizer(const struct recipe *recipe, const struct text_survey *survey,
                            struct buffer *out, struct error *error)
{
    char accents[128];
    snprintf(accents, sizeof accents,
             "%.1f %% of the letters have accents or marks, which tell words apart",
             100 * survey->accent_share);
    return buffer_print(out, error, "tokenizer:\n") &&
           print_value(out, error, "grows with the square root of the text; BERT's has 30522",
                       "  vocab_size: %d", recipe->vocab_size) &&
           (!recipe->accents || print_value(out, error, accents, "  strip_accents: false"));
}

static bool print_data(const struct recipe *recipe, const struct text_survey *survey,
                       const char *const *files, size_t count, const char *field,
                       struct buffer *out, struct error *error)
{
    return print_tokenizer(recipe, survey, out, error) && buffer_print(out, error, "data:\n") &&
           print_files(files, count, out, error) &&
           (!field || (buffer_print(out, error, "  text_field: ") &&
                       config_text_quote(field, out, error) && buffer_print(out, error, "\n"))) &&
           print_value(out, error,
                       recipe->sentence_lines ? "nearly every line is one sentence"
                                              : "lines hold running text",
                       "  sentences: %s", recipe->sentence_lines ? "line" : "split") &&
           print_value(out, error,
                       recipe->seq_len < 128
                           ? "documents are short"
                           : "longer ones cost more and teach tasks of sentences no more",
                       "  seq_len: %d", recipe->seq_len) &&
           print_value(out, error,
                       recipe->pairs ? "pairs of sentences: documents have several"
                       : survey->counts.documents < PAIR_DOCUMENTS
                           ? "no pairs: the text is a single document"
                           : "no pairs: documents have too few sentences",
                       "  nsp: %s", recipe->pairs ? "true" : "false") &&
           print_value(out, error,
                       recipe->valid_fraction > 0 ? "held out to measure what was learned"
                                                  : "too few documents: give data.valid instead",
                       "  valid_fraction: %g", recipe->valid_fraction);
}

/* Rounds down to 1, 2 or 5 times a power of ten. */
static int64_t round_down(int64_t value)
{
    int64_t power = 1;
    while (power * 10 <= value)
        power *= 10;
    return value >= 5 * power ? 5 * power : value >= 2 * power ? 2 * power : power;
}

static bool print_training(const struct recipe *recipe, struct buffer *out, struct error *error)
{
    char steps[160];
    snprintf(steps, sizeof steps, "about %s at %s tokens/s, measured here; %.3g epochs%s",
             format_duration(recipe->seconds).text,
             format_count((unsigned long long)recipe->tokens_per_second).text, recipe->epochs,
             recipe->limit == RECIPE_TEXT ? ": more would be learned by heart" : "");
    const int64_t every = round_down(recipe->steps / EVALUATIONS);
    return buffer_print(out, error, "train:\n") &&
           print_value(out, error, steps, "  steps: %lld", (long long)recipe->steps) &&
           print_value(out, error,
                       "sequences a step; BERT's 256 where there is time for 25,000 steps",
                       "  batch_size: %d", recipe->batch_size) &&
           print_value(out, error, "usual for the size; halve it if the loss does not fall",
                       "  learning_rate: %g", recipe->learning_rate) &&
           print_value(out, error,
                       recipe->bf16 ? "this processor computes faster in it"
                                    : "this processor has no faster format",
                       "  precision: %s", recipe->bf16 ? "bf16" : "fp32") &&
           print_value(out, error, "steps between measurements on the held-out text",
                       "  eval_every: %lld", (long long)every) &&
           print_value(out, error, "steps between checkpoints; also every 30 minutes",
                       "  save_every: %lld", (long long)every);
}

bool recipe_print(const struct recipe *recipe, const struct text_survey *survey,
                  const char *const *files, size_t count, const char *output, const char *field,
                  struct buffer *out, struct error *error)
{
    return print_head(recipe, survey, out, error) && buffer_print(out, error, "output: ") &&
           config_text_quote(output, out, error) && buffer_print(out, error, "\n") &&
           print_model(recipe, out, error) &&
           print_data(recipe, survey, files, count, field, out, error) &&
           print_training(recipe, out, error);
}
