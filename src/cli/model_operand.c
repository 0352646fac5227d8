#include "cli/model_operand.h"

#include "base/log.h"
#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>

struct cloze_model *open_model_operand(const char *path, struct error *error)
{
    struct log log = log_open(stderr);
    struct cloze_error published;
    char *directory = model_directory_open(path, &log, error);
    struct cloze_model *model = directory ? cloze_open(directory, &published) : NULL;
    if (directory && !model)
        fail_published(error, &published);
    free(directory);
    return model;
}

bool fail_published(struct error *error, const struct cloze_error *published)
{
    error->kind = published->bad_input ? ERROR_INPUT : ERROR_WORK;
    memcpy(error->message, published->message, sizeof error->message);
    return false;
}
