/* A small model in a scratch directory, and the list of tensors that goes into its files: what the
 * model has, until a test changes the list. Every failure here fails the test. */
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
    real *loaded;           /* what loading gives; UNTOUCHED before */
    struct tensor *tensors; /* of the block; data and names are not owned */
    size_t count;
    struct huggingface_missing missing;
    struct error error;
};

/* cmocka fixtures: *state is a struct model_directory. */
int model_directory_set_up(void **state);
int model_directory_tear_down(void **state);

/* The list as the table has it. */
void list_tensors(struct model_directory *model);

struct tensor *find_tensor(struct model_directory *model, const char *name);
void drop_tensors(struct model_directory *model, const char *prefix);
void add_tensor(struct model_directory *model, struct tensor tensor); /* at most 4 */

/* Writes tensors [first, last) of the list as a file. */
void write_tensors(struct model_directory *model, const char *name, size_t first, size_t last);

/* huggingface_load_parameters on the directory as it is, or with the list as model.safetensors. */
bool load_directory(struct model_directory *model, int own_tokens);
bool load_tensors(struct model_directory *model, int own_tokens);

/* The groups in the mask were loaded as they are in the block, the others left UNTOUCHED. */
void expect_groups(const struct model_directory *model, unsigned groups);

/* The error is ERROR_INPUT; `message` is what follows the directory's path. */
void expect_message(const struct model_directory *model, const char *message);

#endif
