/* The names of a model's labels: the classes of a classifier, in the order of its logits.
 * Regression has one label, which stands for its number. */
#ifndef CLOZE_MODEL_LABELS_H
#define CLOZE_MODEL_LABELS_H

#include "base/error.h"

struct labels {
    int count;    /* 0: the model has none */
    char **names; /* [count] UTF-8 */
};

/* Copies the names. Returns false when memory is short; *to is then empty. The caller frees it. */
bool labels_copy(struct labels *to, const struct labels *from, struct error *error);

/* Makes the names of transformers for labels without any: LABEL_0, LABEL_1, ... */
bool labels_number(struct labels *labels, int count, struct error *error);

/* Frees the names and leaves *labels empty. */
void labels_free(struct labels *labels);

/* Returns the index of the name, or -1. */
int labels_find(const struct labels *labels, const char *name);

#endif
