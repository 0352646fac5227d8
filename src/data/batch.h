/* One optimizer step's examples, packed: only real tokens are stored, sequence after sequence. */
#ifndef CLOZE_DATA_BATCH_H
#define CLOZE_DATA_BATCH_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    IS_NEXT = 0,     /* B follows A in the text */
    NOT_NEXT = 1,    /* B is from another document */
    NO_LABEL = -100, /* not predicted, does not count in the loss (the convention of PyTorch) */
};

struct batch {
    int sequences;  /* B */
    int tokens;     /* T, of all sequences */
    int masked;     /* M, predicted tokens of all sequences */
    int max_length; /* of the longest sequence */

    int32_t *starts;         /* [B + 1] first token of each sequence, then T */
    int32_t *input_ids;      /* [T] */
    int32_t *position_ids;   /* [T] place in its sequence */
    int32_t *token_type_ids; /* [T] */

    int32_t *masked_starts; /* [B + 1] first prediction of each sequence, then M */
    int32_t *masked_tokens; /* [M] index into the T tokens, ascending */
    int32_t *masked_labels; /* [M] the right id */

    int32_t *next_sentence_labels; /* [B] IS_NEXT, NOT_NEXT or NO_LABEL */

    /* Room, in elements. */
    size_t sequence_capacity, token_capacity, masked_capacity;
};

/* Room for the given numbers at least; contents are kept, also on failure. An empty batch is all
 * zero. */
bool batch_reserve(struct batch *batch, size_t sequences, size_t tokens, size_t masked,
                   struct error *error);
void batch_free(struct batch *batch);

/* Forgets the contents, not the room. */
void batch_clear(struct batch *batch);

/* Makes a sequence of what the caller has put behind the last one, where there must be room:
 *   `length` ids at input_ids[tokens], of which the first `first_segment` are of type 0, the others
 * of type 1; `masked` predictions at masked_tokens[masked] and masked_labels[masked], as places in
 * this sequence. Fills positions, types and starts; places in the sequence become places in the
 * batch. */
void batch_append(struct batch *batch, int length, int first_segment, int masked,
                  int32_t next_sentence_label);

/* How many examples have an NSP label. */
int batch_labelled_pairs(const struct batch *batch);

/* What batches really held, added up, for reports of the achieved rates. Zero-initialize. */
struct batch_rates {
    uint64_t sequences;
    uint64_t tokens;
    uint64_t selected;     /* tokens to predict: the sum of the next three */
    uint64_t shown_mask;   /* shown as [MASK] */
    uint64_t shown_random; /* shown as another token */
    uint64_t shown_same;   /* shown as they are (or replaced by chance with themselves) */
    uint64_t pairs;        /* sequences with an NSP label */
    uint64_t is_next;      /* pairs labelled IS_NEXT */
};

void batch_rates_add(struct batch_rates *rates, const struct batch *batch, int32_t mask_id);

/* Batches as files are in model/batch_file.h. */

#endif
