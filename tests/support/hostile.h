/* Files that nobody should trust, given to the program: tables of them, each row with what the user
 * is told, and what the rows' files are made of. Paths are relative to the working directory, a
 * scratch directory (run_config_enter_directory). Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_HOSTILE_H
#define CLOZE_TESTS_SUPPORT_HOSTILE_H

#include <stddef.h>

/* ---- what the files are made of ---- */

/* The section of a configuration for as short a training as there is. */
#define TRAIN_ONE_STEP "train: {steps: 1, batch_size: 1, threads: 1}\n"

/* A file of this text. */
void write_text(const char *name, const char *text);

#define SPECIAL_TOKENS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

/* vocab.txt: the special tokens, a and b. */
void write_vocabulary(void);

/* An empty one. */
void make_directory(const char *name);

/* One that nobody writes to. */
void make_fifo(const char *name);

/* ---- the rows ---- */

enum { ROW_ARGUMENTS = 8 };

struct hostile_row {
    void (*make)(void);                   /* writes the files; the working directory is empty */
    const char *arguments[ROW_ARGUMENTS]; /* of cloze; NULL behind the last */
    int status;                           /* that it exits with */
    const char *message;                  /* what stderr contains then */
};

/* Makes each row's files in a directory of their own, runs cloze there, asserts on its status and
 * message and that nothing is left behind but a run directory without partial files, and removes
 * it all. */
void assert_hostile_rows(const struct hostile_row *rows, size_t count);

#endif
