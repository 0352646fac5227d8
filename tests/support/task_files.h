/* What the tests of fine-tuning train on: small tasks that can be learned. A text is good or bad by
 * one of its words, its number is how often that word occurs, and names are the words "ann" and
 * "new york". */
#ifndef CLOZE_TESTS_SUPPORT_TASK_FILES_H
#define CLOZE_TESTS_SUPPORT_TASK_FILES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Makes the scratch directory, which becomes the working directory, with vocab.txt, run.yaml and
 * the examples of classification that it names: 120 in train.tsv, 40 in valid.tsv. */
int task_files_set_up(void **state);
int task_files_tear_down(void **state);

/* Write other files of examples, of classification (tsv), regression (csv) and labels of words
 * (conll). */
void write_classes(const char *name, int examples, uint64_t seed);
void write_numbers(const char *name, int examples, uint64_t seed);
void write_words(const char *name, int texts, uint64_t seed);

/* Runs `cloze finetune run.yaml --json` with the settings, which end with NULL, and returns what it
 * prints; the caller releases it. */
json_t *finetune(const char *const *settings, bool resume);
#define FINETUNE(...) finetune((const char *const[]){__VA_ARGS__, NULL}, false)
#define RESUME(...)   finetune((const char *const[]){__VA_ARGS__, NULL}, true)

/* Settings for bf16, which needs heads of a multiple of 32. */
#define BF16 "train.precision=bf16", "model.num_attention_heads=1"

#endif
