/* Configuration files for tests. Every test runs in a directory of its own, in which the
 * configuration is run.yaml, so that whole messages can be compared. */
#ifndef CLOZE_TESTS_SUPPORT_RUN_CONFIG_FILES_H
#define CLOZE_TESTS_SUPPORT_RUN_CONFIG_FILES_H

#include "train/run_config.h"

/* The smallest configuration, in two lines; others extend it. */
#define MINIMAL_CONFIG "output: run\ndata: {train: [a.txt]}\n"

/* MINIMAL_CONFIG with a hundred steps in two phases; lines after it are in the section train. */
#define PHASES_CONFIG                                                                              \
    MINIMAL_CONFIG "train:\n  phases: [{seq_len: 128, steps: 90}, {steps: 10, seq_len: 512}]\n"

/* cmocka fixtures: a new empty working directory; the second removes it. */
int run_config_enter_directory(void **state);
int run_config_leave_directory(void **state);

/* Asserts that `path` is that of `relative` in the test's directory. */
void assert_path_is(const char *path, const char *relative);

void write_config(const char *path, const char *text);

/* As run_config_load; `settings` ends with NULL or is NULL. */
struct run_config *load_config(const char *path, const char *const *settings, struct error *error);

/* Writes and loads run.yaml; an error fails the test. */
struct run_config *load_config_text(const char *text, const char *const *settings);

/* Expects what run_config_differences lists of MINIMAL_CONFIG and the same with settings. */
void expect_config_differences(const char *const *settings, const char *expected);

/* Writes a model directory "bert" with a config.json of no named size: hidden_size 96, 3 heads, no
 * hidden dropout. */
void make_init_from(void);

/* Adds a tokenizer to it, with only the special tokens, cased, without splitting Chinese
 * characters. */
void make_init_from_tokenizer(void);

#endif
