#include "report/report_curves.h"

#include "base/affix.h"
#include "report/page_assets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const columns[] = {"step",         "tokens",   "mlm_loss",
                                      "mlm_accuracy", "nsp_loss", "nsp_accuracy"};

enum { COLUMNS = sizeof columns / sizeof *columns };

static const char head[] = "step\ttokens\tmlm_loss\tmlm_accuracy\tnsp_loss\tnsp_accuracy\n";

/* A line of a file that is read. */
struct row {
    const char *file, *text;
    int number; /* of the line, from 1 */
};

/* Appends the numbers of the line, which ends at the first "\n", to the lists, and goes to the
 * next one. An empty field is no number. */
static bool take_row(json_t *curve, struct row *row, struct error *error)
{
    for (int i = 0; i < COLUMNS; i++) {
        char *after;
        const bool empty = *row->text == '\t' || *row->text == '\n';
        const double value = empty ? NAN : strtod(row->text, &after);
        const char *end = empty ? row->text : after;
        if (*end != (i + 1 < COLUMNS ? '\t' : '\n') || (end == row->text && !empty))
            return fail_input(error, "%s:%d: expected %d numbers separated by tabs", row->file,
                              row->number, COLUMNS);
        if (json_array_append_new(json_object_get(curve, columns[i]), json_finite(value)) != 0)
            return fail_work(error, "out of memory: a reference curve");
        row->text = end + 1;
    }
    row->number++;
    return true;
}

json_t *report_curve_parse(const char *name, const char *text, struct error *error)
{
    const int size = (int)strcspn(name, "-.");
    const char *ending = strrchr(name, '.');
    json_t *curve =
        json_pack("{s:s%, s:s%}", "name", name, ending ? (size_t)(ending - name) : strlen(name),
                  "size", name, (size_t)size);
    bool done =
        begins_with(text, head) ||
        fail_input(error, "%s:1: expected the names of the columns of a reference curve", name);
    for (int i = 0; i < COLUMNS && done; i++)
        done = json_put(curve, columns[i], json_array(), error);
    if (done) {
        struct row row = {.file = name, .text = text + sizeof head - 1, .number = 2};
        while (done && *row.text)
            done = take_row(curve, &row, error);
    }
    if (done)
        return curve;
    json_decref(curve);
    return NULL;
}

json_t *report_curves(struct error *error)
{
    json_t *curves = json_array();
    for (const struct page_asset *asset = page_curves; asset->name && curves; asset++)
        curves = json_append(curves, report_curve_parse(asset->name, asset->data, error));
    return curves;
}
