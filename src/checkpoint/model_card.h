/* The model card, README.md of a published model: what it is, how it was trained and how it is
 * loaded, in the form that Hugging Face shows (huggingface.co/docs/hub/model-cards). */
#ifndef CLOZE_CHECKPOINT_MODEL_CARD_H
#define CLOZE_CHECKPOINT_MODEL_CARD_H

#include "model/config.h"
#include "text/tokenizer.h"

struct model_card {
    const char *name;      /* name of the model */
    const char *directory; /* origin of the model; a checkpoint records its training */
    const char *class;     /* class of transformers */
    const struct model_config *config;
    struct tokenizer_options options;
    int32_t tokens;   /* number of tokens of the vocabulary */
    const char *mask; /* its mask token */
    int trained_length;
    unsigned missing, untrained; /* masks of 1 << enum parameter_group */
};

/* Writes DIRECTORY/README.md with the labels of a task and all that is known of the training:
 * steps, tokens, the names of the files of text or examples without their directories, and the
 * run's evaluation on what was held out after exactly this step, if the checkpoint is still in its
 * run, or else its best evaluation. */
bool model_card_write(const char *directory, const struct model_card *card, struct error *error);

#endif
