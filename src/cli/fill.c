#include "base/json.h"
#include "base/memory.h"
#include "base/wrap.h"
#include "cli/command.h"
#include "cli/model_operand.h"
#include "cloze/cloze.h"

#include <stdio.h>
#include <string.h>

static void print_candidate(const struct cloze_candidate *candidate)
{
    enum { COLUMNS = 16 };
    const int columns = text_columns(candidate->text, strlen(candidate->text));
    printf("%6.2f %%  %s%*s %s\n", 100 * candidate->score, candidate->text,
           columns < COLUMNS ? COLUMNS - columns : 0, "", candidate->sequence);
}

static void print_fill(const struct cloze_fill *fill)
{
    for (size_t i = 0; i < fill->mask_count; i++) {
        const struct cloze_mask *mask = &fill->masks[i];
        if (fill->mask_count > 1)
            printf("%s[MASK] %zu of %zu\n", i ? "\n" : "", i + 1, fill->mask_count);
        for (size_t j = 0; j < mask->count; j++)
            print_candidate(&mask->candidates[j]);
    }
}

static json_t *candidate_json(const struct cloze_candidate *candidate)
{
    return json_pack("{s:f, s:i, s:s, s:s}", "score", candidate->score, "token", candidate->token,
                     "token_str", candidate->text, "sequence", candidate->sequence);
}

/* Returns a list of the candidates; NULL when memory is short. */
static json_t *mask_json(const struct cloze_mask *mask)
{
    json_t *candidates = json_array();
    for (size_t i = 0; i < mask->count && candidates; i++)
        candidates = json_append(candidates, candidate_json(&mask->candidates[i]));
    return candidates;
}

/* Returns a list for each [MASK]; NULL when memory is short. */
static json_t *fill_json(const struct cloze_fill *fill)
{
    json_t *masks = json_array();
    for (size_t i = 0; i < fill->mask_count && masks; i++)
        masks = json_append(masks, mask_json(&fill->masks[i]));
    return masks;
}

static bool show(const struct cloze_fill *fill, bool json, struct error *error)
{
    if (!json)
        print_fill(fill);
    else if (!command_print_json(fill_json(fill), error))
        return false;
    return command_finish_output(error);
}

static bool fill(const struct command *command, int argc, char **argv, struct error *error)
{
    int64_t top = 5;
    bool json = false, helped, done;
    struct string_list operands = {0};
    const struct option_spec options[] = {
        {"top", OPTION_INTEGER, &top, "K", "how many tokens per [MASK] (5)", 1, INT32_MAX},
        {"json", OPTION_FLAG, &json, NULL, "print a list for each [MASK] as JSON", 0, 0},
    };
    done = command_parse(command, options, sizeof options / sizeof *options, argc, argv, &operands,
                         2, 2, &helped, error);
    if (done && !helped) {
        struct cloze_model *model = open_model_operand(operands.items[0], error);
        struct cloze_error published;
        struct cloze_fill *filled =
            model ? cloze_fill(model, operands.items[1], (int)top, &published) : NULL;
        if (model && !filled)
            fail_published(error, &published);
        if (filled)
            warn_of_input(model);
        done = filled && show(filled, json, error);
        cloze_fill_free(filled);
        cloze_close(model);
    }
    string_list_free(&operands);
    return done;
}

const struct command command_fill = {
    .name = "fill",
    .arguments = "MODEL \"how are [MASK] doing?\" [--top K] [--json]",
    .summary = "find the best tokens for every [MASK], with probabilities",
    .details = "MODEL is a model directory, a checkpoint, or a run directory (then its latest\n"
               "checkpoint). Each [MASK] is predicted with the other masks in place.\n",
    .examples = "# The three best tokens for a blank\n"
                "cloze fill runs/mine \"how are [MASK] doing?\" --top 3\n"
                "# For another program\n"
                "cloze fill runs/mine \"the [MASK] of [MASK].\" --json\n",
    .run = fill,
};
