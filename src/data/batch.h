/* The examples of one optimizer step, without padding: sequences are stored one after another. */
#ifndef CLOZE_DATA_BATCH_H
#define CLOZE_DATA_BATCH_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    IS_NEXT = 0,     /* B follows A in the text */
    NOT_NEXT = 1,    /* B is from another document */
    NO_LABEL = -100, /* no prediction; the loss leaves it out (the value is PyTorch's convention) */
};

/* Consecutive sequences of a batch that is divided among processes. */
struct batch_share {
    int first, count;
};

struct batch {
    int sequences;  /* B */
    int tokens;     /* T, all sequences together */
    int predicted;  /* M, predicted tokens of all sequences together */
    int max_length; /* length of the longest sequence */

    int32_t *starts;         /* [B + 1] first token of each sequence, then T */
    int32_t *input_ids;      /* [T] */
    int32_t *position_ids;   /* [T] position in the sequence, from 0 */
    int32_t *token_type_ids; /* [T] */

    int32_t *predicted_starts; /* [B + 1] first prediction of each sequence, then M */
    int32_t *predicted_tokens; /* [M] index into the T tokens, ascending */
    int32_t *predicted_labels; /* [M] the class: for MLM the original id */

    int32_t *sequence_labels; /* [B] the class: for NSP IS_NEXT or NOT_NEXT; NO_LABEL */
    float *sequence_values;   /* [B] the number that regression predicts; 0 where it has none. A
                               * sequence with a number has 0 in sequence_labels, one without has
                               * NO_LABEL there */

    /* Capacity of the arrays, in elements. */
    size_t sequence_capacity, token_capacity, predicted_capacity;
};

/* Makes room for at least the given numbers. Contents are kept, also on failure. A batch that is
 * all zero is an empty batch. */
bool batch_reserve(struct batch *batch, size_t sequences, size_t tokens, size_t predicted,
                   struct error *error);
void batch_free(struct batch *batch);

/* Empties the batch and keeps its capacity. */
void batch_clear(struct batch *batch);

/* Appends a sequence that the caller has written directly after the last one, within the capacity:
 * `length` ids from input_ids[batch->tokens] on, the first `first_segment` of them of type 0 and
 * the others of type 1, and `predicted` predictions from predicted_tokens[batch->predicted] and
 * predicted_labels[batch->predicted] on, with indices in the sequence. Sets positions, types and
 * starts, and converts the indices to indices in the batch. */
void batch_append(struct batch *batch, int length, int first_segment, int predicted,
                  int32_t sequence_label);

/* Gives the sequence that was appended last a number to predict, which must be finite. */
void batch_set_value(struct batch *batch, float value);

/* Returns the number of sequences with a label or a number. */
int batch_labelled_sequences(const struct batch *batch);

/* Counts over batches, from which the achieved rates are reported. Zero-initialize. */
struct batch_rates {
    uint64_t sequences;
    uint64_t tokens;
    uint64_t selected;     /* predicted tokens: the sum of the next three */
    uint64_t shown_mask;   /* shown as [MASK] */
    uint64_t shown_random; /* shown as another token */
    uint64_t shown_same;   /* shown unchanged, or as a random token that happens to be the same */
    uint64_t pairs;        /* sequences with an NSP label */
    uint64_t is_next;      /* pairs labelled IS_NEXT */
};

/* total += rates. */
void batch_rates_add(struct batch_rates *total, const struct batch_rates *rates);

void batch_rates_count(struct batch_rates *rates, const struct batch *batch, int32_t mask_id);

/* model/batch_file.h reads and writes batches as files. */

#endif
