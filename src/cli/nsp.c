#include "cli/command.h"
#include "cli/model_operand.h"
#include "cloze/cloze.h"

#include <jansson.h>
#include <stdio.h>

static bool judge(const struct string_list *operands, double *probability, struct error *error)
{
    struct cloze_error published;
    struct cloze_model *model = open_model_operand(operands->items[0], error);
    bool ok = model && (cloze_next_sentence(model, operands->items[1], operands->items[2],
                                            probability, &published) ||
                        fail_published(error, &published));
    cloze_close(model);
    return ok;
}

static bool nsp(const struct command *command, int argc, char **argv, struct error *error)
{
    bool json = false, helped;
    double probability = 0;
    struct string_list operands = {0};
    const struct option_spec options[] = {
        {"json", OPTION_FLAG, &json, NULL, "print {\"is_next\": P} as JSON", 0, 0},
    };
    bool ok = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                            &operands, 3, 3, &helped, error);
    if (ok && !helped) {
        ok = judge(&operands, &probability, error);
        if (ok && json)
            ok = command_print_json(json_pack("{s:f}", "is_next", probability), error);
        else if (ok)
            printf("P(IsNext) = %.4f\n", probability);
        ok = ok && command_finish_output(error);
    }
    string_list_free(&operands);
    return ok;
}

const struct command command_nsp = {
    .name = "nsp",
    .arguments = "MODEL \"sentence A\" \"sentence B\" [--json]",
    .summary = "the probability that sentence B follows sentence A",
    .details = "MODEL is a model directory, a checkpoint, or a run directory (then its latest\n"
               "checkpoint).\n",
    .run = nsp,
};
