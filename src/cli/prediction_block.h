/* A block of rows that a fine-tuned model predicts together: what was read, and the results. */
#ifndef CLOZE_CLI_PREDICTION_BLOCK_H
#define CLOZE_CLI_PREDICTION_BLOCK_H

#include "data/labelled_rows.h"
#include "model/predictor.h"

/* Enough rows for texts of similar length to run together. */
enum { BLOCK_ROWS = 2048, BLOCK_BYTES = 8 << 20 };

struct prediction_row {
    uint64_t line;
    struct cells cells; /* the text and the second text of a pair, or the words */
    size_t results;     /* the words, or 1 */
    bool has_pair;
    bool has_label;
    float number;          /* the label of regression */
    const int32_t *labels; /* [results] classes; NULL without a label and in regression */

    /* After prediction_block_run: */
    const float *values; /* [results, labels of the model] as predictor_text's */
    const int32_t *best; /* [results] the predicted class; -1: none. 0 in regression */
};

struct prediction_block {
    const struct model_config *config;
    const char *name; /* of the file, for messages */
    struct prediction_row rows[BLOCK_ROWS];
    size_t row_count;
    size_t result_count;          /* of all rows */
    struct predictor_text *texts; /* [BLOCK_ROWS] */
    int32_t *labels;
    size_t label_count, label_capacity;
    float *values; /* [result_count, labels of the model] */
    int32_t *best; /* [result_count] */
    size_t value_capacity, best_capacity;
};

/* Returns a block for a model with labels, whose configuration must outlive it; NULL when memory is
 * short. */
struct prediction_block *prediction_block_create(const struct model_config *config,
                                                 struct error *error);
void prediction_block_free(struct prediction_block *block); /* NULL is accepted */

/* Replaces the rows by the next ones of a file; *end is true after its last one. A label that the
 * model does not have, or that is not a number, is an error with file and line. */
bool prediction_block_read(struct prediction_block *block, struct labelled_rows *rows,
                           const char *name, bool *end, struct error *error);

/* Predicts all rows. A result that is not finite is an error with the file and the line. */
bool prediction_block_run(struct prediction_block *block, struct predictor *predictor,
                          const struct text_listener *listener, struct error *error);

/* Returns the probability of a result's predicted class, or the number of regression. */
double prediction_row_score(const struct prediction_block *block, const struct prediction_row *row,
                            size_t result);

#endif
