#include "cli/model_operand.h"

#include "base/format.h"
#include "base/log.h"

#include <string.h>

struct cloze_model *open_model_operand(const char *path, struct error *error)
{
    struct log log = log_open(stderr);
    struct cloze_error published;
    struct cloze_model *model = cloze_open(path, &published);
    if (!model)
        fail_published(error, &published);
    else if (*cloze_note(model))
        log_line(&log, "%s", cloze_note(model));
    return model;
}

void warn_of_input(const struct cloze_model *model)
{
    struct log log = log_open(stderr);
    int length = cloze_input_length(model), trained = cloze_trained_length(model);
    if (length > trained)
        log_warning(&log, "the input has %d tokens; the model was trained with %d at most", length,
                    trained);
    int unknown = cloze_input_unknown(model);
    if (unknown)
        log_warning(&log, "%d word%s of the input became [UNK]: the vocabulary lacks %s", unknown,
                    plural((unsigned)unknown), unknown == 1 ? "it" : "them");
}

bool fail_published(struct error *error, const struct cloze_error *published)
{
    error->kind = published->bad_input ? ERROR_INPUT : ERROR_WORK;
    memcpy(error->message, published->message, sizeof error->message);
    return false;
}

void warn_of_unknown_tokens(struct log *log, uint64_t unknown, uint64_t tokens)
{
    if (100 * unknown > tokens)
        log_warning(log, "%.1f %% of the tokens are [UNK]: words that the model does not know",
                    100 * (double)unknown / (double)tokens);
}

bool fail_not_finite(const char *name, uint64_t line, struct error *error)
{
    return fail_input(error,
                      "%s:%llu: the model gives numbers that are not finite: its parameters are "
                      "too large",
                      name, (unsigned long long)line);
}
