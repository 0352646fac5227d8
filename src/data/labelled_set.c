#include "data/labelled_set.h"

#include "base/format.h"
#include "base/memory.h"
#include "data/excerpt.h"
#include "data/labelled_value.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What reading needs. */
struct reader {
    struct labelled_set *set;
    const struct labelled_reading *reading;
    struct labelled_encoder *encoder;
    struct labelled_rows *rows;
    const char *path; /* of the current file */
    struct label_list *labels;
    bool discover; /* whether new labels are added to the list */
};

/* ---- labels ---- */

static bool fail_unknown(const struct reader *reader, uint64_t line, struct cell label,
                         struct error *error)
{
    struct buffer known = {0};
    if (label_list_describe(reader->labels, &known, error))
        fail_input(error, "%s:%" PRIu64 ": the label \"%s\" is unknown; expected %s", reader->path,
                   line, excerpt_of(label.text, label.size).text, known.data);
    buffer_free(&known);
    return false;
}

/* Sets *id to the class of a label. */
static bool find_label(struct reader *reader, uint64_t line, struct cell label, int32_t *id,
                       struct error *error)
{
    if (reader->discover)
        return label_list_add(reader->labels, label.text, label.size, id, error) ||
               fail_context(error, "%s:%" PRIu64, reader->path, line);
    *id = label_list_find(reader->labels, label.text, label.size);
    return *id >= 0 || fail_unknown(reader, line, label, error);
}

static bool set_label(struct reader *reader, struct labelled_example *example,
                      const struct labelled_row *row, struct error *error)
{
    example->label = NO_LABEL;
    if (reader->reading->settings->kind == TASK_CLASSIFICATION)
        return find_label(reader, row->line, row->label, &example->label, error);
    return labelled_value_read(row->label, &example->value, error) ||
           fail_context(error, "%s:%" PRIu64, reader->path, row->line);
}

/* ---- examples ---- */

static void note(struct reader *reader, struct text_note *which, uint64_t count, uint64_t line)
{
    char place[PATH_MAX + 32];
    if (!count)
        return;
    snprintf(place, sizeof place, "%s:%" PRIu64, reader->path, line);
    text_note_add(which, count, place);
}

static void count_sequence(struct reader *reader, const struct labelled_sequence *sequence,
                           uint64_t line)
{
    struct labelled_counts *counts = &reader->set->counts;
    counts->tokens += (uint64_t)sequence->tokens;
    counts->unknown += (uint64_t)sequence->unknown;
    note(reader, &counts->cut, sequence->cut, line);
    note(reader, &counts->empty, !sequence->tokens, line);
}

static bool append_sequence(struct labelled_set *set, struct labelled_example *example,
                            const struct labelled_sequence *sequence, struct error *error)
{
    const size_t length = (size_t)sequence->length;
    if (!grow(&set->ids, &set->id_capacity, set->id_count + length, sizeof *set->ids, error))
        return false;
    memcpy(set->ids + set->id_count, sequence->ids, length * sizeof *set->ids);
    example->first_token = set->id_count;
    example->length = sequence->length;
    example->first_segment = sequence->first_segment;
    set->id_count += length;
    if (set->max_length < sequence->length)
        set->max_length = sequence->length;
    return true;
}

static bool reserve_words(struct labelled_set *set, size_t count, struct error *error)
{
    const size_t needed = set->word_count + count;
    return grow(&set->word_tokens, &set->word_token_capacity, needed, sizeof *set->word_tokens,
                error) &&
           grow(&set->word_labels, &set->word_label_capacity, needed, sizeof *set->word_labels,
                error);
}

static bool append_words(struct reader *reader, struct labelled_example *example,
                         const struct labelled_row *row, const struct labelled_sequence *sequence,
                         struct error *error)
{
    struct labelled_set *set = reader->set;
    const size_t count = sequence->word_count;
    if (count > INT32_MAX)
        return fail_input(error, "%s:%" PRIu64 ": a text of %zu words; expected less than 2^31",
                          reader->path, row->line, count);
    if (!reserve_words(set, count, error))
        return false;
    example->first_word = set->word_count;
    example->words = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        const struct cell word = cells_get(row->words, i);
        set->word_tokens[set->word_count + i] = sequence->word_tokens[i];
        example->predicted += sequence->word_tokens[i] != NO_PREDICTION;
        if (!find_label(reader, labelled_rows_word_line(reader->rows, i),
                        cells_get(row->word_labels, i), &set->word_labels[set->word_count + i],
                        error) ||
            (reader->reading->keep_words && !cells_add(&set->words, word.text, word.size, error)))
            return false;
    }
    set->word_count += count;
    if (set->max_predicted < example->predicted)
        set->max_predicted = example->predicted;
    note(reader, &set->counts.words_no_token, sequence->words_without_token, row->line);
    note(reader, &set->counts.cut_words,
         count - (size_t)example->predicted - sequence->words_without_token, row->line);
    return true;
}

static bool add_row(struct reader *reader, uint32_t file, const struct labelled_row *row,
                    struct error *error)
{
    struct labelled_set *set = reader->set;
    struct labelled_example example = {.file = file, .line = row->line, .label = NO_LABEL};
    struct labelled_sequence sequence;
    const bool tokens = reader->reading->settings->kind == TASK_TOKENS;
    if (tokens
            ? !labelled_encode_words(reader->encoder, row->words, &sequence, error)
            : !labelled_encode_texts(reader->encoder, row->text, row->text_pair, &sequence, error))
        return false;
    count_sequence(reader, &sequence, row->line);
    if (tokens ? !append_words(reader, &example, row, &sequence, error)
               : !set_label(reader, &example, row, error))
        return false;
    if (!append_sequence(set, &example, &sequence, error) ||
        !grow(&set->examples, &set->example_capacity, set->count + 1, sizeof *set->examples, error))
        return false;
    set->examples[set->count++] = example;
    return true;
}

/* ---- files ---- */

static bool read_file(struct reader *reader, uint32_t file, struct error *error)
{
    struct labelled_row row;
    bool end = false, done = true;
    reader->rows = labelled_rows_open(reader->path, reader->reading->settings, error);
    while (reader->rows && done && !end) {
        done = labelled_rows_next(reader->rows, &row, &end, error);
        if (done && !end)
            done = add_row(reader, file, &row, error);
    }
    done = done && reader->rows;
    labelled_rows_close(reader->rows);
    reader->rows = NULL;
    return done;
}

static bool read_files(struct reader *reader, const struct corpus_files *files, struct error *error)
{
    for (size_t i = 0; i < files->count; i++) {
        reader->path = files->paths[i];
        if (!read_file(reader, (uint32_t)i, error))
            return false;
    }
    return reader->set->count || fail_input(error, "%s: has no examples", files->paths[0]);
}

/* Sorts the labels that were found and gives the examples their new classes. */
static bool sort_labels(const struct reader *reader, struct error *error)
{
    struct labelled_set *set = reader->set;
    const size_t count = (size_t)label_list_count(reader->labels);
    int32_t *new_ids = allocate(count, sizeof *new_ids, error);
    const bool done = new_ids && label_list_sort(reader->labels, new_ids, error);
    for (size_t i = 0; done && i < set->count; i++)
        if (set->examples[i].label != NO_LABEL)
            set->examples[i].label = new_ids[set->examples[i].label];
    for (size_t i = 0; done && i < set->word_count; i++)
        set->word_labels[i] = new_ids[set->word_labels[i]];
    free(new_ids);
    return done;
}

/* Returns a class that occurs; *several is whether others do, too. NO_LABEL: there are none. */
static int32_t any_class(const struct labelled_set *set, bool *several)
{
    int32_t first = NO_LABEL;
    *several = false;
    for (size_t i = 0; i < set->count + set->word_count; i++) {
        int32_t label = i < set->count ? set->examples[i].label : set->word_labels[i - set->count];
        if (label == NO_LABEL)
            continue;
        *several |= first != NO_LABEL && label != first;
        first = label;
    }
    return first;
}

static bool check_classes(const struct reader *reader, const char *path, struct error *error)
{
    bool several;
    const int32_t class = any_class(reader->set, &several);
    if (several)
        return true;
    if (class == NO_LABEL)
        return fail_input(error, "%s: has no label", path);
    const char *name = label_list_name(reader->labels, class);
    return fail_input(error, "%s: all labels are \"%s\"; expected at least two classes", path,
                      excerpt_of(name, strlen(name)).text);
}

bool labelled_set_read(struct labelled_set *set, const struct corpus_files *files,
                       const struct labelled_reading *reading, struct label_list *labels,
                       struct error *error)
{
    struct reader reader = {.set = set, .reading = reading, .labels = labels};
    CHECK(reading->settings->labels == LABELS_REQUIRED && files->count);
    CHECK(!labels == (reading->settings->kind == TASK_REGRESSION));
    set->kind = reading->settings->kind;
    reader.discover = labels && label_list_count(labels) == 0;
    reader.encoder = labelled_encoder_create(reading->tokenizer, reading->max_length, error);
    const bool done =
        reader.encoder && read_files(&reader, files, error) &&
        (!reader.discover || sort_labels(&reader, error)) &&
        (!labels || !reading->training || check_classes(&reader, files->paths[0], error));
    labelled_encoder_free(reader.encoder);
    return done;
}

void labelled_set_free(struct labelled_set *set)
{
    free(set->examples);
    free(set->ids);
    free(set->word_tokens);
    free(set->word_labels);
    cells_free(&set->words);
    *set = (struct labelled_set){0};
}

uint64_t labelled_set_bytes(const struct labelled_set *set)
{
    return set->count * sizeof *set->examples + set->id_count * sizeof *set->ids +
           set->word_count * (sizeof *set->word_tokens + sizeof *set->word_labels) +
           set->words.count * sizeof *set->words.ends + set->words.bytes.size;
}

/* ---- batches ---- */

static void append_example(const struct labelled_set *set, const struct labelled_example *example,
                           struct batch *batch)
{
    int place = batch->predicted;
    memcpy(batch->input_ids + batch->tokens, set->ids + example->first_token,
           (size_t)example->length * sizeof *set->ids);
    for (size_t i = example->first_word; i < example->first_word + (size_t)example->words; i++)
        if (set->word_tokens[i] != NO_PREDICTION) {
            batch->predicted_tokens[place] = set->word_tokens[i];
            batch->predicted_labels[place++] = set->word_labels[i];
        }
    batch_append(batch, example->length, example->first_segment, example->predicted,
                 example->label);
    if (set->kind == TASK_REGRESSION)
        batch_set_value(batch, example->value);
}

bool labelled_set_batch(const struct labelled_set *set, const size_t *indices, size_t count,
                        struct batch *batch, struct error *error)
{
    size_t tokens = 0, predicted = 0;
    for (size_t i = 0; i < count; i++) {
        CHECK(indices[i] < set->count);
        tokens += (size_t)set->examples[indices[i]].length;
        predicted += (size_t)set->examples[indices[i]].predicted;
    }
    batch_clear(batch);
    if (!batch_reserve(batch, count, tokens, predicted, error))
        return false;
    for (size_t i = 0; i < count; i++)
        append_example(set, &set->examples[indices[i]], batch);
    return true;
}

void labelled_set_log(const struct labelled_set *set, int max_length, struct log *log)
{
    const struct labelled_counts *counts = &set->counts;
    if (counts->cut.count)
        log_warning(log, "%s cut to %d tokens, first at %s",
                    format_number_of(counts->cut.count, "example").text, max_length,
                    counts->cut.first);
    if (counts->cut_words.count)
        log_warning(log, "%s cut off and not predicted, first at %s",
                    format_number_of(counts->cut_words.count, "word").text,
                    counts->cut_words.first);
    if (counts->empty.count)
        log_warning(log, "%s without a token, read as [CLS] [SEP], first at %s",
                    format_number_of(counts->empty.count, "example").text, counts->empty.first);
    if (counts->words_no_token.count)
        log_warning(log, "%s without a token and not predicted, first at %s",
                    format_number_of(counts->words_no_token.count, "word").text,
                    counts->words_no_token.first);
}
