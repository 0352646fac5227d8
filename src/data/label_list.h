/* The labels of a task: names that are classes, with ids from 0. Zero-initialize; free with
 * label_list_free. */
#ifndef CLOZE_DATA_LABEL_LIST_H
#define CLOZE_DATA_LABEL_LIST_H

#include "text/string_table.h"

struct label_list {
    struct string_table names; /* the name of id `number` */
};

/* Returns the number of labels. */
int label_list_count(const struct label_list *labels);

/* Returns a name, with a zero byte after it; valid until the next addition. */
const char *label_list_name(const struct label_list *labels, int id);

/* Appends a label if it is new; *id gets its id. The name must be UTF-8 without control characters:
 * it becomes a name in config.json. Errors have only a reason: the caller knows the place. */
bool label_list_add(struct label_list *labels, const char *name, size_t size, int32_t *id,
                    struct error *error);

/* Sets the list, which is empty, to the given labels in their order. `origin`, such as
 * "task.labels", begins an error: fewer than two labels, one that is given twice, one that cannot
 * be a name. */
bool label_list_set(struct label_list *labels, const char *const *names, size_t count,
                    const char *origin, struct error *error);

/* Returns the id of a label; -1 if it is not in the list. */
int32_t label_list_find(const struct label_list *labels, const char *name, size_t size);

/* Sorts the labels: by value if all are whole numbers, otherwise by their bytes. new_ids, [count],
 * gets the new id of each old one. */
bool label_list_sort(struct label_list *labels, int32_t *new_ids, struct error *error);

/* Prints the labels for a message (excerpt_list of data/excerpt.h). */
bool label_list_describe(const struct label_list *labels, struct buffer *out, struct error *error);

void label_list_free(struct label_list *labels);

#endif
