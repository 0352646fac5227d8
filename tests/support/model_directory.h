/* A small model in a scratch directory, and the list of tensors that its files get: the model's own
 * tensors, unless a test changes the list. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_MODEL_DIRECTORY_H
#define CLOZE_TESTS_SUPPORT_MODEL_DIRECTORY_H

#include "model/huggingface.h"
#include "support/scratch.h"

enum { ALL_GROUPS = (1 << GROUP_COUNT) - 1, UNTOUCHED = 77 };

struct model_directory {
    struct scratch *scratch;
    struct model_config config; /* V 11, H 6, F 10, 7 positions, 2 types, 2 layers, 2 heads */
    struct parameter_table table;
    real *block;            /* the model: all elements differ */
    real *loaded;           /* the loaded parameters; UNTOUCHED before loading */
    struct tensor *tensors; /* the list; data and names are not owned */
    size_t count;
    struct huggingface_missing missing;
    struct error error;
};

/* cmocka fixtures: *state is a struct model_directory. */
int model_directory_set_up(void **state);
int model_directory_tear_down(void **state);

/* Makes the list of the model's own tensors. */
void list_tensors(struct model_directory *model);

struct tensor *find_tensor(struct model_directory *model, const char *name);
void drop_tensors(struct model_directory *model, const char *prefix);
void add_tensor(struct model_directory *model, struct tensor tensor); /* at most 4 */

/* Writes tensors [first, last) of the list as a file. */
void write_tensors(struct model_directory *model, const char *name, size_t first, size_t last);

/* load_directory calls huggingface_load_parameters on the directory as it is; load_tensors writes
 * the list to model.safetensors first. */
bool load_directory(struct model_directory *model, int own_tokens);
bool load_tensors(struct model_directory *model, int own_tokens);

/* Asserts that the groups in the mask were loaded with the values of the block, and that the others
 * are UNTOUCHED. */
void expect_groups(const struct model_directory *model, unsigned groups);

/* Asserts that the error is ERROR_INPUT, with `message` after the directory's path. */
void expect_message(const struct model_directory *model, const char *message);

#endif
