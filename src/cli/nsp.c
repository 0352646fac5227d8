#include "cli/command.h"
#include "cli/model_operand.h"
#include "cloze/cloze.h"

#include <jansson.h>
#include <stdio.h>

static bool judge(const struct string_list *operands, double *probability, struct error *error)
{
    struct cloze_error published;
    struct cloze_model *model = open_model_operand(operands->items[0], error);
    bool done = model && (cloze_next_sentence(model, operands->items[1], operands->items[2],
                                              probability, &published) ||
                          fail_published(error, &published));
    if (done)
        warn_of_input(model);
    cloze_close(model);
    return done;
}

static bool nsp(const struct command *command, int argc, char **argv, struct error *error)
{
    bool json = false, helped;
    double probability = 0;
    struct string_list operands = {0};
    const struct option_spec options[] = {
        {"json", OPTION_FLAG, &json, NULL, "print {\"is_next\": P} as JSON", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 3, 3, &helped, error);
    if (done && !helped) {
        done = judge(&operands, &probability, error);
        if (done && json)
            done = command_print_json(json_pack("{s:f}", "is_next", probability), error);
        else if (done)
            printf("P(IsNext) = %.4f\n", probability);
        done = done && command_finish_output(error);
    }
    string_list_free(&operands);
    return done;
}

const struct command command_nsp = {
    .name = "nsp",
    .arguments = "MODEL \"sentence A\" \"sentence B\" [--json]",
    .summary = "give the probability that sentence B follows sentence A",
    .details = "MODEL is a model directory, a checkpoint, or a run directory (then its latest\n"
               "checkpoint).\n",
    .examples = "# The probability that the second sentence follows the first\n"
                "cloze nsp runs/mine \"It began to rain.\" \"They went home.\"\n",
    .run = nsp,
};
