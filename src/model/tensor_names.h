/* What the tensors of a model directory are called, and what the parameter table calls them: the
 * classes and programs that hold an encoder put their own names in front. */
#ifndef CLOZE_MODEL_TENSOR_NAMES_H
#define CLOZE_MODEL_TENSOR_NAMES_H

#include "model/huggingface_files.h"

struct tensor_names {
    char encoder[TENSOR_MAX_NAME + 1]; /* before "embeddings." in these names: "bert.", "" */
    char shown[TENSOR_MAX_NAME + 1];   /* the same with the wrappers of PyTorch, as in the files */
};

/* Finds the encoder by its word embeddings, or by another part of its embeddings where these have
 * another name. Files without any are taken to have the ordinary names. Two encoders, as a student
 * and its teacher, are ERROR_INPUT that names both. */
bool tensor_names_find(const struct weight_files *files, const char *directory,
                       struct tensor_names *names, struct error *error);

/* Returns whether the encoder is called as BertModel and the classes with heads call theirs. */
bool tensor_names_ordinary(const struct tensor_names *names);

/* The longest change of a name: "bert." in front and one letter more at the end. */
struct tensor_name {
    char text[TENSOR_MAX_NAME + sizeof "bert." + 1];
};

/* Returns the table's name for a tensor of the encoder, which may have a prefix, or of a head.
 * Another tensor keeps its name without the wrappers of PyTorch. */
struct tensor_name tensor_names_in_table(const struct tensor_names *names, const char *name);

#endif
