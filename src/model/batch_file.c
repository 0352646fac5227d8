#include "model/batch_file.h"

#include "base/memory.h"
#include "model/heads.h"
#include "model/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum column { INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS, TOKEN_LABELS, SEQUENCE_LABELS, COLUMNS };

/* The tensors in the order in which they are written. `absent` stands for every value of a tensor
 * that the file lacks. */
static const struct {
    int axes;
    int64_t absent;
} columns[COLUMNS] = {
    [INPUT_IDS] = {2, 0},           [ATTENTION_MASK] = {2, 1},         [TOKEN_TYPE_IDS] = {2, 0},
    [TOKEN_LABELS] = {2, NO_LABEL}, [SEQUENCE_LABELS] = {1, NO_LABEL},
};

/* What the tensors are called; NULL: a file for this kind of model has none. */
struct layout {
    const char *names[COLUMNS];
    const char *numbers; /* the numbers of regression, which are real */
    const char *all;     /* the names in a message */
};

#define INPUT_NAMES "input_ids", "attention_mask", "token_type_ids"
#define INPUTS      "input_ids, attention_mask, token_type_ids, labels"

static const struct layout pretraining_layout = {
    .names = {INPUT_NAMES, "labels", "next_sentence_label"}, .all = INPUTS ", next_sentence_label"};
static const struct layout token_layout = {.names = {INPUT_NAMES, "labels", NULL}, .all = INPUTS};
static const struct layout class_layout = {.names = {INPUT_NAMES, NULL, "labels"}, .all = INPUTS};
static const struct layout number_layout = {
    .names = {INPUT_NAMES, NULL, NULL}, .numbers = "labels", .all = INPUTS};

static const struct layout *layout_for(const struct head_list *heads)
{
    return heads == &sequence_classification_heads ? &class_layout
           : heads == &sequence_regression_heads   ? &number_layout
           : heads == &token_classification_heads  ? &token_layout
                                                   : &pretraining_layout;
}

/* A batch as padded rectangles: values[column] is [rows, length], of SEQUENCE_LABELS [rows]. */
struct rectangles {
    const struct layout *layout;
    uint64_t rows, length;
    int64_t *values[COLUMNS];
    float *numbers; /* [rows]; NULL: none */
};

static uint64_t column_elements(const struct rectangles *rectangles, int column)
{
    return columns[column].axes == 2 ? rectangles->rows * rectangles->length : rectangles->rows;
}

static bool rectangles_allocate(struct rectangles *rectangles, struct error *error)
{
    uint64_t elements;
    if (__builtin_mul_overflow(rectangles->rows, rectangles->length, &elements) ||
        elements > INT32_MAX) {
        fail_input(error, "a batch of %" PRIu64 " x %" PRIu64 " tokens; expected less than 2^31",
                   rectangles->rows, rectangles->length);
        return false;
    }
    for (int column = 0; column < COLUMNS; column++) {
        size_t count = (size_t)column_elements(rectangles, column);
        rectangles->values[column] = allocate(count, sizeof(int64_t), error);
        if (!rectangles->values[column])
            return false;
    }
    return true;
}

static void rectangles_free(struct rectangles *rectangles)
{
    for (int column = 0; column < COLUMNS; column++)
        free(rectangles->values[column]);
    free(rectangles->numbers);
}

static void rectangles_fill(struct rectangles *rectangles, int column, int64_t value)
{
    for (uint64_t i = 0; i < column_elements(rectangles, column); i++)
        rectangles->values[column][i] = value;
}

/* ---- writing ---- */

static uint64_t length_needed(const struct batch *batch)
{
    uint64_t length = 0;
    for (int t = 0; t < batch->tokens; t++)
        if ((uint64_t)batch->position_ids[t] >= length)
            length = (uint64_t)batch->position_ids[t] + 1;
    return length;
}

static void spread_row(struct rectangles *rectangles, const struct batch *batch, int row)
{
    uint64_t start = (uint64_t)row * rectangles->length;
    for (int t = batch->starts[row]; t < batch->starts[row + 1]; t++) {
        uint64_t place = start + (uint64_t)batch->position_ids[t];
        rectangles->values[INPUT_IDS][place] = batch->input_ids[t];
        rectangles->values[ATTENTION_MASK][place] = 1;
        rectangles->values[TOKEN_TYPE_IDS][place] = batch->token_type_ids[t];
    }
    for (int m = batch->predicted_starts[row]; m < batch->predicted_starts[row + 1]; m++) {
        uint64_t place = start + (uint64_t)batch->position_ids[batch->predicted_tokens[m]];
        rectangles->values[TOKEN_LABELS][place] = batch->predicted_labels[m];
    }
    rectangles->values[SEQUENCE_LABELS][row] = batch->sequence_labels[row];
}

static bool write_rectangles(const char *path, const struct rectangles *rectangles,
                             struct error *error)
{
    struct tensor tensors[COLUMNS];
    for (int column = 0; column < COLUMNS; column++) {
        tensors[column] = (struct tensor){
            .name = rectangles->layout->names[column],
            .dtype = DTYPE_I64,
            .axes = columns[column].axes,
            .shape = {rectangles->rows, rectangles->length},
            .data = rectangles->values[column],
            .size = column_elements(rectangles, column) * sizeof(int64_t),
        };
    }
    return safetensors_write(path, tensors, COLUMNS, error);
}

bool batch_file_write(const char *path, const struct batch *batch, int32_t pad_id,
                      struct error *error)
{
    CHECK(batch->sequences > 0);
    struct rectangles rectangles = {
        .layout = &pretraining_layout,
        .rows = (uint64_t)batch->sequences,
        .length = length_needed(batch),
    };
    bool done = rectangles_allocate(&rectangles, error) || fail_context(error, "%s", path);
    if (done) {
        rectangles_fill(&rectangles, INPUT_IDS, pad_id);
        rectangles_fill(&rectangles, TOKEN_LABELS, NO_LABEL);
        for (int row = 0; row < batch->sequences; row++)
            spread_row(&rectangles, batch, row);
        done = write_rectangles(path, &rectangles, error);
    }
    rectangles_free(&rectangles);
    return done;
}

/* ---- reading ---- */

static bool is_known(const struct layout *layout, const char *name)
{
    for (int column = 0; column < COLUMNS; column++)
        if (layout->names[column] && strcmp(name, layout->names[column]) == 0)
            return true;
    return layout->numbers && strcmp(name, layout->numbers) == 0;
}

static bool check_names(const struct safetensors *file, const struct layout *layout,
                        struct error *error)
{
    for (size_t i = 0; i < file->count; i++)
        if (!is_known(layout, file->tensors[i].name))
            return fail_input(error, "unknown tensor \"%s\"; expected %s", file->tensors[i].name,
                              layout->all);
    return true;
}

static bool read_size(const struct safetensors *file, const struct model_config *config,
                      struct rectangles *rectangles, struct error *error)
{
    const struct tensor *ids = safetensors_find(file, "input_ids");
    if (!ids)
        return fail_input(error, "there is no tensor \"input_ids\"");
    if (ids->axes != 2 || ids->shape[0] == 0 || ids->shape[1] == 0)
        return fail_input(error, "input_ids is %s; expected [sequences, length], both at least 1",
                          tensor_describe(ids).text);
    if (ids->shape[1] > (uint64_t)config->max_position_embeddings)
        return fail_input(error, "input_ids is %s; the model has %d positions",
                          tensor_describe(ids).text, config->max_position_embeddings);
    rectangles->rows = ids->shape[0];
    rectangles->length = ids->shape[1];
    return true;
}

/* There must be a value for each token, or for each sequence if there is only one axis. */
static bool check_axes(const struct tensor *tensor, const struct rectangles *rectangles, int axes,
                       struct error *error)
{
    if (tensor->axes == axes && tensor->shape[0] == rectangles->rows &&
        (axes == 1 || tensor->shape[1] == rectangles->length))
        return true;
    if (axes == 1)
        return fail_input(error, "%s is %s; expected [%" PRIu64 "], a value for each sequence",
                          tensor->name, tensor_describe(tensor).text, rectangles->rows);
    return fail_input(error, "%s is %s; expected [%" PRIu64 ", %" PRIu64 "], as input_ids",
                      tensor->name, tensor_describe(tensor).text, rectangles->rows,
                      rectangles->length);
}

/* Gives every sequence its number. */
static bool take_numbers(struct rectangles *rectangles, const char *name, struct error *error)
{
    rectangles_fill(rectangles, SEQUENCE_LABELS, 0);
    for (uint64_t row = 0; row < rectangles->rows; row++)
        if (!isfinite(rectangles->numbers[row]))
            return fail_input(error, "%s, row %" PRIu64 ": %g; expected a finite number", name, row,
                              (double)rectangles->numbers[row]);
    return true;
}

/* Every sequence has a number, or, without the tensor, none. */
static bool read_numbers(const struct safetensors *file, struct rectangles *rectangles,
                         struct error *error)
{
    const char *name = rectangles->layout->numbers;
    const struct tensor *tensor = name ? safetensors_find(file, name) : NULL;
    if (!tensor)
        return true;
    if (tensor->dtype != DTYPE_F32 && tensor->dtype != DTYPE_F64)
        return fail_input(error, "%s is %s; expected F32 or F64: the model predicts a number",
                          tensor->name, tensor_describe(tensor).text);
    if (!check_axes(tensor, rectangles, 1, error))
        return false;
    rectangles->numbers = allocate((size_t)rectangles->rows, sizeof(float), error);
    if (!rectangles->numbers)
        return false;
    tensor_read_float(tensor, 0, rectangles->rows, rectangles->numbers);
    return take_numbers(rectangles, name, error);
}

static bool read_column(const struct safetensors *file, struct rectangles *rectangles, int column,
                        struct error *error)
{
    const char *name = rectangles->layout->names[column];
    const struct tensor *tensor = name ? safetensors_find(file, name) : NULL;
    if (!tensor) {
        rectangles_fill(rectangles, column, columns[column].absent);
        return true;
    }
    if (tensor->dtype != DTYPE_I64 && tensor->dtype != DTYPE_I32)
        return fail_input(error, "%s is %s; expected I64 or I32", tensor->name,
                          tensor_describe(tensor).text);
    if (!check_axes(tensor, rectangles, columns[column].axes, error))
        return false;
    tensor_read_int64(tensor, 0, column_elements(rectangles, column), rectangles->values[column]);
    return true;
}

/* True if the element is from 0 to limit - 1 or, with `label`, -100 for no label. */
static bool check_value(const struct rectangles *rectangles, int column, uint64_t place,
                        int64_t limit, bool label, struct error *error)
{
    int64_t value = rectangles->values[column][place];
    if ((value >= 0 && value < limit) || (label && value == NO_LABEL))
        return true;
    uint64_t length = columns[column].axes == 2 ? rectangles->length : 1;
    return fail_input(
        error, "%s, row %" PRIu64 ", column %" PRIu64 ": %" PRId64 "; expected 0 to %" PRId64 "%s",
        rectangles->layout->names[column], place / length, place % length, value, limit - 1,
        label ? " or -100" : "");
}

static bool check_place(const struct rectangles *rectangles, const struct model_config *config,
                        uint64_t place, struct error *error)
{
    if (!check_value(rectangles, ATTENTION_MASK, place, 2, false, error))
        return false;
    uint64_t row = place / rectangles->length, position = place % rectangles->length;
    const int classes =
        config->heads->labelled ? config->labels.count : model_config_tokens(config);
    if (rectangles->values[ATTENTION_MASK][place])
        return check_value(rectangles, INPUT_IDS, place, config->vocab_size, false, error) &&
               check_value(rectangles, TOKEN_TYPE_IDS, place, config->type_vocab_size, false,
                           error) &&
               check_value(rectangles, TOKEN_LABELS, place, classes, true, error);
    if (position == 0)
        return fail_input(error,
                          "attention_mask, row %" PRIu64 ", column 0: 0; the first token of a "
                          "sequence cannot be padding",
                          row);
    if (rectangles->values[TOKEN_LABELS][place] != NO_LABEL)
        return fail_input(error,
                          "labels, row %" PRIu64 ", column %" PRIu64 ": %" PRId64
                          "; expected -100 where attention_mask is 0",
                          row, position, rectangles->values[TOKEN_LABELS][place]);
    return true;
}

static bool check_rectangles(const struct rectangles *rectangles, const struct model_config *config,
                             struct error *error)
{
    for (uint64_t place = 0; place < rectangles->rows * rectangles->length; place++)
        if (!check_place(rectangles, config, place, error))
            return false;
    const int classes = config->heads->labelled ? config->labels.count : 2;
    for (uint64_t row = 0; row < rectangles->rows; row++)
        if (!check_value(rectangles, SEQUENCE_LABELS, row, classes, true, error))
            return false;
    return true;
}

/* Appends the tokens of a row that are not padding; all have been checked. */
static void pack_row(struct batch *batch, const struct rectangles *rectangles, uint64_t row)
{
    const int first = batch->tokens;
    for (uint64_t position = 0; position < rectangles->length; position++) {
        uint64_t place = row * rectangles->length + position;
        if (!rectangles->values[ATTENTION_MASK][place])
            continue;
        int token = batch->tokens++;
        batch->input_ids[token] = (int32_t)rectangles->values[INPUT_IDS][place];
        batch->position_ids[token] = (int32_t)position;
        batch->token_type_ids[token] = (int32_t)rectangles->values[TOKEN_TYPE_IDS][place];
        if (rectangles->values[TOKEN_LABELS][place] == NO_LABEL)
            continue;
        batch->predicted_tokens[batch->predicted] = token;
        batch->predicted_labels[batch->predicted++] =
            (int32_t)rectangles->values[TOKEN_LABELS][place];
    }
    batch->sequence_labels[row] = (int32_t)rectangles->values[SEQUENCE_LABELS][row];
    batch->sequence_values[row] = rectangles->numbers ? rectangles->numbers[row] : 0;
    batch->sequences++;
    batch->starts[batch->sequences] = batch->tokens;
    batch->predicted_starts[batch->sequences] = batch->predicted;
    if (batch->tokens - first > batch->max_length)
        batch->max_length = batch->tokens - first;
}

static bool read_rectangles(const struct safetensors *file, const struct model_config *config,
                            struct rectangles *rectangles, struct error *error)
{
    if (!check_names(file, rectangles->layout, error) ||
        !read_size(file, config, rectangles, error) || !rectangles_allocate(rectangles, error))
        return false;
    for (int column = 0; column < COLUMNS; column++)
        if (!read_column(file, rectangles, column, error))
            return false;
    return read_numbers(file, rectangles, error) && check_rectangles(rectangles, config, error);
}

static bool pack(struct batch *batch, const struct rectangles *rectangles, struct error *error)
{
    size_t rows = (size_t)rectangles->rows, elements = rows * (size_t)rectangles->length;
    if (!batch_reserve(batch, rows, elements, elements, error))
        return false;
    for (uint64_t row = 0; row < rectangles->rows; row++)
        pack_row(batch, rectangles, row);
    return true;
}

bool batch_file_read(const char *path, const struct model_config *config, struct batch *batch,
                     struct error *error)
{
    batch_clear(batch);
    struct safetensors file;
    if (!safetensors_open(path, &file, error))
        return false;
    struct rectangles rectangles = {.layout = layout_for(config->heads)};
    bool done =
        (read_rectangles(&file, config, &rectangles, error) && pack(batch, &rectangles, error)) ||
        fail_context(error, "%s", path);
    rectangles_free(&rectangles);
    safetensors_close(&file);
    return done;
}

/* ---- arrays ---- */

/* Returns the array of a column; NULL: it is absent, or this kind of model has none. */
static const int64_t *array_of(const struct batch_arrays *arrays, const struct layout *layout,
                               int column)
{
    switch ((enum column)column) {
    case INPUT_IDS:
        return arrays->input_ids;
    case ATTENTION_MASK:
        return arrays->attention_mask;
    case TOKEN_TYPE_IDS:
        return arrays->token_type_ids;
    case TOKEN_LABELS:
        return layout->names[TOKEN_LABELS] ? arrays->labels : NULL;
    case SEQUENCE_LABELS:
        return layout == &class_layout ? arrays->labels : arrays->next_sentence_label;
    case COLUMNS:
        break;
    }
    return NULL;
}

static bool check_arrays(const struct batch_arrays *arrays, const struct model_config *config,
                         const struct layout *layout, struct error *error)
{
    const char *const architecture = config->heads->architecture;
    if (!arrays->rows || !arrays->length ||
        arrays->length > (uint64_t)config->max_position_embeddings)
        return fail_input(error,
                          "a batch of %" PRIu64 " x %" PRIu64 " tokens; expected at least 1 x 1, "
                          "and at most %d tokens a row, the model's positions",
                          arrays->rows, arrays->length, config->max_position_embeddings);
    if (arrays->labels && layout == &number_layout)
        return fail_input(error, "labels are classes, but the model is a %s that predicts numbers",
                          architecture);
    if (arrays->values && layout != &number_layout)
        return fail_input(error, "there are numbers to predict, but the model is a %s",
                          architecture);
    if (arrays->next_sentence_label && layout != &pretraining_layout)
        return fail_input(error, "there is a next_sentence_label, but the model is a %s",
                          architecture);
    return true;
}

static bool copy_arrays(const struct batch_arrays *arrays, struct rectangles *rectangles,
                        struct error *error)
{
    for (int column = 0; column < COLUMNS; column++) {
        const int64_t *values = array_of(arrays, rectangles->layout, column);
        if (values)
            memcpy(rectangles->values[column], values,
                   column_elements(rectangles, column) * sizeof *values);
        else
            rectangles_fill(rectangles, column, columns[column].absent);
    }
    if (!arrays->values)
        return true;
    rectangles->numbers = allocate((size_t)rectangles->rows, sizeof(float), error);
    if (!rectangles->numbers)
        return false;
    memcpy(rectangles->numbers, arrays->values, rectangles->rows * sizeof(float));
    return take_numbers(rectangles, "values", error);
}

bool batch_read_arrays(const struct batch_arrays *arrays, const struct model_config *config,
                       struct batch *batch, struct error *error)
{
    struct rectangles rectangles = {
        .layout = layout_for(config->heads), .rows = arrays->rows, .length = arrays->length};
    batch_clear(batch);
    const bool done =
        check_arrays(arrays, config, rectangles.layout, error) &&
        rectangles_allocate(&rectangles, error) && copy_arrays(arrays, &rectangles, error) &&
        check_rectangles(&rectangles, config, error) && pack(batch, &rectangles, error);
    rectangles_free(&rectangles);
    return done;
}
