/* The columns of the files that a fine-tuned model reads, and the format of those whose ending says
 * none: what it was trained with, which its run has recorded, unless the user says otherwise. */
#ifndef CLOZE_CLI_TASK_COLUMNS_H
#define CLOZE_CLI_TASK_COLUMNS_H

#include "data/labelled_rows.h"
#include "model/heads.h"

/* What the user gives; NULL: nothing. */
struct task_column_options {
    const char *text, *text_pair, *label, *format;
    bool no_header;
};

/* Zero-initialize; free with task_columns_free. The settings are valid until then. */
struct task_columns {
    struct labelled_settings settings;
    char *text, *text_pair, *label; /* recorded */
};

/* Finds the settings for a model directory with these heads, which have labels. A directory that is
 * not a checkpoint has recorded nothing. */
bool task_columns_find(struct task_columns *columns, const char *directory,
                       const struct head_list *heads, const struct task_column_options *options,
                       struct error *error);
void task_columns_free(struct task_columns *columns);

#endif
