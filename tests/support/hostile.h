/* Runs cloze on hostile files: a table has a row for each case, with a function that writes the
 * files and the message that the user gets. Paths are relative to the working directory, a scratch
 * directory (run_config_enter_directory). Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_HOSTILE_H
#define CLOZE_TESTS_SUPPORT_HOSTILE_H

#include <stddef.h>

/* ---- writing the files ---- */

/* The section of a configuration for the shortest training. */
#define TRAIN_ONE_STEP "train: {steps: 1, batch_size: 1, threads: 1}\n"

/* Writes a file with this text. */
void write_text(const char *name, const char *text);

#define SPECIAL_TOKENS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

/* Writes vocab.txt with the special tokens, a and b. */
void write_vocabulary(void);

/* Makes an empty directory. */
void make_directory(const char *name);

/* Makes a FIFO that no process writes to. */
void make_fifo(const char *name);

/* ---- the rows ---- */

enum { ROW_ARGUMENTS = 8 };

struct hostile_row {
    void (*make)(void);                   /* writes the files; the working directory is empty */
    const char *arguments[ROW_ARGUMENTS]; /* arguments of cloze, followed by NULL */
    int status;                           /* expected exit status */
    const char *message;                  /* expected part of stderr */
};

/* Makes each row's files in a directory of their own and runs cloze there. Asserts on its status
 * and message, and that it leaves no new files but a run directory without partial files. Removes
 * all files afterwards. */
void assert_hostile_rows(const struct hostile_row *rows, size_t count);

#endif
