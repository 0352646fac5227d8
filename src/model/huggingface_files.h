/* The files that hold the tensors of a Hugging Face directory: model.safetensors, or the parts that
 * model.safetensors.index.json lists. */
#ifndef CLOZE_MODEL_HUGGINGFACE_FILES_H
#define CLOZE_MODEL_HUGGINGFACE_FILES_H

#include "model/safetensors.h"

#define WEIGHTS_FILE "model.safetensors"

struct weight_file {
    char *path;
    const char *name; /* the end of path */
    struct safetensors contents;
};

struct weight_files {
    struct weight_file *list;
    size_t count;
};

/* Maps and checks all files. Where there are none, the error names what is there instead and what
 * makes a model of it. To be closed also on failure. */
bool weight_files_open(struct weight_files *files, const char *directory, struct error *error);
void weight_files_close(struct weight_files *files);

/* Returns the name of weights in the directory that cloze does not read, and how to make some that
 * it does, for a message "found ..."; NULL if the directory holds no weights of a known kind. */
const char *huggingface_other_format(const char *directory);

#endif
