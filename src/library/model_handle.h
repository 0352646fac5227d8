/* What the files of the library share: the model of cloze.h with its members. */
#ifndef CLOZE_LIBRARY_MODEL_HANDLE_H
#define CLOZE_LIBRARY_MODEL_HANDLE_H

#include "base/buffer.h"
#include "cloze/cloze.h"
#include "data/batch.h"
#include "model/embedder.h"
#include "model/huggingface.h"
#include "model/predictor.h"
#include "model/workspace.h"
#include "text/text_encoder.h"

struct cloze_model {
    struct model *model;
    struct huggingface_missing missing;
    struct tokenizer *tokenizer;
    struct buffer note;
    struct text_encoder *encoder;
    struct workspace *workspace;
    int trained_length;  /* length of the longest sequences in its training, in tokens */
    struct batch batch;  /* holds one sequence */
    real *probabilities; /* [V] */

    /* Of batches of texts, made by the first call that needs them (library/texts.c). */
    struct embedder *embedder;
    enum pooling pooling;
    bool normalize;
    int embedder_threads;
    struct predictor *predictor;
    int predictor_threads;
};

/* Appends a line, without its newline, to a note; nothing if the text is empty. */
bool add_note(struct buffer *note, const char *text, struct error *error);

/* Puts what was said on the way to a failure, which may explain it, before the error. */
void put_note_first(const struct buffer *note, struct error *error);

/* Notes a prefix of the tensors' names. */
bool note_prefix(struct buffer *note, const struct huggingface_missing *missing,
                 struct error *error);

/* Returns the directory that `path` means, which the caller frees, after verifying its checksums;
 * what is said meanwhile, also on the way to a failure, goes to the note. */
char *find_directory(const char *path, struct buffer *note, struct error *error);

/* Returns what a model with these heads was fine-tuned for. */
enum cloze_task task_of(const struct head_list *heads);

/* Copies an internal error to the caller's. Returns NULL, which also serves as false. */
void *publish_error(const struct error *error, struct cloze_error *published);

/* Checks that the model has the group, and that it was trained. `name` is that of messages. */
bool require_group(const struct cloze_model *model, enum parameter_group group, const char *name,
                   struct error *error);

/* Checks that results [count] are finite numbers. */
bool require_finite(const float *results, size_t count, struct error *error);

#endif
